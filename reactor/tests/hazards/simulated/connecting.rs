//! Row 10: how connecting ends.

use std::io::ErrorKind;
use std::time::Duration;

use reactor::Address;
use reactor::sim::{Fault, Rate};

use super::scene::{HALF, MS, PORT, SECOND, Scene, asks, echo, with_seeds};
use crate::support::Probe;

#[test]
fn a_refusal_is_told_with_the_systems_error_and_so_is_an_address_that_nobody_has() {
    let mut scene = Scene::new(1);
    let client = scene.host("client");
    let server = scene.host("server");
    scene.connect(client, server, Probe::new("refused"));
    let nowhere = Address::Ip(([192, 0, 2, 1], PORT).into());
    scene.registry(client).connect(nowhere, Probe::new("nowhere")).expect("it begins");
    scene.until_ended(client, 2);
    let log = scene.log(client);
    let error = |who| log.end(who).and_then(|end| end.error);
    assert_eq!(error("refused"), Some(ErrorKind::ConnectionRefused));
    assert_eq!(error("nowhere"), Some(ErrorKind::HostUnreachable));
    assert!(log.opened.is_empty(), "{log:?}");
    scene.finish();
}

/// In which way nobody answers.
#[derive(Clone, Copy, Debug)]
enum Silent {
    Hanging,
    Partitioned,
    Crashed,
}

#[test]
fn a_peer_that_does_not_answer_is_given_up_at_the_deadline_and_not_before() {
    for silent in [Silent::Hanging, Silent::Partitioned, Silent::Crashed] {
        let mut scene = Scene::new(1);
        let server = scene.server(echo);
        let client = scene.host("client");
        match silent {
            Silent::Hanging => scene.faults(&[Fault::ConnectHangs], Rate::MOSTLY),
            Silent::Partitioned => scene.network.partition(client, server, Duration::MAX),
            Silent::Crashed => scene.network.crash(server),
        }
        scene.connect(client, server, Probe::new("client"));
        scene.run(30 * SECOND - MS);
        assert!(scene.log(client).ends.is_empty(), "{silent:?}: {:?}", scene.log(client));
        scene.run(2 * MS);
        assert_eq!(scene.log(client).of("client"), ["close connecting took too long"]);
        let hanging = u64::from(matches!(silent, Silent::Hanging));
        assert_eq!(scene.count(Fault::ConnectHangs), hanging);
        scene.finish();
    }
}

/// Being writable is not being connected: what was written early must wait, and arrive first.
#[test]
fn a_socket_that_is_reported_writable_before_it_is_connected_is_not_open_yet() {
    with_seeds(8, &[Fault::Spurious, Fault::ConnectSlow], |mut scene| {
        let server = scene.server(echo);
        let client = scene.host("client");
        scene.keep_turning(client, MS);
        scene.faults(&[Fault::Spurious, Fault::ConnectSlow], Rate::MOSTLY);
        scene.connect(
            client,
            server,
            Probe::new("client").on_open(|transport, _| {
                transport.write(b"and then this");
            }),
        );
        scene.run(MS);
        let address = scene.network.address(server, PORT);
        let early = Probe::new("early");
        let id = scene.registry(client).connect(address, early).expect("it begins to connect");
        let _ = scene.registry(client).send(id, b"first this, "[..].into()).expect("it is queued");
        scene.run(SECOND - 2 * MS);
        assert!(scene.log(client).opened.is_empty(), "no answer has come yet");
        assert!(scene.count(Fault::Spurious) > 300);
        assert_eq!(scene.count(Fault::ConnectSlow), 2);

        scene.until(|network| {
            network.app(client).is_some_and(|log| {
                log.bytes("client") == b"and then this" && log.bytes("early") == b"first this, "
            })
        });
        assert_eq!(scene.log(client).of("early"), ["open", "data 12"]);
        scene.finish()
    });
}

/// Whatever the answer will find: the client is gone before it comes, while it comes, or right after.
#[test]
fn a_connection_that_is_given_up_early_leaves_nothing_on_either_side() {
    for microseconds in [0, 500, 1_500, 2_500, 3_500] {
        let mut scene = Scene::new(1);
        let server = scene.server(echo);
        let client = scene.host("client");
        let address = scene.network.address(server, PORT);
        let id = scene.registry(client).connect(address, Probe::new("client"));
        let id = id.expect("it begins to connect");
        scene.run(Duration::from_micros(microseconds));
        scene.registry(client).abort(id).expect("it has not ended");
        scene.run(SECOND);
        assert_eq!(scene.log(client).ends.len(), 1, "{microseconds} µs: {:?}", scene.log(client));
        let stats = scene.stats(server);
        assert_eq!((stats.connections, stats.closed()), (0, stats.accepted), "{microseconds} µs");
        scene.finish();
    }
}

#[test]
fn a_connection_that_fails_late_or_opens_late_does_either_once() {
    let faults = [
        Fault::ConnectError,
        Fault::ConnectRefused,
        Fault::ConnectSlow,
        Fault::WouldBlock,
        Fault::Late,
    ];
    with_seeds(4, &faults, |mut scene| {
        let server = scene.server(echo);
        let client = scene.host("client");
        scene.faults(&faults, HALF);
        for _ in 0..40 {
            scene.connect(client, server, asks("client", 100));
        }
        scene.until_ended(client, 40);
        let log = scene.log(client);
        let failed = log.ends.iter().filter(|end| end.error.is_some()).count();
        // One may meet both a refusal and another error.
        let faults = scene.count(Fault::ConnectError) + scene.count(Fault::ConnectRefused);
        assert!(failed as u64 <= faults, "{log:?}");
        assert_eq!(log.opened.len() + failed, 40, "{log:?}");
        assert_eq!(log.count("heard", "100"), log.opened.len(), "{log:?}");
        scene.finish()
    });
}
