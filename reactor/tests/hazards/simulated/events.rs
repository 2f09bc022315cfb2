//! Rows 1, 3, 4, 7, 9 and 18: what a poller reports, and what it does not.

use std::cell::RefCell;
use std::rc::Rc;

use reactor::sim::{Fault, Host, Rate};
use reactor::{
    Address, ConnectionId, DatagramOptions, Limits, ListenOptions, StreamLimits, StreamOptions,
    TimerKey,
};

use super::scene::{HALF, MS, PORT, SECOND, Scene, asks, echo, hears, sends, with_seeds};
use crate::support::{DatagramProbe, Log, Probe, assert_same_bytes, pattern};

/// What a poller may do to the events of a socket that is ready.
const POLLER: [Fault; 7] = [
    Fault::Late,
    Fault::Split,
    Fault::Duplicated,
    Fault::Reordered,
    Fault::HintHidden,
    Fault::SmallBatch,
    Fault::Interrupted,
];

// ── 1: an event for something that has ended ────────────────────────────────────────────────

/// Asks, and when it has ended lets the next ask, which takes the slot that it had.
fn one_after_the_other(address: Address, left: usize) -> Probe {
    asks("client", 100).on_close(move |registry, _, _| {
        if left > 1 {
            let next = one_after_the_other(address.clone(), left - 1);
            registry.connect(address.clone(), next).expect("it begins to connect");
        }
    })
}

#[test]
fn events_of_sockets_that_are_no_more_are_counted_and_reach_nobody_in_their_slots() {
    with_seeds(4, &[Fault::Stale], |mut scene| {
        let server = scene.server(echo);
        let client = scene.host("client");
        scene.faults(&[Fault::Stale], HALF);
        let address = scene.network.address(server, PORT);
        let first = one_after_the_other(address.clone(), 50);
        scene.registry(client).connect(address, first).expect("it begins to connect");
        scene.until_ended(client, 50);

        assert!(scene.log(client).ends.iter().all(|end| end.is_clean));
        let counted = scene.stats(server).stale_events + scene.stats(client).stale_events;
        assert_eq!(counted, scene.count(Fault::Stale));
        assert!(counted > 50, "{counted}");
        scene.finish()
    });
}

/// Ends whichever of its like has not spoken yet.
fn rival(ids: &Rc<RefCell<Vec<ConnectionId>>>) -> Probe {
    let (mine, others) = (Rc::clone(ids), Rc::clone(ids));
    Probe::new("rival").on_open(move |transport, _| mine.borrow_mut().push(transport.id())).on_data(
        move |transport, input, _| {
            input.take_all();
            let own = transport.id();
            for &other in others.borrow().iter().filter(|&&other| other != own) {
                transport.registry().abort(other).expect("it has not spoken");
            }
        },
    )
}

#[test]
fn who_is_ended_in_the_middle_of_a_batch_hears_nothing_and_neither_does_who_comes_in_meanwhile() {
    with_seeds(8, &[Fault::Reordered], |mut scene| {
        let ids: Rc<RefCell<Vec<ConnectionId>>> = Rc::default();
        let all = Rc::clone(&ids);
        let server =
            scene.server(
                move || {
                    if all.borrow().len() < 2 { rival(&all) } else { Probe::new("newcomer") }
                },
            );
        let client = scene.host("client");
        scene.connect(client, server, Probe::new("first"));
        scene.connect(client, server, Probe::new("second"));
        scene.run(10 * MS);
        scene.faults(&[Fault::Reordered], HALF);

        // All of it arrives while the server stands still, and is one batch when it goes on.
        scene.network.pause(server, 10 * MS);
        let before = scene.stats(server);
        for who in ["first", "second"] {
            let id = scene.log(client).id(who);
            let _ =
                scene.registry(client).send(id, b"end the other"[..].into()).expect("it is open");
        }
        scene.connect(client, server, Probe::new("third"));
        scene.run(20 * MS);
        let after = scene.stats(server);
        assert_eq!(after.stale_events - before.stale_events, 1, "{after}");
        assert_eq!(scene.log(server).of("rival"), ["open", "open", "data 13", "close aborted"]);
        assert_eq!(scene.log(server).of("newcomer"), ["open"]);

        let id = scene.log(client).id("third");
        let _ = scene.registry(client).send(id, b"me"[..].into()).expect("it is open");
        scene
            .until(|network| network.app(server).is_some_and(|log| log.bytes("newcomer") == b"me"));
        scene.finish()
    });
}

// ── 3: an end that is told before the data was read ─────────────────────────────────────────

#[test]
fn everything_that_was_sent_before_an_end_or_a_reset_arrives_though_that_is_told_first() {
    const LENGTH: usize = 100_000;
    for is_reset in [false, true] {
        let mut scene = Scene::new(1);
        let server = scene.server(|| {
            Probe::new("server")
                .on_open(|transport, _| {
                    transport.pause();
                    transport.set_timer(TimerKey(1), SECOND);
                })
                .on_timer(|transport, _, _| transport.resume())
        });
        let client = scene.host("client");
        let caller = Probe::new("client")
            .on_open(|transport, _| {
                transport.write(&pattern(LENGTH));
                transport.set_timer(TimerKey(2), SECOND / 2);
            })
            .on_timer(
                move |transport, _, _| {
                    if is_reset { transport.abort() } else { transport.close() }
                },
            );
        scene.connect(client, server, caller);
        scene.run(SECOND * 3 / 4);
        assert_eq!(scene.log(server).of("server"), ["open"]);
        let told = scene.network.trace().to_string();
        assert!(told.contains("event: read write end"), "{told}");

        scene.until_ended(server, 1);
        assert_same_bytes(scene.log(server).bytes("server"), &pattern(LENGTH));
        let rest: &[&str] = match is_reset {
            false => &["end", "close the peer closed the connection"],
            true => &["close the peer reset the connection"],
        };
        assert_eq!(scene.log(server).of("server")[..3], ["open", "timer 1", "data 100000"]);
        assert_eq!(&scene.log(server).of("server")[3..], rest);
        scene.finish();
    }
}

#[test]
fn whatever_a_poller_does_everything_before_an_end_or_a_reset_is_heard_and_the_end_told_once() {
    const LENGTHS: [usize; 6] = [1, 2, 1_000, 65_536, 65_537, 100_000];
    with_seeds(8, &POLLER, |mut scene| {
        let server = scene.server(|| hears(Probe::new("server")));
        let client = scene.host("client");
        scene.faults(&POLLER, HALF);
        for length in LENGTHS {
            scene.connect(client, server, sends("ends", length));
            // RST leaves behind the last byte, and destroys nothing that has arrived.
            let resets = Probe::new("resets")
                .on_open(move |transport, _| {
                    transport.write(&pattern(length));
                    transport.set_timer(TimerKey(1), MS);
                })
                .on_timer(|transport, _, _| transport.abort());
            scene.connect(client, server, resets);
        }
        scene.until_ended(server, 2 * LENGTHS.len());
        let log = scene.log(server);
        for length in LENGTHS {
            assert_eq!(log.count("heard", &length.to_string()), 2, "{length}: {log:?}");
        }
        assert_eq!(log.count("server", "end"), LENGTHS.len(), "{log:?}");
        assert_eq!(log.count("server", "close the peer closed the connection"), LENGTHS.len());
        assert_eq!(log.count("server", "close the peer reset the connection"), LENGTHS.len());
        scene.finish()
    });
}

// ── 4: an end behind a short read ───────────────────────────────────────────────────────────

#[test]
fn an_end_that_arrives_with_the_last_bytes_is_seen_though_no_other_event_tells_of_it() {
    for length in [1, 1_000, 65_536, 131_071, 131_072] {
        let mut scene = Scene::new(1);
        let server = scene.server(|| hears(Probe::new("server")));
        let client = scene.host("client");
        scene.connect(client, server, sends("client", length));
        scene.until_ended(server, 1);
        assert_eq!(scene.stats(server).events, 2, "the caller, and all that it said");
        assert!(scene.log(server).has("heard", &length.to_string()));
        assert_eq!(scene.log(server).count("server", "end"), 1);
        scene.finish();
    }
}

#[test]
fn an_end_is_seen_behind_reads_that_are_cut_at_any_byte_and_hints_that_do_not_come() {
    let faults = [Fault::ShortRead, Fault::HintHidden];
    with_seeds(8, &faults, |mut scene| {
        let server = scene.server(|| hears(Probe::new("server")));
        let client = scene.host("client");
        scene.faults(&faults, HALF);
        for length in 1..=20 {
            scene.connect(client, server, sends("client", length));
        }
        scene.until_ended(server, 20);
        let log = scene.log(server);
        assert!((1..=20_usize).all(|length| log.has("heard", &length.to_string())), "{log:?}");
        assert_eq!(log.count("server", "end"), 20);
        scene.finish()
    });
}

// ── 7: readiness that is left over ──────────────────────────────────────────────────────────

/// What arrived in one piece is taken in sips, with a pause after each; nothing follows it.
#[test]
fn what_a_pause_left_over_is_delivered_with_nothing_new_sent() {
    const LENGTH: usize = 100_000;
    for by_id in [false, true] {
        let mut scene = Scene::new(1);
        let limits = Limits { read_budget: 1, ..Limits::default() };
        let server = scene.server_with(limits, ListenOptions::default(), move || {
            Probe::new("server")
                .on_data(move |transport, input, _| {
                    let sip = input.len().min(30_000);
                    input.take_front(sip);
                    transport.pause();
                    let id = transport.id();
                    if by_id {
                        transport.registry().defer(move |registry, _| {
                            registry.resume(id).expect("it is open");
                        });
                    } else {
                        transport.set_timer(TimerKey(1), SECOND);
                    }
                })
                .on_timer(|transport, _, _| transport.resume())
        });
        let client = scene.host("client");
        let caller = Probe::new("client").on_open(|transport, _| transport.write(&pattern(LENGTH)));
        scene.connect(client, server, caller);
        scene.run(10 * SECOND);
        assert_same_bytes(scene.log(server).bytes("server"), &pattern(LENGTH));
        assert_eq!(scene.stats(server).events, 2, "the caller, and its bytes");
        scene.finish();
    }
}

/// The smallest budgets there are, so that everything stops early at everything.
fn stingy() -> Limits {
    Limits {
        read_budget: 1,
        write_budget: 1,
        accept_budget: 1,
        datagram_budget: 1,
        task_budget: 1,
        timer_budget: 1,
        ..Limits::default()
    }
}

#[test]
fn what_a_budget_left_over_goes_on_by_itself() {
    const CALLERS: usize = 20;
    const LENGTH: usize = 100_000;
    let mut scene = Scene::new(1);
    let server = scene.server_with(stingy(), ListenOptions::default(), echo);
    let client = scene.host_with("client", stingy());
    let udp = scene.network.address(server, PORT);
    let socket = DatagramProbe::new("udp");
    let id = scene.registry(server).bind_datagram(udp.clone(), socket).expect("the port is free");
    let sender = DatagramProbe::new("sender");
    let any = Address::Ip(([0, 0, 0, 0], 0).into());
    let sender = scene.registry(client).bind_datagram(any, sender).expect("there are ports");
    scene.run(MS);

    // Everything is there before the server looks at any of it.
    scene.network.pause(server, SECOND);
    for _ in 0..CALLERS {
        scene.connect(client, server, asks("client", LENGTH));
        scene.registry(client).send_to(sender, b"hello", Some(&udp)).expect("it leaves");
        let registry = scene.registry(server);
        registry.defer(|_, log| log.note("server", "task"));
        registry.after(MS, |_, log| log.note("server", "timer")).expect("there are timers");
    }
    scene.until_ended(client, CALLERS);
    scene.run(SECOND);
    let log = scene.log(server);
    assert_eq!((log.count("server", "task"), log.count("server", "timer")), (CALLERS, CALLERS));
    assert_eq!(log.count("udp", "datagram 5"), CALLERS);
    assert_eq!(scene.log(client).count("heard", &LENGTH.to_string()), CALLERS);
    scene.registry(server).close_socket(id).expect("it is open");
    scene.finish();
}

#[test]
fn calls_that_would_block_or_are_cut_short_anywhere_lose_no_byte_and_no_edge() {
    let faults = [
        Fault::WouldBlock,
        Fault::ShortRead,
        Fault::ShortWrite,
        Fault::SmallBuffers,
        Fault::SmallBatch,
    ];
    with_seeds(4, &faults, |mut scene| {
        let server = scene.server_with(stingy(), ListenOptions::default(), echo);
        let client = scene.host_with("client", stingy());
        scene.faults(&faults, HALF);
        for length in [1, 100, 5_000, 20_000] {
            scene.connect(client, server, asks("client", length));
        }
        scene.until_ended(client, 4);
        scene.until_ended(server, 4);
        let log = scene.log(client);
        for length in [1, 100, 5_000, 20_000_usize] {
            assert!(log.has("heard", &length.to_string()), "{log:?}");
        }
        assert!(log.ends.iter().all(|end| end.is_clean), "{:?}", log.ends);
        scene.finish()
    });
}

// ── 9: readiness that is not there ──────────────────────────────────────────────────────────

/// Sockets of every kind and in every state, all of them reported ready again and again, and none of
/// them is: nobody hears of anything, and afterwards each goes on as if nothing had been.
#[test]
fn spurious_readiness_is_believed_of_no_kind_of_socket() {
    const LENGTH: usize = 500_000;
    with_seeds(4, &[Fault::Spurious], |mut scene| {
        let server = scene.server(|| {
            Probe::new("server")
                .on_data(|transport, input, _| match input.take_all() {
                    b"send me much" => transport.write(&pattern(LENGTH)),
                    b"end" => transport.end(),
                    b"close" => transport.close(),
                    other => transport.write(other),
                })
                .outlives_its_peer()
        });
        let client = scene.host("client");
        let nobody = scene.host("nobody");
        scene.network.partition(client, nobody, SECOND);
        let says = |who, words: &'static [u8]| {
            Probe::new(who).on_open(|transport, _| transport.write(words)).outlives_its_peer()
        };
        scene.connect(client, server, Probe::new("idle"));
        let stalled = Probe::new("stalled").on_open(|transport, _| {
            transport.write(b"send me much");
            transport.pause();
        });
        scene.connect(client, server, stalled);
        scene.connect(client, server, sends("half closed", 5).outlives_its_peer());
        scene.connect(client, server, says("ended", b"end"));
        scene.connect(client, server, says("left", b"close"));
        // It is told only when the partition has healed that nobody listens.
        scene.connect(client, nobody, Probe::new("connecting"));
        let path: Address = "unix:/run/socket".parse().expect("it is an address");
        let name: Address = "unix:/run/datagrams".parse().expect("it is an address");
        let registry = scene.registry(client);
        registry.listen(path.clone(), |_, _| echo()).expect("the path is free");
        registry.connect(path, Probe::new("unix")).expect("it begins to connect");
        let socket = DatagramProbe::new("unixgram");
        registry.bind_datagram(name.clone(), socket).expect("the path is free");
        let to = scene.network.address(client, PORT);
        let registry = scene.registry(client);
        registry.bind_datagram(to.clone(), DatagramProbe::new("udp")).expect("the port is free");
        let options = DatagramOptions { peer: Some(to), ..DatagramOptions::default() };
        let any = Address::Ip(([0, 0, 0, 0], 0).into());
        let connected = registry
            .bind_datagram_with(any, &options, DatagramProbe::new("connected"))
            .expect("there are ports");
        scene.run(10 * MS);

        let before = format!("{:?}{:?}", scene.log(server), scene.log(client));
        scene.faults(&[Fault::Spurious], Rate::MOSTLY);
        scene.keep_turning(server, MS);
        scene.keep_turning(client, MS);
        scene.run(SECOND / 2);
        assert_eq!(format!("{:?}{:?}", scene.log(server), scene.log(client)), before);
        assert!(scene.count(Fault::Spurious) > 200, "{}", scene.network.fault_counts());
        assert_eq!(scene.stats(server).accept_errors, 0);

        // Every one of them goes on.
        for who in ["idle", "left"] {
            let id = scene.log(client).id(who);
            let _ = scene.registry(client).send(id, b"still there?"[..].into());
        }
        let (stalled, unix) = (scene.log(client).id("stalled"), scene.log(client).id("unix"));
        let registry = scene.registry(client);
        registry.resume(stalled).expect("it is open");
        let _ = registry.send(unix, b"still there?"[..].into()).expect("it is open");
        registry.send_to(connected, b"still there?", None).expect("it leaves");
        let sender = registry
            .bind_datagram(Address::Unnamed, DatagramProbe::new("sender"))
            .expect("it needs no name");
        registry.send_to(sender, b"still there?", Some(&name)).expect("it leaves");
        scene.run(5 * SECOND);
        let log = scene.log(client);
        assert_eq!(log.bytes("idle"), b"still there?");
        assert_eq!(log.bytes("unix"), b"still there?");
        assert_same_bytes(log.bytes("stalled"), &pattern(LENGTH));
        assert_eq!(log.count("udp", "datagram 12") + log.count("unixgram", "datagram 12"), 2);
        let error = log.end("connecting").and_then(|end| end.error);
        assert_eq!(error, Some(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(log.of("ended"), ["open", "end"]);
        scene.finish()
    });
}

// ── 18: events that are split, merged, doubled and out of order ─────────────────────────────

const ROUNDS: usize = 30;

/// Asks, is answered, and asks again: its socket is writable all the time, and nothing says so twice.
fn converses() -> Probe {
    let mut answers = 0;
    Probe::new("client").on_open(|transport, _| transport.write(b"?")).on_data(
        move |transport, input, _| {
            answers += input.take_all().len();
            if answers < ROUNDS { transport.write(b"?") } else { transport.close() }
        },
    )
}

/// The same with datagrams, of which none is lost here.
fn converse_in_datagrams(scene: &mut Scene, server: Host<Log>, client: Host<Log>) {
    let to = scene.network.address(server, PORT);
    let answers = DatagramProbe::new("udp").on_datagram(|socket, datagram, _| {
        socket.send_to(datagram.bytes, &datagram.from).expect("it has room");
    });
    scene.registry(server).bind_datagram(to.clone(), answers).expect("the port is free");
    let asks = DatagramProbe::new("udp")
        .on_open(|socket, _| socket.send(b"?").expect("it has room"))
        .on_datagram(|socket, _, log| {
            if log.datagrams.len() < ROUNDS {
                socket.send(b"?").expect("it has room");
            }
        });
    let options = DatagramOptions { peer: Some(to), ..DatagramOptions::default() };
    let any = Address::Ip(([0, 0, 0, 0], 0).into());
    scene.registry(client).bind_datagram_with(any, &options, asks).expect("there are ports");
}

/// Some fill both directions, and some need only be reported readable: what was said of the other
/// direction before has to be remembered.
#[test]
fn both_directions_go_on_however_their_events_are_cut_and_put_together() {
    let faults = [
        Fault::Late,
        Fault::Merged,
        Fault::Split,
        Fault::Duplicated,
        Fault::Reordered,
        Fault::SmallBatch,
    ];
    with_seeds(4, &faults, |mut scene| {
        let options = ListenOptions {
            stream: StreamOptions { send_buffer: Some(8 * 1024), ..StreamOptions::default() },
            limits: StreamLimits { outbox_holds_reading: false, ..StreamLimits::default() },
            ..ListenOptions::default()
        };
        let server = scene.server_with(Limits::default(), options, echo);
        let client = scene.host("client");
        scene.faults(&faults, HALF);
        for _ in 0..4 {
            scene.connect(client, server, asks("client", 100_000));
            scene.connect(client, server, converses());
        }
        converse_in_datagrams(&mut scene, server, client);
        scene.until_ended(client, 8);
        scene.run(SECOND);
        assert_eq!(scene.log(client).count("heard", "100000"), 4);
        assert_eq!(scene.log(client).datagrams.len(), ROUNDS);
        scene.finish()
    });
}
