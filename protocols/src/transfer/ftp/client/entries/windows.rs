//! Lines of Windows' `dir`: `07-28-94  09:58AM       <DIR>          name`.

use super::date_words::{clock, half_day};
use super::words::{Words, size, unindented};
use super::{Entry, Reading, dates};
use crate::transfer::ftp::wire::time::Timestamp;
use crate::transfer::store::Kind;

/// Reads a line that begins with a date and a time; `None` if it does not.
pub(super) fn read(line: &[u8], today: Timestamp) -> Option<Reading> {
    // `09:58 PM` is one word here.
    let joined;
    let words = Words::of(line);
    let words = match (words.get(1), words.get(2).and_then(half_day), words.behind(2)) {
        (Some(time), Some(half), Some(rest)) => {
            joined = [words.get(0)?, b" ", time, half, rest].concat();
            Words::of(&joined)
        }
        _ => words,
    };
    clock(words.get(1)?)?;
    let date = dates::at(&words, 0, today).filter(|date| date.words == 2)?;
    let (kind, gap) = match words.get(2)? {
        b"<DIR>" => (Kind::Directory, 10),
        b"<JUNCTION>" | b"<SYMLINKD>" => (Kind::Link, 5),
        b"<SYMLINK>" => (Kind::Link, 6),
        _ => (Kind::File, 1),
    };
    let size = words.get(2).filter(|_| kind == Kind::File).map(size);
    if size == Some(None) {
        return Some(Reading::Unread);
    }
    // The name begins at the same column in each line, if the server keeps to columns.
    let behind = words.behind(2)?;
    let pad = behind.get(..gap).filter(|pad| pad.iter().all(|&byte| byte == b' '));
    let name = match pad {
        Some(pad) => behind.get(pad.len()..).unwrap_or_default(),
        None => unindented(behind),
    };
    let name = if kind == Kind::Link { before_target(name) } else { name };
    let entry = Entry { kind, size: size.flatten(), modified: date.time, ..Entry::named(name) };
    Some(entry.checked())
}

/// The name of a link, of `name [where it leads]`.
fn before_target(name: &[u8]) -> &[u8] {
    let bracket = name.windows(2).position(|pair| pair == b" [");
    name.get(..bracket.filter(|_| name.ends_with(b"]")).unwrap_or(name.len())).unwrap_or_default()
}
