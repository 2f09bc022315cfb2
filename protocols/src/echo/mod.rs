//! Echo (RFC 862): whatever arrives goes back to where it came from, over TCP, UDP, Unix streams and
//! Unix datagrams. Server and client, and the template that other protocols follow.
//!
//! ```text
//!        a program's Client                                     a program's Server
//!      ┌────────────────────┐   send("hello")                 ┌────────────────────┐
//!      │ Exchange           │ ────────── stream ───────────▶  │ Session            │──▶ counters
//!      │ what was sent and  │                                 │ writes it back     │
//!      │ has yet to return  │ ◀────────── "hello" ──────────  │                    │
//!      │                    │   Event::Reply                  ├────────────────────┤
//!      │                    │ ──────── datagrams ──────────▶  │ Responder          │──▶ counters
//!      │                    │ ◀──── the same, or nothing ───  │ sends it back      │
//!      └────────────────────┘                                 └────────┬───────────┘
//!                                                       not everybody: Refusal, Budget
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `wire` | what was sent and has yet to come back, byte for byte: pure |
//! | `server` | the state of a server, its bounds, and the calls that open its sockets |
//! | `server/session` | its side of a stream, and of a datagram socket |
//! | `server/refusal` | which datagrams are not answered: the decision, pure |
//! | `client` | one conversation with a server, its bounds, and what a program is told of it |
//! | `client/socket` | its side of a stream, and of a datagram socket |
//!
//! There is nothing to parse: bytes are bytes. RFC 862 says nothing of forged sources, of peers that send
//! without reading, and of those that never end; see [`Refusal`], [`Session`] and the loop's own
//! [`reactor::StreamLimits`].

mod client;
mod server;
mod wire;

pub use client::{Caller, Client, ClientId, ClientOptions, Event, Failure, NotSent, Outcome};
pub use server::{Counters, Limits, Refusal, Server, Session, bind, listen};
pub use wire::{Exchange, Mismatch, Sent};
