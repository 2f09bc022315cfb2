//! A line of 64 bytes to every member of a room, by members.

use std::process::Command;

use super::{Runner, Subject};
use crate::Result;
use crate::audience::{self, Audience, Seats};
use crate::rooms;
use crate::servers::Peer;

const MEMBERS: [usize; 2] = [100, 1000];

const DELIVERIES: usize = 20_000;

pub(super) fn subjects() -> Vec<Subject> {
    MEMBERS.map(|members| subject(Seats { members, stalled: 0 })).into()
}

/// A raw epoll loop, for those who do more for the same deliveries.
pub(super) fn ruler(seats: Seats) -> Runner {
    Runner::new(Peer::Epoll, move |instrument, deliveries| {
        run(Peer::Epoll, seats, instrument, deliveries)
    })
}

/// A room that delivers so much, to everybody who has a seat.
fn run(room: Peer, seats: Seats, instrument: Command, deliveries: usize) -> Result {
    let server = audience::program(room, seats)?.start_under(instrument)?;
    let mut audience = Audience::gather(server.address(), seats)?;
    audience.publish((deliveries / seats.members) as u64)?;
    server.stop()
}

fn subject(seats: Seats) -> Subject {
    Subject {
        name: format!("fan-out.{}", seats.members),
        about: format!("a line of 64 bytes to each of {} members", seats.members),
        unit: "delivery",
        program: rooms::PROGRAM,
        units: DELIVERIES.next_multiple_of(seats.members),
        round: seats.members,
        runners: Runner::each(Peer::all(), move |room, instrument, deliveries| {
            run(room, seats, instrument, deliveries)
        }),
    }
}
