//! FTP under the whole swarm: a server with a tree of real files, and clients that bring files, look at
//! them, fetch them, rename and delete them.
//!
//! ```text
//!   far ───── IPv4, IPv6 ─────┐   each conversation:  STOR  SIZE  RETR  RNFR RNTO  RETR  DELE, some of it
//!                           server ── a tree          the data connections active and passive
//!   farther ─ IPv4, IPv6 ─────┘
//! ```
//!
//! What a file holds follows from its name and its first byte, so that anybody can tell whether it is
//! whole. What must always hold: no byte is fetched that was not brought; whatever has its name in the tree
//! is whole, and is there if that was acknowledged; every conversation ends, once, well or with one reason;
//! when all have ended nothing is left, no socket and no part of an upload. And if nothing went wrong on
//! the way, every conversation went well.
//!
//! One thing FTP cannot know: an end of the data connection that somebody between has made up is the end
//! of the file (RFC 959, 3.4.1). So where ends were made up, a part may be called whole; clients find that
//! out by SIZE.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::time::Duration;

use protocols::transfer::ftp::client::{
    Caller, Client, ClientOptions, Done, Failure, Login, Operation, Put,
};
use protocols::transfer::ftp::command::{Command, Secret};
use protocols::transfer::ftp::users::{Permissions, User, Users};
use protocols::transfer::ftp::{self, Server, Settings};
use protocols::transfer::store::{Access, Store, VirtualPath};
use reactor::sim::{Fault, Host, Network, Outcome};
use reactor::{Address, ConnectionId, ListenOptions, Registry};
use tempfile::TempDir;

use crate::cast::{Cast, everywhere, is_idle, plan, storm, watch_sessions};
use crate::score::{Draws, Score, Sink};

/// How long what is left may take afterwards: a connection that has gone silent is found out by
/// probes, or when it has stood still for long.
const CALM: Duration = Duration::from_secs(4_000);
const PORT: u16 = 2121;
/// `secret`, cheaply, since hashing takes real time, of which a simulation has none.
const HASH: &str =
    "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$wgKRZDZ+HAohdD+s2si+QEM0OI4B7gYzTa0JlAvtYDU";

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm();
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
    /// What the server has in its tree survives its crashes.
    tree: TempDir,
}

/// A host that talks to the server.
struct Program {
    talks: BTreeMap<ConnectionId, Talk>,
    /// Conversations that are planned.
    due: usize,
    draws: Draws,
    score: Score,
}

/// One conversation.
struct Talk {
    client: Client,
    steps: std::vec::IntoIter<Step>,
    /// What is being done.
    now: Option<Step>,
    /// What has been fetched.
    sink: Sink,
    has_failed: bool,
}

/// One thing that is done in a conversation.
#[derive(Clone, Debug)]
enum Step {
    Bring(String, u8),
    /// Asks how long it is, which has to be what was brought, unless an end was made up.
    Measure(String, u8),
    Fetch(String),
    FetchRest(String, u64),
    RenameFrom(String),
    RenameTo(String),
    Delete(String),
}

impl Stage {
    fn set(network: &mut Network, each: u64) -> Result<Self, Box<dyn Error>> {
        let tree = tempfile::tempdir()?;
        std::fs::write(tree.path().join("old"), content("old", 1))?;
        let score = Score::default();
        let root = tree.path().to_owned();
        let cast = Cast::set(
            network,
            PORT,
            move |registry| serve(registry, &root),
            |name, ways| Program::maker(&score, name, ways, each),
        );
        let stage = Self { cast, score, tree };
        stage.watch(network);
        Ok(stage)
    }

    /// Has everything that must always hold looked at after each step.
    fn watch(&self, network: &mut Network) {
        let score = self.score.clone();
        network.invariant("what is fetched", move |_| score.nothing_wrong());
        watch_sessions(network, self.cast.server, |server: &Server| server.counters().open);
    }

    /// Waits until all conversations have ended, and looks whether anything is left.
    fn end(&self, network: &mut Network) -> Outcome {
        let server_is_quiet = |network: &Network, server| {
            network.stats(server).is_none_or(|stats| stats.connections == 0)
        };
        self.cast.end(network, CALM, server_is_quiet, is_quiet)?;
        check_tree(self.tree.path(), network.fault_counts().of(Fault::EarlyEnd) > 0)
    }
}

/// Whether no conversation is left on a host.
fn is_quiet(network: &Network, host: Host<Program>) -> bool {
    is_idle(network, host, |it| it.talks.is_empty() && it.due == 0)
}

/// Everything in the tree has to be what its name and its first byte say, or the beginning of that where
/// ends were made up.
fn check_tree(root: &Path, ends_were_made_up: bool) -> Outcome {
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let found = std::fs::read(entry.path())?;
        let is_right = is_whole(&name, &found) || ends_were_made_up && is_beginning(&name, &found);
        if !is_right {
            return Err(format!("{name} is in the tree, {} bytes of it", found.len()).into());
        }
    }
    Ok(())
}

/// What a file of this name holds, in one of its versions: at least that byte, mostly little, now and then
/// more than buffers hold. A file that was renamed holds what it did before.
fn content(name: &str, version: u8) -> Vec<u8> {
    let name = name.trim_end_matches(".renamed");
    let seed = name.bytes().fold(u64::from(version) + 1, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let length = [1, 100, 5_000, 70_000][(seed >> 20) as usize % 4];
    let mut bytes = vec![version];
    bytes.extend((1..length).map(|at: u64| (at.wrapping_mul(seed | 1) >> 11) as u8));
    bytes
}

fn is_whole(name: &str, found: &[u8]) -> bool {
    found.first().is_some_and(|&version| found == content(name, version))
}

fn is_beginning(name: &str, found: &[u8]) -> bool {
    found.first().is_none_or(|&version| content(name, version).starts_with(found))
}

fn serve(registry: &mut Registry<Server>, root: &Path) -> Result<Server, Box<dyn Error>> {
    for address in everywhere(PORT) {
        ftp::listen(registry, address, &ListenOptions::default())?;
    }
    let mut users = Users::anonymous_only();
    users.insert("ann", User::new(HASH.parse()?, VirtualPath::root(), Permissions::ALL))?;
    Ok(Server::new(Settings::default(), users, Store::open(root, Access::ReadWrite)?))
}

impl Program {
    /// Makes the program of a host that boots: it plans its conversations, for some time to come.
    fn maker(
        score: &Score,
        host: &'static str,
        ways: [Address; 2],
        each: u64,
    ) -> impl Fn(&mut Registry<Self>) -> Result<Self, Box<dyn Error>> + 'static {
        let score = score.clone();
        move |registry| {
            let score = score.clone();
            let mut program =
                Self { talks: BTreeMap::new(), due: 0, draws: Draws::default(), score };
            let begin = move |it: &mut Self, registry: &mut _, way, number| {
                it.due -= 1;
                it.begin(registry, &way, &format!("{host}-{number}"));
            };
            program.due = plan(registry, &mut program.draws, &ways, each, begin)?;
            Ok(program)
        }
    }

    fn begin(&mut self, registry: &mut Registry<Self>, way: &Address, name: &str) {
        let login = Login { user: b"ann".to_vec(), password: Secret(b"secret".to_vec()) };
        let options = ClientOptions { login, ..ClientOptions::default() };
        let steps = self.plan(registry, name).into_iter();
        match Client::connect(registry, way.clone(), &options) {
            Ok(client) => {
                let (now, sink, has_failed) = (None, Sink::default(), false);
                let talk = Talk { client, steps, now, sink, has_failed };
                if self.talks.insert(talk.client.id(), talk).is_some() {
                    self.score.note_wrong("two conversations have one id".to_owned());
                }
            }
            Err(_) => self.score.note_end(false),
        }
    }

    /// What is done in one conversation: with files of its own, and with some that everybody has.
    fn plan(&mut self, registry: &mut Registry<Self>, name: &str) -> Vec<Step> {
        let bits = self.draws.draw(registry);
        let version = (bits >> 8) as u8;
        let own = || name.to_owned();
        let mut steps =
            vec![Step::Bring(own(), version), Step::Measure(own(), version), Step::Fetch(own())];
        if bits & 1 == 0 {
            let new = format!("{name}.renamed");
            steps.extend([Step::RenameFrom(own()), Step::RenameTo(new.clone()), Step::Fetch(new)]);
        } else {
            steps.push(Step::Delete(own()));
        }
        if bits & 2 == 0 {
            // Several write and read it at the same time: each is whole, whoever is last.
            let shared = || "shared".to_owned();
            steps.extend([Step::Bring(shared(), version), Step::Fetch(shared())]);
        }
        steps.push(Step::FetchRest("old".to_owned(), bits >> 32 & 63));
        steps
    }

    /// Begins the next step, or says goodbye.
    fn go_on(&mut self, registry: &mut Registry<Self>, id: ConnectionId) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.now = talk.steps.next();
        talk.sink = Sink::default();
        let Some(step) = &talk.now else {
            return talk.client.quit(registry);
        };
        let begun = step.operation(&talk.sink).map(|it| talk.client.start(registry, it));
        if !matches!(begun, Ok(Ok(()))) {
            talk.has_failed = true;
            talk.client.close(registry);
        }
    }

    /// Holds what came of a step against what must come of it.
    fn check(&mut self, id: ConnectionId, done: &Done) {
        let Some(talk) = self.talks.get_mut(&id) else {
            return self.score.note_wrong(format!("{id} has done something and is not there"));
        };
        let found = talk.sink.take();
        let wrong = match (&talk.now, done) {
            (Some(Step::Bring(name, version)), Done::Sent(length)) => (*length
                != content(name, *version).len() as u64)
                .then(|| format!("{length} bytes of {name} were sent")),
            (Some(Step::Measure(name, version)), Done::Command(reply)) => {
                let wanted = content(name, *version).len().to_string();
                // Made-up ends are found out here.
                talk.has_failed |= reply.text() != wanted.as_bytes();
                None
            }
            (Some(Step::Fetch(name)), Done::Received(_)) => {
                talk.has_failed |= !is_whole(name, &found);
                (!is_beginning(name, &found))
                    .then(|| format!("{} bytes of {name} are wrong", found.len()))
            }
            (Some(Step::FetchRest(name, offset)), Done::Received(_)) => {
                let wanted = content(name, 1);
                let rest = wanted.get(*offset as usize..).unwrap_or_default();
                talk.has_failed |= found != rest;
                (!rest.starts_with(&found))
                    .then(|| format!("{} bytes of {name} are wrong", found.len()))
            }
            (Some(Step::RenameFrom(_) | Step::RenameTo(_) | Step::Delete(_)), Done::Command(_)) => {
                None
            }
            (now, done) => Some(format!("{now:?} has come to {done:?}")),
        };
        if let Some(wrong) = wrong {
            self.score.note_wrong(wrong);
        }
    }
}

impl Step {
    fn operation(&self, sink: &Sink) -> io::Result<Operation> {
        let sink = || Box::new(sink.clone());
        let path = |name: &String| name.as_bytes().to_vec();
        Ok(match self {
            Self::Bring(name, version) => {
                let bytes = content(name, *version);
                let mut file = tempfile::tempfile()?;
                file.write_all(&bytes)?;
                file.rewind()?;
                let length = bytes.len() as u64;
                Operation::Put { path: path(name), how: Put::Replace, file, from: 0, length }
            }
            Self::Measure(name, _) => Operation::Command(Command::Size(path(name))),
            Self::Fetch(name) => Operation::Get { path: path(name), offset: 0, sink: sink() },
            Self::FetchRest(name, offset) => {
                Operation::Get { path: path(name), offset: *offset, sink: sink() }
            }
            Self::RenameFrom(name) => Operation::Command(Command::Rnfr(path(name))),
            Self::RenameTo(name) => Operation::Command(Command::Rnto(path(name))),
            Self::Delete(name) => Operation::Command(Command::Dele(path(name))),
        })
    }
}

impl Caller for Program {
    fn client(&mut self, id: ConnectionId) -> Option<&mut Client> {
        self.talks.get_mut(&id).map(|talk| &mut talk.client)
    }

    fn on_ready(&mut self, registry: &mut Registry<Self>, id: ConnectionId) {
        self.go_on(registry, id);
    }

    fn on_done(
        &mut self,
        registry: &mut Registry<Self>,
        id: ConnectionId,
        outcome: Result<Done, Failure>,
    ) {
        match outcome {
            Ok(done) => self.check(id, &done),
            Err(_) => {
                if let Some(talk) = self.talks.get_mut(&id) {
                    talk.has_failed = true;
                }
            }
        }
        self.go_on(registry, id);
    }

    fn on_finish(
        &mut self,
        _: &mut Registry<Self>,
        id: ConnectionId,
        outcome: Result<(), Failure>,
    ) {
        let Some(talk) = self.talks.remove(&id) else {
            return self.score.note_wrong(format!("{id} ends a second time"));
        };
        self.score.note_end(outcome.is_ok() && !talk.has_failed);
    }
}
