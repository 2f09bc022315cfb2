//! Hosts: crashes, restarts, pauses.

use super::*;

#[test]
fn a_crash_is_heard_of_by_nobody_until_the_host_is_back() {
    let mut pair = Pair::new();
    pair.network.crash(pair.server);
    assert!(!pair.network.is_up(pair.server));
    assert!(pair.network.app(pair.server).is_none());
    pair.send(b"anybody?");
    run(&mut pair.network, 60 * SECOND);
    assert_eq!(pair.log(pair.client).of("client"), ["open"], "nobody says anything");

    pair.network.restart(pair.server);
    pair.until("client", "close the peer reset the connection");
    // It has booted anew: it remembers nothing, and listens on its port.
    assert!(pair.log(pair.server).of("server").is_empty());
    let address = pair.network.address(pair.server, 7);
    let (registry, _) = pair.network.parts(pair.client).expect("it is up");
    registry.connect(address, Probe::new("next")).expect("it begins to connect");
    assert_eq!(pair.until("next", "open"), 2 * LATENCY);
}

#[test]
fn a_peer_that_has_crashed_is_found_by_probes_alone() {
    let timed_out = "close the connection failed: Connection timed out (os error 110)";
    let mut pair = Pair::new();
    pair.network.crash(pair.server);
    assert_eq!(pair.until("client", timed_out), Duration::from_secs(180));

    // One that is back by then says that it knows of nothing.
    let mut pair = Pair::new();
    pair.network.crash(pair.server);
    pair.network.restart(pair.server);
    let found = pair.until("client", "close the peer reset the connection");
    assert_eq!(found, Duration::from_secs(180));

    // Without probes nobody ever finds out.
    let stream = StreamOptions { keepalive: None, ..StreamOptions::default() };
    let mut pair = Pair::with(&ConnectOptions { stream, ..ConnectOptions::default() });
    pair.network.crash(pair.server);
    run(&mut pair.network, PATIENCE);
    assert_eq!(pair.log(pair.client).of("client"), ["open"]);
}

#[test]
fn connecting_ends_as_the_network_has_it() {
    let mut network = Network::from_seed(1);
    let silent = idle(&mut network, "silent");
    let down = idle(&mut network, "down");
    network.crash(down);
    let refused = network.address(silent, 7);
    let hanging = network.address(down, 7);
    let client = network.host("client", move |registry| {
        let limits = StreamLimits { connect_timeout: None, ..StreamLimits::default() };
        let patient = ConnectOptions { limits, ..ConnectOptions::default() };
        registry.connect(refused.clone(), Probe::new("refused"))?;
        registry.connect(hanging.clone(), Probe::new("hasty"))?;
        registry.connect_with(hanging.clone(), &patient, Probe::new("patient"))?;
        registry.connect("10.9.9.9:7".parse()?, Probe::new("lost"))?;
        Ok(Log::default())
    });
    let mut ended = |who: &str, why: &str| {
        elapsed(&mut network, |network| network.app(client).unwrap().end(who).is_some());
        let end = network.app(client).unwrap().end(who).unwrap();
        assert_eq!(end.reason, why);
        network.now()
    };
    let why = "could not connect: Connection refused (os error 111)";
    assert_eq!(ended("refused", why), 2 * LATENCY);
    let why = "could not connect: No route to host (os error 113)";
    assert_eq!(ended("lost", why), 3 * SECOND);
    assert_eq!(ended("hasty", "connecting took too long"), 30 * SECOND);
    // Seven tries, each twice as long after the last: a little over two minutes.
    let why = "could not connect: Connection timed out (os error 110)";
    assert_eq!(ended("patient", why), 127 * SECOND + LATENCY);
}

#[test]
fn a_restart_boots_again_and_takes_over_what_the_crash_has_left() {
    let boots = Rc::new(Cell::new(0));
    let counted = Rc::clone(&boots);
    let mut network = Network::from_seed(1);
    let server = network.host("server", move |registry| {
        counted.set(counted.get() + 1);
        registry.listen("0.0.0.0:7".parse()?, |_, _| echo())?;
        registry.listen("unix:/run/echo".parse()?, |_, _| echo())?;
        registry.bind_datagram("unix:/run/log".parse()?, echo_datagrams())?;
        Ok(Log::default())
    });
    for nth in 1..=3 {
        assert_eq!(boots.get(), nth);
        assert_eq!(network.snapshot(server).expect("it is up").sockets.len(), 3);
        run(&mut network, SECOND);
        network.crash(server);
        run(&mut network, SECOND);
        network.restart(server);
    }
    // One that is up is left alone.
    network.restart(server);
    assert_eq!(boots.get(), 4);
    assert_eq!(network.fault_counts().of(Fault::Restart), 3);
    network.finish(SECOND).expect("nothing is left");
}

#[test]
fn a_path_that_a_crash_has_left_is_in_the_way_of_the_careful() {
    let mut network = Network::from_seed(1);
    let server = network.host("server", |registry| {
        let careful = ListenOptions { replace_stale: false, ..ListenOptions::default() };
        registry.listen_with("unix:/run/echo".parse()?, &careful, |_, _: &mut Log| None)?;
        Ok(Log::default())
    });
    network.crash(server);
    network.restart(server);
    let Broken { what, how, .. } = network.step().expect_err("it cannot boot");
    assert_eq!(what, "the boot of server");
    assert_eq!(how, "address already in use: unix:/run/echo");
}

#[test]
fn a_host_that_stands_still_catches_up() {
    let mut pair = Pair::new();
    let (registry, _) = pair.network.parts(pair.server).expect("it is up");
    registry
        .after(100 * MS, |_, log: &mut Log| log.note("server", "the timer"))
        .expect("there is one left");
    pair.network.pause(pair.server, SECOND);
    pair.send(b"hello");
    assert_eq!(pair.until("server", "data 5"), SECOND);
    assert_eq!(pair.until("server", "the timer"), Duration::ZERO);
    assert_eq!(pair.until("client", "data 5"), LATENCY);
}

#[test]
fn hosts_have_their_own_ports_and_paths() {
    let mut network = Network::from_seed(1);
    let listen = |registry: &mut reactor::Registry<Log>| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| echo())?;
        registry.listen("unix:@echo".parse()?, |_, _| echo())?;
        Ok(Log::default())
    };
    let one = network.host("one", listen);
    let other = network.host("other", listen);
    let third = idle(&mut network, "third");
    run(&mut network, MS);
    let addresses = [network.address(one, 7), network.address_v6(other, 7)];
    assert_eq!(addresses.map(|address| address.to_string()), ["10.0.0.1:7", "[fd00::2]:7"]);
    // Streams and datagrams have ports of their own.
    let (registry, _) = network.parts(one).expect("it is up");
    registry.bind_datagram("0.0.0.0:7".parse().unwrap(), echo_datagrams()).expect("it is free");
    // What is on another host is not here.
    let (registry, _) = network.parts(third).expect("it is up");
    registry.connect("unix:@echo".parse().unwrap(), Probe::new("missing")).expect("it begins");
    let not_ours = registry.listen("10.0.0.1:8".parse().unwrap(), |_, _| echo()).unwrap_err();
    assert!(matches!(not_ours, OpenError::AddressNotAvailable(_)), "{not_ours}");
    run(&mut network, MS);
    let end = network.app(third).and_then(|log| log.end("missing")).expect("it has ended");
    assert!(end.reason.starts_with("could not connect"), "{}", end.reason);
}

/// Each client asks, and the server is told to end while all of its answers are still being worked out.
#[test]
fn a_shutdown_waits_for_the_answers_that_are_being_worked_out() {
    const CLIENTS: usize = 20;
    let mut network = Network::from_seed(1);
    network.set_faults(Faults::calm().with(Fault::SlowWork, Rate::one_in(1)));
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| {
            Probe::new("server").on_data(|transport, input, _| {
                let asked = input.take_all().to_vec();
                let answer =
                    |_: &mut Probe, transport: &mut Transport<'_, Log>, _: &mut Log, said| {
                        let said: Vec<u8> = Result::unwrap(said);
                        transport.write(&said);
                    };
                transport.offload(|| asked, answer).expect("there is room");
            })
        })?;
        Ok(Log::default())
    });
    let address = network.address(server, 7);
    let clients = network.host("clients", move |registry| {
        for _ in 0..CLIENTS {
            let client = Probe::new("client").on_open(|transport, _| transport.write(b"question"));
            registry.connect(address.clone(), client)?;
        }
        Ok(Log::default())
    });
    elapsed(&mut network, |network| {
        network.app(server).unwrap().bytes("server").len() == 8 * CLIENTS
    });
    network.parts(server).expect("it is up").0.shutdown(SECOND);
    elapsed(&mut network, |network| network.report(server).is_some());
    run(&mut network, SECOND);
    let log = network.app(clients).expect("it is up");
    assert_eq!(log.bytes("client"), b"question".repeat(CLIENTS));
    let report = network.report(server).expect("it has ended");
    assert_eq!(
        (report.finished, report.cut_off.len(), report.work_lost),
        (CLIENTS, 0, 0),
        "{report}"
    );
}
