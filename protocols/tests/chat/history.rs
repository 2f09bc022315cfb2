//! What was said (IRCv3 chathistory).

use std::time::UNIX_EPOCH;

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{Limits, Settings};
use protocols::password::PasswordHash;

use crate::stage::{Actor, Stage, settings};

const CAPS: &str = "batch draft/chathistory echo-message message-tags server-time";

/// What is said from here on bears another time than what was said before.
fn until_the_next_millisecond() {
    let millisecond = || UNIX_EPOCH.elapsed().expect("it is past 1970").as_millis();
    let present = millisecond();
    while millisecond() == present {
        std::thread::yield_now();
    }
}

/// Says ten things on a channel; their names, and when they were said.
fn says_ten(actor: &mut Actor, target: &str) -> Vec<(String, String)> {
    (0..10)
        .map(|at| {
            actor.says(&format!("PRIVMSG {target} :{at}"));
            let line = actor.hears(&format!("@time=*;msgid=* * PRIVMSG {target} :{at}"));
            until_the_next_millisecond();
            let tags = line.strip_prefix("@time=").and_then(|it| it.split_once(";msgid="));
            let (time, rest) = tags.expect("two tags");
            let id = rest.split([' ', ';']).next().expect("a name");
            (id.to_owned(), time.to_owned())
        })
        .collect()
}

/// Asks for history; the texts in the batch it is answered with.
fn asks(actor: &mut Actor, question: &str, target: &str) -> Vec<String> {
    actor.says(&format!("CHATHISTORY {question}"));
    actor.hears(&format!("BATCH +* chathistory {target}"));
    let mut texts = Vec::new();
    loop {
        let line = actor.hears("*");
        if line.contains(" BATCH -") {
            return texts;
        }
        assert!(line.starts_with("@batch="), "{line}");
        texts.push(line.rsplit_once(" :").expect("a text").1.to_owned());
    }
}

#[test]
fn history_is_told_in_parts() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", CAPS);
    ann.joins("#a");
    let said = says_ten(&mut ann, "#a");
    let by_id = |at: usize| format!("msgid={}", said[at].0);
    let by_time = |at: usize| format!("timestamp={}", said[at].1);
    let marks: [&dyn Fn(usize) -> String; 2] = [&by_id, &by_time];
    for mark in marks {
        for (question, texts) in [
            ("LATEST #a * 20".to_owned(), &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][..]),
            ("LATEST #a * 2".to_owned(), &["8", "9"]),
            (format!("LATEST #a {} 20", mark(7)), &["8", "9"]),
            (format!("BEFORE #a {} 2", mark(6)), &["4", "5"]),
            (format!("AFTER #a {} 3", mark(3)), &["4", "5", "6"]),
            (format!("AROUND #a {} 3", mark(7)), &["6", "7", "8"]),
            (format!("BETWEEN #a {} {} 3", mark(0), mark(9)), &["1", "2", "3"]),
            (format!("BETWEEN #a {} {} 3", mark(9), mark(0)), &["6", "7", "8"]),
        ] {
            assert_eq!(asks(&mut ann, &question, "#a"), texts, "{question}");
        }
    }
    ann.says("CAP REQ :labeled-response");
    ann.hears("CAP ann ACK :labeled-response");
    ann.says("@label=x CHATHISTORY LATEST #a * 1");
    ann.hears("@label=x;time=* BATCH +* chathistory #a");
    ann.hears("@batch=*;time=*;msgid=* :ann PRIVMSG #a :9");
    ann.hears("BATCH -*");
}

#[test]
fn what_is_asked_wrongly_fails_with_a_reason() {
    let limits = Limits { history_reply: 3, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters_with("ann", CAPS);
    let mut bob = stage.enters_with("bob", CAPS);
    ann.joins("#a");
    says_ten(&mut ann, "#a");
    assert_eq!(asks(&mut ann, "LATEST #a * 100", "#a"), ["7", "8", "9"], "no more than promised");
    for (line, answer) in [
        ("LATEST #a * 10", "INVALID_TARGET LATEST #a"),
        ("LATEST #nowhere * 10", "INVALID_TARGET LATEST #nowhere"),
        ("LATEST nobody * 10", "INVALID_TARGET LATEST nobody"),
        ("LATEST #a *", "NEED_MORE_PARAMS LATEST"),
        ("LATEST #a * 0", "INVALID_PARAMS LATEST"),
        ("LATEST #a * x", "INVALID_PARAMS LATEST"),
        ("BEFORE #a * 5", "INVALID_MSGREFTYPE BEFORE #a"),
        ("BEFORE #a timestamp=now 5", "INVALID_MSGREFTYPE BEFORE #a"),
        ("NONSENSE #a * 5", "INVALID_PARAMS NONSENSE"),
        ("TARGETS now then 5", "INVALID_PARAMS TARGETS"),
    ] {
        bob.says(&format!("CHATHISTORY {line}"));
        bob.hears(&format!("FAIL CHATHISTORY {answer} :*"));
    }
    let limits = Limits { history_messages: 0, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters("ann");
    ann.says("CHATHISTORY LATEST #a * 10");
    ann.hears("FAIL CHATHISTORY MESSAGE_ERROR LATEST :*");
}

#[test]
fn events_are_told_to_those_who_asked_and_typing_is_forgotten() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", CAPS);
    let mut bob = stage.enters_with("bob", &format!("{CAPS} draft/event-playback"));
    ann.joins("#a");
    bob.joins("#a");
    ann.says("TOPIC #a :about");
    ann.says("@+typing=active TAGMSG #a");
    ann.says("@+react=ok TAGMSG #a");
    ann.says("PRIVMSG #a :hello");
    ann.hears_all();
    bob.hears_all();
    assert_eq!(asks(&mut ann, "LATEST #a * 10", "#a"), ["hello"]);
    bob.says("CHATHISTORY LATEST #a * 10");
    bob.hears("BATCH +* chathistory #a");
    bob.hears("@batch=*;msgid=* :ann TOPIC #a :about");
    bob.hears("@batch=*;msgid=*;+react=ok :ann TAGMSG #a");
    bob.hears("@batch=* :ann PRIVMSG #a :hello");
    bob.hears("BATCH -*");
}

#[test]
fn a_channel_that_is_empty_is_forgotten() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", CAPS);
    ann.joins("#a");
    says_ten(&mut ann, "#a");
    ann.says("PART #a");
    ann.hears(":ann PART #a");
    ann.joins("#a");
    assert_eq!(asks(&mut ann, "LATEST #a * 10", "#a"), [""; 0]);
}

#[test]
fn what_was_said_in_private_is_told_to_the_two_and_nobody_else() {
    let mut accounts = Accounts::in_memory(AccountLimits::default());
    for name in ["ann", "bob"] {
        let hash = PasswordHash::of("sesame").expect("a hash");
        accounts.create(name, hash, std::time::SystemTime::now()).expect("a new name");
    }
    let stage = Stage::with_accounts(settings(), accounts);
    let enters = |name: &str| {
        let mut actor = stage.enters_with(name, CAPS);
        actor.says("NS IDENTIFY sesame");
        actor.hears_at_last(":NickServ!NickServ@irc.test NOTICE * :You are logged in as *");
        actor
    };
    let (mut ann, mut bob) = (enters("ann"), enters("bob"));
    ann.says("PRIVMSG bob :one");
    ann.hears_all();
    bob.says("PRIVMSG ann :two");
    bob.hears_all();
    let mut eve = stage.enters_with("eve", CAPS);
    eve.says("PRIVMSG ann :three");
    eve.hears_all();
    ann.hears_all();
    assert_eq!(asks(&mut ann, "LATEST bob * 10", "bob"), ["one", "two"]);
    assert_eq!(asks(&mut bob, "LATEST ANN * 10", "ANN"), ["one", "two"]);
    assert_eq!(asks(&mut ann, "LATEST eve * 10", "eve"), ["three"]);
    assert_eq!(asks(&mut eve, "LATEST ann * 10", "ann"), ["three"]);
    assert_eq!(asks(&mut eve, "LATEST bob * 10", "bob"), [""; 0]);
    ann.joins("#a");
    ann.says("PRIVMSG #a :four");
    ann.hears_all();
    ann.says("CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=9999-01-01T00:00:00.000Z 9");
    ann.hears("BATCH +* draft/chathistory-targets");
    // Those of the same millisecond are in the order of their names.
    let mut lines: Vec<_> =
        (0..3).map(|_| ann.hears("@batch=* CHATHISTORY TARGETS * 20*Z")).collect();
    lines.sort_by_key(|line| line.rsplit(' ').nth(1).map(str::to_owned));
    for (line, name) in lines.iter().zip(["#a", "bob", "eve"]) {
        assert!(line.contains(&format!(" TARGETS {name} ")), "{line}");
    }
    ann.hears("BATCH -*");
    // Whoever is called Eve later is somebody else.
    eve.says("QUIT");
    eve.hears_the_end();
    let mut eve = stage.enters_with("eve", CAPS);
    assert_eq!(asks(&mut eve, "LATEST ann * 10", "ann"), [""; 0]);
    assert_eq!(asks(&mut ann, "LATEST eve * 10", "eve"), [""; 0]);
    // Bob is the same when he comes back, and is asked for while he is away.
    bob.says("QUIT");
    bob.hears_the_end();
    assert_eq!(asks(&mut ann, "LATEST bob * 10", "bob"), ["one", "two"]);
    let mut bob = enters("bob");
    assert_eq!(asks(&mut bob, "LATEST ann * 10", "ann"), ["one", "two"]);
}

#[test]
fn what_was_said_can_be_taken_back_by_who_said_it_or_keeps_the_channel() {
    let stage = Stage::new();
    let caps = "batch draft/chathistory draft/message-redaction echo-message message-tags";
    let mut ann = stage.enters_with("ann", caps);
    let mut bob = stage.enters_with("bob", caps);
    let mut eve = stage.enters("eve");
    for actor in [&mut ann, &mut bob, &mut eve] {
        actor.joins("#a");
    }
    ann.hears_all();
    bob.hears_all();
    let mut says = |actor: &mut Actor, other: &mut Actor, text: &str| {
        actor.says(&format!("PRIVMSG #a :{text}"));
        let line = actor.hears(&format!("@msgid=* * PRIVMSG #a :{text}"));
        other.hears(&format!("@msgid=* * PRIVMSG #a :{text}"));
        eve.hears(&format!("* PRIVMSG #a :{text}"));
        line["@msgid=".len()..].split([' ', ';']).next().expect("a name").to_owned()
    };
    let first = says(&mut ann, &mut bob, "mine");
    let second = says(&mut bob, &mut ann, "his");
    let third = says(&mut bob, &mut ann, "too");
    bob.says(&format!("REDACT #a {first}"));
    bob.hears(&format!("FAIL REDACT REDACT_FORBIDDEN #a {first} :*"));
    ann.says(&format!("REDACT #A {first}"));
    ann.hears(&format!(":ann REDACT #a {first}"));
    bob.hears(&format!(":ann REDACT #a {first}"));
    ann.says(&format!("REDACT #a {second} :spam"));
    ann.hears(&format!(":ann REDACT #a {second} :spam"));
    bob.hears(&format!(":ann REDACT #a {second} :spam"));
    bob.says(&format!("REDACT #a {third}"));
    bob.hears(&format!(":bob REDACT #a {third}"));
    ann.hears(&format!(":bob REDACT #a {third}"));
    eve.hears_nothing();
    assert_eq!(asks(&mut ann, "LATEST #a * 10", "#a"), [""; 0]);
    ann.says(&format!("REDACT #a {first}"));
    ann.hears(&format!("FAIL REDACT UNKNOWN_MSGID #a {first} :*"));
    ann.says("REDACT #a nonsense");
    ann.hears("FAIL REDACT UNKNOWN_MSGID #a nonsense :*");
    ann.says("REDACT #nowhere x");
    ann.hears("FAIL REDACT INVALID_TARGET #nowhere :*");
    ann.says("REDACT #a");
    ann.hears("461 REDACT :Not enough parameters");
}

#[test]
fn how_far_one_has_read_is_told_when_it_is_asked_and_joined() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "draft/read-marker");
    ann.says("MARKREAD #a");
    ann.hears("MARKREAD #a *");
    ann.says("MARKREAD #a timestamp=2019-06-01T12:00:00.000Z");
    ann.hears("MARKREAD #a timestamp=2019-06-01T12:00:00.000Z");
    ann.says("MARKREAD #A timestamp=2019-01-01T00:00:00.000Z");
    ann.hears("MARKREAD #A timestamp=2019-06-01T12:00:00.000Z");
    ann.says("JOIN #a");
    ann.hears(":ann JOIN #a");
    ann.hears("MARKREAD #a timestamp=2019-06-01T12:00:00.000Z");
    ann.hears("353 *");
    ann.hears("366 *");
    for wrong in ["*", "timestamp=now", "msgid=1-1"] {
        ann.says(&format!("MARKREAD #a {wrong}"));
        ann.hears("FAIL MARKREAD INVALID_PARAMS #a :*");
    }
    ann.says("MARKREAD");
    ann.hears("FAIL MARKREAD NEED_MORE_PARAMS :*");
}

/// read-marker, "Implementation Considerations": clamped to the current time.
#[test]
fn nobody_has_read_what_is_still_to_be_said() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "draft/read-marker");
    ann.says("MARKREAD #a timestamp=9999-12-31T23:59:59.999Z");
    let now = ann.hears("MARKREAD #a timestamp=*");
    assert!(!now.contains("=9999"), "{now}");
    ann.says("MARKREAD #a");
    ann.hears(now.split_once(' ').expect("a source").1);
}
