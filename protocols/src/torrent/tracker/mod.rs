//! Trackers: who else shares a torrent? The server that knows, and the client that asks.
//!
//! ```text
//!   peer                                   Tracker
//!   GET /announce?info_hash=…  ──TCP──▶  ┌───────┐
//!                                        │ Table │  torrents, and the peers of each
//!   connect, announce          ──UDP──▶  └───────┘
//!        ◀── peers, and when to ask again
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `table` | torrents, and who shares them: pure |
//! | `proof` | ids of connections over UDP, which only the owner of an address has |
//! | `server` | what is answered, over HTTP and over UDP |
//! | `client` | who asks all trackers of a torrent, for as long as it is shared |
//!
//! A program owns a [`Tracker`] and opens sockets for it:
//!
//! ```
//! use std::time::Duration;
//! use protocols::torrent::{TrackerLimits, tracker::{self, Tracker}};
//! use reactor::{DatagramOptions, ListenOptions, Reactor};
//!
//! let mut reactor = Reactor::<Tracker>::new()?;
//! let registry = reactor.registry();
//! let mut tracker = Tracker::new(TrackerLimits::default(), registry);
//! tracker::listen_http(registry, "127.0.0.1:0".parse()?, &ListenOptions::default())?;
//! tracker::listen_udp(registry, "127.0.0.1:0".parse()?, &DatagramOptions::default())?;
//! registry.shutdown(Duration::ZERO);
//! reactor.run(&mut tracker)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod proof;
mod server;
mod table;

pub use client::{AnnounceFailed, AnnounceOptions, Announcer, TrackerEvent, scrape};
pub(super) use proof::Proof;
pub use server::{Tracker, listen_http, listen_udp};

use super::limits::TrackerLimits;
