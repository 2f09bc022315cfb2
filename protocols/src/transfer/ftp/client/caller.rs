//! What a program that talks to FTP servers is asked and told.

use reactor::{ConnectionId, Registry};

use super::{Client, Done, Failure};

/// A program that talks to FTP servers: where it keeps its clients, and what it is told of them.
pub trait Caller: Sized + 'static {
    /// The client with this id; `None` if the program has given it up, which ends its connection.
    fn client(&mut self, id: ConnectionId) -> Option<&mut Client>;

    /// The client is logged in: it may be given its first operation.
    fn on_ready(&mut self, registry: &mut Registry<Self>, id: ConnectionId);

    /// So many bytes of the operation's file have come or gone.
    fn on_progress(&mut self, registry: &mut Registry<Self>, id: ConnectionId, moved: u64) {
        let _ = (registry, id, moved);
    }

    /// The operation is done, or has failed. If the conversation goes on, the client may be given
    /// another.
    fn on_done(
        &mut self,
        registry: &mut Registry<Self>,
        id: ConnectionId,
        outcome: Result<Done, Failure>,
    );

    /// The conversation is over: well, if this side ended it.
    fn on_finish(
        &mut self,
        registry: &mut Registry<Self>,
        id: ConnectionId,
        outcome: Result<(), Failure>,
    );
}
