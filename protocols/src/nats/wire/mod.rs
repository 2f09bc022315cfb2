//! What NATS says on a connection: pure, bytes in and values out.
//!
//! | file | what it is |
//! |---|---|
//! | `op` | the twelve verbs, and how they are written |
//! | `decoder` | verbs out of a stream, however it is cut |
//! | `headers` | the headers of a message, read where they lie and written |
//! | [`subject`] | names of what is published, and patterns of what is subscribed to |
//! | `info` | the JSON of `INFO` and of `CONNECT` |
//! | `complaint` | what a server complains of with `-ERR` |
//!
//! ```text
//!   server ─▶ client   INFO {…}              MSG subject sid [reply] size        PING  PONG  +OK  -ERR '…'
//!                                            HMSG subject sid [reply] head size
//!   client ─▶ server   CONNECT {…}           PUB subject [reply] size            PING  PONG
//!                      SUB subject [queue] sid    HPUB subject [reply] head size
//!                      UNSUB sid [max]
//! ```
//!
//! A line ends with CRLF, and words in it are apart by blanks. Behind `PUB`, `HPUB`, `MSG` and `HMSG` there are
//! as many bytes as the last word says, and CRLF; of those with an `H` the first `head` bytes are headers.

mod complaint;
mod decoder;
mod headers;
mod info;
mod op;
pub mod subject;

pub use complaint::{Denied, ServerError};
pub use decoder::{Bounds, Decoder, Malformed};
pub use headers::{HeaderMap, Headers, InvalidHeader, Status};
pub use info::{Connect, ServerInfo};
pub(super) use op::digits;
pub use op::{Delivery, Op, Publication};
