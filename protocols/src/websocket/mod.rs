//! WebSocket (RFC 6455), server and client, with compression (RFC 7692): messages both ways over one
//! connection, which began as HTTP.
//!
//! ```text
//!                       handshake/                wire/                    a program's
//!    ┌─────────┐   ┌──────────────────┐   ┌─────────────────────┐       ┌─────────────┐
//!    │ browser │──▶│ Doorway: a head  │   │ Session             │──────▶│ Handler     │
//!    │ ws, …   │   │ in, 101 out      │──▶│ Decoder: frames in, │       │ on_message  │
//!    └─────────┘   └──────────────────┘   │ messages out        │◀──────│ Socket::text│
//!    ┌─────────┐   ┌──────────────────┐   │ pings, deadlines,   │       └─────────────┘
//!    │ server  │◀──│ Dialing: a head  │──▶│ goodbyes            │
//!    │         │   │ out, 101 in      │   └──────────┬──────────┘
//!    └─────────┘   └──────────────────┘              │ one at a time
//!                                         Endpoint: buffer, compressor, decompressor
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`wire`] | frames, masks, messages, compression, close codes: pure |
//! | [`handshake`] | heads in, heads out, and what they agree on: pure |
//! | `limits`, `options` | every bound with its reason; what a program decides |
//! | `handler` | what a program is asked and told |
//! | `endpoint` | what all WebSockets of a loop share |
//! | `link`, `socket` | how one stands, and what is written; the same as its handler sees it |
//! | `session` | one connection, from its handshake on |
//! | `server`, `client` | the calls that open them, and their handshakes |
//! | `carrier` | under another protocol of this crate: messages for pieces of its stream |
//! | `upgrade` | the same on a web server's port (with the feature `http`) |

#[cfg(feature = "chat")]
pub(crate) mod carrier;
mod client;
mod endpoint;
mod handler;
pub mod handshake;
mod limits;
mod link;
mod options;
mod server;
mod session;
mod socket;
#[cfg(feature = "http")]
mod upgrade;
pub mod wire;

pub use client::{ConnectError, Target, connect};
pub use endpoint::{Counters, Endpoint};
pub use handler::{Closed, Ending, Handler};
pub use handshake::{Agreed, Refusal, Request};
pub use limits::Limits;
pub use options::{DeflateOptions, Options, Origins};
pub use server::listen;
#[cfg(feature = "chat")]
pub(crate) use server::listen_for;
pub use session::Session;
pub use socket::Socket;
#[cfg(feature = "http")]
pub use upgrade::upgrade;
#[cfg(all(feature = "chat", feature = "http"))]
pub(crate) use upgrade::upgrade_to;
pub use wire::{CloseCode, Frame, Message, Violation};

/// Which side of a WebSocket: a client masks what it sends, a server does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever was connected to.
    Server,
    /// Whoever connected.
    Client,
}

impl Role {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}
