//! What is sent to connections by their ids: bytes to one, the same to many, a file.

use std::fs::File;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::{SendRefusal, Stream};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::outbox::{Broadcast, FilePiece, Outbox, Parcel, Pressure, Share};
use crate::registry::{Order, Registry};
use crate::slots::Found;
use crate::source::Source;
use crate::{ConnectionId, SendError, SendFileError};

impl<App> Registry<App> {
    /// Sends bytes to a connection, and copies nothing. Whether it is above its mark afterwards is what
    /// this returns: then it should be sent no more until it has drained, which
    /// [`when_drained`](Self::when_drained) tells.
    ///
    /// What it is sent first in a turn goes straight to the kernel, if nothing is queued in front of it;
    /// what follows in the same turn is queued, and leaves at its end in one write. In a turn in which
    /// several sockets have something to tell, so that more is likely to follow, all of it is queued; and
    /// between turns it waits for the next.
    ///
    /// # Errors
    ///
    /// The bytes come back if the connection has ended, is closing, or has no room for them. What happens to
    /// the connection for want of room is what [`StreamLimits::when_full`](crate::StreamLimits::when_full)
    /// says: it ends, with [`CloseReason::OutboxFull`](crate::CloseReason::OutboxFull) or
    /// [`LoopOutboxFull`](crate::CloseReason::LoopOutboxFull), or it goes on without these bytes.
    ///
    /// From a callback of that very connection there is room: the bytes join what the callback writes. Its
    /// queue is out of sight there, so that `High` may be said too early;
    /// [`Transport::pressure`](crate::Transport::pressure) knows.
    pub fn send(&mut self, id: ConnectionId, bytes: Bytes) -> Result<Pressure, SendError> {
        let result = if self.ledger.gathers || bytes.is_empty() {
            self.hand_over(id, bytes, Stream::enqueue)
        } else {
            self.hand_over(id, bytes, Stream::deliver)
        };
        result.map_err(|(refusal, bytes)| match refusal {
            SendRefusal::Stale => SendError::Stale(bytes),
            SendRefusal::Closing => SendError::Closing(bytes),
            SendRefusal::Full => SendError::Full(bytes),
        })
    }

    /// Sends the same bytes to many connections, and returns to how many. Nothing is copied, and what
    /// has to be queued is one queue for all. When it leaves is as with [`send`](Self::send).
    ///
    /// A connection that has ended or is closing is passed over. One that has no room for it is passed over
    /// too, or ends, as its [`StreamLimits::when_full`](crate::StreamLimits::when_full) says.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use reactor::{ConnectionId, Registry};
    /// struct Room {
    ///     members: Vec<ConnectionId>,
    /// }
    ///
    /// fn say<App>(room: &Room, speaker: ConnectionId, line: Bytes, registry: &mut Registry<App>) {
    ///     let others = room.members.iter().copied().filter(|member| *member != speaker);
    ///     registry.broadcast(others, line);
    /// }
    /// ```
    pub fn broadcast(
        &mut self,
        receivers: impl IntoIterator<Item = ConnectionId>,
        bytes: Bytes,
    ) -> usize {
        let length = bytes.len();
        if length == 0 {
            return 0;
        }
        let message = Broadcast::new(bytes, &mut self.ledger.spares);
        let share = Share::of(&message);
        let receivers = receivers.into_iter();
        let reached = if self.ledger.gathers {
            receivers.filter(|id| self.hand_over(*id, share, Stream::enqueue).is_ok()).count()
        } else {
            receivers.filter(|id| self.hand_over(*id, share, Stream::deliver).is_ok()).count()
        };
        message.finish(&mut self.ledger.spares);
        reached
    }

    /// Queues a part of a file for a connection, as
    /// [`Transport::send_file`](crate::Transport::send_file) does, and behind everything that was queued
    /// before. The file comes back in [`on_file_sent`](crate::Protocol::on_file_sent).
    ///
    /// Called from a callback of that very connection, it takes effect when the callback returns.
    ///
    /// # Errors
    ///
    /// The file comes back if the connection has ended, is closing, or has no room for one more piece; what
    /// happens for want of room is as with [`send`](Self::send).
    pub fn send_file(
        &mut self,
        id: ConnectionId,
        file: File,
        offset: u64,
        length: u64,
    ) -> Result<(), SendFileError> {
        let piece = FilePiece { file, offset, remaining: length, sent: 0 };
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) => {
                let stream = &mut connection.stream;
                if stream.is_closed() {
                    return Err(SendFileError::Stale(piece.file));
                }
                if !stream.can_write() {
                    return Err(SendFileError::Closing(piece.file));
                }
                if stream.admit(id.0, Outbox::charge_of_file(), &mut self.ledger).is_err() {
                    return Err(SendFileError::Full(piece.file));
                }
                if let ControlFlow::Break(reason) = stream.enqueue_file(id, piece, &mut self.ledger)
                {
                    stream.retire(id.0, reason, &mut self.ledger);
                }
                stream.touch(id.0, &mut self.ledger);
                Ok(())
            }
            // It is its own callback that calls: the file joins what it has written.
            Found::Running if self.cork.is_closed() => Err(SendFileError::Closing(piece.file)),
            Found::Running => {
                self.ledger.attention = true;
                self.orders.push(Order::SendFile(piece));
                Ok(())
            }
            _ => Err(SendFileError::Stale(piece.file)),
        }
    }

    /// Gives a parcel to its receiver. It comes back if that connection does not take it.
    #[inline(always)]
    fn hand_over<P: Parcel>(
        &mut self,
        id: ConnectionId,
        parcel: P,
        give: impl FnOnce(&mut Stream, Key, P, &mut Ledger) -> Result<Pressure, (SendRefusal, P)>,
    ) -> Result<Pressure, (SendRefusal, P)> {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) => {
                give(&mut connection.stream, id.0, parcel, &mut self.ledger)
            }
            Found::Running if self.cork.is_closed() => Err((SendRefusal::Closing, parcel)),
            // It is its own callback that calls: the bytes join what that has written.
            Found::Running => {
                self.ledger.attention |= self.cork.join(parcel.bytes());
                Ok(self.pressure_of_running())
            }
            _ => Err((SendRefusal::Stale, parcel)),
        }
    }
}
