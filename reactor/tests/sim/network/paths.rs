//! Paths: latency, bandwidth, partitions.

use super::*;

#[test]
fn a_path_takes_its_time_in_each_direction() {
    let mut pair = Pair::new();
    pair.network.set_latency(pair.client, pair.server, 30 * MS);
    pair.network.set_latency(pair.server, pair.client, 5 * MS);
    pair.send(b"hello");
    assert_eq!(pair.until("server", "data 5"), 30 * MS);
    assert_eq!(pair.until("client", "data 5"), 5 * MS);
    pair.send_datagram(b"hello");
    assert_eq!(pair.until("echo", "datagram 5"), 30 * MS);
    assert_eq!(pair.until("socket", "datagram 5"), 5 * MS);
}

#[test]
fn a_connection_is_open_after_one_round_trip_and_half_another() {
    let mut network = Network::from_seed(1);
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| echo())?;
        Ok(Log::default())
    });
    let client = idle(&mut network, "client");
    network.set_latency(client, server, 10 * MS);
    network.set_latency(server, client, 20 * MS);
    let address = network.address(server, 7);
    let (registry, _) = network.parts(client).expect("it is up");
    registry.connect(address, Probe::new("client")).expect("it begins to connect");
    let opened =
        elapsed(&mut network, |network| network.app(client).unwrap().has("client", "open"));
    assert_eq!(opened, 30 * MS);
    let known = elapsed(&mut network, |network| network.app(server).unwrap().has("server", "open"));
    assert_eq!(known, 10 * MS);
}

#[test]
fn a_narrow_path_carries_one_byte_after_the_other() {
    let mut pair = Pair::new();
    pair.network.set_bandwidth(pair.client, pair.server, Some(1_000));
    pair.send_datagram(&[1; 500]);
    pair.send_datagram(&[2; 100]);
    pair.send(&[3; 400]);
    assert_eq!(pair.until("echo", "datagram 500"), 500 * MS + LATENCY);
    assert_eq!(pair.until("echo", "datagram 100"), 100 * MS);
    assert_eq!(pair.until("server", "data 400"), 400 * MS);
    // The way back is as wide as ever, and so is this one afterwards.
    assert_eq!(pair.until("client", "data 400"), LATENCY);
    pair.network.set_bandwidth(pair.client, pair.server, None);
    run(&mut pair.network, MS);
    pair.send(&[4; 600]);
    assert_eq!(pair.until("server", "data 1000"), LATENCY);
}

#[test]
fn a_partition_holds_streams_up_and_loses_datagrams() {
    let mut pair = Pair::new();
    pair.network.partition(pair.client, pair.server, SECOND);
    pair.send(b"hello");
    pair.send_datagram(b"hello");
    // Lost with its first segment, which is sent again after 200 ms, and 400, 800 and 1,600.
    assert_eq!(pair.until("server", "data 5"), 1_600 * MS + LATENCY);
    assert_eq!(pair.until("client", "data 5"), LATENCY);
    run(&mut pair.network, SECOND);
    assert!(pair.datagrams("echo").is_empty());
    assert_eq!(pair.network.fault_counts().of(Fault::Heal), 2);
}

#[test]
fn a_partition_can_be_one_way() {
    let mut pair = Pair::new();
    pair.network.partition_one_way(pair.server, pair.client, Duration::MAX);
    pair.send(b"hello");
    pair.send_datagram(b"hello");
    assert_eq!(pair.until("server", "data 5"), LATENCY);
    assert_eq!(pair.datagrams("echo"), [b"hello"]);
    run(&mut pair.network, 10 * SECOND);
    assert!(!pair.heard("client", "data 5"));
    pair.network.heal();
    pair.until("client", "data 5");
    pair.send_datagram(b"again");
    assert_eq!(pair.until("socket", "datagram 5"), 2 * LATENCY);
    assert_eq!(pair.datagrams("socket"), [b"again"]);
}

#[test]
fn a_partition_is_over_when_it_is_healed() {
    let mut pair = Pair::new();
    pair.network.partition(pair.client, pair.server, Duration::MAX);
    pair.send(b"hello");
    let at = pair.network.now() + 5 * SECOND;
    pair.network.at(at, Network::heal);
    // What is sent again after 3.2 s is lost too; the next time is as long again.
    assert_eq!(pair.until("server", "data 5"), 6_400 * MS + LATENCY);
}

#[test]
fn a_partition_that_lasts_ends_connections_in_the_end() {
    let mut pair = Pair::new();
    pair.network.partition(pair.client, pair.server, Duration::MAX);
    // Neither says anything: probes find out.
    let timed_out = "close the connection failed: Connection timed out (os error 110)";
    assert_eq!(pair.until("client", timed_out), Duration::from_secs(180));
    pair.until("server", timed_out);
}

#[test]
fn a_clogged_path_delivers_everything_at_once() {
    let mut pair = Pair::new();
    pair.network.clog(pair.client, pair.server, 10 * SECOND);
    pair.send_datagram(b"first");
    run(&mut pair.network, 3 * SECOND);
    pair.send_datagram(b"second");
    pair.send(b"hello");
    assert_eq!(pair.until("echo", "datagram 6"), 7 * SECOND);
    assert_eq!(pair.datagrams("echo"), [&b"first"[..], b"second"]);
    pair.until("server", "data 5");
    assert!(pair.network.now() <= 11 * SECOND + MS);
    // And then it is free.
    pair.send_datagram(b"the third");
    assert_eq!(pair.until("echo", "datagram 9"), LATENCY);
}

/// To reach it, and to be sent away, takes longer than the longest pause; but it was never open for so long.
#[test]
fn a_server_that_is_far_away_and_sends_everybody_away_is_not_asked_all_the_time() {
    let mut network = Network::from_seed(1);
    let server = network.host("server", |registry| {
        let away = || Probe::new("server").on_open(|server, _| server.close());
        registry.listen("0.0.0.0:7".parse()?, move |_, _| away())?;
        Ok(Log::default())
    });
    let address = network.address(server, 7);
    let client = network.host("client", move |registry| {
        let backoff = Backoff::new(100 * MS, 2 * SECOND);
        let next = |log: &mut Log, last: Option<&LastTry>| {
            let tries = last.map_or(0, |last| last.tries);
            log.note("next", tries.to_string());
            (log.of("next").len() <= 3).then(|| Probe::new("client"))
        };
        registry.connect_again(address.clone(), &ConnectOptions::default(), backoff, next);
        Ok(Log::default())
    });
    network.set_latency(server, client, 750 * MS);
    network.set_latency(client, server, 750 * MS);
    run(&mut network, 60 * SECOND);
    let log = network.app(client).expect("it is up");
    assert_eq!(log.count("client", "open"), 3);
    assert_eq!(log.of("next"), ["0", "1", "2", "3"]);
}
