//! The client: one conversation with a server, one operation after the other, and a data connection for
//! each that needs one. Several conversations are several clients, on one loop.
//!
//! ```text
//!   a program's Client                                 the server
//!   ┌───────────────────────┐  EPSV                    ┌───────────────┐
//!   │ Dialogue: what next   │ ══════ control ════════▶ │               │
//!   │                       │ ◀═══ 229 (|||4711|) ════ │               │
//!   │                       │  RETR file               │               │
//!   │                       │ ═══════════════════════▶ │               │
//!   │                       │ ◀═══ 150 ═══════════════ │               │
//!   │ DataConnection: one file    │ ◀────── data ─────────── │ port 4711     │
//!   │                       │ ◀═══ 226 ═══════════════ │               │
//!   └───────────────────────┘                          └───────────────┘
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `entries` | lists of MLSD and LIST: pure |
//! | `features` | what a server says it can do: pure |
//! | `answers` | what replies to particular commands say: pure |
//! | `dialogue` | the conversation, replies in, commands out: pure |
//! | `limits` | every bound, its default, and the reason for it |
//! | `security` | whether a conversation is protected by TLS |
//! | `operation` | what a client is asked to do, and what comes of it |
//! | `caller` | what a program that talks to servers is asked and told |
//! | `conversation` | a client: one conversation |
//! | `control`, `data` | the client's side of its two connections |
//! | `failure` | how an operation can fail, and a conversation |

mod answers;
mod caller;
mod control;
mod conversation;
mod data;
mod dialogue;
mod entries;
mod failure;
mod features;
mod limits;
mod operation;
mod security;

pub use answers::{Hash, hash, modified, size};
pub use caller::Caller;
pub use conversation::{Client, ClientOptions, NotStarted};
pub use dialogue::Login;
pub use entries::{Entry, Listing, Reading};
pub use failure::Failure;
pub use features::Features;
pub use limits::ClientLimits;
pub use operation::{Done, Operation, Put};
pub use security::Security;
