//! Rooms, one file a peer: a line that one connection sends goes to all the others.
//!
//! Each is written as its own documentation advises. A member that does not read is kept, and when a
//! bounded number of bytes waits for it, what else is said is dropped for it alone; the lines it gets
//! are whole.

mod calloop;
mod epoll;
mod member;
mod message_io;
mod mio;
mod reactor;
mod tokio;

use std::fmt;

use clap::ValueEnum;

use crate::Result;
use crate::servers::Place;

/// The name of the program that runs one of them, in `src/bin`.
pub const PROGRAM: &str = "fan-out-server";

/// Bytes that may wait for one member.
const BEHIND: usize = 64 * 1024;

/// Who keeps the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Room {
    /// A raw epoll loop: the ruler.
    Epoll,
    /// The reactor: ours.
    Reactor,
    /// A bare mio loop with a slab.
    Mio,
    /// calloop, the event loop of Wayland compositors.
    Calloop,
    /// message-io, events from sockets of any transport.
    MessageIo,
    /// tokio's current-thread runtime and its broadcast channel.
    Tokio,
}

impl Room {
    /// Every room, the ruler first.
    pub fn all() -> &'static [Room] {
        Self::value_variants()
    }

    /// Those who can keep a member that does not read, and go on.
    pub fn patient() -> impl Iterator<Item = &'static Room> {
        Self::all().iter().filter(|room| **room != Self::MessageIo)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.pad(value.as_ref().map_or("?", |value| value.get_name()))
    }
}

/// Keeps a room at `place` until the process ends, and prints where once it listens.
pub fn serve(room: Room, place: Place) -> Result {
    match room {
        Room::Epoll => epoll::serve(place),
        Room::Reactor => reactor::serve(place),
        Room::Mio => mio::serve(place),
        Room::Calloop => calloop::serve(place),
        Room::MessageIo => message_io::serve(place),
        Room::Tokio => tokio::serve(place),
    }
}

/// How many of these bytes are whole lines.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::whole_lines;

    #[test]
    fn what_follows_the_last_line_end_is_no_line_yet() {
        assert_eq!(whole_lines(b"one\ntwo\nthr"), 8);
        assert_eq!(whole_lines(b"one"), 0);
        assert_eq!(whole_lines(b""), 0);
    }
}
