//! What happens on a server, for its log: who, and why.

use std::fmt;
use std::time::Duration;

use reactor::Address;

use crate::chat::wire::node::NodeName;

/// Something worth a line in a log. Its `Display` is that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Somebody connected.
    Connected {
        /// From where.
        peer: &'a Address,
    },
    /// Somebody was turned away.
    TurnedAway {
        /// From where.
        peer: &'a Address,
        /// Why.
        reason: &'a str,
    },
    /// A user has registered its connection.
    Welcomed {
        /// `nick!user@host`.
        who: &'a str,
    },
    /// A user, or a connection that never became one, is gone.
    Left {
        /// `nick!user@host`, or as much of it as is known.
        who: &'a str,
        /// What the others were told.
        reason: &'a str,
    },
    /// A user has another nickname.
    Renamed {
        /// Who it was.
        who: &'a str,
        /// The new nickname.
        nick: &'a str,
    },
    /// A user has logged in to an account, or registered it.
    LoggedIn {
        /// Who.
        who: &'a str,
        /// The account.
        account: &'a str,
    },
    /// An account was registered.
    AccountRegistered {
        /// By whom.
        who: &'a str,
        /// The account.
        account: &'a str,
    },
    /// A channel was registered.
    ChannelRegistered {
        /// By whom.
        who: &'a str,
        /// The channel.
        channel: &'a str,
    },
    /// A password was wrong.
    WrongPassword {
        /// Who gave it.
        who: &'a str,
        /// What for.
        what: &'a str,
    },
    /// A password was not looked at, since too many wait: its user was told to try again.
    PutOff {
        /// Who gave it.
        who: &'a str,
    },
    /// A user has become an operator.
    Operator {
        /// Who.
        who: &'a str,
        /// By the name of which operator.
        name: &'a str,
    },
    /// An operator has removed a user.
    Killed {
        /// Whom.
        who: &'a str,
        /// Who did.
        by: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// Somebody was turned away, or removed, since a ban is about them.
    Banned {
        /// Whom.
        who: &'a str,
        /// The ban's.
        reason: &'a str,
    },
    /// The settings were read anew.
    Rehashed {
        /// Who asked for it.
        by: &'a str,
    },
    /// A setting was read anew that counts from the next start on.
    NotYet {
        /// Its name in the configuration.
        setting: &'a str,
    },
    /// The settings could not be read anew; the old ones are kept.
    NotRehashed {
        /// Who asked for it.
        by: &'a str,
        /// What is wrong with them.
        error: &'a str,
    },
    /// The server is connected to NATS, and a node of its network.
    Networked {
        /// The server of NATS.
        nats: &'a str,
    },
    /// NATS could not be connected to, or refuses something.
    NotNetworked {
        /// Why.
        why: &'a str,
    },
    /// The connection to NATS is lost: the server goes on by itself until there is one again.
    Alone {
        /// Why.
        why: &'a str,
    },
    /// Another node of the network is there.
    NodeJoined {
        /// Which.
        node: &'a NodeName,
    },
    /// Another node of the network is gone, and its users with it.
    NodeLost {
        /// Which.
        node: &'a NodeName,
        /// Whether it has not said goodbye.
        is_silent: bool,
    },
    /// The clock of another node is not right, as far as this one's is.
    ClockWrong {
        /// Which.
        node: &'a NodeName,
        /// How far it is from this one's.
        by: Duration,
        /// Whether it is ahead.
        is_ahead: bool,
        /// Whether it is so far that neither hears the other until that is mended.
        is_refused: bool,
    },
    /// It is right again.
    ClockRight {
        /// Which.
        node: &'a NodeName,
    },
    /// Another node is of a version that speaks otherwise: neither sees the users of the other.
    OtherVersion {
        /// Which.
        node: &'a NodeName,
    },
    /// What this node owns is more than others would take: they do not see it.
    TooMuchToTell {
        /// Bytes of it.
        bytes: usize,
    },
    /// Another server of the network is called as this one: this one goes on by itself until that is gone.
    NameInUse {
        /// How.
        node: &'a NodeName,
    },
    /// That other server is gone, and this one is in the network.
    NameFree {
        /// How it was called, as this one is.
        node: &'a NodeName,
    },
    /// There is no place for the claims of nicknames: each server gives them as it sees it.
    NoClaims {
        /// Why.
        error: &'a str,
    },
    /// Accounts could not be saved; they are kept in memory, and tried again. In a network of servers the change is
    /// taken back.
    NotSaved {
        /// Why.
        error: &'a str,
    },
    /// The accounts of the network are known, for the first time or again.
    AccountsKnown {
        /// Accounts.
        accounts: usize,
        /// Bans.
        bans: usize,
    },
    /// The store of the network does not tell its accounts. It is asked again, and this is told again only if the reason
    /// changes.
    AccountsOutOfReach {
        /// Why not.
        error: &'a str,
    },
}

impl Event<'_> {
    /// Whether it is about somebody who comes, goes or does something, and not about the server, its network, or its
    /// accounts: thousands of users make thousands of those.
    #[must_use]
    pub fn is_of_user(&self) -> bool {
        match self {
            Self::Connected { .. }
            | Self::TurnedAway { .. }
            | Self::Welcomed { .. }
            | Self::Left { .. }
            | Self::Renamed { .. }
            | Self::LoggedIn { .. }
            | Self::AccountRegistered { .. }
            | Self::ChannelRegistered { .. }
            | Self::WrongPassword { .. }
            | Self::PutOff { .. }
            | Self::Operator { .. }
            | Self::Killed { .. }
            | Self::Banned { .. } => true,
            Self::Rehashed { .. }
            | Self::NotRehashed { .. }
            | Self::NotYet { .. }
            | Self::Networked { .. }
            | Self::NotNetworked { .. }
            | Self::Alone { .. }
            | Self::NodeJoined { .. }
            | Self::NodeLost { .. }
            | Self::ClockWrong { .. }
            | Self::ClockRight { .. }
            | Self::OtherVersion { .. }
            | Self::TooMuchToTell { .. }
            | Self::NameInUse { .. }
            | Self::NameFree { .. }
            | Self::NoClaims { .. }
            | Self::NotSaved { .. }
            | Self::AccountsKnown { .. }
            | Self::AccountsOutOfReach { .. } => false,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { peer } => write!(f, "{peer} connected"),
            Self::TurnedAway { peer, reason } => write!(f, "{peer} turned away: {reason}"),
            Self::Welcomed { who } => write!(f, "{who} is here"),
            Self::Left { who, reason } => write!(f, "{who} left: {reason}"),
            Self::Renamed { who, nick } => write!(f, "{who} is now {nick}"),
            Self::LoggedIn { who, account } => write!(f, "{who} logged in as {account}"),
            Self::AccountRegistered { who, account } => {
                write!(f, "{who} registered the account {account}")
            }
            Self::ChannelRegistered { who, channel } => write!(f, "{who} registered {channel}"),
            Self::WrongPassword { who, what } => {
                write!(f, "{who} gave a wrong password for {what}")
            }
            Self::PutOff { who } => write!(f, "{who} has to try again: too many passwords wait"),
            Self::Operator { who, name } => write!(f, "{who} is operator, as {name}"),
            Self::Killed { who, by, reason } => write!(f, "{by} killed {who}: {reason}"),
            Self::Banned { who, reason } => write!(f, "{who} is banned: {reason}"),
            Self::Rehashed { by } => write!(f, "settings read anew, for {by}"),
            Self::NotYet { setting } => write!(f, "'{setting}' counts from the next start on"),
            Self::NotRehashed { by, error } => {
                write!(f, "settings not read anew, for {by}: {error}")
            }
            Self::Networked { nats } => write!(f, "in the network, over {nats}"),
            Self::NotNetworked { why } => write!(f, "NATS: {why}"),
            Self::Alone { why } => write!(f, "alone, without the network: {why}"),
            Self::NodeJoined { node } => write!(f, "node {node} is there"),
            Self::NodeLost { node, is_silent: true } => write!(f, "node {node} is lost: silence"),
            Self::NodeLost { node, is_silent: false } => write!(f, "node {node} has left"),
            Self::ClockWrong { node, by, is_ahead, is_refused } => {
                let side = if *is_ahead { "ahead of" } else { "behind" };
                let and_so =
                    if *is_refused { ": the two are apart until that is mended" } else { "" };
                write!(
                    f,
                    "the clock of node {node} is {} s {side} this one's{and_so}",
                    by.as_secs()
                )
            }
            Self::ClockRight { node } => write!(f, "the clock of node {node} is right again"),
            Self::OtherVersion { node } => write!(
                f,
                "node {node} is of another version: the two are apart until one of them is replaced"
            ),
            Self::TooMuchToTell { bytes } => {
                write!(
                    f,
                    "no other node sees this one: its {bytes} bytes of users and channels are too many"
                )
            }
            Self::NameInUse { node } => {
                write!(f, "alone: another server of the network is called {node}")
            }
            Self::NameFree { node } => {
                write!(f, "in the network: no other server is called {node} any more")
            }
            Self::NoClaims { error } => {
                write!(f, "nicknames cannot be claimed in the network: {error}")
            }
            Self::NotSaved { error } => write!(f, "accounts not saved: {error}"),
            Self::AccountsKnown { accounts, bans } => {
                write!(f, "the network has {accounts} accounts and {bans} bans")
            }
            Self::AccountsOutOfReach { error } => {
                write!(f, "the accounts of the network are out of reach: {error}")
            }
        }
    }
}
