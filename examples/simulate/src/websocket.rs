//! WebSocket under the whole swarm: a server that sends everything back, and clients on its own host and on
//! others, which hold what comes back against what they sent.
//!
//! What must always hold: messages come back whole, in order, as what they were; every WebSocket that opens
//! ends, once; a goodbye that both sides said is told as one; nothing is left when all have ended. And if
//! nothing went wrong on the way, every conversation ends with a goodbye.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::time::Duration;

use protocols::websocket::{
    self, CloseCode, Closed, DeflateOptions, Ending, Endpoint, Handler, Message, Options, Socket,
    Target,
};
use reactor::sim::{Host, Network, Outcome};
use reactor::{Address, ConnectOptions, ConnectionId, ListenOptions, Registry};

use crate::OF_DATAGRAMS;
use crate::cast::{is_idle, plan, storm, until_quiet};
use crate::score::{Draws, Score};

/// How long what is left may take afterwards.
const CALM: Duration = Duration::from_secs(2_000);
/// The most messages of one conversation.
const MESSAGES: u64 = 6;
const PORT: u16 = 80;

/// Everything on a host: a server perhaps, and conversations with one.
struct Site {
    endpoint: Endpoint,
    /// Whether there is a client or a server at the connection, and it has not heard its end.
    open: HashMap<ConnectionId, Side>,
    /// Conversations that are planned, or have begun and not ended.
    due: usize,
    draws: Draws,
    score: Score,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm_without(OF_DATAGRAMS);
    let stage = Stage::set(network, 5);
    storm(network, &stage.score, |network| stage.end(network))
}

/// A little of everything without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    Stage::set(network, 2).end(network)
}

struct Stage {
    hosts: Vec<Host<Site>>,
    score: Score,
}

impl Stage {
    /// A server, and so many conversations from each of three hosts.
    fn set(network: &mut Network, each: u64) -> Self {
        let score = Score::default();
        let near = Site::maker(&score, Address::Path("/run/socket".into()), each);
        let server = network.host("server", move |registry| {
            let site = near(registry)?;
            for address in [format!("0.0.0.0:{PORT}").parse()?, Address::Path("/run/socket".into())]
            {
                let (options, endpoint) = (ListenOptions::default(), &site.endpoint);
                websocket::listen(registry, address, &options, endpoint, |_, _, _: &mut Site| {
                    Ok(Echo)
                })?;
            }
            Ok(site)
        });
        let far = network.address(server, PORT);
        let mut hosts = vec![server];
        for name in ["far", "farther"] {
            hosts.push(network.host(name, Site::maker(&score, far.clone(), each)));
        }
        let invariant = score.clone();
        network.invariant("what comes back", move |_| invariant.nothing_wrong());
        Self { hosts, score }
    }

    /// Waits until all conversations have ended, and looks whether anything is left.
    fn end(&self, network: &mut Network) -> Outcome {
        until_quiet(network, &self.hosts, CALM, is_quiet)?;
        for &host in &self.hosts {
            let open = network.app(host).map_or(0, |site| site.endpoint.counters().open);
            if open > 0 {
                return Err(format!("{open} WebSockets without a connection").into());
            }
        }
        Ok(network.finish(Duration::from_secs(20))?)
    }
}

/// Whether no conversation is left on a host, nor a session.
fn is_quiet(network: &Network, host: Host<Site>) -> bool {
    is_idle(network, host, |site| site.open.is_empty() && site.due == 0)
}

impl Site {
    /// Makes the site of a host that boots: it plans its conversations, for some time to come.
    fn maker(
        score: &Score,
        server: Address,
        each: u64,
    ) -> impl Fn(&mut Registry<Self>) -> Result<Self, Box<dyn Error>> + 'static {
        let score = score.clone();
        move |registry| {
            let mut draws = Draws::default();
            let context_takeover = draws.draw(registry).is_multiple_of(2);
            let deflate =
                DeflateOptions { context_takeover, from: 30, ..DeflateOptions::default() };
            let options = Options { deflate: Some(deflate), ..Options::default() };
            let (endpoint, score) = (Endpoint::new(options), score.clone());
            let mut site = Self { endpoint, open: HashMap::new(), due: 0, draws, score };
            let (ways, draws) = (std::slice::from_ref(&server), &mut site.draws);
            let prepare = |site: &mut Self, registry: &mut _, way, _| site.prepare(registry, way);
            site.due = plan(registry, draws, ways, each, prepare)?;
            Ok(site)
        }
    }

    /// Begins a conversation, after what stands for looking up the server's name.
    fn prepare(&mut self, registry: &mut Registry<Self>, server: Address) {
        let looked_up = registry.offload(
            move || server,
            |registry, site, server| match server {
                Ok(server) => site.begin(registry, server),
                Err(_) => site.due -= 1,
            },
        );
        if looked_up.is_err() {
            self.due -= 1;
        }
    }

    fn begin(&mut self, registry: &mut Registry<Self>, server: Address) {
        let (options, target) = (ConnectOptions::default(), Target::new("server", "/"));
        let left = 1 + self.draws.draw(registry) % MESSAGES;
        let talk = Talk { left, sent: VecDeque::new() };
        let begun = websocket::connect(registry, server, &options, &self.endpoint, &target, talk);
        if begun.is_err() {
            self.due -= 1;
            self.score.note_end(false);
        }
    }

    fn opened(&mut self, id: ConnectionId, side: Side) {
        if self.open.insert(id, side).is_some() {
            self.score.note_wrong(format!("{id} opens a second time"));
        }
    }
}

/// The server's side.
struct Echo;

impl Handler<Site> for Echo {
    fn on_open(&mut self, socket: &mut Socket<'_, '_, Site>, site: &mut Site) {
        site.opened(socket.id(), Side::Server);
    }

    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, Site>,
        message: Message<'_>,
        _: &mut Site,
    ) {
        socket.send(message);
    }

    fn on_close(&mut self, _: &mut Registry<Site>, &Closed { id, .. }: &Closed, site: &mut Site) {
        if site.open.remove(&id) != Some(Side::Server) {
            site.score.note_wrong(format!("{id} ends, and was not open"));
        }
    }
}

/// A client's side: what was sent, and has yet to come back.
struct Talk {
    left: u64,
    sent: VecDeque<Payload>,
}

#[derive(Debug, PartialEq, Eq)]
enum Payload {
    Text(String),
    Binary(Vec<u8>),
}

impl Payload {
    /// Something to send: mostly a few words, now and then more than a buffer holds.
    fn new(bits: u64) -> Self {
        let longest = if bits >> 60 == 0 { 30_000 } else { 200 };
        let length = (bits >> 16) % longest;
        if bits.is_multiple_of(2) {
            return Self::Text(
                (0..length / 4).map(|at| ['ü', '€', 'x'][at as usize % 3]).collect(),
            );
        }
        Self::Binary((0..length).map(|at| (at.wrapping_mul(bits | 1) >> 8) as u8).collect())
    }

    fn is(&self, message: Message<'_>) -> bool {
        match (self, message) {
            (Self::Text(sent), Message::Text(text)) => sent == text,
            (Self::Binary(sent), Message::Binary(bytes)) => sent == bytes,
            _ => false,
        }
    }
}

impl Talk {
    /// Sends the next message, and the one behind it; says goodbye when there is none left.
    fn go_on(&mut self, socket: &mut Socket<'_, '_, Site>, site: &mut Site) {
        for _ in 0..2 {
            if self.left == 0 {
                if self.sent.is_empty() {
                    socket.close(CloseCode::NORMAL, "that was all");
                }
                return;
            }
            self.left -= 1;
            let payload = Payload::new(site.draws.draw(socket.registry()));
            match &payload {
                Payload::Text(text) => socket.text(text),
                Payload::Binary(bytes) => socket.binary(bytes),
            }
            self.sent.push_back(payload);
        }
    }
}

impl Handler<Site> for Talk {
    fn on_open(&mut self, socket: &mut Socket<'_, '_, Site>, site: &mut Site) {
        site.opened(socket.id(), Side::Client);
        self.go_on(socket, site);
    }

    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, Site>,
        message: Message<'_>,
        site: &mut Site,
    ) {
        match self.sent.pop_front() {
            Some(payload) if payload.is(message) => self.go_on(socket, site),
            sent => site.score.note_wrong(format!("{message:?} comes back for {sent:?}")),
        }
    }

    fn on_close(&mut self, _: &mut Registry<Site>, closed: &Closed, site: &mut Site) {
        let Closed { id, ending, .. } = closed;
        site.due -= 1;
        let was_open = site.open.remove(id) == Some(Side::Client);
        let well = matches!(ending, Ending::Closed { code, by_us: true, .. } if *code == CloseCode::NORMAL);
        if well && !(was_open && self.left == 0 && self.sent.is_empty()) {
            site.score.note_wrong(format!("{id} ends well too early"));
        }
        if let Ending::Failed(violation) = ending {
            site.score.note_wrong(format!("{id}: {violation}"));
        }
        site.score.note_end(well);
    }
}
