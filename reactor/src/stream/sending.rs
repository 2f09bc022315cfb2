//! What is sent to connections by their ids: bytes to one, the same to many, a file; and whether they take it.
//!
//! ```text
//!   send ──▶ Pressure::High ──▶ pause the source, when_drained ──▶ outbox at its low mark, or it has ended
//!     ▲                                                                          │
//!     └───────────────── resume the source ◀── the closure, exactly once ◀───────┘
//! ```
//!
//! `on_drain` is for a connection's own protocol, which knows its marks. Another sender may have stopped at any
//! height, so it asks to be told.

use std::fs::File;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::pending::Mark;
use super::{SendRefusal, Stream};
use crate::id::Key;
use crate::ledger::Ledger;
use crate::outbox::{Broadcast, FilePiece, Outbox, Parcel, Pressure, Share};
use crate::registry::{Order, Registry, Task};
use crate::slots::Found;
use crate::source::Source;
use crate::trace::Callback;
use crate::{ConnectionId, SendError, SendFileError, Stale, StreamLimits};

impl<App> Registry<App> {
    /// Sends bytes to a connection, and copies nothing: so they have to be owned, shared or static, where
    /// [`Transport::write`](crate::Transport::write) takes any slice and copies what the system does not take at once.
    /// Whether it is above its mark afterwards is what
    /// this returns: then it should be sent no more until it has drained, which
    /// [`when_drained`](Self::when_drained) tells.
    ///
    /// ```
    /// # use reactor::bytes::Bytes;
    /// # use reactor::{ConnectionId, Registry, SendError};
    /// fn greet<App>(registry: &mut Registry<App>, guest: ConnectionId, name: &str) -> Result<(), SendError> {
    ///     // None of these copies anything.
    ///     let _ = registry.send(guest, "hello, ".into())?;
    ///     let _ = registry.send(guest, format!("{name}\n").into())?;
    ///     let _ = registry.send(guest, vec![b'-'; 80].into())?;
    ///     // Somebody else's slice has to be copied, and one sees where.
    ///     let pressure = registry.send(guest, Bytes::copy_from_slice(name.as_bytes()))?;
    ///     if pressure.is_high() {
    ///         println!("it reads more slowly than it is told things");
    ///     }
    ///     Ok(())
    /// }
    /// ```
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
    fn hand_over<P: Parcel>(
        &mut self,
        id: ConnectionId,
        parcel: P,
        give: impl FnOnce(&mut Stream, Key, P, &mut Ledger) -> Result<Pressure, (SendRefusal, P)>,
    ) -> Result<Pressure, (SendRefusal, P)> {
        if let Found::Here(source) = self.slots.find(id.0)
            && let Some(connection) = source.connection()
        {
            return give(&mut connection.stream, id.0, parcel, &mut self.ledger);
        }
        self.hand_over_otherwise(id, parcel)
    }

    /// As [`Self::hand_over`], to whoever runs, has no socket yet, or is no more.
    #[cold]
    fn hand_over_otherwise<P: Parcel>(
        &mut self,
        id: ConnectionId,
        parcel: P,
    ) -> Result<Pressure, (SendRefusal, P)> {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) => {
                connection.stream.enqueue(id.0, parcel, &mut self.ledger)
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

// ── back-pressure ────────────────────────────────────────────────────────────────────────────

impl<App> Registry<App> {
    /// Has `act` called when what is queued for a connection has fallen to its
    /// [`outbox_low`](StreamLimits::outbox_low), however high it was, or when the connection has ended, which
    /// is an error. It is called exactly once, by the loop itself, and not before this call returns: at the
    /// latest in the next turn if the queue is that low already.
    ///
    /// Anybody may ask: a connection that feeds this one, a producer that is none. Each who asks is
    /// remembered until then, so one who has stopped sending should ask once.
    ///
    /// # Errors
    ///
    /// If it has ended already; `act` is dropped then.
    pub fn when_drained(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Self, &mut App, Result<(), Stale>) + 'static,
    ) -> Result<(), Stale> {
        match self.slots.find(id.0) {
            Found::Here(Source::Stream(connection)) if !connection.stream.is_closed() => {
                if connection.stream.has_fallen() {
                    self.deferred.push_back(told(act, Ok(())));
                } else {
                    connection.stream.watch();
                    let act = Box::new(move |result| told(act, result));
                    self.waiting.entry(id.0).or_default().push(act);
                }
            }
            // What its callback writes is part of its queue when it returns, and not before.
            Found::Running => {
                self.defer_call(move |registry, app| registry.look_again(id, act, app));
            }
            _ => return Err(Stale),
        }
        Ok(())
    }

    fn look_again(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Self, &mut App, Result<(), Stale>) + 'static,
        app: &mut App,
    ) {
        if self.is_connected(id) {
            let _ = self.when_drained(id, act);
        } else {
            told(act, Err(Stale))(self, app);
        }
    }

    /// Calls those who wait for the outbox of a connection: it has fallen, or the connection has ended.
    pub(crate) fn tell_waiting(&mut self, key: Key, result: Result<(), Stale>) {
        let Some(acts) = self.waiting.remove(&key) else { return };
        self.deferred.extend(acts.into_iter().map(|act| act(result)));
    }

    /// Whether more is queued for a connection than its [`outbox_high`](StreamLimits::outbox_high).
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls: ask its
    /// [`Transport`](crate::Transport) there.
    pub fn pressure(&self, id: ConnectionId) -> Result<Pressure, Stale> {
        self.stream(id).map(Stream::pressure)
    }

    /// Bytes queued for a connection because the system has not taken them yet.
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls: ask its
    /// [`Transport`](crate::Transport) there.
    pub fn queued_bytes(&self, id: ConnectionId) -> Result<usize, Stale> {
        self.stream(id).map(Stream::queued_bytes)
    }

    /// The limits of a connection, its marks among them.
    ///
    /// # Errors
    ///
    /// If it has ended, or is running the callback that calls: ask its
    /// [`Transport`](crate::Transport) there.
    pub fn limits(&self, id: ConnectionId) -> Result<&StreamLimits, Stale> {
        self.stream(id).map(Stream::limits)
    }

    fn stream(&self, id: ConnectionId) -> Result<&Stream, Stale> {
        match self.slots.get(id.0) {
            Some(Some(Source::Stream(connection))) if !connection.stream.is_closed() => {
                Ok(&connection.stream)
            }
            _ => Err(Stale),
        }
    }

    /// The pressure of the connection whose callback is running. Its queue is out of reach here. But no queue
    /// is longer than all of them together, and to wait a turn too often does no harm.
    pub(super) fn pressure_of_running(&self) -> Pressure {
        let in_sight = self.ledger.queued == 0 && !self.cork.is_large();
        if in_sight { Pressure::Low } else { Pressure::High }
    }
}

fn told<App>(
    act: impl FnOnce(&mut Registry<App>, &mut App, Result<(), Stale>) + 'static,
    result: Result<(), Stale>,
) -> Task<App> {
    Box::new(move |registry, app| {
        registry.run_callback(None, Callback::Task, |registry| act(registry, app, result));
    })
}

impl Stream {
    pub(super) fn pressure(&self) -> Pressure {
        if self.outbox.len() > self.limits.outbox_high { Pressure::High } else { Pressure::Low }
    }

    /// Remembers that somebody wants to know when the outbox has fallen.
    fn watch(&mut self) {
        if self.pending.mark == Mark::Low {
            self.pending.mark = Mark::Watched;
        }
    }

    fn has_fallen(&self) -> bool {
        self.outbox.len() <= self.limits.outbox_low
    }
}
