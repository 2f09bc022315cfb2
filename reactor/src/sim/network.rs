//! The network: hosts, the time, and what a test does to both.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::broken::Broken;
use super::contract::Contract;
use super::host::{Booted, Host, HostId, Node, Site, State};
use crate::net::sim::{
    Choices, Event, Fault, FaultCounts, Faults, Log, Segment, Shared, System, Verdict, World,
    v4_of, v6_of,
};
use crate::trace::{Ring, Trace};
use crate::{Address, Limits, Registry, ShutdownReport, Snapshot, Stats};

/// When a host that could not boot tries again, as its supervisor would have it.
const BOOT_AGAIN: Duration = Duration::from_secs(1);
/// How many records of the trace are kept where nothing else was said.
const RECORDS: usize = 4_096;

pub(super) type Script = Box<dyn FnOnce(&mut Network)>;
pub(super) type Check = Box<dyn FnMut(&Network) -> Result<(), String>>;

/// A simulated network of hosts, each a loop with its application, driven by one thread.
///
/// Nothing in it takes real time, and nothing in it is left to chance: what happens, and when, is
/// drawn from its [`Choices`]. Until [`set_faults`](Self::set_faults) it is an ideal one.
///
/// ```
/// use reactor::sim::Network;
/// use reactor::{Input, Protocol, Transport};
/// use std::time::Duration;
///
/// struct Echo;
///
/// impl<App> Protocol<App> for Echo {
///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
///         transport.write(input.take_all());
///     }
/// }
///
/// /// Says hello, and remembers what came back.
/// struct Hello;
///
/// impl Protocol<Vec<u8>> for Hello {
///     fn on_open(&mut self, transport: &mut Transport<'_, Vec<u8>>, _: &mut Vec<u8>) {
///         transport.write(b"hello");
///     }
///
///     fn on_data(
///         &mut self,
///         _: &mut Transport<'_, Vec<u8>>,
///         input: &mut Input<'_>,
///         heard: &mut Vec<u8>,
///     ) {
///         heard.extend_from_slice(input.take_all());
///     }
/// }
///
/// let mut network = Network::from_seed(1);
/// let server = network.host("server", |registry| {
///     registry.listen("0.0.0.0:7".parse()?, |_, _| Echo)?;
///     Ok(())
/// });
/// let address = network.address(server, 7);
/// let client = network.host("client", move |registry| {
///     registry.connect(address.clone(), Hello)?;
///     Ok(Vec::new())
/// });
/// network.run_for(Duration::from_secs(1))?;
/// assert_eq!(network.app(client).expect("it is up"), b"hello");
/// # Ok::<(), reactor::sim::Broken>(())
/// ```
pub struct Network {
    pub(super) world: Shared,
    pub(super) ring: Rc<RefCell<Ring>>,
    pub(super) epoch: Instant,
    pub(super) nodes: Vec<Node>,
    pub(super) scripts: Slab<Script>,
    pub(super) invariants: Vec<(String, Check)>,
    pub(super) contract: Contract,
    /// A host could not boot, though nothing was made to fail.
    pub(super) misbooted: Option<Broken>,
    pub(super) steps: u64,
    pub(super) step_limit: u64,
    pub(super) steps_at_a_time: u32,
    /// What was found broken first: a scenario that does not care fails all the same.
    pub(super) first_broken: Option<Broken>,
}

impl Network {
    /// A network that chooses as it is told, of no hosts yet.
    #[must_use]
    pub fn new(choices: Choices) -> Self {
        Self::with_records(choices, RECORDS)
    }

    /// A network that chooses as a seed makes it.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::new(Choices::from_seed(seed))
    }

    /// As [`new`](Self::new), keeping the latest so many records of its trace.
    #[must_use]
    pub fn with_records(choices: Choices, records: usize) -> Self {
        let ring = Rc::new(RefCell::new(Ring::new(records)));
        let world = World::new(choices, Log::new(Rc::clone(&ring)));
        let epoch = world.borrow().epoch();
        Self {
            world,
            ring,
            epoch,
            nodes: Vec::new(),
            scripts: Slab::new(),
            invariants: Vec::new(),
            contract: Contract::default(),
            misbooted: None,
            first_broken: None,
            steps: 0,
            step_limit: u64::MAX,
            steps_at_a_time: 0,
        }
    }

    // ── hosts ───────────────────────────────────────────────────────────────────────────────

    /// Adds a host, and boots it: `boot` opens its first sockets and makes its application. It is
    /// called again whenever the host restarts after a crash; what is to survive one has to be kept
    /// outside of the application, as on a disk.
    ///
    /// A boot that fails while faults are on is tried again a second later, as a supervisor would; one
    /// that fails without any breaks the simulation at the next step.
    pub fn host<App: 'static>(
        &mut self,
        name: &str,
        boot: impl FnMut(&mut Registry<App>) -> Result<App, Box<dyn Error>> + 'static,
    ) -> Host<App> {
        self.host_with(name, Limits::default(), boot)
    }

    /// As [`host`](Self::host), with limits of its loop.
    pub fn host_with<App: 'static>(
        &mut self,
        name: &str,
        limits: impl std::borrow::Borrow<Limits>,
        boot: impl FnMut(&mut Registry<App>) -> Result<App, Box<dyn Error>> + 'static,
    ) -> Host<App> {
        let id = HostId(self.world.borrow_mut().add_host());
        self.nodes.push(Node::new(name, limits.borrow().clone(), boot));
        self.boot(id);
        Host::new(id)
    }

    /// An IPv4 address of a host, with a port.
    #[must_use]
    pub fn address(&self, host: impl Into<HostId>, port: u16) -> Address {
        Address::Ip(SocketAddr::new(IpAddr::V4(v4_of(host.into().0)), port))
    }

    /// An IPv6 address of a host, with a port.
    #[must_use]
    pub fn address_v6(&self, host: impl Into<HostId>, port: u16) -> Address {
        Address::Ip(SocketAddr::new(IpAddr::V6(v6_of(host.into().0)), port))
    }

    /// Gives a name to these addresses, in the order in which a resolver would tell them, for loops of this network
    /// that connect to it; they learn of it after `delay`. It takes the place of what the name meant before; nobody
    /// has any other, but for `localhost`.
    ///
    /// ```
    /// # use reactor::sim::Network;
    /// # use std::time::Duration;
    /// # let mut network = Network::from_seed(1);
    /// let server = network.host("server", |_| Ok(()));
    /// let ip = network.address(server, 0).ip().expect("a host has one");
    /// network.set_name("www.example.org", [ip], Duration::from_millis(20));
    /// ```
    pub fn set_name(
        &mut self,
        name: &str,
        addresses: impl IntoIterator<Item = IpAddr>,
        delay: Duration,
    ) {
        let addresses = addresses.into_iter().collect();
        self.world.borrow_mut().directory.set(name, addresses, delay);
    }

    /// The application of a host; `None` while it is down.
    #[must_use]
    pub fn app<App: 'static>(&self, host: Host<App>) -> Option<&App> {
        let site: &dyn Any = self.nodes[host.id().index()].site()?;
        site.downcast_ref::<Booted<App>>().map(|booted| &booted.app)
    }

    /// What is registered on a host, and its application; `None` while it is down.
    pub fn parts<App: 'static>(
        &mut self,
        host: Host<App>,
    ) -> Option<(&mut Registry<App>, &mut App)> {
        let site: &mut dyn Any = self.nodes[host.id().index()].site_mut()?;
        let booted = site.downcast_mut::<Booted<App>>()?;
        Some((booted.reactor.registry(), &mut booted.app))
    }

    /// Whether a host is up, or has shut down properly.
    #[must_use]
    pub fn is_up(&self, host: impl Into<HostId>) -> bool {
        self.nodes[host.into().index()].site().is_some()
    }

    /// How a host has shut down, if it has.
    #[must_use]
    pub fn report(&self, host: impl Into<HostId>) -> Option<&ShutdownReport> {
        match &self.nodes[host.into().index()].state {
            State::Finished(_, report) => Some(report),
            State::Down | State::Running(_) => None,
        }
    }

    /// The counters of a host's loop, while it is up.
    #[must_use]
    pub fn stats(&self, host: impl Into<HostId>) -> Option<Stats> {
        self.nodes[host.into().index()].site().map(Site::stats)
    }

    /// Every socket of a host, while it is up.
    #[must_use]
    pub fn snapshot(&self, host: impl Into<HostId>) -> Option<Snapshot> {
        self.nodes[host.into().index()].site().map(Site::snapshot)
    }

    // ── what a test says ────────────────────────────────────────────────────────────────────

    /// Has faults happen from now on, as often as these.
    pub fn set_faults(&mut self, faults: Faults) {
        let mut world = self.world.borrow_mut();
        world.faults = faults;
        world.plan_incidents();
    }

    /// Has a mix of faults happen from now on, which is drawn here: see [`Faults::swarm`].
    pub fn swarm(&mut self) {
        self.swarm_without(&[]);
    }

    /// As [`swarm`](Self::swarm), without some of the faults.
    pub fn swarm_without(&mut self, faults: &[Fault]) {
        let drawn = Faults::swarm(&mut self.world.borrow_mut().choices);
        self.set_faults(drawn.without(faults));
    }

    /// From now on nothing goes wrong any more: no faults, no rules, no partitions, and hosts that
    /// were down are up. Connections that have gone silent stay so, and end by their deadlines.
    pub fn calm(&mut self) {
        self.world.borrow_mut().calm_down();
        for host in self.ids() {
            self.restart(host);
        }
    }

    /// Judges everything that leaves one host for another; the first of several rules that does not
    /// [pass](Verdict::Pass) it decides.
    pub fn rule(&mut self, rule: impl FnMut(&Segment<'_>) -> Verdict + 'static) {
        self.world.borrow_mut().rules.add(Box::new(rule));
    }

    /// Runs a script at a time of the network; at once, in the next step, if that has passed.
    pub fn at(&mut self, when: Duration, script: impl FnOnce(&mut Self) + 'static) {
        let script = self.scripts.insert(Box::new(script));
        self.world.borrow_mut().plan(when, Event::Script(script));
    }

    /// Holds something against the network after every step.
    pub fn invariant(
        &mut self,
        name: &str,
        check: impl FnMut(&Self) -> Result<(), String> + 'static,
    ) {
        self.invariants.push((name.to_owned(), Box::new(check)));
    }

    /// Takes callbacks that panic for a part of the test: they end their connections, and the network
    /// goes on. Where this was not said, the first one breaks the simulation.
    pub fn allow_panics(&mut self) {
        self.contract.allow_panics();
    }

    /// A host crashes: its loop and its application are gone without a callback, and nobody else is
    /// told. What it had bound to a path is left behind.
    pub fn crash(&mut self, host: impl Into<HostId>) {
        let host = host.into();
        self.contract.forget(host);
        self.world.borrow_mut().crash(host.0);
        // Its sockets vanish as they are dropped, so the world must know of the crash before.
        let left = std::mem::replace(&mut self.nodes[host.index()].state, State::Down);
        drop(left);
    }

    /// A host that is down boots.
    pub fn restart(&mut self, host: impl Into<HostId>) {
        let host = host.into();
        if !self.is_up(host) {
            self.world.borrow_mut().restart(host.0);
            self.boot(host);
        }
    }

    /// A host stands still; the network goes on.
    pub fn pause(&mut self, host: impl Into<HostId>, length: Duration) {
        let until = self.now() + length;
        self.world.borrow_mut().hold_up(host.into().0, until);
    }

    /// Two hosts do not reach each other for so long; [`Duration::MAX`] is until [`heal`](Self::heal).
    pub fn partition(
        &mut self,
        one: impl Into<HostId>,
        other: impl Into<HostId>,
        length: Duration,
    ) {
        let (one, other) = (one.into(), other.into());
        self.partition_one_way(one, other, length);
        self.partition_one_way(other, one, length);
    }

    /// One host does not reach another for so long, which reaches it.
    pub fn partition_one_way(
        &mut self,
        from: impl Into<HostId>,
        to: impl Into<HostId>,
        length: Duration,
    ) {
        self.world.borrow_mut().partition(from.into().0, to.into().0, length);
    }

    /// Whatever was cut or clogged is passable again.
    pub fn heal(&mut self) {
        self.world.borrow_mut().heal();
    }

    /// What one host sends to another arrives at the end of so long, all at once.
    pub fn clog(&mut self, from: impl Into<HostId>, to: impl Into<HostId>, length: Duration) {
        self.world.borrow_mut().clog(from.into().0, to.into().0, length);
    }

    /// How long a packet takes from one host to another.
    pub fn set_latency(
        &mut self,
        from: impl Into<HostId>,
        to: impl Into<HostId>,
        latency: Duration,
    ) {
        self.world.borrow_mut().set_latency(from.into().0, to.into().0, latency);
    }

    /// How many bytes a second get from one host to another; `None` is as many as there are.
    pub fn set_bandwidth(
        &mut self,
        from: impl Into<HostId>,
        to: impl Into<HostId>,
        bytes_per_second: Option<u64>,
    ) {
        self.world.borrow_mut().set_bandwidth(from.into().0, to.into().0, bytes_per_second);
    }

    /// Sets the wall clock of a host forth, or back, by so many seconds.
    pub fn set_wall_clock(&mut self, host: impl Into<HostId>, by: i64) {
        self.world.borrow_mut().set_clock(host.into().0, by);
    }

    /// How many descriptors the process on a host may have; `None` is no limit.
    pub fn limit_descriptors(&mut self, host: impl Into<HostId>, limit: Option<usize>) {
        self.world.borrow_mut().kernel_mut(host.into().0).set_descriptor_limit(limit);
    }

    // ── what has happened ───────────────────────────────────────────────────────────────────

    /// How long the network has been there, in its own time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.borrow().now()
    }

    /// How often each fault has happened.
    #[must_use]
    pub fn fault_counts(&self) -> FaultCounts {
        self.world.borrow().counts.clone()
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The records of the loops and of the network between them, in order: the latest of them.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let names = self.nodes.iter().map(|node| node.name.clone()).collect();
        Trace::of_network(self.ring.borrow().clone(), names)
    }

    /// A hash over all that has happened. Two runs with the same hash did the same.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.ring.borrow().hash()
    }

    /// What was chosen so far.
    #[must_use]
    pub fn tape(&self) -> Vec<u8> {
        self.world.borrow().choices.tape().to_vec()
    }

    /// A number for the test itself, from the same tape.
    pub fn choose(&mut self, below: u64) -> u64 {
        self.world.borrow_mut().choices.below(below)
    }

    // ── helpers ─────────────────────────────────────────────────────────────────────────────

    pub(super) fn ids(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.nodes.len()).map(|index| HostId(index as u16))
    }

    fn boot(&mut self, host: HostId) {
        let system = System::new(Rc::clone(&self.world), host.0);
        let node = &mut self.nodes[host.index()];
        if let Err(error) = node.boot(system, &self.ring, host, self.epoch) {
            let name = node.name.clone();
            let mut world = self.world.borrow_mut();
            world.crash(host.0);
            let again = world.now() + BOOT_AGAIN;
            world.plan(again, Event::Restart { host: host.0 });
            if world.is_calm() {
                let (at, what) = (world.now(), format!("the boot of {name}"));
                let broken = Broken { at, what, how: error.to_string() };
                self.first_broken.get_or_insert(broken.clone());
                self.misbooted = Some(broken);
            }
        }
    }
}

impl Drop for Network {
    /// The hosts go as in a crash, without a word to each other.
    fn drop(&mut self) {
        for host in self.ids() {
            self.crash(host);
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("hosts", &self.nodes.len())
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}
