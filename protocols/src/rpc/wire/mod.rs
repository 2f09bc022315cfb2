//! What is on the wire, and nothing else: no socket, no loop, no clock.
//!
//! ```text
//!   bytes ──Framer──▶ one text ──read──▶ Message, or a batch of them ──▶ peer
//!   bytes ◀──Encoding::frame── one text ◀──write── Reply, Error, call ◀── peer
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `scan` | where values begin and end, and how deep they are nested: none is built |
//! | `framer` | one text after another out of a stream of bytes |
//! | `message` | a text as a request, a notification, a response, or a batch of these |
//! | `error` | the error object, and every code this library gives |
//! | `write` | the same, the other way |

mod error;
mod framer;
mod message;
mod scan;
mod write;

pub use error::Error;
pub use framer::{Broken, Frame, Framer, Framing};
pub(super) use message::as_text;
pub use message::{Dialect, Message, Text, read};
#[cfg(feature = "rpc-web")]
pub(super) use write::Envelope;
pub(super) use write::{Bounded, Encoding, Reply, end_line};
