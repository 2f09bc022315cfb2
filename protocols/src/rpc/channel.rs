//! What carries a conversation.

use reactor::{ConnectionId, Registry};

use super::place::Place;

/// What a conversation does with what carries it.
pub(super) trait Channel<App> {
    /// How it is found again.
    fn place(&self) -> Place;

    /// Everything that is registered with the loop.
    fn registry(&mut self) -> &mut Registry<App>;

    /// Sends a text. The buffer is the channel's for the time of the call.
    fn say(&mut self, text: &mut Vec<u8>);

    /// Ends it, behind what was said.
    fn close(&mut self);

    /// Goes on reading, if that was held up.
    fn resume(&mut self);

    /// The connection.
    fn id(&self) -> ConnectionId {
        self.place().connection()
    }

    /// How a connection of this kind is ended from elsewhere.
    fn hanging_up(&self) -> HangUp<App>;
}

/// Ends a connection, behind what was said.
pub(super) type HangUp<App> = fn(&mut Registry<App>, ConnectionId);
