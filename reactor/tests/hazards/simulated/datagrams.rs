//! Row 16: an error of one datagram is not the end of a socket.

use reactor::sim::{Fault, Host};
use reactor::{Address, DatagramOptions, Limits, SocketId};

use super::scene::{HALF, MS, PORT, SECOND, Scene, with_seeds};
use crate::support::{DatagramProbe, Log};

fn any() -> Address {
    Address::Ip(([0, 0, 0, 0], 0).into())
}

/// A socket that knows but one peer: the port of that host.
fn connected(scene: &mut Scene, host: Host<Log>, to: Host<Log>, probe: DatagramProbe) -> SocketId {
    let peer = Some(scene.network.address(to, PORT));
    let options = DatagramOptions { peer, ..DatagramOptions::default() };
    scene.registry(host).bind_datagram_with(any(), &options, probe).expect("there are ports")
}

fn bind(scene: &mut Scene, host: Host<Log>, probe: DatagramProbe) -> SocketId {
    let address = scene.network.address(host, PORT);
    scene.registry(host).bind_datagram(address, probe).expect("the port is free")
}

fn echo() -> DatagramProbe {
    DatagramProbe::new("server").on_datagram(|socket, datagram, log| {
        let sent = socket.send_to(datagram.bytes, &datagram.from);
        log.note("answers", if sent.is_ok() { "left" } else { "failed" });
    })
}

#[test]
fn a_socket_whose_peer_is_not_there_yet_hears_it_when_it_is() {
    let mut scene = Scene::new(1);
    let (server, client) = (scene.host("server"), scene.host("client"));
    let id = connected(&mut scene, client, server, DatagramProbe::new("client"));
    let ask = move |registry: &mut reactor::Registry<Log>, log: &mut Log| {
        let sent = registry.send_to(id, b"anybody?", None);
        log.note("asks", if sent.is_ok() { "left" } else { "failed" });
    };
    scene.registry(client).every(10 * MS, ask).expect("there are timers");
    scene.run(SECOND);
    let errors = scene.log(client).count("client", "error connection refused");
    assert!(errors > 10, "{:?}", scene.log(client));
    assert!(scene.log(client).datagrams.is_empty());

    bind(&mut scene, server, echo());
    scene.run(SECOND);
    let answers = scene.log(client).datagrams.len();
    assert!((98..=100).contains(&answers), "{answers}: {:?}", scene.log(client));
    let last = scene.log(client).count("client", "error connection refused");
    assert!(last <= errors + 1, "{last}");
    scene.finish();
}

/// The error that an earlier datagram brought about stands in front of one that has arrived.
#[test]
fn a_datagram_behind_an_error_is_delivered_in_whatever_budget() {
    for datagram_budget in [1, 2, 64] {
        let mut scene = Scene::new(1);
        let server = scene.host("server");
        let client = scene.host_with("client", Limits { datagram_budget, ..Limits::default() });
        let id = connected(&mut scene, client, server, DatagramProbe::new("client"));
        let address = scene.registry(client).socket_address(id).expect("it is bound");
        scene.run(MS);
        scene.network.pause(client, 100 * MS);
        scene.registry(client).send_to(id, b"anybody?", None).expect("it leaves");
        scene.run(10 * MS);
        let late = bind(&mut scene, server, DatagramProbe::new("server"));
        for _ in 0..3 {
            scene.registry(server).send_to(late, b"here I am", Some(&address)).expect("it leaves");
        }
        scene.run(SECOND);
        let told = ["open", "error connection refused", "datagram 9", "datagram 9", "datagram 9"];
        assert_eq!(scene.log(client).of("client"), told, "{datagram_budget} a turn");
        scene.finish();
    }
}

#[test]
fn calls_that_fail_in_any_way_lose_no_datagram_but_the_one_they_were_made_for() {
    with_seeds(4, &[Fault::DatagramError, Fault::WouldBlock], |mut scene| {
        let (server, client) = (scene.host("server"), scene.host("client"));
        bind(&mut scene, server, echo());
        let id = connected(&mut scene, client, server, DatagramProbe::new("client"));
        scene.faults(&[Fault::DatagramError, Fault::WouldBlock], HALF);
        let mut told = 0;
        for _ in 0..100 {
            told += u64::from(scene.registry(client).send_to(id, b"hello", None).is_err());
            scene.run(10 * MS);
        }
        scene.run(SECOND);
        let stats = scene.stats(client);
        assert!(told > 0 && stats.datagrams_sent > 20, "{told} errors, {stats}");
        assert_eq!(scene.log(server).datagrams.len() as u64, stats.datagrams_sent);
        assert!(told + stats.datagrams_sent <= 100);
        let stats = scene.stats(server);
        assert_eq!(scene.log(client).datagrams.len() as u64, stats.datagrams_sent, "{stats}");
        let ended = ["client", "server"].map(|who| scene.log(server).has(who, "close closed"));
        assert_eq!(ended, [false; 2]);
        scene.finish()
    });
}

/// Row 32: the refused send raises the edge itself.
#[test]
fn a_peer_that_receives_nothing_costs_a_try_now_and_then_and_the_others_nothing() {
    with_seeds(5, &[], |mut scene| {
        let host = scene.host("host");
        let (deaf, hears) = (Address::Path("/deaf".into()), Address::Path("/hears".into()));
        let registry = scene.registry(host);
        let id = registry.bind_datagram(deaf.clone(), DatagramProbe::new("deaf"));
        // It keeps its name, and nobody receives from it.
        let kept = registry.detach_socket(id.expect("the path is free")).expect("it is bound");
        registry.bind_datagram(hears.clone(), DatagramProbe::new("hears")).expect("it is free");
        let speaker = registry.bind_datagram(Address::Unnamed, DatagramProbe::new("speaker"));
        let speaker = speaker.expect("it needs no path");
        scene.run(MS);

        let registry = scene.registry(host);
        while registry.send_to(speaker, &[7; 1_000], Some(&deaf)).is_ok() {}
        let before = scene.stats(host).turns;
        scene.run(10 * SECOND);
        let turns = scene.stats(host).turns - before;
        // Ten tries a second, each a few turns: the timer, the send, the edge that says nothing.
        assert!((100..600).contains(&turns), "{turns}");

        for _ in 0..100 {
            let sent = scene.registry(host).send_to(speaker, b"hello", Some(&hears));
            sent.expect("it is not this one that receives nothing");
            scene.run(MS);
        }
        assert_eq!(scene.log(host).count("hears", "datagram 5"), 100);
        drop(kept);
        scene.run(SECOND);
        assert_eq!(scene.log(host).count("speaker", "drain"), 1, "{:?}", scene.log(host));
        scene.finish()
    });
}
