//! JSON-RPC under the whole swarm: a server, and clients on its own host and on others, over TCP and Unix
//! sockets, in lines, frames and bare values, by HTTP and by WebSocket.
//!
//! ```text
//!    near ── unix, bare values ──────────────┐   add: at once        slow: by a ticket
//!    far, farther ── TCP, lines and frames ──server
//!             └── HTTP, WebSocket ───────────┘   square: on a thread  news: a topic
//! ```
//!
//! What must always hold: a result is that of its call; no answer comes that nobody waits for, unless it is
//! late; a call that may not be sent again is carried out once at most, and once if it was answered; every call
//! ends, once, well or with one reason; nothing is left when all have ended. And if nothing went wrong on
//! the way, every call went well.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use protocols::rpc::{
    self, CallError, Carrier, Client, ClientOptions, Framing, Lost, ServerOptions, Service, Ticket,
    Topic,
};
use protocols::websocket::Target;
use reactor::sim::{Host, Network, Outcome};
use reactor::{Address, Backoff, ListenOptions, OpenError, Registry};

use crate::cast::{is_idle, plan, storm, until_quiet};
use crate::score::{Draws, Score};

/// How long what is left may take afterwards.
const CALM: Duration = Duration::from_secs(2_000);
/// The most calls of one client.
const CALLS: u64 = 8;
/// How long a call may take: longer than it takes to find out that a connection has gone silent.
const PATIENCE: Duration = Duration::from_secs(600);
const LINES: u16 = 7_008;
const FRAMES: u16 = 7_009;
const WEB: u16 = 7_010;

/// What carries the calls of a client.
#[derive(Clone, Copy)]
enum Way {
    Stream(Framing),
    Http,
    WebSocket,
}

/// Everything on a host: a server perhaps, and clients of one.
struct Site {
    news: Topic,
    talks: BTreeMap<u64, Talk>,
    /// Clients that are planned.
    due: usize,
    /// What a client that has ended had left behind is no business of the next.
    numbers: u64,
    draws: Draws,
    score: Score,
    carried_out: Carried,
}

/// One client.
struct Talk {
    client: Client<Site>,
    service: Rc<Service<Site>>,
    lost: Lost,
    /// Calls still to be made.
    left: u64,
    /// Calls that wait for their answers.
    waiting: u64,
    /// Answers that may come late.
    late: u64,
}

/// How often each call was carried out, by its number; on whatever host. It is there from when it is made.
type Carried = Rc<RefCell<BTreeMap<u64, u64>>>;

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm();
    let stage = Stage::set(network, 3);
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

struct Stage {
    hosts: Vec<Host<Site>>,
    score: Score,
}

impl Stage {
    /// A server, and so many clients in each of the ways.
    fn set(network: &mut Network, each: u64) -> Self {
        let (score, carried) = (Score::default(), Carried::default());
        let near = [(unix(), Way::Stream(Framing::Bare))];
        let site = Site::maker(&score, &carried, &near, each);
        let server = network.host("server", move |registry| {
            let made = site(registry)?;
            serve(registry)?;
            Ok(made)
        });
        let far = [
            (network.address(server, LINES), Way::Stream(Framing::Lines)),
            (network.address_v6(server, LINES), Way::Stream(Framing::Lines)),
            (network.address(server, FRAMES), Way::Stream(Framing::ContentLength)),
            (network.address(server, WEB), Way::Http),
            (network.address_v6(server, WEB), Way::WebSocket),
        ];
        let mut hosts = vec![server];
        for name in ["far", "farther"] {
            hosts.push(network.host(name, Site::maker(&score, &carried, &far, each)));
        }
        let watched = score.clone();
        network.invariant("what is answered", move |_| watched.nothing_wrong());
        for host in hosts.clone() {
            network.invariant("who answers", move |network| {
                network.app(host).map_or(Ok(()), Site::no_strays)
            });
        }
        Self { hosts, score }
    }

    /// Waits until all clients have ended, and looks whether anything is left.
    fn end(&self, network: &mut Network) -> Outcome {
        until_quiet(network, &self.hosts, CALM, is_quiet)?;
        for &host in &self.hosts {
            if network.app(host).is_some_and(|site| !site.news.is_empty()) {
                return Err("a subscription has outlived its connection".into());
            }
        }
        Ok(network.finish(Duration::from_secs(20))?)
    }
}

/// Whether no client is left on a host, nor a session.
fn is_quiet(network: &Network, host: Host<Site>) -> bool {
    is_idle(network, host, |site| site.talks.is_empty() && site.due == 0)
}

/// Whether its time was over.
fn is_late<T>(told: &Result<T, CallError>) -> bool {
    matches!(told, Err(CallError::Timeout(_) | CallError::Unreachable { .. }))
}

fn unix() -> Address {
    Address::Path("/run/rpc.sock".into())
}

/// Opens everything a server can be reached by.
fn serve(registry: &mut Registry<Site>) -> Result<(), OpenError> {
    let service = Rc::new(service());
    let mut listen = |address, way| {
        let service = Rc::clone(&service);
        let listener = match way {
            Way::Stream(framing) => {
                let options = ServerOptions { framing, ..ServerOptions::default() };
                rpc::listen(registry, address, &options, service)
            }
            Way::Http | Way::WebSocket => {
                rpc::listen_http(registry, address, &ListenOptions::default(), service)
            }
        };
        listener.map(drop)
    };
    for ip in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
        listen(Address::Ip((ip, LINES).into()), Way::Stream(Framing::Lines))?;
        listen(Address::Ip((ip, FRAMES).into()), Way::Stream(Framing::ContentLength))?;
        listen(Address::Ip((ip, WEB).into()), Way::Http)?;
    }
    listen(unix(), Way::Stream(Framing::Bare))
}

fn service() -> Service<Site> {
    let mut service = Service::<Site>::new("simulated", "1.0.0");
    service.method("add", "The sum", |call, (number, a, b): (u64, u64, u64)| {
        call.app.carry_out(number);
        Ok(a + b)
    });
    service.later::<(u64, u64, u64), u64>(
        "slow",
        "The sum, later",
        |call, (number, a, b), ticket| {
            call.app.carry_out(number);
            let after = Duration::from_millis(a % 50);
            let set = call.registry.after(after, move |registry, site: &mut Site| {
                // Somebody hears of it, and who asked may have gone.
                let _ = site.news.publish(registry, &[a + b]);
                let _ = ticket.answer(registry, Ok(a + b));
            });
            set.map(drop).map_err(rpc::Error::internal)
        },
    );
    service.offloaded::<(u64, u64, u64), u64, _>(
        "square",
        "The sum, on a thread",
        |call, params| {
            let (number, a, b) = params;
            call.app.carry_out(number);
            Ok(move |_: &Ticket| Ok(a + b))
        },
    );
    service.topic("listen", "leave", "Every sum that was slow", |site| &mut site.news);
    service
}

impl Way {
    fn options(self, server: Address) -> ClientOptions {
        let options = ClientOptions::new(server);
        match self {
            Self::Stream(framing) => ClientOptions { framing, ..options },
            Self::WebSocket => {
                let carrier = Carrier::WebSocket(Target::new("server", "/"));
                ClientOptions { carrier, ..options }
            }
            Self::Http => match "http://server/".parse() {
                Ok(url) => ClientOptions { carrier: Carrier::Http(url), ..options },
                Err(_) => options,
            },
        }
    }
}

impl Site {
    /// Makes the site of a host that boots: it plans its clients, for some time to come.
    fn maker(
        score: &Score,
        carried_out: &Carried,
        ways: &[(Address, Way)],
        each: u64,
    ) -> impl Fn(&mut Registry<Self>) -> Result<Self, Box<dyn Error>> + 'static {
        let (score, carried_out, ways) = (score.clone(), Rc::clone(carried_out), ways.to_vec());
        move |registry| {
            let mut site = Self {
                news: Topic::new("news"),
                talks: BTreeMap::new(),
                due: 0,
                numbers: 0,
                draws: Draws::default(),
                score: score.clone(),
                carried_out: Rc::clone(&carried_out),
            };
            let begin = |site: &mut Self, registry: &mut _, way, _| {
                site.due -= 1;
                site.begin(registry, way);
            };
            site.due = plan(registry, &mut site.draws, &ways, each, begin)?;
            Ok(site)
        }
    }

    fn begin(&mut self, registry: &mut Registry<Self>, (server, way): (Address, Way)) {
        let bits = self.draws.draw(registry);
        let reconnect = (bits & 1 == 0)
            .then(|| Backoff::new(Duration::from_millis(100), Duration::from_secs(5)));
        let lost = if bits & 2 == 0 { Lost::Fail } else { Lost::SendAgain };
        let options = ClientOptions { reconnect, lost, ..way.options(server) };
        let mut service = Service::new("a client", "1.0.0");
        service.method("news", "A sum", |_, _: (u64,)| Ok(()));
        let service = Rc::new(service);
        let client = Client::start(registry, options, Rc::clone(&service));
        let number = self.numbers;
        self.numbers += 1;
        let mut talk = Talk { client, service, lost, left: 1 + bits % CALLS, waiting: 0, late: 0 };
        if bits & 4 == 0 {
            talk.subscribe(registry, number);
        }
        self.talks.insert(number, talk);
        self.go_on(registry, number);
    }

    /// Makes the next call, and the one behind it, or as many as it takes until two are on their way: of those
    /// that fail at once nobody is told. Ends when there is none left.
    fn go_on(&mut self, registry: &mut Registry<Self>, of: u64) {
        let mut begun = 0;
        while begun < 2 {
            let bits = self.draws.draw(registry);
            let Some(talk) = self.talks.get_mut(&of) else { return };
            if talk.left == 0 {
                if talk.waiting == 0 {
                    talk.client.close(registry);
                    self.talks.remove(&of);
                }
                return;
            }
            talk.left -= 1;
            let mut carried_out = self.carried_out.borrow_mut();
            // The lowest bit says whether the call may be sent again.
            let number = 2 * carried_out.len() as u64 + u64::from(talk.lost == Lost::SendAgain);
            carried_out.insert(number, 0);
            drop(carried_out);
            if talk.call(registry, of, number, bits).is_ok() {
                talk.waiting += 1;
                begun += 1;
            } else {
                self.score.note_end(false);
            }
        }
    }

    /// A call of a client has ended.
    fn ended(&mut self, registry: &mut Registry<Self>, of: u64, call: &Call, result: &Told) {
        let times = self.carried_out.borrow().get(&call.number).copied().unwrap_or_default();
        match result {
            Ok(sum) if *sum != call.a + call.b => {
                self.score.note_wrong(format!("{} + {} is {sum}", call.a, call.b));
            }
            Ok(_) if times == 0 => {
                self.score.note_wrong("a call was answered and not carried out".to_owned());
            }
            _ => {}
        }
        self.score.note_end(result.is_ok());
        if let Some(talk) = self.talks.get_mut(&of) {
            talk.waiting -= 1;
            talk.late += u64::from(is_late(result));
        }
        self.go_on(registry, of);
    }

    fn carry_out(&mut self, number: u64) {
        *self.carried_out.borrow_mut().entry(number).or_default() += 1;
        let times = self.carried_out.borrow().get(&number).copied().unwrap_or_default();
        if times > 1 && number & 1 == 0 {
            self.score.note_wrong(format!("call {number} was carried out {times} times"));
        }
    }

    /// For an invariant: no client hears an answer that it does not wait for.
    fn no_strays(&self) -> Result<(), String> {
        let odd = self.talks.values().find(|talk| talk.service.counters().strays > talk.late);
        odd.map_or(Ok(()), |talk| Err(format!("{:?}", talk.service.counters())))
    }
}

/// What was called.
struct Call {
    /// Of all calls on all hosts; odd if it may be sent again.
    number: u64,
    a: u64,
    b: u64,
}

type Told = Result<u64, CallError>;

impl Talk {
    fn call(
        &self,
        registry: &mut Registry<Site>,
        of: u64,
        number: u64,
        bits: u64,
    ) -> Result<(), CallError> {
        let method = ["add", "slow", "square"][(bits >> 8) as usize % 3];
        let call = Call { number, a: (bits >> 16) & 0xffff, b: (bits >> 32) & 0xffff };
        let params = (call.number, call.a, call.b);
        self.client.remote().call(
            registry,
            method,
            &params,
            PATIENCE,
            move |registry, site, told| {
                let site: &mut Site = site;
                site.ended(registry, of, &call, &told);
            },
        )?;
        Ok(())
    }

    /// It ends with the client, so that nobody has to wait for it.
    fn subscribe(&mut self, registry: &mut Registry<Site>, of: u64) {
        let subscribed =
            self.client.subscribe(registry, "listen", &(), PATIENCE, move |_, site, told| {
                let site: &mut Site = site;
                let late = is_late(&told);
                if let (true, Some(talk)) = (late, site.talks.get_mut(&of)) {
                    talk.late += 1;
                }
            });
        // A client that has ended already has nothing to hear.
        let _ = subscribed;
    }
}
