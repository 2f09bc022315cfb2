//! What a chat server is asked beside what a delivery costs: how long a line takes, and memory a user.

use std::time::Duration;

use super::Scale;
use crate::audience::{RoomWork, Seats};
use crate::channel::{ChannelWork, User};
use crate::chats::Chat;
use crate::report::contest::{Between, Column, Contest, Entrant, Kind, Trial};
use crate::rooms::Room;
use crate::{Result, descriptors, memory};

use super::neighbours::{Hearing, figures, quantiles};

/// Who listens.
const MEMBERS: usize = 1_000;

/// A turn is longer than those of others: its figures are quantiles.
const SLICES: u32 = 5;

/// Descriptors that are not users.
const SPARE_DESCRIPTORS: usize = 64;

pub(super) fn contests(scale: Scale) -> [Contest; 2] {
    [hearing(scale), memory(scale)]
}

fn hearing(scale: Scale) -> Contest {
    let lasting = scale.slice * SLICES;
    let entrant = |chat: &Chat| {
        let chat = *chat;
        Entrant::new(chat, move || {
            Ok(Listening { work: ChannelWork::start(chat, MEMBERS)?, lasting })
        })
    };
    let ruler = Entrant::new(Room::Epoll, move || {
        let seats = Seats { members: MEMBERS, stalled: 0 };
        Ok(Hearing { work: RoomWork::start(Room::Epoll, seats)?, lasting })
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

fn memory(scale: Scale) -> Contest {
    let users = scale.many;
    let entrant = |chat: &Chat| {
        let chat = *chat;
        Entrant::new(chat, move || Ok(Registered { chat, users }))
    };
    let mut entrants: Vec<Entrant> = Chat::all().iter().map(entrant).collect();
    entrants.reverse();
    Contest {
        name: format!("{users} users who have registered, to ngircd"),
        columns: vec![Column::new("resident bytes a user", Kind::Bytes)],
        grows_to: None,
        rounds: 1,
        between: Between::IsPutAway,
        entrants,
    }
}

struct Registered {
    chat: Chat,
    users: usize,
}

impl Trial for Registered {
    fn turn(&mut self) -> Result<Vec<f64>> {
        descriptors::require(self.users + SPARE_DESCRIPTORS)?;
        let running = self.chat.start_apart()?;
        let (address, pid) = (running.server.address(), running.server.pid());
        // The first makes the server touch what it needs once: code, scratch buffers.
        let _first = User::register(address, 0)?;
        let before = memory::resident(pid)?;
        let register = |number| User::register(address, number);
        let _all = (1..=self.users).map(register).collect::<Result<Vec<_>>>()?;
        let after = memory::resident(pid)?;
        Ok(vec![after.saturating_sub(before) as f64 / self.users as f64])
    }
}
