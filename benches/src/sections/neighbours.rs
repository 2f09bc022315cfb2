//! Quiet clients beside one that asks for everything, beside slow readers, and beside many who never
//! read: what they wait, and what the server keeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Scale;
use crate::clients::audience::{Seats, lines};
use crate::clients::flood::{Conduct, Flood, Plan};
use crate::clients::ping::{self, Latencies, Schedule};
use crate::loaded::{Loaded, Start};
use crate::program::Server;
use crate::report::contest::{Column, Contest, Drawing, Entrant, Kind, Section, Trial};
use crate::servers::{self, Peer};
use crate::{Result, descriptors, memory};

/// The quiet clients, who take turns.
const QUIET: Schedule = Schedule { clients: 100, every: Duration::from_micros(500) };

/// The buffers of the server's sockets where a thousand fill them: with the kernel's choice they would
/// hold more than it allows TCP in all, and it would drop packets of the quiet.
const SMALL_BUFFERS: usize = 64 * 1024;

/// A turn is longer than those of others: its figures are quantiles.
const SLICES: u32 = 3;

/// What happens beside the quiet clients.
#[derive(Clone)]
struct Scene {
    name: String,
    flood: Option<Plan>,
    kernel_buffers: Option<usize>,
    /// How long the flood has to fill every buffer before the quiet clients begin, in slices.
    settles: u32,
}

/// A slow reader takes so many bytes a second.
const SLOWLY: Conduct = Conduct::ReadsSlowly { bytes_a_second: 1_000_000 };

fn scenes(scale: Scale) -> [Scene; 5] {
    let scene = |name: &str, clients, conduct| Scene {
        name: name.to_owned(),
        flood: Some(Plan { clients, conduct }),
        kernel_buffers: None,
        settles: 1,
    };
    let many = format!("while {} end at once", scale.many);
    let blocking = "beside 1000 who send without end and never read";
    [
        Scene { flood: None, settles: 0, ..scene("nobody else", 0, Conduct::ReadsNothing) },
        scene("beside one who sends and reads without end", 1, Conduct::ReadsAll),
        scene("beside one who sends without end and reads slowly", 1, SLOWLY),
        Scene {
            kernel_buffers: Some(SMALL_BUFFERS),
            settles: 10,
            ..scene(blocking, 1000, Conduct::ReadsNothing)
        },
        Scene { settles: 0, ..scene(&many, scale.many, Conduct::EndsAtOnce) },
    ]
}

/// A room in which everyone listens, and one in which some do not.
const ROOMS: [Seats; 2] = [Seats { members: 100, stalled: 0 }, Seats { members: 100, stalled: 10 }];

pub(super) fn all(scale: Scale) -> Section {
    let scenes = scenes(scale);
    let drawn = 1..scenes.len();
    let contests: Vec<Contest> = scenes
        .into_iter()
        .map(|scene| contest(scene, scale))
        .chain(ROOMS.map(|seats| room(seats, scale)))
        .collect();
    Section {
        name: "neighbours",
        about: format!(
            "What {} quiet clients of an echo server wait for 64 bytes, one of them every {} µs, while \
             another does what it likes, or many end at once (`report neighbours --many 19000` has more of them, where \
             so many descriptors are allowed); and the most memory that the server held meanwhile. Then how \
             long a line takes to reach the last of 100 members of a room who read, beside some who do \
             not. (message-io has no way to stop reading from a client that does not read: its send \
             spins.)",
            QUIET.clients,
            QUIET.every.as_micros()
        ),
        drawings: contests[drawn]
            .iter()
            .map(|contest| Drawing::Bars(contest.name.clone(), 1))
            .collect(),
        contests,
    }
}

pub(super) fn quantiles() -> Vec<Column> {
    ["p50", "p99", "worst"].map(|name| Column::new(name, Kind::Time)).into()
}

fn figures(latencies: &Latencies) -> Vec<f64> {
    [latencies.at(0.5), latencies.at(0.99), latencies.max()]
        .map(|latency| latency.as_nanos() as f64)
        .into()
}

fn contest(scene: Scene, scale: Scale) -> Contest {
    let (settling, lasting) = (scale.slice * scene.settles, scale.slice * SLICES);
    let most = Column::new("resident at most", Kind::Bytes);
    let (name, columns) = (format!("quiet clients, {}", scene.name), [quantiles(), vec![most]]);
    let entrants =
        Entrant::each(Peer::all(), move |peer| Beside::start(peer, &scene, settling, lasting));
    Contest::put_away(name, scale.few_rounds, columns.concat(), entrants)
}

/// A server, the quiet clients, and those beside them.
struct Beside {
    server: Server,
    flood: Option<Plan>,
    settling: Duration,
    lasting: Duration,
}

impl Beside {
    fn start(peer: Peer, scene: &Scene, settling: Duration, lasting: Duration) -> Result<Self> {
        let mut program = servers::program(peer)?;
        if let Some(bytes) = scene.kernel_buffers {
            program = program.with(format!("--kernel-buffers={bytes}"));
        }
        Ok(Self { server: program.start_apart()?, flood: scene.flood, settling, lasting })
    }
}

impl Trial for Beside {
    fn turn(&mut self) -> Result<Vec<f64>> {
        let address = self.server.address();
        let connect = |plan: Plan| {
            descriptors::require(plan.clients + QUIET.clients)?;
            Flood::connect(address, plan)
        };
        let mut flood = self.flood.map(connect).transpose()?;
        let is_over = AtomicBool::new(false);
        let latencies = thread::scope(|scope| {
            let flooding = flood.as_mut().map(|flood| scope.spawn(|| flood.run(&is_over)));
            thread::sleep(self.settling);
            let latencies = ping::run(address, QUIET, self.lasting);
            is_over.store(true, Ordering::Relaxed);
            if let Some(flooding) = flooding {
                flooding.join().map_err(|_| "the flood panicked")??;
            }
            latencies
        })?;
        let most = memory::peak(self.server.pid())? as f64;
        Ok([figures(&latencies), vec![most]].concat())
    }
}

fn room(seats: Seats, scale: Scale) -> Contest {
    let lasting = scale.slice * SLICES;
    let Seats { members, stalled } = seats;
    let name = format!("a line to {members} members, beside {stalled} who do not read");
    let entrants = Entrant::each(&seats.rooms(), move |room| {
        Ok(hearing(lines(Start::Apart, room, seats)?, lasting))
    });
    Contest::new(name, scale.few_rounds, quantiles(), entrants)
}

/// How long a round takes, for so long.
pub(super) fn hearing(mut loaded: Loaded, lasting: Duration) -> impl Trial {
    move || Ok(figures(&loaded.latencies(lasting)?))
}
