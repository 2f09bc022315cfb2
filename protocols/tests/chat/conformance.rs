//! What conformance suites for servers ask beyond the other modules: the younger extensions, and the
//! corners of the older commands.

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::password::PasswordHash;

use crate::operators::with_operator;
use crate::stage::{Actor, Stage, settings};

const CAPS: &str = "message-tags echo-message batch draft/message-redaction";

/// Says something, and gives the id under which it can be taken back.
fn says_with_id(actor: &mut Actor, line: &str) -> String {
    let echo = actor.says(line).hears("@msgid=* :*");
    let (_, rest) = echo.split_once("msgid=").expect("an id");
    rest.split([';', ' ']).next().expect("an id").to_owned()
}

/// A stage with an account `ann`, whose password is `sesame`.
fn stage_with_ann() -> Stage {
    let mut accounts = Accounts::in_memory(AccountLimits::default());
    let hash = PasswordHash::of("sesame").expect("a hash");
    accounts.create("ann", hash, std::time::SystemTime::now()).expect("a new name");
    Stage::with_accounts(settings(), accounts)
}

fn logs_in(actor: &mut Actor) {
    actor.says("NS IDENTIFY ann sesame");
    actor.hears_at_last(":NickServ!NickServ@irc.test NOTICE * :You are logged in as *");
}

// ── IRCv3 message-redaction ─────────────────────────────────────────────────────────────────────────

#[test]
fn an_operator_of_the_server_takes_messages_back_wherever_they_were_said() {
    let stage = with_operator();
    let (mut ann, mut root) = (stage.enters_with("ann", CAPS), stage.enters_with("root", CAPS));
    ann.joins("#a");
    let id = says_with_id(&mut ann, "PRIVMSG #a :advertising");
    root.says(&format!("REDACT #a {id}")).hears("FAIL REDACT INVALID_TARGET #a :*");
    root.says("OPER root secret").hears_at_last(":root MODE root +o");
    root.says(&format!("REDACT #a {id} :spam")).hears(&format!(":root REDACT #a {id} :spam"));
    ann.hears(&format!(":root REDACT #a {id} :spam"));
}

#[test]
fn what_nobody_said_cannot_be_taken_back() {
    let stage = Stage::new();
    let mut ann =
        stage.enters_with("ann", &format!("{CAPS} draft/chathistory draft/event-playback"));
    ann.joins("#a");
    ann.says("TOPIC #a :birds").hears("@msgid=* :ann TOPIC #a :birds");
    ann.says("CHATHISTORY LATEST #a * 1");
    ann.hears("BATCH +* chathistory #a");
    let line = ann.hears("@batch=*;msgid=* :ann TOPIC #a :birds");
    ann.hears("BATCH -*");
    let id = line.split("msgid=").nth(1).and_then(|it| it.split([';', ' ']).next());
    let id = id.expect("an id");
    ann.says(&format!("REDACT #a {id}")).hears(&format!("FAIL REDACT UNKNOWN_MSGID #a {id} :*"));
}

#[test]
fn what_is_not_there_cannot_be_taken_back() {
    let stage = Stage::new();
    let (mut ann, mut bob) = (stage.enters_with("ann", CAPS), stage.enters_with("bob", CAPS));
    ann.joins("#a");
    bob.joins("#b");
    let id = says_with_id(&mut bob, "PRIVMSG #b :elsewhere");
    for (line, answer) in [
        ("#a nonsense", "UNKNOWN_MSGID #a nonsense"),
        ("#nowhere 1-1", "INVALID_TARGET #nowhere"),
        ("#b 1-1", "INVALID_TARGET #b"),
        (&format!("#a {id}"), &format!("UNKNOWN_MSGID #a {id}")),
        ("nobody 1-1", "INVALID_TARGET nobody"),
    ] {
        ann.says(&format!("REDACT {line}")).hears(&format!("FAIL REDACT {answer} :*"));
    }
}

#[test]
fn what_was_said_in_private_is_taken_back_by_whoever_said_it() {
    let stage = stage_with_ann();
    let (mut ann, mut bob) = (stage.enters_with("ann", CAPS), stage.enters_with("bob", CAPS));
    logs_in(&mut ann);
    let id = says_with_id(&mut ann, "PRIVMSG bob :secret");
    bob.hears("@msgid=* :ann PRIVMSG bob :secret");
    bob.says(&format!("REDACT ann {id}"));
    bob.hears(&format!("FAIL REDACT REDACT_FORBIDDEN ann {id} :*"));
    ann.says(&format!("REDACT bob {id}")).hears(&format!(":ann REDACT bob {id}"));
    bob.hears(&format!(":ann REDACT bob {id}"));
    ann.says(&format!("REDACT bob {id}")).hears(&format!("FAIL REDACT UNKNOWN_MSGID bob {id} :*"));
}

// ── IRCv3 read-marker ───────────────────────────────────────────────────────────────────────────────

#[test]
fn a_read_marker_is_told_on_joining_and_moves_forwards_only() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "draft/read-marker");
    ann.says("JOIN #a").hears_each([":ann JOIN #a", "MARKREAD #a *", "353 = #a :@ann", "366 #a *"]);
    ann.says("MARKREAD #a timestamp=2020-03-15T10:00:00.000Z");
    ann.hears("MARKREAD #a timestamp=2020-03-15T10:00:00.000Z");
    ann.says("MARKREAD #A timestamp=2019-03-15T10:00:00.000Z");
    ann.hears("MARKREAD #A timestamp=2020-03-15T10:00:00.000Z");
    ann.says("PART #a").hears(":ann PART #a");
    ann.says("JOIN #a");
    ann.hears(":ann JOIN #a");
    ann.hears("MARKREAD #a timestamp=2020-03-15T10:00:00.000Z");
    ann.hears_at_last("366 #a *");
    ann.says("MARKREAD bob").hears("MARKREAD bob *");
}

#[test]
fn a_read_marker_is_the_same_for_all_clients_of_an_account() {
    let stage = stage_with_ann();
    let caps = "draft/read-marker";
    let (mut desk, mut phone) = (stage.enters_with("desk", caps), stage.enters_with("phone", caps));
    let mut eve = stage.enters_with("eve", "draft/read-marker");
    logs_in(&mut desk);
    logs_in(&mut phone);
    desk.says("MARKREAD #a timestamp=2020-03-15T10:00:00.000Z");
    desk.hears("MARKREAD #a timestamp=2020-03-15T10:00:00.000Z");
    phone.hears("MARKREAD #a timestamp=2020-03-15T10:00:00.000Z");
    eve.says("MARKREAD #a").hears("MARKREAD #a *");
    for mut actor in [desk, phone] {
        actor.says("QUIT").hears_the_end();
    }
    let mut phone = stage.enters_with("phone", caps);
    logs_in(&mut phone);
    phone.says("MARKREAD #a").hears("MARKREAD #a timestamp=2020-03-15T10:00:00.000Z");
}

// ── smaller ones ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn somebody_can_be_away_before_being_here() {
    let stage = Stage::new();
    let mut bot = stage.connects();
    bot.says("AWAY :not yet").hears("451 :You have not registered");
    bot.says("CAP REQ draft/pre-away").hears("CAP * ACK :draft/pre-away");
    bot.says("AWAY *").hears("306 *");
    bot.registers("bot");
    bot.says("CAP END").hears_at_last("422 *");
    let mut ann = stage.enters("ann");
    ann.says("PRIVMSG bot :there?").hears("301 bot :*");
}

#[test]
fn names_are_left_out_for_those_who_do_not_want_them() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "no-implicit-names");
    ann.says("JOIN #a").hears(":ann JOIN #a");
    ann.hears_nothing();
    ann.says("NAMES #a").hears_each(["353 = #a :@ann", "366 #a *"]);
}

#[test]
fn several_channels_names_end_once() {
    let stage = Stage::new();
    let mut ann = stage.enters("ann");
    ann.joins("#a");
    ann.joins("#b");
    ann.says("NAMES #a,#b,#nowhere,#A");
    ann.hears("353 = #a :@ann");
    ann.hears("353 = #b :@ann");
    ann.hears("366 #a,#b,#nowhere,#A :End of /NAMES list");
}

#[test]
fn old_clients_are_listed_no_drafts_and_new_ones_all_on_several_lines() {
    let stage = Stage::new();
    let mut old = stage.connects();
    let line = old.says("CAP LS").hears("CAP * LS *");
    assert!(!line.contains("draft/") && line.contains("multi-prefix"), "{line}");
    old.hears_nothing();
    old.says("CAP REQ draft/read-marker").hears("CAP * ACK :draft/read-marker");

    let mut new = stage.connects();
    new.says("CAP LS 302");
    let mut all = Vec::new();
    loop {
        let line = new.hears("CAP * LS *");
        let (_, names) = line.rsplit_once(" :").expect("a list");
        all.extend(names.split(' ').map(|name| name.split('=').next().unwrap_or(name).to_owned()));
        if !line.contains(" LS * :") {
            break;
        }
    }
    for names in all.chunks(8) {
        new.says(&format!("CAP REQ :{}", names.join(" "))).hears("CAP * ACK *");
    }
    new.says("CAP LIST");
    let mut listed = Vec::new();
    loop {
        let line = new.hears_at_last("CAP * LIST *");
        let (_, names) = line.rsplit_once(" :").expect("a list");
        listed.extend(names.split(' ').map(str::to_owned));
        if !line.contains(" LIST * :") {
            break;
        }
    }
    assert_eq!(listed, all);
}
