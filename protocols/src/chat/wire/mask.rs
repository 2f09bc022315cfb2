//! Masks: `*` stands for anything, `?` for one character.

use std::borrow::Cow;

use crate::wildcard;

/// Whether a text matches a mask, without regard to case (as the server's case mapping has it).
///
/// It takes at most as many steps as the two lengths multiplied, whatever the mask.
///
/// ```
/// use protocols::chat::mask::matches;
/// assert!(matches("*!*@192.0.2.?", "ann!~a@192.0.2.7"));
/// assert!(!matches("bob!*", "ann!~a@192.0.2.7"));
/// ```
#[must_use]
pub fn matches(mask: &str, text: &str) -> bool {
    let (mask, text) = (mask.as_bytes(), text.as_bytes());
    wildcard::matches(mask, text, u8::eq_ignore_ascii_case, wildcard::character)
}

/// A mask that is about something else than `nick!user@host` (ISUPPORT `EXTBAN=,am`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended<'a> {
    /// `a:account`: who is logged in to an account that fits.
    Account(&'a str),
    /// `m:mask`: who may be here, and not speak.
    Mute(&'a str),
}

impl<'a> Extended<'a> {
    /// What a mask means, if it is an extended one.
    #[must_use]
    pub fn of(mask: &'a str) -> Option<Self> {
        match mask.split_once(':') {
            // `a::1` is an address.
            Some(("a", account)) if !account.starts_with(':') => Some(Self::Account(account)),
            Some(("m", mask)) => Some(Self::Mute(mask)),
            _ => None,
        }
    }
}

/// Completes a mask of a list to `nick!user@host`: what is left out is `*` (modern.ircdocs.horse,
/// "Ban Channel Mode"). An [`Extended`] one is left as it is.
#[must_use]
pub fn complete(mask: &str) -> Cow<'_, str> {
    if Extended::of(mask).is_some() {
        return Cow::Borrowed(mask);
    }
    match (mask.split_once('!'), mask.split_once('@')) {
        (Some(("", rest)), _) => Cow::Owned(complete(&format!("*!{rest}")).into_owned()),
        (Some((_, _)), Some((_, host))) if !host.is_empty() => Cow::Borrowed(mask),
        (Some((_, _)), Some(_)) => Cow::Owned(format!("{mask}*")),
        (Some((nick, user)), None) => {
            Cow::Owned(format!("{nick}!{}@*", if user.is_empty() { "*" } else { user }))
        }
        (None, Some((user, host))) => {
            let or_any =
                |part: &'_ str| if part.is_empty() { "*".to_owned() } else { part.to_owned() };
            Cow::Owned(format!("*!{}@{}", or_any(user), or_any(host)))
        }
        // A host name or address has dots or colons; a nickname has neither.
        (None, None) if mask.contains(['.', ':']) => Cow::Owned(format!("*!*@{mask}")),
        (None, None) => Cow::Owned(format!("{mask}!*@*")),
    }
}

/// Whether there is anything in it that stands for something else.
#[must_use]
pub fn is_mask(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_and_marks_stand_for_what_they_should() {
        for (mask, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**a**", "bab", true),
            ("?", "ü", true),
            ("?", "", false),
            ("a?c", "aBC", true),
            ("a*b*c", "axxbxxbxxc", true),
            ("a*b*c", "axxcxxb", false),
            ("*ab", "aab", true),
        ] {
            assert_eq!(matches(mask, text), fits, "{mask:?} {text:?}");
        }
    }

    #[test]
    fn a_mask_made_to_be_slow_is_not() {
        let (mask, text) = ("*a".repeat(100) + "b", "a".repeat(510));
        assert!(!matches(&mask, &text));
    }

    #[test]
    fn masks_are_completed() {
        for (mask, complete_mask) in [
            ("ann", "ann!*@*"),
            ("*", "*!*@*"),
            ("ann!a", "ann!a@*"),
            ("a@b", "*!a@b"),
            ("@b", "*!*@b"),
            ("192.0.2.*", "*!*@192.0.2.*"),
            ("2001:db8::*", "*!*@2001:db8::*"),
            ("ann!a@", "ann!a@*"),
            ("!a@b", "*!a@b"),
            ("ann!a@b", "ann!a@b"),
            ("a:ann", "a:ann"),
            ("m:ann", "m:ann"),
            ("a::1", "*!*@a::1"),
        ] {
            assert_eq!(complete(mask), complete_mask, "{mask}");
        }
    }

    /// The definition, as slow as it is plain.
    fn matches_plainly(mask: &[char], text: &[char]) -> bool {
        match (mask.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', mask)), _) if matches_plainly(mask, text) => true,
            (Some(('*', _)), Some((_, text))) => matches_plainly(mask, text),
            (Some(('?', mask)), Some((_, text))) => matches_plainly(mask, text),
            (Some((a, mask)), Some((b, text))) => a == b && matches_plainly(mask, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_as_the_definition_does(mask in "[ab*?ü]{0,8}", text in "[abü]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&mask, &text), matches_plainly(&chars(&mask), &chars(&text)));
        }

        #[test]
        fn a_complete_mask_stays_as_it_is(mask in "[a.:!@*]{1,8}") {
            let once = complete(&mask).into_owned();
            prop_assert_eq!(complete(&once), once.clone());
        }
    }
}
