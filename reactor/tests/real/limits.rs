//! Limits: each has a default, a reason, and a refusal or an end of its own. (Descriptors, which
//! belong to the whole process, have a test program of their own.)

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::support;
use bytes::Bytes;
use reactor::{
    CloseReason, Limits, ListenOptions, MinRate, OpenError, PostError, Pressure, SendError, Side,
    StreamLimits, StreamOptions, TimerKey, TimersFull, WhenFull,
};
use support::{Log, Probe, Stage, any_port, assert_reset, client, retry};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn server() -> Probe {
    Probe::new("server")
}

/// A listener with limits, whose kernel takes little, so that what is large has to wait in the loop.
fn limited(limits: StreamLimits) -> ListenOptions {
    let stream = StreamOptions { send_buffer: Some(64 * KIB), ..StreamOptions::default() };
    ListenOptions { limits, stream, ..ListenOptions::default() }
}

/// Whether the other side closed a connection that it had accepted, and without a word.
#[track_caller]
fn assert_closed(mut client: TcpStream) {
    match retry(|| client.read(&mut [0])) {
        Ok(length) => assert_eq!(length, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

// ── who may come in ─────────────────────────────────────────────────────────────────────────

#[test]
fn a_full_loop_turns_newcomers_away_until_somebody_leaves() {
    let mut stage = Stage::with_limits(Limits { connections: 2, ..Limits::default() });
    let address = stage.listen(server);
    let first = client(address);
    let second = client(address);
    let third = client(address);
    stage.until(|log| log.opened.len() == 2);
    stage.until_quiet();
    assert_closed(third);
    let stats = stage.reactor.stats();
    assert_eq!((stats.accepted, stats.refused_full, stats.connections), (2, 1, 2));

    let error = stage.registry().connect(address.into(), Probe::new("client")).unwrap_err();
    assert!(matches!(error, OpenError::TooManyConnections(_)), "{error:?}");
    assert_eq!(error.to_string(), format!("the loop has no connections left to open {address}"));

    drop(first);
    stage.until(|log| log.ends.len() == 1);
    let fourth = client(address);
    stage.until(|log| log.opened.len() == 3);
    drop((second, fourth));
    stage.until(|log| log.ends.len() == 3);
}

#[test]
fn one_address_may_not_take_all_places() {
    let limits = Limits { connections_per_address: Some(2), ..Limits::default() };
    let mut stage = Stage::with_limits(limits);
    let listening = stage.registry().listen(any_port(), |_, log: &mut Log| {
        log.note("factory", "makes one");
        server()
    });
    let id = listening.unwrap();
    stage.will_close(id);
    let address = stage.registry().listener_address(id).unwrap().socket_addr().unwrap();
    let first = client(address);
    let second = client(address);
    let third = client(address);
    stage.until(|log| log.opened.len() == 2);
    stage.until_quiet();
    assert_closed(third);
    assert_eq!(stage.reactor.stats().refused_address, 1);
    // Who counts its sessions where they are made and where they end must come out at zero.
    assert_eq!(stage.log.count("factory", "makes one"), 2);

    // Outgoing connections are our own doing, and count for nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let outgoing = stage.connect(listener.local_addr().unwrap(), Probe::new("client"));
    stage.until(|log| log.opened.len() == 3);
    stage.registry().abort(outgoing).unwrap();

    drop(first);
    stage.until(|log| log.ends.len() == 2);
    let fourth = client(address);
    stage.until(|log| log.opened.len() == 4);
    drop((second, fourth, listener));
    stage.until(|log| log.ends.len() == 4);
}

#[test]
#[cfg(target_os = "linux")]
fn another_address_has_places_of_its_own() {
    let limits = Limits { connections_per_address: Some(1), ..Limits::default() };
    let mut stage = Stage::with_limits(limits);
    let address = stage.listen(server);
    let first = client(address);
    let from = reactor::ConnectOptions {
        from: Some("127.0.0.2:0".parse().unwrap()),
        ..Default::default()
    };
    let second = Probe::new("client");
    let second = stage.registry().connect_with(address.into(), &from, second).unwrap();
    stage.until(|log| log.opened.len() == 3);
    assert_eq!(stage.reactor.stats().refused_address, 0);
    stage.registry().close(second).unwrap();
    drop(first);
    stage.until(|log| log.ends.len() == 3);
}

#[test]
fn a_listener_may_be_told_to_take_its_time() {
    const RATE: u32 = 20;
    let mut stage = Stage::new();
    let options = ListenOptions { accept_rate: Some(RATE), ..ListenOptions::default() };
    let began = Instant::now();
    let address = stage.listen_with(&options, server);
    // A burst of as many is let in at once, the others one by one; nobody is turned away.
    let callers: Vec<_> = (0..RATE + 3).map(|_| client(address)).collect();
    stage.until(|log| log.opened.len() == RATE as usize + 3);
    assert!(began.elapsed() >= 3 * Duration::from_secs(1) / RATE, "{:?}", began.elapsed());
    assert!(stage.reactor.stats().accept_rests >= 1);
    drop(callers);
    stage.until(|log| log.ends.len() == RATE as usize + 3);
}

#[test]
fn a_burst_that_comes_one_by_one_is_let_in_at_once_too() {
    const BURST: u32 = 10;
    let mut stage = Stage::new();
    let options = ListenOptions { accept_rate: Some(BURST), ..ListenOptions::default() };
    let address = stage.listen_with(&options, server);
    for number in 1..BURST as usize {
        drop(client(address));
        stage.until(|log| log.ends.len() == number);
    }
    assert_eq!(stage.reactor.stats().accept_rests, 0, "finding nobody costs nothing");
}

#[test]
fn a_listener_that_rests_can_be_closed() {
    let mut stage = Stage::new();
    let options = ListenOptions { accept_rate: Some(1), ..ListenOptions::default() };
    let listening =
        stage.registry().listen_with(any_port(), &options, |_, _| Some(Box::new(server())));
    let id = listening.unwrap();
    let address = stage.registry().listener_address(id).unwrap().socket_addr().unwrap();
    let callers = [client(address), client(address)];
    stage.until(|log| log.opened.len() == 1);
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().accept_rests, 1);
    stage.registry().close_listener(id).unwrap();
    assert_eq!(stage.reactor.stats().timers, 0, "its rest is over");
    drop(callers);
    stage.until(|log| log.ends.len() == 1);
}

// ── deadlines ───────────────────────────────────────────────────────────────────────────────

#[test]
fn a_silent_connection_is_reset_after_a_while() {
    const WHILE: Duration = Duration::from_millis(40);
    let mut stage = Stage::new();
    let limits = StreamLimits { idle_timeout: Some(WHILE), ..StreamLimits::default() };
    let address = stage.listen_with(&limited(limits), server);
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    caller.write_all(b"hello").unwrap();
    let spoke = Instant::now();
    stage.until_closed("server");
    // The loop counts in milliseconds, and hears of the bytes a little later than they were sent.
    assert!(spoke.elapsed() + Duration::from_millis(1) >= WHILE, "{:?}", spoke.elapsed());
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 5", "close nobody sent anything for too long"]
    );
    assert_eq!(stage.log.end("server").unwrap().side, Side::Limit);
    assert_reset(caller);
}

#[test]
fn what_is_sent_to_a_silent_peer_keeps_its_connection_too() {
    const WHILE: Duration = Duration::from_millis(40);
    let mut stage = Stage::new();
    let limits = StreamLimits { idle_timeout: Some(WHILE), ..StreamLimits::default() };
    let silence = Rc::new(Cell::new(None));
    let measured = Rc::clone(&silence);
    let address = stage.listen_with(&limited(limits), move || {
        let spoke = Rc::new(Cell::new(None));
        let (speaks, measured) = (Rc::clone(&spoke), Rc::clone(&measured));
        server()
            .on_open(|to, _| to.set_timer(TimerKey(1), WHILE / 2))
            .on_timer(move |transport, _, _| {
                transport.write(b"hello");
                speaks.set(Some(transport.registry().now()));
            })
            .on_close(move |registry, _, _| {
                measured.set(spoke.get().map(|spoke| registry.now() - spoke));
            })
    });
    let _caller = client(address);
    stage.until_closed("server");
    // The loop counts in milliseconds.
    let silence = silence.get().expect("it spoke first") + Duration::from_millis(1);
    assert!(silence >= WHILE, "{silence:?}");
}

#[test]
fn a_peer_that_only_listens_is_reset_after_a_while_if_it_should_speak() {
    let mut stage = Stage::new();
    let limits =
        StreamLimits { read_timeout: Some(Duration::from_millis(40)), ..StreamLimits::default() };
    // It is not idle: the server talks all the time.
    let address = stage.listen_with(&limited(limits), || {
        server().on_open(|to, _| to.set_timer(TimerKey(1), Duration::ZERO)).on_timer(
            |transport, key, _| {
                transport.write(b"tick ");
                transport.set_timer(key, Duration::from_millis(2));
            },
        )
    });
    let mut caller = client(address);
    let listening = stage.peer(move || caller.read_to_end(&mut Vec::new()).unwrap_err().kind());
    stage.until_closed("server");
    let told = stage.log.of("server");
    assert_eq!(told[..2], ["open", "timer 1"]);
    assert_eq!(told.last(), Some(&"close the peer sent nothing for too long"));
    assert_eq!(stage.join(listening), ErrorKind::ConnectionReset);
}

#[test]
fn a_peer_that_drips_is_too_slow_and_a_silent_one_is_not() {
    let mut stage = Stage::new();
    let window = Duration::from_millis(30);
    let min_rate = Some(MinRate { bytes_per_second: 10_000, window });
    let limits = StreamLimits { min_rate, ..StreamLimits::default() };
    // A message of which only a part has come stays in the inbox; who owes nothing may be silent.
    let address = stage.listen_with(&limited(limits), || {
        server().on_data(|_, input, log| {
            if input.len() == 1 {
                log.note("server", "waits for the rest");
            }
        })
    });
    let silent = client(address);
    stage.until(|log| log.opened.len() == 1);
    let mut dripping = client(address);
    dripping.write_all(b"x").unwrap();
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(
        stage.log.of("server"),
        ["open", "open", "waits for the rest", "close the transfer was too slow"]
    );
    assert_eq!(stage.log.ends[0].id, stage.log.opened[1].1, "the one that dripped");
    assert_reset(dripping);
    drop(silent);
    stage.until(|log| log.ends.len() == 2);
}

#[test]
fn a_peer_that_takes_its_answer_too_slowly_is_reset() {
    let mut stage = Stage::new();
    let min_rate = Some(MinRate { bytes_per_second: 1_000_000, window: Duration::from_millis(30) });
    let limits = StreamLimits { min_rate, ..StreamLimits::default() };
    let address = stage.listen_with(&limited(limits), || {
        server().on_open(|transport, _| transport.write(&vec![0; 4 * MIB]))
    });
    let caller = client(address);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close the transfer was too slow"]);
    assert!(stage.log.end("server").unwrap().unsent > 0);
    assert_reset(caller);
}

#[test]
fn limits_can_be_changed_on_an_open_connection() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        server().on_data(|transport, input, _| {
            input.take_all();
            let limits = StreamLimits {
                idle_timeout: Some(Duration::from_millis(20)),
                ..transport.limits().clone()
            };
            transport.set_limits(limits);
        })
    });
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().timers, 0, "it has no deadline yet");
    caller.write_all(b"hello").unwrap();
    stage.until_closed("server");
    assert!(stage.log.has("server", "close nobody sent anything for too long"));
}

// ── queues ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_peer_that_does_not_read_ends_with_its_outbox() {
    let mut stage = Stage::new();
    let limits = StreamLimits { outbox: MIB, ..StreamLimits::default() };
    let address = stage.listen_with(&limited(limits), || {
        server().on_data(|transport, input, log| {
            input.take_all();
            // It does not look how much is queued, and goes on after the cap.
            for _ in 0..100 {
                transport.write(&[0; 100 * KIB]);
            }
            log.note("server", format!("at most two MiB: {}", transport.queued_bytes() < 2 * MIB));
        })
    });
    let mut caller = client(address);
    caller.write_all(b"hello").unwrap();
    stage.until_closed("server");
    assert_eq!(
        stage.log.of("server"),
        [
            "open",
            "data 5",
            "at most two MiB: true",
            "close its outbox is full: more was written than the peer has taken"
        ]
    );
    assert!(stage.log.end("server").unwrap().unsent > 0);
    assert!(stage.reactor.stats().discarded_bytes > 0, "what came after the cap was dropped");
    assert_reset(caller);
}

#[test]
fn what_does_not_fit_in_an_outbox_comes_back_and_the_connection_ends() {
    let mut stage = Stage::new();
    // Charged are the bytes, and 64 more for each piece.
    let limits = StreamLimits { outbox: 1_000, ..StreamLimits::default() };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = reactor::ConnectOptions { limits, ..Default::default() };
    let address = listener.local_addr().unwrap().into();
    let mut connect = |name| {
        stage.registry().connect_with(reactor::Address::clone(&address), &options, Probe::new(name))
    };
    let fits = connect("fits").unwrap();
    let full = connect("full").unwrap();
    let registry = stage.registry();
    let _ = registry.send(fits, Bytes::from(vec![0; 936])).unwrap();
    for length in [937, 1_000, 1_001] {
        let error = registry.send(full, Bytes::from(vec![0; length]));
        match error {
            Err(SendError::Full(bytes)) => assert_eq!((length, bytes.len()), (937, 937)),
            other => assert!(matches!(other, Err(SendError::Stale(_))), "{length}: {other:?}"),
        }
    }
    stage.until_closed("full");
    assert_eq!(
        stage.log.of("full"),
        ["close its outbox is full: more was written than the peer has taken"]
    );
    assert_eq!(stage.log.end("full").unwrap().unsent, 0, "the bytes have come back");
    stage.registry().abort(fits).unwrap();
    stage.until_closed("fits");
}

/// With the policy `refuse`, a message that does not fit is handed back and nothing else happens.
#[test]
fn a_connection_that_refuses_what_has_no_room_goes_on() {
    let mut stage = Stage::new();
    let limits =
        StreamLimits { outbox: 1_000, when_full: WhenFull::Refuse, ..StreamLimits::default() };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = reactor::ConnectOptions { limits, ..Default::default() };
    let address = listener.local_addr().unwrap().into();
    let id = stage.registry().connect_with(address, &options, Probe::new("server")).unwrap();
    let registry = stage.registry();
    assert_eq!(registry.send(id, Bytes::from(vec![1; 900])), Ok(Pressure::Low));
    let more = Bytes::from(vec![2; 100]);
    assert_eq!(registry.send(id, more.clone()), Err(SendError::Full(more.clone())));
    assert_eq!(registry.broadcast([id], more), 0);
    let refused = registry.send_file(id, tempfile::tempfile().unwrap(), 0, 1);
    assert!(matches!(refused, Err(reactor::SendFileError::Full(_))), "{refused:?}");
    drop(refused);
    // There is room again when it has drained, and it has missed nothing but what came back.
    let asked = registry.when_drained(id, move |registry, _, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(registry.send(id, Bytes::from(vec![3; 900])), Ok(Pressure::Low));
        registry.close(id).unwrap();
    });
    asked.unwrap();
    let (mut theirs, _) = listener.accept().unwrap();
    let received = stage.peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    assert_eq!(stage.join(received), [[1; 900], [3; 900]].concat());
    stage.until_closed("server");
    assert_eq!(stage.log.of("server").last(), Some(&"close closed"));
}

#[test]
fn the_outboxes_together_have_a_cap_too() {
    let mut stage = Stage::with_limits(Limits { outboxes: 3 * MIB, ..Limits::default() });
    let address = stage.listen_with(&limited(StreamLimits::default()), server);
    let _callers = [client(address), client(address)];
    stage.until(|log| log.opened.len() == 2);
    let (first, second) = (stage.log.opened[0].1, stage.log.opened[1].1);
    let two = Bytes::from(vec![0; 2 * MIB]);
    let _ = stage.registry().send(first, two.clone()).unwrap();
    // It is the one whose write goes beyond the cap that ends.
    let refused = stage.registry().send(second, two).unwrap_err();
    assert!(matches!(refused, SendError::Full(_)));
    assert_eq!(refused.to_string(), "the outbox is full");
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(stage.log.ends[0].id, second);
    assert_eq!(stage.log.ends[0].reason, "the outboxes of the loop are full");
    assert!(stage.registry().is_connected(first));
    stage.registry().abort(first).unwrap();
    stage.until(|log| log.ends.len() == 2);
}

#[test]
fn a_message_longer_than_the_inbox_ends_its_connection() {
    let mut stage = Stage::new();
    let limits = StreamLimits { inbox: 10 * KIB, ..StreamLimits::default() };
    // It waits for a whole line, which never comes.
    let address = stage.listen_with(&limited(limits), || {
        server().on_data(|_, input, _| assert!(!input.is_empty()))
    });
    let mut caller = client(address);
    caller.write_all(&[b'x'; 10 * KIB]).unwrap();
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    assert!(stage.log.end("server").is_none(), "as much as it may is not too much");
    let row = stage.reactor.snapshot().sockets[1].clone();
    assert_eq!(row.receive_queue, 10 * KIB);
    caller.write_all(b"y").unwrap();
    stage.until_closed("server");
    assert_eq!(
        stage.log.of("server"),
        ["open", "close its inbox is full: a message was longer than allowed"]
    );
    assert_reset(caller);
}

#[test]
fn a_full_inbox_and_the_end_behind_it_is_an_end() {
    let mut stage = Stage::new();
    let limits = StreamLimits { inbox: 10 * KIB, ..StreamLimits::default() };
    // The message is whole when its sender ends, and exactly as long as it may be.
    let address = stage.listen_with(&limited(limits), || server().on_data(|_, _, _| {}));
    let mut caller = client(address);
    caller.write_all(&[b'x'; 10 * KIB]).unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", "close the peer closed the connection"]);
}

// ── timers and tasks ────────────────────────────────────────────────────────────────────────

#[test]
fn timers_have_an_end_which_is_an_error_or_a_reason() {
    let mut stage = Stage::with_limits(Limits { timers: 2, ..Limits::default() });
    const HOUR: Duration = Duration::from_secs(3_600);
    let first = stage.registry().after(HOUR, |_, _| {}).unwrap();
    let second = stage.registry().every(HOUR, |_, _| {}).unwrap();
    let refused = stage.registry().after(HOUR, |_, _| {});
    assert_eq!(refused, Err(TimersFull));
    assert_eq!(TimersFull.to_string(), "the loop has no timers left");

    // A connection that asks for one ends; a deadline is what keeps a loop from filling up, and is
    // always kept.
    let limits =
        StreamLimits { idle_timeout: Some(Duration::from_millis(20)), ..StreamLimits::default() };
    let address = stage.listen_with(&limited(limits), || {
        server().on_data(move |transport, _, _| transport.set_timer(TimerKey(1), HOUR))
    });
    let silent = client(address);
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(stage.log.ends[0].reason, CloseReason::IdleTimeout.to_string());
    let mut asking = client(address);
    asking.write_all(b"hello").unwrap();
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.ends[1].reason, "the loop has no timers left");
    assert_reset(asking);
    drop(silent);

    assert!(stage.registry().cancel(first));
    let third = stage.registry().after(HOUR, |_, _| {}).unwrap();
    assert!(stage.registry().cancel(second));
    assert!(stage.registry().cancel(third));
}

#[test]
fn messages_beyond_the_limit_come_back_to_their_sender() {
    let mut stage = Stage::with_limits(Limits { tasks: 2, ..Limits::default() });
    let handle = stage.handle();
    let note = |text: &'static str| move |_: &mut _, log: &mut Log| log.note("task", text);
    handle.run(note("one")).unwrap();
    handle.run(note("two")).unwrap();
    let Err(PostError::Full(refused)) = handle.run(note("three")) else {
        panic!("there is no room");
    };
    stage.until(|log| log.has("task", "two"));
    handle.run(refused).unwrap();
    stage.until(|log| log.has("task", "three"));
    assert_eq!(stage.log.of("task"), ["one", "two", "three"]);
    // A handle keeps the descriptor that wakes the loop.
}

#[test]
fn a_burst_larger_than_the_budgets_is_served_over_several_turns() {
    let limits = Limits { accept_budget: 2, task_budget: 2, ..Limits::default() };
    let mut stage = Stage::with_limits(limits);
    let address = stage.listen(|| server().on_open(|transport, _| transport.close()));
    let callers: Vec<_> = (0..9).map(|_| client(address)).collect();
    let handle = stage.handle();
    for _ in 0..9 {
        handle.run(|_, log: &mut Log| log.note("task", "runs")).unwrap();
    }
    // There is one event for all of them, and the loop comes back by itself.
    stage.until(|log| log.opened.len() == 9 && log.count("task", "runs") == 9);
    assert!(stage.reactor.stats().turns >= 5);
    drop((callers, handle));
    stage.until(|log| log.ends.len() == 9);
}
