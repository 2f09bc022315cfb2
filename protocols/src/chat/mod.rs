//! Chat: IRC as it is spoken today (modern.ircdocs.horse, RFC 1459 and 2812, the IRCv3 specifications),
//! server and client.
//!
//! ```text
//!    clients            the loop                     the server, shared by all connections
//!   ┌───────┐  bytes  ┌───────────┐  a line  ┌───────────┐   ┌──────────────────────────────┐
//!   │ irssi │◀───────▶│  Session  │─────────▶│ commands/ │──▶│ users ◀── membership ──▶ channels
//!   │weechat│         │ one each: │ Message  │ one       │   │ nicknames      modes, lists  │
//!   │ a bot │         │ lines,    │          │ function  │   │ accounts       history       │
//!   └───────┘         │ flood,    │◀─────────│ each      │   └──────────────────────────────┘
//!                     │ deadlines │ replies  └─────┬─────┘
//!                     └───────────┘                │ Network: one rendering, shared by all who get it
//!                           ▲──────────────────────┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`message`], `builder` | a line: parsed from any bytes, and written: pure |
//! | [`casemap`], [`mask`] | names, how they are spelt, when two are the same, what fits a pattern: pure |
//! | [`numeric`], [`capability`], [`timestamp`] | the words of the protocol: pure |
//! | `limits`, `settings` | every bound with its reason; what the operator decides |
//! | [`client`] | the other side: bots, and people's programs |
//! | [`config`] | the settings as one TOML file, checked |
//! | [`accounts`] | accounts and registered channels, across restarts |
//! | `stranger` | who does not speak IRC at all: pure |
//! | `carrier` | what carries lines: a stream, or WebSocket |
//! | `session` | the server's side of one connection: lines, not too fast, and deadlines |
//! | `server` | what they share, and the calls that open sockets |
//! | `scope` | one command of one user while it is carried out: answers, labels, who is told |
//! | `commands` | the commands, one function each |

pub mod accounts;
mod builder;
pub mod capability;
mod carrier;
pub mod casemap;
pub mod client;
mod commands;
pub mod config;
mod limits;
pub mod mask;
pub mod message;
pub mod numeric;
mod scope;
mod server;
mod session;
mod settings;
mod stranger;
pub mod timestamp;

pub use builder::{Builder, WriteError};
pub use capability::Caps;
pub use casemap::{ChannelName, Folded, NameError, Nick};
pub use limits::Limits;
pub use message::{Message, ParseError, Tags};
pub use numeric::Numeric;
#[cfg(all(feature = "websocket", feature = "http"))]
pub use server::upgrade;
pub use server::{Counters, Event, Loader, Server, listen};
#[cfg(feature = "websocket")]
pub use server::{endpoint, listen_websocket};
pub use session::Session;
pub use settings::{Admin, Operator, Password, Settings, StandingChannel};
pub use timestamp::Timestamp;
