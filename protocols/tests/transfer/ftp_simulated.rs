//! Strangers on simulated networks: whoever comes to a data port first, and from wherever, in a thousand
//! bad ways.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use protocols::transfer::ftp::address::parse_229;
use protocols::transfer::ftp::reply::{Replies, Reply};
use protocols::transfer::ftp::{self, Server, Settings};
use protocols::transfer::store::{Access, Store};
use reactor::sim::{Host, Network, Outcome, Simulation};
use reactor::{Address, Closed, Input, ListenOptions, Protocol, Registry, Transport};
use tempfile::TempDir;

use crate::kit::noise;
use crate::stage::everybody;

const PORT: u16 = 2121;
/// The server is asked for connections to this one of a host that has nothing to do with it.
const VICTIMS_PORT: u16 = 8080;
const SECRET: usize = 40_000;

/// What everybody on the stage can see.
#[derive(Clone, Default)]
struct Board {
    /// Where the server expects the client.
    port: Rc<Cell<Option<u16>>>,
    /// How often the thief has been there.
    visits: Rc<Cell<u32>>,
    stolen: Rc<RefCell<Vec<u8>>>,
    fetched: Rc<RefCell<Vec<u8>>>,
    replies: Rc<RefCell<Vec<Reply>>>,
    victim_was_called: Rc<Cell<bool>>,
}

/// A client that says its lines, one after each reply, and connects where it is told to when the thief
/// has been there.
struct Actor {
    lines: std::vec::IntoIter<String>,
    replies: Replies,
    board: Board,
}

impl Protocol<()> for Actor {
    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            let line = input.take_front(end + 1);
            let line = line.strip_suffix(b"\r\n").expect("lines end so");
            let reply = self.replies.handle_line(line).expect("it is a reply");
            if let Some(reply) = reply {
                self.handle_reply(transport, reply);
            }
        }
    }
}

impl Actor {
    fn handle_reply(&mut self, transport: &mut Transport<'_, ()>, reply: Reply) {
        if reply.code == 229 {
            let port = parse_229(reply.text()).expect("a port");
            self.board.port.set(Some(port));
            self.connect_behind_the_thief(transport, port);
        }
        // What is only a beginning is not answered.
        let is_last = reply.code >= 200;
        self.board.replies.borrow_mut().push(reply);
        if let (true, Some(line)) = (is_last, self.lines.next()) {
            transport.write(format!("{line}\r\n").as_bytes());
        }
    }

    fn connect_behind_the_thief(&self, transport: &mut Transport<'_, ()>, port: u16) {
        let server = transport.peer().ip().expect("it is IP");
        let (board, address) = (self.board.clone(), Address::Ip((server, port).into()));
        // By then the thief has long been there, on a network that is not too bad.
        let connect = move |registry: &mut Registry<()>, (): &mut ()| {
            // Where it fails, there is nothing to be fetched.
            let _ = registry.connect(address, Collector(Rc::clone(&board.fetched)));
        };
        transport.registry().after(Duration::from_secs(1), connect).expect("there are timers");
    }
}

/// Keeps whatever it is sent.
struct Collector(Rc<RefCell<Vec<u8>>>);

impl<App> Protocol<App> for Collector {
    fn on_data(&mut self, _: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
        self.0.borrow_mut().extend_from_slice(input.take_all());
    }
}

/// Comes to a data port, plants something, and keeps whatever it gets.
struct Thief(Board);

impl Protocol<()> for Thief {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, _: &mut ()) {
        transport.write(b"planted");
    }

    fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
        self.0.stolen.borrow_mut().extend_from_slice(input.take_all());
    }

    fn on_close(&mut self, _: &mut Registry<()>, _: &Closed, _: &mut ()) {
        self.0.visits.set(self.0.visits.get() + 1);
    }
}

/// Is called by nobody.
struct Victim(Board);

impl Protocol<()> for Victim {
    fn on_open(&mut self, _: &mut Transport<'_, ()>, _: &mut ()) {
        self.0.victim_was_called.set(true);
    }

    fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, _: &mut ()) {
        input.take_all();
    }
}

struct Stage {
    tree: TempDir,
    board: Board,
    server: Host<Server>,
}

impl Stage {
    fn set(network: &mut Network, lines: &[&str]) -> Self {
        let tree = tempfile::tempdir().expect("a directory");
        std::fs::write(tree.path().join("secret"), noise(SECRET)).expect("it is written");
        let board = Board::default();
        let root = tree.path().to_owned();
        let server = network.host("server", move |registry| serve(registry, &root));
        let address = network.address(server, PORT);

        let shared = board.clone();
        let victim = network.host("victim", move |registry| {
            let board = shared.clone();
            let any = format!("0.0.0.0:{VICTIMS_PORT}").parse()?;
            registry.listen(any, move |_, ()| Victim(board.clone()))?;
            Ok(())
        });
        let victim = network.address(victim, VICTIMS_PORT).ip().expect("it is IP").to_string();
        let lines: Vec<_> = lines.iter().map(|line| line.replace("VICTIM", &victim)).collect();
        let (to, shared) = (address.clone(), board.clone());
        network.host("client", move |registry| {
            let (lines, board) = (lines.clone().into_iter(), shared.clone());
            // A client that crashed begins anew.
            board.fetched.borrow_mut().clear();
            registry.connect(to.clone(), Actor { lines, replies: Replies::default(), board })?;
            Ok(())
        });
        let shared = board.clone();
        network.host("thief", move |registry| {
            let (board, server) = (shared.clone(), address.ip().expect("it is IP"));
            registry.every(Duration::from_millis(100), move |registry, ()| {
                if let Some(port) = board.port.get().filter(|_| board.visits.get() < 8) {
                    // It may fail at once: the thief comes again.
                    let _ =
                        registry.connect(Address::Ip((server, port).into()), Thief(board.clone()));
                }
            })?;
            Ok(())
        });
        Self { tree, board, server }
    }

    /// Nothing of the file has gone to a stranger, and nothing of theirs into the tree.
    fn check(&self) -> Outcome {
        if !self.board.stolen.borrow().is_empty() {
            return Err("something was stolen".into());
        }
        if !noise(SECRET).starts_with(&self.board.fetched.borrow()) {
            return Err("the client has got something else".into());
        }
        if self.board.victim_was_called.get() {
            return Err("the server has called the victim".into());
        }
        for entry in std::fs::read_dir(self.tree.path())? {
            let path = entry?.path();
            let found = std::fs::read(&path)?;
            if found.windows(7).any(|part| part == b"planted") {
                return Err(format!("{} was planted", path.display()).into());
            }
        }
        Ok(())
    }
}

fn serve(registry: &mut Registry<Server>, root: &Path) -> Result<Server, Box<dyn Error>> {
    ftp::listen(registry, format!("0.0.0.0:{PORT}").parse()?, &ListenOptions::default())?;
    Ok(Server::new(Settings::default(), everybody(), Store::open(root, Access::ReadWrite)?))
}

const FETCH: [&str; 5] = ["USER ann", "PASS secret", "TYPE I", "EPSV", "RETR secret"];
const BRING: [&str; 5] = ["USER ann", "PASS secret", "TYPE I", "EPSV", "STOR new"];

#[test]
fn a_thief_is_first_at_the_data_port_and_gets_nothing_while_the_client_gets_its_file() {
    let mut network = Network::from_seed(0);
    let stage = Stage::set(&mut network, &FETCH);
    network.run_for(Duration::from_secs(20)).expect("nothing breaks");
    stage.check().expect("nothing was stolen");
    assert!(stage.board.visits.get() > 0, "the thief was there");
    assert_eq!(*stage.board.fetched.borrow(), noise(SECRET));
    let codes: Vec<_> = stage.board.replies.borrow().iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [220, 331, 230, 200, 229, 150, 226]);
    let refused = network.app(stage.server).expect("it is up").counters().data_refused;
    assert!(refused > 0, "{refused}");
}

#[test]
fn a_server_is_not_made_to_call_anybody() {
    let mut network = Network::from_seed(0);
    let lines = ["USER ann", "PASS secret", "EPRT |1|VICTIM|8080|", "RETR secret", "QUIT"];
    let stage = Stage::set(&mut network, &lines);
    network.run_for(Duration::from_secs(20)).expect("nothing breaks");
    stage.check().expect("nobody was called");
    let codes: Vec<_> = stage.board.replies.borrow().iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [220, 331, 230, 504, 425, 221]);
}

#[test]
fn no_network_is_bad_enough_to_steal_or_plant_anything() {
    for lines in [FETCH, BRING] {
        let searched = Simulation::new(move |network: &mut Network| {
            network.swarm();
            let stage = Stage::set(network, &lines);
            network.run_for(Duration::from_secs(8))?;
            network.calm();
            network.run_for(Duration::from_secs(20))?;
            stage.check()
        })
        .search(0..25);
        if let Err(failure) = searched {
            panic!("{failure}");
        }
    }
}
