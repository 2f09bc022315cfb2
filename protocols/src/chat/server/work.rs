//! Work that does not belong on the loop, and what goes on when it is done.
//!
//! ```text
//!   OPER ann secret ──▶ Job { Verify, then: Operator } ──Desk──▶ its turn ──offload──▶ argon2, 40 ms
//!        user is waiting: its next lines are not read │ too many wait                    │
//!   381 :You are now an IRC operator ◀── finish ◀─────┴──────────────────────────────────┘
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reactor::ConnectionId;

use super::users::UserKey;
use crate::chat::Settings;
use crate::chat::turn::Label;
use crate::password::{Memory, PasswordHash};

/// Reads the settings anew: what `REHASH` asks for. It runs on another thread.
pub type Loader = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// Something to be done for a user.
pub(in crate::chat) struct Job {
    pub(in crate::chat) task: Task,
    pub(in crate::chat) ticket: Ticket,
}

/// For whom it is done, and what for.
#[derive(Clone, Debug)]
pub(in crate::chat) struct Ticket {
    pub(in crate::chat) user: UserKey,
    pub(in crate::chat) connection: ConnectionId,
    /// The label of the command that asked for it, and what that was answered already.
    pub(in crate::chat) label: Option<Label>,
    pub(in crate::chat) then: Then,
}

/// What is done away from the loop.
pub(in crate::chat) enum Task {
    Verify {
        password: String,
        against: PasswordHash,
    },
    Hash {
        password: String,
    },
    Load(Loader),
    /// The accounts are to be on the disk.
    Save,
    /// Nothing, for a while. Nobody waits for it.
    Wait(Duration),
}

/// What is done on it afterwards.
#[derive(Clone, Debug)]
pub(in crate::chat) enum Then {
    /// The connection's `PASS` was looked at.
    Admit,
    Operator {
        name: String,
    },
    /// Nobody may be an operator by that name, or not from there.
    NoOperator,
    Rehash,
    /// SASL: log in, and say so with its numerics. `None`: there is no such account, and nobody is to
    /// learn that from how long it takes to say so.
    Authenticate {
        account: Option<String>,
    },
    /// `NS IDENTIFY`: log in, and say so in words. `None`: as above.
    Identify {
        account: Option<String>,
    },
    /// Make an account with the hash.
    Register {
        account: String,
        by_command: bool,
    },
    SetPassword {
        account: String,
    },
    /// The account is on the disk.
    Registered {
        account: String,
        by_command: bool,
    },
    ChannelRegistered {
        channel: String,
    },
    /// The time is over in which a nickname could be kept.
    EnforceNick,
    /// Nobody waits for it.
    Nothing,
}

/// What came of a task.
#[derive(Debug)]
pub(in crate::chat) enum Outcome {
    Verified(bool),
    Hashed(Result<PasswordHash, String>),
    Loaded(Box<Result<Settings, String>>),
    Saved(Result<(), String>),
    /// The time has passed.
    Passed,
    /// There was too much work already, or it panicked.
    Failed(String),
}

impl Task {
    /// KiB of memory that it computes a hash in, if it does.
    pub(in crate::chat) fn hashes(&self) -> Option<u32> {
        match self {
            Self::Verify { against, .. } => Some(against.kib()),
            Self::Hash { .. } => Some(PasswordHash::NEW_KIB),
            Self::Load(_) | Self::Save | Self::Wait(_) => None,
        }
    }

    /// Does it: for any thread, but not for the loop's.
    pub(in crate::chat) fn run(self, memory: &mut Memory) -> Outcome {
        match self {
            Self::Verify { password, against } => against
                .verifies_in(&password, memory)
                .map_or_else(|error| Outcome::Failed(error.to_string()), Outcome::Verified),
            Self::Hash { password } => Outcome::Hashed(
                PasswordHash::of_in(&password, memory).map_err(|error| error.to_string()),
            ),
            Self::Load(loader) => Outcome::Loaded(Box::new(loader())),
            // Those two are the loop's own to do.
            Self::Save | Self::Wait(_) => Outcome::Passed,
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
