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
//! | file | what it is |
//! |---|---|
//! | `telnet` | lines out of what Telnet makes of them: pure |
//! | `command`, `reply` | what is said, in both directions: pure |
//! | `address`, `time` | parts of it: pure |
//! | `ascii` | text on its way: pure |
//! | `listing` | directories on their way: in three styles |
//! | `glob` | patterns in the names of lists: pure |
//! | `users` | who may log in, where they are then, and what they may do |
//! | `limits` | how a server is set up: every bound, its default, and the reason for it |
//! | `pace` | how fast bytes may go |
//! | `record` | what a program is told: a log of transfers, and of what was refused |
//! | `session` | one client: its control connection, and everything that is done for it |
//! | `data` | one data connection: what it carries, and who may open it |
//! | `secure` | TLS of both, where it meets the loop's |
//! | `server` | what sessions share, and the call that opens the socket |
//!
//! What is implemented: RFC 959 with streams of files, as text and as bytes; RFC 1123, 4.1; RFC 1635
//! (anonymous); RFC 2389 (FEAT, OPTS); RFC 2428 (IPv6); RFC 2577 (what not to do); RFC 2640 (UTF-8, without
//! LANG); RFC 4217 (TLS, feature `tls`; AUTH and from the beginning, without CCC); RFC 3659 (SIZE, MDTM, REST, MLST, MLSD); MFMT and HASH as their drafts have them. What is not:
//! records, pages, blocks and compression, which nobody uses.

pub mod address;
pub mod ascii;
pub mod client;
pub mod command;
mod data;
mod glob;
mod limits;
pub mod listing;
mod pace;
mod record;
pub mod reply;
#[cfg(feature = "tls")]
mod secure;
#[cfg(not(feature = "tls"))]
#[path = "insecure.rs"]
mod secure;
mod server;
mod session;
pub mod telnet;
pub mod time;
pub mod users;

#[cfg(feature = "tls")]
pub use limits::TlsSettings;
pub use limits::{Limits, Settings};
pub use record::{Direction, Event, Transfer};
#[cfg(feature = "tls")]
pub use server::listen_implicit;
pub use server::{Counters, Server, listen};
pub use session::Session;
