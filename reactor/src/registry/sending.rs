//! What is sent to connections by their ids: bytes to one, the same to many, a file.

use std::fs::File;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::{Order, Registry};
use crate::ledger::Ledger;
use crate::outbox::{Broadcast, FilePiece, Outbox};
use crate::slots::Found;
use crate::source::Source;
use crate::stream::{Refusal, Stream};
use crate::{ConnectionId, SendError, SendFileError};

impl<App> Registry<App> {
    /// Queues bytes for a connection. They leave at the end of the turn, in one write with whatever
    /// else was queued, and nothing is copied: a broadcast shares one buffer.
    ///
    /// # Errors
    ///
    /// The bytes come back if the connection has ended, is closing, or has no room for them; for want
    /// of room it ends, with [`CloseReason::OutboxFull`](crate::CloseReason::OutboxFull) or
    /// [`LoopOutboxFull`](crate::CloseReason::LoopOutboxFull).
    pub fn send(&mut self, id: ConnectionId, bytes: Bytes) -> Result<(), SendError> {
        let length = bytes.len();
        match self.find_receiver(id, length) {
            Ok(Receiver::Resting(stream, ledger)) => {
                stream.enqueue(id.0, length, ledger, |outbox, spares| outbox.push(bytes, spares));
                Ok(())
            }
            Ok(Receiver::Running(cork)) => {
                cork.extend_from_slice(&bytes);
                Ok(())
            }
            Err(Refusal::Stale) => Err(SendError::Stale(bytes)),
            Err(Refusal::Closing) => Err(SendError::Closing(bytes)),
            Err(Refusal::Full) => Err(SendError::Full(bytes)),
        }
    }

    /// Queues the same bytes for many connections, as [`send`](Self::send) does for one, and returns for
    /// how many. It costs little more than half of as many calls of `send`, each with a clone.
    ///
    /// Whoever has ended or is closing is passed over; who has no room for it ends, with
    /// [`CloseReason::OutboxFull`](crate::CloseReason::OutboxFull) or
    /// [`LoopOutboxFull`](crate::CloseReason::LoopOutboxFull).
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
        let mut queued = 0;
        for id in receivers {
            match self.find_receiver(id, length) {
                Ok(Receiver::Resting(stream, ledger)) => {
                    let share =
                        |outbox: &mut Outbox, spares: &mut _| outbox.share(&message, spares);
                    stream.enqueue(id.0, length, ledger, share);
                }
                Ok(Receiver::Running(cork)) => cork.extend_from_slice(message.bytes()),
                Err(_) => continue,
            }
            queued += 1;
        }
        message.finish(&mut self.ledger.spares);
        queued
    }

    /// Queues a part of a file for a connection, as
    /// [`Transport::send_file`](crate::Transport::send_file) does, and behind everything that was queued
    /// before. The file comes back in [`on_file_sent`](crate::Protocol::on_file_sent).
    ///
    /// Called from a callback of that very connection, it takes effect when the callback returns.
    ///
    /// # Errors
    ///
    /// The file comes back if the connection has ended or is closing.
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
                if let ControlFlow::Break(reason) = stream.enqueue_file(id, piece, &mut self.ledger)
                {
                    self.retire_stream_by_key(id.0, reason);
                    return Err(SendFileError::Full);
                }
                stream.touch(id.0, &mut self.ledger);
                Ok(())
            }
            // It is its own callback that calls: the file joins what it has written.
            Found::Running if self.ledger.is_sealed() => Err(SendFileError::Closing(piece.file)),
            Found::Running => {
                self.ledger.attention = true;
                self.orders.push(Order::SendFile(piece));
                Ok(())
            }
            _ => Err(SendFileError::Stale(piece.file)),
        }
    }

    /// Finds the connection for which so many bytes are to be queued, if it can have them. One that has
    /// no room for them ends.
    #[inline(always)]
    fn find_receiver(&mut self, id: ConnectionId, length: usize) -> Result<Receiver<'_>, Refusal> {
        let ledger = &mut self.ledger;
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) => {
                connection.stream.admit(id.0, length, ledger)?;
                Ok(Receiver::Resting(&mut connection.stream, ledger))
            }
            Found::Running if ledger.is_sealed() => Err(Refusal::Closing),
            Found::Running => Ok(Receiver::Running(&mut ledger.cork)),
            _ => Err(Refusal::Stale),
        }
    }
}

/// Who is sent something by its id.
enum Receiver<'a> {
    Resting(&'a mut Stream, &'a mut Ledger),
    /// It is its own callback that calls: the bytes join what that has written.
    Running(&'a mut Vec<u8>),
}
