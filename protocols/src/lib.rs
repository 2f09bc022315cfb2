//! Network protocols as state machines on the [`reactor`]: bytes in, bytes out, no threads, no async
//! runtime, and the same code on every kind of socket.
//!
//! | module | what it is |
//! |---|---|
//! | [`echo`] | RFC 862 over TCP, UDP and Unix sockets, server and client: the template of the others |
//! | [`chat`] | IRC: a server, its accounts, and clients |
//! | [`http`] | HTTP/1.1: a server with files and routes, and a client |
//! | [`nats`] | NATS: a client of its servers, requests, and the key-value store of JetStream |
//! | [`rpc`] | JSON-RPC 2.0: calls, notifications and subscriptions, both ways on every stream |
//! | [`torrent`] | BitTorrent: peers, trackers, and the files they share |
//! | [`transfer`] | FTP and TFTP, servers and clients, into and out of a tree of files |
//! | [`websocket`] | WebSocket, server and client: messages both ways, as browsers speak |
//! | [`store`] | a tree of files that strangers may be let into |
//! | [`password`] | passwords as they are kept: argon2 hashes |
//! | [`budget`] | how much each peer may ask for, where anybody may ask |
//! | [`wildcard`] | patterns with `*` and `?` |
//!
//! # Depend on it
//!
//! The package is `mio-reactor-protocols`, this library in it `protocols`. It is not in the registry yet, and the
//! crate `protocols` there is somebody else's; name the folder or the git repository that you have it from:
//!
//! ```toml
//! [dependencies]
//! mio-reactor = { path = "../path/to/this/reactor" }
//! mio-reactor-protocols = { path = "../path/to/this/protocols", default-features = false, features = ["chat"] }
//! ```
//!
//! # Features
//!
//! - `chat`, `http`, `nats`, `rpc`, `torrent`, `transfer`, `websocket`: those protocols (default).
//! - `rpc-web`: `rpc` by HTTP and by WebSocket, which are part of it (default).
//! - `cluster`: several servers of `chat` as one network, over NATS (default).
//! - `nkeys`: users of `nats` who are known by a key (Ed25519).
//! - `tls`: TLS for the clients, and FTPS on both sides. Servers have it from the options of their listeners
//!   ([`ListenOptions`](reactor::ListenOptions)), whatever the protocol.
//!
//! # How a protocol is laid out
//!
//! Every protocol is a folder with the same silhouette, so that the second is read in half the time:
//!
//! - **wire** is pure: bytes and addresses in, values out; no socket, no clock. What time it is, is an argument;
//! - **server** has the state machine of one connection, its **session**, the state that sessions share, and the
//!   calls that open sockets;
//! - **client** is the other side;
//! - **limits** are the bounds of each side, each with a default and the reason for it.
//!
//! A part that is small is one file and no folder, as **wire** is in [`echo`]; one or two bounds stand with the side
//! that they are for.
//!
//! Shared state lives in the application. The loop lends it to every callback, and a protocol asks
//! for its part of it: `impl<App: AsMut<echo::Server>> Protocol<App> for echo::Session`. A program
//! composes several protocols by owning several such parts.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The map above names what is there with every feature. With fewer, what is not there is no link.
#![cfg_attr(
    not(all(
        feature = "chat",
        feature = "nats",
        feature = "rpc-web",
        feature = "tls",
        feature = "torrent",
        feature = "transfer"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

pub mod budget;
#[cfg(feature = "chat")]
pub mod chat;
#[cfg(any(feature = "chat", feature = "transfer"))]
mod counts;
#[cfg(any(feature = "http", feature = "nats"))]
mod decimal;
pub mod echo;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(any(feature = "chat", feature = "transfer"))]
pub mod password;
#[cfg(feature = "rpc")]
pub mod rpc;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "torrent")]
pub mod torrent;
#[cfg(feature = "transfer")]
pub mod transfer;
#[cfg(feature = "websocket")]
pub mod websocket;
#[cfg(any(feature = "chat", feature = "torrent", feature = "transfer"))]
pub mod wildcard;
