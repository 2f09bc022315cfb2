//! Lines of servers that are neither Unix nor Windows.
//!
//! ```text
//!   +i8388621.48594,m825718503,r,s280,<TAB>djb.html                                     EPLF
//!   CII-MANUAL.TEX;1  213/216  29-JAN-1996 03:33:12  [ANONYMOU,ANONYMOUS]  (RWED,RE,,)  VMS
//!   WYOSPT 3420  2003/05/21  1  200  FB  80  8053  PS  A.DATASET                        z/OS
//!   MEMBER 01.01 2004/06/22 2004/06/22 16:32  128  128  0 BOBY12                        z/OS
//!   QSYS         77824 02/23/00 15:09:55 *DIR  name/                                    AS/400
//!   1123 DIR  A  07-14-99   12:37  name                                                 OS/2
//!   206876  Apr 04, 2000 21:06 name                                                     VShell
//! ```
//!
//! Blocks and records are no bytes: a size in them is not told.

use std::time::{Duration, UNIX_EPOCH};

use super::words::{Words, number, size, unindented};
use super::{Entry, Reading, dates};
use crate::transfer::ftp::wire::time::Timestamp;
use crate::transfer::store::Kind;

/// Reads a line of any of them; `None` if it is of none.
pub(super) fn read(line: &[u8], today: Timestamp) -> Option<Reading> {
    let words = Words::of(line);
    eplf(line)
        .or_else(|| vms(&words, today))
        .or_else(|| as400(&words, today))
        .or_else(|| data_set(&words, today))
        .or_else(|| member(&words, today))
        .or_else(|| size_first(&words, today))
        .map(Entry::checked)
}

/// Easily parsed, as D. J. Bernstein has it.
fn eplf(line: &[u8]) -> Option<Entry> {
    let line = line.strip_prefix(b"+")?;
    // Its tab does not survive everything.
    let tab = line.iter().position(|&byte| byte == b'\t');
    let at = tab.or_else(|| line.iter().position(|&byte| byte == b' '))?;
    let (facts, name) = (line.get(..at)?, line.get(at + 1..)?);
    let mut entry = Entry::named(name);
    for fact in facts.split(|&byte| byte == b',') {
        match fact {
            b"/" => entry.kind = Kind::Directory,
            b"r" => entry.kind = Kind::File,
            [b's', size @ ..] => entry.size = number(size),
            [b'm', seconds @ ..] => {
                let since = number(seconds).map(Duration::from_secs);
                let time = since.and_then(|since| UNIX_EPOCH.checked_add(since));
                entry.modified = time.map(Timestamp::from);
            }
            [b'i', unique @ ..] => entry.unique = Some(unique.to_vec()),
            _ => {}
        }
    }
    Some(entry)
}

/// `NAME.EXT;1`, then blocks, a date and owners in any order.
fn vms(words: &Words<'_>, today: Timestamp) -> Option<Entry> {
    let name = without_version(words.get(0)?)?;
    let (_, date) = (1..words.len()).find_map(|at| Some((at, dates::at(words, at, today)?)))?;
    let (kind, name) = match name.strip_suffix(b".DIR") {
        Some(name) => (Kind::Directory, name),
        None => (Kind::File, name),
    };
    Some(Entry { kind, modified: date.time, ..Entry::named(name) })
}

/// Of a name of VMS, which has a version.
pub(super) fn without_version(word: &[u8]) -> Option<&[u8]> {
    let semicolon = word.iter().rposition(|&byte| byte == b';')?;
    number(word.get(semicolon + 1..)?)?;
    word.get(..semicolon).filter(|name| !name.is_empty())
}

fn as400(words: &Words<'_>, today: Timestamp) -> Option<Entry> {
    let size = number(words.get(1)?)?;
    let date = dates::at(words, 2, today).filter(|date| date.words == 2)?;
    let what = words.get(4).filter(|what| what.starts_with(b"*"))?;
    let name = words.from(5)?;
    let is_directory = name.ends_with(b"/") || what == b"*DIR";
    let kind = if is_directory { Kind::Directory } else { Kind::File };
    Some(Entry { kind, size: Some(size), modified: date.time, ..Entry::named(name) })
}

/// A data set of z/OS; one that is partitioned is a directory of members.
fn data_set(words: &Words<'_>, today: Timestamp) -> Option<Entry> {
    let file = |at: usize| Some(Entry { kind: Kind::File, ..Entry::named(words.from(at)?) });
    match (words.len(), words.get(0)?, words.get(1)?, words.get(2)) {
        (2, b"Migrated", ..) => return file(1),
        (3, _, b"Tape", _) => return file(2),
        (4, _, _, Some(b"VSAM")) => return file(3),
        _ => {}
    }
    let date = dates::at(words, 2, today).filter(|date| date.words == 1);
    if date.is_none() && words.get(2)? != b"**NONE**" {
        return None;
    }
    let organization = words.len().checked_sub(2).filter(|&at| at > 2)?;
    let kind = match words.get(organization)? {
        b"PS" | b"DA" | b"VS" | b"PS-E" | b"DA-U" => Kind::File,
        b"PO" | b"PO-E" => Kind::Directory,
        _ => return None,
    };
    let modified = date.and_then(|date| date.time);
    Some(Entry { kind, modified, ..Entry::named(words.from(organization + 1)?.trim_ascii_end()) })
}

/// A member of a partitioned data set: its version, when it was made, and when it was changed.
fn member(words: &Words<'_>, today: Timestamp) -> Option<Entry> {
    let (major, minor) = words.get(1)?.split_at_checked(2)?;
    number(major).and(number(minor.strip_prefix(b".")?))?;
    dates::at(words, 2, today).filter(|date| date.words == 1)?;
    let changed = dates::at(words, 3, today).filter(|date| date.words == 2)?;
    Some(Entry { kind: Kind::File, modified: changed.time, ..Entry::named(words.get(0)?) })
}

/// The size, attributes in capitals, a date with a time, and the name.
fn size_first(words: &Words<'_>, today: Timestamp) -> Option<Entry> {
    let size = size(words.get(0)?)?;
    let is_attribute = |word: &[u8]| word.iter().all(u8::is_ascii_uppercase);
    let at = (1..4).find(|&at| !words.get(at).is_some_and(is_attribute))?;
    let date = dates::at(words, at, today).filter(|date| !date.is_short)?;
    let behind = words.behind(at + date.words - 1)?;
    let name = unindented(behind);
    let is_directory = name.ends_with(b"/")
        || name.ends_with(b" <DIR>")
        || (1..at).any(|at| words.get(at) == Some(b"DIR"));
    let name = name.strip_suffix(b"<DIR>").map_or(name, <[u8]>::trim_ascii_end);
    let kind = if is_directory { Kind::Directory } else { Kind::File };
    Some(Entry { kind, size: Some(size), modified: date.time, ..Entry::named(name) })
}
