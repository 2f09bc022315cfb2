//! What happened on one node of a network, as the others are told of it.
//!
//! ```text
//!   node a                                            node b
//!   ann: TOPIC #room :hi ──checks──▶ Server           Server ──▶ bob: ":ann!… TOPIC #room :hi"
//!                                      │ take_effects    ▲ apply
//!                                      └──── Effect ─────┘
//! ```
//!
//! Who a user is, where it is and what it may do there is said by its own node alone, its *home*; so two nodes never
//! say different things of it. What another node wants of a user, to kick it or to make it an operator, is a request
//! to its home: the same effect, sent to that node only, which does it and then tells everybody. What belongs to
//! nobody, the settings of a channel, bears when and where it was set: the later setting wins ([`Change`]).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::line::{ClientTags, MessageId, Spelt};
use super::post::{Kind, Text};
use crate::chat::wire::node::NodeName;
use crate::chat::wire::text::as_text;
use crate::chat::wire::timestamp::Timestamp;

/// An effect, and who is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who is told.
    pub to: To,
    /// What has happened, or is asked for.
    pub effect: Effect,
}

/// Who is told of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// All other nodes.
    Everyone,
    /// One of them.
    Node(NodeName),
}

/// Names a user in the whole network, and nobody else ever.
///
/// It begins with a digit, so that no nickname is like it; a user who loses its nickname to another is called so
/// (as in TS6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId {
    pub(super) life: u64,
    pub(super) serial: u64,
}

/// When something was said or done, and what the message is called that tells it: the same on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// The message's name (IRCv3 message-ids).
    pub id: MessageId,
    /// When.
    pub at: Timestamp,
}

/// Something that a user did or became, after all checks; or what another node is asked to do.
///
/// As JSON, an object each, with its kind as its only name: so it is read in one go. What is said on a channel goes as a line
/// instead, unless it has several. Fields that are not known are
/// ignored; whoever carries effects skips those whose kind is not known here, so that nodes of two versions get on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Effect {
    /// What the node is called among servers.
    Node {
        /// Its server's name.
        server: String,
        /// What it says it is.
        about: String,
    },
    /// A user is here; in a snapshot, also what it has become.
    User(Box<Person>),
    /// A user goes by another nickname.
    Nick {
        /// Who.
        user: UserId,
        /// The nickname.
        nick: String,
        /// Since when.
        since: Timestamp,
        /// Whether it belongs to the account that the user is logged in to.
        owned: bool,
    },
    /// A user is gone.
    Quit {
        /// Who.
        user: UserId,
        /// Why.
        reason: String,
    },
    /// A user has logged in, or out.
    Account {
        /// Who.
        user: UserId,
        /// The account; none: logged out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// Whether its nickname belongs to that account.
        owned: bool,
    },
    /// A user is away, or back.
    Away {
        /// Who.
        user: UserId,
        /// What it says; none: it is back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A user has another visible host; as a request, is to have it.
    Host {
        /// Who.
        user: UserId,
        /// The host.
        host: String,
    },
    /// A user has another real name.
    RealName {
        /// Who.
        user: UserId,
        /// The name.
        name: String,
    },
    /// A user has other modes.
    UserModes {
        /// Who.
        user: UserId,
        /// All that are set: `+iw`.
        modes: String,
    },
    /// A user has joined a channel; in a snapshot, is on it.
    Join {
        /// Who.
        user: UserId,
        /// The channel.
        channel: String,
        /// When the channel was made, as far as the user's home knows: see [`Effect::Channel`].
        created: Timestamp,
        /// What it is there: letters of modes.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        status: String,
    },
    /// A user has left a channel.
    Part {
        /// Who.
        user: UserId,
        /// The channel.
        channel: String,
        /// Why, or nothing.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A user was put out of a channel; as a request, is to be.
    Kick {
        /// By whom.
        by: UserId,
        /// Who.
        user: UserId,
        /// The channel.
        channel: String,
        /// When the channel was made, as far as whoever says so knows: a request of another era is dropped.
        #[serde(default)]
        created: Timestamp,
        /// Why.
        reason: String,
        /// Told so; in a request nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<Happened>,
    },
    /// Settings of a channel, and what members may do on it. Of two channels of one name the one wins that was made
    /// first, with its settings, and who is an operator of the other is none any more; as in TS6.
    Channel {
        /// Its name.
        channel: String,
        /// When it was made.
        created: Timestamp,
        /// Who changed it; the server, if it was nobody or they have gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// What was changed; in a snapshot, all there is.
        changes: Vec<Change>,
        /// Told so; in a request or a snapshot nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<Happened>,
    },
    /// A user was invited to a channel.
    Invite {
        /// By whom.
        by: UserId,
        /// Who.
        user: UserId,
        /// The channel.
        channel: String,
        /// When the channel was made, as far as the home of who invites knows: that of another era is dropped.
        #[serde(default)]
        created: Timestamp,
    },
    /// Something was said on a channel.
    Said {
        /// By whom.
        by: UserId,
        /// The channel, behind the symbol of those who hear it if not all do.
        channel: Arc<str>,
        /// What.
        words: Words,
        /// When, and the message's name.
        told: Happened,
    },
    /// Something was said to a user.
    Told {
        /// By whom.
        by: UserId,
        /// To whom.
        user: UserId,
        /// What.
        words: Words,
        /// When, and the message's name.
        told: Happened,
    },
    /// What was said is taken back.
    Redact {
        /// By whom.
        by: UserId,
        /// On which channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
        /// Or in which conversation: with whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
        /// The message.
        id: MessageId,
        /// Why, or nothing.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// A user tells something of itself; as a request, an operator tells it.
    Metadata {
        /// Who set it.
        by: UserId,
        /// Of whom it is.
        user: UserId,
        /// The key.
        key: String,
        /// The value; none: it is not set any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// A user who is logged in has read so far, as its other clients are to know.
    Read {
        /// Who.
        user: UserId,
        /// Whose words.
        target: String,
        /// Up to when.
        at: Timestamp,
    },
    /// A request: a user is to be removed from the network.
    Kill {
        /// By whom; nobody on the network, if it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// Who.
        user: UserId,
        /// Why; none if it is a ghost, which is not told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What the others are told.
        quit: String,
    },
    /// An operator says something to all who listen.
    Wallops {
        /// Who.
        by: UserId,
        /// What.
        text: String,
    },
}

/// A user, as its home introduces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Its name in the network.
    pub user: UserId,
    /// Its nickname.
    pub nick: String,
    /// Since when it has that.
    pub since: Timestamp,
    /// Whether the nickname belongs to its account.
    pub owned: bool,
    /// Its user name.
    pub name: String,
    /// The host that others see.
    pub host: String,
    /// The host it is connected from.
    pub real_host: String,
    /// Its real name.
    pub real_name: String,
    /// Its modes: `+iw`.
    pub modes: String,
    /// The account it is logged in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What it says while it is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
    /// What it tells of itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<(String, String)>,
    /// When it came.
    pub signed_on: Timestamp,
}

/// What is said: one line, or several, with the tags it came with. The server that says it and the one that hears of it
/// have it in memory in the same form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    #[serde(rename = "command")]
    pub(super) kind: Kind,
    #[serde(rename = "lines")]
    pub(super) text: Text,
    #[serde(rename = "tags", default, skip_serializing_if = "ClientTags::is_empty")]
    pub(super) client_tags: ClientTags,
}

/// One setting of a channel: a mode, the topic, an entry of a list, a key of its metadata; or what a member may do.
///
/// Of two settings of the same, the later one wins, and at the same time that of the node which is later by name. What
/// a member may do is no setting in that sense: the last word of the member's home counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The letter of the mode, `topic` or `metadata`.
    pub item: String,
    /// Which entry of a list, or which key of the metadata.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// What it is set to, which may be nothing; none: it is not set any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The member whose rank this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Who set it, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// On which node.
    pub node: NodeName,
}

/// What is asked of the network about nicknames, of which each has one holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NickRequest {
    /// A user wants one, and waits for the answer: [`Server::answer_claim`](super::Server::answer_claim).
    Claim(Claim),
    /// A user has left one: by another, or for good.
    Release {
        /// The nickname, folded.
        nick: String,
        /// Whose it was.
        user: UserId,
    },
}

/// A user wants a nickname.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose turn waits; nobody's, if the server itself gives the nickname.
    pub connection: Option<reactor::ConnectionId>,
    /// The nickname, folded.
    pub nick: String,
    /// Who wants it.
    pub user: UserId,
    /// Since when.
    pub since: Timestamp,
    /// The account it is logged in to.
    pub account: Option<String>,
}

/// What came of a [`Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NickAnswer {
    /// The nickname is the user's.
    Granted,
    /// Somebody else has it.
    Taken,
    /// Nobody can say, since the network is away: the user gets it here.
    Alone,
}

/// The text is no [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a user in a network")]
pub struct NotAUserId;

impl UserId {
    /// As it is written: as a message is, behind a `0`.
    pub(super) fn spell(self) -> Spelt {
        let mut spelt = MessageId { life: self.life, serial: self.serial }.spell();
        spelt.put(b'0');
        spelt
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spell().as_str())
    }
}

impl FromStr for UserId {
    type Err = NotAUserId;

    fn from_str(text: &str) -> Result<Self, NotAUserId> {
        let id = text.strip_prefix('0').and_then(|id| id.parse::<MessageId>().ok());
        id.map(|MessageId { life, serial }| Self { life, serial }).ok_or(NotAUserId)
    }
}

as_text!(UserId);

impl Effect {
    /// Whether a snapshot tells it too: not so of what is said once and gone, and of requests.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Kick { told, .. } => told.is_some(),
            Self::Channel { by, changes, told, .. } => {
                told.is_some() || by.is_none() || changes.iter().all(|it| it.user.is_none())
            }
            Self::Invite { .. }
            | Self::Said { .. }
            | Self::Told { .. }
            | Self::Redact { .. }
            | Self::Read { .. }
            | Self::Kill { .. }
            | Self::Wallops { .. } => false,
            _ => true,
        }
    }
}

impl From<Effect> for Outgoing {
    /// What everybody is told.
    fn from(effect: Effect) -> Self {
        Self { to: To::Everyone, effect }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_one_object_and_what_is_not_known_of_it_is_skipped() {
        let user = UserId { life: 0xab, serial: 7 };
        let effect = Effect::Away { user, text: None };
        let json = serde_json::to_string(&effect).expect("it can be written");
        assert_eq!(json, r#"{"away":{"user":"0000000ab-7"}}"#);
        assert_eq!(serde_json::from_str::<Effect>(&json).expect("it can be read"), effect);
        for newer in [r#"{"dance":{"steps":3}}"#, r#""dance""#] {
            assert!(serde_json::from_str::<Effect>(newer).is_err(), "whoever carries it skips it");
        }
        let more = r#"{"away":{"user":"0000000ab-7","mood":"good"}}"#;
        assert_eq!(serde_json::from_str::<Effect>(more).expect("it can be read"), effect);
        for wrong in ["", "ab-7", "0ab", "0x-1"] {
            assert_eq!(wrong.parse::<UserId>(), Err(NotAUserId), "{wrong}");
        }
    }
}
