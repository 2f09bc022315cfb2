//! What every edge-triggered loop must get right, each on a real socket that shows it.
//!
//! Unix sockets deliver within the call that sends, so a test can say exactly what lies in front of
//! the loop before it turns; where only TCP knows the hazard, the test waits until it has arrived.
//! What no real socket does on demand (spurious, split and reordered readiness, short reads at any
//! byte) belongs to the simulated network.

mod support;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reactor::{
    ConnectionId, Input, Limits, ListenOptions, Protocol, Reactor, StreamLimits, StreamOptions,
    TimerKey, Transport,
};
use socket2::SockRef;
use support::*;

/// Both ends of a TCP connection; the first one, the loop's, holds at least four times what the test
/// will send, so that all of it can arrive while nobody reads.
fn roomy_pair() -> (TcpStream, TcpStream, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    // The window is agreed on when connecting: accepted sockets inherit it.
    let _ = SockRef::from(&listener).set_recv_buffer_size(8 << 20);
    let room = SockRef::from(&listener).recv_buffer_size().expect("it has one");
    let theirs = client(listener.local_addr().expect("it is bound"));
    let ours = listener.accept().expect("the client is there").0;
    (ours, theirs, (room / 4).min(1 << 20))
}

/// Waits until so much lies in a socket's receive buffer, of which this is a duplicate.
fn until_arrived(socket: &TcpStream, length: usize) {
    let mut buffer = vec![0; length];
    let deadline = Instant::now() + PATIENCE;
    while !retry(|| socket.peek(&mut buffer)).is_ok_and(|seen| seen == length) {
        assert!(Instant::now() < deadline, "it has not arrived");
        thread::yield_now();
    }
}

// ── 1: an event for something that ended earlier in the same batch ──────────────────────────

#[cfg(unix)]
mod unix {
    use super::*;
    use reactor::{Address, SocketId};
    use std::cell::RefCell;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    const TURN: Option<Duration> = Some(Duration::ZERO);

    /// Listens on a Unix socket in a directory of its own.
    fn listen(
        stage: &mut Stage,
        factory: impl FnMut() -> Probe + 'static,
    ) -> (reactor::ListenerId, tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("socket");
        let mut factory = factory;
        let id = stage
            .registry()
            .listen(Address::from(path.clone()), move |_, _| factory())
            .expect("the path is free");
        stage.will_close(id);
        (id, folder, path)
    }

    fn adopt(stage: &mut Stage, probe: Probe) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        (stage.adopt(ours, &StreamLimits::default(), probe), theirs)
    }

    /// Hazard 1: the handler of one connection ends another whose event stands later in the same
    /// batch, and a newcomer is accepted in between. That event must be seen for what it is.
    #[test]
    fn a_connection_that_was_ended_earlier_in_the_batch_hears_nothing_and_no_newcomer_hears_it() {
        let mut stage = Stage::new();
        let others: Rc<RefCell<Vec<ConnectionId>>> = Rc::default();
        // Whichever of the two comes first ends the other.
        let rival = |others: &Rc<RefCell<Vec<ConnectionId>>>| {
            let others = Rc::clone(others);
            Probe::new("rival").on_data(move |transport, input, _| {
                input.take_all();
                let own = transport.id();
                for &other in others.borrow().iter().filter(|&&other| other != own) {
                    let _ = transport.registry().abort(other);
                }
            })
        };
        let (first, mut to_first) = adopt(&mut stage, rival(&others));
        let (_, _folder, path) = listen(&mut stage, || Probe::new("newcomer"));
        let (second, mut to_second) = adopt(&mut stage, rival(&others));
        others.borrow_mut().extend([first, second]);
        stage.until_quiet();
        let before = stage.reactor.stats();

        to_first.write_all(b"end the other").expect("it has room");
        let mut newcomer = UnixStream::connect(&path).expect("somebody listens");
        to_second.write_all(b"end the other").expect("it has room");
        let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");

        let after = stage.reactor.stats();
        assert_eq!(after.events - before.events, 3, "one batch: {after}");
        assert_eq!(after.stale_events - before.stale_events, 1, "{after}");
        assert_eq!(after.accepted, 1);
        assert_eq!(
            stage.log.of("rival"),
            ["open", "open", "data 13", "close aborted"],
            "one spoke, and the other was ended"
        );
        assert_eq!(stage.log.of("newcomer"), ["open"]);

        newcomer.write_all(b"me").expect("it has room");
        stage.until(|log| log.bytes("newcomer") == b"me");
        drop((newcomer, to_first, to_second));
        stage.until(|log| log.ends.len() == 3);
        assert_eq!(
            stage.log.of("newcomer"),
            ["open", "data 2", "end", "close the peer closed the connection"]
        );
        stage.finish();
    }

    /// Hazard 1, for datagram sockets, which end in the same way.
    #[test]
    fn a_datagram_socket_that_was_closed_earlier_in_the_batch_hears_nothing() {
        let mut stage = Stage::new();
        let others: Rc<RefCell<Vec<SocketId>>> = Rc::default();
        let mut theirs = Vec::new();
        for _ in 0..2 {
            let (ours, other_end) = UnixDatagram::pair().expect("a pair of sockets");
            theirs.push(other_end);
            // Whichever of the two comes first closes the other.
            let condemned = Rc::clone(&others);
            let probe = DatagramProbe::new("rival").on_datagram(move |socket, _, _| {
                let own = socket.id();
                for &other in condemned.borrow().iter().filter(|&&other| other != own) {
                    let _ = socket.registry().close_socket(other);
                }
            });
            let id = stage.registry().adopt_datagram(ours, Default::default(), probe);
            let id = id.expect("the loop takes it");
            stage.will_close_socket(id);
            others.borrow_mut().push(id);
        }
        stage.until_quiet();
        let before = stage.reactor.stats();

        for end in &theirs {
            end.send(b"close the other").expect("it has room");
        }
        let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");
        let after = stage.reactor.stats();
        assert_eq!(after.events - before.events, 2, "one batch: {after}");
        assert_eq!(after.stale_events - before.stale_events, 1, "{after}");
        assert_eq!(stage.log.of("rival"), ["open", "open", "datagram 15", "close closed"]);
        drop(theirs);
        stage.finish();
    }

    /// Only events are stale: what the loop itself had planned to visit is not counted.
    #[test]
    fn a_connection_that_ends_before_it_is_visited_makes_no_stale_event() {
        let mut stage = Stage::new();
        let (id, theirs) = adopt(&mut stage, Probe::new("ours"));
        stage.until_quiet();
        let registry = stage.registry();
        registry.pause(id).expect("it is open");
        registry.resume(id).expect("it is open");
        registry.abort(id).expect("it is open");
        stage.until_closed("ours");
        let (_, mut ended) = adopt(&mut stage, Probe::new("ended by itself"));
        stage.until_quiet();
        ended.write_all(b"farewell").expect("it has room");
        drop(ended);
        stage.until_closed("ended by itself");
        assert_eq!(stage.reactor.stats().stale_events, 0);
        drop(theirs);
        stage.finish();
    }

    /// Hazard 1, where the slot is free at once: a listener has no callback to wait for, so the
    /// connection that is accepted next takes the slot its event still names. For that the events have
    /// to come in the order in which things happened, which `poll(2)` does not know.
    #[test]
    #[cfg(not(mio_unsupported_force_poll_poll))]
    fn the_event_of_a_closed_listener_does_not_reach_who_took_its_slot() {
        let mut stage = Stage::new();
        let victim = Rc::new(Cell::new(None));
        let condemned = Rc::clone(&victim);
        let (_, mut closer) = adopt(
            &mut stage,
            Probe::new("closer").on_data(move |transport, input, _| {
                input.take_all();
                if let Some(listener) = condemned.take() {
                    transport.registry().close_listener(listener).expect("it is there");
                }
            }),
        );
        let (_, _folder, path) = listen(&mut stage, || Probe::new("newcomer"));
        let (id, _other_folder, other_path) = listen(&mut stage, || Probe::new("nobody"));
        victim.set(Some(id));
        stage.until_quiet();
        let before = stage.reactor.stats();

        closer.write_all(b"!").expect("it has room");
        let newcomer = UnixStream::connect(&path).expect("somebody listens");
        let refused = UnixStream::connect(&other_path).expect("somebody listens still");
        let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");

        let after = stage.reactor.stats();
        assert_eq!(after.events - before.events, 3, "one batch: {after}");
        assert_eq!(after.stale_events - before.stale_events, 1, "{after}");
        assert_eq!(stage.log.of("newcomer"), ["open"]);
        assert_eq!(stage.log.of("nobody"), [""; 0]);
        drop((newcomer, refused, closer));
        stage.until(|log| log.ends.len() == 2);
        stage.finish();
    }

    // ── 2 ───────────────────────────────────────────────────────────────────────────────────

    /// Hazard 2: the kernel's queue watches what a descriptor refers to, so closing one of two
    /// duplicates leaves the watch in place, and every byte for the other wakes the loop for nothing.
    #[test]
    fn a_duplicate_of_a_closed_socket_does_not_wake_the_loop() {
        let mut stage = Stage::new();
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let mut duplicate = ours.try_clone().expect("there are descriptors");
        stage.adopt(ours, &StreamLimits::default(), Probe::new("ours"));
        stage.until_quiet();
        let id = stage.log.id("ours");
        stage.registry().abort(id).expect("it is open");
        stage.until_closed("ours");
        let before = stage.reactor.stats();

        for _ in 0..100 {
            theirs.write_all(b"for the other").expect("it has room");
            let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");
        }
        drop(theirs);
        stage.until_quiet();

        let after = stage.reactor.stats();
        assert_eq!(after.events, before.events, "{after}");
        assert_eq!(after.stale_events, 0, "{after}");
        // And the duplicate is none the worse for it.
        duplicate.set_nonblocking(false).expect("it is a socket");
        let mut all = Vec::new();
        duplicate.read_to_end(&mut all).expect("the other end has closed");
        assert_eq!(all.len(), 1_300);
        drop(duplicate);
        stage.finish();
    }

    /// Hazard 2, for datagram sockets.
    #[test]
    fn a_duplicate_of_a_closed_datagram_socket_does_not_wake_the_loop() {
        let mut stage = Stage::new();
        let (ours, theirs) = UnixDatagram::pair().expect("a pair of sockets");
        let duplicate = ours.try_clone().expect("there are descriptors");
        let registry = stage.registry();
        let id = registry
            .adopt_datagram(ours, Default::default(), DatagramProbe::new("ours"))
            .expect("the loop takes it");
        stage.until_quiet();
        stage.registry().close_socket(id).expect("it is open");
        stage.until(|log| log.has("ours", "close closed"));
        let before = stage.reactor.stats();

        for _ in 0..5 {
            theirs.send(b"for the other").expect("it has room");
            let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");
        }
        assert_eq!(stage.reactor.stats().events, before.events);
        drop((theirs, duplicate));
        stage.finish();
    }

    // ── 4 ───────────────────────────────────────────────────────────────────────────────────

    /// Hazard 4: a read that does not fill its buffer has emptied the socket, and the loop saves the
    /// next one; but an end of stream that is behind the data has been reported already, and nothing
    /// reports it again.
    #[test]
    fn data_and_the_end_that_arrive_together_are_seen_in_one_turn() {
        let mut stage = Stage::new();
        let (_, mut theirs) = adopt(&mut stage, Probe::new("ours").outlives_its_peer());
        stage.until_quiet();
        let before = stage.reactor.stats();

        theirs.write_all(b"last words").expect("it has room");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");

        assert_eq!(stage.log.of("ours"), ["open", "data 10", "end"]);
        assert_eq!(stage.reactor.stats().events - before.events, 1);
        let id = stage.log.id("ours");
        stage.registry().close(id).expect("it is open");
        stage.until_closed("ours");
        drop(theirs);
        stage.finish();
    }

    /// Hazard 4, where the last read fills the buffer to the byte.
    #[test]
    fn the_end_is_seen_behind_any_length() {
        for length in [1, 1_023, 1_024, 65_536, 131_071, 131_072, 131_073, 262_144] {
            let mut stage = Stage::new();
            let (_, mut theirs) = adopt(&mut stage, Probe::new("ours"));
            let peer = stage.peer(move || theirs.write_all(&pattern(length)).map(drop));
            stage.until_closed("ours");
            stage.join(peer).expect("everything is read");
            assert_same_bytes(stage.log.bytes("ours"), &pattern(length));
            assert_eq!(stage.log.count("ours", "end"), 1);
            stage.finish();
        }
    }

    // ── 7 ───────────────────────────────────────────────────────────────────────────────────

    /// Hazard 7: data that arrives while nobody reads is reported once. When reading goes on, nothing
    /// reports it again.
    #[test]
    fn what_arrived_during_a_pause_is_delivered_after_it_with_nothing_new_sent() {
        let mut stage = Stage::new();
        let probe = Probe::new("ours").on_open(|transport, _| transport.pause());
        let (id, mut theirs) = adopt(&mut stage, probe);
        stage.until_quiet();
        theirs.write_all(b"patience").expect("it has room");
        stage.until_quiet();
        assert_eq!(stage.log.of("ours"), ["open"]);

        let before = stage.reactor.stats();
        stage.registry().resume(id).expect("it is open");
        stage.until(|log| log.bytes("ours") == b"patience");
        assert_eq!(stage.reactor.stats().events, before.events, "nothing new was reported");
        drop(theirs);
        stage.until_closed("ours");
        stage.finish();
    }

    /// Hazard 7, in the other direction: who has used up its turn has to come back by itself, for the
    /// socket has been writable all along, and nothing says so again.
    #[test]
    fn what_a_budget_left_over_is_written_in_later_turns_without_another_event() {
        const PIECES: usize = 50;
        let mut stage = Stage::with_limits(Limits { write_budget: 1, ..Limits::default() });
        // Bytes and files in turns, each of which takes a call of its own.
        let probe = Probe::new("ours").on_timer(|transport, _, _| {
            for piece in pattern(20 * PIECES).chunks(20) {
                let mut file = tempfile::tempfile().expect("a temporary file");
                file.write_all(&piece[..10]).expect("the disk has room");
                transport.send_file(file, 0, 10);
                transport.write(&piece[10..]);
            }
        });
        let probe = probe.on_open(|transport, _| transport.set_timer(TimerKey(1), Duration::ZERO));
        let (_, mut theirs) = adopt(&mut stage, probe);
        stage.until(|log| log.has("ours", "timer 1"));
        let before = stage.reactor.stats();
        let deadline = Instant::now() + PATIENCE;
        while stage.reactor.stats().queued_bytes > 0 {
            assert!(Instant::now() < deadline, "it was forgotten\n{}", stage.reactor.snapshot());
            let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("it goes on");
        }
        let after = stage.reactor.stats();
        assert_eq!(after.events, before.events, "{after}");
        let turns = after.turns - before.turns;
        assert!(turns >= 2 * PIECES as u64 - 1, "{turns} turns");
        let mut seen = vec![0; 20 * PIECES];
        theirs.read_exact(&mut seen).expect("it has arrived");
        assert_same_bytes(&seen, &pattern(20 * PIECES));
        drop(theirs);
        stage.until_closed("ours");
        stage.finish();
    }

    // ── 9 ───────────────────────────────────────────────────────────────────────────────────

    /// Hazard 9: readiness that is not there. Somebody else has read what was reported: through a
    /// duplicate, as a process that shares the socket would.
    #[test]
    fn a_stream_that_is_reported_readable_and_is_not_goes_on() {
        let mut stage = Stage::new();
        let pairs = [(); 2].map(|()| UnixStream::pair().expect("a pair of sockets"));
        let [(one, mut to_one), (other, mut to_other)] = pairs;
        // Whichever comes first in the batch steals what was reported of the other.
        for (ours, victim) in [(&one, &other), (&other, &one)] {
            let ours = ours.try_clone().expect("there are descriptors");
            let mut victim = victim.try_clone().expect("there are descriptors");
            let mut is_first = true;
            let probe = Probe::new("thief").on_data(move |_, input, _| {
                input.take_all();
                if std::mem::take(&mut is_first) {
                    let _ = retry(|| victim.read(&mut [0; 16]));
                }
            });
            stage.adopt(ours, &StreamLimits::default(), probe);
        }
        drop((one, other));
        stage.until_quiet();
        let before = stage.reactor.stats();

        to_one.write_all(b"stolen").expect("it has room");
        to_other.write_all(b"stolen").expect("it has room");
        let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");
        assert_eq!(stage.reactor.stats().events - before.events, 2);
        assert_eq!(stage.log.of("thief"), ["open", "open", "data 6"]);

        to_one.write_all(b"!").expect("it has room");
        stage.until(|log| log.bytes("thief") == b"stolen!");
        to_other.write_all(b"?").expect("it has room");
        stage.until(|log| log.bytes("thief") == b"stolen!?");
        drop((to_one, to_other));
        stage.until(|log| log.ends.len() == 2);
        stage.finish();
    }

    /// Hazard 9, for listeners: with a shared listening socket another process may be quicker.
    #[test]
    fn a_listener_whose_connection_was_accepted_by_another_process_goes_on() {
        let mut stage = Stage::new();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("socket");
        let shared = UnixListener::bind(&path).expect("the path is free");
        let other = shared.try_clone().expect("there are descriptors");
        // If it is first in the batch, it takes the connection away from the listener.
        let stolen = Rc::new(Cell::new(0));
        let loot = Rc::clone(&stolen);
        let (_, mut to_other) = adopt(
            &mut stage,
            Probe::new("other").on_data(move |_, input, _| {
                input.take_all();
                loot.set(u64::from(other.accept().is_ok()));
            }),
        );
        let options = ListenOptions::default();
        let id = stage
            .registry()
            .adopt_listener(shared, &options, |_, _| Some(Box::new(Probe::new("served"))))
            .expect("the loop takes it");
        stage.will_close(id);
        stage.until_quiet();
        let before = stage.reactor.stats();

        to_other.write_all(b"now").expect("it has room");
        let first = UnixStream::connect(&path).expect("somebody listens");
        let _ = stage.reactor.turn(TURN, &mut stage.log).expect("the loop goes on");
        let after = stage.reactor.stats();
        assert_eq!(
            (after.events - before.events, after.accepted + stolen.get()),
            (2, 1),
            "{after}"
        );
        if cfg!(not(mio_unsupported_force_poll_poll)) {
            assert_eq!(stolen.get(), 1, "events come in the order in which things happened");
        }
        assert_eq!((after.accept_errors, after.accept_rests), (0, 0), "{after}");

        let second = UnixStream::connect(&path).expect("somebody listens");
        let served = 2 - stolen.get() as usize;
        stage.until(|log| log.count("served", "open") == served);
        drop((first, second, to_other));
        stage.until(|log| log.ends.len() == served + 1);
        stage.finish();
    }
}

// ── 3: an end that is reported before the data is read ──────────────────────────────────────

/// Hazard 3: the kernel reports the end of the stream, or its failure, as soon as it knows, however
/// much is still to be read in front of it.
#[test]
fn everything_a_peer_sent_before_its_end_arrives_though_the_end_was_reported_first() {
    let mut stage = Stage::new();
    let (ours, mut theirs, length) = roomy_pair();
    let arrived = ours.try_clone().expect("there are descriptors");
    let probe = Probe::new("ours").on_open(|transport, _| transport.pause());
    let id = stage.adopt(ours, &StreamLimits::default(), probe);
    stage.until_quiet();
    let peer = stage.peer(move || {
        theirs.write_all(&pattern(length)).expect("it has room");
        theirs
    });
    let theirs = stage.join(peer);
    until_arrived(&arrived, length);
    stage.until_quiet();
    let before = stage.reactor.stats().events;
    theirs.shutdown(Shutdown::Write).expect("it is connected");
    while stage.reactor.stats().events == before {
        let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("the loop goes on");
    }
    assert_eq!(stage.log.of("ours"), ["open"], "it is paused");

    stage.registry().resume(id).expect("it is open");
    drop((theirs, arrived));
    stage.until_closed("ours");
    assert_same_bytes(stage.log.bytes("ours"), &pattern(length));
    let data = format!("data {length}");
    let told = ["open", &data, "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("ours"), told);
    stage.finish();
}

/// Hazard 3, with a reset. Linux keeps what had arrived before it; other systems throw it away.
#[test]
#[cfg(target_os = "linux")]
fn everything_a_peer_sent_before_its_reset_arrives_though_the_reset_was_reported_first() {
    let mut stage = Stage::new();
    let (ours, mut theirs, length) = roomy_pair();
    let arrived = ours.try_clone().expect("there are descriptors");
    let probe = Probe::new("ours").on_open(|transport, _| transport.pause());
    let id = stage.adopt(ours, &StreamLimits::default(), probe);
    stage.until_quiet();
    let peer = stage.peer(move || {
        theirs.write_all(&pattern(length)).expect("it has room");
        theirs
    });
    let theirs = stage.join(peer);
    until_arrived(&arrived, length);
    stage.until_quiet();
    let before = stage.reactor.stats().events;
    SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).expect("it is a socket");
    drop(theirs);
    while stage.reactor.stats().events == before {
        let _ = stage.reactor.turn(Some(PATIENCE), &mut stage.log).expect("the loop goes on");
    }
    assert_eq!(stage.log.of("ours"), ["open"], "it is paused");

    stage.registry().resume(id).expect("it is open");
    drop(arrived);
    stage.until_closed("ours");
    assert_same_bytes(stage.log.bytes("ours"), &pattern(length));
    let data = format!("data {length}");
    assert_eq!(stage.log.of("ours"), ["open", &data, "close the peer reset the connection"]);
    stage.finish();
}

/// Hazards 3 and 7 together: a protocol that pauses after each sip, so that the end is reported while
/// most is unread, and every resumption has to look by itself.
#[test]
fn a_peer_that_sends_a_mebibyte_and_ends_is_heard_whole_by_one_that_pauses_all_the_time() {
    const LENGTH: usize = 1 << 20;
    let mut stage = Stage::with_limits(Limits { read_budget: 1, ..Limits::default() });
    let address = stage.listen(|| {
        Probe::new("sipper").on_data(|transport, input, _| {
            input.take_all();
            transport.pause();
            let id = transport.id();
            transport.registry().defer(move |registry, _| {
                registry.resume(id).expect("it does not end before it was read");
            });
        })
    });
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        theirs.write_all(&pattern(LENGTH)).expect("it is read");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        theirs.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    assert_eq!(stage.join(peer), 0);
    stage.until_closed("sipper");
    assert_same_bytes(stage.log.bytes("sipper"), &pattern(LENGTH));
    let data = format!("data {LENGTH}");
    let told = ["open", &data, "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("sipper"), told);
    stage.finish();
}

// ── 4: in one segment ───────────────────────────────────────────────────────────────────────

/// Hazard 4, as the network brings it: the FIN is in the segment of the last bytes.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn an_end_in_the_segment_of_the_last_bytes_is_seen() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    for _ in 0..20 {
        let mut theirs = client(address);
        SockRef::from(&theirs).set_tcp_cork(true).expect("it is TCP");
        theirs.write_all(b"all in one").expect("it has room");
        drop(theirs);
    }
    stage.until(|log| log.ends.len() == 20);
    assert_eq!(stage.log.bytes("server").len(), 200);
    assert_eq!(stage.log.count("server", "end"), 20);
    stage.finish();
}

// ── –: behind urgent data ───────────────────────────────────────────────────────────────────

/// A read stops in front of the urgent byte, short, whatever stands behind it (tcp(7)). All of it has
/// arrived before the loop looks, so no other event tells of the rest.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_stands_behind_urgent_data_is_heard() {
    for (urgent_inline, expected) in [(false, "before behind"), (true, "before !behind")] {
        let mut stage = Stage::new();
        let stream = StreamOptions { urgent_inline, ..StreamOptions::default() };
        let options = ListenOptions { stream, ..ListenOptions::default() };
        let address = stage.listen_with(&options, || Probe::new("server"));
        for round in 1..=20 {
            let theirs = client(address);
            let theirs = SockRef::from(&theirs);
            theirs.send(b"before ").expect("it has room");
            theirs.send_out_of_band(b"!").expect("it has room");
            theirs.send(b"behind").expect("it has room");
            stage.until(|log| log.bytes("server").len() == expected.len() * round);
            theirs.shutdown(Shutdown::Both).expect("it is connected");
        }
        assert_eq!(stage.log.bytes("server"), expected.repeat(20).as_bytes());
        stage.until(|log| log.ends.len() == 20);
        stage.finish();
    }
}

// ── 6: a connection that failed in the queue ────────────────────────────────────────────────

/// Hazard 6: a client has reset its connection before it was accepted. Some systems have `accept`
/// fail for it, others the first read; the next in the queue is served in either case.
#[test]
fn a_client_that_is_gone_before_it_is_accepted_does_not_hide_the_next() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()))
    });
    let clients: Vec<TcpStream> = (0..20).map(|_| client(address)).collect();
    let mut staying = Vec::new();
    for (at, theirs) in clients.into_iter().enumerate() {
        if at % 2 == 0 {
            SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).expect("it is a socket");
        } else {
            staying.push(theirs);
        }
    }
    let peer = stage.peer(move || {
        for mut theirs in staying {
            theirs.write_all(b"hello").expect("it has room");
            let mut answer = [0; 5];
            theirs.read_exact(&mut answer).expect("it answers");
            assert_eq!(&answer, b"hello");
        }
    });
    stage.join(peer);
    stage.until(|log| log.count("server", "close the peer closed the connection") == 10);
    let stats = stage.reactor.stats();
    assert_eq!(stats.accepted + stats.accept_errors, 20, "{stats}");
    let accepted = stats.accepted as usize;
    stage.until(|log| log.ends.len() == accepted);
    stage.finish();
}

// ── 8: nothing is not the end ───────────────────────────────────────────────────────────────

/// Hazard 8: for a stream a read of nothing is the end; for datagrams it is a datagram.
#[test]
fn an_empty_datagram_is_a_datagram() {
    let mut stage = Stage::new();
    let registry = stage.registry();
    let id = registry.bind_datagram(any_port(), DatagramProbe::new("socket")).expect("it binds");
    let address = registry.socket_address(id).expect("it is bound");
    stage.will_close_socket(id);
    let address = address.socket_addr().expect("it is UDP");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    for datagram in [&b"before"[..], b"", b"", b"after"] {
        peer.send_to(datagram, address).expect("it leaves");
    }
    stage.until(|log| log.datagrams.len() == 4);
    let told = ["open", "datagram 6", "datagram 0", "datagram 0", "datagram 7"];
    assert_eq!(stage.log.of("socket")[..4], told[..4]);
    assert_eq!(stage.reactor.stats().datagrams_received, 4);
    drop(peer);
    stage.finish();
}

/// Hazard 8, on our side: writing nothing sends nothing, queues nothing and ends nothing.
#[test]
fn writing_nothing_does_nothing() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| {
            input.take_all();
            transport.write(b"");
            transport.send(Bytes::new());
            let id = transport.id();
            transport.registry().send(id, Bytes::new()).expect("it is open");
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"?").expect("it has room");
    stage.until(|log| log.bytes("server") == b"?");
    let id = stage.log.id("server");
    stage.registry().send(id, Bytes::new()).expect("it is open");
    stage.until_quiet();
    let stats = stage.reactor.stats();
    assert_eq!((stats.writes, stats.queued_bytes), (0, 0), "{stats}");
    drop(theirs);
    stage.until_closed("server");
    stage.finish();
}

/// Hazard 8: a read into a buffer of no length gives nothing, which must not be taken for the end of
/// the stream. A protocol that has left as much as it may is at its limit, not beyond it.
#[test]
fn an_inbox_that_is_full_to_the_byte_is_neither_an_end_nor_too_much() {
    let mut stage = Stage::new();
    let limits = StreamLimits { inbox: 10, ..StreamLimits::default() };
    let options = ListenOptions { limits, ..ListenOptions::default() };
    let offered = Rc::new(Cell::new(0));
    let seen = Rc::clone(&offered);
    let address = stage.listen_with(&options, move || {
        let seen = Rc::clone(&seen);
        Probe::new("server").on_data(move |transport, input, _| {
            seen.set(input.len());
            if input.len() == 10 {
                transport.write(b"10");
            }
        })
    });
    let mut theirs = client(address);
    theirs.write_all(b"0123456789").expect("it has room");
    let peer = stage.peer(move || {
        theirs.read_exact(&mut [0; 2]).expect("it answers");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        theirs.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    assert_eq!(stage.join(peer), 0);
    stage.until_closed("server");
    assert_eq!(offered.get(), 10);
    let told = ["open", "end", "close the peer closed the connection"];
    assert_eq!(stage.log.of("server"), told);
    stage.finish();
}

// ── 11: timers ──────────────────────────────────────────────────────────────────────────────

/// What a connection that is flooded with data knows of its timer.
#[derive(Debug, Default)]
struct Beats {
    ids: Vec<ConnectionId>,
    /// When the present turn began.
    now: Option<Instant>,
    due: Option<Instant>,
    fired: usize,
}

struct Flooded;

impl Flooded {
    fn set_timer(transport: &mut Transport<'_, Beats>, beats: &mut Beats) {
        let delay = Duration::from_millis(10);
        transport.set_timer(TimerKey(1), delay);
        // A tick is a millisecond, and deadlines are rounded up to one.
        beats.due = Some(transport.registry().now() + delay + Duration::from_millis(1));
    }
}

impl Protocol<Beats> for Flooded {
    fn on_open(&mut self, transport: &mut Transport<'_, Beats>, beats: &mut Beats) {
        beats.ids.push(transport.id());
        if beats.ids.len() == 1 {
            Self::set_timer(transport, beats);
        }
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Beats>,
        input: &mut Input<'_>,
        beats: &mut Beats,
    ) {
        input.take_all();
        beats.now = Some(transport.registry().now());
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Beats>, _: TimerKey, beats: &mut Beats) {
        beats.fired += 1;
        Self::set_timer(transport, beats);
    }
}

/// Hazard 11: a loop that reads for as long as there is something to read never comes to its timers.
#[test]
fn a_timer_fires_in_the_turn_it_is_due_while_every_socket_is_saturated() {
    const BEATS: usize = 20;
    let leaks = Leaks::watch();
    let mut reactor = Reactor::new().expect("there are descriptors");
    let mut beats = Beats::default();
    let registry = reactor.registry();
    let listener = registry.listen(any_port(), |_, _| Flooded).expect("loopback has a free port");
    let address = registry.listener_address(listener).expect("it is listening");
    let address = address.socket_addr().expect("it is an IP address");
    let flood = move || {
        let mut theirs = client(address);
        while theirs.write_all(&[0; 64 * 1024]).is_ok() {}
    };
    let peers = [(); 2].map(|()| Peer::new(reactor.handle(), flood));
    while beats.fired < BEATS {
        let (due, fired) = (beats.due, beats.fired);
        let _ = reactor.turn(Some(PATIENCE), &mut beats).expect("the loop goes on");
        if due.is_some_and(|due| beats.now >= Some(due)) {
            assert!(beats.fired > fired, "it was due when the turn began, and did not fire");
        }
    }
    for id in std::mem::take(&mut beats.ids) {
        reactor.registry().abort(id).expect("it is open");
    }
    reactor.registry().close_listener(listener).expect("it is open");
    until(&mut reactor, &mut beats, |_, registry| registry.is_empty());
    for peer in peers {
        peer.join();
    }
    until(&mut reactor, &mut beats, |_, registry| registry.stats().tasks == 2);
    leaks.check(reactor);
}

/// Hazard 11: a timer that sets itself again with no delay at all.
#[test]
fn a_zero_timer_that_sets_itself_again_fires_once_a_turn_and_starves_nobody() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server")
            .on_open(|transport, _| transport.set_timer(TimerKey(0), Duration::ZERO))
            .on_timer(|transport, key, _| transport.set_timer(key, Duration::ZERO))
            .on_data(|transport, input, _| transport.write(input.take_all()))
    });
    let mut theirs = client(address);
    let peer = stage.peer(move || {
        for _ in 0..10 {
            theirs.write_all(b"still there?").expect("it has room");
            theirs.read_exact(&mut [0; 12]).expect("it answers");
        }
    });
    stage.join(peer);
    stage.until_closed("server");
    let stats = stage.reactor.stats();
    assert!(stats.timers_fired > 0, "{stats}");
    assert!(stats.timers_fired <= stats.turns, "{stats}");
    assert_eq!(stats.timers, 0, "its timer has ended with it: {stats}");
    stage.finish();
}

// ── 17: half open ───────────────────────────────────────────────────────────────────────────

/// Hazard 17: after the peer's FIN the socket stays readable for ever, which must not repeat the end;
/// and the reply that is still to come may be large, and its reader slow.
#[test]
fn a_half_closed_peer_hears_a_large_slow_answer_and_its_end_is_told_once() {
    const PIECE: usize = 200_000;
    const PIECES: usize = 5;
    let mut stage = Stage::new();
    let options = ListenOptions {
        stream: StreamOptions { send_buffer: Some(64 * 1024), ..StreamOptions::default() },
        ..ListenOptions::default()
    };
    let address = stage.listen_with(&options, || {
        let mut pieces = 0;
        Probe::new("server")
            .on_end(|transport, _| transport.set_timer(TimerKey(1), Duration::ZERO))
            .on_timer(move |transport, key, _| {
                transport.set_timer(key, Duration::from_millis(1));
                // One piece after the other, each with a pause in which nothing is queued.
                if transport.queued_bytes() == 0 {
                    transport.write(&pattern(PIECE));
                    pieces += 1;
                }
                if pieces == PIECES {
                    transport.close();
                }
            })
    });
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        theirs.write_all(b"tell me everything").expect("it has room");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    let all = stage.join(peer);
    assert_eq!(all.len(), PIECE * PIECES);
    let piece = pattern(PIECE);
    all.chunks(PIECE).for_each(|seen| assert_same_bytes(seen, &piece));
    stage.until_closed("server");
    assert_eq!(stage.log.count("server", "end"), 1);
    assert!(stage.log.has("server", "close the peer closed the connection"));
    stage.finish();
}

/// Hazard 17, the other half: after our FIN the peer may go on for as long as it likes.
#[test]
fn a_peer_is_heard_to_its_end_after_we_have_sent_ours() {
    const LENGTH: usize = 500_000;
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_open(|transport, _| {
            transport.write(b"that is all from me");
            transport.end();
        })
    });
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it ends its side");
        theirs.write_all(&pattern(LENGTH)).expect("it is read");
        all
    });
    assert_eq!(stage.join(peer), b"that is all from me");
    stage.until_closed("server");
    assert_same_bytes(stage.log.bytes("server"), &pattern(LENGTH));
    let data = format!("data {LENGTH}");
    assert_eq!(stage.log.of("server"), ["open", &data, "end", "close closed"]);
    stage.finish();
}

// ── 19: slow readers ────────────────────────────────────────────────────────────────────────

/// Hazard 19: a broadcast to many, of whom most have stopped reading. What is queued stays under the
/// caps; who is over its cap goes, and everybody else hears everything.
#[test]
#[cfg(unix)]
fn a_broadcast_to_a_thousand_stalled_readers_stays_under_the_caps_and_reaches_the_others() {
    use std::os::unix::net::UnixStream;
    const STALLED: usize = 1_000;
    const LISTENING: usize = 5;
    const CAP: usize = 64 * 1024;
    const MESSAGE: usize = 8 * 1024;
    const MESSAGES: usize = 100;
    more_descriptors(2 * (STALLED + LISTENING) + 100);

    let mut stage = Stage::new();
    let limits = StreamLimits { outbox: CAP, ..StreamLimits::default() };
    let options = StreamOptions { send_buffer: Some(4 * 1024), ..StreamOptions::default() };
    let mut join = |who| {
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
        let registry = stage.reactor.registry();
        let id = registry.adopt(ours, &options, &limits, Probe::new(who)).expect("it is taken");
        (id, theirs)
    };
    let stalled: Vec<_> = (0..STALLED).map(|_| join("stalled")).collect();
    let listening: Vec<_> = (0..LISTENING).map(|_| join("listening")).collect();
    let mut room: Vec<ConnectionId> = stalled.iter().chain(&listening).map(|(id, _)| *id).collect();
    let peers: Vec<Peer<Vec<u8>>> = listening
        .into_iter()
        .map(|(_, mut theirs)| {
            stage.peer(move || {
                let mut all = vec![0; MESSAGES * MESSAGE];
                for message in all.chunks_mut(MESSAGE) {
                    theirs.read_exact(message).expect("it is told everything");
                    theirs.write_all(b".").expect("it has room");
                }
                assert_eq!(retry(|| theirs.read(&mut [0; 1])).expect("it says goodbye"), 0);
                all
            })
        })
        .collect();
    stage.until(|log| log.opened.len() == STALLED + LISTENING);

    let message = Bytes::from(pattern(MESSAGE));
    for count in 1..=MESSAGES {
        let registry = stage.reactor.registry();
        // By either way, so that they share it, and need a queue of their own, in turn.
        if count % 3 == 0 {
            room.retain(|&id| registry.send(id, message.clone()).is_ok());
        } else {
            let heard = registry.broadcast(room.iter().copied(), message.clone());
            room.retain(|&id| registry.is_connected(id));
            assert_eq!(heard, room.len());
        }
        // Those who listen have read it when they have nodded.
        stage.until(|log| log.bytes("listening").len() == count * LISTENING);
        let queued = stage.reactor.stats().queued_bytes;
        assert!(queued <= (STALLED * CAP) as u64, "{queued} bytes are queued");
    }
    assert_eq!(room.len(), LISTENING, "who did not read is gone");
    stage.until(|log| log.ends.len() == STALLED);
    assert!(stage.log.ends.iter().all(|end| end.who == "stalled"));
    let full = "close its outbox is full: the peer reads too slowly";
    assert_eq!(stage.log.count("stalled", full), STALLED);
    assert_eq!(stage.reactor.stats().queued_bytes, 0);

    for id in room {
        stage.registry().close(id).expect("it is open");
    }
    for peer in peers {
        let all = stage.join(peer);
        assert_eq!(all.len(), MESSAGE * MESSAGES);
        all.chunks(MESSAGE).for_each(|seen| assert_same_bytes(seen, &message));
    }
    drop(stalled);
    stage.until(|log| log.ends.len() == STALLED + LISTENING);
    stage.finish();
}

/// Raises the number of descriptors this process may open, as far as it may.
#[cfg(unix)]
fn more_descriptors(wanted: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = Some(wanted as u64);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some() && limit.current < wanted {
        limit.current = wanted;
        setrlimit(Resource::Nofile, limit).expect("the hard limit is higher");
    }
}
