//! Fan-out: one line to a hundred and to a thousand members, and among them some who do not read.

use crate::audience::{RoomWork, Seats};
use crate::work::{Case, Clock, Contender, Group};

const SEATS: [Seats; 4] = [
    Seats { members: 100, stalled: 0 },
    Seats { members: 100, stalled: 10 },
    Seats { members: 1000, stalled: 0 },
    Seats { members: 1000, stalled: 100 },
];

/// The group.
pub fn group() -> Group {
    Group {
        name: "fan-out",
        about: "What it costs a server to deliver a line of 64 bytes to one of its members. The \
                stalled ones, beside them, read nothing; a line that is not delivered to them is not \
                counted. (message-io has no way to keep a member that does not read.) The ruler is a raw \
                epoll loop.",
        shown: "1000 members, 0 stalled",
        cases: SEATS.map(case).into(),
    }
}

fn case(seats: Seats) -> Case {
    let Seats { members, stalled } = seats;
    Case {
        name: format!("{members} members, {stalled} stalled"),
        grows_to: (stalled == 0).then_some(members),
        unit: "delivery",
        clock: Clock::Processor,
        contenders: Contender::each(&seats.rooms(), move |room| RoomWork::start(room, seats)),
    }
}
