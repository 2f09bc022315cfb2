//! HTTP/1.1 as bytes (RFC 9112): heads, framing, bodies. Pure: no socket, no loop, no clock.
//!
//! ```text
//!  GET /a?b HTTP/1.1 CRLF          request line │ status line
//!  Host: example.org CRLF          fields
//!  Content-Length: 5 CRLF
//!  CRLF                            ───────────── head: parsed in place, nothing is copied
//!  hello                           ───────────── body: a length, chunks, or up to the end
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `fields` | the fields of a head, where they stand |
//! | `request`, `response` | heads, and what they mean for the connection |
//! | `usual` | a request's head as nearly all are, read and understood in one look |
//! | `classes` | bytes of tokens, hosts, paths: how far they go |
//! | `host` | who is asked |
//! | `framing` | where a body ends: RFC 9112, 6.3, for both roles |
//! | `body` | a body as it comes in |
//! | `chunks` | the chunked coding, both ways |
//! | `target` | what a request asks for: a path, a query, percent-decoded once |
//! | `refusal` | why a message is not taken, and what that is answered with |
//! | `write` | heads as they go out |
//! | `conditions` | If-Match and its siblings, in RFC 9110's order |
//! | `date` | a time, both ways |
//! | `range` | parts of a file |
//! | `coding` | which codings a client takes |
//! | `gzip` | that coding, both ways |
//! | `media` | what a file is, by its name |

mod body;
mod chunks;
mod classes;
mod coding;
mod conditions;
mod date;
mod fields;
mod framing;
mod gzip;
mod host;
mod media;
mod range;
mod refusal;
mod request;
mod response;
mod target;
mod usual;
mod write;

pub use body::{Body, Piece};
pub use chunks::{Chunks, write_chunk, write_last_chunk};
pub use coding::{Coding, accepts};
pub use conditions::{Conditions, ETag, Validators, Verdict};
pub use fields::{Fields, Slots};
pub use framing::Framing;
pub use gzip::{Gunzip, NotInflated, gzip};
pub use media::{is_compressible, media_type};
pub use range::{Asked, RangeAnswer, content_range, ranges, resolve};
pub use refusal::Refusal;
pub use request::{Meaning, Request, parse_request};
pub use response::{Response, parse_response};
pub use target::{NotDecoded, Target, decode_path, encode_path};
pub use write::{Length, write_field, write_status};

pub(crate) use chunks::write_chunk_size;
pub(in crate::http) use classes::is_token;
pub(in crate::http) use date::format_date;
pub(in crate::http) use fields::Field;
#[cfg(feature = "rpc-web")]
pub(crate) use fields::is_name;
pub(in crate::http) use request::as_known_version;
pub(crate) use response::has_no_body;
pub(in crate::http) use write::write_length;
