//! Listeners, by their ids: paused, with other limits, and ended by somebody else.

use std::io::{Read, Write};
use std::time::Duration;

use crate::support;
use reactor::{Address, Stale, StreamLimits};
use support::{Probe, Stage, client, echo};

/// What Linux says of a listener that was shut down.
#[cfg(target_os = "linux")]
mod ended_by_somebody_else {
    use std::net::TcpListener;

    use reactor::{ListenOptions, Reactor, Stale};

    use crate::support::{Leaks, Log, until};

    /// Shuts a listener down as another process does that has it too, while the loop sleeps.
    fn end_by_somebody_else(
        leaks: Leaks,
        listener: socket2::Socket,
        adopt: impl Into<reactor::StdListener>,
    ) {
        let mut reactor = Reactor::<Log>::new().expect("there are descriptors");
        let registry = reactor.registry();
        let options = ListenOptions::default();
        let id = registry.adopt_listener(adopt, &options, |_, _| None).expect("it listens");
        let told = registry.on_listener_end(id, move |registry, log: &mut Log, reason| {
            assert_eq!(registry.listener_address(id), Err(Stale));
            log.note("listener", reason.to_string());
        });
        told.expect("it is there");
        let handle = reactor.handle();
        let other = std::thread::spawn(move || {
            listener.shutdown(std::net::Shutdown::Both).expect("it listens");
            drop(listener);
            let _ = handle.run(|_, _| {});
        });
        let mut log = Log::default();
        until(&mut reactor, &mut log, |log, _| !log.of("listener").is_empty());
        assert!(log.of("listener")[0].contains("somebody else"), "{log:?}");
        assert_eq!(reactor.registry().pause_listener(id), Err(Stale));
        assert_eq!(reactor.stats().accept_rests, 0, "it is not tried again");
        other.join().expect("it did not panic");
        leaks.check(reactor);
    }

    #[test]
    fn a_listener_that_somebody_else_shut_down_ends_with_a_reason() {
        let leaks = Leaks::watch();
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let other = listener.try_clone().expect("there are descriptors");
        end_by_somebody_else(leaks, other.into(), listener);
    }

    #[test]
    fn a_unix_listener_that_somebody_else_shut_down_ends_with_a_reason() {
        let leaks = Leaks::watch();
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("listener");
        let listener = std::os::unix::net::UnixListener::bind(path).expect("it is free");
        let other = listener.try_clone().expect("there are descriptors");
        end_by_somebody_else(leaks, std::os::fd::OwnedFd::from(other).into(), listener);
    }
}

#[test]
fn who_comes_to_a_listener_that_is_paused_waits_until_it_goes_on() {
    let mut stage = Stage::new();
    let id = stage.registry().listen(support::any_port(), |_, _| echo()).expect("it listens");
    let address = stage.registry().listener_address(id).expect("it listens");
    let address = address.socket_addr().expect("it is of IP");
    stage.registry().pause_listener(id).expect("it listens");
    let mut early = client(address);
    early.write_all(b"hello").expect("the system takes it");
    stage.until_quiet();
    assert_eq!(stage.reactor.stats().accepted, 0);
    assert_eq!(stage.reactor.snapshot().sockets[0].state, "listening, paused");

    stage.registry().resume_listener(id).expect("it is there");
    stage.until(|log| log.bytes("server") == b"hello");
    early.read_exact(&mut [0; 5]).expect("it is answered");
    stage.registry().close_listener(id).expect("it is there");
    assert_eq!(stage.registry().resume_listener(id), Err(Stale));
    drop(early);
    stage.until_closed("server");
}

#[test]
fn new_limits_of_a_listener_are_for_those_who_come_later() {
    let mut stage = Stage::new();
    let registry = stage.registry();
    let id = registry.listen(support::any_port(), |_, _| {
        Probe::new("server").on_open(|transport, log| {
            let limit = transport.limits().read_timeout;
            log.note("limits", format!("{limit:?}"));
        })
    });
    let id = id.expect("it listens");
    let address = registry.listener_address(id).expect("it listens");
    let address = address.socket_addr().expect("it is of IP");
    let first = client(address);
    stage.until(|log| log.count("server", "open") == 1);
    let read_timeout = Some(Duration::from_secs(77));
    let limits = stage.registry().listener_limits(id).expect("it listens").clone();
    let limits = StreamLimits { read_timeout, ..limits };
    stage.registry().set_listener_limits(id, &limits).expect("it listens");
    let second = client(address);
    stage.until(|log| log.count("server", "open") == 2);
    assert_eq!(stage.log.of("limits"), ["None", "Some(77s)"]);
    stage.registry().close_listener(id).expect("it listens");
    drop((first, second));
    stage.until(|log| log.ends.len() == 2);
}

#[test]
fn a_listener_that_was_closed_cannot_be_paused() {
    let mut stage = Stage::new();
    let nowhere: Address = support::any_port();
    let id = stage.registry().listen(nowhere, |_, _| echo()).expect("it listens");
    stage.registry().close_listener(id).expect("it listens");
    assert_eq!(stage.registry().pause_listener(id), Err(Stale));
    assert!(stage.registry().listener_limits(id).is_err());
    assert_eq!(stage.registry().on_listener_end(id, |_, _, _| {}), Err(Stale));
}
