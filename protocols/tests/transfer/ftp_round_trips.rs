//! What a client far away waits for: on a simulated network, where a round trip takes exactly as long as it
//! is said to.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocols::transfer::ftp::address::parse_229;
use protocols::transfer::ftp::reply::{Replies, Reply};
use protocols::transfer::ftp::users::Users;
use protocols::transfer::ftp::{self, Server, Settings};
use protocols::transfer::store::{Access, Store};
use reactor::sim::Network;
use reactor::{Address, Closed, ConnectionId, Input, ListenOptions, Protocol, Registry, Transport};

use crate::kit::noise;

const PORT: u16 = 2121;
/// One way.
const LATENCY: Duration = Duration::from_millis(100);
/// As much as the systems between the two hold.
const LENGTH: usize = 100_000;

/// What a client sees.
#[derive(Default)]
struct Seen {
    replies: Vec<(Duration, u16)>,
    bytes: Vec<u8>,
    /// How the data connection has ended, once it has.
    end: Option<Result<Duration, String>>,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It closes its end when the server has.
    Closes,
    /// It never does, as some that wait for the reply.
    LeavesOpen,
    /// It looks at what has come a quarter of an hour later.
    Sleeps,
}

struct Client {
    begun: Instant,
    lines: std::vec::IntoIter<String>,
    replies: Replies,
    manner: Manner,
    seen: Rc<RefCell<Seen>>,
}

impl Protocol<()> for Client {
    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            let line = input.take_front(end + 1);
            let line = line.strip_suffix(b"\r\n").expect("lines end so");
            if let Some(reply) = self.replies.handle_line(line).expect("it is a reply") {
                self.handle_reply(transport, &reply);
            }
        }
    }
}

impl Client {
    fn handle_reply(&mut self, transport: &mut Transport<'_, ()>, reply: &Reply) {
        let at = transport.registry().now() - self.begun;
        self.seen.borrow_mut().replies.push((at, reply.code));
        if let (229, Some(host)) = (reply.code, transport.peer().ip()) {
            let port = parse_229(reply.text()).expect("a port");
            let data = Data { begun: self.begun, manner: self.manner, seen: Rc::clone(&self.seen) };
            let connected = transport.registry().connect(Address::Ip((host, port).into()), data);
            connected.expect("there are sockets");
        }
        // What is only a beginning is not answered.
        if reply.code >= 200
            && let Some(line) = self.lines.next()
        {
            transport.write(format!("{line}\r\n").as_bytes());
        }
    }
}

struct Data {
    begun: Instant,
    manner: Manner,
    seen: Rc<RefCell<Seen>>,
}

impl Protocol<()> for Data {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, _: &mut ()) {
        if self.manner == Manner::Sleeps {
            transport.pause();
            let id: ConnectionId = transport.id();
            let later =
                transport.registry().after(Duration::from_secs(900), move |registry, ()| {
                    // It may have ended.
                    let _ = registry.resume(id);
                });
            later.expect("there are timers");
        }
    }

    fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
        self.seen.borrow_mut().bytes.extend_from_slice(input.take_all());
    }

    fn on_end(&mut self, transport: &mut Transport<'_, ()>, _: &mut ()) {
        let at = transport.registry().now() - self.begun;
        self.seen.borrow_mut().end = Some(Ok(at));
        if self.manner != Manner::LeavesOpen {
            transport.close();
        }
    }

    fn on_close(&mut self, _: &mut Registry<()>, closed: &Closed, _: &mut ()) {
        let mut seen = self.seen.borrow_mut();
        if seen.end.is_none() {
            seen.end = Some(Err(closed.reason.to_string()));
        }
    }
}

/// What a client of this manner sees that asks for these, within an hour; and how many connections the server
/// has left then.
fn fetches(manner: Manner, lines: &[&str], tree: &Path) -> (Seen, u64) {
    let mut network = Network::from_seed(0);
    let root = tree.to_owned();
    let server = network.host("server", move |registry| {
        ftp::listen(registry, format!("0.0.0.0:{PORT}").parse()?, &ListenOptions::default())?;
        let store = Store::open(&root, Access::ReadOnly)?;
        Ok(Server::new(Settings::default(), Users::anonymous_only(), store))
    });
    let address = network.address(server, PORT);
    let login = ["USER anonymous", "PASS me", "TYPE I"];
    let lines: Vec<_> = login.iter().chain(lines).map(|&line| line.to_owned()).collect();
    let seen = Rc::new(RefCell::new(Seen::default()));
    let told = Rc::clone(&seen);
    let client = network.host("client", move |registry| {
        let (lines, seen) = (lines.clone().into_iter(), Rc::clone(&told));
        let begun = registry.now();
        let client = Client { begun, lines, replies: Replies::default(), manner, seen };
        registry.connect(address.clone(), client)?;
        Ok(())
    });
    network.set_latency(server, client, LATENCY);
    network.set_latency(client, server, LATENCY);
    network.run_for(Duration::from_secs(200)).expect("nothing breaks");
    let left = network.stats(server).expect("it is up").connections;
    network.run_for(Duration::from_secs(3_400)).expect("nothing breaks");
    (seen.take(), left)
}

fn plant() -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a directory");
    std::fs::write(tree.path().join("small"), noise(1_000)).expect("it is written");
    std::fs::write(tree.path().join("file"), noise(LENGTH)).expect("it is written");
    tree
}

/// The time between two replies.
fn between(seen: &Seen, from: u16, to: u16) -> Duration {
    let at = |code: u16| seen.replies.iter().find(|reply| reply.1 == code).expect("it is heard").0;
    at(to) - at(from)
}

/// It came when the client had closed its end as well, or 200 ms later.
#[test]
fn a_file_costs_two_round_trips_from_its_port_to_the_last_reply() {
    let tree = plant();
    for manner in [Manner::Closes, Manner::LeavesOpen] {
        for command in ["RETR small", "RETR file", "LIST", "NLST", "MLSD"] {
            let (seen, _) = fetches(manner, &["EPSV", command], tree.path());
            let took = between(&seen, 229, 226);
            // One to connect, and one for what is sent, which the reply goes along with.
            assert!(
                took < LATENCY * 4 + Duration::from_millis(10),
                "{manner:?} {command}: {took:?}"
            );
            assert!(seen.end.is_some_and(|end| end.is_ok()), "{manner:?} {command}");
        }
    }
}

/// It was reset after two minutes, though it had been told that all was well.
#[test]
fn a_client_that_was_told_that_all_was_sent_gets_it_however_slow_it_is() {
    let tree = plant();
    let (seen, left) = fetches(Manner::Sleeps, &["EPSV", "RETR file", "QUIT"], tree.path());
    let codes: Vec<_> = seen.replies.iter().map(|reply| reply.1).collect();
    assert_eq!(codes[4..], [229, 150, 226, 221], "{:?}", seen.replies);
    let end = seen.end.expect("it ends").expect("it ends well");
    assert!(end > Duration::from_secs(900) && seen.bytes == noise(LENGTH), "{end:?}");
    assert_eq!(left, 0, "the server is done with it");
}

/// Each would be a descriptor, and a client may ask for thousands.
#[test]
fn nothing_is_left_of_a_transfer_whose_client_never_closes_its_data_connection() {
    let tree = plant();
    let lines = ["EPSV", "RETR small"].repeat(40);
    let (seen, left) = fetches(Manner::LeavesOpen, &lines, tree.path());
    assert_eq!(seen.replies.iter().filter(|reply| reply.1 == 226).count(), 40);
    assert_eq!((seen.bytes.len(), left), (40_000, 1), "the control connection");
}
