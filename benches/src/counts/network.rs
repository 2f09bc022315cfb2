//! A line of chat from one of our servers to another, and to all its users on the channel: what it costs the server
//! that it is said on, and what the one that hears of it, where there is a `nats-server` between them.

use std::process::Command;

use super::{Runner, Subject, fan_out};
use crate::Result;
use crate::audience::Seats;
use crate::channel::Channel;
use crate::chats::network::Network;
use crate::chats::{self, Chat};

/// The users of one server, where three share a thousand.
const MEMBERS: usize = 333;

/// Many lines: users who come in cost as much as dozens, and not the same in each run.
const DELIVERIES: usize = 1_000 * MEMBERS;

/// The server that is counted, and the other one.
const COUNTED: usize = 0;
const OTHER: usize = 1;

/// How its subjects' names begin.
pub(super) const NAME: &str = "network.";

pub(super) fn subjects() -> Vec<Subject> {
    vec![
        subject("here", "said on this server, and told another one", COUNTED),
        subject("there", "said on another server", OTHER),
    ]
}

fn subject(name: &str, what: &str, speaker: usize) -> Subject {
    Subject {
        name: format!("{NAME}{name}.{MEMBERS}"),
        about: format!("a line of chat, {what}, to each of {MEMBERS} users of one server"),
        unit: "delivery",
        program: chats::PROGRAM,
        units: DELIVERIES,
        round: MEMBERS,
        runners: vec![
            fan_out::ruler(Seats { members: MEMBERS, stalled: 0 }),
            Runner::new(Chat::Reactor, move |instrument, deliveries| {
                run(speaker, instrument, deliveries)
            }),
        ],
    }
}

fn run(speaker: usize, instrument: Command, deliveries: usize) -> Result {
    let network = Network::start_under(instrument)?;
    let seat = |number| network.address(if number == MEMBERS { speaker } else { COUNTED });
    Channel::gather(seat, MEMBERS)?.publish((deliveries / MEMBERS) as u64)?;
    network.stop()
}
