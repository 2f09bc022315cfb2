//! JSON-RPC 2.0: calls, notifications and subscriptions over TCP, Unix sockets and whatever else is a
//! stream, over WebSocket and by HTTP, and notifications over UDP. Whoever is connected may call and be called:
//! one connection can be client and server at once, as language servers have it.
//!
//! ```text
//!     a program's Remote, or Client                            a program's Service
//!   ┌───────────────────────────────┐                        ┌──────────────────────────┐
//!   │ call("sum", [1, 2]) ──────────┼── {"method":"sum",…} ─▶│ Method ─▶ at once         │
//!   │   id 7, with a deadline       │                        │        └▶ Ticket: later   │
//!   │ done(Ok(3)) ◀─────────────────┼── {"result":3,"id":7} ─│                          │
//!   │                               │                        │ Topic ─▶ every subscriber │
//!   │ Service: its own methods ◀────┼── {"method":"tick"} ───│                          │
//!   └───────────────────────────────┘                        └──────────────────────────┘
//!         Conversation  ◀══ a stream, a WebSocket, or one POST ══▶  Conversation
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`wire`] | texts, messages, errors, framings: pure |
//! | `limits` | every bound, its default, and the reason for it |
//! | `failure`, `event` | how a call can fail; what a log hears of |
//! | `service`, `openrpc` | what a program offers: its methods, topics and hooks; its description of itself |
//! | `server` | the calls that open its sockets; tickets, topics |
//! | `conversation` | what is said, whatever carries it: what comes is answered, what was asked is told |
//! | `answering`, `asking` | calls of the other side that wait, and the batches they are in; calls of this side |
//! | `remote`, `dial` | the other side, as the program reaches it; how a connection to it is made again |
//! | `channel` | what carries a conversation: `peer`, a stream; `web`, a WebSocket or an exchange of HTTP |
//! | `place`, `reach` | where a conversation is, and how it is found again |
//! | `client` | a connection that is made, and made again |
//! | `posts` | calls that are posted: a text a request of HTTP |
//!
//! What the specification leaves open is decided in [`wire`] (ids, duplicate members, null parameters) and
//! here:
//!
//! - Two calls that carry the same id at the same time are both answered; `$/cancelRequest` cancels both.
//! - Answers come in the order in which they are ready, not in that of the calls.
//! - Numbers that the parameter's type cannot hold are [`Error::INVALID_PARAMS`], never rounded.
//! - A method gets its parameters by name or by position, whichever the caller likes: see
//!   [`Service::method`].
//! - A notification is never answered, also if it fails; the hook of [`Service::on_event`] hears of it.
//!
//! ```
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use protocols::rpc::{self, Client, ClientOptions, Service, ServerOptions};
//! use reactor::Reactor;
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Subtract {
//!     minuend: i64,
//!     subtrahend: i64,
//! }
//!
//! let mut reactor = Reactor::<Vec<i64>>::new()?;
//! let registry = reactor.registry();
//! let mut service = Service::new("sums", "1.0.0");
//! service.method("subtract", "The difference", |_call, of: Subtract| Ok(of.minuend - of.subtrahend));
//! let listener =
//!     rpc::listen(registry, "127.0.0.1:0".parse()?, &ServerOptions::default(), Rc::new(service))?;
//!
//! let address = registry.listener_address(listener)?;
//! let nothing = Rc::new(Service::new("a client", "1.0.0"));
//! let client = Client::start(registry, ClientOptions::new(address), nothing);
//! let patience = Duration::from_secs(5);
//! client.remote().call(registry, "subtract", &[42, 23], patience, |registry, results, result| {
//!     results.push(result.expect("it can be subtracted"));
//!     registry.shutdown(Duration::from_secs(1));
//! })?;
//! let mut results = Vec::new();
//! reactor.run(&mut results)?;
//! assert_eq!(results, [19]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answering;
mod asking;
mod channel;
mod client;
mod conversation;
mod dial;
mod event;
mod failure;
mod limits;
mod openrpc;
mod peer;
mod place;
#[cfg(feature = "rpc-web")]
mod posts;
mod reach;
mod remote;
mod server;
mod service;
#[cfg(feature = "rpc-web")]
mod web;
pub mod wire;

pub use client::{Carrier, Client, ClientOptions, Lost};
pub use event::Event;
pub use failure::{CallError, Gone};
pub use limits::Limits;
pub use peer::Peer;
pub use remote::{Batch, CallId, Remote};
pub use server::{ServerOptions, Ticket, Topic, bind, listen, listen_among, notification, session};
#[cfg(feature = "rpc-web")]
pub use server::{Web, listen_http, listen_http_among, site};
pub use service::{Call, Counters, NoParams, Service};
pub use wire::{Dialect, Error, Framing};
