//! FTP, the server: RFC 959 and 1123, and what clients use today.
//!
//! ```text
//!                  control connection                        the program's Server
//!   client  ═══ USER ann, EPSV, RETR song ═══▶ ┌──────────┐     ┌───────────────────────┐
//!           ◀══ 331, 229, 150 … 226 ══════════ │ Session  │ ◀─▶ │ users, counts, limits │──▶ log
//!                                              └─▲──────▲─┘     └───────────────────────┘
//!                  data connection, one a file   │ with │ offload
//!           ◀══ the song ═════════════════════ ┌─▼────┐ └─────▶ ┌───────────────────────┐
//!                                              │ Data │ ◀─────▶ │ pool: the tree, argon2│
//!                                              └──────┘         └───────────────────────┘
//! ```
//!
//! A session's state is in its protocol, and what is on its way in the data connection's: they tell each
//! other by id ([`Registry::with`](reactor::Registry::with)), and what the pool has done comes back to the
//! one that asked.
//!
//! | folder | what it is |
//! |---|---|
//! | `wire` | commands, replies, and what they are made of: pure. In it [`address`], [`ascii`], [`command`], [`reply`], [`telnet`], [`time`] |
//! | `server` | the session of one client, its data connections, and what all sessions share; with it [`listing`] and [`users`] |
//! | [`client`] | the other side |
//! | `secure` | TLS of both connections, where it meets the loop's |
//!
//! What is implemented: RFC 959 with streams of files, as text and as bytes; RFC 1123, 4.1; RFC 1635
//! (anonymous); RFC 2389 (FEAT, OPTS); RFC 2428 (IPv6); RFC 2577 (what not to do); RFC 2640 (UTF-8, without
//! LANG); RFC 4217 (TLS, feature `tls`; AUTH and from the beginning, without CCC); RFC 3659 (SIZE, MDTM, REST, MLST, MLSD); MFMT and HASH as their drafts have them. What is not:
//! records, pages, blocks and compression, which nobody uses.

pub mod client;
#[cfg(feature = "tls")]
mod secure;
#[cfg(not(feature = "tls"))]
#[path = "insecure.rs"]
mod secure;
mod server;
mod wire;

pub use server::{
    Counters, Direction, Event, Limits, Server, Session, Settings, Transfer, listen, listing, users,
};
#[cfg(feature = "tls")]
pub use server::{TlsSettings, listen_implicit};
pub use wire::{address, ascii, command, reply, telnet, time};
