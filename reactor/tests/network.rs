//! The simulated network itself: what arrives when, and what becomes of it when something is done to
//! a path or a host. All times are exact.

#![cfg(feature = "sim")]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reactor::sim::{Broken, Errno, Fault, Faults, Host, HostId, Network, Payload, Rate, Verdict};
use reactor::{
    Address, ConnectOptions, ConnectionId, DatagramOptions, Handle, ListenOptions, OpenError,
    SocketId, StreamLimits, StreamOptions, TimerKey,
};
use support::{DatagramProbe, Log, Probe, pattern};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// What any two hosts are apart where nothing else was said.
const LATENCY: Duration = MS;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(100_000);

// ── hosts that talk ─────────────────────────────────────────────────────────────────────────

/// A server that echoes on port 7, both streams and datagrams, and a client of each.
struct Pair {
    network: Network,
    server: Host<Log>,
    client: Host<Log>,
    connection: ConnectionId,
    socket: SocketId,
}

impl Pair {
    /// Two hosts whose connection is open, and who have nothing to do.
    fn new() -> Self {
        Self::with(&ConnectOptions::default())
    }

    fn with(options: &ConnectOptions) -> Self {
        let mut network = Network::from_seed(1);
        let server = network.host("server", |registry| {
            registry.listen("0.0.0.0:7".parse()?, |_, _| echo())?;
            registry.bind_datagram("0.0.0.0:7".parse()?, echo_datagrams())?;
            Ok(Log::default())
        });
        let peer = network.address(server, 7);
        let ids = Rc::new(Cell::new(None));
        let (opened, options) = (Rc::clone(&ids), options.clone());
        let client = network.host("client", move |registry| {
            let probe = Probe::new("client");
            let connection = registry.connect_with(peer.clone(), &options, probe)?;
            let options = DatagramOptions { peer: Some(peer.clone()), ..Default::default() };
            let probe = DatagramProbe::new("socket");
            let socket = registry.bind_datagram_with("0.0.0.0:0".parse()?, &options, probe)?;
            opened.set(Some((connection, socket)));
            Ok(Log::default())
        });
        network.run_for(SECOND).expect("nothing breaks");
        let (connection, socket) = ids.get().expect("it has booted");
        let pair = Self { network, server, client, connection, socket };
        assert!(pair.heard("server", "open") && pair.heard("client", "open"));
        pair
    }

    fn log(&self, host: Host<Log>) -> &Log {
        self.network.app(host).expect("it is up")
    }

    /// Whether one has written a line.
    fn heard(&self, who: &str, text: &str) -> bool {
        let hosts = [self.server, self.client];
        hosts.into_iter().filter_map(|host| self.network.app(host)).any(|log| log.has(who, text))
    }

    /// Has the client send on its connection.
    fn send(&mut self, bytes: &[u8]) {
        let (registry, _) = self.network.parts(self.client).expect("it is up");
        registry.send(self.connection, Bytes::copy_from_slice(bytes)).expect("it is open");
    }

    /// Has the client send a datagram.
    fn send_datagram(&mut self, bytes: &[u8]) {
        let (registry, _) = self.network.parts(self.client).expect("it is up");
        registry.send_to(self.socket, bytes, None).expect("it has a peer");
    }

    /// How long it takes until one has written a line.
    #[track_caller]
    fn until(&mut self, who: &str, text: &str) -> Duration {
        let hosts = [self.server, self.client];
        elapsed(&mut self.network, |network| {
            hosts.into_iter().filter_map(|host| network.app(host)).any(|log| log.has(who, text))
        })
    }

    /// Everything that one has been sent in datagrams.
    fn datagrams(&self, who: &str) -> Vec<&[u8]> {
        let logs = [self.log(self.server), self.log(self.client)];
        let all = logs.into_iter().flat_map(|log| &log.datagrams);
        all.filter(|(name, ..)| *name == who).map(|(_, bytes, _)| &**bytes).collect()
    }
}

fn echo() -> Probe {
    Probe::new("server").on_data(|transport, input, _| transport.write(input.take_all()))
}

fn echo_datagrams() -> DatagramProbe {
    DatagramProbe::new("echo").on_datagram(|socket, datagram, _| {
        socket.send_to(datagram.bytes, &datagram.from).expect("there is room for it");
    })
}

/// A host of no sockets.
fn idle(network: &mut Network, name: &str) -> Host<Log> {
    network.host(name, |_| Ok(Log::default()))
}

/// How long it takes until something is so.
#[track_caller]
fn elapsed(network: &mut Network, is_so: impl FnMut(&Network) -> bool) -> Duration {
    let began = network.now();
    let so = network.run_until(PATIENCE, is_so).expect("nothing breaks");
    assert!(so, "it never came to be\n{}", network.trace());
    network.now() - began
}

#[track_caller]
fn run(network: &mut Network, length: Duration) {
    network.run_for(length).unwrap_or_else(|broken| panic!("{broken}\n{}", network.trace()));
}

// ── paths ───────────────────────────────────────────────────────────────────────────────────

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

// ── hosts ───────────────────────────────────────────────────────────────────────────────────

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
    let missing = registry.connect("unix:@echo".parse().unwrap(), echo()).unwrap_err();
    assert!(matches!(missing, OpenError::Io { .. }), "{missing}");
    let not_ours = registry.listen("10.0.0.1:8".parse().unwrap(), |_, _| echo()).unwrap_err();
    assert!(matches!(not_ours, OpenError::AddressNotAvailable(_)), "{not_ours}");
}

// ── clocks and chance ───────────────────────────────────────────────────────────────────────

#[test]
fn the_wall_clock_jumps_and_the_time_does_not() {
    let mut network = Network::from_seed(1);
    let host = idle(&mut network, "host");
    let other = idle(&mut network, "other");
    let wall = |network: &mut Network, host| {
        let (registry, _) = network.parts(host).expect("it is up");
        let since_1970 = registry.wall_clock().duration_since(SystemTime::UNIX_EPOCH);
        (since_1970.expect("it is later"), registry.now())
    };
    let (before, began) = wall(&mut network, host);
    run(&mut network, SECOND);
    network.set_wall_clock(host, -3_600);
    run(&mut network, SECOND);
    let (after, now) = wall(&mut network, host);
    assert_eq!(before - after, 3_600 * SECOND - 2 * SECOND);
    assert_eq!(now - began, 2 * SECOND);
    network.set_wall_clock(host, 3_600);
    assert_eq!(wall(&mut network, host).0, before + 2 * SECOND);
    assert_eq!(wall(&mut network, other), wall(&mut network, host));
}

#[test]
fn chance_is_the_seeds() {
    let drawn = |seed| {
        let mut network = Network::from_seed(seed);
        let draw = |registry: &mut reactor::Registry<Vec<u64>>| {
            Ok((0..3).map(|_| registry.random()).collect())
        };
        let hosts = [network.host("one", draw), network.host("other", draw)];
        let drawn = hosts.map(|host| network.app(host).expect("it is up").clone()).concat();
        (drawn, network.choose(1_000_000), network.hash())
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let (numbers, ..) = drawn(1);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 6, "no two are the same");
}

#[test]
fn offloaded_work_takes_virtual_time_and_may_be_overtaken() {
    let offload = |faults: Faults| {
        let mut network = Network::from_seed(1);
        network.set_faults(faults);
        let host = network.host("host", |registry| {
            let began = registry.now();
            for number in 0..20 {
                registry.offload(
                    move || number,
                    move |registry, done: &mut Vec<_>, result| {
                        done.push((result.expect("no panic"), registry.now() - began));
                    },
                )?;
            }
            Ok(Vec::new())
        });
        elapsed(&mut network, |network| network.app(host).unwrap().len() == 20);
        network.app(host).unwrap().clone()
    };
    let at_once: Vec<(i32, Duration)> = (0..20).map(|number| (number, Duration::ZERO)).collect();
    assert_eq!(offload(Faults::calm()), at_once);

    let mut slow = offload(Faults::calm().with(Fault::SlowWork, Rate::one_in(2)));
    assert!(slow.is_sorted_by_key(|&(_, when)| when));
    assert!(!slow.is_sorted_by_key(|&(number, _)| number), "nobody was overtaken");
    assert!(slow.iter().all(|&(_, when)| when < 201 * MS));
    slow.sort_by_key(|&(number, _)| number);
    assert!(slow.iter().map(|&(number, _)| number).eq(0..20), "each is done once");
}

#[test]
fn a_handle_reaches_another_host_as_another_thread_would() {
    let mut pair = Pair::new();
    let (registry, _) = pair.network.parts(pair.server).expect("it is up");
    let handle: Handle<Log> = registry.handle();
    let (registry, _) = pair.network.parts(pair.client).expect("it is up");
    registry
        .after(10 * MS, move |_, _| {
            let told = handle.run(|registry, log: &mut Log| {
                let connections = registry.stats().connections;
                log.note("server", format!("told, with {connections} connection"));
            });
            told.expect("its loop goes on");
        })
        .expect("there is one left");
    assert_eq!(pair.until("server", "told, with 1 connection"), 10 * MS);
}

// ── descriptors ─────────────────────────────────────────────────────────────────────────────

#[test]
fn a_host_has_only_so_many_descriptors() {
    let mut pair = Pair::new();
    // Those of the sockets there are, and none beside.
    pair.network.limit_descriptors(pair.server, Some(0));
    let address = pair.network.address(pair.server, 7);
    let (registry, _) = pair.network.parts(pair.server).expect("it is up");
    let refused = registry.connect(address.clone(), Probe::new("never")).unwrap_err();
    assert!(matches!(refused, OpenError::NoDescriptors(_)), "{refused}");
    let refused = registry.listen("0.0.0.0:8".parse().unwrap(), |_, _| echo()).unwrap_err();
    assert!(matches!(refused, OpenError::NoDescriptors(_)), "{refused}");

    // Whoever connects waits, and is let in when there are some again.
    let (registry, _) = pair.network.parts(pair.client).expect("it is up");
    registry.connect(address, Probe::new("next")).expect("it begins to connect");
    pair.until("next", "open");
    run(&mut pair.network, SECOND);
    assert_eq!(pair.log(pair.server).count("server", "open"), 1);
    assert!(pair.network.stats(pair.server).expect("it is up").accept_rests > 0);
    pair.network.limit_descriptors(pair.server, None);
    let server = pair.server;
    elapsed(&mut pair.network, |network| network.app(server).unwrap().count("server", "open") == 2);
}

// ── datagrams ───────────────────────────────────────────────────────────────────────────────

/// What arrives of a hundred numbered datagrams.
fn hundred(faults: Faults) -> (Vec<Vec<u8>>, Network) {
    let mut pair = Pair::new();
    pair.network.set_faults(faults);
    for number in 0..100 {
        pair.send_datagram(&[number; 20]);
        run(&mut pair.network, MS / 10);
    }
    run(&mut pair.network, SECOND);
    let arrived = pair.datagrams("echo").into_iter().map(<[u8]>::to_vec).collect();
    (arrived, pair.network)
}

#[test]
fn datagrams_are_lost_doubled_overtaken_and_corrupted_at_their_rates() {
    let all: Vec<Vec<u8>> = (0..100).map(|number| vec![number; 20]).collect();
    assert_eq!(hundred(Faults::calm()).0, all);
    let half = Rate::one_in(2);
    // The answers meet the same faults: of 200 at most, half.
    let (arrived, network) = hundred(Faults::calm().with(Fault::DatagramLost, half));
    assert!((30..70).contains(&arrived.len()), "{}", arrived.len());
    assert!(arrived.iter().all(|datagram| all.contains(datagram)) && arrived.is_sorted());
    assert!(network.fault_counts().of(Fault::DatagramLost) >= 100 - arrived.len() as u64);

    let (mut arrived, _) = hundred(Faults::calm().with(Fault::DatagramDuplicated, half));
    assert!((130..170).contains(&arrived.len()), "{}", arrived.len());
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived, all);

    let (mut arrived, _) = hundred(Faults::calm().with(Fault::DatagramReordered, half));
    assert!(!arrived.is_sorted());
    arrived.sort();
    assert_eq!(arrived, all);

    let (arrived, _) = hundred(Faults::calm().with(Fault::DatagramCorrupted, half));
    assert_eq!(arrived.len(), 100);
    let flipped = |(seen, sent): (&Vec<u8>, &Vec<u8>)| {
        seen.iter().zip(sent).map(|(seen, sent)| (seen ^ sent).count_ones()).sum::<u32>()
    };
    let flipped: Vec<u32> = arrived.iter().zip(&all).map(flipped).collect();
    assert!(flipped.iter().all(|&bits| bits <= 1), "one bit of a datagram at most");
    assert!((30..70).contains(&flipped.iter().sum::<u32>()));
}

#[test]
fn a_path_drops_what_is_longer_than_it_carries() {
    let mut network = Network::from_seed(1);
    network.set_faults(Faults::calm().with(Fault::DatagramTooLong, Rate::MOSTLY));
    let server = network.host("server", |registry| {
        registry.bind_datagram("0.0.0.0:7".parse()?, DatagramProbe::new("server"))?;
        Ok(Log::default())
    });
    let to = network.address(server, 7);
    network.host("client", move |registry| {
        let id = registry.bind_datagram("0.0.0.0:0".parse()?, DatagramProbe::new("client"))?;
        // No Ethernet carries the second, and the oldest modem the first.
        registry.send_to(id, &[1; 548], Some(&to))?;
        registry.send_to(id, &[2; 1_473], Some(&to))?;
        registry.send_to(id, &[3; 548], Some(&to))?;
        Ok(Log::default())
    });
    run(&mut network, SECOND);
    let told = network.app(server).unwrap().of("server");
    assert_eq!(told, ["open", "datagram 548", "datagram 548"]);
    assert_eq!(network.fault_counts().of(Fault::DatagramTooLong), 1);
}

// ── rules ───────────────────────────────────────────────────────────────────────────────────

/// Judges what carries a byte, and nothing else.
fn about(byte: u8, verdict: Verdict) -> impl FnMut(&reactor::sim::Segment<'_>) -> Verdict {
    move |segment| match segment.payload {
        Payload::Bytes(bytes) | Payload::Datagram(bytes) if bytes.first() == Some(&byte) => verdict,
        _ => Verdict::Pass,
    }
}

#[test]
fn a_rule_decides_what_becomes_of_a_datagram() {
    let mut pair = Pair::new();
    let verdicts = [
        (b'd', Verdict::Drop),
        (b'l', Verdict::Delay(50 * MS)),
        (b't', Verdict::Duplicate),
        (b'c', Verdict::Corrupt),
        (b'r', Verdict::Reset),
    ];
    for (byte, verdict) in verdicts {
        pair.network.rule(about(byte, verdict));
        // Whoever comes first decides.
        pair.network.rule(about(byte, Verdict::Drop));
    }
    for message in [&b"pass"[..], b"dropped", b"late", b"twice", b"corrupted", b"reset"] {
        pair.send_datagram(message);
    }
    assert_eq!(pair.until("echo", "datagram 4"), LATENCY);
    let server = pair.server;
    elapsed(&mut pair.network, |network| {
        network.app(server).unwrap().datagrams.iter().any(|(_, bytes, _)| bytes == b"late")
    });
    assert_eq!(pair.network.now(), SECOND + 50 * MS + LATENCY);
    run(&mut pair.network, SECOND);
    let mut arrived = pair.datagrams("echo");
    arrived.sort_unstable();
    let corrupted = arrived.iter().position(|bytes| bytes.len() == 9).expect("it arrives");
    let corrupted = arrived.remove(corrupted);
    let bits = corrupted.iter().zip(b"corrupted").map(|(seen, sent)| (seen ^ sent).count_ones());
    assert_eq!(bits.sum::<u32>(), 1);
    assert_eq!(arrived, [&b"late"[..], b"pass", b"twice", b"twice"]);
}

#[test]
fn a_rule_decides_what_becomes_of_a_stream() {
    let mut pair = Pair::new();
    for (byte, verdict) in [
        (b'd', Verdict::Drop),
        (b'l', Verdict::Delay(50 * MS)),
        (b't', Verdict::Duplicate),
        (b'c', Verdict::Corrupt),
        (b'r', Verdict::Reset),
    ] {
        pair.network.rule(about(byte, verdict));
    }
    // It is sent again; and its answer meets the same rule.
    pair.send(b"dropped");
    assert_eq!(pair.until("server", "data 7"), 200 * MS + LATENCY);
    assert_eq!(pair.until("client", "data 7"), 200 * MS + LATENCY);
    // What comes behind something late is late with it.
    run(&mut pair.network, MS);
    pair.send(b"late");
    run(&mut pair.network, MS);
    pair.send(b"behind");
    assert_eq!(pair.until("server", "data 17"), 50 * MS);
    run(&mut pair.network, SECOND);
    // A stream is neither doubled nor corrupted.
    pair.send(b"twice");
    assert_eq!(pair.until("client", "data 22"), 2 * LATENCY);
    run(&mut pair.network, MS);
    pair.send(b"corrupted");
    assert_eq!(pair.until("client", "data 31"), 2 * LATENCY);
    assert_eq!(pair.log(pair.client).bytes("client"), b"droppedlatebehindtwicecorrupted");
    run(&mut pair.network, MS);
    pair.send(b"reset");
    let reset = "close the peer reset the connection";
    assert_eq!(pair.until("server", reset), LATENCY);
    assert_eq!(pair.until("client", reset), Duration::ZERO);
}

#[test]
fn a_rule_sees_who_sends_what_to_whom_and_when() {
    let mut pair = Pair::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&seen);
    pair.network.rule(move |segment| {
        let what = match segment.payload {
            Payload::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Payload::Datagram(bytes) => format!("a datagram of {}", bytes.len()),
            Payload::Fin => "FIN".to_owned(),
            Payload::Reset => "RST".to_owned(),
        };
        let ports = (segment.from.port() == Some(7), segment.to.port() == Some(7));
        notes.borrow_mut().push((segment.at - SECOND, ports, what));
        Verdict::Pass
    });
    let (to_server, to_client) = ((false, true), (true, false));
    pair.send(b"hello");
    pair.until("client", "data 5");
    pair.send_datagram(b"hi");
    pair.until("socket", "datagram 2");
    // A host that has just turned is busy for a moment.
    run(&mut pair.network, MS);
    let (registry, _) = pair.network.parts(pair.client).expect("it is up");
    registry.close(pair.connection).expect("it is open");
    pair.until("client", "close closed");
    let seen = seen.borrow();
    let seen: Vec<_> = seen.iter().map(|(at, ports, what)| (*at, *ports, &**what)).collect();
    assert_eq!(
        seen,
        [
            (Duration::ZERO, to_server, "5 bytes"),
            (MS, to_client, "5 bytes"),
            (2 * MS, to_server, "a datagram of 2"),
            (3 * MS, to_client, "a datagram of 2"),
            (5 * MS, to_server, "FIN"),
            (6 * MS, to_client, "FIN"),
        ]
    );
}

// ── scripts, checks, and the end ────────────────────────────────────────────────────────────

#[test]
fn scripts_run_at_their_times_and_in_their_order() {
    let mut network = Network::from_seed(1);
    let host = idle(&mut network, "host");
    let note = move |text: &'static str| {
        move |network: &mut Network| {
            let now = network.now();
            let (_, log) = network.parts(host).expect("it is up");
            log.note("script", format!("{text} at {now:?}"));
        }
    };
    network.at(2 * SECOND, note("third"));
    network.at(SECOND, note("first"));
    network.at(SECOND, note("second"));
    network.at(3 * SECOND, move |network| {
        // One that is late runs at once, and one may lead to another.
        network.at(SECOND, note("fourth"));
        let next = network.now() + MS;
        network.at(next, note("fifth"));
    });
    run(&mut network, 10 * SECOND);
    assert_eq!(
        network.app(host).unwrap().of("script"),
        ["first at 1s", "second at 1s", "third at 2s", "fourth at 3s", "fifth at 3.001s"]
    );
}

#[test]
fn what_must_always_hold_is_named_when_it_does_not() {
    let mut pair = Pair::new();
    let server = pair.server;
    pair.network.invariant("silence", move |network| {
        match network.app(server).map_or(0, |log| log.bytes("server").len()) {
            0 => Ok(()),
            heard => Err(format!("{heard} bytes were heard")),
        }
    });
    run(&mut pair.network, SECOND);
    pair.send(b"hello");
    let broken = pair.network.run_for(SECOND).expect_err("somebody spoke");
    let Broken { at, what, how } = broken.clone();
    assert_eq!((at, &*what, &*how), (2 * SECOND + LATENCY, "silence", "5 bytes were heard"));
    assert_eq!(broken.to_string(), "after 2.001s, silence is broken: 5 bytes were heard");
}

#[test]
fn time_goes_as_far_as_it_is_told_to() {
    let mut network = Network::from_seed(1);
    idle(&mut network, "host");
    assert_eq!(network.run_until(SECOND, |_| false), Ok(false));
    assert_eq!(network.now(), SECOND);
    assert_eq!(network.run_until(SECOND, |network| network.now() >= SECOND), Ok(true));
    assert_eq!(network.now(), SECOND, "it is so already");
    network.at(1_500 * MS, |_| {});
    let steps = network.steps();
    assert_eq!(network.run_until(SECOND, |network| network.steps() > steps), Ok(true));
    assert_eq!(network.now(), 1_500 * MS);
    while network.step().expect("nothing breaks") {}
    assert_eq!(network.now(), 1_500 * MS, "nothing is left that could happen");
}

#[test]
fn the_end_finds_what_is_left() {
    let mut pair = Pair::new();
    pair.network.finish(SECOND).expect("both close");
    let report = pair.network.report(pair.server).expect("it has ended");
    assert_eq!((report.finished, report.cut_off.len()), (1, 0));
    // Somebody opens a socket at the very end, and nobody closes it.
    let (registry, _) = pair.network.parts(pair.server).expect("it was not down");
    registry.listen("0.0.0.0:9".parse().unwrap(), |_, _| echo()).expect("it is free");
    let Broken { what, how, .. } = pair.network.finish(SECOND).expect_err("it is left");
    assert_eq!((&*what, &*how), ("tidiness", "server has 1 sockets left"));
}

#[test]
fn the_end_finds_a_loop_that_does_not() {
    let mut pair = Pair::new();
    pair.network.pause(pair.server, 3_600 * SECOND);
    let Broken { at, what, how } = pair.network.finish(SECOND).expect_err("it stands still");
    assert_eq!((&*what, &*how), ("shutdown", "a loop does not end"));
    assert_eq!(at, 62 * SECOND);
}

#[test]
fn whoever_cannot_boot_in_calm_has_a_fault_of_its_own() {
    let mut network = Network::from_seed(1);
    run(&mut network, SECOND);
    network.host("server", |_| -> Result<Log, _> { Err("there is no disk".into()) });
    let broken = network.run_for(SECOND).expect_err("it cannot boot");
    let expected = "after 1s, the boot of server is broken: there is no disk";
    assert_eq!(broken.to_string(), expected);
}

#[test]
fn whoever_cannot_boot_under_faults_tries_again() {
    let mut network = Network::from_seed(1);
    network.set_faults(Faults::calm().with(Fault::OpenError, Rate::MOSTLY));
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| echo())?;
        Ok(Log::default())
    });
    assert!(!network.is_up(server));
    network.at(2_500 * MS, |network| network.set_faults(Faults::calm()));
    let booted = elapsed(&mut network, |network| network.is_up(server));
    assert_eq!(booted, 3 * SECOND, "once a second");
    assert_eq!(network.fault_counts().of(Fault::OpenError), 3);
    assert_eq!(network.snapshot(server).expect("it is up").sockets.len(), 1);
}

#[test]
fn calm_ends_what_goes_wrong_and_not_what_has_gone_wrong() {
    let mut pair = Pair::new();
    pair.network.set_faults(Faults::calm().with(Fault::DatagramLost, Rate::MOSTLY));
    pair.network.rule(|_| Verdict::Drop);
    pair.network.partition(pair.client, pair.server, Duration::MAX);
    pair.network.pause(pair.client, PATIENCE);
    let third = idle(&mut pair.network, "third");
    pair.network.crash(third);
    pair.network.calm();
    assert!(pair.network.is_up(third));
    pair.send_datagram(b"hello");
    assert_eq!(pair.until("socket", "datagram 5"), 2 * LATENCY);
    assert_eq!(pair.network.fault_counts().of(Fault::DatagramLost), 0);
}

#[test]
fn an_error_can_be_told_from_another() {
    for (errno, code) in [(Errno::ECONNRESET, 104), (Errno::EMFILE, 24), (Errno::EPROTOTYPE, 91)] {
        if cfg!(target_os = "linux") {
            assert_eq!(std::io::Error::from(errno).raw_os_error(), Some(code));
        }
    }
}

#[test]
fn a_hundred_hosts_pass_a_word_around() {
    const HOSTS: u16 = 100;
    let mut network = Network::from_seed(1);
    let ids: Vec<HostId> = (0..HOSTS)
        .map(|nth| {
            let next = Address::Ip(([10, 0, 0, (nth + 1) as u8 % 100 + 1], 7).into());
            // Whoever hears the word tells the next, but the first, who began.
            let host = network.host(&format!("host {nth}"), move |registry| {
                let next = next.clone();
                registry.listen("0.0.0.0:7".parse()?, move |_, _| {
                    let next = next.clone();
                    Probe::new("listener").on_data(move |transport, input, log: &mut Log| {
                        let word = input.take_all().to_vec();
                        log.note("word", String::from_utf8_lossy(&word));
                        if nth > 0 {
                            let teller = teller(word);
                            let connecting = transport.registry().connect(next.clone(), teller);
                            connecting.expect("it begins to connect");
                        }
                    })
                })?;
                Ok(Log::default())
            });
            host.id()
        })
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    let first: Host<Log> = idle(&mut network, "the first");
    let (registry, _) = network.parts(first).expect("it is up");
    let begin = "10.0.0.2:7".parse().unwrap();
    registry.connect(begin, teller(b"psst".to_vec())).expect("it begins to connect");
    // A round trip to connect, half of one for the word, and a turn to accept and one to read.
    let last = ids[0];
    let heard = elapsed(&mut network, |network| {
        network.stats(last).is_some_and(|stats| stats.read_bytes == 4)
    });
    assert_eq!(heard, 100 * (3 * LATENCY + Duration::from_micros(2)));
    network.finish(10 * SECOND).expect("nothing is left");
}

/// Says a word, and goes.
fn teller(word: Vec<u8>) -> Probe {
    Probe::new("teller").on_open(move |transport, _| {
        transport.write(&word);
        transport.close();
    })
}

#[test]
fn much_arrives_whole_over_a_path_that_loses_and_delays() {
    let mut pair = Pair::new();
    let bad = [Fault::SegmentLost, Fault::ShortRead, Fault::ShortWrite, Fault::WouldBlock];
    let faults =
        bad.into_iter().fold(Faults::calm(), |all, fault| all.with(fault, Rate::one_in(3)));
    pair.network.set_faults(faults);
    let text = pattern(300_000);
    pair.send(&text);
    let client = pair.client;
    elapsed(&mut pair.network, |network| {
        network.app(client).unwrap().bytes("client").len() == text.len()
    });
    support::assert_same_bytes(pair.log(pair.client).bytes("client"), &text);
    for fault in bad {
        assert!(pair.network.fault_counts().of(fault) > 0, "{fault}");
    }
}

#[test]
fn a_timer_fires_at_its_time_and_a_slow_handler_makes_it_late() {
    let mut network = Network::from_seed(1);
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:7".parse()?, |_, _| {
            Probe::new("server").on_open(|transport, _| {
                transport.set_timer(TimerKey(1), 250 * MS);
            })
        })?;
        Ok(Log::default())
    });
    let address = network.address(server, 7);
    network.host("client", move |registry| {
        registry.connect(address.clone(), Probe::new("client"))?;
        Ok(Log::default())
    });
    let fired =
        elapsed(&mut network, |network| network.app(server).unwrap().has("server", "timer 1"));
    assert_eq!(fired, 3 * LATENCY + 250 * MS);
    network.set_faults(Faults::calm().with(Fault::SlowHandler, Rate::MOSTLY));
    let (registry, _) = network.parts(server).expect("it is up");
    for after in [MS, 2 * MS] {
        let late = move |_: &mut reactor::Registry<Log>, log: &mut Log| {
            log.note("late", format!("{after:?}"));
        };
        registry.after(after, late).expect("there is one left");
    }
    let both = elapsed(&mut network, |network| network.app(server).unwrap().has("late", "2ms"));
    assert!(both > 2 * MS && both < 200 * MS, "{both:?}");
}
