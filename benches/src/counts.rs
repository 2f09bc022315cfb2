//! What is counted, not timed: user-space instructions and system calls of one unit of work.
//!
//! A runner starts its server by the instrument it is given, connects its clients, and has the work counted. Who
//! cannot be started by one is left out: nginx and ngircd, which do not say when they listen, and jayson, as most of
//! what Node does is to translate.

use std::fmt;
use std::rc::Rc;

use crate::Result;
use crate::askers::{Asked, Askers};
use crate::audience::{self, Audience, Seats};
use crate::callers::Subscribers;
use crate::calls::Calls;
use crate::channel::Channel;
use crate::chats::{Chat, network::Network};
use crate::correspondents::{self, Correspondents};
use crate::cost::{Instrument, Measure, can_trace};
use crate::datagrams::{Datagrams, Duty};
use crate::descriptors;
use crate::load::{Clients, Load};
use crate::nats::broker;
use crate::program::Program;
use crate::servers::{self, Peer};
use crate::webs::Web;

/// How the names of those begin that need a `nats-server`.
const NETWORK: &str = "network.";

/// One form of work whose cost is counted.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in the committed table: `echo.50x1`.
    pub name: String,
    /// What it is, for people.
    pub about: String,
    /// What is counted: a message, a delivery.
    pub unit: &'static str,
    /// Units that are counted, about: whole rounds.
    units: usize,
    /// Units of a round.
    round: usize,
    /// Who does it, the ruler first.
    pub runners: Vec<Runner>,
}

/// One who does the work of a subject.
#[derive(Clone)]
pub struct Runner {
    /// Its name.
    pub name: String,
    run: Rc<Run>,
}

/// Starts a server by this instrument, connects its clients, and has what it does counted.
type Run = dyn Fn(&Instrument) -> Result<u64>;

/// Every subject, in the order of the table.
pub fn all() -> Vec<Subject> {
    [
        [(50, 1), (1, 1), (50, 16)].map(echo).to_vec(),
        [100, 1000].map(fan_out).to_vec(),
        [(Duty::Echo, 50), (Duty::Bulk, 1)].map(datagrams).to_vec(),
        vec![
            chat(1_000),
            network("here", "said on this server, and told another one", COUNTED),
            network("there", "said on another server", OTHER),
            calls("rpc", "in lines", &[Calls::EpollLines, Calls::ReactorLines]),
            calls(
                "rpc.http",
                "by HTTP",
                &[Calls::JsonrpseeHttp, Calls::EpollHttp, Calls::ReactorHttp],
            ),
            calls(
                "rpc.socket",
                "by WebSocket",
                &[Calls::JsonrpseeSocket, Calls::EpollSocket, Calls::ReactorSocket],
            ),
            topic(1_000),
            web("hello", "Hello, World!", (64, 1), HELLOS),
            web("hello", "Hello, World!", (64, 16), HELLOS),
            web("file", "a file of 1 KiB", (64, 1), &[Web::ReactorFile]),
            web(
                "socket",
                "an echo of 64 bytes over WebSocket",
                (50, 1),
                &[Web::TungsteniteSocket, Web::ReactorSocket],
            ),
            #[cfg(feature = "tls")]
            tls(50),
        ],
    ]
    .concat()
}

/// The same, without those for which a program is missing, which is said.
pub fn possible() -> Vec<Subject> {
    let mut subjects = all();
    if !broker::is_installed() {
        eprintln!(
            "LEFT OUT: lines from one chat server to another, as nats-server is not installed"
        );
        subjects.retain(|subject| !subject.name.starts_with(NETWORK));
    }
    subjects
}

impl Subject {
    /// The same with fewer units, for a figure that nothing is held against.
    #[must_use]
    pub fn shortened(self, times: usize) -> Self {
        Self { units: (self.units / times).max(self.round), ..self }
    }

    /// What is counted of it: system calls too, where there is strace. Not those of a chat, whose deliveries are
    /// many: strace stops at each.
    pub fn measures(&self) -> &'static [Measure] {
        match !self.name.starts_with("chat.") && !self.name.starts_with(NETWORK) && can_trace() {
            true => &[Measure::Instructions, Measure::SystemCalls],
            false => &[Measure::Instructions],
        }
    }

    /// The count for one unit, of one who does it.
    pub fn count(&self, runner: &Runner, measure: Measure) -> Result<f64> {
        let rounds = self.units / self.round;
        let count = Instrument::new(measure, rounds).and_then(|it| (runner.run)(&it));
        let count = count.map_err(|error| format!("{}, {}: {error}", self.name, runner.name))?;
        Ok(count as f64 / (rounds * self.round) as f64)
    }
}

impl Runner {
    fn new(name: impl fmt::Display, run: impl Fn(&Instrument) -> Result<u64> + 'static) -> Self {
        Self { name: name.to_string(), run: Rc::new(run) }
    }

    /// One for each of these, who all do the same.
    fn each<P: fmt::Display + Copy + 'static>(
        peers: &[P],
        run: impl Fn(P, &Instrument) -> Result<u64> + Copy + 'static,
    ) -> Vec<Self> {
        peers.iter().map(|&peer| Self::new(peer, move |instrument| run(peer, instrument))).collect()
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Runner").field("name", &self.name).finish_non_exhaustive()
    }
}

fn echo((connections, depth): (usize, usize)) -> Subject {
    let load = Load { connections, depth, size: 64 };
    Subject {
        name: format!("echo.{connections}x{depth}"),
        about: format!(
            "an echo of 64 bytes, connections: {connections}, in flight on each: {depth}"
        ),
        unit: "message",
        units: 20_000,
        round: load.round(),
        runners: Runner::each(Peer::all(), move |peer, instrument| {
            let server = instrument.start(&servers::program(peer)?)?;
            let mut clients = Clients::connect(server.address(), load)?;
            instrument.count(&server, || clients.exchange(load.round()))
        }),
    }
}

fn fan_out(members: usize) -> Subject {
    Subject {
        name: format!("fan-out.{members}"),
        about: format!("a line of 64 bytes to each of {members} members"),
        unit: "delivery",
        units: 20_000,
        round: members,
        runners: Runner::each(Peer::all(), move |room, instrument| {
            deliver(room, members, instrument)
        }),
    }
}

/// A line after the other to everybody in a room.
fn deliver(room: Peer, members: usize, instrument: &Instrument) -> Result<u64> {
    let seats = Seats { members, stalled: 0 };
    let server = instrument.start(&audience::program(room, seats)?)?;
    let mut audience = Audience::gather(server.address(), seats)?;
    instrument.count(&server, || audience.publish(1))
}

/// A raw epoll loop, for those who do more for the same deliveries.
fn ruler(members: usize) -> Runner {
    Runner::new(Peer::Epoll, move |instrument| deliver(Peer::Epoll, members, instrument))
}

/// A datagram back to each of many peers, or a run of them to one.
fn datagrams((duty, clients): (Duty, usize)) -> Subject {
    let round = Correspondents::round_of(duty, clients) as usize;
    Subject {
        name: format!("datagrams.{duty}"),
        about: format!("datagrams, {duty}, clients: {clients}"),
        unit: "datagram",
        units: 20_000,
        round,
        runners: Runner::each(Datagrams::all(), move |server, instrument| {
            let server = instrument.start(&correspondents::program(server, duty)?)?;
            let mut clients = Correspondents::open(server.address(), duty, clients)?;
            instrument.count(&server, || clients.round())
        }),
    }
}

/// A line of a hundred bytes to every user on a channel.
fn chat(members: usize) -> Subject {
    let ours = Runner::new(Chat::Reactor, move |instrument| {
        let server = instrument.start(&Program::server("chat")?)?;
        let mut channel = Channel::gather(|_| server.address(), members)?;
        instrument.count(&server, || channel.publish(1))
    });
    Subject {
        name: format!("chat.{members}"),
        about: format!("a line of chat to each of {members} users on a channel"),
        unit: "delivery",
        units: 50_000,
        round: members,
        runners: vec![ruler(members), ours],
    }
}

/// The server of a network that is counted, and the other one.
const COUNTED: usize = 0;
const OTHER: usize = 1;

/// A line from one of our chat servers to another, and to all its users on the channel, where three servers share a
/// thousand: what it costs the server that it is said on, and what the one that hears of it.
fn network(name: &str, what: &str, speaker: usize) -> Subject {
    let members = 333;
    let ours = Runner::new(Chat::Reactor, move |instrument| {
        let network = Network::start(2, |program| instrument.start(program))?;
        let seat = |number| network.address(if number == members { speaker } else { COUNTED });
        let mut channel = Channel::gather(seat, members)?;
        let counted = &network.nodes()[COUNTED];
        instrument.count(counted, || channel.publish(1))
    });
    Subject {
        name: format!("{NETWORK}{name}.{members}"),
        about: format!("a line of chat, {what}, to each of {members} users of one server"),
        unit: "delivery",
        units: 200 * members,
        round: members,
        runners: vec![ruler(members), ours],
    }
}

/// One server after the other is asked the same.
fn asked<A: Asked>(
    (name, about): (&str, &str),
    unit: &'static str,
    (connections, depth): (usize, usize),
    servers: &[A],
) -> Subject {
    let runner = |&server: &A| {
        Runner::new(server.peer(), move |instrument| {
            let running = instrument.start(&server.program()?)?;
            let mut askers = Askers::connect(running.address(), server.asking(connections, depth))?;
            instrument.count(&running, || askers.ask(connections * depth))
        })
    };
    Subject {
        name: format!("{name}.{connections}x{depth}"),
        about: format!("{about}, connections: {connections}, in flight on each: {depth}"),
        unit,
        units: 20_000,
        round: connections * depth,
        runners: servers.iter().map(runner).collect(),
    }
}

fn calls(name: &str, how: &str, servers: &[Calls]) -> Subject {
    let about = format!("a call of sum in JSON-RPC, {how}");
    asked((name, &about), "call", (50, 1), servers)
}

fn web(name: &str, what: &str, load: (usize, usize), webs: &[Web]) -> Subject {
    asked((&format!("web.{name}"), what), "request", load, webs)
}

const HELLOS: &[Web] = &[Web::Epoll, Web::Mio, Web::Reactor, Web::Hyper];

fn topic(subscribers: usize) -> Subject {
    let ours = Runner::new("reactor", move |instrument| {
        descriptors::require(subscribers + 64)?;
        let server = instrument.start(&Program::server("calls")?.with(Calls::ReactorLines))?;
        let mut all = Subscribers::gather(server.address(), subscribers)?;
        instrument.count(&server, || all.publish(1))
    });
    Subject {
        name: format!("rpc.topic.{subscribers}"),
        about: format!("a notification in JSON-RPC to each of {subscribers} subscribers"),
        unit: "delivery",
        units: 20_000,
        round: subscribers,
        runners: vec![ours],
    }
}

#[cfg(feature = "tls")]
fn tls(connections: usize) -> Subject {
    use crate::secure::Secure;
    use crate::secured::Echoing;

    let runner = |secure: Secure| {
        Runner::new(secure.peer(), move |instrument| {
            Echoing::start(secure.start_under(instrument)?, connections)?.count(instrument)
        })
    };
    Subject {
        name: format!("tls.echo.{connections}x1"),
        about: format!("an echo of 64 bytes over TLS, connections: {connections}"),
        unit: "message",
        units: 2_000,
        round: connections,
        runners: [Secure::TokioEcho, Secure::ReactorEcho].map(runner).into(),
    }
}
