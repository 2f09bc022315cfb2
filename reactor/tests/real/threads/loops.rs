//! Several loops: how they begin and end together, and who gets whom.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use reactor::{
    Address, Drained, Input, Limits, ListenOptions, LoopFailure, LoopGroup, Loops, OneLoop,
    Protocol, Registry, Stats, Transport,
};

use super::support::*;

/// The application of a loop: which it is, and whom it has served.
#[derive(Debug)]
struct Place {
    index: usize,
    opened: usize,
    drained: Option<Drained>,
}

/// Says on which loop it is, and sends everything back.
struct Named;

impl Protocol<Place> for Named {
    fn on_open(&mut self, transport: &mut Transport<'_, Place>, place: &mut Place) {
        place.opened += 1;
        transport.write(&[place.index as u8]);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Place>,
        input: &mut Input<'_>,
        _: &mut Place,
    ) {
        transport.write(input.take_all());
    }
}

fn count(loops: usize) -> NonZeroUsize {
    NonZeroUsize::new(loops).expect("a literal")
}

fn place(index: usize) -> Place {
    Place { index, opened: 0, drained: None }
}

/// Listens for all on the first of them; where.
fn listen(one: &mut OneLoop<'_, Place>) -> SocketAddr {
    let group = one.group().clone();
    let options = ListenOptions::default();
    let registry = one.registry();
    let id =
        registry.listen_among(group.handles(), any_port(), &options, |_, _| Some(Box::new(Named)));
    let address = registry.listener_address(id.expect("it listens")).expect("it is there");
    address.socket_addr().expect("it is an IP address")
}

/// So many loops with one listener on a thread of their own, and what they have returned in the end.
struct Running {
    address: SocketAddr,
    group: LoopGroup<Place>,
    thread: thread::JoinHandle<reactor::LoopsReport<Place, String>>,
}

impl Running {
    fn start(loops: usize) -> Self {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            Loops::new(count(loops)).run(|one| {
                if one.index() == 0 {
                    let address = listen(one);
                    tell.send((address, one.group().clone())).expect("the test waits");
                }
                let mut place = place(one.index());
                one.run(&mut place).map_err(|error| error.to_string())?;
                Ok(place)
            })
        });
        let (address, group) = told.recv_timeout(PATIENCE).expect("they begin");
        Self { address, group, thread }
    }

    /// A client, and the loop that it has come to.
    fn connect(&self) -> (TcpStream, usize) {
        let mut stream = client(self.address);
        let mut name = [0];
        stream.read_exact(&mut name).expect("it is told");
        (stream, usize::from(name[0]))
    }

    fn stop(self) -> reactor::LoopsReport<Place, String> {
        self.group.shutdown(PATIENCE);
        self.thread.join().expect("it does not panic")
    }
}

/// How many came to each.
fn spread(clients: &[(TcpStream, usize)], loops: usize) -> Vec<usize> {
    (0..loops).map(|at| clients.iter().filter(|(_, place)| *place == at).count()).collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came to be: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

// ── beginning and ending ────────────────────────────────────────────────────────────────────

#[test]
fn each_loop_has_a_thread_and_an_application_of_its_own_and_one_shutdown_ends_all() {
    let _leaks = Leaks::watch();
    let running = Running::start(3);
    let mut clients: Vec<_> = (0..6).map(|_| running.connect()).collect();
    assert_eq!(spread(&clients, 3), [2, 2, 2]);
    for (client, _) in &mut clients {
        client.write_all(b"hello").expect("it has room");
        let mut back = [0; 5];
        client.read_exact(&mut back).expect("it comes back");
    }
    let group = running.group.clone();
    wait_until("they know of each other", || group.connections() == 6);
    let stop = thread::spawn(move || running.stop());
    // The loops say goodbye, and wait for the clients to do so.
    for (client, _) in &mut clients {
        assert_eq!(client.read(&mut [0]).expect("it ends cleanly"), 0);
    }
    drop(clients);
    let report = stop.join().expect("it does not panic");
    assert_eq!((report.shutdown().finished, report.shutdown().cut_off.len()), (6, 0));
    assert_eq!((report.stats().accepted, report.stats().read_bytes), (6, 6 * 5));
    let each: Vec<Stats> = report.loops.iter().map(|one| one.stats).collect();
    assert!(each.iter().all(|stats| (stats.accepted, stats.read_bytes) == (2, 10)), "{each:?}");
    let places = report.into_results().expect("none has failed");
    let seen: Vec<_> = places.iter().map(|place| (place.index, place.opened)).collect();
    assert_eq!(seen, [(0, 2), (1, 2), (2, 2)]);
    drop(group);
}

#[test]
fn nobody_is_served_if_one_loop_cannot_be_set_up() {
    let _leaks = Leaks::watch();
    let begun = AtomicUsize::new(0);
    let report = Loops::new(count(3)).run(|one: &mut OneLoop<'_, Place>| {
        begun.fetch_add(1, Ordering::Relaxed);
        if one.index() == 1 {
            return Err("it has no licence");
        }
        listen(one);
        one.run(&mut place(one.index())).map_err(|_| "it cannot wait")?;
        Ok(())
    });
    assert_eq!(begun.into_inner(), 2, "the third does not begin");
    assert!(report.loops[0].result.is_ok());
    assert!(matches!(report.loops[2].result, Err(LoopFailure::NotStarted)));
    let failure = report.into_results().expect_err("one has failed");
    assert_eq!(failure.to_string(), "it has no licence");
}

#[test]
fn a_loop_that_panics_is_told_of_and_the_others_shut_down_in_order() {
    silence_panics();
    let _leaks = Leaks::watch();
    let served = AtomicUsize::new(0);
    let report = Loops::new(count(3)).grace(PATIENCE).run(|one: &mut OneLoop<'_, Place>| {
        let mut place = place(one.index());
        if one.index() == 2 {
            let _ = one.reactor().turn(Some(Duration::ZERO), &mut place);
            panic!("on purpose: a loop of its own");
        }
        // It is set up when the third panics, and ends all the same.
        one.run(&mut place).map_err(|error| error.to_string())?;
        served.fetch_add(1, Ordering::Relaxed);
        Ok::<_, String>(())
    });
    assert_eq!(served.into_inner(), 2);
    let failure = report.into_results().expect_err("one has panicked");
    assert_eq!(failure.to_string(), "a loop has panicked: on purpose: a loop of its own");
}

#[test]
fn one_loop_that_ends_alone_takes_the_others_along() {
    let _leaks = Leaks::watch();
    let report = Loops::new(count(2)).run(|one: &mut OneLoop<'_, Place>| {
        if one.index() == 1 {
            one.registry().defer(|registry, _| registry.shutdown(Duration::ZERO));
        }
        one.run(&mut place(one.index())).map(|_| thread::current().id())
    });
    let threads: Vec<ThreadId> = report.into_results().expect("none has failed");
    assert!(threads[0] == thread::current().id() && threads[1] != threads[0]);
}

#[test]
fn a_question_to_all_loops_is_answered_by_each_and_nobody_waits_for_it() {
    let _leaks = Leaks::watch();
    let running = Running::start(3);
    let clients: Vec<_> = (0..3).map(|_| running.connect()).collect();
    let (tell, told) = mpsc::channel();
    let group = running.group.clone();
    let asked = running.group.handles()[1].run(move |registry, _| {
        let question = |registry: &mut Registry<Place>, place: &mut Place| {
            (place.index, registry.stats().accepted)
        };
        group.ask(registry, question, move |_, place, answers| {
            tell.send((place.index, answers)).expect("the test waits");
        });
    });
    asked.expect("it is running");
    let (asker, answers) = told.recv_timeout(PATIENCE).expect("they answer");
    assert_eq!((asker, answers), (1, vec![Some((0, 1)), Some((1, 1)), Some((2, 1))]));
    drop(clients);
    drop(running.stop());
}

// ── one acceptor ────────────────────────────────────────────────────────────────────────────

/// Hazard 29. By the hash of `reuse_port` ten connections split as badly as 9 to 1.
#[test]
fn an_acceptor_keeps_the_loops_within_five_per_cent_of_each_other() {
    let _leaks = Leaks::watch();
    let running = Running::start(2);
    let mut clients: Vec<_> = (0..100).map(|_| running.connect()).collect();
    assert_eq!(spread(&clients, 2), [50, 50]);
    // Nearly all who leave are of one loop: those who come then go there.
    let mut left = 0;
    clients.retain(|(_, place)| {
        left += usize::from(*place == 0);
        *place == 1 || left > 40
    });
    let first = running.group.handles()[0].clone();
    wait_until("the loop knows that they have left", || first.connections() == 10);
    clients.extend((0..40).map(|_| running.connect()));
    assert_eq!(spread(&clients, 2), [50, 50]);
    drop((clients, first));
    drop(running.stop());
}

/// Hazard 29, the other half: with a queue of its own a stuck loop keeps its share.
#[test]
fn a_loop_that_is_stuck_gets_nobody_more_and_harms_none_of_the_others() {
    let _leaks = Leaks::watch();
    let running = Running::start(2);
    let (free, blocked) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let stuck = running.group.handles()[1].clone();
    let block = move |_: &mut Registry<Place>, _: &mut Place| {
        tell.send(()).expect("the test waits");
        let _ = blocked.recv_timeout(PATIENCE);
    };
    stuck.run(block).map_err(drop).expect("it is running");
    told.recv_timeout(PATIENCE).expect("it is stuck");
    // Some are still given to it. Once it is known to be stuck, all are served.
    let mut clients = Vec::new();
    let mut served_in_turn = 0;
    wait_until("everybody is served", || {
        let client = client(running.address);
        client.set_read_timeout(Some(Duration::from_millis(150))).expect("it is a socket");
        let answer = (&client).read(&mut [0]);
        served_in_turn = if answer.is_ok() { served_in_turn + 1 } else { 0 };
        clients.push((client, answer.is_ok()));
        served_in_turn == 10
    });
    // Those who waited are served when it goes on: few, where half would have been its share.
    drop(free);
    let mut late = 0;
    for (client, _) in clients.iter_mut().filter(|(_, served)| !*served) {
        client.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        let mut name = [0];
        client.read_exact(&mut name).expect("it is served");
        late += usize::from(name == [1]);
    }
    assert!(late >= 1 && late + 8 <= clients.len() - late, "{late} of {}", clients.len());
    drop((clients, stuck));
    drop(running.stop());
}

#[test]
fn a_loop_at_its_limit_refuses_and_one_that_has_ended_is_passed_over() {
    let leaks = Leaks::watch();
    let limits = Limits { connections: 1, ..Limits::default() };
    let (mut here, mut place) =
        (reactor::Reactor::with_limits(limits).expect("there are descriptors"), place(0));
    let other = reactor::Reactor::<Place>::new().expect("there are descriptors");
    let handles = [here.handle(), other.handle()];
    drop(other);
    let options = ListenOptions::default();
    let registry = here.registry();
    let id = registry.listen_among(&handles, any_port(), &options, |_, _| Some(Box::new(Named)));
    let id = id.expect("it listens");
    let address = registry.listener_address(id).expect("it is there");
    let address = address.socket_addr().expect("it is an IP address");
    let one = client(address);
    until(&mut here, &mut place, |place, _| place.opened == 1);
    // The other one has fewer connections, and no loop.
    let two = client(address);
    until(&mut here, &mut place, |_, registry| registry.stats().refused_full == 1);
    drop((one, two));
    until(&mut here, &mut place, |_, registry| registry.stats().connections == 0);
    here.registry().close_listener(id).expect("it is there");
    drop(handles);
    leaks.check(here);
}

// ── a listener each ─────────────────────────────────────────────────────────────────────────

/// Hazard 28. Closed at once, it resets everybody in its queue.
#[test]
#[cfg(target_os = "linux")]
fn a_listener_that_is_drained_takes_in_everybody_who_waits_and_says_so() {
    const WAITING: usize = 50;
    let leaks = Leaks::watch();
    let (mut reactor, mut place) =
        (reactor::Reactor::new().expect("there are descriptors"), place(7));
    let options = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let listen = |registry: &mut Registry<Place>, at: Address| {
        let id = registry.listen_with(at, &options, |_, _| Some(Box::new(Named)));
        id.expect("it listens")
    };
    let id = listen(reactor.registry(), any_port());
    let address = reactor.registry().listener_address(id).expect("it is there");
    // Nobody accepts while they connect.
    reactor.registry().pause_listener(id).expect("it is there");
    let at = address.socket_addr().expect("it is an IP address");
    let mut clients: Vec<_> = (0..WAITING).map(|_| client(at)).collect();
    // A second one at the same address, which goes on.
    let other = listen(reactor.registry(), address);
    let done = |_: &mut Registry<Place>, place: &mut Place, drained| place.drained = Some(drained);
    reactor.registry().drain_listener(id, done).expect("it is there");
    assert!(reactor.registry().drain_listener(id, |_, _, _| {}).is_err(), "it is under way");
    until(&mut reactor, &mut place, |place, _| place.drained.is_some());
    let drained = place.drained.take().expect("it was told");
    assert_eq!((drained.taken as usize, drained.is_empty), (WAITING, true));
    assert!(reactor.registry().listener_address(id).is_err(), "it is closed");
    until(&mut reactor, &mut place, |place, _| place.opened == WAITING);
    for client in &mut clients {
        let mut name = [0];
        client.read_exact(&mut name).expect("it is served");
    }
    drop(clients);
    until(&mut reactor, &mut place, |_, registry| registry.stats().connections == 0);
    reactor.registry().close_listener(other).expect("it is there");
    leaks.check(reactor);
}

#[test]
fn draining_ends_where_more_come_than_a_queue_holds() {
    let leaks = Leaks::watch();
    let (mut reactor, mut place) =
        (reactor::Reactor::new().expect("there are descriptors"), place(0));
    let options = ListenOptions { backlog: 2, ..ListenOptions::default() };
    // Everybody who is taken in is followed by another one.
    let (tell, address) = mpsc::channel();
    let registry = reactor.registry();
    let id = registry.listen_with(any_port(), &options, move |_, _| {
        let address: SocketAddr = address.try_recv().expect("the test has told");
        drop(client(address));
        None
    });
    let id = id.expect("it listens");
    let address = registry.listener_address(id).expect("it is there");
    let address = address.socket_addr().expect("it is an IP address");
    (0..10).for_each(|_| tell.send(address).expect("it listens"));
    drop(client(address));
    let done = |_: &mut Registry<Place>, place: &mut Place, drained| place.drained = Some(drained);
    registry.drain_listener(id, done).expect("it is there");
    until(&mut reactor, &mut place, |place, _| place.drained.is_some());
    let drained = place.drained.take().expect("it was told");
    assert_eq!((drained.taken, drained.is_empty), (4, false));
    leaks.check(reactor);
}
