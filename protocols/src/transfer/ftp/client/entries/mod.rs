//! What a server says is in a directory: facts made for programs (MLSD, RFC 3659), or lines made for
//! people (LIST), of which there are as many kinds as servers.
//!
//! ```text
//!   MLSD   type=file;size=25730;modify=19940728095854; cap60.pl198.tar.gz
//!   LIST   -rw-r--r--   1 root  wheel     25730 Jul 28  1994 cap60.pl198.tar.gz          Unix
//!          07-28-94  09:58AM                25730 cap60.pl198.tar.gz                     Windows
//! ```
//!
//! A name is one name: what has a slash in it, or is `.` or `..`, would lead whoever stores what it fetches
//! to another place than it thinks, so it is not an entry.
//!
//! | file | what it is |
//! |---|---|
//! | `listing` | a whole list |
//! | `facts` | a line of MLSD |
//! | `unix`, `windows`, `others` | a line of LIST |
//! | `dates`, `date_words`, `months` | dates, in the order and the language of each server |
//! | `words` | a line, word by word |

mod date_words;
mod dates;
mod facts;
mod listing;
mod months;
mod others;
mod unix;
mod windows;
mod words;

pub use listing::Listing;

use crate::transfer::ftp::wire::time::Timestamp;
use crate::transfer::store::Kind;

/// A file or a directory, as its server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the directory: never empty, `.` or `..`, and without slashes. It may have anything else in
    /// it, line ends and NUL too.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes in it, if the server says.
    pub size: Option<u64>,
    /// When it was written last, if the server says. What comes from lines made for people is in the
    /// server's time zone, which nobody knows, and taken for UTC.
    pub modified: Option<Timestamp>,
    /// What tells it from everything else on the server, if the server says: two entries that have the same
    /// are the same thing, by two names.
    pub unique: Option<Vec<u8>>,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// An entry.
    Entry(Entry),
    /// None, and it is clear what else: the directory itself or the one above, a total, a heading, nothing.
    Nothing,
    /// Nobody knows: in another way than all that are known, or with a name that would lead elsewhere.
    Unread,
}

impl Entry {
    /// Reads a line of MLSD, without its end.
    ///
    /// ```
    /// use protocols::transfer::ftp::client::{Entry, Reading};
    /// let Reading::Entry(entry) = Entry::from_facts(b"Type=file;Size=3;Perm=r; a b") else { panic!() };
    /// assert_eq!((&*entry.name, entry.size), (&b"a b"[..], Some(3)));
    /// assert_eq!(Entry::from_facts(b"Type=cdir; ."), Reading::Nothing);
    /// assert_eq!(Entry::from_facts(b"Type=file; ../a"), Reading::Unread);
    /// ```
    #[must_use]
    pub fn from_facts(line: &[u8]) -> Reading {
        facts::read(line)
    }

    /// Reads a line of LIST, without its end. Times of day without a year are of the last twelve months
    /// before `today`.
    ///
    /// ```
    /// use protocols::transfer::ftp::client::{Entry, Reading};
    /// use protocols::transfer::ftp::time::Timestamp;
    /// let today = Timestamp::parse(b"20260105120000").expect("it is a time");
    /// let line = b"-rw-r--r--    1 0        0             1234 Dec 31 23:59 a  b";
    /// let Reading::Entry(entry) = Entry::from_line(line, today) else { panic!() };
    /// assert_eq!((&*entry.name, entry.size), (&b"a  b"[..], Some(1234)));
    /// assert_eq!(entry.modified, Timestamp::parse(b"20251231235900"));
    /// assert_eq!(Entry::from_line(b"total 12", today), Reading::Nothing);
    /// ```
    #[must_use]
    pub fn from_line(line: &[u8], today: Timestamp) -> Reading {
        if listing::is_remark(line) {
            return Reading::Nothing;
        }
        let line = words::unindented(line);
        unix::read(line, today)
            .or_else(|| windows::read(line, today))
            .or_else(|| others::read(line, today))
            .unwrap_or(Reading::Unread)
    }

    /// One of which only the name is known.
    fn named(name: &[u8]) -> Self {
        let name = name.to_vec();
        Self { name, kind: Kind::Other, size: None, modified: None, unique: None }
    }

    /// It, if its name is one name.
    fn checked(mut self) -> Reading {
        // So some mark directories.
        if self.kind == Kind::Directory && self.name.ends_with(b"/") {
            self.name.pop();
        }
        if self.kind != Kind::File {
            self.size = None;
        }
        match &*self.name {
            b"." | b".." => Reading::Nothing,
            name if name.is_empty() || name.contains(&b'/') => Reading::Unread,
            _ => Reading::Entry(self),
        }
    }
}

#[cfg(test)]
mod tests;
