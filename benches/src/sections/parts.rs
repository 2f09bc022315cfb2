//! What programs are made of: rooms and datagrams, in servers; timers, messages, slots and codecs, in this process.

use std::hint::black_box;
use std::time::Instant;

use super::timed::Timed;
use super::{Scale, section};
use crate::clients::audience::{Seats, lines};
use crate::clients::correspondents;
use crate::datagrams::{Datagrams, Duty};
use crate::loaded::Start;
use crate::messages::{Form, Mailbox, MessageWork};
use crate::micro::{Microbenchmark, codecs as micro_codecs, queues, slots};
use crate::report::contest::{Contest, Section};
use crate::timers::{Keeper, Operation, TimerWork};
use crate::work::{Clock, Spent};

/// One line to a hundred and to a thousand members, and among them some who do not read.
pub(super) fn fan_out(scale: Scale) -> Section {
    let timed = Timed { unit: "delivery", clock: Clock::Processor, scale };
    let contest = |(members, stalled)| {
        let seats = Seats { members, stalled };
        let name = format!("{members} members, {stalled} stalled");
        let rooms =
            timed.contest(name, &seats.rooms(), move |room| lines(Start::Apart, room, seats));
        Contest { grows_to: (stalled == 0).then_some(members), ..rooms }
    };
    section(
        "fan-out",
        "What it costs a server to deliver a line of 64 bytes to one of its members. The \
         stalled ones, beside them, read nothing; a line that is not delivered to them is not \
         counted. (message-io has no way to keep a member that does not read.) The ruler is a raw \
         epoll loop.",
        "1000 members, 0 stalled",
        [(100, 0), (100, 10), (1000, 0), (1000, 100)].map(contest).into(),
    )
}

/// One socket that echoes for many peers, and one that sends runs to one peer.
pub(super) fn datagrams(scale: Scale) -> Section {
    let timed = Timed { unit: "datagram", clock: Clock::Processor, scale };
    let contest = |name, duty, clients| {
        timed.contest(name, &Datagrams::that_do(duty), move |server| {
            correspondents::datagrams(Start::Apart, server, duty, clients)
        })
    };
    section(
        "datagrams",
        "What it costs a server to send a datagram: 64 bytes back to one of 50 peers, or 1200 \
         bytes of a run of 32 to one peer. The ruler is a raw epoll loop with recvfrom and \
         sendto.",
        "64 bytes back to 50 peers",
        vec![
            contest("64 bytes back to 50 peers", Duty::Echo, 50),
            contest("runs to one peer", Duty::Bulk, 1),
        ],
    )
}

/// Insert, re-arm, cancel, expire, among a thousand and among a million.
pub(super) fn timers(scale: Scale) -> Section {
    const LIVE: [usize; 2] = [1_000, 1_000_000];
    let timed = Timed { unit: "timer", clock: Clock::Wall, scale };
    let cases = LIVE
        .iter()
        .flat_map(|live| Operation::all().iter().map(move |operation| (*operation, *live)));
    // A thousand that fire are over sooner than they can be measured.
    let cases = cases.filter(|case| *case != (Operation::Expire, LIVE[0]));
    let contest = |(operation, live)| {
        timed.contest(format!("{operation}, {live} live"), Keeper::all(), move |keeper| {
            TimerWork::new(keeper, operation, live)
        })
    };
    section(
        "timers",
        "What it costs to set a timer, to move it, to cancel it, and to have it fire, while so \
         many are set. The ruler is a binary heap that cancels lazily.",
        "re-arm, 1000000 live",
        cases.map(contest).collect(),
    )
}

/// Messages to a loop from another thread: as many as it takes, and one at a time.
pub(super) fn messages(scale: Scale) -> Section {
    let timed = Timed { unit: "message", clock: Clock::Wall, scale };
    let contest = |name, form| {
        timed.contest(name, Mailbox::all(), move |mailbox| MessageWork::start(mailbox, form))
    };
    section(
        "messages",
        "How long a message from another thread takes: in a stream, where the loop finds many at \
         once, and alone, from the sender to the loop, which sleeps, and back to the sender, \
         which sleeps too. The ruler is a bare mio loop, its waker, and the standard library's \
         channel.",
        "a stream",
        vec![contest("a stream", Form::Stream), contest("there and back", Form::PingPong)],
    )
}

/// Slots and queues, what the loop is made of.
pub(super) fn parts(scale: Scale) -> Section {
    section(
        "parts",
        "What the loop is made of, alone and in cache: its slots, which know a stale id and lend \
         out what they find while it runs, beside a bare slab, the crate slotmap and a hash map; \
         and its outbox, which counts what it holds and owns nothing while it is empty, beside a \
         bare deque and a buffer. The rulers do less: they are what one would begin with.",
        "find one among 10000 by its id and change it",
        micro(scale, slots::all().into_iter().chain(queues::all())),
    )
}

/// What it costs to find the messages in a stream of bytes.
pub(super) fn codecs(scale: Scale) -> Section {
    section(
        "codecs",
        "What it costs to find a message in bytes that are there already, of each protocol's wire \
         format, beside what others use for it. The ruler is the shortest way in the standard \
         library.",
        "",
        micro(scale, micro_codecs::all()),
    )
}

fn micro(scale: Scale, all: impl IntoIterator<Item = Microbenchmark>) -> Vec<Contest> {
    let contest = |Microbenchmark { name, unit, rivals }| {
        let timed = Timed { unit, clock: Clock::Wall, scale };
        let entrants = rivals.into_iter().map(|(name, prepare)| {
            timed.entrant(name, move || {
                let mut run = prepare();
                Ok(move |units| {
                    let start = Instant::now();
                    black_box(run(black_box(units)));
                    Ok(Spent::alone(units, start))
                })
            })
        });
        timed.among(name, entrants.collect())
    };
    all.into_iter().map(contest).collect()
}
