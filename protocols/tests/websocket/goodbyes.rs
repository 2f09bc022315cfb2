//! How WebSockets end.

use std::time::Duration;

use protocols::websocket::wire::Opcode;
use protocols::websocket::{CloseCode, Ending, Frame, Limits, Options, Violation};

use crate::stage::{Said, Stage, masked, masked_close, masked_text, plain, plain_close, request};

fn closed(code: u16, reason: &str, by_us: bool) -> Ending {
    let code = CloseCode::new(code).unwrap_or(CloseCode::NONE);
    Ending::Closed { code, reason: reason.to_owned(), by_us }
}

#[test]
fn a_goodbye_of_a_client_is_told_on_both_sides() {
    let mut stage = Stage::new();
    let client = stage.client("/");
    let guest = stage.guest();
    stage.close(client, CloseCode::new(3_001).expect("a code of ours"), "enough");
    assert_eq!(stage.ending(guest), closed(3_001, "enough", false));
    assert_eq!(stage.ending(client), closed(3_001, "", true));
    stage.finish();
}

#[test]
fn a_goodbye_of_a_server_is_told_on_both_sides() {
    let mut stage = Stage::new();
    let client = stage.client("/");
    let guest = stage.guest();
    stage.close(guest, CloseCode::TRY_LATER, "too busy");
    assert_eq!(stage.ending(client), closed(1_013, "too busy", false));
    assert_eq!(stage.ending(guest), closed(1_013, "", true));
    stage.finish();
}

#[test]
fn a_goodbye_without_a_code_is_answered_without_one() {
    let mut stage = Stage::new();
    let peer = stage.raw_client("", &masked(true, false, Opcode::Close, b""));
    let guest = stage.guest();
    stage.hears_last(peer, &plain(Opcode::Close, b""));
    assert_eq!(stage.ending(guest), closed(0, "", false));
    assert_eq!(stage.world.sides[&guest].endings[0].code(), CloseCode::NONE);
}

#[test]
fn the_server_ends_the_connection_behind_its_goodbye() {
    let mut stage = Stage::new();
    let peer = stage.raw_client("", &masked_close(1_000));
    stage.hears_last(peer, &plain_close(1_000, ""));
}

#[test]
fn nothing_is_sent_behind_a_servers_goodbye_by_whatever_way() {
    let mut stage = Stage::new();
    let peer = stage.raw_client("", b"");
    let guest = stage.guest();
    stage.with_socket(guest, |socket| {
        socket.text("before");
        socket.close(CloseCode::NORMAL, "bye");
        socket.text("behind");
        socket.ping(b"");
        socket.close(CloseCode::NORMAL, "bye again");
    });
    stage.until("it is closing", |world| !world.raw[&peer].is_empty());
    let news = Frame::text("news");
    let registry = stage.reactor.registry();
    assert_eq!(registry.broadcast([guest], news.clone().into()), 0, "it is passed over");
    assert!(registry.send(guest, news.into()).is_err());
    // Neither are pings answered, nor messages told.
    stage.says(peer, &masked(true, false, Opcode::Ping, b"there?"));
    stage.says(peer, &masked_text("too late"));
    stage.says(peer, &masked_close(1_000));
    stage.hears_last(peer, &[plain(Opcode::Text, b"before"), plain_close(1_000, "bye")].concat());
    assert_eq!(stage.ending(guest), closed(1_000, "", true));
    assert_eq!(stage.world.sides[&guest].messages, []);
}

#[test]
fn who_has_said_everything_hears_the_answers_that_are_on_their_way() {
    let mut stage = Stage::new();
    let client = stage.client("/");
    stage.with_socket(client, |socket| {
        socket.text("one");
        socket.text("two");
        socket.end(CloseCode::NORMAL, "");
        socket.text("three");
    });
    assert_eq!(stage.ending(client), closed(1_000, "", true));
    let heard = &stage.world.sides[&client].messages;
    assert_eq!(heard, &[Said::text("one"), Said::text("two")]);
    stage.finish();
}

#[test]
fn a_goodbye_is_carried_out_though_the_handler_has_paused() {
    let mut stage = Stage::new();
    let client = stage.client("/");
    stage.with_socket(client, |socket| {
        socket.pause();
        socket.close(CloseCode::NORMAL, "");
    });
    assert_eq!(stage.ending(client), closed(1_000, "", true));
    stage.finish();
}

#[test]
fn a_peer_that_breaks_a_rule_is_told_which_and_hears_no_more() {
    for (frame, violation) in [
        (vec![0xc1, 0x80, 1, 2, 3, 4], Violation::ReservedBits),
        (plain(Opcode::Text, b"bare"), Violation::NotMasked),
        (masked(true, false, Opcode::Continuation, b""), Violation::StrayContinuation),
        (masked(true, false, Opcode::Text, b"\xff"), Violation::NotUtf8),
        (masked_close(1_005), Violation::CloseCode(1_005)),
    ] {
        let mut stage = Stage::new();
        let frames = [masked_text("well"), frame, masked_text("not read any more")].concat();
        let peer = stage.raw_client("", &frames);
        let guest = stage.guest();
        let goodbye = plain_close(violation.code().get(), &violation.to_string());
        stage.hears_last(peer, &[plain(Opcode::Text, b"well"), goodbye].concat());
        assert_eq!(stage.ending(guest), Ending::Failed(violation));
        assert_eq!(stage.world.sides[&guest].messages, [Said::text("well")]);
        let counters = stage.endpoint.counters();
        assert_eq!((counters.open, counters.opened, counters.failed), (0, 1, 1));
    }
}

#[test]
fn an_end_without_a_goodbye_is_abnormal() {
    let mut stage = Stage::new();
    let peer = stage.raw_client("", b"");
    let guest = stage.guest();
    stage.reactor.registry().end(peer).expect("it is open");
    let ending = stage.ending(guest);
    assert!(matches!(&ending, Ending::Lost(_)), "{ending}");
    assert_eq!(ending.code(), CloseCode::ABNORMAL);
}

#[test]
fn a_reset_is_told_once() {
    let mut stage = Stage::new();
    let client = stage.client("/");
    let guest = stage.guest();
    stage.reactor.registry().abort(client).expect("it is open");
    assert!(matches!(stage.ending(client), Ending::Lost(_)));
    assert!(matches!(stage.ending(guest), Ending::Lost(_)));
    stage.finish();
}

#[test]
fn a_peer_that_does_not_answer_a_goodbye_is_given_up() {
    let limits = Limits { close_timeout: Duration::from_millis(50), ..Limits::default() };
    let mut stage = Stage::with(Options { limits, ..Options::default() });
    let peer = stage.raw_client("", b"");
    let guest = stage.guest();
    stage.close(guest, CloseCode::NORMAL, "");
    assert_eq!(stage.ending(guest), Ending::Unanswered);
    stage.hears_last(peer, &plain_close(1_000, ""));
}

#[test]
fn a_shutdown_says_that_the_server_goes_away() {
    let mut stage = Stage::new();
    let peer = stage.raw_client("", b"");
    let guest = stage.guest();
    stage.reactor.registry().shutdown(Duration::from_secs(20));
    stage.hears_last(peer, &plain_close(1_001, ""));
    let _ =
        stage.reactor.registry().send(peer, masked_close(1_001).into()).expect("it listens still");
    assert_eq!(stage.ending(guest), closed(1_001, "", true));
}

#[test]
fn a_goodbye_right_behind_the_handshake_is_one() {
    let mut stage = Stage::new();
    let peer = stage.raw(&[request("/", ""), masked_close(4_000)].concat());
    stage.until("the end has come", |world| world.raw_ended.contains_key(&peer));
    assert!(stage.world.raw[&peer].ends_with(&plain_close(4_000, "")));
}
