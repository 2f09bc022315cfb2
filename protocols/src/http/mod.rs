//! HTTP/1.1 (RFC 9110, 9112): a server with routes and files, a client, and a reverse proxy of the two.
//!
//! ```text
//!        bytes ──▶ wire ──▶ values                    nothing here knows a socket or a clock
//!                   ▲
//!        ┌──────────┴───────────┐
//!  ┌───────────┐          ┌───────────┐
//!  │  server   │ ◀──TCP── │  client   │              one connection each, request after request
//!  │  Session  │ ──────▶  │ Connection│
//!  └─────┬─────┘          └─────┬─────┘
//!     Exchange               Exchange                 one request, and its answer
//!        │
//!  handlers: Router, Files, yours
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | heads, framing, chunks, conditions, ranges: pure |
//! | [`server`] | connections, exchanges, routes, files |
//! | [`client`] | requests over connections that are kept |
//! | [`proxy`] | a request of the one becomes a request of the other |
//!
//! Heads are read where they stand in the input, those that are unlike most by `httparse`; nothing is copied unless it is asked for.
//! Where the types of the crate `http` are expected they are used: [`http::StatusCode`], and
//! [`HeaderMap`](http::HeaderMap) by [`Fields::to_map`](wire::Fields::to_map).

pub mod client;
mod limits;
mod outgoing;
pub mod proxy;
pub mod server;
pub mod wire;

pub use limits::{BodyLimits, HeadLimits, InflateLimits, ProxyLimits, ServerLimits};
