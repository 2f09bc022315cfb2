//! Where a scenario is played: on real sockets or on simulated ones, in one loop or in two.
//!
//! ```text
//!                    one loop                 two loops
//!   real         server and client │ server ◀─ 127.0.0.1, ::1, a path, a name ─▶ client
//!   simulated    server and client │ server ◀─ a millisecond of network ─▶ client
//! ```
//!
//! A scenario is written once, against a [`Play`], and does not know where it is played. It waits
//! for what has to come to be, never for a while.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::{Duration, Instant};

use reactor::sim::{Fault, Faults, Host, Network, Rate};
use reactor::{
    Address, ConnectOptions, ConnectionId, DatagramOptions, Limits, ListenOptions, ListenerId,
    OpenError, Protocol, Reactor, Registry, ShutdownReport, Snapshot, SocketId, Turn,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use crate::support::{DatagramProbe, Leaks, Log, PATIENCE, Probe};

/// How many accepted connections an address may have: few, so that a scenario can have one more.
pub(crate) const CONNECTIONS_PER_ADDRESS: u32 = 4;

/// What kind of addresses a scenario is played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Path,
    Abstract,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server = 0,
    Client = 1,
}

/// Where, and under which conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Real { loops: usize },
    Simulated { hosts: usize, seed: u64, unreliable: bool },
}

impl Family {
    pub(crate) fn is_ip(self) -> bool {
        matches!(self, Self::V4 | Self::V6)
    }
}

impl Place {
    pub(crate) fn loops(self) -> usize {
        match self {
            Self::Real { loops } => loops,
            Self::Simulated { hosts, .. } => hosts,
        }
    }
}

/// What everybody has written down, and the bytes everybody has been given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Transcript(BTreeMap<&'static str, (Vec<String>, Vec<u8>)>);

impl Transcript {
    /// Everybody's lines, for a person.
    pub(crate) fn lines(&self) -> String {
        let lines = self.0.iter().map(|(who, (lines, bytes))| {
            format!("  {who}: {} ({} bytes)\n", lines.join(" · "), bytes.len())
        });
        lines.collect()
    }
}

/// What a listener's factory gives.
pub(crate) fn boxed(probe: Probe) -> Option<Box<dyn Protocol<Log>>> {
    Some(Box::new(probe))
}

/// A scenario that is being played.
pub(crate) struct Play {
    pub(crate) family: Family,
    setting: Setting,
    directory: TempDir,
    names: usize,
    listeners: Vec<(Role, ListenerId)>,
    sockets: Vec<(Role, SocketId)>,
    ignored: Vec<(&'static str, &'static str)>,
    leaks: Option<Leaks>,
    skipped: bool,
}

enum Setting {
    Real(Vec<Stage>),
    Simulated(Box<Network>, Vec<Host<Log>>),
}

/// A real loop.
struct Stage {
    reactor: Reactor<Log>,
    log: Log,
    report: Option<ShutdownReport>,
}

/// The logs of all loops.
pub(crate) struct Seen<'a>(Vec<&'a Log>);

impl Seen<'_> {
    pub(crate) fn has(&self, who: &str, text: &str) -> bool {
        self.count(who, text) > 0
    }

    pub(crate) fn count(&self, who: &str, text: &str) -> usize {
        self.0.iter().map(|log| log.count(who, text)).sum()
    }

    /// How many datagrams one has received.
    pub(crate) fn datagrams(&self, who: &str) -> usize {
        self.0.iter().flat_map(|log| &log.datagrams).filter(|(name, ..)| *name == who).count()
    }

    /// Whether so many of this name have closed.
    pub(crate) fn closed(&self, who: &str, times: usize) -> bool {
        let ends = self.0.iter().flat_map(|log| &log.ends);
        ends.filter(|end| end.who == who).count() == times
    }
}

impl Play {
    pub(crate) fn begin(family: Family, place: Place) -> Self {
        let leaks = matches!(place, Place::Real { .. }).then(Leaks::watch);
        Self {
            family,
            setting: Setting::build(place),
            directory: TempDir::new().expect("there is a place for it"),
            names: 0,
            listeners: Vec::new(),
            sockets: Vec::new(),
            ignored: Vec::new(),
            leaks,
            skipped: false,
        }
    }

    /// The system cannot show it: the scenario ends here.
    pub(crate) fn skip(&mut self, why: &str) {
        eprintln!("SKIPPED on {:?}: {why}", self.family);
        self.skipped = true;
    }

    // ── addresses ───────────────────────────────────────────────────────────────────────────

    /// An address that a role can bind, and that nobody else has.
    pub(crate) fn address(&mut self, role: Role) -> Address {
        self.names += 1;
        let name = format!("{}-{:?}-{}", std::process::id(), self.setting.index(role), self.names);
        match self.family {
            Family::V4 | Family::V6 => self.setting.free_port(role, self.family),
            Family::Path => self.directory.path().join(name).into(),
            Family::Abstract => Address::Abstract(name.into_bytes()),
        }
    }

    /// As [`Self::address`], but of the loopback interface, wherever it is played.
    pub(crate) fn loopback(&mut self) -> Address {
        match self.family {
            Family::V4 => Address::Ip((Ipv4Addr::LOCALHOST, 0).into()),
            Family::V6 => Address::Ip((Ipv6Addr::LOCALHOST, 0).into()),
            _ => self.address(Role::Server),
        }
    }

    /// An address that somebody had, and nobody has now.
    pub(crate) fn deserted(&mut self, role: Role) -> Address {
        let address = self.address(role);
        self.on(role, |registry, _| {
            let id = registry.listen(address, |_, _| Probe::new("nobody")).expect("it is free");
            let address = registry.listener_address(id).expect("it was just opened");
            registry.close_listener(id).expect("it was just opened");
            address
        })
    }

    /// As [`Self::deserted`], for datagrams.
    pub(crate) fn deserted_by_datagrams(&mut self, role: Role) -> Address {
        let address = self.address(role);
        self.on(role, |registry, _| {
            let socket = DatagramProbe::new("nobody");
            let id = registry.bind_datagram(address, socket).expect("it is free");
            let address = registry.socket_address(id).expect("it was just opened");
            registry.close_socket(id).expect("it was just opened");
            address
        })
    }

    /// A path that a crash has left behind, of a listener and of a datagram socket. It has to come
    /// first: a simulated crash takes everything else along.
    pub(crate) fn left_behind(&mut self) -> [Address; 2] {
        let paths = [self.address(Role::Server), self.address(Role::Server)];
        let [listener, socket] = paths.each_ref().map(|path| path.path().expect("it is one"));
        match &mut self.setting {
            Setting::Real(_) => {
                drop(UnixListener::bind(listener).expect("it is free"));
                drop(UnixDatagram::bind(socket).expect("it is free"));
            }
            Setting::Simulated(network, hosts) => {
                let (registry, _) = network.parts(hosts[0]).expect("it is up");
                let factory = |_: &Address, _: &mut Log| Probe::new("lost");
                registry.listen(listener.into(), factory).expect("it is free");
                registry
                    .bind_datagram(socket.into(), DatagramProbe::new("lost"))
                    .expect("it is free");
                network.crash(hosts[0]);
                network.restart(hosts[0]);
            }
        }
        paths
    }

    // ── opening ─────────────────────────────────────────────────────────────────────────────

    /// Has the server listen; where it does.
    pub(crate) fn listen(&mut self, factory: impl FnMut() -> Probe + 'static) -> Address {
        self.listen_with(&ListenOptions::default(), factory)
    }

    /// As [`Self::listen`], with options.
    pub(crate) fn listen_with(
        &mut self,
        options: &ListenOptions,
        mut factory: impl FnMut() -> Probe + 'static,
    ) -> Address {
        let address = self.address(Role::Server);
        let (id, address) = self.on(Role::Server, |registry, _| {
            let factory = move |_: &Address, _: &mut Log| boxed(factory());
            let id = registry.listen_with(address, options, factory).expect("it is free");
            (id, registry.listener_address(id).expect("it was just opened"))
        });
        self.will_close(Role::Server, id);
        address
    }

    /// Closes a listener when the play is over.
    pub(crate) fn will_close(&mut self, role: Role, id: ListenerId) {
        self.listeners.push((role, id));
    }

    /// Has the client connect.
    pub(crate) fn connect(&mut self, address: &Address, probe: Probe) -> ConnectionId {
        self.connect_with(address, &ConnectOptions::default(), probe)
    }

    /// As [`Self::connect`], with options.
    pub(crate) fn connect_with(
        &mut self,
        address: &Address,
        options: &ConnectOptions,
        probe: Probe,
    ) -> ConnectionId {
        self.on(Role::Client, |registry, _| {
            registry.connect_with(address.clone(), options, probe).expect("it begins to connect")
        })
    }

    /// Binds a datagram socket; where it is.
    pub(crate) fn bind(&mut self, role: Role, probe: DatagramProbe) -> (SocketId, Address) {
        let address = self.address(role);
        self.bind_with(role, address, &DatagramOptions::default(), probe)
    }

    /// As [`Self::bind`], with options.
    pub(crate) fn bind_with(
        &mut self,
        role: Role,
        address: Address,
        options: &DatagramOptions,
        probe: DatagramProbe,
    ) -> (SocketId, Address) {
        let bound = self.try_bind(role, address, options, probe);
        bound.unwrap_or_else(|error| panic!("it can be bound: {error}"))
    }

    /// As [`Self::bind_with`], if it can be bound.
    pub(crate) fn try_bind(
        &mut self,
        role: Role,
        address: Address,
        options: &DatagramOptions,
        probe: DatagramProbe,
    ) -> Result<(SocketId, Address), OpenError> {
        let bound = self.on(role, |registry, _| {
            let id = registry.bind_datagram_with(address, options, probe)?;
            Ok((id, registry.socket_address(id).expect("it was just opened")))
        });
        self.sockets.extend(bound.iter().map(|(id, _)| (role, *id)));
        bound
    }

    // ── playing ─────────────────────────────────────────────────────────────────────────────

    /// Does something at a role's loop, between two turns.
    pub(crate) fn on<R>(
        &mut self,
        role: Role,
        act: impl FnOnce(&mut Registry<Log>, &mut Log) -> R,
    ) -> R {
        let index = self.setting.index(role);
        match &mut self.setting {
            Setting::Real(stages) => {
                let Stage { reactor, log, .. } = &mut stages[index];
                act(reactor.registry(), log)
            }
            Setting::Simulated(network, hosts) => {
                let (registry, log) = network.parts(hosts[index]).expect("it is up");
                act(registry, log)
            }
        }
    }

    /// Writes a line, with an address left out that is another one wherever it is played.
    pub(crate) fn note(&mut self, who: &'static str, text: &str, but: &Address) {
        let text = text.replace(&but.to_string(), "THERE");
        self.on(Role::Client, |_, log| log.note(who, text));
    }

    /// Writes down what could not be opened, and why.
    pub(crate) fn note_refusal<T>(
        &mut self,
        what: &str,
        at: &Address,
        opening: Result<T, OpenError>,
    ) {
        let why = opening.err().map_or_else(|| "it opens".to_owned(), |error| error.to_string());
        self.note("errors", &format!("{what}: {why}"), at);
    }

    /// Writes down what is registered, with whatever loop: protocol and state of each, in an order.
    pub(crate) fn note_rows(&mut self) {
        let snapshots: Vec<Snapshot> = match &self.setting {
            Setting::Real(stages) => stages.iter().map(|stage| stage.reactor.snapshot()).collect(),
            Setting::Simulated(network, hosts) => {
                hosts.iter().filter_map(|&host| network.snapshot(host)).collect()
            }
        };
        let rows = snapshots.iter().flat_map(|snapshot| &snapshot.sockets);
        let mut rows: Vec<_> = rows.map(|row| format!("{} {}", row.protocol, row.state)).collect();
        rows.sort();
        self.on(Role::Client, |_, log| log.note("rows", rows.join(", ")));
    }

    /// Does not compare what one has written that begins so, for a reason that the scenario gives.
    pub(crate) fn ignore(&mut self, who: &'static str, lines: &'static str) {
        self.ignored.push((who, lines));
    }

    /// From here on no simulated kernel says of a datagram that it would block: it would be queued, and
    /// its error told later.
    pub(crate) fn expect_errors_at_once(&mut self) {
        if let Setting::Simulated(network, _) = &mut self.setting {
            network.set_faults(Faults::calm());
        }
    }

    /// Lets things happen until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, mut is_so: impl FnMut(&Seen<'_>) -> bool) {
        match &mut self.setting {
            Setting::Real(stages) => turn_until(stages, |stages| {
                is_so(&Seen(stages.iter().map(|stage| &stage.log).collect()))
            }),
            Setting::Simulated(network, hosts) => {
                let so = network.run_until(Duration::from_secs(600), |network| {
                    is_so(&Seen(hosts.iter().filter_map(|&host| network.app(host)).collect()))
                });
                let so = so.unwrap_or_else(|broken| panic!("{broken}\n{}", network.trace()));
                assert!(so, "it never came to be\n{}{}", told(network, hosts), network.trace());
            }
        }
    }

    /// Lets things happen until all of these have closed, once each.
    #[track_caller]
    pub(crate) fn until_closed(&mut self, names: &[&str]) {
        self.until(|seen| names.iter().all(|who| seen.closed(who, 1)));
    }

    /// Shuts both roles' loops down, each with its grace, and lets them come to their ends.
    #[track_caller]
    pub(crate) fn shut_down(&mut self, server: Duration, client: Duration) {
        self.on(Role::Server, |registry, _| registry.shutdown(server));
        self.on(Role::Client, |registry, _| registry.shutdown(client));
        match &mut self.setting {
            Setting::Real(stages) => {
                turn_until(stages, |stages| stages.iter().all(|stage| stage.report.is_some()));
            }
            Setting::Simulated(network, hosts) => {
                let ended = network.run_until(Duration::from_secs(600), |network| {
                    hosts.iter().all(|&host| network.report(host).is_some())
                });
                assert_eq!(ended, Ok(true), "{}{}", told(network, hosts), network.trace());
            }
        }
        let reports: Vec<&ShutdownReport> = match &self.setting {
            Setting::Real(stages) => {
                stages.iter().filter_map(|stage| stage.report.as_ref()).collect()
            }
            Setting::Simulated(network, hosts) => {
                hosts.iter().filter_map(|&host| network.report(host)).collect()
            }
        };
        let finished: usize = reports.iter().map(|report| report.finished).sum();
        let lost: u64 = reports.iter().map(|report| report.bytes_lost).sum();
        let cut_off = reports.iter().flat_map(|report| &report.cut_off);
        let cut_off: Vec<&str> = cut_off.map(|lost| &*lost.reason).collect();
        let text = format!("{finished} finished, {cut_off:?}, {lost} bytes lost");
        self.on(Role::Client, |_, log| log.note("reports", text));
    }

    /// Closes what is still open, asks for everything back, and tells what everybody has seen; `None`
    /// if it was skipped.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Option<Transcript> {
        for (role, id) in std::mem::take(&mut self.listeners) {
            // The scenario may have closed it.
            let _ = self.on(role, |registry, _| registry.close_listener(id));
        }
        for (role, id) in std::mem::take(&mut self.sockets) {
            let _ = self.on(role, |registry, _| registry.close_socket(id));
        }
        let logs = match self.setting {
            Setting::Real(mut stages) => {
                turn_until(&mut stages, |stages| stages.iter_mut().all(Stage::is_done));
                stages.into_iter().map(|stage| stage.log).collect()
            }
            Setting::Simulated(mut network, hosts) => leave(&mut network, &hosts),
        };
        drop(self.leaks);
        (!self.skipped).then(|| transcribe(&logs, &self.ignored))
    }
}

// ── both kinds of setting ───────────────────────────────────────────────────────────────────

impl Setting {
    fn build(place: Place) -> Self {
        let limits =
            Limits { connections_per_address: Some(CONNECTIONS_PER_ADDRESS), ..Limits::default() };
        match place {
            Place::Real { loops } => {
                let stages = (0..loops).map(|_| Stage {
                    reactor: Reactor::with_limits(limits.clone()).expect("a descriptor is left"),
                    log: Log::default(),
                    report: None,
                });
                Self::Real(stages.collect())
            }
            Place::Simulated { hosts, seed, unreliable } => {
                let mut network = Network::from_seed(seed);
                let hosts = ["server", "client"]
                    .into_iter()
                    .take(hosts)
                    .map(|name| network.host_with(name, limits.clone(), |_| Ok(Log::default())));
                let hosts = hosts.collect();
                if unreliable {
                    network.set_faults(whims());
                }
                Self::Simulated(Box::new(network), hosts)
            }
        }
    }

    /// Which loop a role is played in.
    fn index(&self, role: Role) -> usize {
        let loops = match self {
            Self::Real(stages) => stages.len(),
            Self::Simulated(_, hosts) => hosts.len(),
        };
        (role as usize).min(loops - 1)
    }

    fn free_port(&self, role: Role, family: Family) -> Address {
        match (self, family) {
            (Self::Simulated(network, hosts), Family::V4) if hosts.len() > 1 => {
                network.address(hosts[self.index(role)], 0)
            }
            (Self::Simulated(network, hosts), Family::V6) if hosts.len() > 1 => {
                network.address_v6(hosts[self.index(role)], 0)
            }
            (_, Family::V4) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
            _ => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).into(),
        }
    }
}

/// All that a poller, a kernel and a network may do without a protocol noticing anything but the
/// time.
fn whims() -> Faults {
    let whims = [
        Fault::Spurious,
        Fault::Late,
        Fault::Split,
        Fault::Duplicated,
        Fault::Reordered,
        Fault::HintHidden,
        Fault::SmallBatch,
        Fault::Stale,
        Fault::Interrupted,
        Fault::WouldBlock,
        Fault::ShortRead,
        Fault::ShortWrite,
    ];
    whims.into_iter().fold(Faults::calm(), |faults, whim| faults.with(whim, Rate::one_in(4)))
}

/// Everybody's lines and bytes.
///
/// That a queue had to wait, and has drained, is left out: it depends on how much the system holds and
/// how fast it moves it, on real sockets from run to run.
fn transcribe(logs: &[Log], ignored: &[(&'static str, &'static str)]) -> Transcript {
    let mut transcript = BTreeMap::new();
    for log in logs {
        for who in log.everybody() {
            let is_ignored = |line: &str| {
                let mut rules = ignored.iter().filter(|(name, _)| *name == who);
                line == "drain" || rules.any(|(_, lines)| line.starts_with(lines))
            };
            let told = log.of(who).into_iter().filter(|line| !is_ignored(line));
            let lines = told.fold(Vec::new(), join_data);
            let bytes = if is_ignored("data") { &[][..] } else { log.bytes(who) };
            if !lines.is_empty() {
                transcript.insert(who, (lines, bytes.to_vec()));
            }
        }
    }
    Transcript(transcript)
}

/// Data behind data is one line.
fn join_data(mut lines: Vec<String>, line: &str) -> Vec<String> {
    let length = |line: &str| line.strip_prefix("data ")?.parse::<usize>().ok();
    match (lines.last().and_then(|last| length(last)), length(line)) {
        (Some(before), Some(more)) => {
            lines.pop();
            lines.push(format!("data {}", before + more));
        }
        _ => lines.push(line.to_owned()),
    }
    lines
}

// ── real loops ──────────────────────────────────────────────────────────────────────────────

impl Stage {
    /// Whether nothing is left; it says what is if that can never change.
    fn is_done(&mut self) -> bool {
        let stats = self.reactor.stats();
        assert_eq!(stats.connections, 0, "{:#?}\n{}", self.log, self.reactor.snapshot());
        self.reactor.snapshot().sockets.is_empty()
    }

    fn turn(&mut self, timeout: Duration) {
        if self.report.is_none() {
            let turn = self.reactor.turn(Some(timeout), &mut self.log);
            if let Turn::Finished(report) = turn.expect("the loop goes on") {
                self.report = Some(report);
            }
        }
    }
}

#[track_caller]
fn turn_until(stages: &mut [Stage], mut is_so: impl FnMut(&mut [Stage]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(stages) {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            let told = stages
                .iter()
                .map(|stage| format!("{:#?}\n{}\n", stage.log, stage.reactor.snapshot()));
            panic!("it never came to be\n\n{}", told.collect::<String>());
        }
        if let [stage] = stages {
            stage.turn(rest);
        } else {
            wait_for_any(stages, rest);
            stages.iter_mut().for_each(|stage| stage.turn(Duration::ZERO));
        }
    }
}

/// Sleeps until one of several loops has something to do, as a loop that embeds them would.
fn wait_for_any(stages: &[Stage], most: Duration) {
    let running = || stages.iter().filter(|stage| stage.report.is_none());
    let now = Instant::now();
    let deadlines = running().filter_map(|stage| stage.reactor.next_deadline());
    let next = deadlines.map(|at| at.saturating_duration_since(now)).min();
    let timeout = next.map_or(most, |next| next.min(most));
    let mut watched: Vec<PollFd<'_>> =
        running().map(|stage| PollFd::new(&stage.reactor, PollFlags::IN)).collect();
    let timeout = Timespec {
        tv_sec: timeout.as_secs().try_into().expect("it is short"),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    poll(&mut watched, Some(&timeout)).expect("it can be waited for");
}

// ── simulated ones ──────────────────────────────────────────────────────────────────────────

#[track_caller]
fn leave(network: &mut Network, hosts: &[Host<Log>]) -> Vec<Log> {
    for &host in hosts {
        let stats = network.stats(host).expect("it is up");
        assert_eq!(stats.connections, 0, "{}", told(network, hosts));
    }
    let logs = |network: &mut Network| {
        let log = |&host| std::mem::take(network.parts(host).expect("it is up").1);
        hosts.iter().map(log).collect()
    };
    let closed = network.run_until(Duration::from_secs(600), |network| {
        hosts.iter().all(|&host| {
            network.report(host).is_some()
                || network.snapshot(host).is_some_and(|snapshot| snapshot.sockets.is_empty())
        })
    });
    assert_eq!(closed, Ok(true), "{}", told(network, hosts));
    let logs = logs(network);
    network.finish(Duration::from_secs(1)).expect("nothing is left");
    logs
}

/// What everybody on simulated hosts has to tell.
fn told(network: &Network, hosts: &[Host<Log>]) -> String {
    let told = hosts.iter().map(|&host| {
        let snapshot = network.snapshot(host).map(|snapshot| snapshot.to_string());
        format!("{:#?}\n{}\n", network.app(host), snapshot.unwrap_or_default())
    });
    told.collect()
}
