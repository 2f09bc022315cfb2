//! Ten thousand connections at once: the server is one thread of one process, and so are its clients.
#![cfg(unix)]

mod support;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocols::echo::{Caller, Client, ClientId, ClientOptions, Event, Failure};
use reactor::{Address, Limits, Reactor, Registry};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use support::{PATIENCE, Program};

const WANTED: usize = 10_000;
/// Connections that are being made at one time: the kernel's queue in front of `accept` holds them.
const AT_A_TIME: usize = 500;
/// Descriptors for everything else.
const SPARE: u64 = 100;

#[test]
fn ten_thousand_connections_are_open_at_once() {
    let count = as_many_as_allowed();
    let began = Instant::now();
    let (server, addresses) = Program::serve(&["--listen", "127.0.0.1:0"]);
    let mut reactor = Reactor::with_limits(Limits::default()).expect("a loop");
    let mut crowd = Crowd::new(addresses[0].parse().expect("an address"), count);
    crowd.connect_some(reactor.registry());

    until(&mut reactor, &mut crowd, "all have heard themselves", |crowd| crowd.replies == count);
    assert_eq!(reactor.stats().connections, count as u64);
    crowd.end_all(reactor.registry());
    until(&mut reactor, &mut crowd, "all have ended", |crowd| crowd.clients.is_empty());
    assert_eq!(crowd.failures, []);

    let report = server.stop();
    assert!(report.contains(&format!("of {count} connections (0 open)")), "{report}");
    eprintln!("{count} connections in {:.1?}", began.elapsed());
}

/// The clients, each of which says hello once it is connected.
struct Crowd {
    server: Address,
    /// Connections yet to be made.
    left: usize,
    clients: HashMap<ClientId, Client>,
    replies: usize,
    failures: Vec<Failure>,
}

impl Crowd {
    fn new(server: Address, count: usize) -> Self {
        Self { server, left: count, clients: HashMap::new(), replies: 0, failures: Vec::new() }
    }

    fn connect_some(&mut self, registry: &mut Registry<Self>) {
        let options = ClientOptions { timeout: PATIENCE, ..ClientOptions::default() };
        while self.left > 0 && self.clients.len() - self.replies < AT_A_TIME {
            let client = Client::connect(registry, self.server.clone(), &options);
            let client = client.expect("there are descriptors");
            self.clients.insert(client.id(), client);
            self.left -= 1;
        }
    }

    fn end_all(&mut self, registry: &mut Registry<Self>) {
        self.clients.values_mut().for_each(|client| client.end(registry));
    }
}

impl Caller for Crowd {
    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, id: ClientId, event: Event<'_>) {
        match event {
            Event::Open => {
                let client = self.clients.get_mut(&id).expect("it has just opened");
                client.send(registry, "hello".into()).expect("there is room");
            }
            Event::Reply(_) => {
                self.replies += 1;
                self.connect_some(registry);
            }
            Event::Bytes(_) | Event::Lost(_) | Event::Trouble(_) => {}
        }
    }

    fn on_finish(&mut self, _: &mut Registry<Self>, id: ClientId, outcome: Result<(), Failure>) {
        self.clients.remove(&id);
        self.failures.extend(outcome.err());
    }
}

#[track_caller]
fn until(
    reactor: &mut Reactor<Crowd>,
    crowd: &mut Crowd,
    what: &str,
    condition: impl Fn(&Crowd) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !condition(crowd) {
        assert!(Instant::now() < deadline, "waited in vain until {what}: {}", reactor.stats());
        let turn = reactor.turn(Some(Duration::from_secs(1)), crowd).expect("the loop turns");
        assert!(turn.is_running());
    }
}

/// Raises the limit of descriptors, which the server inherits, as far as it may be.
fn as_many_as_allowed() -> usize {
    let needed = WANTED as u64 + SPARE;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < needed) {
        let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
        let raised = Rlimit { current: Some(raised), maximum };
        setrlimit(Resource::Nofile, raised).expect("it is within the hard limit");
    }
    let allowed = getrlimit(Resource::Nofile).current.map_or(needed, |now| now.min(needed)) - SPARE;
    if allowed < WANTED as u64 {
        eprintln!("ONLY {allowed} connections: the hard limit of descriptors allows no more");
    }
    allowed as usize
}
