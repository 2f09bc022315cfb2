//! Chat on real sockets: transcripts of what clients say and hear, held against the documents.

#![cfg(feature = "chat")]

mod accounts;
mod capabilities;
mod channels;
mod conformance;
mod history;
mod limits;
mod messages;
mod metadata;
mod modes;
mod network;
mod operators;
mod other_protocols;
mod queries;
mod registration;
mod services;
mod simulated;
mod stage;
mod users;
#[cfg(feature = "websocket")]
mod websockets;
