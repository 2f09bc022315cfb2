//! An answer whose body is written bit by bit.

use bytes::{Buf, Bytes};
use reactor::Transport;

use super::session::{Manner, Writing};
use super::{Exchange, Session};
use crate::http::outgoing::{Framing, TURN, has_room};

/// Writes the body of an answer whenever there is room for more.
pub trait Source<App>: 'static {
    /// There is room: [`write`](Exchange::write) until [`has_room`](Exchange::has_room) says otherwise, or
    /// nothing is left; then [`finish`](Exchange::finish). It is called again when there is room after there
    /// was none, and in the next turn of the loop if it has written as much as one call may (256 KiB): however fast the
    /// client reads, others have their turns. A body whose promised length has been written is finished by itself.
    ///
    /// ```
    /// use protocols::http::server::{Exchange, Source};
    ///
    /// /// Counts, a line each.
    /// struct Count {
    ///     next: u64,
    ///     last: u64,
    /// }
    ///
    /// impl<App: 'static> Source<App> for Count {
    ///     fn on_room(&mut self, exchange: &mut Exchange<'_, '_, App>, _: &mut App) {
    ///         while exchange.has_room() {
    ///             if self.next > self.last {
    ///                 return exchange.finish();
    ///             }
    ///             exchange.write(format!("{}\n", self.next).as_bytes());
    ///             self.next += 1;
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// What comes from elsewhere later is written [by the exchange's id](super::with).
    fn on_room(&mut self, exchange: &mut Exchange<'_, '_, App>, app: &mut App);
}

/// A body that is being written.
pub(super) struct Flow<App> {
    pub(super) manner: Manner,
    pub(super) framing: Framing,
    pub(super) stage: Stage,
    /// Files that are on their way.
    pub(super) files: u32,
    source: Option<Box<dyn Source<App>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// More will be written.
    Open,
    /// More may be written, and whatever has been is all that there need be: a stream of events.
    Endless,
    /// All of it has been written.
    Finished,
}

impl<App> Flow<App> {
    pub(super) fn new(
        manner: Manner,
        framing: Framing,
        source: Option<Box<dyn Source<App>>>,
    ) -> Self {
        Self { manner, framing, stage: Stage::Open, files: 0, source }
    }

    /// Whether more may be written.
    pub(super) fn is_open(&self) -> bool {
        self.stage != Stage::Finished
    }

    /// How it was to be answered, when all of it has left.
    pub(super) fn is_done(&self) -> Option<Manner> {
        (self.stage == Stage::Finished && self.files == 0).then_some(self.manner)
    }
}

impl<App> Session<App> {
    /// Whether more may be written. A file that is on its way is not in memory, so that any number would be begun.
    pub(super) fn has_room(&self, transport: &Transport<'_, App>) -> bool {
        let has_file = matches!(&self.writing, Writing::Flowing(flow) if flow.files > 0);
        !has_file && has_room(transport)
    }
}

impl<App: 'static> Session<App> {
    /// Has the source write, if there is one, and room.
    pub(super) fn fill(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let number = self.number;
        if !self.has_room(transport) {
            return;
        }
        let Writing::Flowing(flow) = &mut self.writing else {
            return;
        };
        let Some(mut source) = flow.source.take() else {
            return;
        };
        let mut exchange = Exchange { room: TURN, ..Exchange::new(self, transport) };
        source.on_room(&mut exchange, app);
        let has_more = !exchange.has_room();
        if let (true, Writing::Flowing(flow)) = (self.number == number, &mut self.writing)
            && flow.stage == Stage::Open
        {
            flow.source.get_or_insert(source);
            if flow.framing == Framing::Length(0) {
                flow.stage = Stage::Finished;
            } else if has_more {
                self.fill_later(transport);
            }
        }
    }

    /// What was written may all leave when this callback returns, and then nothing is heard of it: whether
    /// there is room is looked at again behind it.
    pub(super) fn fill_later(&mut self, transport: &mut Transport<'_, App>) {
        let (id, number) = (transport.id(), self.number);
        let told = transport.registry().with(id, move |session: &mut Self, transport, app| {
            if session.is_at(number) {
                session.fill(transport, app);
                session.go_on(transport);
            }
        });
        debug_assert!(told.is_ok(), "it is being called");
    }
}

/// Bytes that are too many to be queued at once.
pub(super) struct Slices(pub(super) Bytes);

impl Slices {
    const PIECE: usize = 128 * 1024;
}

impl<App: 'static> Source<App> for Slices {
    fn on_room(&mut self, exchange: &mut Exchange<'_, '_, App>, _: &mut App) {
        while exchange.has_room() && self.0.has_remaining() {
            let piece = self.0.split_to(self.0.len().min(Self::PIECE));
            exchange.send(piece);
        }
        if !self.0.has_remaining() {
            exchange.finish();
        }
    }
}
