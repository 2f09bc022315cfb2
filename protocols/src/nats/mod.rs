//! NATS: a client of its servers. What is published under a subject comes to all who have subscribed to it, at most once;
//! a request is answered by one of them; and JetStream's key-value store keeps what is to last.
//!
//! ```text
//!    publish ──┐                                            ┌──▶ handler, a message where it lies
//!    request ──┼─▶ Outgoing ─▶ Session ══▶ server ══▶ Session ──▶ done, an answer or why there is none
//!  subscribe ──┘   a write a turn              Decoder      └──▶ on_event
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`wire`] | verbs, headers, subjects, `INFO`: pure |
//! | `limits` | every bound, its default, and the reason for it |
//! | `client` | the connection, made and made again; subscriptions and requests |
//! | [`kv`] | the key-value store of JetStream |
//!
//! What is promised is what NATS promises: a message comes **at most once**, and those that one client publishes on one
//! connection come in their order. When a connection is lost, what was on its way on it is lost; nothing is sent twice.

mod client;
pub mod kv;
mod limits;
pub mod wire;

pub use client::{
    Auth, Client, ClientOptions, ConnectionError, Event, FlushError, Message, NoServer,
    PublishError, RequestError, ServerAddr, Statistics, SubscribeError, Subscription, WhenAway,
};
#[cfg(feature = "nkeys")]
pub use client::{Nkey, NoNkey};
pub use limits::Limits;
pub use wire::subject::InvalidSubject;
pub use wire::{Denied, HeaderMap, Headers, InvalidHeader, ServerError, ServerInfo, Status};
