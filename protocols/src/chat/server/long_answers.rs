//! Long answers, and those that take long to find: they are given in pieces, one piece a turn of the loop whoever it is
//! for, so that many who ask for much hold nobody else up; and each piece counts as a command, so that nobody asks for
//! much all the time.
//!
//! ```text
//!   WHO ──▶ the end of the queue ──a turn each──▶ has the asker read what it was told? ──▶ a piece ──▶ the end of the answer
//!                     ▲                                   └─ when it has ─┐                  │ more
//!                     └───────────────────────────────────────────────────┴──────────────────┘
//! ```
//!
//! Meanwhile the asker's next lines wait, so that answers come in order; what others say comes between the pieces.

use reactor::ConnectionId;

use super::Server;
use super::channels::Channel;
use super::context::Context;
use super::keys::ChannelKey;

/// Bytes of a piece.
pub(super) const PIECE: u32 = 32 * 1024;
/// What looking at a user or a channel counts as, in bytes of an answer, whether it is in it or not.
const LOOK: usize = 16;

impl Context<'_> {
    /// Answers when those who asked for much before have been given a piece each.
    pub(super) fn answer_in_turn(&mut self, answer: impl FnOnce(&mut Context<'_>) + 'static) {
        let Some(connection) = self.user().connection else { return };
        self.wait(move |ctx, _| answer(ctx));
        if self.server.queue_answer(connection) {
            self.network.answer_next();
        }
    }

    /// Tells each of many things; then, that this is all.
    ///
    /// An answer with a label is one piece: it is told when it is whole, and what was true at its beginning might not be
    /// any more.
    pub(super) fn tell_at_length<Item>(
        &mut self,
        mut items: std::vec::IntoIter<Item>,
        tell: impl Fn(&mut Context<'_>, Item) + 'static,
        end: impl FnOnce(&mut Context<'_>) + 'static,
    ) where
        Item: 'static,
    {
        let full = self.user().answered.saturating_add(PIECE);
        for item in items.by_ref() {
            tell(self, item);
            if self.user().answered >= full {
                return self.answer_in_turn(move |ctx| ctx.tell_at_length(items, tell, end));
            }
        }
        end(self);
    }

    /// Bytes that an answer by [`tell_at_length`](Self::tell_at_length) may have: as many as there are if it goes in pieces
    /// that are small beside the send queue.
    pub(super) fn room_for_answer(&self) -> usize {
        let most = self.server.longest_answer();
        let is_in_pieces = !self.has_label() && most >= 4 * PIECE as usize;
        if is_in_pieces { usize::MAX } else { most }
    }

    /// A channel of which the answer tells, unless it has gone, or become secret, since that began.
    pub(super) fn still_visible(&self, channel: ChannelKey) -> Option<&Channel> {
        self.server.channels.get(channel).filter(|channel| channel.is_visible_to(self.me))
    }

    /// So many users or channels are looked at.
    pub(super) fn looks_at(&mut self, count: usize) {
        self.user_mut().charge(count * LOOK);
    }
}

impl Server {
    /// Lets an answer that waits be given after the others; whether there were none.
    pub(super) fn queue_answer(&mut self, connection: ConnectionId) -> bool {
        self.answers.push_back(connection);
        self.answers.len() == 1
    }

    /// Whose answer is to go on, and whether there are others then.
    pub(super) fn next_answer(&mut self) -> Option<(ConnectionId, bool)> {
        let connection = self.answers.pop_front()?;
        Some((connection, !self.answers.is_empty()))
    }
}
