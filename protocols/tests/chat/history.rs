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
    actor.says(&format!("CHATHISTORY {question}")).hears(&format!("BATCH +* chathistory {target}"));
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
    ann.says("CAP REQ :labeled-response").hears("CAP ann ACK :labeled-response");
    ann.says("@label=x CHATHISTORY LATEST #a * 1");
    ann.hears("@label=x;time=* BATCH +* chathistory #a");
    ann.hears("@batch=*;time=*;msgid=* :ann PRIVMSG #a :9");
    ann.hears("BATCH -*");
}

/// Asks for history; what is in the batch: when it was said, and the text.
fn asks_when(actor: &mut Actor, question: &str) -> Vec<(String, String)> {
    actor.says(&format!("CHATHISTORY {question}")).hears("BATCH +*");
    let mut said = Vec::new();
    loop {
        let line = actor.hears("*");
        if line.contains(" BATCH -") {
            return said;
        }
        said.push(time_and_text(&line));
    }
}

/// When a line was said, and its last words.
fn time_and_text(line: &str) -> (String, String) {
    let (_, rest) = line.split_once("time=").expect("a time");
    let time = rest.split([';', ' ']).next().expect("a time");
    (time.to_owned(), line.rsplit(" :").next().expect("a text").to_owned())
}

/// The whole of a conversation, page by page: from the newest back, then from the oldest on.
#[track_caller]
fn pages_there_and_back(actor: &mut Actor, target: &str, whole: &[(String, String)], size: usize) {
    let mut back = asks_when(actor, &format!("LATEST {target} * {size}"));
    loop {
        let edge = back[0].0.clone();
        let page = asks_when(actor, &format!("BEFORE {target} timestamp={edge} {size}"));
        assert!(page.len() <= size, "{} lines instead of {size}", page.len());
        if page.is_empty() {
            break;
        }
        back.splice(0..0, page);
    }
    assert_eq!(back, whole, "backwards, {size} at a time");
    let mut on: Vec<(String, String)> = Vec::new();
    loop {
        let edge = on.last().map_or("1970-01-01T00:00:00.000Z", |(time, _)| time).to_owned();
        let page = asks_when(actor, &format!("AFTER {target} timestamp={edge} {size}"));
        let end = "9999-12-31T23:59:59.999Z";
        let question = format!("BETWEEN {target} timestamp={edge} timestamp={end} {size}");
        assert_eq!(asks_when(actor, &question), page);
        assert!(page.len() <= size, "{} lines instead of {size}", page.len());
        if page.is_empty() {
            break;
        }
        on.extend(page);
    }
    assert_eq!(on, whole, "forwards, {size} at a time");
}

#[test]
fn no_line_is_lost_between_pages_that_meet_within_a_millisecond() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", &format!("{CAPS} draft/event-playback"));
    ann.joins("#a");
    // All in one turn of the loop, so in one millisecond or two.
    let lines: String = (0..40)
        .map(|at| match at % 10 {
            3 => format!("TOPIC #a :{at}\r\n"),
            7 => format!("PRIVMSG @#a :quietly\r\nNOTICE #a,#A :{at}\r\n"),
            _ => format!("PRIVMSG #a :{at}\r\n"),
        })
        .collect();
    ann.says_raw(lines.as_bytes());
    let said: Vec<_> = ann.hears_all().iter().map(|line| time_and_text(line)).collect();
    assert_eq!(said.len(), 44);
    assert!(said.is_sorted_by(|one, next| one.0 < next.0), "each has a time of its own: {said:?}");
    let said: Vec<_> = said.into_iter().filter(|(_, text)| text != "quietly").collect();
    for size in [1, 3, 7, 39, 40, 100] {
        pages_there_and_back(&mut ann, "#a", &said, size);
    }
}

#[test]
fn no_private_line_is_lost_between_pages_that_meet_within_a_millisecond() {
    let mut accounts = Accounts::in_memory(AccountLimits::default());
    let hash = PasswordHash::of("sesame").expect("a hash");
    accounts.create("ann", hash, std::time::SystemTime::now()).expect("a new name");
    let stage = Stage::with_accounts(settings(), accounts);
    let (mut ann, mut bob) = (stage.enters_with("ann", CAPS), stage.enters("bob"));
    ann.says("NS IDENTIFY sesame").hears_at_last("* NOTICE ann :You are logged in as *");
    let lines: String = (0..20).map(|at| format!("PRIVMSG bob :{at}\r\n")).collect();
    ann.says_raw(lines.as_bytes());
    let said: Vec<_> = ann.hears_all().iter().map(|line| time_and_text(line)).collect();
    assert_eq!(bob.hears_all().len(), 20);
    for size in [1, 6, 20] {
        pages_there_and_back(&mut ann, "bob", &said, size);
    }
}

/// An answer that would be too large ends early, at the end of its page that is farther from where it begins.
#[test]
fn no_line_is_lost_between_pages_that_are_cut_short_because_they_are_large() {
    let limits = Limits {
        flood_control: true,
        flood_rate: 10_000,
        flood_burst: 10_000,
        send_queue: 16 * 1024,
        ..settings().limits
    };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters_with("ann", CAPS);
    ann.joins("#a");
    let said: Vec<_> = (0..40)
        .map(|at| {
            ann.says(&format!("PRIVMSG #a :{at}"));
            time_and_text(&ann.hears("*"))
        })
        .collect();
    let texts = |page: &[(String, String)]| page.iter().map(|it| it.1.clone()).collect::<Vec<_>>();
    let (begin, end) = ("1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z");
    let mut back: Vec<(String, String)> = Vec::new();
    loop {
        let edge = back.first().map_or(end, |(time, _)| time).to_owned();
        let page =
            asks_when(&mut ann, &format!("BETWEEN #a timestamp={edge} timestamp={begin} 100"));
        assert!(page.len() < 40, "it is cut short");
        if page.is_empty() {
            break;
        }
        back.splice(0..0, page);
    }
    assert_eq!(texts(&back), texts(&said));
    pages_there_and_back(&mut ann, "#a", &said, 100);
    let around = asks_when(&mut ann, &format!("AROUND #a timestamp={} 100", said[35].0));
    assert!(around.contains(&said[35]), "{around:?}");
}

/// What one has read to its end is read to its end, though its last lines are dated a little ahead.
#[test]
fn a_burst_can_be_marked_as_read_to_its_last_line() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", &format!("{CAPS} draft/read-marker"));
    ann.joins("#a");
    let lines: String = (0..100).map(|at| format!("PRIVMSG #a :{at}\r\n")).collect();
    ann.says_raw(format!("{lines}CHATHISTORY LATEST #a * 1\r\n").as_bytes());
    let last = ann.hears_at_last("@batch=* * PRIVMSG #a :99");
    let (time, _) = time_and_text(&last);
    ann.hears("BATCH -*");
    ann.says(&format!("MARKREAD #a timestamp={time}"));
    ann.hears(&format!("MARKREAD #a timestamp={time}"));
}

#[test]
fn no_conversation_is_lost_between_pages_of_targets() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", CAPS);
    let names: Vec<_> = (0..20).map(|at| format!("#{at:02}")).collect();
    names.iter().for_each(|name| ann.joins(name));
    let lines: String = names.iter().map(|name| format!("PRIVMSG {name} :hi\r\n")).collect();
    ann.says_raw(lines.as_bytes());
    ann.hears_all();
    let (first, last) = ("1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z");
    let mut asks = |from: &str, to: &str, size: usize| -> Vec<(String, String)> {
        ann.says(&format!("CHATHISTORY TARGETS timestamp={from} timestamp={to} {size}"));
        ann.hears("BATCH +* draft/chathistory-targets");
        let mut page = Vec::new();
        loop {
            let line = ann.hears("*");
            if line.contains(" BATCH -") {
                return page;
            }
            let mut words = line.rsplit(' ');
            let (time, name) = (words.next().expect("a time"), words.next().expect("a name"));
            page.push((time.to_owned(), name.to_owned()));
        }
    };
    let whole = asks(first, last, 100);
    assert_eq!(whole.len(), names.len());
    for size in [1, 3, 19] {
        let mut on: Vec<(String, String)> = Vec::new();
        loop {
            let from = on.last().map_or(first, |(time, _)| time).to_owned();
            let page = asks(&from, last, size);
            if page.is_empty() {
                break;
            }
            on.extend(page);
        }
        assert_eq!(on, whole, "from the oldest on, {size} at a time");
        let mut back: Vec<(String, String)> = Vec::new();
        loop {
            let from = back.first().map_or(last, |(time, _)| time).to_owned();
            let page = asks(&from, first, size);
            if page.is_empty() {
                break;
            }
            back.splice(0..0, page);
        }
        assert_eq!(back, whole, "from the newest back, {size} at a time");
    }
}

#[test]
fn what_is_asked_wrongly_fails_with_a_reason() {
    let limits = Limits { history_reply: 3, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let (mut ann, mut bob) = (stage.enters_with("ann", CAPS), stage.enters_with("bob", CAPS));
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
        bob.says(&format!("CHATHISTORY {line}")).hears(&format!("FAIL CHATHISTORY {answer} :*"));
    }
    let limits = Limits { history_messages: 0, ..settings().limits };
    let stage = Stage::with(Settings { limits, ..settings() });
    let mut ann = stage.enters("ann");
    ann.says("CHATHISTORY LATEST #a * 10").hears("FAIL CHATHISTORY MESSAGE_ERROR LATEST :*");
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
    ann.says("PRIVMSG #a :hello").hears_all();
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
    ann.says("PART #a").hears(":ann PART #a");
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
    ann.says("PRIVMSG bob :one").hears_all();
    bob.says("PRIVMSG ann :two").hears_all();
    let mut eve = stage.enters_with("eve", CAPS);
    eve.says("PRIVMSG ann :three").hears_all();
    ann.hears_all();
    assert_eq!(asks(&mut ann, "LATEST bob * 10", "bob"), ["one", "two"]);
    assert_eq!(asks(&mut bob, "LATEST ANN * 10", "ANN"), ["one", "two"]);
    assert_eq!(asks(&mut ann, "LATEST eve * 10", "eve"), ["three"]);
    assert_eq!(asks(&mut eve, "LATEST ann * 10", "ann"), ["three"]);
    assert_eq!(asks(&mut eve, "LATEST bob * 10", "bob"), [""; 0]);
    ann.joins("#a");
    ann.says("PRIVMSG #a :four").hears_all();
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
    eve.says("QUIT").hears_the_end();
    let mut eve = stage.enters_with("eve", CAPS);
    assert_eq!(asks(&mut eve, "LATEST ann * 10", "ann"), [""; 0]);
    assert_eq!(asks(&mut ann, "LATEST eve * 10", "eve"), [""; 0]);
    // Bob is the same when he comes back, and is asked for while he is away.
    bob.says("QUIT").hears_the_end();
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
    ann.says(&format!("REDACT #A {first}")).hears(&format!(":ann REDACT #a {first}"));
    bob.hears(&format!(":ann REDACT #a {first}"));
    ann.says(&format!("REDACT #a {second} :spam")).hears(&format!(":ann REDACT #a {second} :spam"));
    bob.hears(&format!(":ann REDACT #a {second} :spam"));
    bob.says(&format!("REDACT #a {third}")).hears(&format!(":bob REDACT #a {third}"));
    ann.hears(&format!(":bob REDACT #a {third}"));
    eve.hears_nothing();
    assert_eq!(asks(&mut ann, "LATEST #a * 10", "#a"), [""; 0]);
    ann.says(&format!("REDACT #a {first}"));
    ann.hears(&format!("FAIL REDACT UNKNOWN_MSGID #a {first} :*"));
    ann.says("REDACT #a nonsense").hears("FAIL REDACT UNKNOWN_MSGID #a nonsense :*");
    ann.says("REDACT #nowhere x").hears("FAIL REDACT INVALID_TARGET #nowhere :*");
    ann.says("REDACT #a").hears("461 REDACT :Not enough parameters");
}

#[test]
fn how_far_one_has_read_is_told_when_it_is_asked_and_joined() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "draft/read-marker");
    ann.says("MARKREAD #a").hears("MARKREAD #a *");
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
        ann.says(&format!("MARKREAD #a {wrong}")).hears("FAIL MARKREAD INVALID_PARAMS #a :*");
    }
    ann.says("MARKREAD").hears("FAIL MARKREAD NEED_MORE_PARAMS :*");
}

/// read-marker, "Implementation Considerations": clamped to the current time.
#[test]
fn how_far_one_has_read_is_told_to_ones_other_clients_for_as_long_as_they_are_ones_own() {
    let mut accounts = Accounts::in_memory(AccountLimits::default());
    for name in ["ann", "bob"] {
        let hash = PasswordHash::of("sesame").expect("a hash");
        accounts.create(name, hash, std::time::SystemTime::now()).expect("a new name");
    }
    let stage = Stage::with_accounts(settings(), accounts);
    let enters = |nick: &str, account: &str| {
        let mut actor = stage.enters_with(nick, "draft/read-marker");
        actor.says(&format!("NS IDENTIFY {account} sesame"));
        actor.hears_at_last("* NOTICE * :You are logged in as *");
        actor
    };
    let [mut ann, mut other, mut bob] =
        [enters("ann", "ann"), enters("other", "ann"), enters("bob", "bob")];
    let mut day = 1;
    let mut reads = |ann: &mut Actor| {
        day += 1;
        let line = format!("MARKREAD #a timestamp=2019-06-{day:02}T12:00:00.000Z");
        ann.says(&line).hears(&line);
        line
    };
    let line = reads(&mut ann);
    other.hears(&line);
    other.says("NS LOGOUT").hears("901 *");
    reads(&mut ann);
    other.says("NS IDENTIFY bob sesame").hears_at_last("* NOTICE * :You are logged in as bob*");
    reads(&mut ann);
    other.says("NS LOGOUT");
    other.says("NS IDENTIFY ann sesame").hears_at_last("* NOTICE * :You are logged in as ann*");
    let line = reads(&mut ann);
    other.hears(&line);
    stage.server(|server| server.check()).expect("the books are in order");
    // Whoever comes next has the place of whoever goes.
    other.says("QUIT").hears_the_end();
    let mut next = stage.enters_with("next", "draft/read-marker");
    reads(&mut ann);
    next.hears_nothing();
    bob.hears_nothing();
    stage.server(|server| server.check()).expect("the books are in order");
}

#[test]
fn nobody_has_read_what_is_still_to_be_said() {
    let stage = Stage::new();
    let mut ann = stage.enters_with("ann", "draft/read-marker");
    ann.says("MARKREAD #a timestamp=9999-12-31T23:59:59.999Z");
    let now = ann.hears("MARKREAD #a timestamp=*");
    assert!(!now.contains("=9999"), "{now}");
    ann.says("MARKREAD #a").hears(now.split_once(' ').expect("a source").1);
}
