//! Capabilities (IRCv3 capability-negotiation), and what those do that are not about messages:
//! extended-join, away-notify, account-notify, chghost, invite-notify, setname.

use protocols::chat::Settings;

use crate::stage::{Actor, Stage, settings};

#[test]
fn registration_waits_for_the_end_of_the_negotiation() {
    let stage = Stage::new();
    let mut ann = stage.connects();
    let list = ann.says("CAP LS 302").hears_all().join(" ");
    assert!(list.contains(" sasl=PLAIN"), "{list}");
    assert!(list.contains(" draft/multiline=max-bytes=4096,max-lines=32"), "{list}");
    ann.registers("ann");
    ann.hears_nothing();
    ann.says("CAP REQ :nonsense multi-prefix").hears("CAP ann NAK :nonsense multi-prefix");
    ann.says("CAP REQ :multi-prefix").hears("CAP ann ACK :multi-prefix");
    ann.says("CAP END").hears_at_last("422 *");
    ann.says("CAP LIST").hears("CAP ann LIST :multi-prefix cap-notify");
    ann.says("CAP REQ :-multi-prefix server-time").hears("CAP ann ACK :-multi-prefix server-time");
    ann.says("CAP REQ :-cap-notify").hears("@time=* CAP ann NAK :-cap-notify");
    ann.says("CAP NONSENSE").hears("@time=* 410 NONSENSE :Invalid CAP command");
    ann.says("CAP END");
    ann.says("CAP REQ :-server-time").hears("@time=* CAP ann ACK :-server-time");
    ann.hears_nothing();
}

#[test]
fn an_old_client_gets_one_line_without_values_and_an_empty_list() {
    let stage = Stage::new();
    let mut ann = stage.connects();
    ann.says("CAP LIST").hears("CAP * LIST :");
    let line = ann.says("CAP LS").hears("CAP * LS :*");
    assert!(!line.contains('=') && line.len() < 510, "{line}");
    for name in ["batch", "chghost", "standard-replies", "invite-notify", "account-tag"] {
        assert!(line.contains(name), "{name}");
    }
}

/// What everybody's client asks for, and would miss.
const NEEDED: &str = "sasl server-time message-tags batch echo-message labeled-response \
                      multi-prefix cap-notify account-tag extended-join";

#[track_caller]
fn has_needed(names: &[String]) {
    assert!(NEEDED.split(' ').all(|needed| names.iter().any(|it| it == needed)), "{names:?}");
}

/// All lines of a list, each of which has to fit; the names on each, without values.
fn lists(actor: &mut Actor, question: &str) -> Vec<Vec<String>> {
    actor.says(question);
    let subcommand = question.split(' ').nth(1).expect("a subcommand");
    let mut lines = Vec::new();
    loop {
        let line = actor.hears("* CAP *");
        let body = line.strip_prefix("@time=").map_or(&*line, |rest| &rest[25..]);
        assert!(body.len() <= 510, "{} bytes: {line}", body.len());
        let (start, names) = line.rsplit_once(" :").expect("a list");
        let name = |word: &str| word.split('=').next().unwrap_or(word).to_owned();
        lines.push(names.split(' ').map(name).collect());
        if start.ends_with(&format!(" {subcommand}")) {
            return lines;
        }
        assert!(start.ends_with(&format!(" {subcommand} *")), "{line}");
    }
}

/// Some clients read only the last line of several (pydle): what everybody needs is on that one.
#[test]
fn a_client_that_reads_only_the_last_line_of_a_list_finds_what_everybody_needs() {
    let longest = format!("{}.{}", "x".repeat(31), "y".repeat(31));
    for (name, nick) in [("irc.test", "n"), (longest.as_str(), &"n".repeat(32))] {
        let stage = Stage::with(Settings { name: name.to_owned(), ..settings() });
        let mut new = stage.connects();
        let all = lists(&mut new, "CAP LS 302");
        let last = all.last().expect("a line");
        has_needed(last);
        let drafts = |names: &[String]| names.iter().filter(|it| it.starts_with("draft/")).count();
        assert_eq!(drafts(&all[0]), all[0].len(), "what is no draft is all on the last line");
        let mut once = all.concat();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), all.concat().len(), "each is listed once");

        let mut old = stage.connects();
        let [line] = &lists(&mut old, "CAP LS")[..] else { panic!("it is one line") };
        assert_eq!(drafts(line), 0);
        has_needed(line);

        for (actor, nick) in [(&mut new, nick.to_owned()), (&mut old, nick.replace('n', "o"))] {
            for names in once.chunks(8) {
                actor.says(&format!("CAP REQ :{}", names.join(" "))).hears("* CAP * ACK :*");
            }
            actor.says(&format!("NICK {nick}"));
            actor.says("USER n 0 * :n");
            actor.says("CAP END").hears_at_last("* 422 *");
            actor.hears_all();
        }
        let listed = lists(&mut new, "CAP LIST");
        assert_eq!(listed.concat(), all.concat());
        let last = listed.last().expect("a line");
        has_needed(last);
        // Who has not said that it knows of several lines gets one, with what there is room for.
        let [line] = &lists(&mut old, "CAP LIST")[..] else { panic!("it is one line") };
        has_needed(line);
        assert!(name != "irc.test" || line.len() == once.len(), "there is room for all");
    }
}

#[test]
fn joins_are_extended_and_tell_who_is_away() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "extended-join away-notify");
    let [mut bob, mut eve] = stage.enter(["bob", "eve"]);
    ann.says("JOIN #a");
    ann.hears(":ann JOIN #a * :ann the tester");
    ann.hears_at_last("366 *");
    eve.joins("#a");
    ann.hears(":eve JOIN #a * :eve the tester");
    bob.says("AWAY :out").hears("306 *");
    bob.joins("#a");
    ann.hears_each([":bob JOIN #a * :bob the tester", ":bob AWAY :out"]);
    bob.says("AWAY :out").hears("306 *");
    bob.says("AWAY").hears("305 *");
    ann.hears(":bob AWAY");
    eve.hears(":bob JOIN #a");
    eve.hears_nothing();
}

#[test]
fn names_hosts_and_invitations_are_told_to_those_who_asked() {
    let stage = crate::operators::with_operator();
    let mut ann = stage.enters_with("ann", "setname chghost invite-notify");
    let (mut bob, mut eve) = (stage.enters_with("bob", "setname"), stage.enters("eve"));
    for actor in [&mut ann, &mut bob] {
        actor.joins("#a");
    }
    ann.hears(":bob JOIN #a");
    bob.says("SETNAME :Robert").hears(":bob SETNAME :Robert");
    ann.hears(":bob SETNAME :Robert");
    bob.says(&format!("SETNAME :{}", "x".repeat(200))).hears("FAIL SETNAME INVALID_REALNAME :*");
    bob.says("INVITE eve #a").hears("341 eve #a");
    ann.hears(":bob INVITE eve #a");
    eve.hears(":bob INVITE eve #a");
    eve.says("OPER root secret").hears_each(["381 *", ":eve MODE eve +o"]);
    eve.says("CHGHOST bob staff.example").hears("NOTE CHGHOST CHANGED bob staff.example :*");
    ann.hears(":bob CHGHOST ~bob staff.example");
    bob.hears("396 staff.example :is now your visible host");
    eve.says("CHGHOST bob bad!host").hears("FAIL CHGHOST INVALID_HOST bad!host :*");
    bob.says("PRIVMSG ann :hi");
    ann.hears(":bob!~bob@staff.example PRIVMSG ann :hi");
}

#[test]
fn what_other_settings_offer_is_told_to_those_who_want_to_know() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "cap-notify draft/account-registration message-tags");
    let mut bob = stage.enters_with("bob", "message-tags");
    stage.server(|server| {
        server.rehash(Settings { registration: false, ..settings() });
    });
    ann.says("PING x").hears_each(["CAP ann DEL :draft/account-registration", "PONG irc.test :x"]);
    ann.says("CAP LIST").hears("CAP ann LIST :message-tags cap-notify");
    stage.server(|server| server.rehash(settings()));
    bob.says("PING x").hears("PONG irc.test :x");
    ann.hears("CAP ann NEW :draft/account-registration");
}

#[test]
fn what_is_offered_anew_comes_with_its_value_to_those_who_know_of_values() {
    let stage = Stage::with(Settings { registration: false, ..settings() });
    let mut ann = stage.connects();
    ann.says("CAP LS 302");
    ann.says("NICK ann");
    ann.says("USER ann 0 * :Ann");
    ann.says("CAP END").hears_at_last("422 *");
    stage.server(|server| server.rehash(settings()));
    ann.says("PING x");
    ann.hears("CAP ann NEW :draft/account-registration=before-connect,custom-account-name");
}
