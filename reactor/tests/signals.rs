//! Signals as events of the loop (feature `signals`). A program of its own, since signals belong to
//! the process.

#![cfg(all(unix, feature = "signals"))]

mod support;

use std::io::Read;
use std::time::Duration;

use reactor::{Reactor, Signal};
use rustix::process::{Signal as Number, getpid, kill_process};
use support::*;

/// Sends a signal to this process, as `kill` does.
fn kill(signal: Number) {
    kill_process(getpid(), signal).expect("it is allowed");
}

/// Has a signal write its name down.
fn listen_to(stage: &mut Stage, signal: Signal, name: &'static str) {
    let set = stage.registry().on_signal(signal, move |_, log| log.note("signal", name));
    set.expect("there are descriptors");
}

#[test]
fn a_signal_wakes_the_loop_and_runs_its_closure_instead_of_what_it_does_by_default() {
    let mut stage = Stage::new();
    // By default each of them would end the process.
    listen_to(&mut stage, Signal::User1, "user1");
    listen_to(&mut stage, Signal::Hangup, "hangup");
    listen_to(&mut stage, Signal::Interrupt, "interrupt");
    listen_to(&mut stage, Signal::Terminate, "terminate");
    stage.until_quiet();
    for (signal, name) in [
        (Number::HUP, "hangup"),
        (Number::TERM, "terminate"),
        (Number::USR1, "user1"),
        (Number::INT, "interrupt"),
        (Number::USR1, "user1"),
    ] {
        let before = stage.log.of("signal").len();
        let other = std::thread::spawn(move || kill(signal));
        // It sleeps until the signal comes; that one interrupts it is not an error.
        stage.until(|log| log.of("signal").len() > before);
        assert_eq!(stage.log.of("signal").last(), Some(&name));
        other.join().expect("it does not panic");
    }
    stage.until_quiet();
    assert_eq!(stage.log.of("signal").len(), 5);
}

#[test]
fn signals_of_one_kind_that_come_together_are_told_once_and_of_several_kinds_each() {
    let mut stage = Stage::new();
    listen_to(&mut stage, Signal::User1, "user1");
    listen_to(&mut stage, Signal::Hangup, "hangup");
    for _ in 0..100 {
        // On this very thread, so that they have arrived when the call returns.
        signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).expect("it is allowed");
    }
    signal_hook::low_level::raise(signal_hook::consts::SIGHUP).expect("it is allowed");
    stage.until(|log| log.of("signal").len() >= 2);
    stage.until_quiet();
    let mut told = stage.log.of("signal");
    told.sort_unstable();
    assert_eq!(told, ["hangup", "user1"]);
}

/// What a server does with Ctrl-C.
#[test]
fn a_signal_may_shut_the_loop_down() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server"));
    let mut theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    let set = stage.registry().on_signal(Signal::Terminate, |registry, _| {
        registry.shutdown(PATIENCE);
    });
    set.expect("there are descriptors");
    let other = std::thread::spawn(move || {
        kill(Number::TERM);
        theirs.read_to_end(&mut Vec::new()).expect("it says goodbye")
    });
    let report = stage.reactor.run(&mut stage.log).expect("the loop goes on");
    assert_eq!((report.finished, report.cut_off.len()), (1, 0), "{report}");
    other.join().expect("it does not panic");
}

/// The first lets those finish who are there, and the second is from somebody who does not want to wait.
#[test]
fn the_second_signal_that_ends_a_server_cuts_off_who_has_not_finished() {
    let mut stage = Stage::new();
    let address = stage.listen(|| Probe::new("server").on_shutdown(|_, _| {}));
    let _theirs = client(address);
    stage.until(|log| log.has("server", "open"));
    // Who waits for the grace to pass would wait for longer than the test may take.
    stage.registry().shutdown_on_signals(100 * PATIENCE).expect("there are descriptors");
    kill(Number::INT);
    stage.until(|log| log.has("server", "shutdown"));
    kill(Number::TERM);
    let report = stage.reactor.run(&mut stage.log).expect("the loop goes on");
    assert_eq!((report.finished, report.cut_off.len()), (0, 1), "{report}");
}

#[test]
fn a_signals_closure_can_be_replaced_even_by_itself() {
    let mut stage = Stage::new();
    listen_to(&mut stage, Signal::User1, "never");
    let set = stage.registry().on_signal(Signal::User1, |registry, log| {
        log.note("signal", "first");
        let again = registry.on_signal(Signal::User1, |_, log| log.note("signal", "second"));
        again.expect("there are descriptors");
    });
    set.expect("there are descriptors");
    for count in 1..=3 {
        kill(Number::USR1);
        stage.until(|log| log.of("signal").len() == count);
    }
    assert_eq!(stage.log.of("signal"), ["first", "second", "second"]);
}

#[test]
fn a_signals_closure_that_panics_is_counted_and_stays() {
    silence_panics();
    let mut stage = Stage::new();
    let set = stage.registry().on_signal(Signal::User1, |_, log| {
        log.note("signal", "user1");
        panic!("on purpose");
    });
    set.expect("there are descriptors");
    for count in 1..=2 {
        kill(Number::USR1);
        stage.until(|log| log.of("signal").len() == count);
    }
    assert_eq!(stage.reactor.stats().panics, 2);
}

/// Signals belong to the process, so every loop that asks is told; and one that did not is not.
#[test]
fn every_loop_that_asks_hears_of_a_signal() {
    let mut first = Stage::new();
    listen_to(&mut first, Signal::User1, "first");
    let mut second = Reactor::<Log>::new().expect("there are descriptors for a loop");
    let mut log = Log::default();
    let set = second.registry().on_signal(Signal::User1, |_, log| log.note("signal", "second"));
    set.expect("there are descriptors");
    kill(Number::USR1);
    first.until(|log| log.has("signal", "first"));
    until(&mut second, &mut log, |log, _| log.has("signal", "second"));

    // A loop that has ended leaves the others theirs.
    drop(second);
    kill(Number::USR1);
    first.until(|log| log.count("signal", "first") == 2);
    assert_eq!(log.count("signal", "second"), 1);
    let _ = first.reactor.turn(Some(Duration::ZERO), &mut first.log).expect("it goes on");
}
