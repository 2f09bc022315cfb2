//! What is said, as bytes and as values: pure, for both sides.
//!
//! | file | what it is |
//! |---|---|
//! | [`message`], `builder` | a line: parsed from any bytes, and written |
//! | [`casemap`], [`mask`] | names, how they are spelt, when two are the same, what fits a pattern |
//! | [`numeric`], [`capability`], [`timestamp`] | the words of the protocol |
//! | `node` | what the servers of a network call each other |
//! | `text` | values that are strings in JSON |
//! | `framing` | how lines go out, on a stream and on a WebSocket |

pub(super) mod builder;
pub mod capability;
pub mod casemap;
pub(super) mod framing;
pub mod mask;
pub mod message;
pub(super) mod node;
pub mod numeric;
pub(super) mod text;
pub mod timestamp;
