//! Chat under the whole swarm: a server, and users on other hosts who come, talk, wander from channel to
//! channel, change their names and go, or are torn away.
//!
//! ```text
//!    far ─────────┐                    each user keeps its own books of who is where, from what it
//!                 server               hears alone, and holds everything it hears against them
//!    farther ─────┘
//! ```
//!
//! What must always hold. On the server: a nickname names one connection, and whoever is on a channel
//! is known there. For each user: nobody speaks on a channel who is not on it; nobody joins twice, or
//! goes who was not there, so that every end is seen, once; what is said on a channel comes once, in the
//! order in which the server heard it, which is therefore the same for all; and when it asks for the
//! names of a channel, they are those in its books. And if nothing went wrong on the way, everybody said
//! goodbye.

mod books;
pub mod network;

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{self, Limits, Message, Operator, Password, Server, Settings};
use reactor::framing::{Line, Lines};
use reactor::sim::{Host, Network, Outcome};
use reactor::{Address, Closed, Input, ListenOptions, Protocol, Registry, TimerKey, Transport};

use books::Books;

use crate::cast::everywhere;
use crate::score::{Draws, Score, still_there};

/// How long faults happen.
const STORM: Duration = Duration::from_secs(20);
/// How long what is left may take afterwards: silent peers are found out by pings.
const CALM: Duration = Duration::from_secs(2_000);
/// When the last user comes, in milliseconds.
const BEGINNINGS: u64 = 8_000;
/// What a user does before it goes.
const ACTS: u64 = 12;
const PORT: u16 = 6667;

/// The password `secret`, hashed as cheaply as it can be: each seed verifies it a few times.
const SECRET: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$L1qnTgpsWMa/dMHjDHhQFw";

const ACT: TimerKey = TimerKey(0);

/// The whole of it, with a mix of faults.
///
/// # Errors
///
/// If something does not hold that must.
pub fn swarm(network: &mut Network) -> Outcome {
    network.swarm();
    run(network, Size::of(8, 4, 1))
}

/// As [`swarm`], with a thousand users on a hundred channels. The server's books are looked at after each
/// hundredth step, since a look takes as long as there are users.
///
/// # Errors
///
/// If something does not hold that must.
pub fn crowd(network: &mut Network) -> Outcome {
    network.swarm();
    run(network, Size::of(500, 100, 100))
}

fn run(network: &mut Network, size: Size) -> Outcome {
    let stage = Stage::set(network, size);
    network.run_for(STORM)?;
    network.calm();
    stage.end(network)?;
    stage.score.was_right(network)
}

/// Two users without faults, for one call after another to be made to fail.
///
/// # Errors
///
/// If something does not hold that must.
pub fn torture(network: &mut Network) -> Outcome {
    let stage = Stage::set(network, Size::of(1, 1, 1));
    stage.end(network)
}

/// How much of it there is.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Users of each of two hosts.
    each: u64,
    channels: u64,
    /// After how many steps the server's books are looked at.
    looks: u64,
    /// When the last user comes.
    beginnings: u64,
    /// Nicks that users choose among.
    nicks: u64,
    /// Whether users stay when they have done everything, until they are told to go.
    stays: bool,
}

impl Size {
    const fn of(each: u64, channels: u64, looks: u64) -> Self {
        let (beginnings, nicks) = (BEGINNINGS, 12 * each);
        Self { each, channels, looks, beginnings, nicks, stays: false }
    }
}

struct Stage {
    server: Host<Server>,
    crowds: Vec<Host<Crowd>>,
    score: Score,
}

/// The users of one host.
struct Crowd {
    /// Users that are planned, or here.
    due: usize,
    /// Those of them who have done everything, and stay.
    idle: usize,
    /// How often one of them was called otherwise by its server.
    lost_nicks: u64,
    draws: Draws,
    size: Size,
    score: Score,
}

impl Stage {
    /// A server, and so many users on each of two hosts.
    fn set(network: &mut Network, size: Size) -> Self {
        let score = Score::default();
        let server = network.host("server", |registry| serve(registry, Settings::default()));
        let addresses = [network.address(server, PORT), network.address_v6(server, PORT)];
        let crowds = ["far", "farther"]
            .map(|name| network.host(name, Crowd::maker(&score, &addresses, size)))
            .to_vec();
        let stage = Self { server, crowds, score };
        stage.watch(network, size.looks);
        stage
    }

    /// Has everything that must always hold looked at after each step.
    fn watch(&self, network: &mut Network, looks: u64) {
        let score = self.score.clone();
        network.invariant("what users hear", move |_| score.nothing_wrong());
        let server = self.server;
        let steps = Cell::new(0_u64);
        network.invariant("the server's books", move |network| {
            steps.set(steps.get() + 1);
            match network.app(server) {
                Some(server) if steps.get().is_multiple_of(looks) => server.check(),
                _ => Ok(()),
            }
        });
    }

    /// Waits until everybody has gone, and looks whether anything is left.
    fn end(&self, network: &mut Network) -> Outcome {
        let (server, crowds) = (self.server, self.crowds.clone());
        let ended = network.run_until(CALM, |network| {
            let nobody = network.app(server).is_none_or(|server| server.counters().open == 0);
            nobody && crowds.iter().all(|&host| network.app(host).is_none_or(|it| it.due == 0))
        })?;
        if !ended {
            let crowds = self.crowds.iter().filter_map(|&it| network.snapshot(it));
            return Err(still_there(network.snapshot(self.server).into_iter().chain(crowds)).into());
        }
        Ok(network.finish(Duration::from_secs(20))?)
    }
}

/// A server that boots.
fn serve(registry: &mut Registry<Server>, settings: Settings) -> Result<Server, Box<dyn Error>> {
    let limits = Limits { connections_per_address: 1_000, ..Limits::default() };
    let options = ListenOptions { limits: limits.stream_limits(), ..ListenOptions::default() };
    for address in everywhere(PORT) {
        chat::listen(registry, address, &options)?;
    }
    let root = Operator {
        name: "root".to_owned(),
        password: Password::Hashed(SECRET.parse()?),
        host: "*@*".to_owned(),
    };
    let settings = Settings { limits, operators: vec![root], ..settings };
    Ok(Server::new(settings, Accounts::in_memory(AccountLimits::default())))
}

impl Crowd {
    /// Makes the crowd of a host that boots: it plans when its users come.
    fn maker(
        score: &Score,
        addresses: &[Address],
        size: Size,
    ) -> impl Fn(&mut Registry<Self>) -> Result<Self, Box<dyn Error>> + 'static {
        let (score, addresses) = (score.clone(), addresses.to_vec());
        move |registry| {
            let mut crowd = Self {
                due: 0,
                idle: 0,
                lost_nicks: 0,
                draws: Draws::default(),
                size,
                score: score.clone(),
            };
            for address in addresses.iter().cycle().take(size.each as usize) {
                let (address, after) =
                    (address.clone(), crowd.draws.draw(registry) % size.beginnings);
                registry.after(Duration::from_millis(after), |registry, crowd: &mut Self| {
                    if registry.connect(address, User::new()).is_err() {
                        crowd.gone(false);
                    }
                })?;
                crowd.due += 1;
            }
            Ok(crowd)
        }
    }

    fn gone(&mut self, well: bool) {
        self.due -= 1;
        self.score.note_end(well);
    }
}

/// A user: a client that keeps books.
///
/// ```text
///   Arriving ──001──▶ Here ─ acts, twelve times ─▶ Leaving ──the server's FIN──▶ gone, well
///                      └────────▶ Staying ────────────▲
/// ```
struct User {
    lines: Lines,
    state: State,
    nick: String,
    left: u64,
    books: Books,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Arriving,
    Here,
    Staying,
    Leaving,
}

impl User {
    fn new() -> Self {
        Self {
            lines: Lines::new(8_700),
            state: State::Arriving,
            nick: String::new(),
            left: ACTS,
            books: Books::default(),
        }
    }

    fn say(transport: &mut Transport<'_, Crowd>, line: &str) {
        transport.write(line.as_bytes());
        transport.write(b"\r\n");
    }

    fn take_nick(&mut self, transport: &mut Transport<'_, Crowd>, crowd: &mut Crowd) {
        let number = crowd.draws.draw(transport.registry()) % crowd.size.nicks;
        Self::say(transport, &format!("NICK u{number}"));
        if self.state == State::Arriving {
            self.nick = format!("u{number}");
        }
    }

    fn handle(
        &mut self,
        transport: &mut Transport<'_, Crowd>,
        crowd: &mut Crowd,
        message: &Message<'_>,
    ) -> Result<(), String> {
        match message.command {
            "PING" => {
                let token = message.param(0).unwrap_or_default();
                Self::say(transport, &format!("PONG :{token}"));
            }
            "001" => {
                self.state = State::Here;
                message.param(0).unwrap_or_default().clone_into(&mut self.nick);
                transport.set_timer(ACT, Duration::from_millis(10));
            }
            "433" if self.state == State::Arriving => self.take_nick(transport, crowd),
            _ => {
                let entered = self.books.enter(&mut self.nick, message);
                // Names of users begin with a digit: so is called who has lost its nick to another.
                if message.command == "NICK"
                    && self.nick.starts_with(|it: char| it.is_ascii_digit())
                {
                    crowd.lost_nicks += 1;
                }
                return entered;
            }
        }
        Ok(())
    }

    /// Does something, or goes.
    fn act(&mut self, transport: &mut Transport<'_, Crowd>, crowd: &mut Crowd) {
        let bits = crowd.draws.draw(transport.registry());
        if self.left == 0 {
            return self.stay_or_leave(transport, crowd);
        }
        self.left -= 1;
        let channel = format!("#c{}", (bits >> 8) % crowd.size.channels);
        match bits % 8 {
            0 | 1 => Self::say(transport, &format!("JOIN {channel}")),
            2 => self.take_nick(transport, crowd),
            3 => Self::say(transport, &format!("PART {channel}")),
            4 => Self::say(transport, &format!("NAMES {channel}")),
            5 if bits & 0x1_0000 == 0 => Self::say(transport, "OPER root secret"),
            5 => Self::say(
                transport,
                &format!("KICK {channel} u{}", (bits >> 20) % crowd.size.nicks),
            ),
            _ => Self::say(transport, &format!("PRIVMSG {channel} :{bits}")),
        }
        transport.set_timer(ACT, Duration::from_millis(50 + (bits >> 32) % 1_000));
    }
}

impl User {
    fn stay_or_leave(&mut self, transport: &mut Transport<'_, Crowd>, crowd: &mut Crowd) {
        crowd.idle -= usize::from(self.state == State::Staying);
        if !crowd.size.stays {
            self.state = State::Leaving;
            return Self::say(transport, "QUIT :done");
        }
        self.state = State::Staying;
        crowd.idle += 1;
        transport.set_timer(ACT, Duration::from_secs(2));
    }
}

impl Protocol<Crowd> for User {
    fn on_open(&mut self, transport: &mut Transport<'_, Crowd>, crowd: &mut Crowd) {
        Self::say(transport, "CAP REQ :message-tags");
        self.take_nick(transport, crowd);
        Self::say(transport, "USER u 0 * :a user");
        Self::say(transport, "CAP END");
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, Crowd>,
        input: &mut Input<'_>,
        crowd: &mut Crowd,
    ) {
        loop {
            let line = match self.lines.next(input) {
                Line::Whole(line) => line,
                Line::TooLong => continue,
                Line::Partial => return,
            };
            let done = match Message::parse(line) {
                Ok(message) => self.handle(transport, crowd, &message),
                Err(error) => Err(format!("the server said {}: {error}", line.escape_ascii())),
            };
            if let Err(wrong) = done {
                crowd.score.note_wrong(wrong);
            }
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, Crowd>, _: TimerKey, crowd: &mut Crowd) {
        self.act(transport, crowd);
    }

    fn on_close(&mut self, _: &mut Registry<Crowd>, closed: &Closed, crowd: &mut Crowd) {
        crowd.idle -= usize::from(self.state == State::Staying);
        crowd.gone(self.state == State::Leaving && closed.reason.is_clean());
    }
}

#[cfg(test)]
mod tests {
    use reactor::sim::Simulation;

    use super::*;

    #[test]
    fn a_thousand_users_on_a_hundred_channels_keep_the_same_books() {
        let run = Simulation::new(crowd).with_records(1_000).run_seed(1);
        assert!(!run.has_failed(), "{run:?}");
    }
}
