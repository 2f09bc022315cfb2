//! Work that does not belong on the loop, and what goes on when it is done.
//!
//! ```text
//!   OPER ann secret ──▶ Job { Verify, then: Operator } ──offload──▶ argon2, 40 ms
//!        user is waiting: its next lines are not read                  │
//!   381 :You are now an IRC operator ◀── finish ◀──────────────────────┘
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reactor::ConnectionId;

use super::users::UserKey;
use crate::chat::Settings;
use crate::chat::settings::Password;
use crate::chat::turn::Label;
use crate::password::PasswordHash;

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
        against: Password,
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
    Rehash,
    /// SASL: log in, and say so with its numerics.
    Authenticate {
        account: String,
    },
    /// `NS IDENTIFY`: log in, and say so in words.
    Identify {
        account: String,
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
    /// Does it: for any thread, but not for the loop's.
    pub(in crate::chat) fn run(self) -> Outcome {
        match self {
            Self::Verify { password, against } => Outcome::Verified(against.verifies(&password)),
            Self::Hash { password } => {
                Outcome::Hashed(PasswordHash::of(&password).map_err(|error| error.to_string()))
            }
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
