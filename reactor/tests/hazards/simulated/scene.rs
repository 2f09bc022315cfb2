//! A simulated network whose hosts write down what they are told.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use reactor::sim::{Broken, Fault, FaultCounts, Faults, Host, Network, Rate};
use reactor::{Address, Limits, ListenOptions, Registry, Stats};

pub(crate) use crate::support::echo;
use crate::support::{Log, Probe, pattern};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// How long anything may take, in the network's time.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Where servers listen.
pub(crate) const PORT: u16 = 7;

/// As often as not.
pub(crate) const HALF: Rate = Rate::per_cent(50);

/// A network, and the verbs of these tests.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) network: Network,
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
        Self { network: Network::from_seed(seed) }
    }

    // ── hosts ───────────────────────────────────────────────────────────────────────────────

    /// A host that gives each connection the protocol that `factory` makes.
    pub(crate) fn server(&mut self, factory: impl Fn() -> Probe + Clone + 'static) -> Host<Log> {
        self.server_with(Limits::default(), ListenOptions::default(), factory)
    }

    pub(crate) fn server_with(
        &mut self,
        limits: Limits,
        options: ListenOptions,
        factory: impl Fn() -> Probe + Clone + 'static,
    ) -> Host<Log> {
        self.network.host_with("server", limits, move |registry| {
            let factory = factory.clone();
            let address = Address::Ip(([0, 0, 0, 0], PORT).into());
            registry.listen_with(address, &options, move |_, _| Some(Box::new(factory())))?;
            Ok(Log::default())
        })
    }

    /// A host on which nothing happens by itself.
    pub(crate) fn host(&mut self, name: &str) -> Host<Log> {
        self.host_with(name, Limits::default())
    }

    pub(crate) fn host_with(&mut self, name: &str, limits: Limits) -> Host<Log> {
        self.network.host_with(name, limits, |_| Ok(Log::default()))
    }

    /// Has a host connect to another's port.
    #[track_caller]
    pub(crate) fn connect(&mut self, from: Host<Log>, to: Host<Log>, probe: Probe) {
        let address = self.network.address(to, PORT);
        self.registry(from).connect(address, probe).expect("it begins to connect");
    }

    #[track_caller]
    pub(crate) fn registry(&mut self, host: Host<Log>) -> &mut Registry<Log> {
        self.network.parts(host).expect("it is up").0
    }

    #[track_caller]
    pub(crate) fn log(&self, host: Host<Log>) -> &Log {
        self.network.app(host).expect("it is up")
    }

    #[track_caller]
    pub(crate) fn stats(&self, host: Host<Log>) -> Stats {
        self.network.stats(host).expect("it is up")
    }

    /// Has a host turn every so often, whether it has anything to do or not.
    pub(crate) fn keep_turning(&mut self, host: Host<Log>, every: Duration) {
        let _ = self.registry(host).every(every, |_, _| {}).expect("it has timers");
    }

    // ── faults ──────────────────────────────────────────────────────────────────────────────

    /// Has these faults happen from now on, each at one rate.
    pub(crate) fn faults(&mut self, faults: &[Fault], rate: Rate) {
        let mix = faults.iter().fold(Faults::calm(), |mix, &fault| mix.with(fault, rate));
        self.network.set_faults(mix);
    }

    /// How often a fault has happened.
    pub(crate) fn count(&self, fault: Fault) -> u64 {
        self.network.fault_counts().of(fault)
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────

    #[track_caller]
    pub(crate) fn run(&mut self, length: Duration) {
        let result = self.network.run_for(length);
        self.unbroken(result);
    }

    /// Lets everything happen until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, is_so: impl FnMut(&Network) -> bool) {
        let result = self.network.run_until(PATIENCE, is_so);
        if !self.unbroken(result) {
            panic!("it never came to be\n{}", self.network.trace());
        }
    }

    /// Lets everything happen until so many connections of a host have ended.
    #[track_caller]
    pub(crate) fn until_ended(&mut self, host: Host<Log>, count: usize) {
        self.until(|network| network.app(host).is_some_and(|log| log.ends.len() >= count));
        assert_eq!(self.log(host).ends.len(), count, "each ends once");
    }

    /// Shuts every loop down, and nothing may be left over; how often each fault has happened.
    #[track_caller]
    pub(crate) fn finish(mut self) -> FaultCounts {
        let counts = self.network.fault_counts();
        self.network.calm();
        let result = self.network.finish(SECOND);
        self.unbroken(result);
        counts
    }

    #[track_caller]
    fn unbroken<T>(&self, result: Result<T, Broken>) -> T {
        result.unwrap_or_else(|broken| panic!("{broken}\n{}", self.network.trace()))
    }
}

/// Plays a scene with several seeds, each of which has the same to show; what they have in common are
/// the faults, each of which has to happen.
#[track_caller]
pub(crate) fn with_seeds(seeds: u64, faults: &[Fault], play: impl Fn(Scene) -> FaultCounts) {
    let mut all = FaultCounts::default();
    for seed in 0..seeds {
        all.add(&play(Scene::new(seed)));
    }
    assert!(faults.iter().all(|&fault| all.of(fault) > 0), "{all}");
}

// ── protocols ───────────────────────────────────────────────────────────────────────────────

/// Sends so many bytes of the [`pattern`], and no more.
pub(crate) fn sends(who: &'static str, length: usize) -> Probe {
    Probe::new(who).on_open(move |transport, _| {
        transport.send(Bytes::from(pattern(length)));
        transport.end();
    })
}

/// Fails if it hears anything else than the [`pattern`], from its beginning, and writes down at the
/// end how much of it that was: `heard 5`.
pub(crate) fn hears(probe: Probe) -> Probe {
    let heard = Rc::new(Cell::new(0));
    let in_the_end = Rc::clone(&heard);
    probe
        .on_data(move |_, input, _| {
            let (seen, before) = (input.take_all(), heard.get());
            heard.set(before + seen.len());
            assert_eq!(seen, &pattern(heard.get())[before..], "from byte {before} on");
        })
        .on_close(move |_, _, log| log.note("heard", in_the_end.get().to_string()))
}

/// Sends so many bytes, and expects them back.
pub(crate) fn asks(who: &'static str, length: usize) -> Probe {
    hears(sends(who, length))
}
