//! TFTP under the whole swarm: a server with a tree of real files, and clients that fetch files and bring
//! them, in lock step and in windows.
//!
//! ```text
//!   far ───── IPv4, IPv6 ─────┐   each transfer: RRQ of a file that is there, or WRQ of one that is not
//!                           server ── a tree
//!   farther ─ IPv4, IPv6 ─────┘
//! ```
//!
//! What a file holds follows from its name, so that anybody can tell whether it is whole. What must always
//! hold: no byte is fetched that is not in the file; whatever has its name in the tree is whole, and is
//! there if that was acknowledged; every transfer ends, once, well or with one reason; when all have ended
//! nothing is left, no socket and no part of an upload. And if nothing went wrong on the way, every transfer
//! went well.
//!
//! One thing TFTP cannot know: a bit that was flipped behind the checksum of UDP. So that is left out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use protocols::transfer::store::{Access, Store};
use protocols::transfer::tftp::{
    self, Caller, ClientOptions, Failure, Limits, NotBegun, Options, Server,
};
use reactor::sim::{Fault, Host, Network, Outcome};
use reactor::{Address, DatagramOptions, Registry, SocketId};
use tempfile::TempDir;

use crate::cast::{Cast, everywhere, plan, storm};
use crate::score::{Draws, Score, Sink};

/// How long what is left may take afterwards: whoever has fallen silent is given up in a minute, and
/// whoever has been whole for a while is forgotten.
const CALM: Duration = Duration::from_secs(600);
const PORT: u16 = 6969;
/// Files that are there to be fetched.
const FILES: [&str; 4] = ["old-0", "old-1", "old-2", "old-3"];

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm_without(&[Fault::DatagramCorrupted]);
    let stage = Stage::set(network, 3)?;
    storm(network, &stage.score, |network| stage.end(network))
}

/// A little of everything without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    Stage::set(network, 1)?.end(network)
}

struct Stage {
    cast: Cast<Server, Program>,
    score: Score,
    brought: Brought,
    /// What the server has in its tree survives its crashes.
    tree: TempDir,
}

/// A host that transfers files.
struct Program {
    transfers: BTreeMap<SocketId, Transfer>,
    /// Transfers that are planned.
    due: usize,
    draws: Draws,
    score: Score,
    brought: Brought,
}

/// Uploads that were acknowledged. They survive the crashes of who brought them, and of the server.
type Brought = Rc<RefCell<BTreeSet<String>>>;

enum Transfer {
    Fetch(&'static str, Sink),
    Bring(String),
}

impl Stage {
    fn set(network: &mut Network, each: u64) -> Result<Self, Box<dyn Error>> {
        let tree = tempfile::tempdir()?;
        for name in FILES {
            std::fs::write(tree.path().join(name), content(name))?;
        }
        let (score, brought) = (Score::default(), Brought::default());
        let root = tree.path().to_owned();
        let cast = Cast::set(
            network,
            PORT,
            move |registry| serve(registry, &root),
            |name, ways| Program::maker(&score, &brought, name, ways, each),
        );
        let stage = Self { cast, score, brought, tree };
        stage.watch(network);
        Ok(stage)
    }

    /// Has everything that must always hold looked at after each step.
    fn watch(&self, network: &mut Network) {
        let score = self.score.clone();
        network.invariant("what is fetched", move |_| score.nothing_wrong());
        let server = self.cast.server;
        network.invariant("the server's count", move |network| {
            let Some(app) = network.app(server) else {
                return Ok(());
            };
            let (open, most) = (app.counters().open, Limits::default().transfers as u64);
            if open <= most { Ok(()) } else { Err(format!("{open} transfers of {most}")) }
        });
    }

    /// Waits until all transfers have ended, and looks whether anything is left.
    fn end(&self, network: &mut Network) -> Outcome {
        let server_is_quiet = |network: &Network, server| {
            network.app(server).is_none_or(|app: &Server| app.counters().open == 0)
        };
        self.cast.end(network, CALM, server_is_quiet, is_quiet)?;
        self.check_tree()
    }

    /// Everything in the tree has to be what its name says, and what was acknowledged has to be there.
    fn check_tree(&self) -> Outcome {
        let mut missing = self.brought.borrow().clone();
        for entry in std::fs::read_dir(self.tree.path())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let found = std::fs::read(entry.path())?;
            if found != content(&name) {
                return Err(format!("{name} is in the tree, {} bytes of it", found.len()).into());
            }
            missing.remove(&name);
        }
        match missing.first() {
            None => Ok(()),
            Some(name) => Err(format!("{name} was acknowledged, and is not there").into()),
        }
    }
}

fn is_quiet(network: &Network, host: Host<Program>) -> bool {
    network.app(host).is_none_or(|it| it.transfers.is_empty() && it.due == 0)
}

/// What a file of this name holds: nothing, a block and a bit, or more.
fn content(name: &str) -> Vec<u8> {
    let seed = name
        .bytes()
        .fold(1, |seed: u64, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let length = [0, 1, 1_428, 5_000, 40_000][(seed >> 20) as usize % 5];
    (0..length).map(|at: u64| (at.wrapping_mul(seed | 1) >> 11) as u8).collect()
}

fn serve(registry: &mut Registry<Server>, root: &Path) -> Result<Server, Box<dyn Error>> {
    for address in everywhere(PORT) {
        tftp::bind::<Server>(registry, address, &DatagramOptions::default())?;
    }
    Ok(Server::new(Store::open(root, Access::ReadWrite)?, Limits::default()))
}

impl Program {
    /// Makes the program of a host that boots: it plans its transfers, for some time to come.
    fn maker(
        score: &Score,
        brought: &Brought,
        host: &'static str,
        ways: [Address; 2],
        each: u64,
    ) -> impl Fn(&mut Registry<Self>) -> Result<Self, Box<dyn Error>> + 'static {
        let (score, brought) = (score.clone(), Rc::clone(brought));
        move |registry| {
            let (score, brought) = (score.clone(), Rc::clone(&brought));
            let draws = Draws::default();
            let mut program = Self { transfers: BTreeMap::new(), due: 0, draws, score, brought };
            // Of each way and each direction so many.
            let ways_there_are = ways.len();
            let begin = move |it: &mut Self, registry: &mut _, way, number: usize| {
                it.due -= 1;
                it.begin(registry, way, host, (number / ways_there_are).is_multiple_of(2));
            };
            program.due = plan(registry, &mut program.draws, &ways, 2 * each, begin)?;
            Ok(program)
        }
    }

    fn begin(
        &mut self,
        registry: &mut Registry<Self>,
        server: Address,
        host: &str,
        is_fetch: bool,
    ) {
        let bits = self.draws.draw(registry);
        let options = options(bits);
        let begun = if is_fetch {
            let (name, sink) = (FILES[(bits >> 8) as usize % FILES.len()], Sink::default());
            tftp::get(registry, server, name.as_bytes(), sink.clone(), &options)
                .map(|id| (id, Transfer::Fetch(name, sink)))
        } else {
            // A host that has crashed brings others when it is back.
            let name = format!("{host}-{bits:016x}");
            let bytes = content(&name);
            let size = Some(bytes.len() as u64);
            tftp::put(registry, server, name.as_bytes(), io::Cursor::new(bytes), size, &options)
                .map(|id| (id, Transfer::Bring(name)))
        };
        self.note_begun(begun);
    }

    fn note_begun(&mut self, begun: Result<(SocketId, Transfer), NotBegun>) {
        match begun {
            Ok((id, transfer)) => {
                if self.transfers.insert(id, transfer).is_some() {
                    self.score.note_wrong("two transfers have one id".to_owned());
                }
            }
            Err(_) => self.score.note_end(false),
        }
    }
}

/// Lock step, or a window; with options, or as in 1992.
fn options(bits: u64) -> ClientOptions {
    let defaults = ClientOptions::default();
    let options = match bits % 4 {
        0 => Options::default(),
        1 => Options { window: None, ..defaults.options },
        2 => Options { window: Some(3), block_size: Some(512), ..defaults.options },
        _ => defaults.options,
    };
    ClientOptions { options, ..defaults }
}

impl Caller for Program {
    fn on_finish(&mut self, _: &mut Registry<Self>, id: SocketId, outcome: Result<u64, Failure>) {
        let Some(transfer) = self.transfers.remove(&id) else {
            return self.score.note_wrong(format!("{id:?} ends a second time"));
        };
        if let Transfer::Fetch(name, sink) = &transfer {
            let (whole, found) = (content(name), sink.take());
            if !whole.starts_with(&found) || outcome.is_ok() && found.len() != whole.len() {
                self.score
                    .note_wrong(format!("{} bytes of {name} are not the right ones", found.len()));
            }
        }
        self.score.note_end(outcome.is_ok());
        if let (Ok(_), Transfer::Bring(name)) = (outcome, transfer) {
            self.brought.borrow_mut().insert(name);
        }
    }
}
