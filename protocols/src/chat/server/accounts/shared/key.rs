//! What an entry of the store is called.
//!
//! ```text
//!   name.ann            a name that somebody owns: an account's own, or a nick that it was given
//!   channel.=23lobby    a registered channel
//!   ban.=2A=21=2A=40…   a ban
//! ```
//!
//! A name is one entry whatever it is a name of, so that of two who want it at one time, as an account or as a nick,
//! one gets it. What a key of NATS cannot hold is written as `=` and two digits in base 16.

use std::fmt::Write as _;

use crate::chat::wire::casemap::Folded;

/// Names an entry of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chat::server) struct Key {
    pub(in crate::chat::server) kind: Kind,
    pub(in crate::chat::server) name: Folded,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chat::server) enum Kind {
    Name,
    Channel,
    Ban,
}

/// Bytes of a key: a NATS subject holds it, with the name of the bucket in front.
const MOST: usize = 450;

impl Key {
    pub(super) fn name(name: &str) -> Self {
        Self { kind: Kind::Name, name: Folded::of(name) }
    }

    pub(super) fn channel(name: &str) -> Self {
        Self { kind: Kind::Channel, name: Folded::of(name) }
    }

    pub(in crate::chat::server) fn ban(mask: &str) -> Self {
        Self { kind: Kind::Ban, name: Folded::of(mask) }
    }

    /// Whether the store can hold it.
    pub(in crate::chat::server) fn fits(&self) -> bool {
        self.text().len() <= MOST
    }

    /// As it is written.
    pub(super) fn text(&self) -> String {
        let mut text = self.kind.prefix().to_owned();
        for byte in self.name.as_str().bytes() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
                // It is written into a String, which takes everything.
                byte => drop(write!(text, "={byte:02X}")),
            }
        }
        text
    }

    /// Reads one; `None` if none is written like this.
    pub(super) fn read(text: &str) -> Option<Self> {
        let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
        let mut rest = text.strip_prefix(kind.prefix())?.bytes();
        let mut bytes = Vec::new();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'=' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                byte => byte,
            });
        }
        let key = Self { kind, name: Folded::of(std::str::from_utf8(&bytes).ok()?) };
        // One that can be written in two ways would be two entries.
        (!bytes.is_empty() && key.text() == text).then_some(key)
    }
}

impl Kind {
    const ALL: [Self; 3] = [Self::Name, Self::Channel, Self::Ban];

    fn prefix(self) -> &'static str {
        match self {
            Self::Name => "name.",
            Self::Channel => "channel.",
            Self::Ban => "ban.",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_in_no_other_way() {
        for (key, text) in [
            (Key::name("Ann"), "name.ann"),
            (Key::name("a|b.c"), "name.a=7Cb=2Ec"),
            (Key::channel("#Größe"), "channel.=23gr=C3=B6=C3=9Fe"),
            (Key::ban("*!*@192.0.2.7"), "ban.=2A=21=2A=40192=2E0=2E2=2E7"),
        ] {
            assert_eq!((key.text().as_str(), Key::read(text)), (text, Some(key)));
        }
        for text in ["", "name.", "name", "other.a", "name.Ann", "name.=6", "name.=61", "name.=FF"]
        {
            assert_eq!(Key::read(text), None, "{text}");
        }
        assert!(Key::ban(&"a".repeat(400)).fits() && !Key::ban(&"*".repeat(194)).fits());
    }

    proptest! {
        #[test]
        fn any_name_has_a_key_of_its_own(name in "\\PC{1,64}") {
            let key = Key::name(&name);
            prop_assert_eq!(Key::read(&key.text()), Some(key));
        }

        #[test]
        fn any_text_can_be_read(text in "\\PC{0,16}") {
            let _ = Key::read(&format!("name.{text}"));
        }
    }
}
