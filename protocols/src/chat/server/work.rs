//! Work that does not belong on the loop, and what goes on when it is done.
//!
//! ```text
//!   OPER ann secret ──▶ Turn::verify ──Wire──▶ Session ──AtDesk──▶ its turn ──offload──▶ argon2, 40 ms
//!        user is waiting: its next lines are not read       │ too many wait                   │
//!   381 :You are now an IRC operator ◀── then ◀── Session ◀─┴─────────────────────────────────┘
//! ```

use std::fmt;
use std::sync::Arc;

use crate::chat::Settings;
use crate::chat::turn::{Label, Turn};
use crate::password::Memory;

/// Reads the settings anew: what `REHASH` asks for. It runs on another thread.
pub type Loader = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// What is done on a thread other than the loop's, in this memory if it is a hash.
pub(in crate::chat) type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// What goes on when it is done, or why it never will be.
pub(in crate::chat) type Then = Box<dyn FnOnce(&mut Turn<'_>, Result<(), String>)>;

/// Why work is not done if there is too much already.
pub(in crate::chat) const TOO_BUSY: &str = "the server is too busy, try again later";

/// A user who waits: its next lines are not read.
pub(in crate::chat) struct Waiting {
    /// The label of the command that asked for it, and what that was answered already.
    pub(in crate::chat) label: Option<Label>,
    pub(in crate::chat) then: Then,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("label", &self.label).finish_non_exhaustive()
    }
}
