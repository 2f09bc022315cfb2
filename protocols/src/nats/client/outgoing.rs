//! What is on its way to the server: gathered to leave in few writes, or kept until there is a server.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use super::{Message, WhenAway};
use crate::nats::wire::Publication;

/// So many bytes leave at once; fewer wait for the end of the turn.
const PIECE: usize = 64 * 1024;

/// What fits into so much room is copied out of it, and the room kept: less to ask for than to let it grow anew.
const SPARE: usize = 4 * 1024;

/// What keeping a message costs beside its bytes.
const KEEPING: usize = 64;

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    gathered: Vec<u8>,
    /// Whether somebody will send what is gathered.
    is_awaited: bool,
    /// Bytes that the connection has not got rid of, as far as is known.
    queued: usize,
    /// Whether a message was refused for want of room.
    has_refused: bool,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
}

/// A message that waits for a connection.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    /// Bytes of its payload and headers, which the server has a limit for.
    pub(super) size: usize,
    /// The request that it is.
    pub(super) request: Option<u64>,
}

/// What was kept and will not be sent.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) messages: u64,
    pub(super) requests: Vec<u64>,
}

/// There is no room.
pub(super) struct NoRoom;

impl Outgoing {
    // ── while there is a connection ─────────────────────────────────────────────────────────

    /// Adds bytes; what is to leave at once.
    pub(super) fn gather(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<Bytes> {
        write(&mut self.gathered);
        (self.gathered.len() >= PIECE).then(|| self.take())
    }

    /// What is gathered, on its way now.
    pub(super) fn take(&mut self) -> Bytes {
        self.queued += self.gathered.len();
        if self.gathered.capacity() <= SPARE {
            let piece = Bytes::copy_from_slice(&self.gathered);
            self.gathered.clear();
            return piece;
        }
        // What follows is as long, most likely.
        let room = if self.gathered.len() >= PIECE { PIECE + PIECE / 8 } else { 0 };
        mem::replace(&mut self.gathered, Vec::with_capacity(room)).into()
    }

    /// Whether nobody was going to send it: whoever asks does.
    pub(super) fn await_end(&mut self) -> bool {
        !mem::replace(&mut self.is_awaited, true)
    }

    /// What is gathered from now on is to be asked for anew.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        self.is_awaited = false;
        (!self.gathered.is_empty()).then(|| self.take())
    }

    pub(super) fn has_room(&self, size: usize, most: usize) -> bool {
        self.gathered.len() + self.queued + size <= most
    }

    pub(super) fn refuse(&mut self) {
        self.has_refused = true;
    }

    /// So many bytes have yet to leave. Whether somebody who was refused can be told to go on.
    pub(super) fn handle_queued(&mut self, queued: usize, most: usize) -> bool {
        self.queued = queued;
        let has_room = queued + self.gathered.len() <= most / 2;
        has_room && mem::take(&mut self.has_refused)
    }

    /// The connection has ended: bytes that had not even been handed to it.
    pub(super) fn handle_lost(&mut self) -> usize {
        self.queued = 0;
        mem::take(&mut self.gathered).len()
    }

    // ── while there is none ─────────────────────────────────────────────────────────────────

    /// Keeps a message.
    pub(super) fn keep(
        &mut self,
        message: &Message<'_>,
        request: Option<u64>,
        most: usize,
        when_away: WhenAway,
    ) -> Result<Dropped, NoRoom> {
        let mut bytes = Vec::new();
        write(message, &mut bytes);
        let cost = bytes.len() + KEEPING;
        let is_full = |outgoing: &Self| outgoing.kept_bytes + cost > most;
        if cost > most || (is_full(self) && when_away == WhenAway::Refuse) {
            self.has_refused = true;
            return Err(NoRoom);
        }
        let mut dropped = Dropped::default();
        while is_full(self)
            && let Some(oldest) = self.take_kept()
        {
            dropped.messages += 1;
            dropped.requests.extend(oldest.request);
        }
        self.kept_bytes += cost;
        self.kept.push_back(Kept { bytes, size: message.size(), request });
        Ok(dropped)
    }

    /// The oldest message that is kept.
    pub(super) fn take_kept(&mut self) -> Option<Kept> {
        let kept = self.kept.pop_front()?;
        self.kept_bytes -= kept.bytes.len() + KEEPING;
        Some(kept)
    }

    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Everything is given up.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Appends a message to be published.
pub(super) fn write(message: &Message<'_>, out: &mut Vec<u8>) {
    let Message { subject, reply, headers, payload } = *message;
    let reply = reply.map(str::as_bytes);
    Publication { subject: subject.as_bytes(), reply, headers, payload }.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_or_the_newest_is_refused() {
        let message = Message::new("a", b"0123456789");
        let cost = b"PUB a 10\r\n0123456789\r\n".len() + KEEPING;
        for (when_away, expected) in [(WhenAway::Refuse, None), (WhenAway::DropOldest, Some(1))] {
            let mut outgoing = Outgoing::default();
            for request in 0..2 {
                let kept = outgoing.keep(&message, Some(request), 2 * cost, when_away);
                assert_eq!(kept.ok().map(|dropped| dropped.messages), Some(0));
            }
            let third = outgoing.keep(&message, Some(2), 2 * cost, when_away).ok();
            assert_eq!(third.map(|dropped| dropped.messages), expected);
            let first = outgoing.take_kept().and_then(|kept| kept.request);
            assert_eq!((first, outgoing.kept()), (expected.or(Some(0)), 1));
            outgoing.take_kept();
            assert_eq!(outgoing.kept_bytes, 0);
        }
        let mut outgoing = Outgoing::default();
        assert!(outgoing.keep(&message, None, cost - 1, WhenAway::DropOldest).is_err());
    }

    #[test]
    fn a_piece_leaves_at_once_and_the_rest_at_the_end() {
        let mut outgoing = Outgoing::default();
        assert!(outgoing.await_end() && !outgoing.await_end());
        assert_eq!(outgoing.gather(|out| out.extend_from_slice(b"ab")), None);
        assert_eq!(outgoing.gather(|out| out.resize(PIECE, 0)).map(|it| it.len()), Some(PIECE));
        assert_eq!(outgoing.gather(|out| out.push(b'c')), None);
        assert_eq!((outgoing.end(), outgoing.end()), (Some(Bytes::from_static(b"c")), None));
        assert!(outgoing.has_room(0, PIECE + 1) && !outgoing.has_room(1, PIECE + 1));
        outgoing.refuse();
        assert!(outgoing.handle_queued(0, PIECE) && !outgoing.handle_queued(0, PIECE));
    }
}
