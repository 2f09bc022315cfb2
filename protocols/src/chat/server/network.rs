//! What the server needs of a loop: a seam as narrow as a test can fill.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reactor::ConnectionId;

use super::accounts::{Accounts, NotSaved};
use super::work::Work;

/// The loop, as the server sees it.
///
/// Behind a `dyn`, so that the whole of the server is compiled once and not for each application.
pub(super) trait Network {
    /// Queues a line for a connection. If it is gone or full nobody needs to be told here: its
    /// `on_close` comes, and tells the others why.
    fn send(&mut self, to: ConnectionId, line: Bytes);
    /// Queues a line for many connections.
    fn send_all(&mut self, to: &[ConnectionId], line: &Bytes);
    /// Closes a connection when what is queued has left.
    fn close(&mut self, connection: ConnectionId);
    /// Has the user of a connection work done that it waits for; a hash of so many KiB when it is its turn.
    fn offload(&mut self, connection: ConnectionId, kib: Option<u32>, work: Work);
    /// Has the accounts saved. A user may wait for it.
    fn save(&mut self, accounts: &mut Accounts, waiting: Option<Saver>);
    /// Asks a user after this time whether its nickname is its own.
    fn guard_nick(&mut self, connection: ConnectionId, grace: Duration);
    /// There is something for the other nodes of the network: has that called which takes it, when nothing is on the
    /// stack.
    fn tell_news(&mut self);
    /// Counts a connection as behind, until it has taken nearly all that is queued for it, or is gone.
    fn wait_for(&mut self, reader: ConnectionId, behind: &Rc<Cell<usize>>);
    /// Has the next long answer go on when nothing is on the stack.
    fn answer_next(&mut self);
    /// Has users of lost nodes who have yet to quit go on doing so after this time.
    fn go_on_leaving(&mut self, after: Duration);
    /// The time this turn began.
    fn now(&self) -> Instant;
    /// The time of day.
    fn wall_clock(&self) -> SystemTime;
    /// Bits that nobody can guess.
    fn random(&mut self) -> u64;
    /// What the loop tells of itself.
    fn statistics(&self) -> String;
}

/// Who waits until accounts are saved, and where what came of it is left.
pub(super) struct Saver {
    pub(super) connection: ConnectionId,
    pub(super) result: Rc<Cell<Result<(), NotSaved>>>,
}
