//! Names: nicknames and channels, how they are spelt, and when two spellings are one name.
//!
//! The case mapping is `ascii` (ISUPPORT `CASEMAPPING=ascii`): `A` to `Z` are `a` to `z`, and nothing
//! else is anything else. The older `rfc1459` takes `[]\^` for the capitals of `{}|~`, as the Swedish
//! keyboards of 1988 had it; modern servers have left it behind, and a client that assumes the wrong one
//! is confused about fewer names than it was then.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// What ISUPPORT says of the case mapping.
pub const CASEMAPPING: &str = "ascii";
/// What may begin a channel's name (ISUPPORT `CHANTYPES`).
pub const CHANTYPES: &str = "#";

/// A name as it is compared: folded, and good for a key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folded(Box<str>);

impl Folded {
    /// Folds a name.
    ///
    /// ```
    /// use protocols::chat::Folded;
    /// assert_eq!(Folded::of("#Room[1]"), Folded::of("#rOOM[1]"));
    /// assert_ne!(Folded::of("ann[]"), Folded::of("ann{}"));
    /// ```
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into_boxed_str())
    }

    /// The folded spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folded spelling of a name that is only looked up: most are spelt so already.
    pub(in crate::chat) fn spelling(name: &str) -> Cow<'_, str> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }
}

impl Borrow<str> for Folded {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether two spellings are one name.
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// There is nothing.
    #[error("the name is empty")]
    Empty,
    /// It is longer than the server allows.
    #[error("the name is too long")]
    TooLong,
    /// It begins with something that would be taken for something else.
    #[error("a name may not begin with '{0}'")]
    Begin(char),
    /// It holds a character that would be taken for something else.
    #[error("a name may not hold '{}'", .0.escape_default())]
    Character(char),
}

/// A nickname, as its owner writes it.
///
/// Letters, digits and ``[]\`_^{|}-``; the first is no digit and no `-` (RFC 2812, 2.3.1). Unicode is
/// left out on purpose: letters that look like others would let one user pass for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nick(Box<str>);

impl Nick {
    /// Checks a nickname of at most `longest` bytes.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn new(text: &str, longest: usize) -> Result<Self, NameError> {
        match text.chars().next() {
            None => return Err(NameError::Empty),
            Some(first) if first.is_ascii_digit() || first == '-' => {
                return Err(NameError::Begin(first));
            }
            Some(_) => {}
        }
        if let Some(wrong) = text.chars().find(|&char| !is_nick_char(char)) {
            return Err(NameError::Character(wrong));
        }
        if text.len() > longest {
            return Err(NameError::TooLong);
        }
        Ok(Self(text.into()))
    }

    /// Whether there may be a server that takes it, for whoever talks to servers of all kinds: some take
    /// letters that are not ASCII, and how long it may be only the server knows.
    ///
    /// ```
    /// use protocols::chat::{NameError, Nick};
    /// assert_eq!(Nick::could_be("ännchen"), Ok(()));
    /// assert_eq!(Nick::could_be("two words"), Err(NameError::Character(' ')));
    /// ```
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn could_be(text: &str) -> Result<(), NameError> {
        let as_ascii =
            |char: char| if char.is_ascii() || !char.is_alphanumeric() { char } else { 'x' };
        match Self::new(&text.chars().map(as_ascii).collect::<String>(), LONGEST_NICK_ANYWHERE) {
            Ok(_) if text.len() > LONGEST_NICK_ANYWHERE => Err(NameError::TooLong),
            result => result.map(drop),
        }
    }

    /// As its owner writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a user is called who has none: its name in the network, which is no nickname that anybody could take.
    pub(in crate::chat) fn of_id(id: impl fmt::Display) -> Self {
        Self(id.to_string().into())
    }

    /// As it is compared.
    #[must_use]
    pub fn folded(&self) -> Folded {
        Folded::of(&self.0)
    }
}

/// Half a line: with more, nobody could say anything to whoever is called so.
const LONGEST_NICK_ANYWHERE: usize = 255;

fn is_nick_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || "[]\\`_^{|}-".contains(char)
}

impl fmt::Display for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A channel's name, as whoever made it wrote it: `#` and then anything but spaces, commas and control
/// characters (RFC 2812, 1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Checks a channel's name of at most `longest` bytes.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn new(text: &str, longest: usize) -> Result<Self, NameError> {
        match text.chars().next() {
            None => return Err(NameError::Empty),
            Some(first) if !CHANTYPES.contains(first) => return Err(NameError::Begin(first)),
            Some(_) if text.len() == 1 => return Err(NameError::Empty),
            Some(_) => {}
        }
        let wrong = text.chars().find(|&char| matches!(char, ' ' | ',') || char.is_control());
        match wrong {
            Some(wrong) => Err(NameError::Character(wrong)),
            None if text.len() > longest => Err(NameError::TooLong),
            None => Ok(Self(text.into())),
        }
    }

    /// Whether a target is meant to be a channel.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(|first| CHANTYPES.contains(first))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, for whoever keeps it.
    pub(in crate::chat) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// As it is compared.
    #[must_use]
    pub fn folded(&self) -> Folded {
        Folded::of(&self.0)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicknames_are_what_rfc_2812_says() {
        for good in ["ann", "A", "[bot]", "x^y`{}|\\-9_"] {
            assert_eq!(Nick::new(good, 30).map(|nick| nick.to_string()), Ok(good.to_owned()));
        }
        assert_eq!(Nick::new("", 9), Err(NameError::Empty));
        assert_eq!(Nick::new("9a", 9), Err(NameError::Begin('9')));
        assert_eq!(Nick::new("-a", 9), Err(NameError::Begin('-')));
        for wrong in ["a b", "a!b", "a@b", "a:b", "#a", "a,b", "ä", "a\u{7f}", "a*", "a.b"] {
            assert!(matches!(Nick::new(wrong, 30), Err(NameError::Character(_))), "{wrong}");
        }
        assert_eq!(Nick::new("abcdefghij", 9), Err(NameError::TooLong));
    }

    #[test]
    fn other_servers_may_take_letters_we_do_not() {
        for good in ["ann", "ännchen", "Ольга", "花子", "[x]"] {
            assert_eq!(Nick::could_be(good), Ok(()), "{good}");
        }
        for wrong in [
            "a b", "a!b", "a@b", ":a", "#a", "&a", "a,b", "a*", "a?", "a.b", "$a", "a~", "@a",
            "a\u{a0}b",
        ] {
            assert!(matches!(Nick::could_be(wrong), Err(NameError::Character(_))), "{wrong}");
        }
        assert_eq!(Nick::could_be(""), Err(NameError::Empty));
        assert_eq!(Nick::could_be("9a"), Err(NameError::Begin('9')));
        assert_eq!(Nick::could_be(&"ä".repeat(128)), Err(NameError::TooLong));
    }

    #[test]
    fn channels_begin_with_a_hash_and_hold_almost_anything() {
        for good in ["#a", "##", "#Ünïcode", "#a:b", "#a!b"] {
            assert!(ChannelName::new(good, 30).is_ok(), "{good}");
        }
        assert_eq!(ChannelName::new("a", 9), Err(NameError::Begin('a')));
        assert_eq!(ChannelName::new("#", 9), Err(NameError::Empty));
        assert_eq!(ChannelName::new("#a,b", 9), Err(NameError::Character(',')));
        assert_eq!(ChannelName::new("#a\u{7}", 9), Err(NameError::Character('\u{7}')));
        assert_eq!(ChannelName::new("#abcdefghi", 9), Err(NameError::TooLong));
    }
}
