//! Why a change is refused, a file is not opened, or a change not saved.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::password::PasswordError;

/// Why an account was not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotCreated {
    /// Empty, too long, or with a blank or a control character in it.
    #[error("that is no name for an account")]
    BadName,
    /// The name is an account's, or a nick that an account owns.
    #[error("the name belongs to {owner}")]
    Taken {
        /// Whose it is.
        owner: String,
    },
    /// There are as many as [`AccountLimits::accounts`](super::AccountLimits::accounts) allows.
    #[error("there are too many accounts")]
    TooMany,
}

/// Why an account was not given a nick.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAdded {
    /// Empty, too long, or with a blank or a control character in it.
    #[error("that is no nick")]
    BadName,
    /// Nobody has registered that name.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The nick belongs to an account, perhaps to this one.
    #[error("the nick belongs to {owner}")]
    Taken {
        /// Whose it is.
        owner: String,
    },
    /// It has as many as
    /// [`AccountLimits::nicks_per_account`](super::AccountLimits::nicks_per_account) allows.
    #[error("the account has too many nicks")]
    TooMany,
}

/// Why a channel was not registered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotRegistered {
    /// Empty, too long, or with a blank or a control character in it.
    #[error("that is no name for a channel")]
    BadName,
    /// Nobody has registered the founder's name.
    #[error("there is no such account")]
    NoSuchAccount,
    /// It is registered.
    #[error("the channel belongs to {founder}")]
    Taken {
        /// Whose it is.
        founder: String,
    },
    /// There are as many as [`AccountLimits::channels`](super::AccountLimits::channels) allows.
    #[error("there are too many registered channels")]
    TooMany,
    /// The founder has as many as
    /// [`AccountLimits::channels_per_account`](super::AccountLimits::channels_per_account) allows.
    #[error("the account has founded too many channels")]
    TooManyOfOne,
}

/// Why something about a channel was not remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotKept {
    /// The channel is not registered.
    #[error("there is no such channel")]
    NoSuchChannel,
    /// Too long, or with the end of a line in it.
    #[error("that is too long, or more than a line")]
    NotText,
}

/// Why nobody was banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotBanned {
    /// It is not `nick!user@host`, or a part of that, with `*` and `?` in it; or it is too long.
    #[error("that is no mask of a user, such as *!*@192.0.2.7")]
    BadMask,
    /// Too long, or with the end of a line in it.
    #[error("the reason is too long, or more than a line")]
    BadReason,
    /// There are as many as [`AccountLimits::bans`](super::AccountLimits::bans) allows.
    #[error("there are too many bans")]
    TooMany,
}

/// What was named is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unknown {
    /// Nobody has registered that name.
    #[error("there is no such account")]
    Account,
    /// The account was not given that nick.
    #[error("the account has no such nick")]
    Nick,
    /// The channel is not registered.
    #[error("the channel is not registered")]
    Channel,
    /// Nobody is banned by that mask.
    #[error("there is no such ban")]
    Ban,
}

/// Why a file of accounts was not opened. It was not changed.
#[derive(Debug, Error)]
pub enum NotOpened {
    /// Another program has it open.
    #[error("{0} is in use by another program")]
    InUse(PathBuf),
    /// It is something else.
    #[error("{0} is not a file of accounts")]
    NotOurs(PathBuf),
    /// What a later version wrote.
    #[error("{0} was written by a later version of this program")]
    TooNew(PathBuf),
    /// The hash of a password is none that can be verified here, or would cost too much.
    #[error("{path}: the account {account}: {why}")]
    Password {
        /// The file.
        path: PathBuf,
        /// Whose password it is.
        account: String,
        /// What is wrong with it.
        why: PasswordError,
    },
    /// It is damaged in a place where no crash could have damaged it.
    #[error(
        "{path} is damaged at byte {at} ({what}): repair it by hand, or put a copy in its place"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, counted from zero.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// What the system says.
    #[error("cannot open {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// Why changes are not kept. Most often they are in memory all the same, and the next commit tries again; what the store of
/// a network of servers refuses, or comes after the file was let go of, [is taken back](Self::is_taken_back).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum NotSaved {
    /// The loop has too much other work of that kind
    /// ([`Limits::offloads`](reactor::Limits::offloads)).
    #[error("too much else is being written")]
    Busy,
    /// An earlier write failed, and with it this one.
    #[error("an earlier change could not be saved")]
    AfterFailure,
    /// What the system says.
    #[error("{0}")]
    Io(Arc<io::Error>),
    /// A bug: the text is the panic's message.
    #[error("{0}")]
    Panicked(String),
    /// Another process has the file, or is about to: this one [has let go of it](super::Accounts::hand_on).
    #[error("accounts cannot be changed while this server is being replaced: connect again")]
    HandedOn,
    /// On another server of the network somebody has changed the same at the same time, and was first.
    #[error("somebody else has changed it at the same time, on another server")]
    Conflict,
    /// The store of the network cannot be reached: accounts can be read, and not changed.
    #[error("accounts cannot be changed while the store of the network is out of reach")]
    Away,
    /// The store of the network has not answered. Whether it has made the change shows when it is back.
    #[error("the store of the network does not answer")]
    Unanswered,
    /// The store of the network does not take it: it is full, say.
    #[error("the store of the network refuses: {0}")]
    Refused(String),
}

impl NotSaved {
    /// Whether the change is not in memory any more either: it was refused, and not only not written down.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        match self {
            Self::Busy | Self::AfterFailure | Self::Io(_) | Self::Panicked(_) => false,
            Self::HandedOn | Self::Conflict | Self::Away | Self::Unanswered | Self::Refused(_) => {
                true
            }
        }
    }
}

impl From<io::Error> for NotSaved {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
