//! A game that keeps its own loop, sixty frames a second, and has the reactor turn inside it.
//!
//! ```console
//! $ cargo run --bin embed-game-loop       # in one terminal
//! listening on 127.0.0.1:7060
//! $ nc 127.0.0.1 7060                     # in a second one, and in a third
//! |....a...................b.......|
//! ```
//!
//! Every player is a letter on a track. Type `a`, `s` or `d` and Enter to go left, to stop or to go
//! right, `q` to leave. The line is drawn ten times a second, always over itself.
//!
//! What to look at: `World` is an ordinary value that `main` owns. It is lent to the reactor for one
//! turn at a time, so the callbacks change it directly, and between turns it is the game's alone.
//! There is no lock, no channel and no second thread.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use examples::advice::NotOpened;
use examples::output;
use reactor::{
    Address, Closed, ConnectionId, Input, LoopError, Protocol, Reactor, Registry, Transport,
};

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// The world is drawn in every sixth frame, and a dot moves one column in as many.
const FRAMES_A_PICTURE: u64 = 6;
const COLUMNS: u64 = 32;

/// A game that keeps its own loop, and has the reactor turn inside it.
#[derive(Parser)]
struct Options {
    /// Where players come in.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7060")]
    listen: Address,
    /// Frames to play from the first player on [default: until Ctrl-C].
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
}

fn main() -> ExitCode {
    output::exit("embed-game-loop", run(Options::parse()))
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let mut world = World::default();
    let listening = reactor.registry().listen(options.listen, |_peer, _world| Player);
    let listener = listening.map_err(NotOpened::by("--listen"))?;
    println!("listening on {}", reactor.registry().listener_address(listener)?);

    // Nothing moves before somebody plays, so there are no frames yet: the process sleeps.
    while world.dots.is_empty() {
        let _ = reactor.turn(None, &mut world)?;
    }
    let mut next_frame = Instant::now();
    for _ in 0..options.frames.unwrap_or(u64::MAX) {
        next_frame += FRAME;
        turn_until(next_frame, &mut reactor, &mut world)?;
        world.advance();
        world.show(reactor.registry());
    }

    reactor.registry().shutdown(Duration::from_secs(1));
    println!("{}", reactor.run(&mut world)?);
    Ok(())
}

/// Serves the players until it is time for the next frame, and once if the game is late.
///
/// A game that something else keeps waiting, a display for instance, has no time to give away. It
/// calls `reactor.turn(Some(Duration::ZERO), &mut world)` once a frame instead.
fn turn_until(
    next_frame: Instant,
    reactor: &mut Reactor<World>,
    world: &mut World,
) -> Result<(), LoopError> {
    loop {
        let rest = next_frame.saturating_duration_since(Instant::now());
        let _ = reactor.turn(Some(rest), world)?;
        if rest.is_zero() {
            return Ok(());
        }
    }
}

/// All that the game is about. It knows who plays, by id, and nothing about sockets.
#[derive(Default)]
struct World {
    dots: BTreeMap<ConnectionId, Dot>,
    joined: usize,
    frame: u64,
}

struct Dot {
    letter: u8,
    /// In sixths of a column.
    position: u64,
    heading: Heading,
}

#[derive(Clone, Copy)]
enum Heading {
    Left,
    Nowhere,
    Right,
}

impl World {
    fn join(&mut self, player: ConnectionId) {
        let letter = b'a' + (self.joined % 26) as u8;
        self.joined += 1;
        self.dots.insert(player, Dot { letter, position: 0, heading: Heading::Nowhere });
    }

    fn steer(&mut self, player: ConnectionId, heading: Heading) {
        if let Some(dot) = self.dots.get_mut(&player) {
            dot.heading = heading;
        }
    }

    /// One frame: the track is a circle.
    fn advance(&mut self) {
        const LENGTH: u64 = COLUMNS * FRAMES_A_PICTURE;
        self.frame += 1;
        for dot in self.dots.values_mut() {
            let step = match dot.heading {
                Heading::Left => LENGTH - 1,
                Heading::Nowhere => 0,
                Heading::Right => 1,
            };
            dot.position = (dot.position + step) % LENGTH;
        }
    }

    /// Sends everybody the same picture: one buffer, shared, which leaves in the next turn.
    fn show(&self, registry: &mut Registry<Self>) {
        if !self.frame.is_multiple_of(FRAMES_A_PICTURE) {
            return;
        }
        let picture = self.picture();
        for &player in self.dots.keys() {
            // Whoever left, or has stopped reading for too long, is told of in `on_close`.
            let _ = registry.send(player, picture.clone());
        }
    }

    fn picture(&self) -> Bytes {
        let mut track = [b'.'; COLUMNS as usize];
        for dot in self.dots.values() {
            track[(dot.position / FRAMES_A_PICTURE) as usize] = dot.letter;
        }
        [b"\r|", &track[..], b"|"].concat().into()
    }
}

/// One player's connection. All that it knows is in the world, under its id.
struct Player;

impl Protocol<World> for Player {
    fn on_open(&mut self, transport: &mut Transport<'_, World>, world: &mut World) {
        world.join(transport.id());
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, World>,
        input: &mut Input<'_>,
        world: &mut World,
    ) {
        for key in input.take_all() {
            match key {
                b'a' => world.steer(transport.id(), Heading::Left),
                b's' => world.steer(transport.id(), Heading::Nowhere),
                b'd' => world.steer(transport.id(), Heading::Right),
                b'q' => transport.close(),
                _ => {}
            }
        }
    }

    fn on_close(&mut self, _: &mut Registry<World>, closed: &Closed, world: &mut World) {
        world.dots.remove(&closed.id);
    }
}
