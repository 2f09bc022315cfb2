//! What a program that talks to chat servers is asked and told.

use reactor::Registry;

use super::{Client, Event, Failure};
use crate::chat::Message;

/// Names a client, as the program likes to: it outlives the connections it has one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// A program that talks to chat servers: where it keeps its clients, and what it is told of them.
pub trait Caller: Sized + 'static {
    /// The client with this id; `None` if the program has given it up, which ends its connection.
    fn client(&mut self, id: ClientId) -> Option<&mut Client>;

    /// Something has happened. What the client knows of it, it knows already.
    fn on_event(&mut self, registry: &mut Registry<Self>, id: ClientId, event: Event);

    /// A message has come, as it is; what it means, if it means anything, comes right after it.
    fn on_message(&mut self, registry: &mut Registry<Self>, id: ClientId, message: &Message<'_>) {
        let _ = (registry, id, message);
    }

    /// The conversation is over for good: well, if this side ended it.
    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        id: ClientId,
        outcome: Result<(), Failure>,
    );
}
