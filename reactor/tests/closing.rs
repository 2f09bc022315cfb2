//! The end of a connection: graceful, half, abrupt, by either side; told once, last, with a reason.

mod support;

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use reactor::{ListenOptions, SendError, Side, StreamLimits, StreamOptions, TimerKey, Transport};
use socket2::SockRef;
use support::{Log, Peer, Probe, Stage, assert_same_bytes, client, pattern, retry, until};

const PEER_CLOSED: &str = "close the peer closed the connection";
const MIB: usize = 1 << 20;

/// The kernel takes little, so that what is large has to wait in the loop.
fn narrow() -> ListenOptions {
    let stream = StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() };
    ListenOptions { stream, ..ListenOptions::default() }
}

/// Closing may not take long.
fn hasty() -> ListenOptions {
    let limits = StreamLimits { close_timeout: Duration::from_millis(40), ..Default::default() };
    ListenOptions { limits, ..narrow() }
}

/// Has the coming close of a client send RST.
fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

/// Turns until a client has been served to its end by the loop, and what it has seen.
fn read_all(stage: &mut Stage, mut client: TcpStream) -> Vec<u8> {
    let reading = stage.peer(move || {
        let mut seen = Vec::new();
        client.read_to_end(&mut seen).map(|_| seen)
    });
    stage.join(reading).expect("the stream ends in order")
}

/// A client that has more to say than the kernel holds, and only then listens.
fn talker(stage: &Stage, mut caller: TcpStream) -> Peer<io::Result<Vec<u8>>> {
    stage.peer(move || {
        caller.write_all(&vec![b'x'; 16 * MIB])?;
        let mut seen = Vec::new();
        caller.read_to_end(&mut seen).map(|_| seen)
    })
}

/// A probe for the only connection a listener will have.
fn once(probe: Probe) -> impl FnMut() -> Probe {
    let mut probe = Some(probe);
    move || probe.take().expect("one connection is made")
}

// ── gracefully ──────────────────────────────────────────────────────────────────────────────

#[test]
fn a_graceful_close_sends_everything_and_then_says_goodbye() {
    let mut stage = Stage::new();
    let reply = pattern(4 * MIB);
    let large = reply.clone();
    let server = once(Probe::new("server").on_open(move |transport, _| {
        transport.write(&large);
        transport.close();
        assert!(transport.queued_bytes() > MIB, "the kernel does not take it all at once");
    }));
    let address = stage.listen_with(&narrow(), server);
    let caller = client(address);
    let seen = read_all(&mut stage, caller);
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean, end.unsent), (Side::Local, true, 0));
    stage.finish();
}

#[test]
fn a_peer_that_closes_is_answered_and_told_of() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_end(|transport, _| {
            transport.write(b"goodbye");
            transport.close();
        })
    });
    let caller = client(address);
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"goodbye");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", PEER_CLOSED]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean), (Side::Peer, true));
    stage.finish();
}

/// A server that has seen enough after the first bytes.
#[track_caller]
fn assert_reply_survives(length: usize) {
    let mut stage = Stage::new();
    let reply = pattern(length);
    let answer = reply.clone();
    let server = once(Probe::new("server").on_data(move |transport, input, _| {
        input.take_all();
        transport.write(&answer);
        transport.close();
    }));
    let address = stage.listen_with(&narrow(), server);
    let talking = talker(&stage, client(address));
    let seen = stage.join(talking).expect("it is not reset");
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server").last(), Some(&"close closed"));
    stage.finish();
}

#[test]
fn a_reply_survives_a_close_while_the_client_still_uploads() {
    assert_reply_survives(100_000);
}

#[test]
fn a_reply_too_large_for_the_kernel_survives_it_too() {
    assert_reply_survives(4 * MIB);
}

#[test]
fn a_reply_survives_a_close_with_input_unread() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"go away");
            transport.close();
        })
    });
    let mut caller = client(address);
    // It is there before the loop looks, and nobody will ever read it.
    caller.write_all(&pattern(100_000)).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"go away");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    stage.finish();
}

#[test]
fn a_paused_connection_can_be_closed() {
    let mut stage = Stage::new();
    let reply = pattern(2 * MIB);
    let answer = reply.clone();
    let server = once(Probe::new("server").on_open(move |transport, _| {
        transport.pause();
        transport.write(&answer);
    }));
    let address = stage.listen_with(&narrow(), server);
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    // Both wait for each other, and the kernel reports nothing.
    stage.fill(&mut caller);
    let id = stage.log.id("server");
    stage.registry().close(id).unwrap();
    stage.until_quiet();
    assert!(stage.reactor.stats().read_bytes > 0, "it was read without an event");
    let talking = talker(&stage, caller);
    let seen = stage.join(talking).expect("it is not reset");
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    stage.finish();
}

#[test]
fn a_paused_connection_can_be_closed_by_its_timer() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server")
            .on_open(|transport, _| {
                transport.pause();
                transport.set_timer(TimerKey(1), Duration::from_millis(20));
            })
            .on_timer(|transport, _, _| {
                transport.write(b"enough");
                transport.close();
            })
    });
    let talking = talker(&stage, client(address));
    assert_eq!(stage.join(talking).expect("it is not reset"), b"enough");
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "timer 1", "close closed"]);
    stage.finish();
}

#[test]
fn after_a_close_no_callback_comes_but_the_last() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.set_timer(TimerKey(1), Duration::ZERO);
            transport.close();
            transport.close();
        })
    });
    let mut caller = client(address);
    caller.write_all(b"hello").unwrap();
    stage.until(|log| log.has("server", "data 5"));
    caller.write_all(b"anybody there?").unwrap();
    assert_eq!(retry(|| caller.read(&mut [0])).unwrap(), 0, "the server said goodbye");
    until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().timers_fired == 1);
    stage.until_quiet();
    drop(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 5", "close closed"]);
    stage.finish();
}

// ── deadlines ───────────────────────────────────────────────────────────────────────────────

#[test]
fn a_peer_that_never_reads_is_reset_at_the_deadline() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&hasty(), || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(&pattern(2 * MIB));
            transport.close();
        })
    });
    let mut caller = client(address);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closing took too long"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!(end.side, Side::Limit);
    assert!(end.unsent > 0);
    assert_eq!(stage.reactor.stats().lost_bytes, end.unsent);
    let cut = caller.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset, "it learns that something is missing");
    drop(caller);
    stage.finish();
}

#[test]
fn a_peer_that_never_says_goodbye_is_reset_at_the_deadline() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&hasty(), || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"goodbye");
            transport.close();
        })
    });
    let caller = client(address);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closing took too long"]);
    assert_eq!(stage.log.end("server").unwrap().unsent, 0, "everything has left");
    drop(caller);
    stage.finish();
}

#[test]
fn a_peer_that_trickles_for_ever_does_not_hold_up_a_close() {
    let mut stage = Stage::new();
    let address = stage
        .listen_with(&hasty(), || Probe::new("server").on_open(|transport, _| transport.close()));
    let mut caller = client(address);
    let trickling = stage.peer(move || while caller.write_all(b"and another thing").is_ok() {});
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close closing took too long"]);
    stage.join(trickling);
    stage.finish();
}

#[test]
fn both_have_said_goodbye_and_the_peer_never_reads_the_rest() {
    let mut stage = Stage::new();
    // The program ends, then the peer does; it is still read, since the high mark is higher.
    let mut options = hasty();
    options.limits.outbox_high = 4 * MIB;
    let address = stage.listen_with(&options, || {
        Probe::new("server").on_open(|transport, _| {
            transport.write(&pattern(2 * MIB));
            transport.end();
        })
    });
    let ours_first = client(address);
    stage.until(|log| log.has("server", "open"));
    ours_first.shutdown(Shutdown::Write).unwrap();
    stage.until(|log| log.ends.len() == 1);
    assert_eq!(stage.log.of("server"), ["open", "end", "close closing took too long"]);

    // The peer ends, then the program does.
    let address = stage.listen_with(&hasty(), || {
        Probe::new("other").on_end(|transport, _| {
            transport.write(&pattern(2 * MIB));
            transport.end();
        })
    });
    let peers_first = client(address);
    peers_first.shutdown(Shutdown::Write).unwrap();
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("other"), ["open", "end", "close closing took too long"]);
    drop((ours_first, peers_first));
    stage.finish();
}

// ── abruptly ────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_abort_resets_the_peer_and_loses_what_is_queued() {
    let mut stage = Stage::new();
    let address = stage.listen_with(&narrow(), || {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.write(&pattern(2 * MIB));
            transport.write(b"not even corked bytes leave");
            transport.abort();
            transport.write(b"nor later ones");
        })
    });
    let mut caller = client(address);
    caller.write_all(b"hello").unwrap();
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 5", "close aborted"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean), (Side::Local, false));
    assert!(end.unsent > 0);
    assert_eq!(stage.reactor.stats().lost_bytes, end.unsent);
    let cut = caller.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset);
    drop(caller);
    stage.finish();
}

#[test]
fn a_peers_reset_is_its_doing() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let caller = client(address);
    stage.until(|log| log.has("server", "open"));
    reset(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close the peer reset the connection"]);
    let end = stage.log.end("server").unwrap();
    assert_eq!((end.side, end.is_clean), (Side::Peer, false));
    stage.finish();
}

#[test]
fn a_reset_behind_a_goodbye_is_noticed_before_anything_is_written() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server").outlives_its_peer());
    let caller = client(address);
    caller.shutdown(Shutdown::Write).unwrap();
    stage.until(|log| log.has("server", "end"));
    stage.until_quiet();
    reset(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", "close the peer reset the connection"]);
    stage.finish();
}

#[test]
fn what_a_failed_write_leaves_behind_reaches_nobody_else() {
    let mut stage = Stage::new();
    let echo =
        || Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()));
    let address = stage.listen(echo);
    let mut gone = client(address);
    let mut living = client(address);
    stage.until(|log| log.count("server", "open") == 2);
    // Its data is read, and the answer meets the reset.
    gone.write_all(b"a secret").unwrap();
    reset(gone);
    living.write_all(b"hello").unwrap();
    stage.until(|log| log.bytes("server").ends_with(b"hello") || log.bytes("server").len() == 13);
    living.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, living), b"hello");
    stage.until(|log| log.ends.len() == 2);
    assert!(stage.log.has("server", "close the peer reset the connection"), "{:?}", stage.log);
    stage.finish();
}

// ── half ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_large_slow_reply_follows_the_peers_goodbye() {
    const CHUNK: usize = 200_000;
    const CHUNKS: usize = 20;
    let mut stage = Stage::new();
    let reply = pattern(CHUNK * CHUNKS);
    let whole = reply.clone();
    let mut sent = 0;
    // Each chunk waits for a timer, and each fifth for the client to have taken the others too.
    let address = stage.listen(once(
        Probe::new("server")
            .on_end(|transport, _| transport.set_timer(TimerKey(1), Duration::ZERO))
            .on_timer(move |transport, key, _| {
                transport.write(&whole[sent * CHUNK..(sent + 1) * CHUNK]);
                sent += 1;
                if sent == CHUNKS {
                    transport.close();
                } else if sent % 5 != 0 || transport.queued_bytes() <= 64 * 1024 {
                    transport.set_timer(key, Duration::from_millis(1));
                }
            })
            .on_drain(|transport, _| transport.set_timer(TimerKey(1), Duration::from_millis(1))),
    ));
    let mut caller = client(address);
    caller.write_all(b"tell me everything").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    let seen = read_all(&mut stage, caller);
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    let told = stage.log.of("server");
    assert_eq!(told[..3], ["open", "data 18", "end"]);
    assert_eq!(told.iter().filter(|line| **line == "end").count(), 1, "{told:?}");
    assert_eq!(told.last(), Some(&PEER_CLOSED));
    stage.finish();
}

#[test]
fn after_our_goodbye_the_peer_goes_on_and_is_read() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"over to you");
            transport.end();
        })
    });
    let mut caller = client(address);
    let telling = stage.peer(move || {
        let mut greeting = Vec::new();
        caller.read_to_end(&mut greeting).unwrap();
        caller.write_all(&pattern(2 * MIB)).unwrap();
        greeting
    });
    let greeting = stage.join(telling);
    assert_eq!(greeting, b"over to you");
    stage.until_closed("server");
    assert_same_bytes(stage.log.bytes("server"), &pattern(2 * MIB));
    assert_eq!(stage.log.of("server"), ["open", "data 2097152", "end", "close closed"]);
    stage.finish();
}

#[test]
fn a_connection_can_be_ended_by_its_id_and_the_peer_goes_on() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    let id = stage.log.id("server");
    stage.registry().send(id, Bytes::from_static(b"over to you")).unwrap();
    stage.registry().end(id).unwrap();
    stage.until_quiet();
    let mut greeting = Vec::new();
    caller.read_to_end(&mut greeting).unwrap();
    assert_eq!(greeting, b"over to you");
    caller.write_all(b"thank you").unwrap();
    drop(caller);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "data 9", "end", "close closed"]);
    stage.finish();
}

#[test]
fn our_goodbye_waits_for_what_is_queued() {
    let mut stage = Stage::new();
    let reply = pattern(4 * MIB);
    let large = reply.clone();
    let server = once(Probe::new("server").on_open(move |transport, _| {
        transport.write(&large);
        transport.end();
    }));
    let address = stage.listen_with(&narrow(), server);
    let caller = client(address);
    let seen = read_all(&mut stage, caller);
    assert_same_bytes(&seen, &reply);
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "end", "close closed"]);
    stage.finish();
}

#[test]
fn both_ends_of_a_half_closed_pair_meet_again() {
    let mut stage = Stage::new();
    // Both say goodbye at once, and neither waits for the other.
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"bye");
            transport.end();
        })
    });
    let probe = Probe::new("client").on_open(|transport, _| {
        transport.write(b"goodbye");
        transport.end();
    });
    stage.connect(address, probe);
    stage.until(|log| log.ends.len() == 2);
    assert_eq!(stage.log.of("server"), ["open", "data 7", "end", "close closed"]);
    assert_eq!(stage.log.of("client"), ["open", "data 3", "end", "close closed"]);
    stage.finish();
}

// ── too late ────────────────────────────────────────────────────────────────────────────────

#[test]
fn what_is_written_too_late_is_dropped_and_counted() {
    let mut stage = Stage::new();
    type End = fn(&mut Transport<'_, Log>);
    let endings: [(&str, End); 3] = [
        ("close", |transport| transport.close()),
        ("end", |transport| transport.end()),
        ("abort", |transport| transport.abort()),
    ];
    for (name, end) in endings {
        let before = stage.reactor.stats().discarded_bytes;
        let address = stage.listen(move || {
            Probe::new(name).on_open(move |transport, log| {
                transport.write(b"in time");
                end(transport);
                transport.write(b"late");
                transport.send(Bytes::from(vec![0; 10_000]));
                let id = transport.id();
                let refused = transport.registry().send(id, Bytes::from_static(b"late"));
                log.note(name, refused.unwrap_err().to_string());
            })
        });
        let mut caller = client(address);
        caller.shutdown(Shutdown::Write).unwrap();
        stage.until_closed(name);
        assert_eq!(stage.reactor.stats().discarded_bytes - before, 10_004, "{name}");
        assert!(stage.log.has(name, "the connection is closing"), "{:?}", stage.log);
        let mut seen = Vec::new();
        let read = caller.read_to_end(&mut seen);
        assert_eq!(
            (read.is_ok(), &seen[..]),
            match name {
                "abort" => (false, &b""[..]),
                _ => (true, &b"in time"[..]),
            }
        );
    }
    stage.finish();
}

#[test]
fn what_it_sends_itself_by_its_id_after_ending_is_refused() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| transport.end()).on_data(
            |transport, input, log| {
                input.take_all();
                let id = transport.id();
                let refused = transport.registry().send(id, Bytes::from_static(b"late"));
                log.note("server", format!("{refused:?}"));
            },
        )
    });
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    assert_eq!(retry(|| caller.read(&mut [0])).unwrap(), 0, "it has said goodbye");
    caller.write_all(b"hello").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    stage.until_closed("server");
    assert_eq!(
        stage.log.of("server"),
        ["open", "data 5", "Err(Closing(b\"late\"))", "end", "close closed"]
    );
    drop(caller);
    stage.finish();
}

#[test]
fn a_stale_id_is_an_error_that_hands_the_bytes_back() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    drop(client(address));
    stage.until_closed("server");
    let id = stage.log.id("server");
    let registry = stage.registry();
    let error = registry.send(id, Bytes::from_static(b"hello")).unwrap_err();
    assert!(matches!(error, SendError::Stale(_)));
    assert_eq!(error.into_bytes(), "hello");
    assert!(registry.close(id).is_err());
    assert!(registry.abort(id).is_err());
    assert!(registry.pause(id).is_err());
    assert!(registry.resume(id).is_err());
    assert!(!registry.is_connected(id));
    stage.finish();
}

#[test]
fn closed_twice_or_aborted_after_it_ends_once() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let caller = client(address);
    stage.until(|log| log.has("server", "open"));
    let id = stage.log.id("server");
    stage.registry().close(id).unwrap();
    stage.registry().close(id).unwrap();
    stage.registry().abort(id).unwrap();
    assert!(stage.registry().abort(id).is_err(), "it has ended");
    stage.until_closed("server");
    stage.until_quiet();
    assert_eq!(stage.log.of("server"), ["open", "close aborted"]);
    drop(caller);
    stage.finish();
}

// ── the last callback ───────────────────────────────────────────────────────────────────────

#[test]
fn whatever_ends_it_the_last_callback_comes_once_and_last() {
    type Ending = (&'static str, fn() -> Probe, fn(SocketAddr) -> Option<TcpStream>);
    let hello = |address| {
        let mut caller = client(address);
        caller.write_all(b"hello").unwrap();
        Some(caller)
    };
    let endings: [Ending; 9] = [
        ("closed", || Probe::new("it").on_data(|to, _, _| to.close()), hello),
        ("aborted", || Probe::new("it").on_data(|to, _, _| to.abort()), hello),
        (
            "the peer closed the connection",
            || Probe::new("it"),
            |address| {
                drop(client(address));
                None
            },
        ),
        (
            "the peer reset the connection",
            || Probe::new("it"),
            |address| {
                reset(client(address));
                None
            },
        ),
        (
            "its outbox is full: the peer reads too slowly",
            || Probe::new("it").on_open(|to, _| to.write(&vec![0; 16 * MIB])),
            |address| Some(client(address)),
        ),
        (
            "its handler panicked: on purpose",
            || Probe::new("it").on_data(|_, _, _| panic!("on purpose")),
            hello,
        ),
        (
            "closing took too long",
            || Probe::new("it").on_open(|to, _| to.close()),
            |address| Some(client(address)),
        ),
        (
            "the socket was given back to the program",
            || Probe::new("it").on_open(|to, _| to.detach(|_, _, _| {})),
            |address| Some(client(address)),
        ),
        (
            "aborted",
            || {
                Probe::new("it").on_data(|transport, _, _| {
                    // Several at once: the first that ends it counts.
                    let id = transport.id();
                    transport.close();
                    transport.abort();
                    transport.detach(|_, _, _| unreachable!("it was aborted"));
                    transport.registry().abort(id).unwrap();
                    transport.registry().close(id).unwrap();
                })
            },
            hello,
        ),
    ];
    for (reason, probe, play) in endings {
        let mut stage = Stage::new();
        let is_patient = reason != "closing took too long";
        let options = if is_patient { ListenOptions::default() } else { hasty() };
        let address = stage.listen_with(&options, probe);
        // A client that is still there answers a goodbye with its own, unless it is to be too late. And
        // who reads on another processor might take so much that the outbox is never full.
        let reads = is_patient && !reason.starts_with("its outbox is full");
        let mut caller = play(address);
        let answering = caller
            .take_if(|_| reads)
            .map(|mut caller| stage.peer(move || drop(caller.read_to_end(&mut Vec::new()))));
        stage.until_closed("it");
        if let Some(answering) = answering {
            stage.join(answering);
        }
        drop(caller);
        stage.until_quiet();
        let told = stage.log.of("it");
        let closes = told.iter().filter(|line| line.starts_with("close")).count();
        assert_eq!((closes, told.last().copied()), (1, Some(&*format!("close {reason}"))));
        assert_eq!(stage.log.count("it", "open"), 1);
        assert_eq!(stage.reactor.stats().closed(), 1);
        stage.finish();
    }
}

#[test]
fn the_last_callback_may_begin_anew() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server").on_open(|to, _| to.close()));
    let again = |name, next: Option<Probe>| {
        let mut next = next;
        Probe::new(name).on_close(move |registry, closed, _| {
            assert!(!registry.is_connected(closed.id), "its id is stale already");
            if let Some(next) = next.take() {
                registry.connect(closed.peer.clone(), next).unwrap();
            }
        })
    };
    let third = again("third", None);
    let second = again("second", Some(third));
    stage.connect(address, again("first", Some(second)));
    stage.until_closed("third");
    for name in ["first", "second", "third"] {
        assert_eq!(stage.log.of(name), ["open", "end", PEER_CLOSED]);
    }
    stage.until(|log| log.ends.len() == 6);
    stage.finish();
}

#[test]
fn the_last_callback_may_close_others_who_are_told_later() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let other = stage.connect(address, Probe::new("other"));
    let depth = Rc::new(Cell::new(0));
    let inner = Rc::clone(&depth);
    let probe = Probe::new("first").on_close(move |registry, _, log| {
        inner.set(inner.get() + 1);
        registry.abort(other).unwrap();
        assert!(!registry.is_connected(other), "it takes effect at once");
        assert!(log.end("other").is_none(), "no callback runs inside another");
        inner.set(inner.get() - 1);
    });
    let first = stage.connect(address, probe);
    stage.until(|log| log.opened.len() == 4);
    stage.registry().abort(first).unwrap();
    stage.until(|log| log.ends.len() == 4);
    assert_eq!(stage.log.of("other"), ["open", "close aborted"]);
    assert_eq!(depth.get(), 0);
    stage.finish();
}

// ── handing over ────────────────────────────────────────────────────────────────────────────

#[test]
fn a_successor_is_opened_and_offered_what_was_left() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("first").on_data(|transport, input, _| {
            if input.starts_with(b"UPGRADE\n") {
                input.take_front(8);
                transport.write(b"switching; ");
                let second = Probe::new("second").on_open(|to, _| to.write(b"welcome; ")).on_data(
                    |transport, input, _| {
                        if input.ends_with(b".") {
                            transport.write(input.take_all());
                        }
                    },
                );
                transport.replace(second);
            }
        })
    });
    let mut caller = client(address);
    caller.write_all(b"UPGRADE\nafter.").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"switching; welcome; after.");
    stage.until_closed("second");
    assert_eq!(stage.log.of("first"), ["open", "data 8"], "it hears nothing more, no end either");
    assert_eq!(stage.log.of("second"), ["open", "data 6", "end", PEER_CLOSED]);
    stage.finish();
}

#[test]
fn a_successor_may_take_over_in_any_callback() {
    let mut stage = Stage::new();
    // A chain: each hands over in another callback.
    let third = || Probe::new("third").on_open(|to, _| to.write(b"third"));
    let second = move || {
        Probe::new("second")
            .on_open(|to, _| to.set_timer(TimerKey(1), Duration::ZERO))
            .on_timer(move |transport, _, _| transport.replace(third()))
    };
    let address =
        stage.listen(move || Probe::new("first").on_open(move |to, _| to.replace(second())));
    let mut caller = client(address);
    stage.until(|log| log.has("third", "open"));
    let mut greeting = [0; 5];
    caller.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"third");
    drop(caller);
    stage.until_closed("third");
    assert_eq!(stage.log.of("first"), ["open"]);
    assert_eq!(stage.log.of("second"), ["open", "timer 1"]);
    assert_eq!(stage.log.of("third"), ["open", "end", PEER_CLOSED]);
    assert_eq!(stage.reactor.stats().accepted, 1);
    stage.finish();
}

#[test]
fn a_successor_of_a_connection_that_is_closed_hears_only_of_the_end() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("first").on_open(|transport, _| {
            transport.replace(Probe::new("second"));
            transport.close();
        })
    });
    drop(client(address));
    stage.until_closed("second");
    assert_eq!(stage.log.of("first"), ["open"]);
    assert_eq!(stage.log.of("second"), ["close closed"]);
    stage.finish();
}

#[test]
fn closing_a_listener_leaves_its_connections_alone() {
    let mut stage = Stage::new();
    let echo =
        || Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()));
    let any = support::any_port();
    let listener = stage.registry().listen(any, move |_, _| echo()).unwrap();
    let address = stage.registry().listener_address(listener).unwrap().socket_addr().unwrap();
    let mut caller = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.registry().close_listener(listener).unwrap();
    assert!(stage.registry().close_listener(listener).is_err(), "its id is stale");
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    // The address is free, and the connection lives.
    drop(TcpListener::bind(address).unwrap());
    caller.write_all(b"still there?").unwrap();
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stage, caller), b"still there?");
    stage.until_closed("server");
    stage.finish();
}
