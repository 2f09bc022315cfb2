//! What a program is told of the conversation, and how that can fail.

use std::io;
use std::time::Duration;

use reactor::CloseReason;
use thiserror::Error;

use crate::chat::WriteError;

/// Somebody, or a server, as it stands in front of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The nick, or a server's name.
    pub nick: String,
    /// The user name; empty if it is not known.
    pub user: String,
    /// The host; empty if it is not known.
    pub host: String,
}

/// What a message came with (IRCv3 server-time, message-ids, account-tag), as far as the server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// When the server had it: `2026-01-01T12:00:00.000Z`.
    pub time: Option<String>,
    /// Its name.
    pub id: Option<String>,
    /// The account of whoever sent it.
    pub account: Option<String>,
    /// Whether it was said before one came: see [`Options::history`](super::Options::history).
    pub is_history: bool,
}

/// How something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `PRIVMSG`: what people say.
    Message,
    /// `NOTICE`: what programs say. It must never be answered by a program (RFC 1459, 4.4.2).
    Notice,
    /// `/me`: what people do.
    Action,
    /// Another CTCP request, by its name; in a [`Notice`](Self::Notice) it would be the answer.
    Request(String),
    /// The answer to a CTCP request, by its name.
    Answer(String),
}

/// Something has happened. Where there is an `own`, it is whether it was this client who did it, or to
/// whom it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is open; next one is registered.
    Connected,
    /// The server welcomes one, under this nick.
    Welcome {
        /// The nick.
        nick: String,
    },
    /// One has logged in to an account.
    LoggedIn {
        /// The account.
        account: String,
    },
    /// The server has said all that it says at the beginning; channels are being joined.
    Ready,
    /// The connection is lost. After a pause it is tried again.
    Lost {
        /// Why.
        why: Failure,
        /// How long the pause is.
        pause: Duration,
    },

    /// Somebody has joined a channel.
    Joined {
        /// The channel.
        channel: String,
        /// Who.
        who: Source,
        /// Their account, if the server says so (extended-join).
        account: Option<String>,
        /// Whether it is about oneself.
        own: bool,
    },
    /// Somebody has left a channel.
    Left {
        /// The channel.
        channel: String,
        /// Who.
        who: Source,
        /// The reason that was given, or nothing.
        reason: String,
        /// Whether it is about oneself.
        own: bool,
    },
    /// Somebody was thrown out of a channel.
    Kicked {
        /// The channel.
        channel: String,
        /// The nick.
        nick: String,
        /// Who did it.
        by: Source,
        /// The reason that was given, or nothing.
        reason: String,
        /// Whether it is about oneself.
        own: bool,
    },
    /// Somebody has left the server, and the channels on which one saw them.
    Quit {
        /// Who.
        who: Source,
        /// On which channels.
        channels: Vec<String>,
        /// The reason that was given, or nothing.
        reason: String,
    },
    /// Somebody has another nick now, on these channels.
    Renamed {
        /// Who it was before.
        from: Source,
        /// The nick from now on.
        to: String,
        /// On which channels.
        channels: Vec<String>,
        /// Whether it is about oneself.
        own: bool,
    },
    /// All members of a channel are known: see [`Client::room`](super::Client::room).
    Members {
        /// The channel.
        channel: String,
    },
    /// A channel's topic is this, as one hears when one joins or asks; empty is none.
    TopicIs {
        /// The channel.
        channel: String,
        /// The words.
        text: String,
    },
    /// Somebody has changed a channel's topic; empty is none.
    Topic {
        /// The channel.
        channel: String,
        /// Who did it.
        by: Source,
        /// The words.
        text: String,
    },
    /// Somebody has changed the modes of a channel or of oneself, in the words of `MODE`.
    Mode {
        /// What it is for.
        target: String,
        /// Who did it.
        by: Source,
        /// What changes: `+o ann`.
        change: String,
    },

    /// Somebody has said something, to a channel, a rank of it (`@#room`), or oneself.
    Message {
        /// How it is said.
        kind: Kind,
        /// Who says it.
        from: Source,
        /// To whom: a channel, `@#room`, or a nick.
        target: String,
        /// The words.
        text: String,
        /// What it came with.
        meta: Meta,
        /// Whether it is about oneself.
        own: bool,
    },
    /// Somebody invites one to a channel, or with invite-notify somebody else.
    Invited {
        /// The channel.
        channel: String,
        /// Who is invited.
        nick: String,
        /// Who did it.
        by: Source,
        /// Whether it is about oneself.
        own: bool,
    },
    /// Somebody on one's channels is away, or back (`None`).
    Away {
        /// Who.
        who: Source,
        /// Why one is away, or `None`.
        text: Option<String>,
    },
    /// Somebody on one's channels has logged in, or out (`None`).
    Account {
        /// Who.
        who: Source,
        /// The account, or `None`.
        account: Option<String>,
    },

    /// A numeric that is none of the above: its number, and its parameters without one's own nick.
    Reply {
        /// The number.
        code: u16,
        /// The parameters.
        params: Vec<String>,
    },
    /// `FAIL`, `WARN` or `NOTE`, and all that stands behind it (IRCv3 standard replies).
    Note {
        /// `FAIL`, `WARN` or `NOTE`.
        level: String,
        /// The parameters.
        params: Vec<String>,
    },
    /// `ERROR`: the server's last words.
    Error {
        /// The words.
        text: String,
    },
}

/// Why a connection, or the whole conversation, has ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody listens there, there is no way, or no answer.
    #[error("could not connect: {0}")]
    Connect(io::ErrorKind),
    /// The server was given by its name, which could not be looked up, or none of its addresses could be connected
    /// to: the text tells of each.
    #[error("{0}")]
    Host(String),
    /// The server ended the conversation, with these words if it had any.
    #[error("the server closed the connection{}", in_brackets(.0))]
    Closed(String),
    /// The server, or something between, reset the connection.
    #[error("the connection was reset")]
    Reset,
    /// It took longer than [`ClientLimits::registration`](super::ClientLimits::registration) to be
    /// welcomed.
    #[error("the server does not let us in")]
    NotRegistered,
    /// The server has been silent for too long.
    #[error("the server does not answer any more")]
    Silent,
    /// The server does not like the nick. It is not tried again.
    #[error("the nick '{nick}' is refused: {text}")]
    BadNick {
        /// The nick.
        nick: String,
        /// What the server says.
        text: String,
    },
    /// One could not log in. It is not tried again: what is not let in three times may be locked out.
    #[error("cannot log in: {0}")]
    Login(String),
    /// The server had no time to look at the password (`FAIL AUTHENTICATE TEMPORARILY_UNAVAILABLE`). It is
    /// tried again.
    #[error("cannot log in yet: {0}")]
    PutOff(String),
    /// What one's own [`Options`](super::Options) have one say first is no message: a nick of two words,
    /// a password of two lines. It is not tried again.
    #[error("our own name or password cannot be said: {0}")]
    Options(WriteError),
    /// The server does not want one: a wrong password, a ban. It is not tried again.
    #[error("the server refuses us: {0}")]
    Refused(String),
    /// Anything else that ends connections, as a sentence.
    #[error("{0}")]
    Other(String),
}

/// Why something was not said.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotSent {
    /// One is not connected.
    #[error("not connected")]
    Offline,
    /// As many as [`ClientLimits::queue`](super::ClientLimits::queue) lines wait already.
    #[error("too much waits to be sent")]
    QueueFull,
    /// It would not be one line of the protocol.
    #[error(transparent)]
    Malformed(#[from] WriteError),
}

impl Source {
    /// Takes apart what stands in front of a message: `nick!user@host`, or a name.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let (rest, host) = text.split_once('@').unwrap_or((text, ""));
        let (nick, user) = rest.split_once('!').unwrap_or((rest, ""));
        Self { nick: nick.to_owned(), user: user.to_owned(), host: host.to_owned() }
    }

    /// Whether it is a server: somebody's nick has no dot in it.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.user.is_empty() && (self.nick.is_empty() || self.nick.contains('.'))
    }
}

impl Failure {
    /// What the end of a connection means.
    pub(super) fn of(reason: &CloseReason, last_words: &str) -> Self {
        match reason {
            CloseReason::ConnectFailed(error) => Self::Connect(error.kind()),
            CloseReason::ConnectTimeout => Self::Connect(io::ErrorKind::TimedOut),
            CloseReason::HostFailed(failure) => Self::Host(failure.to_string()),
            _ if !last_words.is_empty() => Self::Closed(last_words.to_owned()),
            CloseReason::PeerClosed | CloseReason::Closed => Self::Closed(String::new()),
            CloseReason::Reset => Self::Reset,
            other => Self::Other(other.to_string()),
        }
    }

    /// Whether it would be the same the next time.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::BadNick { .. } | Self::Login(_) | Self::Options(_) | Self::Refused(_))
    }
}

fn in_brackets(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_speaks_is_taken_apart() {
        let ann = Source { nick: "ann".into(), user: "~a".into(), host: "h.example".into() };
        assert_eq!(Source::of("ann!~a@h.example"), ann);
        assert_eq!(Source::of("ann").nick, "ann");
        assert!(Source::of("irc.example").is_server() && !ann.is_server());
        assert!(!Source::of("ann").is_server());
    }
}
