//! Directories on the data connection, in three ways.
//!
//! ```text
//!   LIST   -rw-r--r--   1 ftp      ftp          1234 Jan 31 12:00 a name     for people; clients guess
//!   NLST   a name                                                          names alone
//!   MLSD   type=file;size=1234;modify=20260131120000;perm=r; a name        for programs (RFC 3659, 7)
//! ```
//!
//! A symbolic link is shown as one, to wherever in the tree it leads: `l… a link -> a name`, or
//! `type=OS.unix=slink:a.name`. Its other facts are those of what it leads to, so that a client can tell what
//! it would find there, and by `unique` whether it has been there (RFC 3659, 7.5.1 and 7.5.2).
//!
//! A name with a line end in it would be two lines, and the second whatever its inventor likes: such
//! bytes are shown as `?`.

use std::time::{Duration, SystemTime};

use super::users::Permissions;
use crate::transfer::ftp::wire::time::{Civil, Timestamp};
use crate::transfer::store::{Entry, Found, Kind, Link, Listing};

/// Times younger than this are shown with the time of day, others with the year, as `ls` does.
const RECENT: Duration = Duration::from_secs(182 * 24 * 60 * 60);
/// How many entries are looked at before others have their turn.
const AT_ONCE: usize = 256;
/// About how many bytes one line has.
const LINE: usize = 80;

/// In which way a directory is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// LIST, at this time of day.
    Long(SystemTime),
    /// NLST.
    Names,
    /// MLSD, with these facts.
    Facts(Facts, Permissions),
}

/// The facts of RFC 3659, 7.5, that are told, each or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    told: [bool; Fact::ALL.len()],
}

/// A fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// What it is.
    Type,
    /// Bytes in a file.
    Size,
    /// When it was written last.
    Modify,
    /// What may be done with it.
    Perm,
    /// What tells it from all others.
    Unique,
    /// Its permission bits.
    UnixMode,
}

impl Fact {
    /// All there are, in the order in which they are told.
    pub const ALL: [Self; 6] =
        [Self::Type, Self::Size, Self::Modify, Self::Perm, Self::Unique, Self::UnixMode];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Perm => "perm",
            Self::Unique => "unique",
            Self::UnixMode => "UNIX.mode",
        }
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self { told: [true; Fact::ALL.len()] }
    }
}

impl Facts {
    /// Those of these names that there are; a name that is none is left out (RFC 3659, 7.9).
    #[must_use]
    pub fn of(names: &[Vec<u8>]) -> Self {
        let asked =
            |fact: Fact| names.iter().any(|name| name.eq_ignore_ascii_case(fact.name().as_bytes()));
        Self { told: Fact::ALL.map(asked) }
    }

    /// Whether a fact is told.
    #[must_use]
    pub fn tells(&self, fact: Fact) -> bool {
        self.told[fact as usize]
    }

    /// Their names, each with a semicolon behind it: what OPTS MLST answers.
    #[must_use]
    pub fn names(&self) -> String {
        let told = Fact::ALL.into_iter().filter(|&fact| self.tells(fact));
        told.map(|fact| format!("{};", fact.name())).collect()
    }

    /// The names of all there are, those that are told with a star: what FEAT answers.
    #[must_use]
    pub fn offer(&self) -> String {
        let star = |fact| if self.tells(fact) { "*" } else { "" };
        Fact::ALL.into_iter().map(|fact| format!("{}{};", fact.name(), star(fact))).collect()
    }

    /// What there is to tell of what was found.
    #[must_use]
    pub fn tell(&self, found: &Found, permissions: Permissions) -> String {
        let told = Fact::ALL.into_iter().filter(|&fact| self.tells(fact));
        let value =
            |fact| Some(format!("{}={};", Fact::name(fact), fact_of(fact, found, permissions)?));
        told.filter_map(value).collect()
    }
}

fn fact_of(fact: Fact, found: &Found, permissions: Permissions) -> Option<String> {
    let entry = &found.entry;
    Some(match fact {
        Fact::Type => match (&found.link, entry.kind) {
            (Some(link), _) => type_of_link(link),
            (None, Kind::File) => "file".to_owned(),
            (None, Kind::Directory) => "dir".to_owned(),
            (None, Kind::Link) => "OS.unix=slink".to_owned(),
            (None, Kind::Other) => "OS.unix=other".to_owned(),
        },
        Fact::Size if entry.kind == Kind::File => entry.size.to_string(),
        Fact::Size => return None,
        Fact::Modify => Timestamp::from(entry.modified?).to_string(),
        Fact::Perm => perm(entry.kind, permissions),
        Fact::Unique => format!("{:x}U{:x}", entry.id.0, entry.id.1),
        Fact::UnixMode => format!("{:04o}", entry.mode),
    })
}

/// With its target, if a fact can hold that: no value has a space or a semicolon (RFC 3659, 7.2).
fn type_of_link(link: &Link) -> String {
    let target = link.target.as_deref().and_then(|target| std::str::from_utf8(target).ok());
    let fits = |text: &&str| !text.contains(|it: char| it == ';' || it == ' ' || it.is_control());
    match target.filter(fits) {
        Some(target) => format!("OS.unix=slink:{target}"),
        None => "OS.unix=slink".to_owned(),
    }
}

/// What a user may do with an entry, in the letters of RFC 3659, 7.5.5.
fn perm(kind: Kind, Permissions { read, create, modify, delete }: Permissions) -> String {
    let letters: &[(bool, char)] = match kind {
        Kind::File => &[(modify, 'a'), (delete, 'd'), (modify, 'f'), (read, 'r'), (modify, 'w')],
        Kind::Directory => &[
            (create, 'c'),
            (delete, 'd'),
            (true, 'e'),
            (modify, 'f'),
            (read, 'l'),
            (create, 'm'),
            (delete, 'p'),
        ],
        Kind::Link | Kind::Other => &[(delete, 'd'), (modify, 'f')],
    };
    letters.iter().filter(|(may, _)| *may).map(|&(_, letter)| letter).collect()
}

/// Appends the line of what was found.
pub fn show(style: Style, name: &[u8], found: &Found, out: &mut Vec<u8>) {
    match style {
        Style::Names => show_name(name, out),
        Style::Long(now) => {
            out.extend_from_slice(long(found.itself(), now).as_bytes());
            match found.link.as_ref().and_then(|link| link.target.as_deref()) {
                Some(target) => show_name(&[name, b" -> ", target].concat(), out),
                None => show_name(name, out),
            }
        }
        Style::Facts(facts, permissions) => {
            out.extend_from_slice(facts.tell(found, permissions).as_bytes());
            out.push(b' ');
            show_name(name, out);
        }
    }
}

/// Everything before the name. Who owns it, and in which group, is nobody's business.
fn long(entry: &Entry, now: SystemTime) -> String {
    let kind = match entry.kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Link => 'l',
        Kind::Other => 's',
    };
    let bits: String = (0..9)
        .map(|at| if entry.mode & (0o400 >> at) == 0 { '-' } else { ['r', 'w', 'x'][at % 3] })
        .collect();
    let (links, size, date) = (entry.links, entry.size, date(entry.modified, now));
    format!("{kind}{bits} {links:>3} ftp      ftp      {size:>12} {date} ")
}

fn date(modified: Option<SystemTime>, now: SystemTime) -> String {
    let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
    let time = Timestamp::from(modified);
    let (Civil { year, day, hour, minute, .. }, month) = (time.civil(), time.month_name());
    match now.duration_since(modified) {
        Ok(age) if age < RECENT => format!("{month} {day:2} {hour:02}:{minute:02}"),
        _ => format!("{month} {day:2} {year:>5}"),
    }
}

/// Shows a directory piece by piece, so that the longest takes no more memory than its names, and holds
/// nobody up.
#[derive(Debug)]
pub struct Show {
    listing: Listing,
    style: Style,
    /// What stands before each name.
    prefix: Vec<u8>,
    at: usize,
}

impl Show {
    /// Shows all of a directory.
    #[must_use]
    pub fn new(listing: Listing, style: Style) -> Self {
        Self { listing, style, prefix: Vec::new(), at: 0 }
    }

    /// With this before each name: the way to the directory, as it was asked for.
    #[must_use]
    pub fn with_prefix(mut self, prefix: Vec<u8>) -> Self {
        self.prefix = prefix;
        self
    }

    /// The next lines; empty at the end. What has vanished meanwhile is left out.
    #[must_use]
    pub fn next_piece(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LINE * AT_ONCE.min(self.listing.len()));
        while out.is_empty() && self.at < self.listing.len() {
            for at in self.at..self.listing.len().min(self.at + AT_ONCE) {
                self.show_one(at, &mut out);
            }
            self.at += AT_ONCE;
        }
        out
    }

    fn show_one(&self, at: usize, out: &mut Vec<u8>) {
        match (self.style, self.listing.names().get(at)) {
            // Names alone need no look at what they name.
            (Style::Names, Some(name)) => show_name(&[&self.prefix, &name[..]].concat(), out),
            _ => {
                if let Some((name, found)) = self.listing.get(at) {
                    show(self.style, &[&self.prefix, name].concat(), &found, out);
                }
            }
        }
    }
}

fn show_name(name: &[u8], out: &mut Vec<u8>) {
    let shown = |&byte: &u8| if matches!(byte, b'\r' | b'\n' | 0) { b'?' } else { byte };
    out.extend(name.iter().map(shown));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn entry(kind: Kind) -> Entry {
        let modified = Timestamp::parse(b"20260131120500").expect("a time").to_system_time();
        Entry {
            kind,
            size: 1234,
            modified: Some(modified),
            mode: 0o754,
            links: 1,
            id: (2, 255),
            changed: None,
        }
    }

    fn shown(style: Style, name: &str, kind: Kind) -> String {
        let mut out = Vec::new();
        show(style, name.as_bytes(), &Found::plain(entry(kind)), &mut out);
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn a_long_line_has_a_time_or_a_year() {
        let then = entry(Kind::File).modified.expect("it has one");
        assert_eq!(
            shown(Style::Long(then + DAY), "a name", Kind::File),
            "-rwxr-xr--   1 ftp      ftp              1234 Jan 31 12:05 a name\r\n"
        );
        for now in [then + DAY * 200, then - DAY] {
            assert_eq!(
                shown(Style::Long(now), "a name", Kind::Directory),
                "drwxr-xr--   1 ftp      ftp              1234 Jan 31  2026 a name\r\n"
            );
        }
    }

    #[test]
    fn facts_are_those_that_were_asked_for() {
        let all = Style::Facts(Facts::default(), Permissions::READ);
        assert_eq!(
            shown(all, "x", Kind::File),
            "type=file;size=1234;modify=20260131120500;perm=r;unique=2Uff;UNIX.mode=0754; x\r\n"
        );
        let some = Facts::of(&[b"SIZE".to_vec(), b"Type".to_vec(), b"colour".to_vec()]);
        assert_eq!(
            (some.names(), some.offer()),
            ("type;size;".to_owned(), "type*;size*;modify;perm;unique;UNIX.mode;".to_owned())
        );
        let some = Style::Facts(some, Permissions::ALL);
        assert_eq!(shown(some, "x", Kind::Directory), "type=dir; x\r\n");
        let none = Style::Facts(Facts::of(&[]), Permissions::ALL);
        assert_eq!(shown(none, "x", Kind::File), " x\r\n");
    }

    #[test]
    fn a_link_leads_somewhere_unless_that_is_not_told() {
        let all = Facts::of(&[b"type".to_vec(), b"size".to_vec(), b"perm".to_vec()]);
        let now = entry(Kind::Link).modified.expect("it has one");
        for (target, arrow, fact) in [
            (Some("."), " -> .", ":."),
            (Some("größe"), " -> größe", ":größe"),
            (Some("a b"), " -> a b", ""),
            (Some("a;size=7"), " -> a;size=7", ""),
            (Some("a\r\nb"), " -> a??b", ""),
            (None, "", ""),
        ] {
            let target = target.map(|target| target.as_bytes().to_vec());
            let link = Some(Link { entry: entry(Kind::Link), target });
            let found = Found { entry: entry(Kind::File), link };
            let mut out = Vec::new();
            show(Style::Long(now), b"x", &found, &mut out);
            show(Style::Facts(all, Permissions::READ), b"x", &found, &mut out);
            let out = String::from_utf8(out).expect("it is text");
            let long =
                format!("lrwxr-xr--   1 ftp      ftp              1234 Jan 31 12:05 x{arrow}");
            let facts = format!("type=OS.unix=slink{fact};size=1234;perm=r; x");
            assert_eq!(out, format!("{long}\r\n{facts}\r\n"));
        }
    }

    #[test]
    fn permissions_have_letters() {
        assert_eq!(perm(Kind::File, Permissions::ALL), "adfrw");
        assert_eq!(perm(Kind::Directory, Permissions::ALL), "cdeflmp");
        assert_eq!(perm(Kind::Directory, Permissions::READ), "el");
        assert_eq!(perm(Kind::File, Permissions::default()), "");
    }

    #[test]
    fn a_name_is_one_line_whatever_is_in_it() {
        assert_eq!(shown(Style::Names, "a\r\ntype=dir; b", Kind::File), "a??type=dir; b\r\n");
    }
}
