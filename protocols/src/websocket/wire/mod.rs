//! Bytes in, messages out, and back: no socket, no loop, no clock.
//!
//! | file | what it is |
//! |---|---|
//! | `mask` | what a client does to its bytes |
//! | `frame` | a header, read and written; a frame that is shared |
//! | `close` | codes and reasons |
//! | `violation` | what a peer can do wrong |
//! | `deflate` | compressed messages |
//! | `message`, `assembly` | what frames amount to; what of it has come |
//! | `decoder` | messages out of a stream |

mod assembly;
pub(super) mod close;
mod decoder;
mod deflate;
mod frame;
mod mask;
mod message;
mod violation;

pub use close::CloseCode;
pub use decoder::{Decoder, Rules, Scratch};
pub use deflate::{Context, Deflater, Inflater};
pub(super) use frame::SHORT;
pub use frame::{EncodedHeader, Frame, Header, Opcode, encode};
pub use mask::Mask;
pub(super) use mask::Room;
pub use message::{Event, Message};
pub use violation::Violation;
