//! A loop that runs until nothing can happen in it any more.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support;
use reactor::{Address, Reactor};
use support::{Leaks, Log, NobodysPort, PATIENCE, Probe, Stage};

#[test]
fn a_client_whose_connection_is_refused_comes_to_its_end() {
    let mut stage = Stage::new();
    let nobody = NobodysPort::new();
    stage.connect(nobody.address(), Probe::new("client"));
    assert_eq!(stage.reactor.run_until_idle(&mut stage.log).expect("it goes on"), None);
    assert!(stage.log.of("client")[0].starts_with("close could not connect"), "{:?}", stage.log);
    assert!(stage.registry().is_empty());
}

#[test]
fn a_loop_without_anything_ends_at_once_and_can_be_run_again() {
    let mut stage = Stage::new();
    for _ in 0..2 {
        assert_eq!(stage.reactor.run_until_idle(&mut stage.log).expect("it goes on"), None);
    }
    assert_eq!(stage.reactor.stats().turns, 0);
}

#[test]
fn it_waits_for_closures_timers_and_offloaded_work() {
    let _leaks = Leaks::watch();
    let mut reactor = Reactor::<Vec<&str>>::new().expect("there are descriptors");
    reactor.registry().defer(|registry, seen| {
        seen.push("deferred");
        let timer = registry.after(Duration::from_millis(2), |registry, seen| {
            seen.push("timer");
            let told = registry.offload(thread::yield_now, |_, seen, _| seen.push("offloaded"));
            told.expect("there is room");
        });
        timer.expect("there is room");
    });
    assert!(!reactor.registry().is_empty());
    let mut seen = Vec::new();
    assert_eq!(reactor.run_until_idle(&mut seen).expect("it goes on"), None);
    assert_eq!(seen, ["deferred", "timer", "offloaded"]);
}

/// The last one wakes a loop that sleeps, though nothing was sent with it.
#[test]
fn it_waits_for_whoever_has_a_handle_until_the_last_is_dropped() {
    let _leaks = Leaks::watch();
    let mut reactor = Reactor::<u32>::new().expect("there are descriptors");
    let (first, second) = (reactor.handle(), reactor.handle().clone());
    assert!(!reactor.registry().is_empty());
    let (asleep, go) = mpsc::channel();
    let other = thread::spawn(move || {
        let said = first.run(move |_, count| {
            *count += 1;
            asleep.send(()).expect("the thread waits");
        });
        said.expect("the loop is there");
        drop(first);
        go.recv_timeout(PATIENCE).expect("the loop has run it");
        second.run(|_, count| *count += 1).expect("the loop is there");
    });
    let mut count = 0;
    assert_eq!(reactor.run_until_idle(&mut count).expect("it goes on"), None);
    assert_eq!(count, 2);
    other.join().expect("it did not panic");
}

#[test]
fn a_shutdown_ends_it_with_a_report() {
    let mut stage = Stage::new();
    stage.listen(|| Probe::new("server"));
    let ended = |stage: &mut Stage| stage.reactor.run_until_idle(&mut stage.log);
    stage.registry().shutdown(Duration::ZERO);
    let report = ended(&mut stage).expect("it goes on").expect("it was shut down");
    assert!(report.cut_off.is_empty());
    assert_eq!(ended(&mut stage).expect("it goes on"), None);
}

#[test]
fn it_takes_no_longer_than_it_may_and_can_go_on() {
    let mut stage = Stage::new();
    stage.listen(|| Probe::new("server"));
    for _ in 0..2 {
        let most = Duration::from_millis(2);
        assert_eq!(stage.reactor.run_until_idle_for(most, &mut stage.log).expect("it turns"), None);
        assert!(!stage.registry().is_empty(), "somebody listens");
    }
    stage.registry().shutdown(Duration::ZERO);
    let ended = stage.reactor.run_until_idle_for(PATIENCE, &mut stage.log).expect("it turns");
    assert!(ended.is_some() && stage.registry().is_empty());
}

#[test]
fn listeners_and_datagram_sockets_keep_it_going() {
    let _leaks = Leaks::watch();
    let mut reactor = Reactor::<Log>::new().expect("there are descriptors");
    let nowhere: Address = "127.0.0.1:0".parse().expect("an address");
    let listener = reactor.registry().listen(nowhere, |_, _| Probe::new("server"));
    let listener = listener.expect("it can listen");
    let closer = reactor.registry().after(Duration::from_millis(2), move |registry, _| {
        registry.close_listener(listener).expect("it listens");
    });
    closer.expect("there is room");
    assert_eq!(reactor.run_until_idle(&mut Log::default()).expect("it goes on"), None);
    assert_eq!(reactor.stats().timers_fired, 1);
}
