//! A line of a hundred bytes to every user on a channel of a chat server.
//!
//! Ours alone: ngircd steps down from root, and an instrument can then not write what it saw.

use super::{Runner, Subject, fan_out};
use crate::audience::Seats;
use crate::channel::Channel;
use crate::chats::{self, Chat};
use crate::program::Program;

const MEMBERS: usize = 1_000;

/// More than elsewhere: half a million deliveries are made while the users join, some at once and some
/// gathered, and no two runs do that alike.
const DELIVERIES: usize = 100_000;

pub(super) fn subjects() -> Vec<Subject> {
    let ours = Runner::new(Chat::Reactor, |instrument, deliveries| {
        let server = Program::named(chats::PROGRAM)?.start_under(instrument)?;
        let mut channel = Channel::gather(|_| server.address(), MEMBERS)?;
        channel.publish((deliveries / MEMBERS) as u64)?;
        server.stop()
    });
    vec![Subject {
        name: format!("chat.{MEMBERS}"),
        about: format!("a line of chat to each of {MEMBERS} users on a channel"),
        unit: "delivery",
        program: chats::PROGRAM,
        units: DELIVERIES,
        round: MEMBERS,
        // It knows nothing of chat.
        runners: vec![fan_out::ruler(Seats { members: MEMBERS, stalled: 0 }), ours],
    }]
}
