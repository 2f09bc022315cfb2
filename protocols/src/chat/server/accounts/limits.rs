//! The bounds of the accounts: what strangers may have a server remember for ever.

/// The limits of [`Accounts`](super::Accounts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Accounts in all. Beyond it nobody registers: [`NotCreated::TooMany`](super::NotCreated).
    ///
    /// Default 100,000: 11 MB on disk, read in a third of a second when the server starts, and some
    /// 40 MB in memory. When the file has doubled all of it is written anew, which holds the loop up
    /// for 20 ms then. Accounts of a network take no file, and about half as much memory again: what the store has is kept
    /// beside what is shown. What other servers have made counts, and is not held to this limit.
    pub accounts: usize,

    /// Nicks an account may own beside its own name:
    /// [`NotAdded::TooMany`](super::NotAdded).
    ///
    /// Default 8: somebody's computers, and a nick or two for when they are away.
    pub nicks_per_account: usize,

    /// Registered channels in all: [`NotRegistered::TooMany`](super::NotRegistered).
    ///
    /// Default 50,000: one for every other account.
    pub channels: usize,

    /// Channels an account may found: [`NotRegistered::TooManyOfOne`](super::NotRegistered).
    ///
    /// Default 20: enough for anybody who founds them to be in them.
    pub channels_per_account: usize,

    /// Bans in all: [`NotBanned::TooMany`](super::NotBanned).
    ///
    /// Default 1,000: everybody who comes is held against each of them.
    pub bans: usize,

    /// Bytes of a name: of an account, a nick, a channel.
    ///
    /// Default 64: no server allows longer ones, and this is only about the file.
    pub name: usize,

    /// Bytes of a topic, of the modes of a channel and of the reason of a ban: [`NotKept::NotText`](super::NotKept),
    /// [`NotBanned::BadReason`](super::NotBanned).
    ///
    /// Default 16 KiB: a topic fits into a message of 512 bytes, and the lists of a channel's modes,
    /// a hundred masks each, into this.
    pub text: usize,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            accounts: 100_000,
            nicks_per_account: 8,
            channels: 50_000,
            channels_per_account: 20,
            bans: 1_000,
            name: 64,
            text: 16 * 1024,
        }
    }
}
