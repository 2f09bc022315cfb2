//! The simulated network itself: what arrives when, and what becomes of it when something is done to
//! a path or a host. All times are exact.

mod chance;
mod datagrams;
mod descriptors;
mod hosts;
mod names;
mod paths;
mod proxied;
mod rules;
mod scripts;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::support;
use bytes::Bytes;
use reactor::sim::{Broken, Errno, Fault, Faults, Host, HostId, Network, Payload, Rate, Verdict};
use reactor::{
    Address, Backoff, ConnectOptions, ConnectionId, DatagramOptions, Handle, LastTry,
    ListenOptions, OpenError, SocketId, StreamLimits, StreamOptions, TimerKey, Transport,
};
use support::{DatagramProbe, Log, Probe, echo, pattern};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// What any two hosts are apart where nothing else was said.
const LATENCY: Duration = MS;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(100_000);

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
        let _ = registry.send(self.connection, Bytes::copy_from_slice(bytes)).expect("it is open");
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
