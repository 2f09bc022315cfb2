//! Capabilities: what a client has said it understands (IRCv3 capability-negotiation).

use std::ops::{BitOr, BitOrAssign};

use super::framing::Framing;

/// A set of capabilities.
///
/// The first three are those that change how a line looks to whoever receives it: together with how its
/// connection frames lines, which is known here as well, they say which rendering of a shared line a client
/// gets, see [`Caps::style`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps(u32);

macro_rules! capabilities {
    ($($bit:literal $name:ident $text:literal)*) => {
        impl Caps {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: Self = Self(1 << $bit);
            )*

            const ALL: &[(&'static str, Self)] = &[$(($text, Self::$name)),*];
        }
    };
}

capabilities! {
    0 SERVER_TIME "server-time"
    1 ACCOUNT_TAG "account-tag"
    2 MESSAGE_TAGS "message-tags"
    3 BATCH "batch"
    4 ECHO_MESSAGE "echo-message"
    5 LABELED_RESPONSE "labeled-response"
    6 MULTI_PREFIX "multi-prefix"
    7 USERHOST_IN_NAMES "userhost-in-names"
    8 EXTENDED_JOIN "extended-join"
    9 AWAY_NOTIFY "away-notify"
    10 ACCOUNT_NOTIFY "account-notify"
    11 CHGHOST "chghost"
    12 INVITE_NOTIFY "invite-notify"
    13 SETNAME "setname"
    14 STANDARD_REPLIES "standard-replies"
    15 CAP_NOTIFY "cap-notify"
    16 SASL "sasl"
    17 EXTENDED_MONITOR "extended-monitor"
    18 CHATHISTORY "draft/chathistory"
    19 EVENT_PLAYBACK "draft/event-playback"
    20 MULTILINE "draft/multiline"
    21 ACCOUNT_REGISTRATION "draft/account-registration"
    22 MESSAGE_REDACTION "draft/message-redaction"
    23 READ_MARKER "draft/read-marker"
    24 PRE_AWAY "draft/pre-away"
    25 NO_IMPLICIT_NAMES "no-implicit-names"
    26 METADATA_2 "draft/metadata-2"
    27 METADATA_3 "draft/metadata-3"
}

/// The first of the two bits of a framing, which are nobody's capabilities.
const FRAMING: u32 = 30;

impl Caps {
    /// None.
    pub const NONE: Self = Self(0);

    /// Those that there are.
    pub(in crate::chat) fn all() -> Self {
        Self::ALL.iter().fold(Self::NONE, |all, &(_, caps)| all | caps)
    }

    /// The capability of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(text, _)| *text == name).map(|&(_, caps)| caps)
    }

    /// Whether all of these are in it.
    #[must_use]
    pub fn has(self, caps: Self) -> bool {
        self.0 & caps.0 == caps.0
    }

    /// Adds these, or takes them out.
    pub fn set(&mut self, caps: Self, on: bool) {
        if on {
            self.0 |= caps.0;
        } else {
            self.0 &= !caps.0;
        }
    }

    /// Those that are not among these.
    #[must_use]
    pub fn without(self, caps: Self) -> Self {
        Self(self.0 & !caps.0)
    }

    /// Which way to write a line it asks for: the eight of a stream come first, then those of WebSockets.
    #[must_use]
    pub fn style(self) -> usize {
        (self.0 & 7 | self.0 >> FRAMING << 3) as usize
    }

    /// Says how a connection frames lines: for good, and whatever is asked for afterwards.
    pub(in crate::chat) fn framed(self, framing: Framing) -> Self {
        Self(self.0 & !(3 << FRAMING) | (framing as u32) << FRAMING)
    }

    #[inline]
    pub(in crate::chat) fn framing(self) -> Framing {
        match self.0 >> FRAMING {
            #[cfg(feature = "websocket")]
            1 => Framing::Text,
            #[cfg(feature = "websocket")]
            2 => Framing::Binary,
            _ => Framing::Stream,
        }
    }

    /// The names of those in it, with a blank between two.
    #[must_use]
    pub fn names(self) -> String {
        let names: Vec<_> = self.listed().map(|(name, _)| name).collect();
        names.join(" ")
    }

    /// Those in it, in the order of lists: what everybody needs comes last, since clients that do not know
    /// that a list may have several lines read the last.
    pub(in crate::chat) fn listed(self) -> impl Iterator<Item = (&'static str, Self)> {
        let of_kind = move |draft: bool| {
            let all = Self::ALL.iter().copied();
            all.filter(move |&(name, caps)| is_draft(name) == draft && self.has(caps))
        };
        of_kind(true).chain(of_kind(false))
    }
}

pub(in crate::chat) fn is_draft(name: &str) -> bool {
    name.starts_with("draft/")
}

impl BitOr for Caps {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Caps {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sets_belong_together() {
        let mut caps = Caps::NONE;
        assert_eq!(caps.names(), "");
        caps.set(Caps::BATCH | Caps::SERVER_TIME, true);
        assert_eq!(caps.names(), "server-time batch");
        caps.set(Caps::BATCH, false);
        assert_eq!(caps.names(), "server-time");
        assert_eq!(Caps::of("server-time"), Some(Caps::SERVER_TIME));
        assert_eq!(Caps::of("Server-Time"), None);
    }
}
