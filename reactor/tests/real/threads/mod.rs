//! Other threads: nothing they leave for the loop is lost, reordered, or more than it can take; and
//! what the loop has others do comes back to it.

mod hand_off;
mod loops;
mod sender;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::support;
use bytes::Bytes;
use reactor::{Handle, Limits, OffloadError, PostError, Reactor, Registry, Undelivered};
use support::*;

/// A loop that is told numbers.
fn counting(limits: Limits) -> (Reactor<Vec<u64>>, Vec<u64>, Leaks) {
    let leaks = Leaks::watch();
    let reactor = Reactor::with_limits(limits).expect("there are descriptors for a loop");
    (reactor, Vec::new(), leaks)
}

/// Leaves a message that writes down a number.
fn tell(handle: &Handle<Vec<u64>>, number: u64) -> Result<(), ()> {
    handle.run(move |_, told: &mut Vec<u64>| told.push(number)).map_err(drop)
}

// ── messages ────────────────────────────────────────────────────────────────────────────────

#[test]
fn messages_of_one_thread_run_in_their_order_and_wake_a_loop_that_sleeps() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let mut theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    stage.until_quiet();
    let (id, handle) = (stage.log.id("server"), stage.handle());
    let other = thread::spawn(move || {
        handle.send(id, Bytes::from_static(b"one ")).expect("the loop is running");
        let two = move |registry: &mut Registry<Log>, log: &mut Log| {
            log.note("other", "run");
            let _ = registry.send(id, Bytes::from_static(b"two ")).expect("it is open");
        };
        handle.run(two).expect("the loop is running");
        handle.send(id, Bytes::from_static(b"three")).expect("the loop is running");
        handle.close(id).expect("the loop is running");
        handle.send(id, Bytes::from_static(b"too late")).expect("the loop is running");
    });
    let peer = stage.peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).expect("it says goodbye");
        all
    });
    assert_eq!(stage.join(peer), b"one two three");
    stage.until_closed("server");
    other.join().expect("it does not panic");
    assert_eq!(stage.log.of("server"), ["open", "close closed"]);
    let is_discarded = |stage: &mut Stage, bytes| {
        until(&mut stage.reactor, &mut stage.log, |_, registry| {
            registry.stats().discarded_bytes == bytes
        });
    };
    is_discarded(&mut stage, 8);

    // The id is stale, which nobody is there to be told.
    stage.handle().send(id, Bytes::from_static(b"much too late")).expect("the loop is running");
    stage.handle().close(id).expect("the loop is running");
    is_discarded(&mut stage, 8 + 13);
}

/// Hazard 15: a message is stored before the loop is woken, and the flag that says so is cleared
/// before the messages are taken; the other way round one of them is lost, sooner or later.
#[test]
fn nothing_that_many_threads_leave_is_lost_and_each_keeps_its_order() {
    const THREADS: u64 = 8;
    const MESSAGES: u64 = 5_000;
    let (mut reactor, mut told, leaks) = counting(Limits::default());
    let threads: Vec<_> = (0..THREADS)
        .map(|producer| {
            let handle = reactor.handle();
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    tell(&handle, producer * MESSAGES + number).expect("there is room");
                }
            })
        })
        .collect();
    // It sleeps as deeply as it may: a wake-up that is lost is lost for good.
    until(&mut reactor, &mut told, |told, _| told.len() as u64 == THREADS * MESSAGES);
    for producer in 0..THREADS {
        let own = producer * MESSAGES..(producer + 1) * MESSAGES;
        assert!(told.iter().copied().filter(|number| own.contains(number)).eq(own.clone()));
    }
    let stats = reactor.stats();
    assert_eq!(stats.tasks, THREADS * MESSAGES, "{stats}");
    assert!(stats.wakeups <= stats.tasks, "{stats}");
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    leaks.check(reactor);
}

/// Hazard 15, at the edge of sleep: each thread waits for the answer before it leaves the next message,
/// by when the loop sleeps, or is about to, or has just been woken by another.
#[test]
fn nothing_is_lost_that_comes_when_the_loop_is_about_to_sleep() {
    const THREADS: u64 = 3;
    const MESSAGES: u64 = 2_000;
    let (mut reactor, mut told, leaks) = counting(Limits::default());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let handle = reactor.handle();
            thread::spawn(move || {
                let (answer, answered) = mpsc::channel();
                for number in 0..MESSAGES {
                    let answer = answer.clone();
                    let message = move |_: &mut Registry<_>, told: &mut Vec<u64>| {
                        told.push(number);
                        answer.send(number).expect("the thread waits for it");
                    };
                    handle.run(message).map_err(drop).expect("there is room");
                    assert_eq!(answered.recv_timeout(PATIENCE), Ok(number));
                }
            })
        })
        .collect();
    until(&mut reactor, &mut told, |told, _| told.len() as u64 == THREADS * MESSAGES);
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    leaks.check(reactor);
}

/// Hazard 15, where the wake-up comes while the loop is about something else: some pollers forget it
/// over a socket that is registered, or taken out, before they wait again.
#[test]
fn a_message_is_not_forgotten_over_a_socket_that_comes_or_goes_before_the_loop_waits() {
    let mut stage = Stage::new();
    let handle = stage.handle();
    for round in 1..=3 {
        handle.run(|_, log| log.note("message", "run")).expect("there is room");
        stage.listen(|| Probe::new("server"));
        stage.until(|log| log.count("message", "run") == 2 * round - 1);
        let address = any_port();
        let id = stage.registry().bind_datagram(address, DatagramProbe::new("socket"));
        handle.run(|_, log| log.note("message", "run")).expect("there is room");
        drop(stage.registry().detach_socket(id.expect("it binds")));
        stage.until(|log| log.count("message", "run") == 2 * round);
    }
}

/// Hazard 15: waking the loop is a system call. While it is awake, or has been woken, nobody makes it.
#[test]
fn messages_that_come_while_the_loop_is_busy_wake_it_once() {
    const THREADS: usize = 8;
    const MESSAGES: u64 = 1_000;
    let (mut reactor, mut told, leaks) = counting(Limits::default());
    let (begin, done) = (Arc::new(Barrier::new(THREADS + 1)), Arc::new(Barrier::new(THREADS + 1)));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (begin, done) = (Arc::clone(&begin), Arc::clone(&done));
            let handle = reactor.handle();
            thread::spawn(move || {
                begin.wait();
                for number in 0..MESSAGES {
                    tell(&handle, number).expect("there is room");
                }
                done.wait();
            })
        })
        .collect();
    // The loop is in a callback for as long as they write.
    let busy = reactor.handle().run(move |_, _| {
        begin.wait();
        done.wait();
    });
    busy.map_err(drop).expect("there is room");
    until(&mut reactor, &mut told, |told, _| told.len() == THREADS * MESSAGES as usize);
    let stats = reactor.stats();
    assert_eq!(stats.tasks, THREADS as u64 * MESSAGES + 1, "{stats}");
    assert!(stats.wakeups <= 2, "{stats}");
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    leaks.check(reactor);
}

#[test]
fn messages_beyond_the_budget_wait_for_the_next_turn_and_stay_in_order() {
    let limits = Limits { task_budget: 10, ..Limits::default() };
    let (mut reactor, mut told, leaks) = counting(limits);
    let handle = reactor.handle();
    (0..95).try_for_each(|number| tell(&handle, number)).expect("there is room");
    for turn in 1..=10 {
        let before = told.len();
        let _ = reactor.turn(Some(PATIENCE), &mut told).expect("the loop goes on");
        assert_eq!(told.len() - before, if turn < 10 { 10 } else { 5 });
        if turn == 5 {
            // They come behind those that wait.
            (95..100).try_for_each(|number| tell(&handle, number)).expect("there is room");
        }
    }
    until(&mut reactor, &mut told, |told, _| told.len() == 100);
    assert!(told.into_iter().eq(0..100));
    leaks.check(reactor);
}

#[test]
fn what_was_deferred_runs_in_the_next_turn_within_the_budget() {
    let limits = Limits { task_budget: 10, ..Limits::default() };
    let (mut reactor, mut told, leaks) = counting(limits);
    for number in 0..15 {
        reactor.registry().defer(move |registry, told: &mut Vec<u64>| {
            told.push(number);
            // Deferred while it runs, it is not of this turn.
            registry.defer(move |_, told: &mut Vec<u64>| told.push(100 + number));
        });
    }
    let expected: Vec<u64> = (0..15).chain(100..115).collect();
    for count in [10, 20, 30] {
        let _ = reactor.turn(None, &mut told).expect("the loop goes on");
        assert_eq!(told, expected[..count]);
    }
    assert_eq!(reactor.stats().tasks, 30);
    leaks.check(reactor);
}

#[test]
fn a_mailbox_that_is_full_hands_messages_back_but_never_a_shutdown() {
    let limits = Limits { tasks: 10, ..Limits::default() };
    let (mut reactor, mut told, leaks) = counting(limits);
    let handle = reactor.handle();
    (0..10).try_for_each(|number| tell(&handle, number)).expect("there is room");
    let refused = handle.run(|_, told: &mut Vec<u64>| told.push(10)).expect_err("it is full");
    assert_eq!(
        format!("{refused:?} {refused}"),
        "too many messages wait for the loop too many messages wait for the loop"
    );
    // What comes back is the closure itself.
    refused.into_inner()(reactor.registry(), &mut told);
    assert_eq!(told, [10]);
    let _ = reactor.turn(None, &mut told).expect("the loop goes on");
    assert!(told[1..].iter().copied().eq(0..10));

    (11..21).try_for_each(|number| tell(&handle, number)).expect("there is room again");
    handle.shutdown(Duration::ZERO).expect("it is never refused");
    let report = reactor.run(&mut told).expect("the loop goes on");
    assert_eq!((report.finished, report.cut_off.len()), (0, 0));
    assert_eq!(told.len(), 21);
    leaks.check(reactor);
}

#[test]
fn a_mailbox_that_is_full_hands_back_bytes_and_ids() {
    let mut stage = Stage::with_limits(Limits { tasks: 1, ..Limits::default() });
    let address = stage.listen(|| Probe::new("server"));
    let theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    let (id, handle) = (stage.log.id("server"), stage.handle());
    handle.run(|_, _| {}).expect("there is room");
    let bytes = Bytes::from_static(b"one too many");
    assert_eq!(handle.send(id, bytes.clone()), Err(PostError::Full(bytes)));
    assert_eq!(handle.close(id), Err(PostError::Full(id)));
    drop(theirs);
    stage.until_closed("server");
}

#[test]
fn a_shutdown_from_another_thread_ends_the_loop_with_a_report() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let mut theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    let handle = stage.handle();
    let other = thread::spawn(move || {
        handle.shutdown(PATIENCE).expect("the loop is running");
        theirs.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    let report = stage.reactor.run(&mut stage.log).expect("the loop goes on");
    assert_eq!((report.finished, report.cut_off.len(), report.bytes_lost), (1, 0, 0), "{report}");
    other.join().expect("it does not panic");
    assert_eq!(stage.log.of("server"), ["open", "shutdown", "close closed"]);
}

// ── when the loop has ended ─────────────────────────────────────────────────────────────────

#[test]
fn a_loop_that_has_ended_hands_everything_back() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    drop(client(address));
    stage.until_closed("server");
    let id = stage.log.end("server").expect("it has ended").id;
    let handle = stage.handle();
    drop(stage);

    let bytes = Bytes::from_static(b"nobody is there");
    assert_eq!(handle.send(id, bytes.clone()), Err(PostError::Ended(bytes)));
    assert_eq!(handle.close(id), Err(PostError::Ended(id)));
    assert_eq!(handle.shutdown(PATIENCE), Err(PostError::Ended(PATIENCE)));
    let refused = handle.run(|_, log: &mut Log| log.note("closure", "run"));
    let refused = refused.expect_err("the loop has ended");
    assert_eq!(format!("{refused:?} {refused}"), "the loop has ended the loop has ended");
    assert!(handle.take_undelivered().is_empty());
}

/// Some were taken out of the mailbox already, and waited for their turn.
#[test]
fn what_waited_when_the_loop_ended_can_be_taken_back_in_order() {
    let mut stage = Stage::with_limits(Limits { task_budget: 2, ..Limits::default() });
    let address = stage.listen(|| Probe::new("server"));
    drop(client(address));
    stage.until_closed("server");
    let id = stage.log.end("server").expect("it has ended").id;
    let handle = stage.handle();
    let tell = |number: u64| {
        let message = move |_: &mut Registry<Log>, log: &mut Log| {
            log.note("told", number.to_string());
        };
        handle.run(message).map_err(drop).expect("there is room");
    };
    (0..3).for_each(tell);
    handle.send(id, Bytes::from_static(b"bytes")).expect("there is room");
    let _ = stage.reactor.turn(None, &mut stage.log).expect("the loop goes on");
    assert_eq!(stage.log.of("told"), ["0", "1"]);
    handle.close(id).expect("there is room");
    tell(3);
    handle.shutdown(PATIENCE).expect("the loop is running");
    assert!(handle.take_undelivered().is_empty(), "the loop is running");
    drop(stage);

    // `finish` has turned it once or twice more to close the listener, at two messages a turn.
    let mut left: Vec<Undelivered<Log>> = handle.take_undelivered();
    assert!(handle.take_undelivered().is_empty(), "they are taken once");
    assert!(left.len() <= 5);
    left.reverse();
    let text: Vec<String> = left.iter().map(|message| format!("{message:?}")).collect();
    let all = ["Shutdown(10s)", "Run(..)", &format!("Close({id:?})"), "Send", "Run(..)"];
    for (text, expected) in text.iter().zip(all) {
        assert!(text.starts_with(expected), "{text:?}");
    }
}

/// The closures that come back still do what they were made for.
/// A map over the loops of a process must not take a connection of one for a connection of another.
#[test]
fn ids_of_two_loops_are_never_equal_and_mean_nothing_to_the_other() {
    let leaks = Leaks::watch();
    let loops = || Reactor::<Log>::new().expect("there are descriptors for a loop");
    let (mut one, mut other, mut log) = (loops(), loops(), Log::default());
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = server.local_addr().expect("it is bound");
    let (mut ids, mut timers) = (HashSet::new(), HashSet::new());
    for _ in 0..100 {
        for registry in [one.registry(), other.registry()] {
            let id = registry.connect(address.into(), Probe::new("client")).expect("it begins");
            let timer = registry.after(Duration::MAX, |_, _| {}).expect("there is room");
            assert!(ids.insert(id), "{id} was there before");
            assert!(timers.insert(timer), "{timer} was there before");
        }
        for reactor in [&mut one, &mut other] {
            let known: Vec<_> =
                ids.iter().filter(|id| reactor.registry().is_connected(**id)).copied().collect();
            let [mine] = known[..] else { panic!("{known:?}") };
            reactor.registry().abort(mine).expect("it is connected");
            until(reactor, &mut log, |_, registry| registry.snapshot().sockets.is_empty());
        }
    }
    for reactor in [&mut one, &mut other] {
        let cancelled = timers.iter().filter(|timer| reactor.registry().cancel(**timer));
        assert_eq!(cancelled.count(), 100);
    }
    drop((server, one));
    leaks.check(other);
}

#[test]
fn a_closure_that_was_taken_back_runs_on_another_loop() {
    let (reactor, _, leaks) = counting(Limits::default());
    let handle = reactor.handle();
    (0..100).try_for_each(|number| tell(&handle, number)).expect("there is room");
    drop(reactor);
    let mut told = Vec::new();
    let mut other = Reactor::<Vec<u64>>::new().expect("there are descriptors for a loop");
    for message in handle.take_undelivered() {
        let Undelivered::Run(task) = message else {
            panic!("there was nothing else");
        };
        task(other.registry(), &mut told);
    }
    assert!(told.into_iter().eq(0..100));
    leaks.check(other);
}

/// However the end of the loop and the messages fall together, each is run, handed back at once, or
/// left to be taken back.
#[test]
fn nothing_is_lost_when_the_loop_ends_while_others_write() {
    const THREADS: u64 = 4;
    for _ in 0..20 {
        let (mut reactor, mut told, leaks) = counting(Limits::default());
        let back = Arc::new(AtomicUsize::new(0));
        let sent = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (handle, back, sent) = (reactor.handle(), Arc::clone(&back), Arc::clone(&sent));
                thread::spawn(move || {
                    while tell(&handle, 0).is_ok() {
                        sent.fetch_add(1, Ordering::Relaxed);
                        thread::yield_now();
                    }
                    back.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        until(&mut reactor, &mut told, |told, _| told.len() > 100);
        let handle = reactor.handle();
        drop(reactor);
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        let left = handle.take_undelivered().len();
        assert_eq!(back.load(Ordering::Relaxed) as u64, THREADS, "each was refused once");
        assert_eq!(told.len() + left, sent.load(Ordering::Relaxed));
        drop(handle);
        drop(leaks);
    }
}

// ── work for other threads ──────────────────────────────────────────────────────────────────

#[test]
fn offloaded_work_runs_elsewhere_and_its_completion_on_the_loop() {
    let (mut reactor, mut told, leaks) = counting(Limits::default());
    let own = thread::current().id();
    let offloaded = reactor.registry().offload(
        move || {
            assert_ne!(thread::current().id(), own);
            42
        },
        move |registry, told: &mut Vec<u64>, result| {
            assert_eq!(thread::current().id(), own);
            told.push(result.expect("it did not panic"));
            // And from there on to the next.
            let next = registry.offload(
                || "43".parse(),
                |_, told, result| {
                    told.push(result.expect("it did not panic").expect("it is a number"));
                },
            );
            next.expect("there is room");
        },
    );
    offloaded.expect("there is room");
    until(&mut reactor, &mut told, |told, _| told.len() == 2);
    assert_eq!(told, [42, 43]);
    assert_eq!(reactor.stats().panics, 0);
    leaks.check(reactor);
}

#[test]
fn offloaded_work_that_panics_says_so_and_takes_nobody_with_it() {
    silence_panics();
    let leaks = Leaks::watch();
    let limits = Limits { offload_threads: 1, ..Limits::default() };
    let mut reactor = Reactor::<Vec<OffloadError>>::with_limits(limits).expect("it begins");
    let registry = reactor.registry();
    registry
        .offload(
            || panic!("on purpose"),
            |_, errors: &mut Vec<_>, result: Result<(), _>| {
                errors.extend(result.err());
            },
        )
        .expect("there is room");
    let number = 7;
    registry
        .offload(
            move || {
                if number > 0 {
                    panic!("on purpose: {number}")
                }
            },
            |_, errors: &mut Vec<_>, result| errors.extend(result.err()),
        )
        .expect("there is room");
    // The one thread there is has survived both.
    registry
        .offload(
            || (),
            |_, errors: &mut Vec<_>, result| assert!(result.is_ok() && errors.len() == 2),
        )
        .expect("there is room");
    let mut errors = Vec::new();
    until(&mut reactor, &mut errors, |_, registry| registry.stats().tasks == 3);
    let expected = ["on purpose", "on purpose: 7"];
    assert_eq!(errors, expected.map(|text| OffloadError::Panicked(text.to_owned())));
    assert_eq!(errors[0].to_string(), "offloaded work panicked: on purpose");
    assert_eq!(reactor.stats().panics, 0, "the loop itself had none");
    leaks.check(reactor);
}

#[test]
fn offloaded_work_completes_however_much_there_is_of_it_on_a_few_threads() {
    const JOBS: u64 = 1_000;
    const THREADS: usize = 3;
    let limits = Limits { offload_threads: THREADS, ..Limits::default() };
    let (mut reactor, mut told, leaks) = counting(limits);
    let (at_once, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for number in 0..JOBS {
        let (at_once, peak) = (Arc::clone(&at_once), Arc::clone(&peak));
        let offloaded = reactor.registry().offload(
            move || {
                let working = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                peak.fetch_max(working, Ordering::SeqCst);
                thread::yield_now();
                at_once.fetch_sub(1, Ordering::SeqCst);
                number
            },
            |_, told: &mut Vec<u64>, result| told.extend(result),
        );
        offloaded.expect("there is room");
    }
    until(&mut reactor, &mut told, |told, _| told.len() as u64 == JOBS);
    told.sort_unstable();
    assert!(told.into_iter().eq(0..JOBS));
    let peak = peak.load(Ordering::SeqCst);
    assert!((1..=THREADS).contains(&peak), "{peak} at once");
    leaks.check(reactor);
}

/// All threads of the pool are of use: work that waits for other work would hang otherwise.
#[test]
fn offloaded_work_runs_side_by_side() {
    const THREADS: usize = 4;
    let limits = Limits { offload_threads: THREADS, ..Limits::default() };
    let (mut reactor, mut told, leaks) = counting(limits);
    let together = Arc::new(Barrier::new(THREADS));
    for _ in 0..THREADS {
        let together = Arc::clone(&together);
        let offloaded = reactor
            .registry()
            .offload(move || together.wait().is_leader(), |_, told: &mut Vec<u64>, _| told.push(1));
        offloaded.expect("there is room");
    }
    until(&mut reactor, &mut told, |told, _| told.len() == THREADS);
    leaks.check(reactor);
}

#[test]
fn more_work_than_may_wait_is_refused_and_there_is_room_again_when_some_is_done() {
    let limits = Limits { offloads: 2, offload_threads: 1, ..Limits::default() };
    let (mut reactor, mut told, leaks) = counting(limits);
    let (release, gate) = mpsc::channel::<()>();
    let done = |_: &mut Registry<Vec<u64>>, told: &mut Vec<u64>, result: Result<u64, _>| {
        told.extend(result);
    };
    let registry = reactor.registry();
    let waiting = registry.offload(move || gate.recv().map_or(1, |()| 1), done);
    waiting.expect("there is room");
    registry.offload(|| 2, done).expect("there is room");
    assert_eq!(registry.offload(|| 3, done), Err(PostError::Full(())));
    release.send(()).expect("it waits");
    until(&mut reactor, &mut told, |told, _| told.len() == 2);
    reactor.registry().offload(|| 4, done).expect("there is room again");
    until(&mut reactor, &mut told, |told, _| told.len() == 3);
    assert_eq!(told, [1, 2, 4]);
    leaks.check(reactor);
}

/// The result has nobody to go to, and its completion never runs; what both held is dropped.
#[test]
fn a_loop_may_end_while_its_work_is_being_done() {
    let limits = Limits { offload_threads: 1, ..Limits::default() };
    let (mut reactor, _, leaks) = counting(limits);
    let (release, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel::<()>();
    let held = Arc::new(());
    let in_completion = Arc::clone(&held);
    let in_queue = Arc::clone(&held);
    let registry = reactor.registry();
    let working = registry.offload(
        move || {
            begun.send(()).expect("the test waits");
            gate.recv()
        },
        move |_, _, _| panic!("the loop has ended, {in_completion:?}"),
    );
    working.expect("there is room");
    registry.offload(move || drop(in_queue), |_, _, _| {}).expect("there is room");
    has_begun.recv().expect("it begins");
    let handle = reactor.handle();
    drop(reactor);
    assert!(handle.take_undelivered().is_empty());
    release.send(()).expect("it waits");
    let deadline = Instant::now() + PATIENCE;
    while Arc::strong_count(&held) > 1 {
        assert!(Instant::now() < deadline, "something holds on to it");
        thread::yield_now();
    }
    drop(handle);
    drop(leaks);
}

/// The threads that did its work end with the loop.
#[test]
fn no_thread_outlives_its_loop() {
    const THREADS: usize = 3;
    struct Farewell(mpsc::Sender<()>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits");
        }
    }
    thread_local! {
        static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
    }
    let limits = Limits { offload_threads: THREADS, ..Limits::default() };
    let (mut reactor, mut told, leaks) = counting(limits);
    let (farewell, farewells) = mpsc::channel();
    let together = Arc::new(Barrier::new(THREADS));
    for _ in 0..THREADS {
        let (farewell, together) = (farewell.clone(), Arc::clone(&together));
        let work = move || {
            FAREWELL.set(Some(Farewell(farewell)));
            together.wait().is_leader()
        };
        let offloaded = reactor.registry().offload(work, |_, told: &mut Vec<u64>, _| told.push(1));
        offloaded.expect("there is room");
    }
    until(&mut reactor, &mut told, |told, _| told.len() == THREADS);
    assert!(farewells.try_recv().is_err(), "they wait for more");
    leaks.check(reactor);
    for _ in 0..THREADS {
        farewells.recv_timeout(PATIENCE).expect("it ends");
    }
}

/// A handle is made to be given away.
#[test]
fn a_handle_is_for_every_thread() {
    fn anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    let (reactor, _, leaks) = counting(Limits::default());
    let handle = reactor.handle();
    anywhere(&handle);
    let same = handle.clone();
    assert_eq!(format!("{same:?}"), "Handle { .. }");
    drop((handle, same));
    leaks.check(reactor);
}

/// One loop a thread, each with its own connections, talking by way of their handles.
#[test]
fn two_loops_on_two_threads_reach_each_other() {
    let mut stage = Stage::new();
    let address = stage.listen(|| {
        Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()))
    });
    let here = stage.handle();
    let (tell, other) = mpsc::channel();
    let there = thread::spawn(move || {
        let mut reactor = Reactor::<Vec<u64>>::new().expect("there are descriptors for a loop");
        tell.send(reactor.handle()).expect("the test waits");
        let mut told = Vec::new();
        reactor.run(&mut told).expect("the loop goes on");
        told
    });
    let other: Handle<Vec<u64>> = other.recv().expect("it begins");
    let mut theirs = client(address);
    theirs.write_all(b"hello").expect("it has room");
    stage.until(|log| log.bytes("server") == b"hello");
    // There and back again.
    let back = move |_: &mut Registry<Vec<u64>>, told: &mut Vec<u64>| {
        told.push(1);
        here.run(|_, log: &mut Log| log.note("other", "answers")).expect("the loop is running");
    };
    other.run(back).map_err(drop).expect("the other loop is running");
    stage.until(|log| log.has("other", "answers"));
    other.shutdown(Duration::ZERO).expect("the other loop is running");
    assert_eq!(there.join().expect("it does not panic"), [1]);
    drop((theirs, other));
    stage.until_closed("server");
}
