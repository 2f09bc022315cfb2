//! Work that does not belong on the loop, and what goes on when it is done.
//!
//! ```text
//!   OPER ann secret ──▶ Context::verify ──Network──▶ Session ──▶ HashQueue ──offload──▶ argon2, 40 ms
//!        user is waiting: its next lines are not read   │ too many wait                  │
//!   381 :You are now an IRC operator ◀── Session: then ◀┴────────────────────────────────┘
//! ```

use std::sync::Arc;

use crate::chat::Settings;
use crate::password::Memory;

/// Reads the settings anew: what `REHASH` asks for. It runs on another thread.
pub type Loader = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// What is done on a thread other than the loop's, in this memory if it is a hash.
pub(super) type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// Why work is not done if there is too much already.
pub(super) const TOO_BUSY: &str = "the server is too busy, try again later";
