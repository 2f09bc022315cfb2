//! What happens, as a log hears of it.

use reactor::{Address, ConnectionId};

use super::wire::Broken;
use super::{CallError, Error};

/// What a [`Service::on_event`](super::Service::on_event) hook sees.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection is open.
    Opened {
        /// Which.
        id: ConnectionId,
        /// With whom.
        peer: &'a Address,
    },
    /// A connection has ended; one that did not read its subscriptions, say.
    Closed {
        /// Which.
        id: ConnectionId,
        /// With whom, or with whom it was to be.
        peer: &'a Address,
        /// Why, as a sentence.
        why: &'a str,
        /// Whether it ended as it should.
        is_clean: bool,
    },
    /// A connection that this side makes could not be begun.
    Unreachable {
        /// Why, as a sentence.
        why: &'a str,
    },
    /// A call, or a notification, has been answered, or has failed.
    Called {
        /// By whom; `None`: by a datagram.
        id: Option<ConnectionId>,
        /// The method's name, known or not.
        method: &'a str,
        /// Why it failed, if it did.
        error: Option<&'a Error>,
    },
    /// A text was no message, or not within the limits; this is what its sender was told.
    Invalid {
        /// Who sent it.
        id: ConnectionId,
        /// What it was told.
        error: &'a Error,
    },
    /// What comes on a connection cannot be cut into texts; it is closed.
    Broken {
        /// Which.
        id: ConnectionId,
        /// Why.
        why: Broken,
    },
    /// An answer came that nobody waits for.
    Stray {
        /// From whom.
        id: ConnectionId,
        /// The answer's id, as it came.
        answer: &'a str,
    },
    /// The other side complains of something that was sent to it, and does not say of what.
    Complaint {
        /// Who.
        id: ConnectionId,
        /// What it says.
        error: &'a Error,
    },
    /// A client has subscribed anew after it was connected again, and was refused.
    NotResubscribed {
        /// The method it subscribes with.
        method: &'a str,
        /// Why.
        error: &'a CallError,
    },
}
