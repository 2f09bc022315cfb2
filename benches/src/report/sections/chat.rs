//! A line of chat, until everybody on a channel of a thousand has it.

use super::Scale;
use crate::audience::Seats;
use crate::channel::ChannelWork;
use crate::chats::Chat;
use crate::report::contest::{Between, Contest, Entrant};
use crate::servers::Peer;

use super::neighbours::{figures, hearing, quantiles};

/// Who listens.
const MEMBERS: usize = 1_000;

/// A turn is longer than those of others: its figures are quantiles.
const SLICES: u32 = 5;

pub(super) fn contest(scale: Scale) -> Contest {
    let lasting = scale.slice * SLICES;
    let ruler = Entrant::new(Peer::Epoll, move || {
        hearing(Peer::Epoll, Seats { members: MEMBERS, stalled: 0 }, lasting)
    });
    let servers = Entrant::each(Chat::all(), move |chat| {
        let mut work = ChannelWork::start(chat, MEMBERS)?;
        Ok(move || Ok(figures(&work.listen(lasting)?)))
    });
    Contest {
        name: format!("a line, until the last of {MEMBERS} has it"),
        columns: quantiles(),
        grows_to: None,
        rounds: scale.few_rounds,
        between: Between::Stays,
        entrants: [ruler].into_iter().chain(servers).collect(),
    }
}
