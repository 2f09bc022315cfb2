//! What users and channels tell of themselves (IRCv3 metadata, in its second and its third draft).

use protocols::chat::{Limits, Settings};

use crate::stage::{Actor, Stage, settings};

const SECOND: &str = "draft/metadata-2 batch";
const THIRD: &str = "draft/metadata-3 batch";

/// Somebody who has read, too, what it is told of itself.
fn enters(stage: &Stage, nick: &str, caps: &str) -> Actor {
    let mut actor = stage.enters_with(nick, caps);
    actor.hears_each([&format!("BATCH +* metadata {nick}"), "BATCH -*"]);
    actor
}

/// The one line of a batch.
#[track_caller]
fn hears_alone(actor: &mut Actor, target: &str, expected: &str) {
    actor.hears(&format!("BATCH +* metadata {target}"));
    actor.hears(&format!("@batch=* {expected}"));
    actor.hears("BATCH -*");
}

#[test]
fn a_value_is_set_and_read_by_others_and_taken_away() {
    let stage = Stage::new();
    let (mut ann, mut bob) = (enters(&stage, "ann", SECOND), enters(&stage, "bob", THIRD));
    ann.says("METADATA * GET Display-Name");
    hears_alone(&mut ann, "ann", "766 ann display-name :no matching key");
    ann.says("METADATA * SET Display-Name :Ann the First");
    ann.hears("761 ann display-name * :Ann the First");
    bob.says("METADATA ANN GET display-name");
    hears_alone(&mut bob, "ann", "761 ann display-name * :Ann the First");
    bob.says("WHOIS ann");
    bob.hears_at_last("760 ann display-name * :Ann the First");
    bob.hears_at_last("318 *");
    ann.says("METADATA ann LIST");
    hears_alone(&mut ann, "ann", "761 ann display-name * :Ann the First");
    ann.says("METADATA * SET display-name").hears("766 ann display-name :no matching key");
    ann.says("METADATA * LIST").hears_each(["BATCH +* metadata ann", "BATCH -*"]);
}

#[test]
fn those_who_share_a_channel_and_want_to_are_told_of_changes() {
    let stage = Stage::new();
    let (mut ann, mut bob) = (enters(&stage, "ann", SECOND), enters(&stage, "bob", SECOND));
    let (mut cat, mut eve) = (enters(&stage, "cat", THIRD), enters(&stage, "eve", SECOND));
    for actor in [&mut bob, &mut cat] {
        actor.says("METADATA * SUB avatar status").hears("770 avatar status");
    }
    ann.says("METADATA * SET avatar :one").hears("761 ann avatar * :one");
    bob.hears_nothing();
    for actor in [&mut ann, &mut bob, &mut cat, &mut eve] {
        actor.says("JOIN #a").hears_at_last("366 *");
    }
    // Whoever joins is told what is known already.
    bob.hears("METADATA ann avatar * :one");
    cat.hears("761 ann avatar * :one");
    for actor in [&mut ann, &mut bob, &mut cat, &mut eve] {
        actor.hears_all();
    }
    ann.says("METADATA * SET avatar :two").hears("761 ann avatar * :two");
    bob.hears(":ann METADATA ann avatar * :two");
    cat.hears("761 ann avatar * :two");
    ann.says("METADATA * SET avatar").hears("766 ann avatar :no matching key");
    bob.hears(":ann METADATA ann avatar *");
    cat.hears("766 ann avatar :no matching key");
    ann.says("METADATA * SET secret :x").hears("761 *");
    for actor in [&mut bob, &mut cat, &mut eve] {
        actor.hears_nothing();
    }
    bob.says("METADATA * SUBS").hears("772 avatar status");
    bob.says("METADATA * UNSUB avatar nothing").hears("771 avatar nothing");
    bob.says("METADATA * SUB secret").hears_each(["770 secret", "METADATA ann secret * :x"]);
    bob.says("METADATA #a SYNC");
    hears_alone(&mut bob, "#a", "METADATA ann secret * :x");
    // The others are told of somebody who comes.
    eve.says("METADATA * SET secret :y").hears("761 *");
    bob.hears(":eve METADATA eve secret * :y");
    eve.says("PART #a");
    bob.hears(":eve PART #a");
    eve.says("JOIN #a");
    bob.hears_each([":eve JOIN #a", ":eve METADATA eve secret * :y"]);
}

#[test]
fn a_channels_values_are_its_operators_and_of_a_closed_one_its_members() {
    let stage = Stage::new();
    let (mut ann, mut bob) = (enters(&stage, "ann", SECOND), enters(&stage, "bob", SECOND));
    ann.joins("#a");
    bob.says("METADATA #a SET url :mine").hears("FAIL METADATA KEY_NO_PERMISSION #a url :*");
    bob.says("METADATA ann SET url :mine").hears("FAIL METADATA KEY_NO_PERMISSION ann url :*");
    bob.says("METADATA ann CLEAR").hears("FAIL METADATA KEY_NO_PERMISSION ann * :*");
    ann.says("METADATA #a SET url :http://irc.test").hears("761 #a url * :http://irc.test");
    bob.says("METADATA #a GET url");
    hears_alone(&mut bob, "#a", "761 #a url * :http://irc.test");
    bob.says("METADATA * SUB url").hears("770 url");
    bob.says("JOIN #a");
    bob.hears_at_last("366 *");
    bob.hears("METADATA #a url * :http://irc.test");
    bob.says("PART #a").hears(":bob PART #a");
    ann.says("MODE #a +i").hears_at_last(":ann MODE #a +i");
    for subcommand in ["GET url", "LIST", "SYNC"] {
        bob.says(&format!("METADATA #a {subcommand}")).hears("FAIL METADATA INVALID_TARGET #a :*");
    }
    ann.says("METADATA #a CLEAR");
    hears_alone(&mut ann, "#a", "766 #a url :no matching key");
}

#[test]
fn what_is_too_much_or_makes_no_sense_is_refused() {
    let limits = Limits {
        metadata_keys: 1,
        metadata_value: 3,
        metadata_subscriptions: 2,
        metadata_at_once: 1,
        ..settings().limits
    };
    let stage = Stage::with(Settings { limits, ..settings() });
    let (mut ann, mut bob) = (enters(&stage, "ann", SECOND), enters(&stage, "bob", THIRD));
    for (line, second, third) in [
        ("* SET $url :x", "KEY_INVALID $url", "INVALID_KEY $url"),
        ("* SET url :long", "VALUE_INVALID", "INVALID_VALUE url"),
        ("nobody LIST", "INVALID_TARGET nobody", "INVALID_TARGET nobody"),
        ("#nowhere LIST", "INVALID_TARGET #nowhere", "INVALID_TARGET #nowhere"),
        ("* DESTROY", "INVALID_SUBCOMMAND DESTROY", "INVALID_SUBCOMMAND DESTROY"),
    ] {
        for (actor, answer) in [(&mut ann, second), (&mut bob, third)] {
            actor.says(&format!("METADATA {line}")).hears(&format!("FAIL METADATA {answer} :*"));
        }
    }
    ann.says("METADATA * SET one :1").hears("761 *");
    ann.says("METADATA * SET two :2").hears("FAIL METADATA LIMIT_REACHED ann :*");
    ann.says("METADATA * SUB one $ two three four");
    ann.hears("FAIL METADATA KEY_INVALID $ :*");
    ann.hears("FAIL METADATA TOO_MANY_SUBS three :*");
    ann.hears("770 one two");
    bob.joins("#a");
    ann.says("JOIN #a");
    ann.hears_at_last("366 *");
    ann.hears("774 #a");
    let mut eve = stage.enters("eve");
    eve.says("METADATA * LIST").hears("421 METADATA :Unknown command");
}

#[test]
fn a_value_can_be_set_before_registration() {
    let stage = Stage::new();
    let mut ann = stage.connects();
    ann.says("METADATA * LIST").hears("451 :You have not registered");
    ann.says("CAP REQ :draft/metadata-2 batch").hears("CAP * ACK :*");
    ann.says("METADATA * SET status :coming").hears("761 * status * :coming");
    ann.registers("ann");
    ann.says("CAP END").hears_at_last("422 *");
    hears_alone(&mut ann, "ann", "METADATA ann status * :coming");
}
