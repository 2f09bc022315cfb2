//! Rows 13, 14 and 17: how connections end.

use std::time::Duration;

use reactor::sim::{Fault, Host, Rate};
use reactor::{Limits, ListenOptions, StreamOptions, TimerKey};

use super::scene::{HALF, MS, SECOND, Scene, hears, with_seeds};
use crate::support::{Log, Probe, assert_same_bytes, pattern};

// ── 13: a reset that destroys the reply ─────────────────────────────────────────────────────

const REPLY: usize = 300_000;

/// A client that uploads for as long as it is let, and a server that answers its first bytes at length
/// and leaves. Every reset destroys what it finds unread, as some systems have it.
fn an_upload_that_is_answered_early(seed: u64, lingers: bool) -> (Scene, Host<Log>) {
    let mut scene = Scene::new(seed);
    let server = scene.server(move || {
        let mut was_asked = false;
        Probe::new("server")
            .on_data(move |transport, input, _| {
                input.take_all();
                if std::mem::replace(&mut was_asked, true) {
                    return;
                }
                transport.write(&pattern(REPLY));
                if lingers {
                    transport.close();
                } else {
                    transport.set_timer(TimerKey(1), 20 * MS);
                }
            })
            .on_timer(|transport, _, _| transport.abort())
    });
    let client = scene.host("client");
    scene.faults(&[Fault::ResetDiscards], Rate::MOSTLY);
    // It sips, so that much of the answer lies unread with it at any time.
    let uploader = Probe::new("client")
        .on_open(|transport, _| transport.set_timer(TimerKey(1), MS))
        .on_timer(|transport, key, _| {
            transport.write(&[b'x'; 5_000]);
            transport.set_timer(key, MS);
            transport.resume();
        })
        .on_data(|transport, input, _| {
            let sip = input.len().min(10_000);
            input.take_front(sip);
            transport.pause();
        });
    scene.connect(client, server, uploader);
    scene.until_ended(client, 1);
    (scene, client)
}

#[test]
fn a_client_that_still_uploads_reads_the_whole_reply_though_resets_destroy_what_is_unread() {
    for seed in 0..4 {
        let (scene, client) = an_upload_that_is_answered_early(seed, true);
        assert_same_bytes(scene.log(client).bytes("client"), &pattern(REPLY));
        assert_eq!(scene.log(client).count("client", "end"), 1);
        assert!(scene.log(client).ends[0].is_clean, "{:?}", scene.log(client).ends);
        assert_eq!(scene.count(Fault::ResetDiscards), 0, "nobody was reset");
        scene.finish();
    }
}

/// What the test before this one is about: the same without the care.
#[test]
fn a_reset_destroys_the_reply_that_the_client_has_not_read() {
    let (scene, client) = an_upload_that_is_answered_early(1, false);
    assert!(scene.log(client).bytes("client").len() < REPLY);
    assert!(scene.log(client).has("client", "close the peer reset the connection"));
    assert_eq!(scene.count(Fault::ResetDiscards), 1);
    scene.finish();
}

// ── 14: a close that never finishes ─────────────────────────────────────────────────────────

/// In which way a peer is gone without a word.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Crashed,
    Partitioned,
    Silent,
    Paused,
}

#[test]
fn a_close_behind_which_the_peer_has_vanished_ends_at_its_deadline_and_once() {
    for gone in [Gone::Crashed, Gone::Partitioned, Gone::Silent, Gone::Paused] {
        for has_queued in [false, true] {
            let mut scene = Scene::new(1);
            let server = scene.server(|| Probe::new("server"));
            let client = scene.host("client");
            scene.connect(client, server, Probe::new("client"));
            scene.run(SECOND);
            match gone {
                Gone::Crashed => scene.network.crash(client),
                Gone::Partitioned => scene.network.partition(server, client, Duration::MAX),
                Gone::Silent => {
                    scene.faults(&[Fault::Silence], Rate::MOSTLY);
                    let id = scene.log(client).id("client");
                    let _ = scene.registry(client).send(id, b"?"[..].into()).expect("it is open");
                    scene.run(SECOND);
                    assert_eq!(scene.count(Fault::Silence), 1);
                }
                Gone::Paused => scene.network.pause(client, Duration::from_secs(3_600)),
            }
            let id = scene.log(server).id("server");
            if has_queued {
                let much = pattern(1_000_000).into();
                let _ = scene.registry(server).send(id, much).expect("it is open");
            }
            scene.registry(server).close(id).expect("it is open");
            scene.run(10 * SECOND - MS);
            assert!(scene.log(server).ends.is_empty(), "{gone:?}: {:?}", scene.log(server));
            scene.run(2 * MS);
            let told = ["open", "close closing took too long"];
            assert_eq!(scene.log(server).of("server"), told, "{gone:?}");
            let unsent = scene.log(server).ends[0].unsent;
            assert_eq!(unsent > 0, has_queued, "{gone:?}: {unsent}");
            scene.run(Duration::from_secs(1_000));
            assert_eq!(scene.log(server).ends.len(), 1, "{gone:?}");
            assert_eq!(scene.stats(server).connections, 0);
            scene.finish();
        }
    }
}

#[test]
fn a_peer_that_vanished_while_nobody_spoke_is_found_out_and_told_of_once() {
    let mut scene = Scene::new(1);
    let server = scene.server(|| Probe::new("server"));
    let client = scene.host("client");
    scene.connect(client, server, Probe::new("client"));
    scene.run(SECOND);
    scene.network.crash(client);
    scene.run(Duration::from_secs(1_000));
    let log = scene.log(server);
    assert_eq!(log.ends.len(), 1, "{log:?}");
    assert_eq!(log.ends[0].error, Some(std::io::ErrorKind::TimedOut), "{log:?}");
    scene.finish();
}

// ── 17: half closed ─────────────────────────────────────────────────────────────────────────

/// Whatever is reported of a socket on which one side has said goodbye: it is readable for ever.
const POKES: [Fault; 5] =
    [Fault::Spurious, Fault::Split, Fault::Duplicated, Fault::HintHidden, Fault::ShortRead];

#[test]
fn after_the_peers_goodbye_a_large_slow_answer_leaves_and_the_end_is_told_once() {
    const PIECE: usize = 40_000;
    const PIECES: usize = 5;
    with_seeds(6, &POKES, |mut scene| {
        let options = ListenOptions {
            stream: StreamOptions { send_buffer: Some(4 * 1024), ..StreamOptions::default() },
            ..ListenOptions::default()
        };
        let server = scene.server_with(Limits::default(), options, || {
            let mut sent = 0;
            Probe::new("server")
                .on_end(|transport, _| transport.set_timer(TimerKey(1), SECOND))
                .on_timer(move |transport, key, _| {
                    transport.write(&pattern(PIECE * PIECES)[sent..sent + PIECE]);
                    sent += PIECE;
                    if sent < PIECE * PIECES {
                        transport.set_timer(key, SECOND);
                    } else {
                        transport.close();
                    }
                })
        });
        let client = scene.host("client");
        scene.faults(&POKES, HALF);
        let caller = Probe::new("client").on_open(|transport, _| {
            transport.write(b"tell me everything");
            transport.end();
        });
        scene.connect(client, server, hears(caller));
        scene.until_ended(server, 1);
        scene.until_ended(client, 1);
        assert!(scene.log(client).has("heard", &(PIECE * PIECES).to_string()));
        for (host, who, reason) in [
            (server, "server", "close the peer closed the connection"),
            (client, "client", "close closed"),
        ] {
            let log = scene.log(host);
            assert_eq!((log.count(who, "end"), log.count(who, reason)), (1, 1), "{log:?}");
        }
        scene.finish()
    });
}

#[test]
fn after_our_goodbye_the_peer_is_heard_to_its_end() {
    const LENGTH: usize = 200_000;
    with_seeds(6, &POKES, |mut scene| {
        let server = scene.server(|| {
            hears(Probe::new("server").on_open(|transport, _| {
                transport.write(b"that is all from me");
                transport.end();
            }))
        });
        let client = scene.host("client");
        scene.faults(&POKES, HALF);
        let caller = Probe::new("client")
            .on_end(|transport, _| transport.set_timer(TimerKey(1), SECOND))
            .on_timer(|transport, _, _| {
                transport.write(&pattern(LENGTH));
                transport.close();
            });
        scene.connect(client, server, caller);
        scene.until_ended(server, 1);
        scene.until_ended(client, 1);
        let log = scene.log(server);
        assert!(log.has("heard", &LENGTH.to_string()), "{log:?}");
        assert_eq!((log.count("server", "end"), log.count("server", "close closed")), (1, 1));
        assert_eq!(scene.log(client).bytes("client"), b"that is all from me");
        scene.finish()
    });
}
