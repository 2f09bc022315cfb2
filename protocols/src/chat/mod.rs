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
//! | folder | what it is |
//! |---|---|
//! | `wire` | a line, its names and its words: pure. In it [`message`], [`casemap`], [`mask`], [`numeric`], [`capability`], [`timestamp`] |
//! | `server` | the session of one connection, the commands, one function each, and what all sessions share; with it [`accounts`] and [`config`] |
//! | [`cluster`] | several servers as one network, over NATS |
//! | [`client`] | the other side: bots, and people's programs |

pub mod client;
#[cfg(feature = "cluster")]
pub mod cluster;
mod server;
mod wire;

#[cfg(feature = "cluster")]
pub use server::share_accounts;
#[cfg(all(feature = "websocket", feature = "http"))]
pub use server::upgrade;
pub use server::{
    Admin, Change, Claim, Counters, Effect, Event, Happened, Limits, Loader, MessageId, NickAnswer,
    NickRequest, NotAMessageId, NotAUserId, Operator, Outgoing, Password, PermanentChannel, Person,
    Server, Session, Settings, To, UserId, Words, accounts, config, listen,
};
#[cfg(feature = "websocket")]
pub use server::{endpoint, listen_websocket};
pub use wire::builder::{Builder, WriteError};
pub use wire::capability::Caps;
pub use wire::casemap::{ChannelName, Folded, NameError, Nick};
pub use wire::message::{Message, ParseError, Tags};
pub use wire::node::{InvalidNodeName, NodeName};
pub use wire::numeric::Numeric;
pub use wire::timestamp::Timestamp;
pub use wire::{capability, casemap, mask, message, numeric, timestamp};
