//! What a program is told of its connection.

use reactor::Address;

use super::ConnectionError;
use crate::nats::wire::{ServerError, ServerInfo};

/// What a program is told of its connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A server has let this client in. What was subscribed to is subscribed to, and what waited is sent.
    Connected {
        /// Which one.
        server: &'a Address,
        /// What it says of itself.
        info: &'a ServerInfo,
        /// Whether there was a connection before.
        again: bool,
    },
    /// A server could not be connected to. Another one is tried, or the same again, unless
    /// [`Closed`](Self::Closed) follows.
    ConnectFailed {
        /// Which one; none if there is none left to try.
        server: Option<&'a Address>,
        /// Why not.
        error: &'a ConnectionError,
    },
    /// The connection is lost. What was published on it and has not arrived is lost too: NATS delivers at most once.
    Disconnected {
        /// The server.
        server: &'a Address,
        /// Why.
        error: &'a ConnectionError,
        /// Bytes that had not even left.
        unsent: u64,
    },
    /// The server complains. Most often it hangs up behind that; a
    /// [`PermissionsViolation`](ServerError::PermissionsViolation) is told here and nowhere else.
    Complaint(&'a ServerError),
    /// The server is about to stop, and will hang up ("lame duck mode").
    LameDuck {
        /// The server.
        server: &'a Address,
    },
    /// So many messages that were kept while there was no connection are not sent: they made room for newer ones
    /// ([`WhenAway::DropOldest`](super::WhenAway::DropOldest)), or are longer than this server takes.
    Dropped {
        /// How many.
        messages: u64,
    },
    /// The loop is [shutting down](reactor::Registry::shutdown), and the client ends behind this: what is published
    /// now still leaves. One that is not connected at that moment is not told, since nothing of it could leave.
    ShuttingDown,
    /// Something was refused with [`PublishError::Full`](super::PublishError::Full), and would not be now.
    Drained,
    /// Somebody has published a message whose subject is not UTF-8. Nobody was given it.
    Unreadable,
    /// The client has ended. Nothing comes after this.
    Closed {
        /// Why; none if this side has closed it.
        error: Option<&'a ConnectionError>,
    },
}
