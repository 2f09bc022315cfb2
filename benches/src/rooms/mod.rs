//! Rooms, one file a peer: a line that one connection sends goes to all the others.
//!
//! Each is written as its own documentation advises. A member that does not read is kept, and when a
//! bounded number of bytes waits for it, what else is said is dropped for it alone; the lines it gets
//! are whole.

#[cfg(feature = "peers")]
mod calloop;
#[cfg(feature = "peers")]
mod message_io;
mod reactor;
mod room;
#[cfg(feature = "peers")]
mod tokio;

use crate::Result;
use crate::servers::{Peer, Place, epoll, mio};

use room::Room;

/// Bytes that may wait for one member.
const BEHIND: usize = 64 * 1024;

/// Keeps a room at `place` until the process ends, and prints where once it listens.
pub fn serve(peer: Peer, place: Place) -> Result {
    match peer {
        Peer::Epoll => epoll::serve(Room::new(), place),
        Peer::Reactor => reactor::serve(place),
        Peer::Mio => mio::serve(Room::new(), place),
        #[cfg(feature = "peers")]
        Peer::Calloop => calloop::serve(place),
        #[cfg(feature = "peers")]
        Peer::MessageIo => message_io::serve(place),
        #[cfg(feature = "peers")]
        Peer::Tokio => tokio::serve(place),
        #[cfg(not(feature = "peers"))]
        _ => Err(crate::WITHOUT_PEERS.into()),
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
