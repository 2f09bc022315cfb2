//! Timers: when they fire, in which order, and what moves, cancels and outlives them. And when the
//! loop sleeps.
//!
//! A test cannot ask how long something took. It asks in which order things came, how many turns the
//! loop needed, and what time the loop itself had.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::support;
use reactor::{Limits, Reactor, Registry, TimerId, TimerKey, TimersFull, Transport};
use support::*;

const MS: Duration = Duration::from_millis(1);

/// A loop, what its timers write down, and the watch over what leaks.
struct Clockwork {
    reactor: Reactor<Vec<u64>>,
    fired: Vec<u64>,
    leaks: Leaks,
}

impl Clockwork {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let leaks = Leaks::watch();
        let reactor = Reactor::with_limits(limits).expect("there are descriptors for a loop");
        Self { reactor, fired: Vec::new(), leaks }
    }

    fn registry(&mut self) -> &mut Registry<Vec<u64>> {
        self.reactor.registry()
    }

    /// Sets a timer that writes down a number.
    fn after(&mut self, delay: Duration, number: u64) -> TimerId {
        self.all_after([(delay, number)])[0]
    }

    /// Sets several at one time.
    fn all_after<const N: usize>(&mut self, timers: [(Duration, u64); N]) -> [TimerId; N] {
        let registry = self.registry();
        timers.map(|(delay, number)| {
            registry.after(delay, move |_, fired| fired.push(number)).expect("there is room")
        })
    }

    #[track_caller]
    fn until_fired(&mut self, count: usize) {
        until(&mut self.reactor, &mut self.fired, |fired, _| fired.len() >= count);
    }

    /// One turn that does not wait.
    fn turn(&mut self) {
        let turn = self.reactor.turn(Some(Duration::ZERO), &mut self.fired);
        assert!(turn.expect("the loop goes on").is_running());
    }

    #[track_caller]
    fn finish(self) {
        self.leaks.check(self.reactor);
    }
}

// ── free-standing timers ────────────────────────────────────────────────────────────────────

#[test]
fn timers_fire_in_the_order_of_their_deadlines_and_equal_ones_in_that_of_their_setting() {
    let mut clock = Clockwork::new();
    let timers = [(30, 6), (1, 1), (30, 7), (5, 3), (70, 9), (1, 2), (5, 4), (40, 8), (6, 5)];
    clock.all_after(timers.map(|(delay, number)| (delay * MS, number)));
    clock.until_fired(9);
    assert_eq!(clock.fired, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(clock.reactor.stats().timers_fired, 9);
    clock.finish();
}

#[test]
fn no_timer_fires_before_its_time() {
    let mut clock = Clockwork::new();
    for delay in [0, 1, 999, 1_000, 1_001, 7_500, 12_345, 64_000, 70_001] {
        let delay = Duration::from_micros(delay);
        let set_at = clock.registry().now();
        let set = clock.registry().after(delay, move |registry, fired| {
            assert!(registry.now() >= set_at + delay, "{delay:?} had not passed");
            fired.push(0);
        });
        set.expect("there is room");
    }
    clock.until_fired(9);
    assert_eq!(clock.reactor.stats().panics, 0, "one was early");
    clock.finish();
}

#[test]
fn a_delay_of_zero_is_the_next_turn() {
    let mut clock = Clockwork::new();
    clock.after(Duration::ZERO, 1);
    assert!(clock.reactor.next_deadline().is_some_and(|next| next <= Instant::now()));
    clock.turn();
    assert_eq!(clock.fired, [1]);

    // Set by one that fires, it waits for the turn after.
    let set = clock.registry().after(Duration::ZERO, |registry, fired: &mut Vec<u64>| {
        fired.push(2);
        let set = registry.after(Duration::ZERO, |_, fired: &mut Vec<u64>| fired.push(3));
        set.expect("there is room");
    });
    set.expect("there is room");
    clock.turn();
    assert_eq!(clock.fired, [1, 2]);
    clock.turn();
    assert_eq!(clock.fired, [1, 2, 3]);
    clock.finish();
}

#[test]
fn deadlines_that_passed_while_nobody_turned_fire_at_once_and_in_order() {
    let mut clock = Clockwork::new();
    let last = clock.registry().now() + 4 * MS;
    clock.all_after([(3 * MS, 3), (MS, 1), (2 * MS, 2)]);
    while clock.registry().now() < last {
        std::thread::yield_now();
    }
    clock.turn();
    assert_eq!(clock.fired, [1, 2, 3]);
    clock.finish();
}

#[test]
fn the_longest_delay_is_never() {
    let mut clock = Clockwork::new();
    let never = [Duration::MAX, Duration::MAX - MS, Duration::from_secs(u64::MAX)]
        .map(|delay| clock.after(delay, 9));
    let beat = clock.registry().every(Duration::MAX, |_, fired| fired.push(9));
    let beat = beat.expect("there is room");
    clock.after(MS, 1);
    clock.until_fired(1);
    clock.turn();
    assert_eq!(clock.fired, [1]);
    let later = Instant::now() + Duration::from_secs(1_000_000);
    assert!(clock.reactor.next_deadline().is_none_or(|next| next > later));
    for timer in never.into_iter().chain([beat]) {
        assert!(clock.registry().cancel(timer), "it is still to fire");
    }
    clock.finish();
}

#[test]
fn a_cancelled_timer_does_not_fire_and_its_id_is_stale() {
    let mut clock = Clockwork::new();
    let cancelled = clock.after(2 * MS, 1);
    let kept = clock.after(2 * MS, 2);
    assert!(clock.registry().cancel(cancelled));
    assert!(!clock.registry().cancel(cancelled));
    // It may be set in the place of the one that is gone, and is another.
    let next = clock.after(2 * MS, 3);
    assert_ne!(cancelled, next);
    assert!(!clock.registry().cancel(cancelled));
    clock.until_fired(2);
    assert_eq!(clock.fired, [2, 3]);
    assert!(!clock.registry().cancel(kept), "it has fired");
    clock.finish();
}

/// Both are due, and both have been gathered to fire: the second is still the first one's to cancel.
#[test]
fn a_timer_may_cancel_another_that_is_due_in_the_same_turn() {
    let mut clock = Clockwork::new();
    let victim = Rc::new(Cell::new(None));
    let condemned = Rc::clone(&victim);
    let set = clock.registry().after(Duration::ZERO, move |registry, fired: &mut Vec<u64>| {
        fired.push(1);
        assert!(registry.cancel(condemned.take().expect("it was set")));
    });
    set.expect("there is room");
    victim.set(Some(clock.after(Duration::ZERO, 2)));
    clock.after(Duration::ZERO, 3);
    clock.turn();
    clock.turn();
    assert_eq!(clock.fired, [1, 3]);
    assert_eq!(clock.reactor.stats().panics, 0);
    clock.finish();
}

#[test]
fn a_timer_that_is_moved_fires_once_and_when_it_was_moved_to() {
    let mut clock = Clockwork::new();
    let [sooner, later, fired] =
        clock.all_after([(Duration::MAX, 1), (MS, 2), (Duration::ZERO, 3)]);
    assert!(clock.registry().rearm(later, 4 * MS));
    assert!(clock.registry().rearm(sooner, 2 * MS));
    let begun = clock.registry().now();
    clock.until_fired(3);
    assert_eq!(clock.fired, [3, 1, 2]);
    assert!(clock.registry().now() >= begun + 4 * MS, "it came too early");
    for timer in [sooner, later, fired] {
        assert!(!clock.registry().rearm(timer, MS), "it has fired");
    }
    assert_eq!(clock.reactor.next_deadline(), None);
    clock.finish();
}

/// From without its next beat moves, from within too, and the period goes on from there.
#[test]
fn a_periodic_timer_that_is_moved_goes_on_from_there() {
    let mut clock = Clockwork::new();
    let own = Rc::new(Cell::new(None));
    let itself = Rc::clone(&own);
    let hour = Duration::from_secs(3_600);
    let mut due = None;
    let beat = clock.registry().every(hour, move |registry, fired: &mut Vec<u64>| {
        let now = registry.now();
        assert!(due.is_none_or(|due| now >= due), "it beats faster than it should");
        fired.push(1);
        let delay = if fired.len() < 3 { 2 * MS } else { hour };
        assert!(registry.rearm(itself.get().expect("it was set"), delay));
        due = Some(now + delay);
    });
    let beat = beat.expect("there is room");
    own.set(Some(beat));
    assert!(clock.registry().rearm(beat, MS));
    clock.until_fired(3);
    let next = clock.reactor.next_deadline().expect("it goes on");
    assert!(next > Instant::now() + Duration::from_secs(1), "in an hour, by way of the wheel");
    assert!(clock.registry().cancel(beat));
    assert_eq!(clock.reactor.stats().panics, 0);
    clock.finish();
}

#[test]
fn a_periodic_timer_goes_on_until_it_is_cancelled() {
    let mut clock = Clockwork::new();
    let mut beats = 0;
    let mut due = clock.registry().now();
    let beat = clock.registry().every(3 * MS, move |registry, fired: &mut Vec<u64>| {
        beats += 1;
        due += 3 * MS;
        assert!(registry.now() >= due, "it beats faster than it should");
        fired.push(beats);
    });
    let beat = beat.expect("there is room");
    clock.until_fired(5);
    assert_eq!(clock.fired, [1, 2, 3, 4, 5]);
    assert!(clock.registry().cancel(beat));
    assert!(!clock.registry().cancel(beat));
    assert_eq!(clock.reactor.next_deadline(), None);
    assert_eq!(clock.reactor.stats().panics, 0);
    clock.finish();
}

#[test]
fn a_periodic_timer_may_cancel_itself() {
    let mut clock = Clockwork::new();
    let own = Rc::new(Cell::new(None));
    let id = Rc::clone(&own);
    let beat = clock.registry().every(MS, move |registry, fired: &mut Vec<u64>| {
        fired.push(fired.len() as u64);
        if fired.len() == 3 {
            let id: TimerId = id.get().expect("it was set");
            assert!(registry.cancel(id));
            assert!(!registry.cancel(id));
        }
    });
    own.set(Some(beat.expect("there is room")));
    clock.until_fired(3);
    assert_eq!(clock.reactor.next_deadline(), None);
    assert_eq!(clock.reactor.stats().panics, 0);
    assert_eq!(clock.fired, [0, 1, 2]);
    clock.finish();
}

#[test]
fn a_periodic_timer_without_a_period_beats_once_a_turn() {
    let mut clock = Clockwork::new();
    let beat = clock.registry().every(Duration::ZERO, |_, fired| fired.push(0));
    let beat = beat.expect("there is room");
    for turn in 1..=10 {
        clock.turn();
        assert_eq!(clock.fired.len(), turn);
    }
    assert!(clock.registry().cancel(beat));
    clock.finish();
}

#[test]
fn a_million_timers_fire_each_once_and_never_early() {
    const COUNT: u64 = 1_000_000;
    let mut clock = Clockwork::with_limits(Limits { timer_budget: 10_000, ..Limits::default() });
    let began = clock.registry().now();
    let mut cancelled = Vec::new();
    let registry = clock.reactor.registry();
    for number in 0..COUNT {
        // Spread over half a second, in no order.
        let delay = (number * 7_919 % 500) as u32 * MS;
        let due = registry.now() + delay;
        let set = registry.after(delay, move |registry, fired: &mut Vec<u64>| {
            assert!(registry.now() >= due, "it is early");
            fired.push(number);
        });
        if number % 2 == 1 {
            cancelled.push(set.expect("there is room"));
        }
    }
    assert_eq!(registry.stats().timers, COUNT);
    assert!(cancelled.into_iter().all(|timer| registry.cancel(timer)));
    clock.until_fired(COUNT as usize / 2);
    clock.turn();
    let stats = clock.reactor.stats();
    assert_eq!((stats.timers, stats.timers_fired, stats.panics), (0, COUNT / 2, 0), "{stats}");
    clock.fired.sort_unstable();
    assert!(clock.fired.iter().copied().eq((0..COUNT).step_by(2)));
    assert!(clock.registry().now() >= began + 499 * MS);
    clock.finish();
}

#[test]
fn what_a_budget_left_over_fires_in_the_next_turns_without_a_sleep() {
    let mut clock = Clockwork::with_limits(Limits { timer_budget: 10, ..Limits::default() });
    for number in 0..95 {
        clock.after(Duration::ZERO, number);
    }
    for turn in 1..=10 {
        assert!(clock.reactor.next_deadline().is_some_and(|next| next <= Instant::now()));
        let fired = clock.fired.len();
        clock.turn();
        assert_eq!(clock.fired.len() - fired, if turn < 10 { 10 } else { 5 });
    }
    assert!(clock.fired.iter().copied().eq(0..95));
    assert_eq!(clock.reactor.next_deadline(), None);
    clock.finish();
}

#[test]
fn a_loop_that_has_no_timers_left_says_so() {
    let mut clock = Clockwork::with_limits(Limits { timers: 2, ..Limits::default() });
    let first = clock.after(Duration::MAX, 1);
    clock.after(Duration::ZERO, 2);
    let refused = clock.registry().after(MS, |_, _| {});
    assert_eq!(refused, Err(TimersFull));
    assert_eq!(clock.registry().every(MS, |_, _| {}), Err(TimersFull));
    // One that fires makes room, and so does one that is cancelled.
    clock.until_fired(1);
    clock.after(Duration::ZERO, 3);
    assert!(clock.registry().cancel(first));
    clock.after(Duration::ZERO, 4);
    clock.until_fired(3);
    assert_eq!(clock.fired, [2, 3, 4]);
    clock.finish();
}

// ── sleeping ────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_timer_that_is_cancelled_in_a_turn_wakes_nobody() {
    let mut clock = Clockwork::new();
    let far = clock.after(Duration::from_secs(3_600), 1);
    let near = clock.after(10_000 * MS, 2);
    let cancels = clock.registry().after(Duration::ZERO, move |registry, _| {
        assert!(registry.cancel(near));
    });
    cancels.expect("there is room");
    clock.turn();
    let latest = clock.registry().now() + 10_000 * MS;
    assert!(clock.reactor.next_deadline().is_some_and(|next| next > latest));
    assert!(clock.registry().cancel(far));
    assert_eq!(clock.reactor.next_deadline(), None);
    clock.finish();
}

/// A timer that is far away moves through the levels of the wheel, which costs a turn now and then,
/// and no more.
#[test]
fn the_loop_sleeps_until_its_next_timer() {
    let mut clock = Clockwork::new();
    for delay in [3, 50, 120, 300] {
        let before = clock.reactor.stats().turns;
        let fired = clock.fired.len();
        clock.after(delay * MS, 0);
        clock.until_fired(fired + 1);
        let turns = clock.reactor.stats().turns - before;
        assert!(turns <= 5, "{turns} turns for {delay} ms");
    }
    clock.finish();
}

/// The loop has nothing to do, says so, and only a message from elsewhere ends its sleep.
#[test]
fn an_idle_loop_never_wakes_by_itself() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    assert_eq!(stage.reactor.next_deadline(), None);
    let before = stage.reactor.stats();
    let handle = stage.handle();
    let waker = std::thread::spawn(move || handle.run(|_, log: &mut Log| log.note("waker", "run")));
    // It would wait for ever.
    let _ = stage.reactor.turn(None, &mut stage.log).expect("the loop goes on");
    let after = stage.reactor.stats();
    assert!(stage.log.has("waker", "run"), "something else has ended the sleep");
    assert_eq!((after.turns - before.turns, after.events - before.events), (1, 1), "{after}");
    waker.join().expect("it does not panic").expect("the loop is running");
    drop(theirs);
    stage.until_closed("server");
}

// ── timers of connections ───────────────────────────────────────────────────────────────────

/// A server whose connection does this when it opens, and its other end.
fn with_timers(
    stage: &mut Stage,
    act: impl FnMut(&mut Transport<'_, Log>, &mut Log) + 'static,
    fired: impl FnMut(&mut Transport<'_, Log>, TimerKey, &mut Log) + 'static,
) -> std::net::TcpStream {
    let mut probe = Some(Probe::new("server").on_open(act).on_timer(fired));
    client(stage.listen(move || probe.take().expect("there is one client")))
}

#[test]
fn a_timer_has_a_key_and_setting_it_again_moves_it() {
    let mut stage = Stage::new();
    let theirs = with_timers(
        &mut stage,
        |transport, _| {
            transport.set_timer(TimerKey(1), Duration::MAX);
            transport.set_timer(TimerKey(2), 2 * MS);
            transport.set_timer(TimerKey(3), Duration::ZERO);
            transport.set_timer(TimerKey(4), 3 * MS);
            transport.set_timer(TimerKey(1), MS);
            transport.set_timer(TimerKey(3), 4 * MS);
            assert!(transport.cancel_timer(TimerKey(2)));
            assert!(!transport.cancel_timer(TimerKey(2)));
            assert!(!transport.cancel_timer(TimerKey(5)));
            assert_eq!(transport.registry().stats().timers, 3);
        },
        |transport, key, log| {
            assert!(!transport.cancel_timer(key), "it has fired");
            if key == TimerKey(3) {
                transport.close();
            }
            log.note("order", key.0.to_string());
        },
    );
    stage.until(|log| log.has("order", "3"));
    assert_eq!(stage.log.of("order"), ["1", "4", "3"]);
    assert_eq!(stage.reactor.stats().panics, 0);
    drop(theirs);
    stage.until_closed("server");
}

#[test]
fn a_timer_may_set_itself_again_and_cancel_one_that_is_due_with_it() {
    let mut stage = Stage::new();
    let mut beats = 0;
    let theirs = with_timers(
        &mut stage,
        |transport, _| {
            for key in [1, 2, 3] {
                transport.set_timer(TimerKey(key), Duration::ZERO);
            }
        },
        move |transport, key, _| {
            beats += 1;
            // Whichever of the two comes first leaves nothing to the other.
            transport.cancel_timer(TimerKey(1));
            transport.cancel_timer(TimerKey(2));
            if beats < 5 {
                transport.set_timer(key, Duration::ZERO);
            }
        },
    );
    stage.until(|log| log.of("server").len() == 6);
    stage.until_quiet();
    let told = stage.log.of("server");
    let ones = told.iter().filter(|line| **line == "timer 1" || **line == "timer 2");
    assert!(ones.count() <= 4, "{told:?}");
    assert!(!(told.contains(&"timer 1") && told.contains(&"timer 2")), "{told:?}");
    drop(theirs);
    stage.until_closed("server");
}

#[test]
fn timers_end_with_their_connection() {
    let mut stage = Stage::new();
    let _theirs = with_timers(
        &mut stage,
        |transport, _| {
            for key in 0..100 {
                transport.set_timer(TimerKey(key), Duration::from_secs(3_600));
            }
            let id = transport.id();
            // Due in the turn in which the connection ends, and behind its end.
            let set = transport.registry().after(Duration::ZERO, move |registry, _| {
                registry.abort(id).expect("it is open");
            });
            set.expect("there is room");
            transport.set_timer(TimerKey(0), Duration::ZERO);
        },
        |_, _, _| {},
    );
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close aborted"]);
    let stats = stage.reactor.stats();
    assert_eq!(stats.timers, 0, "{stats}");
}

#[test]
fn a_connection_for_which_there_is_no_timer_left_ends() {
    let mut stage = Stage::with_limits(Limits { timers: 3, ..Limits::default() });
    let _theirs = with_timers(
        &mut stage,
        |transport, _| (0..4).for_each(|key| transport.set_timer(TimerKey(key), Duration::MAX)),
        |_, _, _| {},
    );
    stage.until_closed("server");
    assert_eq!(stage.log.of("server"), ["open", "close the loop has no timers left"]);
}

#[test]
fn a_datagram_socket_has_timers_too() {
    let mut stage = Stage::new();
    let probe = DatagramProbe::new("socket").on_open(|socket, _| {
        for key in 1..=3 {
            socket.set_timer(TimerKey(key), key * MS);
        }
        socket.set_timer(TimerKey(1), 4 * MS);
        assert!(socket.cancel_timer(TimerKey(2)));
        assert!(!socket.cancel_timer(TimerKey(2)));
        socket.set_timer(TimerKey(9), Duration::MAX);
    });
    let id = stage.registry().bind_datagram(any_port(), probe).expect("it binds");
    stage.will_close_socket(id);
    stage.until(|log| log.has("socket", "timer 1"));
    assert_eq!(stage.log.of("socket"), ["open", "timer 3", "timer 1"]);
    assert_eq!(stage.reactor.stats().timers, 1);
}

/// The time does not move within a turn, so that everything in it happens at once.
#[test]
fn a_turn_has_one_time() {
    let mut stage = Stage::new();
    let times: Rc<RefCell<Vec<Instant>>> = Rc::default();
    let seen = Rc::clone(&times);
    let address = stage.listen(move || {
        let seen = Rc::clone(&seen);
        Probe::new("server").on_data(move |transport, input, _| {
            input.take_all();
            let before = transport.registry().now();
            let real = Instant::now();
            while Instant::now() == real {
                std::hint::spin_loop();
            }
            assert_eq!(transport.registry().now(), before);
            seen.borrow_mut().push(before);
        })
    });
    let mut theirs = client(address);
    for count in 1..=2 {
        theirs.write_all(b"?").expect("it has room");
        stage.until(|_| times.borrow().len() == count);
    }
    assert!(times.borrow()[0] < times.borrow()[1]);
    drop(theirs);
    stage.until_closed("server");
    assert!(stage.log.has("server", "close the peer closed the connection"));
}
