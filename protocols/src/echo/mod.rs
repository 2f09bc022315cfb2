//! Echo (RFC 862): whatever arrives goes back to where it came from, over TCP, UDP, Unix streams and
//! Unix datagrams. Server and client, and the template that other protocols follow.
//!
//! ```text
//!        a program's Client                                     a program's Server
//!      ┌────────────────────┐   send("hello")                 ┌────────────────────┐
//!      │ Exchange           │ ────────── stream ───────────▶  │ Session            │──▶ counters
//!      │ what was sent and  │                                 │ writes it back     │
//!      │ has yet to return  │ ◀────────── "hello" ──────────  │                    │
//!      │                    │   on_reply                      ├────────────────────┤
//!      │                    │ ──────── datagrams ──────────▶  │ Responder          │──▶ counters
//!      │                    │ ◀──── the same, or nothing ───  │ sends it back      │
//!      └────────────────────┘                                 └────────┬───────────┘
//!                                                       not everybody: Refusal, Budget
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `refusal` | which datagrams are not answered: the decision, pure |
//! | `exchange` | what was sent and has yet to come back, byte for byte: pure |
//! | `limits` | every bound, its default, and the reason for it |
//! | `session` | the server's side of one stream |
//! | `datagram` | the server's side of a datagram socket |
//! | `server` | what they share, and the calls that open them |
//! | `caller` | what a program that talks to servers is asked and told |
//! | `client` | the other side: one conversation |
//! | `socket` | the client's side of one socket |
//! | `failure` | how a conversation can fail |
//!
//! RFC 862 is a page long: TCP data is sent back until the calling side ends the connection, and a
//! datagram is answered with one that has the same data. It says nothing of forged sources, of
//! peers that send without reading, and of those that never end; see [`Refusal`], [`Session`] and the
//! loop's own [`reactor::StreamLimits`].

mod caller;
mod client;
mod datagram;
mod exchange;
mod failure;
mod limits;
mod refusal;
mod server;
mod session;
mod socket;

pub use caller::{Caller, ClientId};
pub use client::{Client, ClientOptions, Clock};
pub use datagram::Responder;
pub use exchange::{Exchange, Lost, Mismatch, Reply};
pub use failure::{Failure, NotSent};
pub use limits::{ClientLimits, Limits};
pub use refusal::Refusal;
pub use server::{Counters, Server, bind, listen};
pub use session::Session;
