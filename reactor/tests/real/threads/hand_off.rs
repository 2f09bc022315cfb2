//! Connections that move to another loop: not a byte is lost, doubled or out of order.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use reactor::{
    Closed, ConnectionId, HandOffError, Handle, Input, ListenOptions, LoopGroup, Loops, Protocol,
    Reactor, Registry, StreamLimits, Transport,
};

use super::support::*;

/// The application of a loop: whom it can hand connections to, and what it has seen.
struct Place {
    group: LoopGroup<Place>,
    index: usize,
    arrivals: usize,
    departed: Vec<ConnectionId>,
}

/// Sends each line back, and goes to another loop after every few of them, in the middle of whatever has come.
struct Wanderer {
    until_it_leaves: usize,
}

const STAY: usize = 3;

impl Protocol<Place> for Wanderer {
    fn on_open(&mut self, transport: &mut Transport<'_, Place>, place: &mut Place) {
        place.arrivals += 1;
        let inbox = transport.limits().inbox;
        assert_eq!(inbox, 1 << 20, "its limits come along");
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Place>,
        input: &mut Input<'_>,
        place: &mut Place,
    ) {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            transport.write(input.take_front(end + 1));
            self.until_it_leaves -= 1;
            if self.until_it_leaves == 0 {
                let handles = place.group.handles();
                let next = &handles[(place.index + 1) % handles.len()];
                let make = |_: &mut Place| Self { until_it_leaves: STAY };
                return transport.hand_off(next, make).expect("it is open");
            }
        }
    }

    fn on_close(&mut self, registry: &mut Registry<Place>, closed: &Closed, place: &mut Place) {
        if !matches!(closed.reason, reactor::CloseReason::Detached) {
            return;
        }
        assert!(!registry.is_connected(closed.id), "its id is stale here");
        assert!(!place.departed.contains(&closed.id), "no id comes twice");
        place.departed.push(closed.id);
    }
}

/// Runs so many loops with a listener on the first, until the clients have come to their end.
fn wander(loops: usize, clients: impl FnOnce(SocketAddr) + Send + 'static) -> Vec<Place> {
    let (tell, told) = mpsc::channel();
    let clients = thread::spawn(move || {
        let (address, group): (_, LoopGroup<Place>) =
            told.recv_timeout(PATIENCE).expect("they begin");
        clients(address);
        group.shutdown(PATIENCE);
    });
    let count = NonZeroUsize::new(loops).expect("a literal");
    let ended = Loops::new(count).run(|one| {
        let group = one.group().clone();
        if one.index() == 0 {
            let limits = StreamLimits { inbox: 1 << 20, ..StreamLimits::default() };
            let options = ListenOptions { limits, ..ListenOptions::default() };
            let id = one.registry().listen_with(any_port(), &options, |_, _| {
                Some(Box::new(Wanderer { until_it_leaves: STAY }))
            });
            let address = one.registry().listener_address(id.expect("it listens"));
            let address = address.expect("it is there").socket_addr().expect("an IP address");
            tell.send((address, group.clone())).expect("the clients wait");
        }
        let mut place = Place { group, index: one.index(), arrivals: 0, departed: Vec::new() };
        one.run(&mut place).map(|_| place)
    });
    clients.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    ended.into_results().expect("none has failed")
}

/// Hazard 30. The client writes as fast as it can, so each move comes in the middle of what was read.
#[test]
fn a_connection_that_moves_in_mid_line_under_load_loses_not_a_byte() {
    const CLIENTS: usize = 4;
    const LINES: usize = 300;
    let _leaks = Leaks::watch();
    let places = wander(2, |address| {
        let clients = (0..CLIENTS).map(|number| {
            thread::spawn(move || {
                let lines = (0..LINES).map(|line| format!("client {number}, line {line}\n"));
                let text: String = lines.collect();
                let stream = client(address);
                let mut writer = stream.try_clone().expect("there are descriptors");
                let sent = text.clone();
                let writes = thread::spawn(move || {
                    // Odd pieces: lines are cut anywhere.
                    for piece in sent.as_bytes().chunks(97) {
                        writer.write_all(piece).expect("it has room");
                    }
                    writer.shutdown(Shutdown::Write).expect("it is connected");
                });
                let mut back = Vec::new();
                (&stream).read_to_end(&mut back).expect("it ends well");
                assert_same_bytes(&back, text.as_bytes());
                writes.join().expect("it does not panic");
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().for_each(|client| client.join().expect("it does not panic"));
    });
    let moves: usize = places.iter().map(|place| place.departed.len()).sum();
    let arrivals: usize = places.iter().map(|place| place.arrivals).sum();
    // The last move may come when the client has ended.
    assert!((CLIENTS * (LINES / STAY - 1)..=CLIENTS * LINES / STAY).contains(&moves), "{moves}");
    assert_eq!(arrivals, moves + CLIENTS);
    let mut ids: Vec<_> = places.iter().flat_map(|place| &place.departed).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), moves, "the loops have no id in common");
    drop(places);
}

/// Two loops that the test turns by itself.
fn two() -> (Stage, Reactor<Log>, Log) {
    (Stage::new(), Reactor::new().expect("there are descriptors"), Log::default())
}

/// A probe that hands its connection to a loop as soon as something comes.
fn leaver(to: Handle<Log>, before: impl Fn(&mut Transport<'_, Log>) + 'static) -> Probe {
    Probe::new("leaver").on_data(move |transport, input, log| {
        input.take_front(1);
        before(transport);
        let make = |_: &mut Log| {
            Probe::new("there").on_data(|transport, input, _| transport.write(input.take_all()))
        };
        if let Err(error) = transport.hand_off(&to, make) {
            log.note("leaver", format!("{error:?}"));
        }
    })
}

#[test]
fn what_waits_to_be_sent_comes_along_and_leaves_first() {
    // More than the system takes of one that nobody reads, and less than may be queued.
    const LARGE: usize = 8_000_000;
    let (mut stage, mut there, mut log) = two();
    let to = there.handle();
    let address =
        stage.listen(move || leaver(to.clone(), |transport| transport.send(pattern(LARGE).into())));
    let mut theirs = client(address);
    theirs.write_all(b"xrest").expect("it has room");
    stage.until_closed("leaver");
    let lines = ["open", "data 1", "close the socket was given back to the program"];
    assert_eq!(stage.log.of("leaver"), lines);
    assert_eq!(stage.reactor.stats().queued_bytes, 0);
    until(&mut there, &mut log, |log, _| log.has("there", "open"));
    let peer = thread::spawn(move || {
        let mut all = vec![0; LARGE + 4];
        theirs.read_exact(&mut all).expect("all of it");
        (all, theirs)
    });
    until_outside(&mut there, &mut log, |_, _| peer.is_finished());
    let (all, theirs) = peer.join().expect("it does not panic");
    assert_same_bytes(&all[..LARGE], &pattern(LARGE));
    assert_eq!(&all[LARGE..], b"rest");
    drop(theirs);
    until(&mut there, &mut log, |_, registry| registry.stats().connections == 0);
}

#[test]
fn a_loop_that_has_ended_is_not_there_to_be_handed_to_and_it_goes_on_here() {
    let (mut stage, there, _) = two();
    let to = there.handle();
    drop(there);
    let address = stage.listen(move || leaver(to.clone(), |_| {}));
    let mut theirs = client(address);
    theirs.write_all(b"xrest").expect("it has room");
    stage.until(|log| log.has("there", "data 4"));
    let mut back = [0; 4];
    theirs.read_exact(&mut back).expect("it comes back");
    assert_eq!(&back, b"rest");
    drop(theirs);
    stage.until_closed("there");
}

#[test]
fn what_cannot_move_is_refused_with_the_reason_and_goes_on() {
    let (mut stage, there, _) = two();
    type Before = fn(&mut Transport<'_, Log>);
    let cases: [(Before, HandOffError); 3] = [
        (|transport| transport.close(), HandOffError::Closing),
        (|transport| transport.end(), HandOffError::Closing),
        (
            |transport| {
                let file = File::open("Cargo.toml").expect("it is there");
                transport.send(pattern(8_000_000).into());
                transport.send_file(file, 0, 1);
            },
            HandOffError::Files,
        ),
    ];
    for (before, error) in cases {
        let to = there.handle();
        let address = stage.listen(move || leaver(to.clone(), before));
        let mut theirs = client(address);
        theirs.write_all(b"x").expect("it has room");
        let seen = stage.log.count("leaver", &format!("{error:?}"));
        stage.until(|log| log.count("leaver", &format!("{error:?}")) == seen + 1);
        drop(theirs);
        until(&mut stage.reactor, &mut stage.log, |_, registry| registry.stats().connections == 0);
    }
}

#[test]
fn a_loop_that_is_full_closes_whom_it_is_handed() {
    let leaks = Leaks::watch();
    let limits = reactor::Limits { connections: 0, ..reactor::Limits::default() };
    let mut full = Reactor::<Log>::with_limits(limits).expect("there are descriptors");
    let mut log = Log::default();
    let (done, closed) = mpsc::channel();
    let to = full.handle();
    let other = thread::spawn(move || {
        let mut reactor = Reactor::<Log>::new().expect("there are descriptors");
        let (mut log, mut theirs) = (Log::default(), None);
        let id = reactor.registry().listen(any_port(), move |_, _| leaver(to.clone(), |_| {}));
        let id = id.expect("it listens");
        let address = reactor.registry().listener_address(id).expect("it is there");
        let client = theirs.insert(client(address.socket_addr().expect("an IP address")));
        client.write_all(b"x").expect("it has room");
        until(&mut reactor, &mut log, |log, _| log.end("leaver").is_some());
        // Reset, or at its end: it is gone.
        done.send(client.read(&mut [0]).is_ok_and(|length| length > 0)).expect("the test waits");
    });
    until(&mut full, &mut log, |_, registry| registry.stats().refused_full == 1);
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(false));
    other.join().expect("it does not panic");
    let _ = full.turn(Some(Duration::ZERO), &mut log).expect("it goes on");
    leaks.check(full);
}
