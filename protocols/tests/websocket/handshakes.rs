//! Handshakes that are made, and those that are not.

use std::time::Duration;

use protocols::websocket::handshake::Unanswered;
use protocols::websocket::wire::Opcode;
use protocols::websocket::{Ending, Endpoint, Limits, Options};

use reactor::Address;

use crate::stage::{Stage, masked_text, plain, request};

/// The server's answer to these bytes, behind which it ends the connection.
#[track_caller]
fn answer(stage: &mut Stage, bytes: &[u8]) -> String {
    let peer = stage.raw(bytes);
    stage.until("the end has come", |world| world.raw_ended.contains_key(&peer));
    String::from_utf8(stage.world.raw[&peer].clone()).expect("an answer is text")
}

#[test]
fn a_request_is_understood_however_it_is_cut() {
    let bytes = request("/", "");
    for cut in [1, 3, bytes.len() - 3, bytes.len() - 1] {
        let mut stage = Stage::new();
        let peer = stage.raw(&bytes[..cut]);
        // Whoever comes later is served meanwhile: the first part has been read by then.
        let other = stage.client("/");
        stage.says(peer, &[&bytes[cut..], &masked_text("Hello")].concat());
        let echo = plain(Opcode::Text, b"Hello");
        stage.until("the echo has come", |world| world.raw[&peer].ends_with(&echo));
        assert_eq!(stage.endpoint.counters().opened, 3, "two here, one there");
        assert!(stage.world.sides[&other].open);
    }
}

#[test]
fn what_is_no_handshake_is_answered_and_the_connection_ended() {
    let mut stage = Stage::new();
    for (bytes, status) in [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), "426 Upgrade Required"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), "405 Method Not Allowed"),
        (b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), "400 Bad Request"),
        (request("/nowhere", ""), "404 Not Found"),
        (request("/", "Origin: http://evil.example\r\n"), "403 Forbidden"),
        (request("/", "Content-Length: 1\r\n"), "400 Bad Request"),
        (
            request("/", &format!("X: {}\r\n", "x".repeat(20_000))),
            "431 Request Header Fields Too Large",
        ),
        (request("/", &"X: y\r\n".repeat(120)), "431 Request Header Fields Too Large"),
    ] {
        let answer = answer(&mut stage, &bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(
            answer.contains("close\r\n") && answer.contains("\r\nContent-Length: "),
            "{answer}"
        );
    }
    assert_eq!((stage.endpoint.counters().refused, stage.endpoint.counters().opened), (8, 0));
    assert_eq!(stage.world.welcomed, ["/nowhere"], "what was wrong before was not shown to it");
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let mut stage = Stage::with(Options { limits, ..Options::default() });
    assert_eq!(answer(&mut stage, b""), "");
    assert_eq!(answer(&mut stage, b"GET / HTT"), "");
    assert_eq!(stage.endpoint.counters().refused, 2);
}

#[test]
fn a_subprotocol_is_agreed_on() {
    let subprotocols = vec!["chat.v2".to_owned(), "chat".to_owned()];
    let mut stage = Stage::with(Options { subprotocols, ..Options::default() });
    let client = stage.client("/");
    let guest = stage.guest();
    for id in [client, guest] {
        assert_eq!(stage.world.sides[&id].subprotocol.as_deref(), Some("chat.v2"));
    }
    stage.finish();
}

#[test]
fn a_client_is_told_why_there_is_no_handshake() {
    let mut stage = Stage::new();
    let client = stage.dial("/nowhere");
    let refused = Unanswered::Status { status: 404, location: None };
    assert_eq!(stage.ending(client), Ending::NoHandshake(refused));
    assert!(!stage.world.sides[&client].open);
    stage.finish();
}

#[test]
fn a_client_is_told_that_nobody_listens() {
    let mut stage = Stage::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let nobody: Address = nobody.expect("a port that was free").into();
    let endpoint = Endpoint::default();
    let client = stage.dial_at(nobody.clone(), "/", &endpoint);
    let ending = stage.ending(client);
    assert!(ending.to_string().starts_with("could not connect: "), "{ending}");
    assert_eq!(stage.world.sides[&client].peer, Some(nobody));
    stage.finish();
}

#[test]
fn a_client_does_not_wait_for_a_server_that_says_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = silent.local_addr().expect("it listens").to_string().parse().expect("an address");
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let endpoint = Endpoint::new(Options { limits, ..Options::default() });
    let mut stage = Stage::new();
    let client = stage.dial_at(address, "/", &endpoint);
    assert_eq!(stage.ending(client), Ending::NoHandshake(Unanswered::Timeout));
}
