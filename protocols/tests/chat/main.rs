//! Chat on real sockets: transcripts of what clients say and hear, held against the documents.

#![cfg(feature = "chat")]

mod accounts;
#[cfg(feature = "cluster")]
mod anything;
mod capabilities;
mod channels;
#[cfg(feature = "cluster")]
mod cluster;
mod conformance;
mod history;
mod limits;
mod messages;
mod metadata;
mod modes;
#[cfg(feature = "cluster")]
#[path = "../outside/nats_server.rs"]
mod nats_server;
mod network;
mod operators;
mod other_protocols;
#[cfg(feature = "cluster")]
#[path = "../outside/mod.rs"]
mod outside;
mod queries;
mod registration;
mod services;
mod simulated;
mod stage;
#[cfg(feature = "cluster")]
mod steps;
#[cfg(feature = "cluster")]
mod truth;
mod users;
#[cfg(feature = "websocket")]
mod websockets;
