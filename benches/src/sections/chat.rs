//! A line of chat to everybody on a channel of a thousand: what it costs, and how long it takes until all have it.

use super::neighbours::{hearing, quantiles};
use super::timed::Timed;
use super::{Scale, network, town};
use crate::chats::Chat;
use crate::clients::audience::{self, Seats};
use crate::clients::channel;
use crate::loaded::Start;
use crate::report::contest::{Contest, Drawing, Entrant, Section};
use crate::servers::Peer;
use crate::work::Clock;

/// Who listens.
const MEMBERS: usize = 1_000;

/// As many, of whom a raw epoll loop knows nothing but their sockets.
const SEATS: Seats = Seats { members: MEMBERS, stalled: 0 };

/// A turn is longer than those of others: its figures are quantiles.
const SLICES: u32 = 5;

pub(super) fn all(scale: Scale) -> Section {
    let cost = cost(scale);
    let shown = Drawing::Bars(cost.name.clone(), 0);
    Section {
        name: "chat",
        about: "What it costs an IRC server to deliver what one user says to one of a thousand others on \
                the channel: a line of about a hundred bytes. The ruler is a raw epoll loop that sends 64 \
                bytes to each of as many, and knows nothing of users, channels or their modes. Then a \
                whole network, all of whose channels talk at once: what one user costs in memory who has \
                registered, what it costs to let one in and have it join, and how long what is said takes \
                to each who hears it, counted from when it was due. Between the two, the same channel on three of our \
                servers, which are one network over a `nats-server`. (ngircd takes part where it is \
                installed.)"
            .to_owned(),
        drawings: [shown].into_iter().chain(town::drawings(scale)).collect(),
        contests: vec![cost, until_heard(scale), network::contest(scale), town::contest(scale)],
    }
}

fn cost(scale: Scale) -> Contest {
    let timed = Timed { unit: "delivery", clock: Clock::Processor, scale };
    let ruler = timed.entrant(Peer::Epoll, || audience::lines(Start::Apart, Peer::Epoll, SEATS));
    let servers = Chat::all()
        .iter()
        .map(|&chat| timed.entrant(chat, move || channel::lines(Start::Apart, chat, MEMBERS)));
    let name = format!("a line to {MEMBERS} users on a channel");
    timed.among(name, [ruler].into_iter().chain(servers).collect())
}

fn until_heard(scale: Scale) -> Contest {
    let lasting = scale.slice * SLICES;
    let ruler = Entrant::new(Peer::Epoll, move || {
        Ok(hearing(audience::lines(Start::Apart, Peer::Epoll, SEATS)?, lasting))
    });
    let servers = Entrant::each(Chat::all(), move |chat| {
        Ok(hearing(channel::lines(Start::Apart, chat, MEMBERS)?, lasting))
    });
    Contest::new(
        format!("a line, until the last of {MEMBERS} has it"),
        scale.few_rounds,
        quantiles(),
        [ruler].into_iter().chain(servers).collect(),
    )
}
