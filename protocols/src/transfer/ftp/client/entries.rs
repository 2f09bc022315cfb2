//! What a server says is in a directory: facts made for programs (MLSD, RFC 3659), or lines made for
//! people (LIST), of which there are as many kinds as servers, and two that are common.
//!
//! ```text
//!   MLSD   type=file;size=25730;modify=19940728095854; cap60.pl198.tar.gz
//!   LIST   -rw-r--r--   1 root  wheel     25730 Jul 28  1994 cap60.pl198.tar.gz          Unix
//!          07-28-94  09:58AM                25730 cap60.pl198.tar.gz                     Windows
//! ```
//!
//! A name is one name: what has a slash in it, or is `.` or `..`, would lead whoever stores what it fetches
//! to another place than it thinks, so it is not an entry.

use crate::transfer::ftp::time::Timestamp;
use crate::transfer::store::Kind;

/// A file or a directory, as its server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the directory: never empty, `.` or `..`, and without slashes and NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Bytes in it, if the server says.
    pub size: Option<u64>,
    /// When it was written last, if the server says. What comes from lines made for people is in the
    /// server's time zone, which nobody knows, and taken for UTC.
    pub modified: Option<Timestamp>,
}

impl Entry {
    /// Reads a line of MLSD, without its end. `None` if it is of no entry: of the directory itself, of
    /// the one above, or no such line at all.
    ///
    /// ```
    /// use protocols::transfer::ftp::client::Entry;
    /// let entry = Entry::from_facts(b"Type=file;Size=3;Perm=r; a b").expect("it is one");
    /// assert_eq!((&*entry.name, entry.size), (&b"a b"[..], Some(3)));
    /// assert_eq!(Entry::from_facts(b"Type=cdir; ."), None);
    /// ```
    #[must_use]
    pub fn from_facts(line: &[u8]) -> Option<Self> {
        let space = line.iter().position(|&byte| byte == b' ')?;
        let (facts, name) = (&line[..space], &line[space + 1..]);
        let name = plain_name(name)?;
        let mut entry = Self { name, kind: Kind::Other, size: None, modified: None };
        for fact in facts.split(|&byte| byte == b';').filter(|fact| !fact.is_empty()) {
            let equals = fact.iter().position(|&byte| byte == b'=')?;
            let (name, value) = (&fact[..equals], &fact[equals + 1..]);
            match &*name.to_ascii_lowercase() {
                b"type" => entry.kind = kind_of_fact(value)?,
                b"size" => entry.size = number(value),
                b"modify" => entry.modified = Timestamp::parse(value),
                _ => {}
            }
        }
        Some(entry)
    }

    /// Reads a line of LIST, without its end. `None` if it is none that is known: a total, say. Times of
    /// day without a year are of the last twelve months before `today`.
    ///
    /// ```
    /// use protocols::transfer::ftp::client::Entry;
    /// use protocols::transfer::ftp::time::Timestamp;
    /// let today = Timestamp::parse(b"20260105120000").expect("it is a time");
    /// let line = b"-rw-r--r--    1 0        0             1234 Dec 31 23:59 a  b";
    /// let entry = Entry::from_line(line, today).expect("it is one");
    /// assert_eq!((&*entry.name, entry.size), (&b"a  b"[..], Some(1234)));
    /// assert_eq!(entry.modified, Timestamp::parse(b"20251231235900"));
    /// ```
    #[must_use]
    pub fn from_line(line: &[u8], today: Timestamp) -> Option<Self> {
        from_unix(line, today).or_else(|| from_windows(line))
    }
}

fn kind_of_fact(value: &[u8]) -> Option<Kind> {
    match &*value.to_ascii_lowercase() {
        b"file" => Some(Kind::File),
        b"dir" => Some(Kind::Directory),
        // The directory that is listed, and the one above.
        b"cdir" | b"pdir" => None,
        other if other.starts_with(b"os.unix=slink") || other.starts_with(b"os.unix=symlink") => {
            Some(Kind::Link)
        }
        _ => Some(Kind::Other),
    }
}

/// A name that is one name.
fn plain_name(name: &[u8]) -> Option<Vec<u8>> {
    let is_plain = !matches!(name, b"" | b"." | b"..")
        && !name.iter().any(|byte| matches!(byte, b'/' | 0 | b'\r' | b'\n'));
    is_plain.then(|| name.to_vec())
}

/// `-rw-r--r--   1 owner group   size Mon dd hh:mm name`, as ls(1) has it. Some servers leave out the
/// group, or the number of links, so the date is what is looked for, and the size is before it.
fn from_unix(line: &[u8], today: Timestamp) -> Option<Entry> {
    let kind = match line.first()? {
        b'-' => Kind::File,
        b'd' => Kind::Directory,
        b'l' => Kind::Link,
        b'b' | b'c' | b'p' | b's' => Kind::Other,
        _ => return None,
    };
    let words = words(line);
    let at = (1..words.len()).find(|&at| is_date(line, &words, at))?;
    let word = |at: usize| words.get(at).map(|&(from, to)| &line[from..to]);
    let size = number(word(at - 1)?);
    let modified = unix_time(word(at)?, word(at + 1)?, word(at + 2)?, today);
    // One space is between the date and the name; more are the name's own.
    let (_, end) = *words.get(at + 2)?;
    let name = line.get(end + 1..)?;
    let name = match kind {
        Kind::Link => before_arrow(name),
        _ => name,
    };
    let size = size.filter(|_| kind == Kind::File);
    Some(Entry { name: plain_name(name)?, kind, size, modified })
}

/// Where each word begins and ends.
fn words(line: &[u8]) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut from = 0;
    for word in line.split(|&byte| byte == b' ') {
        if !word.is_empty() {
            words.push((from, from + word.len()));
        }
        // Nine words, and then the name, which may have any number of its own.
        if words.len() > 10 {
            break;
        }
        from += word.len() + 1;
    }
    words
}

/// Whether there is a size before this word, and a date from there.
fn is_date(line: &[u8], words: &[(usize, usize)], at: usize) -> bool {
    let word = |at: usize| words.get(at).map(|&(from, to)| &line[from..to]);
    let (Some(size), Some(name), Some(day), Some(time)) =
        (word(at - 1), word(at), word(at + 1), word(at + 2))
    else {
        return false;
    };
    let is_number = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let is_time = time.iter().all(|&byte| byte.is_ascii_digit() || byte == b':');
    is_number(size) && month(name).is_some() && is_number(day) && is_time
}

/// `Jul 28 1994`, or `Jul 28 09:58` for what is less than a year old.
fn unix_time(name: &[u8], day: &[u8], time: &[u8], today: Timestamp) -> Option<Timestamp> {
    let (month, day) = (month(name)?, number(day)?);
    let Some(colon) = time.iter().position(|&byte| byte == b':') else {
        return timestamp(number(time)?, month, day, 0, 0);
    };
    let (hour, minute) = (number(&time[..colon])?, number(&time[colon + 1..])?);
    let year = today.civil().year;
    // A clock may be ahead of ours, by a day at most; what seems to be later is of last year.
    let tomorrow = Timestamp::from(today.to_system_time() + std::time::Duration::from_secs(86_400));
    [year + 1, year, year.checked_sub(1)?]
        .into_iter()
        .filter_map(|year| timestamp(year, month, day, hour, minute))
        .find(|time| *time <= tomorrow)
}

fn month(name: &[u8]) -> Option<u64> {
    const MONTHS: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let name = name.to_ascii_lowercase();
    (1..).zip(MONTHS).find(|(_, month)| name == month.as_slice()).map(|(number, _)| number)
}

fn timestamp(year: u64, month: u64, day: u64, hour: u64, minute: u64) -> Option<Timestamp> {
    let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}00");
    Timestamp::parse(text.as_bytes())
}

/// The name of a link, of `name -> where it leads`.
fn before_arrow(text: &[u8]) -> &[u8] {
    const ARROW: &[u8] = b" -> ";
    let arrow = text.windows(ARROW.len()).position(|window| window == ARROW);
    &text[..arrow.unwrap_or(text.len())]
}

/// `07-28-94  09:58AM       <DIR>          name`.
fn from_windows(line: &[u8]) -> Option<Entry> {
    let words = words(line);
    let word = |at: usize| words.get(at).map(|&(from, to)| &line[from..to]);
    let modified = windows_time(word(0)?, word(1)?)?;
    let (kind, size) = match word(2)? {
        b"<DIR>" => (Kind::Directory, None),
        b"<JUNCTION>" | b"<SYMLINK>" | b"<SYMLINKD>" => (Kind::Link, None),
        size => (Kind::File, Some(number(size)?)),
    };
    // The name begins at the same column in each line: behind a size there is one space, behind
    // `<DIR>` there are ten.
    let (_, end) = *words.get(2)?;
    let gap = if kind == Kind::File { 1 } else { 10 };
    let name = line.get(end + gap..).filter(|_| line[end..].starts_with(&[b' '; 10][..gap]));
    let name = name.or_else(|| words.get(3).map(|&(from, _)| &line[from..]))?;
    Some(Entry { name: plain_name(name)?, kind, size, modified: Some(modified) })
}

fn windows_time(date: &[u8], time: &[u8]) -> Option<Timestamp> {
    let mut parts = date.split(|&byte| byte == b'-').map(number);
    let (month, day, year) = (parts.next()??, parts.next()??, parts.next()??);
    let year = match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        year => year,
    };
    let (clock, half) = match time.strip_suffix(b"PM") {
        Some(clock) => (clock, Some(12)),
        None => match time.strip_suffix(b"AM") {
            Some(clock) => (clock, Some(0)),
            None => (time, None),
        },
    };
    let colon = clock.iter().position(|&byte| byte == b':')?;
    let (hour, minute) = (number(&clock[..colon])?, number(&clock[colon + 1..])?);
    let hour = half.map_or(hour, |half| hour % 12 + half);
    timestamp(year, month, day, hour, minute)
}

/// Digits, and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn today() -> Timestamp {
        Timestamp::parse(b"20260610120000").expect("it is a time")
    }

    fn line(text: &str) -> Option<(String, Kind, Option<u64>, Option<String>)> {
        let entry = Entry::from_line(text.as_bytes(), today())?;
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        Some((name, entry.kind, entry.size, entry.modified.map(|time| time.to_string())))
    }

    #[track_caller]
    fn is(text: &str, name: &str, kind: Kind, size: Option<u64>, time: &str) {
        assert_eq!(
            line(text),
            Some((name.to_owned(), kind, size, Some(time.to_owned()))),
            "{text}"
        );
    }

    #[test]
    fn lines_of_unix() {
        let file = Kind::File;
        is(
            "-rw-r--r--   1 root     other        531 Jan 29 03:26 README",
            "README",
            file,
            Some(531),
            "20260129032600",
        );
        is(
            "dr-xr-xr-x   2 root     other        512 Apr  8  1994 etc",
            "etc",
            Kind::Directory,
            None,
            "19940408000000",
        );
        is(
            "lrwxrwxrwx   1 root     other          7 Jan 25 00:17 bin -> usr/bin",
            "bin",
            Kind::Link,
            None,
            "20260125001700",
        );
        is(
            "-rw-rw-r--    1 1000     1000   5368709120 Dec 24 18:00 5 GiB",
            "5 GiB",
            file,
            Some(5_368_709_120),
            "20251224180000",
        );
        // Without a group; without links; with a space before the name, and behind it.
        is("-rw-r--r--   1 root        531 Jan 29 03:26 a", "a", file, Some(531), "20260129032600");
        is(
            "----------   1 owner    group         1803128 Jul 10 10:18 ls-lR.Z",
            "ls-lR.Z",
            file,
            Some(1_803_128),
            "20250710101800",
        );
        is("-rw-r--r-- 1 a b 3 Jan  1  2020  a  b ", " a  b ", file, Some(3), "20200101000000");
        is(
            "crw-rw-rw- 1 root root 1, 3 Jan  1  2020 null",
            "null",
            Kind::Other,
            None,
            "20200101000000",
        );
    }

    #[test]
    fn lines_of_windows() {
        is(
            "04-27-00  09:09PM       <DIR>          licensed",
            "licensed",
            Kind::Directory,
            None,
            "20000427210900",
        );
        is(
            "07-18-2023  12:16AM                  589 two words",
            "two words",
            Kind::File,
            Some(589),
            "20230718001600",
        );
        is(
            "11-19-24  14:30       <DIR>           space",
            " space",
            Kind::Directory,
            None,
            "20241119143000",
        );
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for text in [
            "",
            "total 14786",
            "drwxr-xr-x 2 a b 512 Jan  1  2020 .",
            "drwxr-xr-x 2 a b 512 Jan  1  2020 ..",
            "-rw-r--r-- 1 a b 3 Jan  1  2020 ../../etc/passwd",
            "-rw-r--r-- 1 a b 3 Jan  1  2020",
            "-rw-r--r-- 1 a b 3",
            "07-18-2023  12:16AM  many name",
        ] {
            assert_eq!(line(text), None, "{text}");
        }
    }

    #[test]
    fn facts_are_what_rfc_3659_says() {
        let facts = |text: &str| Entry::from_facts(text.as_bytes());
        let entry =
            facts("Type=file;Size=1830;Modify=19940916055648;Perm=r; hatch.c").expect("one");
        assert_eq!(
            (&*entry.name, entry.kind, entry.size),
            (&b"hatch.c"[..], Kind::File, Some(1830))
        );
        assert_eq!(entry.modified, Timestamp::parse(b"19940916055648"));
        assert_eq!(
            facts("type=dir;modify=x; d").map(|it| (it.kind, it.modified)),
            Some((Kind::Directory, None))
        );
        assert_eq!(facts("type=OS.unix=slink:/foo; l").map(|it| it.kind), Some(Kind::Link));
        assert_eq!(facts(" bare").map(|it| it.kind), Some(Kind::Other));
        for none in [
            "",
            "type=cdir; .",
            "type=pdir; ..",
            "type=file; a/b",
            "type=file; ",
            "type=file;size; a",
        ] {
            assert_eq!(facts(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_an_entry_or_not_and_a_name_is_one_name(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            text in "[-dl07a ]{0,3}[rwx-]{0,9}( [0-9]{1,4}){0,4}( (Jan|Dec|jul))?( [0-9]{1,3})?( [0-9:]{1,5})?[ -~]{0,12}",
        ) {
            for line in [&bytes[..], text.as_bytes()] {
                for entry in [Entry::from_facts(line), Entry::from_line(line, today())] {
                    let name = entry.map_or(vec![b'x'], |entry| entry.name);
                    prop_assert!(!name.is_empty() && name != b"." && name != b"..");
                    prop_assert!(!name.iter().any(|byte| b"/\0\r\n".contains(byte)));
                }
            }
        }
    }
}
