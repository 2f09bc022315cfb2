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

mod admin;
mod books;
mod crowd;
pub mod network;

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use protocols::chat::accounts::{AccountLimits, Accounts};
use protocols::chat::{self, Limits, Operator, Password, Server, Settings};
use reactor::sim::{Host, Network, Outcome};
use reactor::{ListenOptions, Registry};

use books::Library;
use crowd::{Crowd, Size};

use crate::cast::everywhere;
use crate::score::{Score, still_there};

/// How long faults happen.
const STORM: Duration = Duration::from_secs(20);
/// How long what is left may take afterwards: silent peers are found out by pings.
const CALM: Duration = Duration::from_secs(2_000);
/// When the last user comes, in milliseconds.
const BEGINNINGS: u64 = 8_000;
const PORT: u16 = 6667;

/// The password `secret`, hashed as cheaply as it can be: each seed verifies it a few times.
const SECRET: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$L1qnTgpsWMa/dMHjDHhQFw";

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

struct Stage {
    server: Host<Server>,
    crowds: Vec<Host<Crowd>>,
    score: Score,
}

impl Stage {
    /// A server, and so many users on each of two hosts.
    fn set(network: &mut Network, size: Size) -> Self {
        let score = Score::default();
        let server = network.host("server", |registry| {
            serve(registry, Settings::default(), Accounts::in_memory(AccountLimits::default()))
        });
        let addresses = [network.address(server, PORT), network.address_v6(server, PORT)];
        let library = Library::default();
        let crowds = ["far", "farther"]
            .map(|name| network.host(name, Crowd::maker(&score, &library, &addresses, size)))
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
fn serve(
    registry: &mut Registry<Server>,
    settings: Settings,
    accounts: Accounts,
) -> Result<Server, Box<dyn Error>> {
    let limits = Limits {
        connections_per_address: 1_000,
        password_attempts: 1_000,
        ..settings.limits.clone()
    };
    // A server that takes a queue for shorter has fewer quit at a time.
    let queue = Limits::default().stream_limits();
    let options = ListenOptions { limits: queue, ..ListenOptions::default() };
    for address in everywhere(PORT) {
        chat::listen(registry, address, &options)?;
    }
    let root = Operator {
        name: "root".to_owned(),
        password: Password::Hashed(SECRET.parse()?),
        host: "*@*".to_owned(),
    };
    let settings = Settings { limits, operators: vec![root], ..settings };
    Ok(Server::new(settings, accounts))
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
