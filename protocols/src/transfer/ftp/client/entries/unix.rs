//! Lines of `ls -l`, as they come from Unix and from those who imitate it.
//!
//! ```text
//!   -rw-r--r--   1 root  wheel     25730 Jul 28  1994 cap60.pl198.tar.gz
//!   -rw-r--r--     root            25730 2024-05-06 07:08 no links, no group
//!   crw-rw-rw-   1 root  root      1,  3 Jan  1  2020 null
//!   d [R----F--] supervisor          512 Jan 16 18:53    NetWare
//!   0100644   500  101  12345  123456789       the mode and the time in numbers
//!   131074 4 -rw-r--r-- 1 u g 3 Jan 2 2024 a   with what `ls -i` and `ls -s` add
//! ```
//!
//! There is hardly a column that nobody leaves out. The date is what is looked for: the size is before it, and
//! the name behind it.

use std::time::{Duration, UNIX_EPOCH};

use super::words::{Words, number, size, unindented};
use super::{Entry, Reading, dates};
use crate::transfer::ftp::wire::time::Timestamp;
use crate::transfer::store::Kind;

/// Reads a line that begins with permissions; `None` if it does not.
pub(super) fn read(line: &[u8], today: Timestamp) -> Option<Reading> {
    let words = Words::of(line);
    let first = words.get(0)?;
    if let Some(kind) = kind_of_mode(first) {
        return from_numbers(&words, kind);
    }
    let added = (0..2).take_while(|&at| words.get(at).and_then(number).is_some()).count();
    if added > 0 {
        let is_line = words.get(added).is_some_and(|word| word.len() >= 10 && is_permissions(word));
        return read(words.from(added).filter(|_| is_line)?, today);
    }
    let (kind, columns) = match (kind_of_letter(first)?, first.len()) {
        // `d [R----F--]`
        (kind, 1) if words.get(1).is_some_and(|rights| rights.starts_with(b"[")) => (kind, 2),
        (kind, _) if is_permissions(first) => (kind, 1),
        _ => return None,
    };
    Some(dated(&words, kind, columns, today).unwrap_or_else(|| undated(&words, kind, columns)))
}

fn dated(words: &Words<'_>, kind: Kind, columns: usize, today: Timestamp) -> Option<Reading> {
    let (at, date) = dates::find(words, columns, today)?;
    let behind = words.behind(at + date.words - 1)?;
    let is_netware = words.get(0)?.len() == 1 || words.get(0)?.contains(&b'[');
    let name = if date.is_short || is_netware {
        unindented(behind)
    } else {
        // One space is between the date and the name; more are the name's own.
        behind.get(1..).unwrap_or_default()
    };
    let size = words.get(at - 1).filter(|_| at > columns).and_then(size);
    Some(named(name, kind, size, date.time))
}

/// Some leave the date out: links, two owners, the size, and the name. Some have seconds in its place.
fn undated(words: &Words<'_>, kind: Kind, columns: usize) -> Reading {
    let column = |at: usize| words.get(columns + at).and_then(size);
    let seconds = words.get(columns + 4).filter(|word| (9..=10).contains(&word.len()));
    let behind = words.behind(columns + 4).and_then(|behind| behind.get(1..));
    if let (Some(seconds), Some(name)) = (seconds.and_then(number), behind) {
        return named(name, kind, column(3), since_1970(seconds));
    }
    match (column(0), column(3), words.from(columns + 4)) {
        (Some(_), size @ Some(_), Some(name)) => named(name, kind, size, None),
        _ => Reading::Unread,
    }
}

fn from_numbers(words: &Words<'_>, kind: Kind) -> Option<Reading> {
    let column = |at: usize| words.get(at).and_then(number);
    let (size, seconds) = (column(3)?, column(4)?);
    Some(named(words.from(5)?, kind, Some(size), since_1970(seconds)))
}

fn since_1970(seconds: u64) -> Option<Timestamp> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(Timestamp::from)
}

fn named(name: &[u8], kind: Kind, size: Option<u64>, modified: Option<Timestamp>) -> Reading {
    let name = if kind == Kind::Link { before_arrow(name) } else { name };
    Entry { kind, size, modified, ..Entry::named(name) }.checked()
}

fn kind_of_letter(word: &[u8]) -> Option<Kind> {
    Some(match word.first()? {
        b'-' => Kind::File,
        b'd' => Kind::Directory,
        b'l' => Kind::Link,
        b'b' | b'c' | b'p' | b's' | b'D' => Kind::Other,
        _ => return None,
    })
}

/// Ten letters as ls(1) has them, and perhaps a sign for more; or the rights of others who imitate it.
fn is_permissions(word: &[u8]) -> bool {
    let letters = b"-rwxsStTlL+.@RWCEMFASDPBI[]";
    word.len() >= 9 && word.iter().skip(1).all(|byte| letters.contains(byte))
}

/// `0100644`: what stat(2) has.
fn kind_of_mode(word: &[u8]) -> Option<Kind> {
    let is_octal =
        (6..=7).contains(&word.len()) && word.iter().all(|it| (b'0'..=b'7').contains(it));
    let mode = std::str::from_utf8(word).ok().filter(|_| is_octal)?;
    Some(match u32::from_str_radix(mode, 8).ok()? >> 12 {
        0o10 => Kind::File,
        0o04 => Kind::Directory,
        0o12 => Kind::Link,
        0o01 | 0o02 | 0o06 | 0o14 => Kind::Other,
        _ => return None,
    })
}

/// The name of a link, of `name -> where it leads`.
fn before_arrow(text: &[u8]) -> &[u8] {
    const ARROW: &[u8] = b" -> ";
    let arrow = text.windows(ARROW.len()).position(|window| window == ARROW);
    text.get(..arrow.unwrap_or(text.len())).unwrap_or_default()
}
