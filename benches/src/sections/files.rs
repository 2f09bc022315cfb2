//! Files: servers of FTP and of TFTP, beside the least that one could do.
//!
//! Everybody serves the same directory, in memory if there is room, and is asked by the same clients, who leave to the
//! kernel what they are sent, so that they do not become the measure. What a server sends is compared byte for byte once,
//! before it is measured.

use std::fs::{self, File};
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Scale;
use crate::clients::ping::Latencies;
use crate::program::Server;
use crate::report::contest::{Column, Contest, Drawing, Entrant, Kind, Section};
use crate::transfers::load::blocks::{BLOCK, fetch};
use crate::transfers::load::control::Control;
use crate::transfers::load::crowd::Crowd;
use crate::transfers::load::single::{Client, compare, drain};
use crate::transfers::network;
use crate::transfers::peers::Peer;
use crate::transfers::processes::Processes;
use crate::transfers::tree::{IN, SAMPLE, Shared, Tree};
use crate::{Result, descriptors};

/// The name of the section that wants a network of its own.
pub const FILES: &str = "files";

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub struct Amounts {
    /// Bytes of the large file.
    pub large: u64,
    /// Clients at one time.
    pub clients: usize,
    /// Bytes each of them fetches, and brings.
    pub each: u64,
    /// Bytes of the file that goes in blocks, over TFTP.
    pub blocks: u64,
}

/// The file that goes out.
const FILE: &str = "file";

/// How often the large file is moved while somebody else asks.
const TIMES: usize = 3;

/// The time from one question to the next.
const PAUSE: Duration = Duration::from_millis(1);

/// Blocks of a window (RFC 7440).
const WINDOW: u16 = 16;

/// How long it takes until servers have seen that the clients are gone.
const FAREWELL: Duration = Duration::from_millis(100);

pub(super) fn all(scale: Scale) -> Section {
    let contests = vec![retr(scale), stor(scale), crowd(scale), calm(scale), tftp(scale)];
    Section {
        name: FILES,
        about: format!(
            "What servers of files take of time and of their processor, all processes of each together, to send and to \
             receive. The ruler of what goes out is a loop that calls sendfile(2) until all is sent (the same bare loop, \
             where files come in, reads and writes 64 KiB at a time); that of what comes in is vsftpd, with two processes a \
             session; tftpd-hpa knows no windows, and sends a block at a time. Memory is the most that one process ever \
             had, or what several have, of which they share once. (Congestion control: {}. Who is not installed takes no \
             part; some want to be started by root.)",
            network::congestion().unwrap_or_default()
        ),
        drawings: vec![
            Drawing::Bars(contests[0].name.clone(), 1),
            Drawing::Bars(contests[1].name.clone(), 1),
        ],
        contests,
    }
}

fn times(names: [&str; 2]) -> [Column; 2] {
    names.map(|name| Column::new(name, Kind::Time))
}

/// One large file goes out.
fn retr(scale: Scale) -> Contest {
    let length = scale.files.large;
    let shared = Shared::new(FILE, length);
    let all = [Peer::Bare, Peer::Reactor, Peer::Pyftpdlib, Peer::Vsftpd];
    let entrants = Entrant::each(&all, move |peer| {
        let mut session = LoggedIn::start(peer, shared.get()?)?;
        let sample = session.tree.open(SAMPLE)?;
        session.client.fetch(SAMPLE, |data| compare(data, sample))?;
        Ok(move || session.measure(|client| client.fetch(FILE, |data| drain(data, length))))
    });
    large(format!("RETR of {} MiB, from EPSV to 226", length >> 20), scale, entrants)
}

/// One large file comes in.
fn stor(scale: Scale) -> Contest {
    let length = scale.files.large;
    let shared = Shared::new(FILE, length);
    let all = [Peer::Vsftpd, Peer::Reactor, Peer::Bare, Peer::Pyftpdlib];
    let entrants = Entrant::each(&all, move |peer| {
        let mut session = LoggedIn::start(peer, shared.get()?)?;
        Ok(move || {
            let tree = Rc::clone(&session.tree);
            let file = tree.open(FILE)?;
            let bring = |client: &mut Client| client.bring(&format!("{IN}/file"), &file);
            tree.emptied(1, length, FILE, || session.measure(bring))
        })
    });
    large(format!("STOR of {} MiB, from EPSV to 226", length >> 20), scale, entrants)
}

fn large(name: String, scale: Scale, entrants: Vec<Entrant>) -> Contest {
    let [wall, processor] = times(["time", "server's processor time"]);
    let memory = Column::new("server's memory", Kind::Bytes);
    Contest::new(name, scale.few_rounds, [wall, processor, memory], entrants)
}

/// A server, and a client that is logged in.
struct LoggedIn {
    // In this order: the client goes first.
    client: Client,
    processes: Processes,
    _server: Server,
    tree: Rc<Tree>,
}

impl LoggedIn {
    fn start(peer: Peer, tree: Rc<Tree>) -> Result<Self> {
        let server = peer.start(&tree)?;
        let client = Client::connect(peer, server.address())?;
        let processes = Processes::of(server.pid())?;
        Ok(Self { client, processes, _server: server, tree })
    }

    fn measure(&mut self, load: impl FnOnce(&mut Client) -> Result) -> Result<Vec<f64>> {
        let [wall, processor] = watch(&self.processes, || load(&mut self.client))?;
        Ok(vec![wall, processor, self.processes.memory()? as f64])
    }
}

/// Nanoseconds on the wall, and of the server's processes.
fn watch(processes: &Processes, load: impl FnOnce() -> Result) -> Result<[f64; 2]> {
    let (begun, before) = (Instant::now(), processes.time());
    load()?;
    let times = [begun.elapsed(), processes.time().saturating_sub(before)];
    Ok(times.map(|time| time.as_nanos() as f64))
}

/// Many clients at one time, and what that takes of a server: time, and memory above all.
fn crowd(scale: Scale) -> Contest {
    let Amounts { clients, each, .. } = scale.files;
    let shared = Shared::new(FILE, each);
    let all = [Peer::Pyftpdlib, Peer::Reactor, Peer::Vsftpd];
    let entrants = Entrant::each(&all, move |peer| {
        let tree = shared.get()?;
        Ok(move || tree.emptied(clients, each, FILE, || serve_crowd(peer, &tree, clients)))
    });
    let logins = Column::new("logins", Kind::Time);
    let [out, out_processor] = times(["out", "server's processor time"]);
    let [into, in_processor] = times(["in", "server's processor time"]);
    let [after_logins, in_the_end] =
        ["memory after logins", "in the end"].map(|name| Column::new(name, Kind::Bytes));
    let processes = Column::new("processes", Kind::Count);
    let columns =
        [logins, out, out_processor, into, in_processor, after_logins, in_the_end, processes];
    let name = format!(
        "{clients} clients log in, then each fetches {:.1} MB, then brings as much",
        each as f64 / 1e6
    );
    // One round: vsftpd takes ten seconds to let them in.
    Contest::new(name, 1, columns, entrants)
}

fn serve_crowd(peer: Peer, tree: &Tree, clients: usize) -> Result<Vec<f64>> {
    descriptors::require(3 * clients)?;
    let content = fs::read(tree.path().join(FILE))?;
    let server = peer.start(tree)?;
    let begun = Instant::now();
    let mut crowd = Crowd::log_in(server.address(), clients)?;
    let logins = begun.elapsed().as_nanos() as f64;
    crowd.prepare()?;
    let processes = Processes::of(server.pid())?;
    let after_logins = processes.memory()? as f64;
    let out = watch(&processes, || crowd.fetch(FILE, content.len()))?;
    let into = watch(&processes, || crowd.bring(&content))?;
    let in_the_end = [processes.memory()? as f64, processes.count() as f64];
    drop(crowd);
    // Those who have a process for each session see it end one by one.
    thread::sleep(FAREWELL);
    Ok([&[logins], &out[..], &into, &[after_logins], &in_the_end].concat())
}

/// How soon a client is answered while another moves a large file, out or in.
fn calm(scale: Scale) -> Contest {
    let length = scale.files.large;
    let shared = Shared::new(FILE, length);
    let all = [Peer::Vsftpd, Peer::Reactor, Peer::Pyftpdlib];
    let entrants = Entrant::each(&all, move |peer| {
        let tree = shared.get()?;
        Ok(move || tree.swept(|| ask_beside(peer, &tree, length)))
    });
    let [out, out_most] = times(["out: p50", "p99"]);
    let [into, in_most] = times(["in: p50", "p99"]);
    let name = format!(
        "NOOP every millisecond, while another client fetches and brings {} MiB {TIMES} times (both clients share a processor)",
        length >> 20
    );
    Contest::new(name, scale.few_rounds, [out, out_most, into, in_most], entrants)
}

fn ask_beside(peer: Peer, tree: &Tree, length: u64) -> Result<Vec<f64>> {
    let server = peer.start(tree)?;
    let address = server.address();
    let mut quiet = Control::log_in(address, Ipv4Addr::LOCALHOST)?;
    let mut busy = Client::connect(peer, address)?;
    let out = ask_during(&mut quiet, || {
        (0..TIMES).try_for_each(|_| busy.fetch(FILE, |data| drain(data, length)))
    })?;
    let file = tree.open(FILE)?;
    let into = ask_during(&mut quiet, || {
        (0..TIMES).try_for_each(|_| busy.bring(&format!("{IN}/file"), &file))
    })?;
    let all = [out.at(0.5), out.at(0.99), into.at(0.5), into.at(0.99)];
    Ok(all.iter().map(|time| time.as_nanos() as f64).collect())
}

/// Asks, until somebody else is done, and at least once.
fn ask_during(quiet: &mut Control, load: impl FnOnce() -> Result + Send) -> Result<Latencies> {
    let is_over = AtomicBool::new(false);
    let mut latencies = Latencies::new()?;
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let result = load();
            is_over.store(true, Ordering::Release);
            result
        });
        let mut ask = || -> Result {
            loop {
                let asked = Instant::now();
                quiet.ask("NOOP", 200)?;
                latencies.record(asked.elapsed())?;
                if is_over.load(Ordering::Acquire) {
                    return Ok(());
                }
                thread::sleep(PAUSE);
            }
        };
        let asked = ask();
        let loaded = load.join().map_err(|_| "a client has panicked")?;
        loaded.and(asked)
    })?;
    Ok(latencies)
}

/// One file over TFTP: a window of blocks at a time, where that is known, and one block at a time.
fn tftp(scale: Scale) -> Contest {
    let shared = Shared::new(FILE, scale.files.blocks);
    let entrant = |(name, peer, window): (&str, Peer, u16)| {
        let shared = shared.clone();
        Entrant::new(name, move || {
            let tree = shared.get()?;
            let server = peer.start(&tree)?;
            Ok(move || fetch_in_blocks(&server, &tree, window))
        })
    };
    let all = [
        ("tftpd-hpa", Peer::Tftpd, 1),
        ("reactor", Peer::ReactorTftp, WINDOW),
        ("reactor, block by block", Peer::ReactorTftp, 1),
    ];
    let name = format!(
        "TFTP, {} KiB in blocks of {BLOCK} bytes, ours in windows of {WINDOW}",
        scale.files.blocks >> 10
    );
    let columns = times(["time", "server's processor time"]);
    Contest::new(name, scale.few_rounds, columns, all.into_iter().map(entrant).collect())
}

fn fetch_in_blocks(server: &Server, tree: &Tree, window: u16) -> Result<Vec<f64>> {
    let original: File = tree.open(FILE)?;
    let used = || -> Result<Duration> { Ok(Processes::of(server.pid())?.time()) };
    let (before, begun) = (used()?, Instant::now());
    let mut times = [Duration::ZERO; 2];
    let original = BufReader::with_capacity(1 << 20, original);
    fetch(server.address(), FILE, window, original, || {
        times = [begun.elapsed(), used()?.saturating_sub(before)];
        Ok(())
    })?;
    Ok(times.map(|time| time.as_nanos() as f64).into())
}
