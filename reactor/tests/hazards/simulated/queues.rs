//! Rows 19 and 20: slow readers, and handlers that panic.

use bytes::Bytes;
use reactor::sim::{Fault, Rate};
use reactor::{ConnectionId, Limits, ListenOptions, StreamLimits, StreamOptions};

use super::scene::{HALF, MS, SECOND, Scene, echo, with_seeds};
use crate::support::{Probe, pattern, silence_panics};

// ── 19: slow readers ────────────────────────────────────────────────────────────────────────

#[test]
fn a_broadcast_to_a_thousand_stalled_readers_never_holds_more_than_their_caps() {
    const STALLED: usize = 1_000;
    const LISTENING: usize = 5;
    const CAP: usize = 64 * 1024;
    const MESSAGE: usize = 8 * 1024;
    const MESSAGES: usize = 30;
    let mut scene = Scene::new(1);
    let options = ListenOptions {
        stream: StreamOptions { send_buffer: Some(4 * 1024), ..StreamOptions::default() },
        limits: StreamLimits { outbox: CAP, ..StreamLimits::default() },
        ..ListenOptions::default()
    };
    let server = scene.server_with(Limits::default(), options, || Probe::new("server"));
    let [stalled, listening] = ["stalled", "listening"].map(|name| scene.host(name));
    for _ in 0..STALLED {
        let probe = Probe::new("stalled").on_open(|transport, _| transport.pause());
        scene.connect(stalled, server, probe);
    }
    for _ in 0..LISTENING {
        scene.connect(listening, server, Probe::new("listening"));
    }
    scene.until(|network| {
        network.app(server).is_some_and(|log| log.opened.len() == STALLED + LISTENING)
    });
    scene.network.invariant("the cap of all outboxes", move |network| {
        let queued = network.stats(server).map_or(0, |stats| stats.queued_bytes);
        let cap = ((STALLED + LISTENING) * CAP) as u64;
        if queued <= cap { Ok(()) } else { Err(format!("{queued} bytes are queued")) }
    });

    let message = Bytes::from(pattern(MESSAGE));
    let mut room: Vec<ConnectionId> = scene.log(server).opened.iter().map(|&(_, id)| id).collect();
    let mut most = 0;
    for _ in 0..MESSAGES {
        let registry = scene.registry(server);
        room.retain(|&id| registry.send(id, message.clone()).is_ok());
        most = most.max(scene.stats(server).queued_bytes);
        scene.run(SECOND);
    }
    assert!(most as usize > STALLED * CAP / 2, "they did stall: {most}");
    assert_eq!(room.len(), LISTENING, "who did not read is gone");
    let full = "close its outbox is full: more was written than the peer has taken";
    assert_eq!(scene.log(server).count("server", full), STALLED);
    assert_eq!(scene.stats(server).queued_bytes, 0);
    assert_eq!(scene.log(listening).bytes("listening").len(), LISTENING * MESSAGES * MESSAGE);
    scene.finish();
}

// ── 20: a handler that fails ────────────────────────────────────────────────────────────────

#[test]
fn every_other_handler_of_a_batch_panics_and_the_rest_is_served() {
    silence_panics();
    with_seeds(4, &[Fault::Reordered], |mut scene| {
        let server = scene.server(|| {
            Probe::new("server").on_data(|transport, input, _| match input.take_all() {
                b"panic" => panic!("on purpose"),
                said => transport.write(said),
            })
        });
        scene.network.allow_panics();
        let client = scene.host("client");
        for _ in 0..20 {
            scene.connect(client, server, Probe::new("client"));
        }
        scene.run(10 * MS);
        scene.faults(&[Fault::Reordered], Rate::MOSTLY);
        // All that they say arrives while the server stands still, and is one batch.
        scene.network.pause(server, 10 * MS);
        let ids: Vec<ConnectionId> = scene.log(client).opened.iter().map(|&(_, id)| id).collect();
        for (at, &id) in ids.iter().enumerate() {
            let said = if at % 2 == 0 { &b"panic"[..] } else { b"hello" };
            let _ = scene.registry(client).send(id, said.into()).expect("it is open");
        }
        let before = scene.stats(server).turns;
        scene.run(20 * MS);
        let stats = scene.stats(server);
        assert!(stats.turns <= before + 2, "{stats}");
        assert_eq!(stats.panics, 10, "{stats}");
        assert_eq!(scene.log(client).bytes("client"), b"hello".repeat(10));
        let reset = scene.log(client).count("client", "close the peer reset the connection");
        assert_eq!(reset, 10);
        assert!(scene.count(Fault::Reordered) > 0);
        scene.finish()
    });
}

/// An error ends the connection whose call it was, and no other of its batch.
#[test]
fn every_other_call_of_a_batch_fails_and_the_rest_is_served() {
    with_seeds(4, &[Fault::ReadError], |mut scene| {
        let server = scene.server(echo);
        let client = scene.host("client");
        for _ in 0..20 {
            scene.connect(client, server, Probe::new("client"));
        }
        scene.run(10 * MS);
        scene.network.pause(server, 10 * MS);
        let ids: Vec<ConnectionId> = scene.log(client).opened.iter().map(|&(_, id)| id).collect();
        for &id in &ids {
            let _ = scene.registry(client).send(id, b"hello"[..].into()).expect("it is open");
        }
        scene.run(9 * MS);
        scene.faults(&[Fault::ReadError], HALF);
        // Only the server reads here, and only in that batch.
        scene.run(MS + MS / 2);
        let failed = scene.log(server).ends.len();
        assert!(failed > 0 && scene.count(Fault::ReadError) >= failed as u64);
        scene.network.calm();
        scene.run(SECOND);
        let answered = scene.log(client).bytes("client").len() / 5;
        // Where every drain goes on to `WouldBlock`, the read that fails may be one behind the answer.
        assert!(answered <= 20 && answered + failed >= 20, "{:?}", scene.log(server));
        scene.finish()
    });
}
