//! Patterns in the names of lists: `NLST *.txt` is what clients make of `mget *.txt`.
//!
//! No RFC has them, and a file may well be called `*`: so a name is a pattern only if nothing has it.

use crate::wildcard;

/// Whether there is anything in a name that could make it a pattern.
pub(super) fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// Whether a name is one of those that a pattern stands for: `*` is any number of bytes, `?` is one. Names
/// that begin with a dot are not meant unless the dot is there.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    (pattern.starts_with(b".") || !name.starts_with(b"."))
        && wildcard::matches(pattern, name, u8::eq, |_| 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, as slowly and plainly as it can be said.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                plainly(rest, name)
                    || name.split_first().is_some_and(|(_, name)| plainly(pattern, name))
            }
            (Some((b'?', rest)), Some((_, name))) => plainly(rest, name),
            (Some((wanted, rest)), Some((byte, name))) => wanted == byte && plainly(rest, name),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name) in
            [("*", "a"), ("*.txt", "a.txt"), ("a?c", "abc"), ("a*b*c", "aXbbc"), (".*", ".a")]
        {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*", ".a"), ("?", ""), ("*.txt", "a.txt.gz"), ("a*b", "ac"), ("?a", ".a")]
        {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        // It would take for ever if every star were come back to.
        assert!(!matches(&[&b"a*".repeat(60)[..], b"c"].concat(), &b"a".repeat(200)));
    }

    proptest! {
        #[test]
        fn it_is_what_it_says(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), plainly(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
