//! The PROXY protocol at accept: whom a connection speaks for is known before its protocol is made.

use reactor::{Limits, ProxyProtocol, ProxyVersion};

use super::*;

const CLIENT: &str = "192.0.2.7:50000";
const FRONT: &str = "192.0.2.1:443";
/// The signature, version 2, and a connection of the proxy's own, of which nothing more is said.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";

fn header(version: ProxyVersion) -> Bytes {
    let address = |text: &str| text.parse().expect("an address");
    version.header(&address(CLIENT), &address(FRONT))
}

/// A server that believes one proxy, and that proxy.
struct Stage {
    network: Network,
    server: Host<Log>,
    proxy: Host<Log>,
}

impl Stage {
    fn new(seed: u64, trusted: &str, limits: Limits) -> Self {
        let mut network = Network::from_seed(seed);
        let trusted = trusted.parse().expect("a network");
        let options = ListenOptions {
            proxy_protocol: Some(ProxyProtocol::from(vec![trusted])),
            ..ListenOptions::default()
        };
        let server = network.host_with("server", &limits, move |registry| {
            registry.listen_with("0.0.0.0:7".parse()?, &options, |peer, log: &mut Log| {
                log.note("factory", peer.to_string());
                Some(Box::new(Probe::new("server").on_open(|transport, log| {
                    let by = transport.proxied().map(|proxied| proxied.by.ip());
                    let to = transport.proxied().map(|proxied| proxied.to.to_string());
                    log.note("server", format!("{} {to:?}", transport.peer()));
                    log.note("server", if by == Some(None) { "by nobody" } else { "by a proxy" });
                })))
            })?;
            Ok(Log::default())
        });
        let proxy = idle(&mut network, "proxy");
        let mut stage = Self { network, server, proxy };
        run(&mut stage.network, MS);
        stage
    }

    fn believing() -> Self {
        Self::new(1, "0.0.0.0/0", Limits::default())
    }

    /// The proxy connects, and says these things, a while apart.
    fn says(&mut self, pieces: Vec<Bytes>) -> ConnectionId {
        const NEXT: TimerKey = TimerKey(1);
        let address = self.network.address(self.server, 7);
        let (registry, _) = self.network.parts(self.proxy).expect("it is up");
        let mut pieces = pieces.into_iter();
        let first = pieces.next();
        let probe = Probe::new("proxy")
            .on_open(move |transport, _| {
                first.iter().for_each(|piece| transport.write(piece));
                transport.set_timer(NEXT, 10 * MS);
            })
            .on_timer(move |transport, _, _| {
                if let Some(piece) = pieces.next() {
                    transport.write(&piece);
                    transport.set_timer(NEXT, 10 * MS);
                }
            });
        registry.connect(address, probe).expect("it begins")
    }

    fn log(&self) -> &Log {
        self.network.app(self.server).expect("it is up")
    }

    fn stats(&self) -> reactor::Stats {
        self.network.stats(self.server).expect("it is up")
    }

    /// Waits until somebody was refused, and demands that the program has not heard of it.
    #[track_caller]
    fn until_refused(&mut self) -> Duration {
        let server = self.server;
        let took = elapsed(&mut self.network, |network| {
            network.stats(server).is_some_and(|stats| stats.refused_proxy == 1)
        });
        assert_eq!(self.log().everybody(), Vec::<&str>::new());
        assert_eq!((self.stats().connections, self.stats().accepted), (0, 0));
        took
    }
}

#[test]
fn the_client_is_the_peer_wherever_its_header_is_cut() {
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let whole = Bytes::from([&header(version)[..], b"hello"].concat());
        for cut in 0..=whole.len() {
            let mut stage = Stage::believing();
            stage.says(vec![whole.slice(..cut), whole.slice(cut..)]);
            run(&mut stage.network, 100 * MS);
            let log = stage.log();
            assert_eq!(log.of("factory"), [CLIENT], "cut at {cut}");
            let lines = log.of("server").join(" · ");
            let expected = format!("open · {CLIENT} Some(\"{FRONT}\") · by a proxy · data 5");
            assert_eq!((lines, log.bytes("server")), (expected, &b"hello"[..]), "cut at {cut}");
        }
    }
}

#[test]
fn a_proxy_that_speaks_for_nobody_is_the_peer_itself() {
    for header in [LOCAL, b"PROXY UNKNOWN\r\n"] {
        let mut stage = Stage::believing();
        stage.says(vec![Bytes::from([header, b"hello"].concat())]);
        run(&mut stage.network, 100 * MS);
        let own = stage.network.address(stage.proxy, 0);
        let peer: Address = stage.log().of("factory")[0].parse().expect("an address");
        assert_eq!(peer.ip(), own.ip());
        assert_eq!(stage.log().bytes("server"), b"hello");
    }
}

#[test]
fn who_is_not_trusted_speaks_for_itself_whatever_it_says() {
    let mut stage = Stage::new(1, "203.0.113.0/24", Limits::default());
    let header = header(ProxyVersion::V1);
    stage.says(vec![header.clone()]);
    run(&mut stage.network, 100 * MS);
    let own = stage.network.address(stage.proxy, 0);
    let peer: Address = stage.log().of("factory")[0].parse().expect("an address");
    assert_eq!(peer.ip(), own.ip());
    // It is what it is: bytes for the protocol.
    assert_eq!(stage.log().bytes("server"), header);
}

#[test]
fn who_is_trusted_and_has_no_header_is_closed_before_anybody_hears_of_it() {
    for words in
        ["GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 nobody nowhere 1 2\r\n", "\r\n\r\n\0\r\nQUIT!"]
    {
        let mut stage = Stage::believing();
        stage.says(vec![Bytes::from(words)]);
        let took = stage.until_refused();
        assert!(took < SECOND, "{words:?}: {took:?}");
    }
}

#[test]
fn a_header_has_its_time_and_no_more() {
    for begun in [0, 20] {
        let mut stage = Stage::believing();
        stage.says(vec![header(ProxyVersion::V1).slice(..begun)]);
        let took = stage.until_refused();
        // Their way to each other, and the time itself.
        assert!((5 * SECOND..5 * SECOND + 10 * MS).contains(&took), "{took:?}");
        assert_eq!(stage.stats().timers, 0);
    }
}

#[test]
fn one_that_ends_in_its_header_is_gone() {
    let mut stage = Stage::believing();
    let id = stage.says(vec![header(ProxyVersion::V2).slice(..20)]);
    run(&mut stage.network, 100 * MS);
    assert_eq!(stage.stats().connections, 1, "it is counted meanwhile");
    let (registry, _) = stage.network.parts(stage.proxy).expect("it is up");
    registry.close(id).expect("it is there");
    let took = stage.until_refused();
    assert!(took < SECOND, "{took:?}");
}

#[test]
fn the_limits_are_of_clients_and_not_of_their_proxy() {
    let limits = Limits { connections_per_address: Some(1), ..Limits::default() };
    let mut stage = Stage::new(1, "0.0.0.0/0", limits);
    for client in ["192.0.2.7:1", "192.0.2.8:1", "192.0.2.7:2"] {
        let [client, front] = [client, FRONT].map(|text| text.parse().expect("an address"));
        stage.says(vec![ProxyVersion::V2.header(&client, &front)]);
        run(&mut stage.network, 100 * MS);
    }
    assert_eq!(stage.log().of("factory"), ["192.0.2.7:1", "192.0.2.8:1"]);
    assert_eq!(stage.stats().refused_address, 1);
    // Those who come in are bounded before they are known, too.
    let limits = Limits { handshakes: 2, ..Limits::default() };
    let mut stage = Stage::new(1, "0.0.0.0/0", limits);
    for _ in 0..3 {
        stage.says(Vec::new());
    }
    run(&mut stage.network, 100 * MS);
    assert_eq!((stage.stats().connections, stage.stats().refused_handshakes), (2, 1));
}

#[test]
fn who_has_come_in_is_served_though_the_listener_is_closed_meanwhile() {
    let mut stage = Stage::believing();
    let whole = header(ProxyVersion::V1);
    stage.says(vec![whole.slice(..9), whole.slice(9..), Bytes::from_static(b"hello")]);
    run(&mut stage.network, 5 * MS);
    let (registry, _) = stage.network.parts(stage.server).expect("it is up");
    let listeners: Vec<_> = registry.listeners().collect();
    listeners.into_iter().for_each(|id| registry.close_listener(id).expect("it is there"));
    assert_eq!(registry.len(), 1, "the one that is not known yet");
    run(&mut stage.network, 100 * MS);
    assert_eq!(stage.log().bytes("server"), b"hello");
}

#[test]
fn a_loop_that_shuts_down_does_not_wait_for_a_header() {
    let mut stage = Stage::believing();
    stage.says(Vec::new());
    run(&mut stage.network, 100 * MS);
    let (registry, _) = stage.network.parts(stage.server).expect("it is up");
    assert_eq!(registry.len(), 2);
    registry.shutdown(SECOND);
    run(&mut stage.network, 10 * MS);
    let report = stage.network.report(stage.server).expect("it has ended");
    assert_eq!((report.finished, report.cut_off.len()), (0, 0));
}

/// Whatever the network does, nobody is served under a name that is not its own, and nobody loses a byte.
#[test]
fn a_bad_network_changes_nobodys_name() {
    let mut served = 0;
    for seed in 0..200 {
        let mut stage = Stage::new(seed, "0.0.0.0/0", Limits::default());
        let version = if seed % 2 == 0 { ProxyVersion::V1 } else { ProxyVersion::V2 };
        let whole = Bytes::from([&header(version)[..], b"hello"].concat());
        let cut = stage.network.choose(whole.len() as u64) as usize;
        stage.says(vec![whole.slice(..cut), whole.slice(cut..)]);
        stage.network.swarm();
        run(&mut stage.network, 60 * SECOND);
        let Some(log) = stage.network.app(stage.server) else { continue };
        assert!(log.of("factory").iter().all(|peer| *peer == CLIENT), "seed {seed}");
        assert!(b"hello".starts_with(log.bytes("server")), "seed {seed}");
        served += usize::from(log.bytes("server") == b"hello");
    }
    assert!(served > 50, "{served} were served");
}
