//! The server of the chapter docs/key-value.md, a line at a time.

use std::time::Duration;

use examples::key_value::{Store, session};
use reactor::sim::Harness;
use reactor::{CloseReason, StreamLimits};

fn open() -> Harness<Store> {
    let idle_timeout = Some(Duration::from_secs(300));
    let limits = StreamLimits { idle_timeout, ..StreamLimits::default() };
    Harness::open_with(session(), Store::default(), limits)
}

fn says(session: &mut Harness<Store>, line: &str) -> String {
    session.receive(format!("{line}\n").as_bytes());
    String::from_utf8(session.sent()).expect("it is text")
}

#[test]
fn what_was_set_is_got_until_it_is_deleted() {
    let mut session = open();
    for (line, answer) in [
        ("GET tea", "NONE\n"),
        ("SET tea black or green", "OK\n"),
        ("GET tea", "VALUE black or green\n"),
        ("SET tea none", "OK\n"),
        ("GET tea", "VALUE none\n"),
        ("DEL tea", "OK\n"),
        ("DEL tea", "NONE\n"),
        ("GET tea", "NONE\n"),
    ] {
        assert_eq!(says(&mut session, line), answer, "{line}");
    }
}

#[test]
fn a_line_that_makes_no_sense_or_is_too_long_is_answered_and_the_next_one_is_done() {
    let mut session = open();
    for line in ["", "SET", "SET  x", "get tea", "GET tea please", "\u{1f375}"] {
        assert!(says(&mut session, line).starts_with("ERROR say GET key"), "{line}");
    }
    assert_eq!(says(&mut session, &"x".repeat(20_000)), "ERROR that line is too long\n");
    assert_eq!(says(&mut session, "SET tea black"), "OK\n");
}

#[test]
fn the_store_has_a_size() {
    let mut session = open();
    let value = "x".repeat(16_000);
    let mut stored = 0;
    while says(&mut session, &format!("SET key-{stored} {value}")) == "OK\n" {
        stored += 1;
    }
    assert!((4_000..4_200).contains(&stored), "{stored} of 64 MiB");
    assert_eq!(says(&mut session, "SET new x"), "OK\n", "something short still fits");
    assert_eq!(says(&mut session, "DEL key-7"), "OK\n");
    assert_eq!(says(&mut session, &format!("SET again {value}")), "OK\n");
}

#[test]
fn whoever_watches_a_key_hears_of_it_and_is_not_thought_idle() {
    let mut session = open();
    assert_eq!(says(&mut session, "WATCH tea"), "OK\n");
    assert_eq!(says(&mut session, "SET tea black"), "OK\nCHANGED tea\n");
    assert_eq!(says(&mut session, "SET milk fresh"), "OK\n");
    assert_eq!(says(&mut session, "DEL tea"), "OK\nCHANGED tea\n");
    session.wait(Duration::from_secs(3_600));
    assert!(!session.is_closed() && session.sent().is_empty());
}

#[test]
fn whoever_says_nothing_is_told_so_and_ends_in_peace() {
    let mut session = open();
    session.wait(Duration::from_secs(301));
    assert_eq!(session.sent(), b"BYE you have said nothing for a while\n");
    assert!(session.has_sent_fin() && !session.has_sent_reset());
    session.peer_ends();
    assert!(matches!(session.reason(), Some(CloseReason::Closed)));
}

#[test]
fn a_client_that_asks_for_much_and_reads_nothing_waits_and_then_gets_all_of_it() {
    let mut session = open();
    let value = "x".repeat(10_000);
    says(&mut session, &format!("SET long {value}"));
    session.peer_stops_reading();
    // Ten kilobytes of questions, ten megabytes of answers: more than may ever be queued.
    session.receive("GET long\n".repeat(1_000).as_bytes());
    assert!(!session.is_closed(), "{:?}", session.reason());
    let queued = session.registry().stats().queued_bytes;
    assert!(queued < 256 * 1024, "{queued} bytes are queued");
    session.peer_reads();
    session.wait(Duration::from_secs(1));
    let answers = String::from_utf8(session.sent()).expect("it is text");
    assert_eq!(answers.lines().count(), 1_000);
    assert!(answers.lines().all(|line| line.len() == "VALUE ".len() + value.len()));
}

/// All of it leaves when the callback returns that has stopped at the high mark: no queue falls that would wake it.
#[test]
fn a_client_that_asks_for_much_and_reads_gets_all_of_it_at_once() {
    let mut session = open();
    let value = "x".repeat(100);
    says(&mut session, &format!("SET short {value}"));
    session.receive("GET short\n".repeat(2_000).as_bytes());
    let answers = String::from_utf8(session.sent()).expect("it is text");
    assert_eq!(answers.lines().count(), 2_000);
}

#[test]
fn a_server_that_ends_says_goodbye() {
    let mut session = open();
    session.registry().shutdown(Duration::from_secs(1));
    session.settle();
    assert_eq!(session.sent(), b"BYE this server ends\n");
    assert!(session.has_sent_fin());
}

/// Whatever was read is answered first, though the client is slow to take it.
#[test]
fn a_server_that_ends_answers_what_it_has_read_before_it_says_goodbye() {
    let mut session = open();
    let value = "x".repeat(10_000);
    says(&mut session, &format!("SET long {value}"));
    session.peer_stops_reading();
    session.receive("GET long\n".repeat(1_000).as_bytes());
    session.receive(b"GET lo");
    session.registry().shutdown(Duration::from_secs(60));
    session.settle();
    session.peer_reads();
    session.wait(Duration::from_secs(1));
    let answers = String::from_utf8(session.sent()).expect("it is text");
    assert_eq!(answers.lines().filter(|line| line.starts_with("VALUE ")).count(), 1_000);
    assert_eq!(answers.lines().last(), Some("BYE this server ends"));
    assert!(session.has_sent_fin() && !session.has_sent_reset());
}

/// The beginning of a line is no request, and nobody waits for the rest of it.
#[test]
fn half_a_line_does_not_hold_up_the_end() {
    let mut session = open();
    session.receive(b"GET te");
    session.registry().shutdown(Duration::from_secs(60));
    session.settle();
    assert_eq!(session.sent(), b"BYE this server ends\n");
    assert!(session.has_sent_fin());
}

#[test]
fn nothing_is_done_that_comes_behind_a_quit() {
    let mut session = open();
    session.receive(b"SET tea black\nQUIT\nSET tea green\n");
    assert_eq!(session.sent(), b"OK\nBYE\n");
    assert!(session.has_sent_fin());
    assert_eq!(session.registry().stats().discarded_bytes, 0);
}
