//! A line, word by word, with the spaces that were between them.

/// So many words are looked at: the longest kind of line has eleven before the name.
const MOST: usize = 16;

/// The words of a line.
pub(super) struct Words<'a> {
    line: &'a [u8],
    /// Where each begins and ends.
    bounds: Vec<(usize, usize)>,
}

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut bounds = Vec::new();
        let mut from = 0;
        for word in line.split(|&byte| is_space(byte)) {
            if !word.is_empty() {
                bounds.push((from, from + word.len()));
            }
            if bounds.len() == MOST {
                break;
            }
            from += word.len() + 1;
        }
        Self { line, bounds }
    }

    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&'a [u8]> {
        let &(from, to) = self.bounds.get(at)?;
        self.line.get(from..to)
    }

    /// The line from this word on.
    pub(super) fn from(&self, at: usize) -> Option<&'a [u8]> {
        let &(from, _) = self.bounds.get(at)?;
        self.line.get(from..)
    }

    /// The line behind this word, with its spaces.
    pub(super) fn behind(&self, at: usize) -> Option<&'a [u8]> {
        let &(_, to) = self.bounds.get(at)?;
        self.line.get(to..)
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the spaces in front of it.
pub(super) fn unindented(line: &[u8]) -> &[u8] {
    let from = line.iter().position(|&byte| !is_space(byte));
    from.and_then(|from| line.get(from..)).unwrap_or_default()
}

/// Digits, and nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// A size as people write it: `1,234`, `1.234`, `1'234`, or with a space that does not break a line. What is
/// rounded (`33.5k`) is none.
pub(super) fn size(text: &[u8]) -> Option<u64> {
    let spaced: Vec<u8>;
    let text = if text.is_ascii() {
        text
    } else {
        // In UTF-8 and in Latin-1.
        spaced = match std::str::from_utf8(text) {
            Ok(text) => text.replace(['\u{a0}', '\u{202f}'], "'").into_bytes(),
            Err(_) => text.iter().map(|&byte| if byte == 0xa0 { b'\'' } else { byte }).collect(),
        };
        &spaced
    };
    let mut groups = text.split(|byte| b",.'".contains(byte));
    let first = groups.next()?;
    let rest: Vec<_> = groups.collect();
    let is_grouped = rest.is_empty() || first.len() <= 3 && rest.iter().all(|it| it.len() == 3);
    if !is_grouped {
        return None;
    }
    number(&[first, &rest.concat()].concat())
}
