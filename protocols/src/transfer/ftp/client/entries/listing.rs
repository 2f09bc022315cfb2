//! A whole list: its lines one by one, and those that mean something only where they stand.

use super::others::without_version;
use super::words::{Words, size, unindented};
use super::{Entry, Reading};
use crate::transfer::ftp::wire::time::Timestamp;

/// What a server says is in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What is in it, in the order in which the server has it.
    pub entries: Vec<Entry>,
    /// Lines that could not be read: there may be entries in them that nobody knows of.
    pub unread: Vec<Vec<u8>>,
}

impl Listing {
    /// Of what MLSD has sent.
    #[must_use]
    pub fn of_facts(list: &[u8]) -> Self {
        let mut listing = Self::default();
        lines(list, Entry::from_facts, |line, reading| listing.take(line, reading));
        listing
    }

    /// Of what LIST has sent.
    ///
    /// ```
    /// use protocols::transfer::ftp::client::Listing;
    /// use protocols::transfer::ftp::time::Timestamp;
    /// let today = Timestamp::parse(b"20260105120000").expect("it is a time");
    /// let list = b"total 12\r\n-rw-r--r-- 1 ann ann 3 Jan  2  2024 a b\r\nls: c: gone\r\n";
    /// let listing = Listing::of_lines(list, today);
    /// assert_eq!((&*listing.entries[0].name, listing.entries[0].size), (&b"a b"[..], Some(3)));
    /// assert_eq!(listing.unread, [b"ls: c: gone"]);
    /// ```
    #[must_use]
    pub fn of_lines(list: &[u8], today: Timestamp) -> Self {
        let mut listing = Self::default();
        // A name of VMS that is too long for its column has a line of its own.
        let mut broken: Option<&[u8]> = None;
        let mut is_first = true;
        lines(
            list,
            |line| Entry::from_line(line, today),
            |line, reading| {
                let joined = broken.take().map(|name| (name, [name, b" ", line].concat()));
                let read = |line: &[u8]| Entry::from_line(line, today);
                match joined.map(|(name, joined)| (name, read(&joined))) {
                    Some((_, whole @ Reading::Entry(_))) => return listing.take(line, whole),
                    Some((name, _)) => listing.unread.push(name.to_vec()),
                    None => {}
                }
                match reading {
                    Reading::Unread if is_first && is_total(line) => {}
                    Reading::Unread if without_version(line.trim_ascii()).is_some() => {
                        broken = Some(line.trim_ascii());
                    }
                    reading => listing.take(line, reading),
                }
                is_first = is_first && line.is_empty();
            },
        );
        listing.unread.extend(broken.map(<[u8]>::to_vec));
        listing
    }

    fn take(&mut self, line: &[u8], reading: Reading) {
        match reading {
            Reading::Entry(entry) => self.entries.push(entry),
            Reading::Nothing => {}
            Reading::Unread => self.unread.push(line.to_vec()),
        }
    }
}

/// Each line of a list, with what it reads as. Where lines end with CR LF, an LF alone may be a part of a name:
/// it is, if not all that it divides can be read.
fn lines<'a>(
    list: &'a [u8],
    read: impl Fn(&[u8]) -> Reading,
    mut each: impl FnMut(&'a [u8], Reading),
) {
    if !list.ends_with(b"\r\n") {
        return list.split(|&byte| byte == b'\n').map(without_cr).for_each(|it| each(it, read(it)));
    }
    for line in pairs(list) {
        let parts = || line.split(|&byte| byte == b'\n').map(without_cr);
        if !line.contains(&b'\n') || parts().any(|part| read(part) == Reading::Unread) {
            each(line, read(line));
        } else {
            parts().for_each(|part| each(part, read(part)));
        }
    }
}

/// What is between one CR LF and the next.
fn pairs(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let end = list.windows(2).position(|pair| pair == b"\r\n");
        rest = end.and_then(|end| list.get(end + 2..));
        list.get(..end.unwrap_or(list.len()))
    })
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `total 12`, in a language that is not known here: so it is only in the first line of a list.
fn is_total(line: &[u8]) -> bool {
    let words = Words::of(line);
    let (Some(word), Some(count), 2) = (words.get(0), words.get(1), words.len()) else {
        return false;
    };
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b':';
    let is_word = word.iter().all(is_letter) || !word.is_ascii();
    let digits = count.strip_suffix(b"K").or(count.strip_suffix(b"M")).or(count.strip_suffix(b"G"));
    is_word && digits.or(Some(count)).and_then(size).is_some()
}

/// Whether a line tells of the list, and of no entry: a heading, or a sum.
pub(super) fn is_remark(line: &[u8]) -> bool {
    const TOTALS: [&str; 12] = [
        "total",
        "totale",
        "totaal",
        "totalt",
        "insgesamt",
        "gesamt",
        "итого",
        "всего",
        "razem",
        "合計",
        "总用量",
        "總用量",
    ];
    let line = unindented(line);
    let words = Words::of(line);
    let first = words.get(0).unwrap_or_default();
    let first = String::from_utf8_lossy(first).trim_end_matches(':').to_lowercase();
    let is_total = words.len() == 2 && TOTALS.contains(&&*first) && is_total(line);
    // VMS; z/OS.
    let is_heading = line.starts_with(b"Directory ") && line.contains(&b'[')
        || line.starts_with(b"Total of ")
        || line.starts_with(b"Volume Unit ")
        || first == "name" && words.get(1) == Some(b"VV.MM");
    line.is_empty() || is_total || is_heading
}
