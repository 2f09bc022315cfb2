//! `cargo run --release -p benches --bin slow-readers`: what clients who do not read cost a server, and
//! those who do.
//!
//! Four scenes, each on a fresh server, each with one quiet client that pings it: nobody else; one
//! client that sends without end and reads slowly; a thousand that send and never read, as they begin
//! and once nothing moves any more.

use std::thread;
use std::time::{Duration, Instant};

use benches::flood::{Flood, Outcome, Plan};
use benches::ping::{self, Latencies};
use benches::process::{EchoServer, Running};
use benches::servers::Peer;
use benches::table::Table;
use benches::{Result, descriptors, memory};
use clap::Parser;

/// The quiet client's schedule.
const PING_EVERY: Duration = Duration::from_millis(1);

/// How often the server's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the writers have to fill every buffer before the last scene.
const SETTLE: Duration = Duration::from_secs(3);

/// The buffers of the server's sockets: with the kernel's choice, a thousand of them hold more than it
/// allows TCP in all, and it starts to drop packets of the quiet client.
const KERNEL_BUFFERS: usize = 64 * 1024;

/// Descriptors that are not connections.
const SPARE_DESCRIPTORS: usize = 64;

/// Memory and latency of a server among slow and stalled readers, peers side by side.
#[derive(Parser)]
struct Options {
    /// Whom to measure; everyone by default.
    #[arg(long)]
    peer: Vec<Peer>,
    /// Clients that never read, in the last two scenes.
    #[arg(long, default_value_t = 1000)]
    stalled: usize,
    /// Bytes a second that the slow reader takes, in the second.
    #[arg(long, default_value_t = 1_000_000)]
    reads: usize,
    /// Seconds a scene.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

impl Options {
    fn scenes(&self) -> [Scene; 4] {
        let slow = Plan { clients: 1, reads: self.reads };
        let stalled = Plan { clients: self.stalled, reads: 0 };
        [
            Scene::new("the quiet client alone", None),
            Scene::new(
                format!("beside a fast writer that reads {} kB/s", self.reads / 1000),
                Some(slow),
            ),
            Scene::new(
                format!("beside {} writers that never read, as they begin", self.stalled),
                Some(stalled),
            ),
            Scene::new(
                format!("beside {} writers, once nothing moves", self.stalled),
                Some(stalled),
            )
            .settled(),
        ]
    }
}

/// What happens to a server while a quiet client pings it.
struct Scene {
    name: String,
    plan: Option<Plan>,
    settle: Duration,
}

impl Scene {
    fn new(name: impl Into<String>, plan: Option<Plan>) -> Self {
        Self { name: name.into(), plan, settle: Duration::ZERO }
    }

    /// The same, with the pings to begin later.
    fn settled(self) -> Self {
        Self { settle: SETTLE, ..self }
    }

    /// Plays it: the flood and the pings each in a thread, while this one watches the memory.
    fn play(&self, running: &Running, lasting: Duration) -> Result<Seen> {
        let address = running.address();
        let mut flood = self.plan.map(|plan| Flood::connect(address, plan)).transpose()?;
        let resident_before = memory::resident(running.pid())?;
        thread::scope(|scope| {
            let flood = scope
                .spawn(|| flood.as_mut().map(|flood| flood.run(self.settle + lasting)).transpose());
            let pings = scope.spawn(|| {
                thread::sleep(self.settle);
                ping::run(address, PING_EVERY, lasting)
            });
            let resident_most = watch(running, self.settle + lasting)?;
            let latencies = pings.join().map_err(|_| "the quiet client panicked")??;
            let flood = flood.join().map_err(|_| "the flood panicked")??.unwrap_or_default();
            Ok(Seen { resident_before, resident_most, flood, latencies })
        })
    }
}

/// What one scene showed.
struct Seen {
    resident_before: u64,
    resident_most: u64,
    flood: Outcome,
    latencies: Latencies,
}

fn main() -> Result {
    let options = Options::parse();
    descriptors::require(options.stalled + SPARE_DESCRIPTORS)?;
    let server = EchoServer::beside_this()?.with_kernel_buffers(KERNEL_BUFFERS);
    let peers = if options.peer.is_empty() { Peer::all() } else { &options.peer };
    for scene in options.scenes() {
        let mut table = Table::new([
            "",
            "resident",
            "at most",
            "taken",
            "closed",
            "p50",
            "p99",
            "max",
            "unanswered",
        ]);
        for peer in peers {
            let running = server.start(*peer)?;
            let seen = scene.play(&running, Duration::from_secs(options.seconds))?;
            running.stop()?;
            table.row(peer.to_string(), cells(&seen));
        }
        println!("{}\n\n{table}", scene.name);
    }
    Ok(())
}

/// The most memory that was seen.
fn watch(running: &Running, lasting: Duration) -> Result<u64> {
    let end = Instant::now() + lasting;
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(memory::resident(running.pid())?);
        thread::sleep(LOOK_EVERY);
    }
    Ok(most)
}

fn cells(seen: &Seen) -> [String; 8] {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let microseconds = |time: Duration| format!("{} us", time.as_micros());
    [
        mib(seen.resident_before),
        mib(seen.resident_most),
        mib(seen.flood.sent),
        seen.flood.closed.to_string(),
        microseconds(seen.latencies.at(0.5)),
        microseconds(seen.latencies.at(0.99)),
        microseconds(seen.latencies.max()),
        seen.latencies.unanswered().to_string(),
    ]
}
