//! Connecting: it never blocks, what is written early waits, and its end has a reason.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use crate::support;
use bytes::Bytes;
#[cfg(unix)]
use reactor::StreamLimits;
use reactor::{Address, Backoff, ConnectOptions, LastTry, Limits, OpenError, Side};
#[cfg(unix)]
use support::FullListener;
use support::{Log, NobodysPort, Probe, Stage, echo, until_outside};

#[cfg(unix)]
fn with_limits(limits: StreamLimits) -> ConnectOptions {
    ConnectOptions { limits, ..ConnectOptions::default() }
}

// ── success ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn what_is_sent_before_it_is_open_arrives_first_and_in_order() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let probe = Probe::new("client").on_open(|transport, _| {
        transport.write(b"four");
        transport.close();
    });
    let id = stage.connect(address, probe);
    for word in ["one ", "two ", "three "] {
        let _ = stage.registry().send(id, Bytes::from_static(word.as_bytes())).unwrap();
    }
    let row = &stage.reactor.snapshot().sockets[1];
    assert_eq!((row.state, row.send_queue), ("connecting", 14));
    assert!(stage.log.of("client").is_empty(), "no callback came yet");

    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.bytes("server"), b"one two three four");
    assert_eq!(stage.log.of("client"), ["open", "close closed"]);
}

#[test]
fn a_greeting_and_a_goodbye_that_came_early_are_told_after_the_opening() {
    let mut stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    stage.connect(listener.local_addr().unwrap(), Probe::new("client"));
    // All of it has happened before the loop looks for the first time.
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello and goodbye").unwrap();
    drop((server, listener));
    stage.until_closed("client");
    assert_eq!(
        stage.log.of("client"),
        ["open", "data 17", "end", "close the peer closed the connection"]
    );
}

#[test]
fn hundreds_connect_in_one_turn() {
    const MANY: usize = 300;
    let mut stage = Stage::new();
    let address = stage.listen(echo);
    for _ in 0..MANY {
        let probe = Probe::new("client").on_open(|to, _| to.write(b"hello")).on_data(
            |transport, input, _| {
                if input.len() == 5 {
                    input.take_all();
                    transport.close();
                }
            },
        );
        stage.connect(address, probe);
    }
    stage.until(|log| log.ends.len() == 2 * MANY);
    assert_eq!(stage.log.bytes("client").len(), 5 * MANY);
    assert_eq!(stage.log.count("client", "close closed"), MANY);
}

#[test]
fn an_open_connection_keeps_no_connect_deadline() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let id = stage.connect(address, Probe::new("client"));
    stage.until(|log| log.opened.len() == 2);
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().timers, 0);
    stage.registry().close(id).unwrap();
    stage.until(|log| log.ends.len() == 2);
}

#[test]
fn it_connects_from_the_address_it_was_given() {
    // All of 127.0.0.0/8 is loopback on Linux; elsewhere only one address is.
    let from = if cfg!(target_os = "linux") { "127.0.0.2:0" } else { "127.0.0.1:0" };
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let options = ConnectOptions { from: Some(from.parse().unwrap()), ..Default::default() };
    let probe = Probe::new("client").on_open(|transport, log| {
        log.note("client", format!("from {}", transport.local().ip().unwrap()));
        transport.close();
    });
    stage.registry().connect_with(address.into(), &options, probe).unwrap();
    stage.until(|log| log.ends.len() == 2);
    let ip = from.trim_end_matches(":0");
    assert!(stage.log.has("client", &format!("from {ip}")), "{:?}", stage.log);
    assert_eq!(stage.log.end("server").unwrap().peer.ip(), Some(ip.parse().unwrap()));
}

// ── failure ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_refusal_is_told_with_the_systems_error() {
    let mut stage = Stage::new();
    let port = NobodysPort::new();
    let id = stage.connect(port.address(), Probe::new("client"));
    let _ = stage.registry().send(id, Bytes::from_static(b"hello")).unwrap();
    stage.until_closed("client");
    let end = stage.log.end("client").unwrap().clone();
    assert_eq!(stage.log.of("client"), [format!("close {}", end.reason)], "it never opened");
    assert_eq!(end.id, id);
    assert_eq!(end.error, Some(ErrorKind::ConnectionRefused));
    assert!(end.reason.starts_with("could not connect: Connection refused"), "{}", end.reason);
    assert_eq!((end.side, end.is_clean, end.unsent), (Side::System, false, 5));
}

#[test]
#[cfg(unix)]
fn a_peer_that_does_not_answer_is_given_up_at_the_deadline() {
    let mut stage = Stage::new();
    let full = FullListener::new();
    let deadline = Duration::from_millis(30);
    let options =
        with_limits(StreamLimits { connect_timeout: Some(deadline), ..Default::default() });
    let began = Instant::now();
    let client = Probe::new("client");
    let id = stage.registry().connect_with(full.address().into(), &options, client).unwrap();
    let _ = stage.registry().send(id, Bytes::from_static(b"hello")).unwrap();
    stage.until_closed("client");
    assert!(began.elapsed() >= deadline, "not before");
    assert_eq!(stage.log.of("client"), ["close connecting took too long"]);
    let end = stage.log.end("client").unwrap();
    assert_eq!((end.side, end.unsent), (Side::Limit, 5));
    assert_eq!(stage.reactor.stats().lost_bytes, 5);
}

#[test]
#[cfg(unix)]
fn others_are_served_while_one_connects() {
    let mut stage = Stage::new();
    let full = FullListener::new();
    let waiting = stage.connect(full.address(), Probe::new("waiting"));
    let address = stage.listen(echo);
    let probe = Probe::new("client").on_open(|transport, _| transport.write(b"hello")).on_data(
        |transport, input, _| {
            input.take_all();
            transport.close();
        },
    );
    stage.connect(address, probe);
    stage.until(|log| log.ends.len() == 2);
    let states: Vec<_> = stage.reactor.snapshot().sockets.iter().map(|row| row.state).collect();
    assert_eq!(states, ["connecting", "listening"]);
    assert!(stage.log.of("waiting").is_empty());
    stage.registry().abort(waiting).unwrap();
    stage.until_closed("waiting");
}

// ── ending it early ─────────────────────────────────────────────────────────────────────────

#[test]
fn closed_while_connecting_it_still_sends_what_was_queued() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let id = stage.connect(address, Probe::new("client"));
    let _ = stage.registry().send(id, Bytes::from_static(b"hello")).unwrap();
    stage.registry().close(id).unwrap();
    let late = stage.registry().send(id, Bytes::from_static(b"late"));
    assert_eq!(late.unwrap_err().to_string(), "the connection is closing");
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 5", "end", "close the peer closed the connection"]
    );
    assert_eq!(stage.log.of("client"), ["close closed"], "after a close no other callback comes");
}

#[test]
#[cfg(unix)]
fn closed_while_connecting_it_ends_by_the_close_deadline() {
    let mut stage = Stage::new();
    let full = FullListener::new();
    let limits = StreamLimits {
        connect_timeout: None,
        close_timeout: Duration::from_millis(30),
        ..StreamLimits::default()
    };
    let client = Probe::new("client");
    let address = full.address().into();
    let id = stage.registry().connect_with(address, &with_limits(limits), client).unwrap();
    stage.registry().close(id).unwrap();
    stage.until_closed("client");
    assert_eq!(stage.log.of("client"), ["close closing took too long"]);
}

#[test]
fn ended_while_connecting_it_is_opened_and_still_hears_the_answer() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_end(|transport, _| {
            transport.write(b"the answer");
            transport.close();
        })
    });
    let id = stage.connect(address, Probe::new("client"));
    let _ = stage.registry().send(id, Bytes::from_static(b"the question")).unwrap();
    stage.registry().end(id).unwrap();
    let late = stage.registry().send(id, Bytes::from_static(b"late"));
    assert_eq!(late.unwrap_err().to_string(), "the connection is closing");
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("client"), ["open", "data 10", "end", "close closed"]);
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 12", "end", "close the peer closed the connection"]
    );
}

#[test]
fn aborted_while_connecting_it_is_gone_in_the_same_turn() {
    let mut stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let id = stage.connect(listener.local_addr().unwrap(), Probe::new("client"));
    let _ = stage.registry().send(id, Bytes::from_static(b"hello")).unwrap();
    stage.registry().abort(id).unwrap();
    assert!(!stage.registry().is_connected(id));
    assert!(stage.registry().abort(id).is_err(), "it has ended already");
    let turn = stage.reactor.turn(Some(Duration::ZERO), &mut stage.log).unwrap();
    assert!(turn.is_running());
    assert_eq!(stage.log.of("client"), ["close aborted"]);
    assert_eq!(stage.log.end("client").unwrap().unsent, 5);
}

// ── what is known at once ───────────────────────────────────────────────────────────────────

#[test]
fn errors_of_the_local_address_name_it_and_not_the_peer() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let mut connect_from = |who, from: Address| {
        let options = ConnectOptions { from: Some(from), ..ConnectOptions::default() };
        stage.registry().connect_with(address.into(), &options, Probe::new(who))
    };
    connect_from("nobody's", "203.0.113.1:0".parse().unwrap()).expect("it is told later");
    connect_from("taken", address.into()).expect("it is told later");
    let error = connect_from("none", Address::Unnamed).unwrap_err();
    assert!(matches!(error, OpenError::Unsupported(..)), "{error:?}");

    for (who, why) in [
        ("nobody's", "no interface of this machine has the address 203.0.113.1:0".to_owned()),
        ("taken", format!("address already in use: {address}")),
    ] {
        stage.until_closed(who);
        assert_eq!(stage.log.of(who), [format!("close could not connect: {why}")]);
    }
}

/// The system says so at once; it is told where everything is that goes wrong with a peer.
#[test]
fn a_peer_of_nobodys_kind_is_told_like_one_that_is_not_there() {
    let mut stage = Stage::new();
    // Nobody can be connected to everybody.
    let address: Address = SocketAddr::from((Ipv4Addr::BROADCAST, 9)).into();
    stage.registry().connect(address.clone(), Probe::new("client")).expect("it begins");
    assert!(stage.log.of("client").is_empty(), "no callback came yet");
    stage.until(|log| log.ends.len() == 1);
    let end = stage.log.end("client").expect("it has ended");
    assert!(end.reason.starts_with("could not connect: "), "{end:?}");
    assert_eq!(end.peer, address);
    assert!(!stage.log.has("client", "open"));
}

// ── by name ─────────────────────────────────────────────────────────────────────────────────

/// The system knows this name without asking anybody (RFC 6761, 6.3).
#[test]
fn the_system_finds_the_host_of_a_name() {
    let mut stage = Stage::new();
    let server = stage.listen(echo);
    let address = Address::to_host("localhost", server.port()).unwrap();
    let client = Probe::new("client").on_open(|transport, _| transport.write(b" second"));
    let id = stage.registry().connect(address, client).unwrap();
    let _ = stage.registry().send(id, Bytes::from_static(b"first")).unwrap();
    let row = &stage.reactor.snapshot().sockets[1];
    assert_eq!((row.protocol, row.state, row.send_queue), ("tcp", "connecting", 5));

    stage.until(|log| log.bytes("client").len() == 12);
    assert_eq!(stage.log.bytes("client"), b"first second");
    assert_eq!(stage.log.id("client"), id);
    assert_eq!(stage.reactor.snapshot().sockets.len(), 3, "no attempt is left");
    stage.registry().close(id).unwrap();
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.end("client").unwrap().peer, server.into());
}

#[test]
fn a_host_that_refuses_is_told_of_with_its_name_and_its_addresses() {
    let mut stage = Stage::new();
    let nobody = NobodysPort::new();
    let address = Address::to_host("localhost", nobody.address().port()).unwrap();
    stage.registry().connect(address.clone(), Probe::new("client")).unwrap();
    stage.until_closed("client");
    let end = stage.log.end("client").unwrap();
    assert_eq!(end.peer, address);
    let failure = end.host.as_ref().unwrap();
    assert_eq!(
        (failure.host().name(), failure.kind()),
        ("localhost", ErrorKind::ConnectionRefused)
    );
    assert!(failure.attempts().iter().any(|it| it.address == nobody.address().into()), "{failure}");
}

// ── again ───────────────────────────────────────────────────────────────────────────────────

/// Pauses of no length to speak of.
fn at_once() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(2))
}

#[test]
fn it_connects_again_until_there_is_no_protocol_for_it() {
    let mut stage = Stage::new();
    let mut served = 0;
    let address = stage.listen(move || {
        served += 1;
        let last = served == 3;
        Probe::new("server").on_open(move |server, _| {
            server.write(if last { b"done" } else { b"away" });
            server.close();
        })
    });
    let options = ConnectOptions::default();
    stage.registry().connect_again(address.into(), &options, at_once(), |log: &mut Log, last| {
        log.note("next", last.map_or("first".to_owned(), LastTry::to_string));
        (!log.bytes("client").ends_with(b"done")).then(|| Probe::new("client"))
    });
    stage.until(|log| log.of("next").len() == 4);
    let away = format!("{address}: the peer closed the connection");
    assert_eq!(stage.log.of("next"), ["first", &away, &away, &away]);
    assert_eq!(stage.log.bytes("client"), b"awayawaydone");
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().timers, 0, "nothing is left of it");
}

/// In one place, and as often as it is asked for: also of what the loop itself refuses.
#[test]
fn whatever_keeps_a_try_from_its_connection_is_told_and_counted() {
    for (most, why) in [(10, "could not connect: "), (0, "the loop has no connections left")] {
        let mut stage = Stage::with_limits(Limits { connections: most, ..Limits::default() });
        let nobody = NobodysPort::new();
        let elsewhere = Address::from(nobody.address());
        let options = ConnectOptions::default();
        let next = |log: &mut Log, last: Option<&LastTry>| {
            log.note("next", last.map_or(String::new(), |last| format!("{} {last}", last.tries)));
            last.is_none_or(|last| last.tries < 3).then(|| Probe::new("client"))
        };
        stage.registry().connect_again(elsewhere.clone(), &options, at_once(), next);
        stage.until(|log| log.of("next").len() == 4);
        for (tries, told) in (1..).zip(&stage.log.of("next")[1..]) {
            let begins = format!("{tries} {elsewhere}: ");
            assert!(told.starts_with(&begins) && told.contains(why), "{told}");
        }
        stage.until_quiet();
    }
}

/// A server that takes everybody in and sends him away is not asked all the time; one that was good for long is.
#[test]
fn the_pauses_are_short_again_after_a_connection_that_lasted() {
    for (longest, expected) in [(Duration::from_secs(3_600), "3"), (Duration::from_millis(1), "1")]
    {
        let mut stage = Stage::new();
        let address = stage.listen(|| Probe::new("server"));
        let options = ConnectOptions::default();
        let backoff = Backoff::new(Duration::from_millis(1), longest);
        stage.registry().connect_again(address.into(), &options, backoff, |log: &mut Log, last| {
            log.note("next", last.map_or(String::new(), |last| last.tries.to_string()));
            Some(Probe::new("client"))
        });
        for ended in 1..=3 {
            stage.until(|log| log.of("client").last() == Some(&"open"));
            let lasts = stage.registry().now() + Duration::from_millis(5);
            until_outside(&mut stage.reactor, &mut stage.log, |_, registry| registry.now() > lasts);
            let id = stage.log.id("client");
            stage.registry().abort(id).expect("it is open");
            stage.until(|log| log.of("next").len() == ended + 1);
        }
        assert_eq!(stage.log.of("next").last(), Some(&expected));
        stage.until(|log| log.of("client").last() == Some(&"open"));
        stage.registry().shutdown(Duration::ZERO);
        stage.until_shut_down();
        assert_eq!(stage.log.of("next").len(), 4, "the end of the loop is no reason to ask");
    }
}
