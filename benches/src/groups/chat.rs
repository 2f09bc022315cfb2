//! Chat: a line to everyone on a channel of a thousand.

use crate::audience::{RoomWork, Seats};
use crate::channel::ChannelWork;
use crate::chats::Chat;
use crate::servers::Peer;
use crate::work::{Case, Clock, Contender, Group};

/// Who listens.
const MEMBERS: usize = 1_000;

/// The group.
pub fn group() -> Group {
    Group {
        name: "chat",
        about: "What it costs an IRC server to deliver what one user says to one of a thousand others on \
                the channel: a line of about a hundred bytes. The ruler is a raw epoll loop that sends 64 \
                bytes to each of as many, and knows nothing of users, channels or their modes. Then a \
                whole network, all of whose channels talk at once: what one user costs in memory who has \
                registered, what it costs to let one in and have it join, and how long what is said takes \
                to each who hears it, counted from when it was due. Between the two, the same channel on three of our \
                servers, which are one network over a `nats-server`. (ngircd takes part where it is \
                installed.)",
        shown: "a line to 1000 users on a channel",
        cases: vec![case()],
    }
}

fn case() -> Case {
    let ruler = Contender::new(Peer::Epoll, || {
        RoomWork::start(Peer::Epoll, Seats { members: MEMBERS, stalled: 0 })
    });
    let servers = Contender::each(Chat::all(), |chat| ChannelWork::start(chat, MEMBERS));
    Case {
        name: format!("a line to {MEMBERS} users on a channel"),
        grows_to: None,
        unit: "delivery",
        clock: Clock::Processor,
        contenders: [ruler].into_iter().chain(servers).collect(),
    }
}
