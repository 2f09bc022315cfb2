//! What Unix sockets show exactly: rows 1, 2, 4, 7 and 9.
#![cfg(unix)]

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
        let id = stage.registry().adopt_datagram(ours, &Default::default(), probe);
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
}

/// Only events are stale: what the loop itself had planned to visit is not counted.
#[test]
fn a_connection_that_ends_before_it_is_visited_makes_no_stale_event() {
    let mut stage = Stage::new();
    let (id, _theirs) = adopt(&mut stage, Probe::new("ours"));
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
}

/// Hazard 2, for datagram sockets.
#[test]
fn a_duplicate_of_a_closed_datagram_socket_does_not_wake_the_loop() {
    let mut stage = Stage::new();
    let (ours, theirs) = UnixDatagram::pair().expect("a pair of sockets");
    let _duplicate = ours.try_clone().expect("there are descriptors");
    let registry = stage.registry();
    let id = registry
        .adopt_datagram(ours, &Default::default(), DatagramProbe::new("ours"))
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
    assert_eq!((after.events - before.events, after.accepted + stolen.get()), (2, 1), "{after}");
    if cfg!(not(mio_unsupported_force_poll_poll)) {
        assert_eq!(stolen.get(), 1, "events come in the order in which things happened");
    }
    assert_eq!((after.accept_errors, after.accept_rests), (0, 0), "{after}");

    let second = UnixStream::connect(&path).expect("somebody listens");
    let served = 2 - stolen.get() as usize;
    stage.until(|log| log.count("served", "open") == served);
    drop((first, second, to_other));
    stage.until(|log| log.ends.len() == served + 1);
}
