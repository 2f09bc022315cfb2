//! What is counted, not timed: user-space instructions and system calls of one unit of work.
//!
//! A runner starts its server by the instrument it is given, connects its clients, and has the work counted. Who
//! cannot be started by one is left out: nginx and ngircd, which do not say when they listen, and jayson, as most of
//! what Node does is to translate.

use std::fmt;
use std::rc::Rc;

use crate::Result;
use crate::calls::Calls;
use crate::chats::Chat;
use crate::chats::network::Network;
use crate::clients::askers::{self, Asked};
use crate::clients::audience::{self, Seats};
use crate::clients::callers;
use crate::clients::channel::{self, Channel};
use crate::clients::correspondents;
use crate::clients::load::{self, Load};
use crate::cost::{Instrument, Measure, can_trace};
use crate::datagrams::{Datagrams, Duty};
use crate::loaded::{Loaded, Start};
use crate::nats::broker;
use crate::servers::Peer;
use crate::webs::Web;

/// How the names of those begin that need a `nats-server`.
const NETWORK: &str = "network.";

/// One form of work whose cost is counted.
#[derive(Clone)]
pub struct Subject {
    /// Its name in the committed table: `echo.50x1`.
    pub name: String,
    /// What it is, for people.
    pub about: String,
    /// What is counted: a message, a delivery.
    pub unit: &'static str,
    /// Units that are counted, about: in whole rounds.
    units: u64,
    /// What is counted of it, where that can be.
    measures: &'static [Measure],
    /// Who does it, the ruler first.
    pub runners: Vec<Runner>,
}

/// One who does the work of a subject.
#[derive(Clone)]
pub struct Runner {
    /// Its name.
    pub name: String,
    load: Rc<MakeLoad>,
}

/// Starts a server, and has its clients connected.
type MakeLoad = dyn Fn(Start<'_>) -> Result<Loaded>;

const BOTH: &[Measure] = &[Measure::Instructions, Measure::SystemCalls];

/// The deliveries of a chat are many: strace stops at each.
const INSTRUCTIONS: &[Measure] = &[Measure::Instructions];

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
    fn new(
        name: String,
        about: impl Into<String>,
        unit: &'static str,
        runners: Vec<Runner>,
    ) -> Self {
        Self { name, about: about.into(), unit, units: 20_000, measures: BOTH, runners }
    }

    /// The same with fewer units, for a figure that nothing is held against.
    pub fn shortened(self, times: u64) -> Self {
        Self { units: self.units / times, ..self }
    }

    /// What is counted of it: system calls only where there is strace.
    pub fn measures(&self) -> &'static [Measure] {
        if can_trace() { self.measures } else { INSTRUCTIONS }
    }

    /// The count for one unit, of one who does it.
    pub fn count(&self, runner: &Runner, measure: Measure) -> Result<f64> {
        let count = || {
            let instrument = Instrument::new(measure)?;
            (runner.load)(Start::Under(&instrument))?.count(&instrument, self.units)
        };
        count().map_err(|error| format!("{}, {}: {error}", self.name, runner.name).into())
    }
}

impl Runner {
    fn new(name: impl fmt::Display, load: impl Fn(Start<'_>) -> Result<Loaded> + 'static) -> Self {
        Self { name: name.to_string(), load: Rc::new(load) }
    }

    /// One for each of these, who all do the same.
    fn each<P: fmt::Display + Copy + 'static>(
        peers: &[P],
        load: impl Fn(P, Start<'_>) -> Result<Loaded> + Copy + 'static,
    ) -> Vec<Self> {
        peers.iter().map(|&peer| Self::new(peer, move |start| load(peer, start))).collect()
    }
}

fn echo((connections, depth): (usize, usize)) -> Subject {
    let load = Load { connections, depth, size: 64 };
    let runners = Runner::each(Peer::all(), move |peer, start| load::echo(start, peer, load));
    let about =
        format!("an echo of 64 bytes, connections: {connections}, in flight on each: {depth}");
    Subject::new(format!("echo.{connections}x{depth}"), about, "message", runners)
}

fn fan_out(members: usize) -> Subject {
    let seats = Seats { members, stalled: 0 };
    let runners = Runner::each(Peer::all(), move |room, start| audience::lines(start, room, seats));
    let about = format!("a line of 64 bytes to each of {members} members");
    Subject::new(format!("fan-out.{members}"), about, "delivery", runners)
}

/// A raw epoll loop and ours, which does more for the same deliveries.
fn beside_epoll(
    members: usize,
    ours: impl Fn(Start<'_>) -> Result<Loaded> + 'static,
) -> Vec<Runner> {
    let seats = Seats { members, stalled: 0 };
    let ruler = move |start: Start<'_>| audience::lines(start, Peer::Epoll, seats);
    vec![Runner::new(Peer::Epoll, ruler), Runner::new(Chat::Reactor, ours)]
}

/// A datagram back to each of many peers, or a run of them to one.
fn datagrams((duty, clients): (Duty, usize)) -> Subject {
    let runners = Runner::each(&Datagrams::that_do(duty), move |server, start| {
        correspondents::datagrams(start, server, duty, clients)
    });
    let about = format!("datagrams, {duty}, clients: {clients}");
    Subject::new(format!("datagrams.{duty}"), about, "datagram", runners)
}

/// A line of a hundred bytes to every user on a channel.
fn chat(members: usize) -> Subject {
    let name = format!("chat.{members}");
    let about = format!("a line of chat to each of {members} users on a channel");
    let ours = move |start: Start<'_>| channel::lines(start, Chat::Reactor, members);
    let subject = Subject::new(name, about, "delivery", beside_epoll(members, ours));
    Subject { units: 50_000, measures: INSTRUCTIONS, ..subject }
}

/// The server of a network that is counted, and the other one.
const COUNTED: usize = 0;
const OTHER: usize = 1;

/// A line from one of our chat servers to another, and to all its users on the channel, where three servers share a
/// thousand: what it costs the server that it is said on, and what the one that hears of it.
fn network(name: &str, what: &str, speaker: usize) -> Subject {
    let members = 333;
    let ours = move |start: Start<'_>| {
        let network = Network::start(2, |program| start.program(program))?;
        let seat = |number| network.address(if number == members { speaker } else { COUNTED });
        let mut channel = Channel::gather(seat, members)?;
        let Network { mut nodes, broker } = network;
        let counted = nodes.swap_remove(COUNTED).keeping((nodes, broker));
        Ok(Loaded::new(counted, members, move || channel.publish(1)))
    };
    let name = format!("{NETWORK}{name}.{members}");
    let about = format!("a line of chat, {what}, to each of {members} users of one server");
    let subject = Subject::new(name, about, "delivery", beside_epoll(members, ours));
    Subject { units: 200 * members as u64, measures: INSTRUCTIONS, ..subject }
}

/// One server after the other is asked the same.
fn asked<A: Asked>(
    (name, about): (&str, &str),
    unit: &'static str,
    (connections, depth): (usize, usize),
    servers: &[A],
) -> Subject {
    let runner = |&server: &A| {
        let load = (connections, depth);
        Runner::new(server.peer(), move |start| askers::asked(start, server, load))
    };
    let name = format!("{name}.{connections}x{depth}");
    let about = format!("{about}, connections: {connections}, in flight on each: {depth}");
    Subject::new(name, about, unit, servers.iter().map(runner).collect())
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
    let ours = move |start: Start<'_>| callers::notifications(start, subscribers);
    let runners = vec![Runner::new("reactor", ours)];
    let about = format!("a notification in JSON-RPC to each of {subscribers} subscribers");
    Subject::new(format!("rpc.topic.{subscribers}"), about, "delivery", runners)
}

#[cfg(feature = "tls")]
fn tls(connections: usize) -> Subject {
    use crate::clients::secured::echoing;
    use crate::secure::Secure;

    let runner = |secure: Secure| {
        Runner::new(secure.peer(), move |start| echoing(start, secure, connections))
    };
    let name = format!("tls.echo.{connections}x1");
    let about = format!("an echo of 64 bytes over TLS, connections: {connections}");
    let runners = [Secure::TokioEcho, Secure::ReactorEcho].map(runner).into();
    Subject { units: 2_000, ..Subject::new(name, about, "message", runners) }
}
