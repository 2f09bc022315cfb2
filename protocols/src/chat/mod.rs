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
//!                     └───────────┘                │ Wire: one rendering, shared by all who get it
//!                           ▲──────────────────────┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `message` | a line: parsed from any bytes, and written: pure |
//! | `casemap` | names, how they are spelt, and when two are the same: pure |
//! | `numeric` | the numerics by name |
//! | `limits`, `settings` | every bound with its reason; what the operator decides |
//! | [`client`] | the other side: bots, and people's programs |
//! | [`config`] | the settings as one TOML file, checked |
//! | [`accounts`] | accounts and registered channels, across restarts |

pub mod accounts;
pub mod casemap;
pub mod client;
pub mod config;
mod limits;
pub mod message;
pub mod numeric;
mod settings;

pub use casemap::{ChannelName, Folded, NameError, Nick};
pub use limits::Limits;
pub use message::{Builder, Message, ParseError, Tags, WriteError};
pub use numeric::Numeric;
pub use settings::{Admin, Operator, Password, Settings, StandingChannel};
