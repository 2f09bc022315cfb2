//! Rows 5 and 6: what `accept` answers when it does not accept.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reactor::sim::{Fault, Rate};
use reactor::{Limits, ListenOptions};

use super::scene::{HALF, MS, SECOND, Scene, asks, echo, with_seeds};
use crate::support::Probe;

const HOUR: Duration = Duration::from_secs(3_600);

// ── 5: no descriptors ───────────────────────────────────────────────────────────────────────

/// The spare one and the listener's.
const OWN: usize = 2;

#[test]
fn accepting_resumes_without_a_new_client_when_the_system_has_descriptors_again() {
    let mut scene = Scene::new(1);
    let server = scene.server(echo);
    let client = scene.host("client");
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let at = scene.network.address(server, super::scene::PORT);
    scene.registry(server).on_accept_failure(move |registry, _, listener, error| {
        assert_eq!(registry.listener_address(listener).map(|it| it.port()), Ok(at.port()));
        assert!(error.raw_os_error().is_some(), "it is what the system said: {error}");
        count.set(count.get() + 1);
    });
    scene.network.limit_descriptors(server, Some(OWN + 2));
    for _ in 0..20 {
        scene.connect(client, server, Probe::new("client").outlives_its_peer());
    }
    scene.run(SECOND);
    // A rest is 100 ms, and in each somebody is told.
    let stats = scene.stats(server);
    assert_eq!((stats.accepted, stats.refused_no_descriptor), (2, 10), "{stats}");
    assert_eq!((stats.accept_rests, told.get()), (10, 10), "{stats}");
    assert!(stats.turns < 100, "it spins: {stats}");

    scene.network.limit_descriptors(server, None);
    scene.until(|network| network.app(server).is_some_and(|log| log.opened.len() == 10));
    let stats = scene.stats(server);
    assert_eq!(stats.refused_no_descriptor, 10, "nobody else was turned away: {stats}");
    scene.finish();
}

#[test]
fn a_connection_that_ends_makes_room_for_one_that_waits_at_once() {
    let mut scene = Scene::new(1);
    let limits = Limits { accept_rest: HOUR, ..Limits::default() };
    let server = scene.server_with(limits, ListenOptions::default(), echo);
    let client = scene.host("client");
    scene.network.limit_descriptors(server, Some(OWN + 1));
    scene.connect(client, server, Probe::new("first"));
    scene.run(10 * MS);
    for _ in 0..3 {
        scene.connect(client, server, Probe::new("others"));
    }
    scene.run(SECOND);
    let stats = scene.stats(server);
    assert_eq!((stats.accepted, stats.refused_no_descriptor, stats.accept_rests), (1, 1, 1));

    let id = scene.log(client).id("first");
    scene.registry(client).close(id).expect("it is open");
    scene.run(10 * MS);
    assert_eq!(scene.stats(server).accepted, 2, "{}", scene.stats(server));
    scene.finish();
}

#[test]
fn whoever_waits_is_served_or_told_whichever_want_of_the_system_accept_meets() {
    with_seeds(8, &[Fault::NoDescriptors], |mut scene| {
        let server = scene.server(echo);
        let client = scene.host("client");
        scene.network.pause(server, 10 * MS);
        for _ in 0..20 {
            scene.connect(client, server, asks("client", 100));
        }
        scene.run(9 * MS);
        // From here on the system is short of something as often as not.
        scene.faults(&[Fault::NoDescriptors], HALF);
        scene.until_ended(client, 20);
        let stats = scene.stats(server);
        assert_eq!(stats.accepted + stats.refused_no_descriptor, 20, "{stats}");
        assert_eq!(scene.log(client).count("heard", "100") as u64, stats.accepted);
        assert!(stats.accept_rests > 0, "{stats}");
        assert!(scene.count(Fault::NoDescriptors) >= stats.accept_errors);
        scene.finish()
    });
}

// ── 6: a connection that failed in the queue ────────────────────────────────────────────────

#[test]
fn a_connection_that_failed_in_the_queue_does_not_hide_those_behind_it() {
    with_seeds(8, &[Fault::AcceptError], |mut scene| {
        let server = scene.server(echo);
        let client = scene.host("client");
        // They stand in the queue when the server comes to it, and nobody comes after them.
        scene.network.pause(server, 10 * MS);
        for _ in 0..40 {
            scene.connect(client, server, asks("client", 100));
        }
        scene.run(9 * MS);
        scene.faults(&[Fault::AcceptError], Rate::per_cent(80));
        scene.until_ended(client, 40);
        let (stats, failed) = (scene.stats(server), scene.count(Fault::AcceptError));
        assert_eq!(stats.accept_errors, failed, "{stats}");
        assert_eq!(stats.accept_rests, 0, "none of them is a reason to rest: {stats}");
        assert!(failed > 40 && stats.accepted > 0, "{failed} failed, {stats}");
        assert_eq!(scene.log(client).count("heard", "100") as u64, stats.accepted);
        let reset = scene.log(client).count("client", "close the peer reset the connection");
        assert_eq!(stats.accepted as usize + reset, 40, "{stats}");
        scene.finish()
    });
}
