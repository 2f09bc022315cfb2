//! Chat servers, as child processes: ours, one or several, and ngircd where it is installed.
//!
//! Neither slows anybody down: what is measured is how fast they can be, not how fast they let strangers
//! be.

pub mod network;
mod ngircd;
mod reactor;

use std::net::SocketAddr;

use clap::ValueEnum;

use crate::Result;
use crate::loaded::Start;
use crate::program::{Program, Server};
use crate::servers::Place;

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Chat {
    /// The reactor and the chat server of its protocols: ours.
    Reactor,
    /// ngIRCd, an event loop in C around epoll.
    Ngircd,
}

impl Chat {
    /// Starts it.
    pub fn start(self, start: Start<'_>) -> Result<Server> {
        match self {
            Self::Reactor => start.program(&Program::server("chat")?),
            Self::Ngircd => start.other(ngircd::start),
        }
    }
}

crate::choice!(Chat);

/// What makes a server of ours one of several.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where the `nats-server` is.
    pub nats: SocketAddr,
    /// What it is called.
    pub name: String,
}

/// Serves with ours at `place` until the process ends, and prints where once it listens.
pub fn serve(place: Place, node: Option<Node>) -> Result {
    reactor::serve(place, node)
}
