//! `*` is anything, `?` is one.

/// Whether a text is one of those that a pattern stands for. Two bytes are the `same`, and what a `?` stands
/// for has so many bytes at the front of a text, as the caller says.
///
/// It takes at most as many steps as the two lengths multiplied, whatever the pattern: there is only ever one
/// `*` to come back to, since an earlier one could do nothing that the last cannot.
pub(crate) fn matches(
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
