//! TFTP on simulated networks: bad ones, one that doubles everything, and a whole swarm of them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use protocols::transfer::store::{Access, Store};
use protocols::transfer::tftp::{self, Caller, ClientOptions, Failure, Limits, Options, Server};
use reactor::sim::{
    Fault, FaultCounts, Faults, Host, Network, Outcome, Payload, Rate, Simulation, Verdict,
};
use reactor::{DatagramOptions, Registry, SocketId};
use tempfile::TempDir;

use crate::kit::noise;
use crate::tftp_stage::Sink;

const PORT: u16 = 6969;

/// How long a transfer may take, in the time of the network.
const LONG_ENOUGH: Duration = Duration::from_secs(3_600);

/// A program that transfers files, all at once.
#[derive(Default)]
struct Program {
    sinks: BTreeMap<SocketId, Sink>,
    outcomes: BTreeMap<SocketId, Result<u64, Failure>>,
    /// What could not even begin, for want of a socket.
    not_begun: usize,
}

impl Caller for Program {
    fn on_finish(&mut self, _: &mut Registry<Self>, id: SocketId, outcome: Result<u64, Failure>) {
        assert_eq!(self.outcomes.insert(id, outcome), None, "a transfer ends once");
    }
}

/// A network with a server, and a client that fetches some files and sends as many.
struct Stage {
    tree: TempDir,
    server: Host<Server>,
    client: Host<Program>,
    files: Vec<Vec<u8>>,
}

impl Stage {
    fn set(network: &mut Network, lengths: &[usize], options: &ClientOptions) -> Self {
        let tree = tempfile::tempdir().expect("a directory");
        let files: Vec<_> = lengths.iter().map(|&length| noise(length)).collect();
        for (index, bytes) in files.iter().enumerate() {
            std::fs::write(tree.path().join(format!("down{index}")), bytes).expect("written");
        }
        let root = tree.path().to_owned();
        let server = network.host("server", move |registry| serve(registry, &root));
        let address = network.address(server, PORT);
        let (lengths, options) = (lengths.to_vec(), options.clone());
        let client = network.host("client", move |registry| {
            let mut program = Program::default();
            for (index, &length) in lengths.iter().enumerate() {
                let sink = Sink::default();
                let (down, up) = (format!("down{index}"), format!("up{index}"));
                let server = address.clone();
                match tftp::get(registry, server, down.as_bytes(), sink.clone(), &options) {
                    Ok(id) => drop(program.sinks.insert(id, sink)),
                    Err(_) => program.not_begun += 1,
                }
                let (source, size) = (io::Cursor::new(noise(length)), Some(length as u64));
                let server = address.clone();
                let put = tftp::put(registry, server, up.as_bytes(), source, size, &options);
                program.not_begun += usize::from(put.is_err());
            }
            Ok(program)
        });
        Self { tree, server, client, files }
    }

    /// Runs until everything has ended at the client.
    fn run(&self, network: &mut Network) -> Result<bool, Box<dyn std::error::Error>> {
        let (client, all) = (self.client, self.files.len() * 2);
        Ok(network.run_until(LONG_ENOUGH, move |network| {
            network.app(client).is_none_or(|app| app.outcomes.len() + app.not_begun == all)
        })?)
    }

    /// Whether all that has ended well is whole, and nothing is there that has not.
    fn check(&self, network: &Network) -> Result<usize, String> {
        let mut well = 0;
        let program = network.app(self.client).ok_or("the client is gone")?;
        for (id, sink) in &program.sinks {
            let bytes = sink.bytes();
            let file = self.files.iter().find(|file| file.starts_with(&bytes));
            let file = file.ok_or("a wrong byte was fetched")?;
            if let Some(Ok(length)) = program.outcomes.get(id) {
                well += 1;
                if *length != file.len() as u64 || bytes.len() != file.len() {
                    return Err("a file was fetched in part, and called whole".to_owned());
                }
            }
        }
        for path in files_in(self.tree.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let index: Option<usize> = name.strip_prefix("up").and_then(|it| it.parse().ok());
            match index {
                Some(index) if std::fs::read(&path).ok().as_ref() == self.files.get(index) => {}
                None if name.starts_with("down") => {}
                _ => return Err(format!("{name} is debris")),
            }
        }
        let puts = program.outcomes.iter().filter(|(id, _)| !program.sinks.contains_key(id));
        let arrived = puts.filter(|(_, outcome)| outcome.is_ok()).count();
        let up = files_in(self.tree.path()).filter(|path| is_upload(path)).count();
        if arrived > up {
            return Err("an upload was acknowledged, and is not there".to_owned());
        }
        Ok(well + arrived)
    }
}

fn files_in(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(directory).expect("it can be read");
    entries.map(|entry| entry.expect("it can be read").path())
}

fn is_upload(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("up"))
}

fn serve(
    registry: &mut Registry<Server>,
    root: &Path,
) -> Result<Server, Box<dyn std::error::Error>> {
    let any = format!("0.0.0.0:{PORT}").parse()?;
    tftp::bind::<Server>(registry, any, &DatagramOptions::default())?;
    Ok(Server::new(Store::open(root, Access::ReadWrite)?, Limits::default()))
}

fn windowed(window: Option<u16>) -> ClientOptions {
    let options = Options { window, ..ClientOptions::default().options };
    ClientOptions { options, ..ClientOptions::default() }
}

fn whole(result: Result<usize, String>) -> Option<usize> {
    result.map_err(|wrong| eprintln!("{wrong}")).ok()
}

#[test]
fn transfers_end_well_where_a_fifth_is_lost_some_comes_twice_and_some_late() {
    for (seed, window) in (0..40).zip([None, Some(4), Some(16), Some(64)].into_iter().cycle()) {
        let mut network = Network::from_seed(seed);
        network.set_faults(
            Faults::calm()
                .with(Fault::DatagramLost, Rate::per_cent(20))
                .with(Fault::DatagramDuplicated, Rate::per_cent(10))
                .with(Fault::DatagramReordered, Rate::per_cent(20)),
        );
        let stage = Stage::set(&mut network, &[0, 700, 100_000], &windowed(window));
        assert!(
            stage.run(&mut network).expect("nothing breaks"),
            "seed {seed}: it comes to an end"
        );
        let outcomes = &network.app(stage.client).expect("it is up").outcomes;
        assert_eq!(whole(stage.check(&network)), Some(6), "seed {seed}: {outcomes:?}");
        let counts = network.fault_counts().to_string();
        for fault in [Fault::DatagramLost, Fault::DatagramDuplicated, Fault::DatagramReordered] {
            assert!(counts.contains(fault.name()), "{counts}");
        }
        network.finish(Duration::from_secs(20)).expect("nothing is left");
    }
}

/// Counts what has left with DATA in it, and has a script say what becomes of each datagram.
fn watch(
    network: &mut Network,
    mut script: impl FnMut(&[u8]) -> Verdict + 'static,
) -> Rc<Cell<usize>> {
    let blocks = Rc::new(Cell::new(0));
    let count = Rc::clone(&blocks);
    network.rule(move |segment| {
        let Payload::Datagram(bytes) = segment.payload else {
            return Verdict::Pass;
        };
        count.set(count.get() + usize::from(bytes.starts_with(b"\0\x03")));
        script(bytes)
    });
    blocks
}

/// The Sorcerer's Apprentice (RFC 1123, section 4.2.3.1): one acknowledgement is late, so its block is
/// sent again, and acknowledged again. Were each acknowledgement answered with a block, all that follow
/// would go twice, to the end.
#[test]
fn the_sorcerers_apprentice_is_not_employed() {
    for window in [None, Some(4)] {
        let mut network = Network::from_seed(0);
        let mut acks = 0;
        let blocks = watch(&mut network, move |bytes| {
            acks += u32::from(bytes.starts_with(b"\0\x04"));
            match acks {
                3 => Verdict::Delay(Duration::from_millis(1_500)),
                _ => Verdict::Pass,
            }
        });
        let stage = Stage::set(&mut network, &[], &windowed(window));
        let file = noise(1_428 * 100);
        std::fs::write(stage.tree.path().join("file"), &file).expect("written");
        let (sink, server) = (Sink::default(), network.address(stage.server, PORT));
        let (registry, _) = network.parts(stage.client).expect("it is up");
        tftp::get(registry, server, b"file", sink.clone(), &windowed(window)).expect("a socket");
        let client = stage.client;
        let ended = network.run_until(LONG_ENOUGH, move |network| {
            network.app(client).is_some_and(|app| app.outcomes.len() == 1)
        });
        assert!(ended.expect("nothing breaks"));
        assert!(sink.bytes() == file);
        // One window came again for the acknowledgement that was late, or a few while it was.
        let again = blocks.get() - 101;
        let most = usize::from(window.unwrap_or(1)) * 4;
        assert!((1..=most).contains(&again), "window {window:?}: {again} blocks came again");
    }
}

/// Every datagram comes twice, and no block leaves twice for it.
#[test]
fn a_network_that_doubles_everything_is_not_helped() {
    for window in [None, Some(16)] {
        let mut network = Network::from_seed(0);
        let blocks = watch(&mut network, |_| Verdict::Duplicate);
        let stage = Stage::set(&mut network, &[1_428 * 50], &windowed(window));
        assert!(stage.run(&mut network).expect("nothing breaks"));
        assert_eq!(whole(stage.check(&network)), Some(2));
        // Fifty and an empty one, both ways.
        assert_eq!(blocks.get(), 2 * 51, "window {window:?}");
    }
}

/// One packet of a transfer is lost, doubled or late: client and server lose no time over it, but at the
/// beginning, where nothing follows that could tell.
#[test]
fn one_packet_that_is_lost_doubled_or_late_costs_a_window() {
    let late = Verdict::Delay(Duration::from_millis(1));
    for window in [4, 8, 16] {
        for verdict in [Verdict::Drop, Verdict::Duplicate, late] {
            for victim in (0..20).chain((20..300).step_by(47)) {
                disturb(window, verdict, victim);
            }
        }
    }
}

fn disturb(window: u16, verdict: Verdict, victim: usize) {
    const BLOCKS: usize = 300;
    let mut network = Network::from_seed(0);
    let mut number = 0;
    let blocks = watch(&mut network, move |_| {
        number += 1;
        if number == victim + 1 { verdict } else { Verdict::Pass }
    });
    let stage = Stage::set(&mut network, &[], &windowed(Some(window)));
    network.set_latency(stage.client, stage.server, Duration::from_micros(100));
    let file = noise(1_428 * BLOCKS - 1);
    std::fs::write(stage.tree.path().join("file"), &file).expect("written");
    let (sink, server) = (Sink::default(), network.address(stage.server, PORT));
    let (registry, _) = network.parts(stage.client).expect("it is up");
    tftp::get(registry, server, b"file", sink.clone(), &windowed(Some(window))).expect("a socket");
    let (client, begin) = (stage.client, network.now());
    let ended = network.run_until(LONG_ENOUGH, move |network| {
        network.app(client).is_some_and(|app| app.outcomes.len() == 1)
    });
    assert!(ended.expect("nothing breaks") && sink.bytes() == file);
    let (sent, took) = (blocks.get(), network.now() - begin);
    let what = format!("windows of {window}, {verdict:?} {victim}: {sent} blocks in {took:?}");
    assert!(sent <= BLOCKS + usize::from(window) + 2, "{what}");
    // What is lost of the agreement is waited for.
    assert!(victim < 3 || took < Duration::from_millis(200), "{what}");
}

/// A server that has crashed in the middle, and is back: its clients find out, and nothing is there that
/// is not whole.
#[test]
fn a_crash_of_the_server_ends_transfers_with_a_reason() {
    let mut network = Network::from_seed(0);
    let stage = Stage::set(&mut network, &[3_000_000], &windowed(None));
    let server = stage.server;
    network.set_latency(stage.client, server, Duration::from_millis(20));
    network.run_for(Duration::from_secs(2)).expect("nothing breaks");
    network.crash(server);
    network.run_for(Duration::from_secs(2)).expect("nothing breaks");
    network.restart(server);
    assert!(stage.run(&mut network).expect("nothing breaks"));
    let outcomes = &network.app(stage.client).expect("it is up").outcomes;
    let silent = |outcome: &Result<u64, Failure>| outcome == &Err(Failure::Silent);
    assert!(outcomes.values().all(silent), "{outcomes:?}");
}

/// The whole swarm, but for the fault that TFTP has nothing against: a bit that is flipped behind the
/// checksum of UDP.
fn swarm(network: &mut Network) -> Outcome {
    network.swarm_without(&[Fault::DatagramCorrupted]);
    let stage = Stage::set(network, &[0, 511, 30_000], &ClientOptions::default());
    network.run_for(Duration::from_secs(8))?;
    network.calm();
    if !stage.run(network)? {
        return Err("not all transfers end".into());
    }
    let server = stage.server;
    let quiet = network.run_until(Duration::from_secs(120), move |network| {
        network.app(server).is_none_or(|server| server.counters().open == 0)
    })?;
    if !quiet {
        return Err("the server has transfers without a client".into());
    }
    let well = stage.check(network)?;
    if network.fault_counts() == FaultCounts::default() && well < 6 {
        return Err(format!("only {well} of 6 went well, without a fault").into());
    }
    network.finish(Duration::from_secs(20))?;
    Ok(())
}

#[test]
fn under_the_whole_swarm_transfers_end_whole_or_with_one_reason() {
    let simulation = Simulation::new(swarm);
    if let Err(failure) = simulation.search(0..60) {
        panic!("{failure}");
    }
}
