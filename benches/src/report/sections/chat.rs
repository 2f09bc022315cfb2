//! A line of chat, until everybody on a channel of a thousand has it.

use std::time::Duration;

use super::Scale;
use crate::Result;
use crate::audience::{RoomWork, Seats};
use crate::channel::ChannelWork;
use crate::chats::Chat;
use crate::report::contest::{Between, Contest, Entrant, Trial};
use crate::servers::Peer;

use super::neighbours::{Hearing, figures, quantiles};

/// Who listens.
const MEMBERS: usize = 1_000;

/// A turn is longer than those of others: its figures are quantiles.
const SLICES: u32 = 5;

pub(super) fn contest(scale: Scale) -> Contest {
    let lasting = scale.slice * SLICES;
    let entrant = |chat: &Chat| {
        let chat = *chat;
        Entrant::new(chat, move || {
            Ok(Listening { work: ChannelWork::start(chat, MEMBERS)?, lasting })
        })
    };
    let ruler = Entrant::new(Peer::Epoll, move || {
        let seats = Seats { members: MEMBERS, stalled: 0 };
        Ok(Hearing { work: RoomWork::start(Peer::Epoll, seats)?, lasting })
    });
    Contest {
        name: format!("a line, until the last of {MEMBERS} has it"),
        columns: quantiles(),
        grows_to: None,
        rounds: scale.few_rounds,
        between: Between::Stays,
        entrants: [ruler].into_iter().chain(Chat::all().iter().map(entrant)).collect(),
    }
}

/// A channel whose members are waited for.
struct Listening {
    work: ChannelWork,
    lasting: Duration,
}

impl Trial for Listening {
    fn turn(&mut self) -> Result<Vec<f64>> {
        Ok(figures(&self.work.listen(self.lasting)?))
    }
}
