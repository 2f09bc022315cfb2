//! Patterns: `*` is anything, `?` is one.

/// Whether a text is one of those that a pattern stands for. Two bytes are the `same`, and what a `?` stands
/// for has so many bytes at the front of a text, at least `one`, as the caller says. That text is never empty.
///
/// It takes at most as many steps as the two lengths multiplied, whatever the pattern: there is only ever one
/// `*` to come back to, since an earlier one could do nothing that the last cannot.
///
/// ```
/// use protocols::wildcard::{character, matches};
/// let is_of = |pattern: &str, text: &str| {
///     matches(pattern.as_bytes(), text.as_bytes(), u8::eq, character)
/// };
/// assert!(is_of("*/?.txt", "an/ä.txt"));
/// assert!(!is_of("*.txt", "a.txt.gz"));
/// ```
#[must_use]
pub fn matches(
    pattern: &[u8],
    text: &[u8],
    same: impl Fn(&u8, &u8) -> bool,
    one: impl Fn(&[u8]) -> usize,
) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Behind the last `*`, and how much of the text it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(seen) {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, seen));
            }
            (Some(b'?'), _) => (at, seen) = (at + 1, seen + one(&text[seen..])),
            (Some(wanted), _) if same(wanted, byte) => (at, seen) = (at + 1, seen + 1),
            (_, Some((behind, until))) => {
                star = Some((behind, until + 1));
                (at, seen) = (behind, until + 1);
            }
            (_, None) => return false,
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|&byte| byte == b'*')
}

/// How many bytes the first character of a text has, for a `?` that stands for one: at least one, also of a text that
/// is empty.
#[must_use]
pub fn character(text: &[u8]) -> usize {
    1 + text.iter().skip(1).take_while(|&&byte| byte & 0xc0 == 0x80).count()
}
