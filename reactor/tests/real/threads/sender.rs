//! Senders of messages of one type: nothing is lost, reordered or doubled, and nobody else has to wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use reactor::{Limits, PostError, Reactor, Registry, Sender};

use super::support::*;

fn numbers(limits: Limits) -> (Reactor<Vec<u64>>, Vec<u64>, Leaks) {
    let leaks = Leaks::watch();
    (Reactor::with_limits(limits).expect("there are descriptors for a loop"), Vec::new(), leaks)
}

fn sender(reactor: &Reactor<Vec<u64>>, limit: usize) -> Sender<Vec<u64>, u64> {
    reactor.handle().sender(limit, |_, told: &mut Vec<u64>, number| told.push(number))
}

/// Hazard 15, as for the handle itself. The loop sleeps as deeply as it may: a wake-up that is lost is lost for good.
#[test]
fn nothing_that_many_threads_send_is_lost_and_each_keeps_its_order() {
    many_threads_send::<4, 5_000>(usize::MAX, |sender, number| {
        sender.send(number).expect("there is room");
    });
}

/// There is room for one, so nearly each of them waits; and a wake-up that is lost is lost for good.
#[test]
fn those_who_wait_for_room_are_let_in_and_keep_their_order() {
    many_threads_send::<3, 1_000>(1, |sender, number| {
        sender.send_blocking(number).expect("the loop runs");
    });
}

fn many_threads_send<const THREADS: u64, const MESSAGES: u64>(
    limit: usize,
    send: fn(&Sender<Vec<u64>, u64>, u64),
) {
    let (mut reactor, mut told, leaks) = numbers(Limits::default());
    let sender = sender(&reactor, limit);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let sender = sender.clone();
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    send(&sender, thread * MESSAGES + number);
                }
            })
        })
        .collect();
    until(&mut reactor, &mut told, |told, _| told.len() as u64 == THREADS * MESSAGES);
    for thread in 0..THREADS {
        let own = thread * MESSAGES..(thread + 1) * MESSAGES;
        assert!(told.iter().copied().filter(|number| own.contains(number)).eq(own.clone()));
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    drop(sender);
    leaks.check(reactor);
}

/// Each waits for the answer before it sends again, by when the loop sleeps or is about to.
#[test]
fn nothing_is_lost_that_comes_when_the_loop_is_about_to_sleep() {
    const MESSAGES: u64 = 2_000;
    let (mut reactor, mut told, leaks) = numbers(Limits::default());
    let (answer, answered) = mpsc::channel();
    let receive = move |_: &mut Registry<Vec<u64>>, told: &mut Vec<u64>, number: u64| {
        told.push(number);
        answer.send(number).expect("the thread waits for it");
    };
    let sender = reactor.handle().sender(1, receive);
    let thread = thread::spawn(move || {
        for number in 0..MESSAGES {
            sender.send(number).expect("there is room");
            assert_eq!(answered.recv_timeout(PATIENCE), Ok(number));
        }
    });
    until(&mut reactor, &mut told, |told, _| told.len() as u64 == MESSAGES);
    thread.join().expect("it does not panic");
    leaks.check(reactor);
}

#[test]
fn a_queue_that_is_full_and_a_loop_that_has_ended_hand_the_message_back() {
    let (mut reactor, mut told, leaks) = numbers(Limits::default());
    let sender = sender(&reactor, 2);
    assert!(sender.send(1).is_ok() && sender.send(2).is_ok());
    assert!(matches!(sender.send(3), Err(PostError::Full(3))));
    until(&mut reactor, &mut told, |told, _| *told == [1, 2]);
    sender.send(4).expect("there is room again");
    assert_eq!(sender.take_undelivered(), Vec::<u64>::new(), "the loop is there");
    leaks.check(reactor);
    assert!(matches!(sender.send(5), Err(PostError::Ended(5))));
    assert_eq!(sender.take_undelivered(), [4]);
}

/// What a loop has taken and not received goes back in front of what came later.
#[test]
fn what_waited_when_the_loop_ended_can_be_taken_back_in_order() {
    let limits = Limits { task_budget: 2, ..Limits::default() };
    let (mut reactor, mut told, leaks) = numbers(limits);
    let sender = sender(&reactor, usize::MAX);
    (0..5).for_each(|number| sender.send(number).expect("there is room"));
    let turn = reactor.turn(Some(Duration::ZERO), &mut told).expect("the loop goes on");
    assert!(turn.is_running());
    assert_eq!(told, [0, 1], "its budget");
    sender.send(5).expect("there is room");
    drop(reactor);
    assert_eq!(sender.take_undelivered(), [2, 3, 4, 5]);
    drop(sender);
    drop(leaks);
}

#[test]
fn a_message_at_which_the_loop_panics_is_gone_and_the_next_one_follows() {
    silence_panics();
    let (mut reactor, mut told, leaks) = numbers(Limits::default());
    let sender = reactor.handle().sender(10, |_, told: &mut Vec<u64>, number| match number {
        1 => panic!("on purpose"),
        number => told.push(number),
    });
    (0..3).for_each(|number| sender.send(number).expect("there is room"));
    until(&mut reactor, &mut told, |told, _| *told == [0, 2]);
    assert_eq!(reactor.stats().panics, 1);
    drop(sender);
    leaks.check(reactor);
}

/// A loop that is told without end serves its connections, and others' closures, all the same.
#[test]
fn who_sends_without_end_holds_nobody_up() {
    let (mut reactor, mut told, leaks) = numbers(Limits::default());
    let (sender, handle) = (sender(&reactor, 1_000), reactor.handle());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            let _ = sender.send(0);
        }
    });
    until(&mut reactor, &mut told, |told, _| told.len() > 10_000);
    handle.run(|_, told: &mut Vec<u64>| told.push(1)).map_err(drop).expect("there is room");
    until(&mut reactor, &mut told, |told, _| told.contains(&1));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it does not panic");
    drop(handle);
    leaks.check(reactor);
}

/// Once before the loop has looked at all, once while it is in the middle of what was sent, and once after its end.
#[test]
fn who_waits_for_room_gets_the_message_back_when_the_loop_ends() {
    for turns in 0..3 {
        let (mut reactor, mut told, leaks) =
            numbers(Limits { task_budget: 1, ..Limits::default() });
        let sender = sender(&reactor, 2);
        let (waiting, waits) = mpsc::channel();
        let thread = thread::spawn(move || {
            for number in 0.. {
                waiting.send(number).expect("the test counts");
                if let Err(error) = sender.send_blocking(number) {
                    return (number, error, sender.take_undelivered());
                }
            }
            unreachable!("there are fewer numbers in the world");
        });
        // The third has to wait: the loop is still, or takes two with one look and receives one a turn.
        for expected in 0..3 {
            assert_eq!(waits.recv_timeout(PATIENCE), Ok(expected));
        }
        for _ in 0..turns {
            let _ = reactor.turn(Some(Duration::ZERO), &mut told).expect("it turns");
        }
        leaks.check(reactor);
        let (number, error, left) = thread.join().expect("it does not panic");
        assert_eq!(error, PostError::Ended(number));
        told.extend(left);
        assert!(told.iter().copied().eq(0..number), "{told:?} and {number}");
    }
}
