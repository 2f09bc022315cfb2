//! The loop as a guest: of a game, of another loop, of a program that owns its own state.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support;
use reactor::{Closed, Input, Limits, Protocol, Reactor, Registry, Transport, Turn};
use support::*;

const NOW: Option<Duration> = Some(Duration::ZERO);

// ── turning by hand ─────────────────────────────────────────────────────────────────────────

/// A game draws a frame, turns the loop once without waiting, and draws the next.
#[test]
fn a_turn_without_a_timeout_never_waits() {
    let mut stage = Stage::new();
    // Nothing is registered at all, and nothing will ever happen.
    for _ in 0..100 {
        assert_eq!(stage.reactor.turn(NOW, &mut stage.log).expect("it goes on"), Turn::Running);
    }
    let address = stage.listen(echo);
    let never = stage.registry().after(Duration::MAX, |_, _| {}).expect("there is room");
    for _ in 0..100 {
        assert!(stage.reactor.turn(NOW, &mut stage.log).expect("it goes on").is_running());
    }
    assert_eq!(stage.reactor.stats().turns, 200);

    // Yet in the time between frames somebody is served.
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        for _ in 0..10 {
            theirs.write_all(b"hello").expect("it has room");
            theirs.read_exact(&mut [0; 5]).expect("it answers");
        }
    });
    while !peer.is_done() {
        assert!(stage.reactor.turn(NOW, &mut stage.log).expect("it goes on").is_running());
        std::thread::yield_now();
    }
    peer.join();
    stage.until_closed("server");
    assert!(stage.registry().cancel(never));
}

#[test]
fn a_turn_ends_at_its_timeout_though_nothing_has_happened() {
    let mut stage = Stage::new();
    let turn = stage.reactor.turn(Some(Duration::from_millis(20)), &mut stage.log);
    assert!(turn.expect("it goes on").is_running());
    assert_eq!(stage.reactor.stats().turns, 1);
}

/// A host that hears of changes alone turns the loop once for each, and then for as long as the loop says that
/// it wants to be: a turn takes so many events, and of the rest no change would tell.
#[test]
fn a_burst_of_more_events_than_a_turn_takes_is_served_without_another_change() {
    const CLIENTS: usize = 20;
    let mut stage = Stage::with_limits(Limits { visit_budget: 4, ..Limits::default() });
    let address = stage.listen(echo);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| client(address)).collect();
    stage.until(|log| log.of("server").len() == CLIENTS);
    for client in &mut clients {
        client.write_all(b"hello").expect("it has room");
    }
    let (reactor, log) = (&mut stage.reactor, &mut stage.log);
    loop {
        assert!(reactor.turn(NOW, log).expect("it goes on").is_running());
        if reactor.next_deadline().is_none_or(|next| next > Instant::now()) {
            break;
        }
    }
    for client in &mut clients {
        client.set_nonblocking(true).expect("a socket");
        let mut answer = [0; 5];
        client.read_exact(&mut answer).expect("the loop said that all was done");
        assert_eq!(&answer, b"hello");
    }
    drop(clients);
    stage.until(|log| log.ends.len() == CLIENTS);
}

/// What another loop sleeps by, beside the descriptor.
#[test]
fn the_next_deadline_says_when_the_loop_wants_to_be_turned() {
    let mut stage = Stage::new();
    let address = stage.listen(echo);
    assert_eq!(stage.reactor.next_deadline(), None, "only events can bring about anything");

    // A timer: never later than it is due.
    let delay = Duration::from_secs(3_600);
    let due = stage.registry().now() + delay + Duration::from_millis(1);
    let timer = stage.registry().after(delay, |_, _| {}).expect("there is room");
    let next = stage.reactor.next_deadline().expect("a timer is set");
    assert!(next <= due && next > Instant::now());
    assert!(stage.registry().cancel(timer));
    assert_eq!(stage.reactor.next_deadline(), None);

    // Work that is there already: at once.
    let at_once =
        |stage: &Stage| stage.reactor.next_deadline().is_some_and(|next| next <= Instant::now());
    stage.registry().defer(|_, _| {});
    assert!(at_once(&stage), "a closure waits");
    stage.until_quiet();
    assert_eq!(stage.reactor.next_deadline(), None);

    let _theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    let id = stage.log.id("server");
    let _ = stage.registry().send(id, bytes::Bytes::from_static(b"hello")).expect("it is open");
    assert!(at_once(&stage), "bytes wait");
    stage.until_quiet();
    assert_eq!(stage.reactor.next_deadline(), None);

    stage.registry().abort(id).expect("it is open");
    assert!(at_once(&stage), "an end has to be told");
    stage.until_quiet();
    assert_eq!(stage.reactor.next_deadline(), None);
}

// ── inside another loop ─────────────────────────────────────────────────────────────────────

/// Another loop that waits with `poll(2)` for the descriptors of many, this loop's among them.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
mod nested {
    use super::*;
    use reactor::{StreamLimits, TimerKey};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// Whether a descriptor becomes readable in time: at once, or as long as anything may take.
    fn is_readable(descriptor: impl AsFd, time: Duration) -> bool {
        let time = Timespec::try_from(time).expect("it is short");
        let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
        poll(&mut watched, Some(&time)).expect("it can be waited for") > 0
    }

    #[test]
    fn the_loops_descriptor_is_readable_when_an_event_waits_and_only_then() {
        let mut stage = Stage::new();
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        stage.adopt(ours, &StreamLimits::default(), echo());
        stage.until_quiet();
        assert!(!is_readable(&stage.reactor, Duration::ZERO));

        theirs.write_all(b"hello").expect("it has room");
        assert!(is_readable(&stage.reactor, PATIENCE));
        stage.until_quiet();
        assert!(!is_readable(&stage.reactor, Duration::ZERO));
        theirs.read_exact(&mut [0; 5]).expect("it has answered");

        // Another thread's message is an event too.
        stage.handle().run(|_, log| log.note("handle", "run")).expect("the loop is running");
        assert!(is_readable(&stage.reactor, PATIENCE));
        stage.until(|log| log.has("handle", "run"));
        drop(theirs);
        assert!(is_readable(&stage.reactor, PATIENCE));
        stage.until_closed("server");
    }

    /// The outer loop knows nothing of the inner one but its descriptor and its next deadline.
    #[test]
    fn the_loop_works_inside_another_that_sleeps_for_it() {
        const ROUNDS: usize = 20;
        let mut stage = Stage::new();
        let address = stage.listen(|| {
            Probe::new("server")
                // It answers later, by a timer: the descriptor alone would not do.
                .on_data(|transport, input, _| {
                    input.take_all();
                    transport.set_timer(TimerKey(1), Duration::from_millis(2));
                })
                .on_timer(|transport, _, _| transport.write(b"pong"))
        });
        let (outer, mut other) = UnixStream::pair().expect("a pair of sockets");
        let peer = std::thread::spawn(move || {
            let mut theirs = client(address);
            for _ in 0..ROUNDS {
                theirs.write_all(b"ping").expect("it has room");
                theirs.read_exact(&mut [0; 4]).expect("it answers");
            }
            // The outer loop has descriptors of its own.
            other.write_all(b"!").expect("it has room");
        });
        let mut sleeps = 0;
        loop {
            let sleep = stage.reactor.next_deadline().map_or(PATIENCE, |next| {
                next.saturating_duration_since(Instant::now()) + Duration::from_millis(1)
            });
            let time = Timespec::try_from(sleep.min(PATIENCE)).expect("it is short");
            let mut watched =
                [PollFd::new(&stage.reactor, PollFlags::IN), PollFd::new(&outer, PollFlags::IN)];
            let ready = poll(&mut watched, Some(&time)).expect("it can be waited for");
            assert!(ready > 0 || sleep < PATIENCE, "nobody has woken it\n{:?}", stage.log);
            sleeps += 1;
            if !watched[1].revents().is_empty() {
                break;
            }
            let turn = stage.reactor.turn(NOW, &mut stage.log).expect("the loop goes on");
            assert!(turn.is_running());
        }
        assert!(sleeps >= ROUNDS);
        peer.join().expect("it was answered");
        stage.until_closed("server");
        assert_eq!(stage.log.count("server", "timer 1"), ROUNDS);
    }

    /// A reactor can watch a reactor, as it would any other descriptor.
    #[test]
    fn the_descriptor_of_a_loop_that_ended_is_closed() {
        let _stage = Stage::new();
        let before = open_descriptors();
        let reactor = Reactor::<()>::new().expect("there are descriptors");
        let duplicate = reactor.as_fd().try_clone_to_owned().expect("there are descriptors");
        drop((reactor, duplicate));
        assert_eq!(open_descriptors(), before);
    }
}

// ── the application ─────────────────────────────────────────────────────────────────────────

/// A game's own state, lent to the loop for a turn, and not for ever.
#[derive(Debug)]
struct Game<'a> {
    name: &'a str,
    world: &'a mut Vec<String>,
}

struct Player;

impl<'a> Protocol<Game<'a>> for Player {
    fn on_open(&mut self, transport: &mut Transport<'_, Game<'a>>, game: &mut Game<'a>) {
        transport.write(game.name.as_bytes());
    }

    fn on_data(
        &mut self,
        _: &mut Transport<'_, Game<'a>>,
        input: &mut Input<'_>,
        game: &mut Game<'a>,
    ) {
        game.world.push(String::from_utf8_lossy(input.take_all()).into_owned());
    }

    fn on_close(&mut self, registry: &mut Registry<Game<'a>>, _: &Closed, game: &mut Game<'a>) {
        game.world.push("left".to_owned());
        registry.shutdown(Duration::ZERO);
    }
}

/// What callbacks are lent may itself be borrowed: a program keeps its world where it wants.
#[test]
fn the_application_may_borrow_what_it_lends() {
    let leaks = Leaks::watch();
    let mut world = Vec::new();
    {
        let name = String::from("chess");
        let mut reactor = Reactor::<Game<'_>>::new().expect("there are descriptors for a loop");
        let registry = reactor.registry();
        let id = registry
            .listen(any_port(), |_, game: &mut Game<'_>| {
                game.world.push("joined".to_owned());
                Player
            })
            .expect("loopback has a free port");
        registry.defer(|_, game| game.world.push("began".to_owned()));
        registry
            .after(Duration::ZERO, |_, game| game.world.push("ticked".to_owned()))
            .expect("there is room");
        let address = registry.listener_address(id).expect("it is open");
        let address = address.socket_addr().expect("it is an IP address");
        let mut game = Game { name: &name, world: &mut world };
        let _ = reactor.turn(NOW, &mut game).expect("the loop goes on");
        let player = std::thread::spawn(move || {
            let mut theirs = client(address);
            theirs.read_exact(&mut [0; 5]).expect("it is greeted");
            theirs.write_all(b"e4").expect("it has room");
        });
        // Between turns it is the program's own.
        game.world.push("lent".to_owned());
        let report = reactor.run(&mut game).expect("the loop goes on");
        assert_eq!(report.cut_off.len(), 0);
        player.join().expect("it does not panic");
        leaks.check(reactor);
    }
    assert_eq!(world, ["began", "ticked", "lent", "joined", "e4", "left"]);
}

/// Between two turns the program has its state to itself, and may lend another.
#[test]
fn each_turn_may_be_lent_another_application() {
    let leaks = Leaks::watch();
    let mut reactor = Reactor::<u32>::new().expect("there are descriptors for a loop");
    let beat = reactor.registry().every(Duration::ZERO, |_, count| *count += 1);
    let beat = beat.expect("there is room");
    let (mut even, mut odd) = (0, 0);
    for turn in 0..10 {
        let count = if turn % 2 == 0 { &mut even } else { &mut odd };
        let _ = reactor.turn(NOW, count).expect("the loop goes on");
    }
    assert_eq!((even, odd), (5, 5));
    assert!(reactor.registry().cancel(beat));
    leaks.check(reactor);
}

#[test]
fn two_loops_take_turns_on_one_thread() {
    let mut server = Stage::new();
    let address = server.listen(echo);
    let mut other = Reactor::<Log>::new().expect("there are descriptors for a loop");
    let mut log = Log::default();
    let asks = Probe::new("client").on_open(|transport, _| transport.write(b"hello")).on_data(
        |transport, input, _| {
            input.take_all();
            transport.close();
        },
    );
    other.registry().connect(address.into(), asks).expect("it begins to connect");
    let deadline = Instant::now() + PATIENCE;
    while log.end("client").is_none() || server.log.end("server").is_none() {
        assert!(Instant::now() < deadline, "{log:?}{:?}", server.log);
        assert!(other.turn(NOW, &mut log).expect("it goes on").is_running());
        assert!(server.reactor.turn(NOW, &mut server.log).expect("it goes on").is_running());
    }
    assert_eq!(log.of("client"), ["open", "data 5", "close closed"]);
    drop(other);
}

/// The loop that was shut down has ended, not the value: it may begin again.
#[test]
fn a_loop_that_was_shut_down_can_be_used_again() {
    let mut stage = Stage::new();
    for round in 1..=2 {
        let address = stage.listen(echo);
        let theirs = client(address);
        stage.until(|log| log.count("server", "open") == round);
        stage.registry().shutdown(Duration::ZERO);
        let report = stage.reactor.run(&mut stage.log).expect("the loop goes on");
        assert_eq!(report.finished + report.cut_off.len(), 1);
        assert!(stage.registry().is_empty());
        drop(theirs);
    }
}

// ── busy polling ────────────────────────────────────────────────────────────────────────────

fn says_hello_ten_times(stage: &mut Stage, address: SocketAddr) {
    let peer = stage.peer(move || {
        let mut theirs = client(address);
        for _ in 0..10 {
            theirs.write_all(b"hello").expect("it has room");
            theirs.read_exact(&mut [0; 5]).expect("it answers");
        }
    });
    stage.join(peer);
    stage.until_closed("server");
}

/// It polls for longer than anything takes here, so whatever ends the wait is found by polling.
#[test]
fn a_loop_that_polls_instead_of_sleeping_misses_nothing() {
    let limits = Limits { busy_poll: Duration::from_secs(3_600), ..Limits::default() };
    let mut stage = Stage::with_limits(limits);
    let address = stage.listen(echo);
    says_hello_ten_times(&mut stage, address);

    // Timers, messages, timeouts.
    let set = stage.registry().after(Duration::from_millis(5), |_, log| log.note("timer", "fired"));
    set.expect("there is room");
    stage.until(|log| log.has("timer", "fired"));
    let handle = stage.handle();
    let other = std::thread::spawn(move || handle.run(|_, log: &mut Log| log.note("other", "run")));
    stage.until(|log| log.has("other", "run"));
    other.join().expect("it does not panic").expect("the loop is running");
    let turns = stage.reactor.stats().turns;
    let turn = stage.reactor.turn(Some(Duration::from_millis(5)), &mut stage.log);
    assert!(turn.expect("the loop goes on").is_running());
    let turn = stage.reactor.turn(NOW, &mut stage.log);
    assert!(turn.expect("the loop goes on").is_running());
    assert_eq!(stage.reactor.stats().turns, turns + 2, "polls are no turns");
}

/// And one that polls for a moment only sleeps after it as any other does.
#[test]
fn a_loop_that_has_polled_in_vain_goes_to_sleep() {
    let limits = Limits { busy_poll: Duration::from_micros(1), ..Limits::default() };
    let mut stage = Stage::with_limits(limits);
    let address = stage.listen(echo);
    says_hello_ten_times(&mut stage, address);
    let before = stage.reactor.stats().turns;
    let set =
        stage.registry().after(Duration::from_millis(30), |_, log| log.note("timer", "fired"));
    set.expect("there is room");
    stage.until(|log| log.has("timer", "fired"));
    assert!(stage.reactor.stats().turns - before <= 5);
}
