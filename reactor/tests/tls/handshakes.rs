//! Handshakes that fail, that never finish, and that are too many.

use super::*;

use std::time::Duration;

use reactor::{Limits, Side, StreamLimits};

const TRUNCATED: &str = "close the peer's end was cut off: it did not say that it was done";

/// A handshake may take no longer.
fn within(handshake: Duration) -> StreamLimits {
    StreamLimits { handshake_timeout: Some(handshake), ..StreamLimits::default() }
}

#[test]
fn whoever_does_not_speak_tls_is_told_by_an_alert() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    let peer = stage.peer(move || {
        let mut peer = client(address);
        peer.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it has room");
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).expect("it ends without a reset");
        answer
    });
    // An alert, fatal (RFC 8446, 6).
    let answer = stage.join(peer);
    assert_eq!((answer.first(), answer.get(5)), (Some(&21), Some(&2)), "{answer:?}");
    stage.until_closed("server");
    let end = stage.log.end("server").expect("it has ended");
    assert!(end.reason.starts_with("the peer does not speak TLS as it should"), "{}", end.reason);
    assert_eq!(end.side, Side::Peer);
    // Its protocol hears of the end alone.
    assert_eq!(stage.log.of("server").len(), 1);
}

#[test]
fn a_client_that_leaves_in_the_middle_is_cut_off() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    drop(client(address));
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), [TRUNCATED]);
}

#[test]
fn one_that_never_finishes_is_gone_by_its_deadline() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let options = ListenOptions {
        limits: within(Duration::from_millis(50)),
        ..with_tls(&keys.server("a.example"))
    };
    let address = stage.listen_with(&options, || echo("server"));
    let mut caller = client(address);
    caller.write_all(&[22, 3, 1, 2, 0]).expect("it has room");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["close the handshake took too long"]);
    assert_eq!(stage.log.end("server").map(|end| end.side), Some(Side::Limit));
    drop(caller);

    // A server that never answers is as bad.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let address = silent.local_addr().expect("it is bound");
    let options =
        ConnectOptions { limits: within(Duration::from_millis(50)), ..to_tls(keys.client()) };
    let probe = Probe::new("client");
    stage.registry().connect_with(address.into(), &options, probe).expect("it begins");
    stage.until_closed("client");
    assert_eq!(stage.log.of("client"), ["close the handshake took too long"]);
}

#[test]
fn the_deadline_of_the_handshake_ends_with_it() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let options = ListenOptions {
        limits: within(Duration::from_secs(5)),
        ..with_tls(&keys.server("a.example"))
    };
    let address = stage.listen_with(&options, || echo("server"));
    let peer = caller(&stage, &keys, address, move |mut peer| {
        peer.write_all(b"x").expect("it is open");
        peer.read_exact(&mut [0]).expect("it answers");
        peer
    });
    let peer = stage.join(peer);
    // Nothing has to be looked at any more.
    stage.until_quiet();
    assert_eq!(stage.reactor.snapshot().stats.timers, 0);
    drop(peer);
    stage.until_closed("server");
}

#[test]
fn those_that_never_finish_are_bounded_and_harm_nobody() {
    let keys = Keys::new();
    let mut stage = Stage::with_limits(Limits { handshakes: 50, ..Limits::default() });
    let options = ListenOptions {
        // Longer than the test takes: when they are gone by it is shown above, and of a thousand in the simulator.
        limits: within(Duration::from_secs(600)),
        ..with_tls(&keys.server("a.example"))
    };
    let address = stage.listen_with(&options, || echo("server"));
    let peer = caller(&stage, &keys, address, move |mut peer| {
        peer.write_all(b"x").expect("it is open");
        peer.read_exact(&mut [0]).expect("it answers");
        peer
    });
    let mut peer = stage.join(peer);

    let callers: Vec<_> = (0..200).map(|_| client(address)).collect();
    stage.until_outside(|_| true);
    until(&mut stage.reactor, &mut stage.log, |_, registry| {
        registry.stats().refused_handshakes == 150
    });
    assert_eq!(stage.reactor.stats().connections, 51);
    let working = stage.peer(move || {
        peer.write_all(&pattern(100_000)).expect("it is open");
        let mut heard = vec![0; 100_000];
        peer.read_exact(&mut heard).expect("it answers");
        say_goodbye(&mut peer);
        heard
    });
    assert_same_bytes(&stage.join(working), &pattern(100_000));
    drop(callers);
    stage.until(|log| log.ends.len() == 51);
    // There is room for somebody new.
    let peer = caller(&stage, &keys, address, move |mut peer| {
        peer.write_all(b"x").expect("it is open");
        peer.read_exact(&mut [0]).expect("it answers");
        say_goodbye(&mut peer);
    });
    stage.join(peer);
    stage.until(|log| log.ends.len() == 52);
}

#[test]
fn many_at_once_all_come_to_their_end() {
    let keys = Keys::new();
    let mut stage =
        Stage::with_limits(Limits { handshake_budget: 2, visit_budget: 8, ..Limits::default() });
    let address = echo_server(&mut stage, &keys);
    let options = to_tls(keys.client());
    for _ in 0..60 {
        let probe = Probe::new("client").on_open(|transport, _| transport.write(b"hello")).on_data(
            |transport, input, _| {
                input.take_all();
                transport.close();
            },
        );
        stage.registry().connect_with(address.into(), &options, probe).expect("it begins");
    }
    stage.until(|log| log.ends.len() == 120);
    assert_eq!(stage.log.count("client", CLOSED), 60);
    assert_eq!(stage.log.count("server", PEER_CLOSED), 60);
}

#[test]
fn what_is_written_before_the_handshake_is_over_leaves_behind_it() {
    let keys = Keys::new();
    let mut stage = Stage::new();
    let address = echo_server(&mut stage, &keys);
    let options = to_tls(keys.client());
    let client = Probe::new("client");
    let id = stage.registry().connect_with(address.into(), &options, client).expect("it begins");
    let sent = stage.registry().send(id, pattern(50_000).into());
    let _ = sent.expect("it is queued");
    stage.registry().close(id).expect("it is there");
    stage.until_closed("client");
    stage.until_closed("server");
    assert_same_bytes(stage.log.bytes("server"), &pattern(50_000));
    assert_eq!(stage.log.of("client"), [CLOSED]);
}
