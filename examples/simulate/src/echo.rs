//! Echo under the whole swarm: a server, and clients on its own host and on others, over TCP, UDP and
//! both kinds of Unix socket.
//!
//! ```text
//!    near ── unix streams, unix datagrams ──┐
//!                                         server      all of them on one loop or several,
//!    far, farther ── TCP, UDP, IPv4, IPv6 ──┘         none of which knows that it is a simulation
//! ```
//!
//! What must always hold: no byte comes back that was not sent, nor in another order; every
//! conversation ends, once, well or with one reason; nothing is left when all have ended. And if
//! nothing went wrong on the way, every conversation went well.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use protocols::echo::{
    self, Caller, Client, ClientId, ClientOptions, Event, Failure, NotSent, Server,
};
use reactor::sim::{Host, Network, Outcome};
use reactor::{Address, DatagramOptions, ListenOptions, OpenError, Registry};

use crate::cast::{everywhere, is_idle, plan, storm, until_quiet, watch_sessions};
use crate::score::{Draws, Score};

/// How long what is left may take afterwards: a connection that has gone silent is found out by
/// probes, or when what was sent on it is given up.
const CALM: Duration = Duration::from_secs(2_000);
/// The most payloads of one conversation.
const PAYLOADS: u64 = 6;
const PORT: u16 = 7007;

/// Everything on a host: a server perhaps, and conversations with one.
struct Site {
    server: Server,
    talks: BTreeMap<ClientId, Talk>,
    /// Conversations that are planned.
    due: usize,
    draws: Draws,
    score: Score,
}

/// One conversation.
struct Talk {
    client: Client,
    /// Payloads still to be sent.
    left: u64,
}

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm();
    let stage = Stage::set(network, 5);
    storm(network, &stage.score, |network| stage.end(network))
}

/// A little of everything without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    Stage::set(network, 1).end(network)
}

/// A way to talk to the server.
#[derive(Clone, Debug)]
enum Way {
    /// TCP, or a Unix stream.
    Stream(Address),
    /// UDP.
    Datagrams(Address),
    /// Unix datagrams, which need a name of one's own to be answered.
    NamedDatagrams(Address),
}

struct Stage {
    hosts: Vec<Host<Site>>,
    score: Score,
}

impl Stage {
    /// A server, and so many conversations in each of the ways.
    fn set(network: &mut Network, each: u64) -> Self {
        let score = Score::default();
        let near = [Way::Stream(unix_stream()), Way::NamedDatagrams(unix_datagrams())];
        let site = Site::maker(&score, &near, each);
        let server = network.host("server", move |registry| {
            serve(registry)?;
            site(registry)
        });
        let (v4, v6) = (network.address(server, PORT), network.address_v6(server, PORT));
        let far = [
            Way::Stream(v4.clone()),
            Way::Stream(v6.clone()),
            Way::Datagrams(v4),
            Way::Datagrams(v6),
        ];
        let mut hosts = vec![server];
        for name in ["far", "farther"] {
            hosts.push(network.host(name, Site::maker(&score, &far, each)));
        }
        let stage = Self { hosts, score };
        stage.watch(network);
        stage
    }

    /// Has everything that must always hold looked at after each step.
    fn watch(&self, network: &mut Network) {
        let score = self.score.clone();
        network.invariant("what comes back", move |_| score.nothing_wrong());
        watch_sessions(network, self.hosts[0], |site| site.server.counters().open);
    }

    /// Waits until all conversations have ended, and looks whether anything is left.
    fn end(&self, network: &mut Network) -> Outcome {
        until_quiet(network, &self.hosts, CALM, is_quiet)?;
        Ok(network.finish(Duration::from_secs(20))?)
    }
}

/// Whether no conversation is left on a host, nor a session.
fn is_quiet(network: &Network, host: Host<Site>) -> bool {
    is_idle(network, host, |site| site.talks.is_empty() && site.due == 0)
}

fn unix_stream() -> Address {
    Address::Path("/run/echo.sock".into())
}

fn unix_datagrams() -> Address {
    Address::Abstract(b"echo".to_vec())
}

/// Opens everything a server can be reached by.
fn serve(registry: &mut Registry<Site>) -> Result<(), OpenError> {
    for address in everywhere(PORT) {
        echo::listen(registry, address.clone(), &ListenOptions::default())?;
        echo::bind(registry, address, &DatagramOptions::default())?;
    }
    echo::listen(registry, unix_stream(), &ListenOptions::default())?;
    echo::bind(registry, unix_datagrams(), &DatagramOptions::default())?;
    Ok(())
}

impl Site {
    /// Makes the site of a host that boots: it plans its conversations, for some time to come.
    fn maker(
        score: &Score,
        ways: &[Way],
        each: u64,
    ) -> impl Fn(&mut Registry<Self>) -> Result<Self, Box<dyn Error>> + 'static {
        let (score, ways) = (score.clone(), ways.to_vec());
        move |registry| {
            let (server, talks) = (Server::default(), BTreeMap::new());
            let mut site =
                Self { server, talks, due: 0, draws: Draws::default(), score: score.clone() };
            let prepare = |site: &mut Self, registry: &mut _, way, _| site.prepare(registry, way);
            site.due = plan(registry, &mut site.draws, &ways, each, prepare)?;
            Ok(site)
        }
    }

    /// Begins a conversation, after what stands for looking up the server's name.
    fn prepare(&mut self, registry: &mut Registry<Self>, way: Way) {
        let looked_up = registry.offload(
            move || way,
            |registry, site, way| {
                site.due -= 1;
                if let Ok(way) = way {
                    site.begin(registry, way);
                }
            },
        );
        if looked_up.is_err() {
            self.due -= 1;
        }
    }

    fn begin(&mut self, registry: &mut Registry<Self>, way: Way) {
        let mut options = ClientOptions::default();
        let client = match way {
            Way::Stream(server) => Client::connect(registry, server, &options),
            Way::Datagrams(server) => Client::connect_datagrams(registry, server, &options),
            Way::NamedDatagrams(server) => {
                let name = self.draws.draw(registry).to_le_bytes().to_vec();
                options.connect.from = Some(Address::Abstract(name));
                Client::connect_datagrams(registry, server, &options)
            }
        };
        match client {
            Ok(client) => {
                let left = 1 + self.draws.draw(registry) % PAYLOADS;
                let was = self.talks.insert(client.id(), Talk { client, left });
                if was.is_some() {
                    self.score.note_wrong("two conversations have one id".to_owned());
                }
            }
            Err(_) => self.score.note_end(false),
        }
    }

    /// Sends the next payload, and the one behind it; ends when there is none left.
    fn go_on(&mut self, registry: &mut Registry<Self>, id: ClientId) {
        for _ in 0..2 {
            let payload = payload(id, self.draws.draw(registry));
            let Some(talk) = self.talks.get_mut(&id) else { return };
            if talk.left == 0 {
                return talk.client.end(registry);
            }
            match talk.client.send(registry, payload) {
                Ok(_) => talk.left -= 1,
                // Once something is back, or lost, there is room again.
                Err(NotSent::WindowFull(_)) if talk.client.exchange().outstanding() > 0 => return,
                Err(_) => return talk.client.close(registry),
            }
        }
    }
}

/// Something to send: mostly a few bytes, now and then more than a buffer holds.
fn payload(id: ClientId, bits: u64) -> Bytes {
    let longest = match (id, bits >> 60) {
        (ClientId::Stream(_), 0) => 20_000,
        (ClientId::Datagrams(_), 0) => 1_400,
        _ => 200,
    };
    let length = 1 + (bits >> 16) % longest;
    (0..length).map(|at| (at.wrapping_mul(bits | 1) >> 8) as u8).collect()
}

impl AsMut<Server> for Site {
    fn as_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

impl Caller for Site {
    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        self.talks.get_mut(&id).map(|talk| &mut talk.client)
    }

    fn on_event(&mut self, registry: &mut Registry<Self>, id: ClientId, event: Event<'_>) {
        if let Event::Open | Event::Reply(_) | Event::Lost(_) = event {
            self.go_on(registry, id);
        }
    }

    fn on_finish(&mut self, _: &mut Registry<Self>, id: ClientId, outcome: Result<(), Failure>) {
        if self.talks.remove(&id).is_none() {
            self.score.note_wrong(format!("{id:?} ends a second time"));
        }
        if let Err(Failure::Mismatch(mismatch)) = &outcome {
            self.score.note_wrong(mismatch.to_string());
        }
        self.score.note_end(outcome.is_ok());
    }
}
