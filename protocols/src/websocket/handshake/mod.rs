//! The opening handshake (RFC 6455, 4), both sides of it: heads in, heads out, and what they agree on.
//!
//! ```text
//!   client                                                     server
//!     │  GET /chat HTTP/1.1, Sec-WebSocket-Key, …                 │
//!   Call ──────────────────────────────────────────────▶ Request, accept ──▶ Refusal
//!     │                                                           │
//!   Call::check ◀───────────────────────────────────────────── Acceptance
//!     │  HTTP/1.1 101, Sec-WebSocket-Accept, …                    │
//!     ▼                                                           ▼
//!   Agreed: a subprotocol, how messages are compressed          Agreed
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `key` | what proves that the other side speaks WebSocket |
//! | `fields` | a head's fields, and the lists in them |
//! | `deflate` | what both sides agree on about compression (RFC 7692) |
//! | `request`, `refusal` | the server's side |
//! | `call` | the client's side |

mod call;
mod deflate;
mod fields;
mod key;
mod refusal;
mod request;

pub use call::{Call, Unanswered, Unwritable};
pub use deflate::Agreement;
pub use fields::Fields;
pub use key::accept_key;
pub use refusal::Refusal;
pub use request::{Acceptance, Request, accept};

use super::Role;

/// What a handshake has agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The subprotocol, if there is one.
    pub subprotocol: Option<String>,
    /// How messages are compressed, if they are.
    pub deflate: Option<Agreement>,
}
