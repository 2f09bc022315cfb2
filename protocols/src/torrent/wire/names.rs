//! Names of files as they can be on a disk: none leads out of the folder, and no two are the same file.
//!
//! ```text
//!   what a torrent says            where it is on the disk
//!   ["..", "etc", "passwd"]   ──▶  _/etc/passwd
//!   ["a"], ["a"], ["a", "b"]  ──▶  a · a (2) · a (3)/b
//!   ["CON"], ["x?"]           ──▶  CON · x?        on Unix
//!                                  _CON · x_       on Windows
//! ```
//!
//! The rule changes only what a disk cannot have, so that what a torrent was made from is found again under the
//! names it has: making one, sharing one and fetching one all ask here, and get the same answer.

use std::collections::HashMap;
use std::path::PathBuf;

use thiserror::Error;

use crate::store::system_name;
use crate::torrent::limits::{DEEPEST, LONGEST_PATH};

/// The longest name there may be, in bytes; as on nearly every file system.
const LONGEST_NAME: usize = 255;

/// What the names of our own files begin with, beside those of the torrent.
pub(in crate::torrent) const RESERVED: &str = ".~torrent.";

/// What a system's disks can have as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// Any bytes but a slash and NUL; `a` and `A` are two.
    Unix,
    /// Text; `a` and `A` are one.
    Apple,
    /// Text without `<>:"/\|?*`, without a dot or a space at its end, and no name of a device; `a` and `A` are one.
    Windows,
}

/// The path cannot be made one for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoPath {
    /// There is no name in it.
    #[error("a path is empty")]
    Empty,
    /// More than 100 names.
    #[error("a path is too deep")]
    TooDeep,
    /// More than 3,072 bytes.
    #[error("a path is too long")]
    TooLong,
}

/// The names of one torrent's files, as they are given out.
#[derive(Debug)]
pub struct Names {
    rule: NameRule,
    /// Folders by what the torrent calls them.
    folders: HashMap<Key, Folder>,
    /// Every name that is in use, with the number that the next one like it may get.
    taken: HashMap<Key, u32>,
}

/// A name, folded as the rule says, and the folder it is in.
type Key = (usize, Vec<u8>);

#[derive(Clone, Debug)]
struct Folder {
    number: usize,
    name: Vec<u8>,
}

const ROOT: usize = 0;

impl NameRule {
    /// That of the system this was compiled for.
    #[must_use]
    pub fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(any(target_os = "macos", target_os = "ios")) {
            Self::Apple
        } else {
            Self::Unix
        }
    }

    /// A name as the disk can have it.
    fn clean(self, name: &[u8]) -> Vec<u8> {
        let mut clean = match self {
            Self::Unix => name.to_vec(),
            Self::Apple | Self::Windows => String::from_utf8_lossy(name).into_owned().into_bytes(),
        };
        for byte in &mut clean {
            if !self.has(*byte) {
                *byte = b'_';
            }
        }
        if clean.is_empty() || clean == b"." || clean == b".." {
            return b"_".to_vec();
        }
        if clean.starts_with(RESERVED.as_bytes()) || self == Self::Windows && is_device(&clean) {
            clean.insert(0, b'_');
        }
        if let (Self::Windows, Some(last @ (b'.' | b' '))) = (self, clean.last_mut()) {
            *last = b'_';
        }
        clean
    }

    fn has(self, byte: u8) -> bool {
        match self {
            Self::Unix | Self::Apple => byte != b'/' && byte != 0,
            Self::Windows => byte >= b' ' && !br#"<>:"/\|?*"#.contains(&byte),
        }
    }

    /// What is equal for names that are the same file.
    fn fold(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Unix => name.to_vec(),
            Self::Apple | Self::Windows => {
                String::from_utf8_lossy(name).to_lowercase().into_bytes()
            }
        }
    }
}

impl Names {
    /// No name is taken yet.
    #[must_use]
    pub fn new(rule: NameRule) -> Self {
        Self { rule, folders: HashMap::new(), taken: HashMap::new() }
    }

    /// Where a file with these names is, beneath the folder that a torrent is saved to. Another file with the same
    /// names gets another path.
    ///
    /// ```
    /// use protocols::torrent::wire::{NameRule, Names};
    /// let mut names = Names::new(NameRule::Unix);
    /// let mut place = |path: [&str; 2]| names.place(path.iter().map(|name| name.as_bytes()));
    /// assert_eq!(place(["..", "a/b"])?.to_str(), Some("_/a_b"));
    /// assert_eq!(place(["..", "a_b"])?.to_str(), Some("_/a_b (2)"));
    /// # Ok::<(), protocols::torrent::wire::NoPath>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`NoPath`].
    pub fn place<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n [u8]>,
    ) -> Result<PathBuf, NoPath> {
        let mut names = names.into_iter().peekable();
        let (mut path, mut length, mut inside) = (PathBuf::new(), 0, ROOT);
        for depth in 0.. {
            let name = names.next().ok_or(NoPath::Empty)?;
            let is_last = names.peek().is_none();
            let name = if is_last {
                self.take(inside, self.rule.clean(name))
            } else {
                let folder = self.folder(inside, name);
                inside = folder.number;
                folder.name
            };
            length += name.len() + 1;
            if depth >= DEEPEST {
                return Err(NoPath::TooDeep);
            }
            if length > LONGEST_PATH {
                return Err(NoPath::TooLong);
            }
            // Only another system than the rule's refuses what the rule lets through.
            path.push(system_name(&name).unwrap_or_else(|_| PathBuf::from("_")));
            if is_last {
                break;
            }
        }
        Ok(path)
    }

    fn folder(&mut self, inside: usize, name: &[u8]) -> Folder {
        let clean = self.rule.clean(name);
        let key = (inside, self.rule.fold(&clean));
        if let Some(folder) = self.folders.get(&key) {
            return folder.clone();
        }
        let number = self.folders.len() + 1;
        let folder = Folder { number, name: self.take(inside, clean) };
        self.folders.insert(key, folder.clone());
        folder
    }

    /// Takes a name, or one like it that is free. A number is tried once for each name, so many equal ones do
    /// not make it slow.
    fn take(&mut self, inside: usize, name: Vec<u8>) -> Vec<u8> {
        let first = (inside, self.rule.fold(&name));
        let Some(mut number) = self.taken.get(&first).copied() else {
            let name = fitting(&name, 0);
            return self.take_fitting(inside, first, name);
        };
        loop {
            let numbered = numbered(&name, number);
            let key = (inside, self.rule.fold(&numbered));
            number += 1;
            if !self.taken.contains_key(&key) {
                self.taken.insert(first, number);
                self.taken.insert(key, 2);
                return numbered;
            }
        }
    }

    /// A long name that was cut may be another's.
    fn take_fitting(&mut self, inside: usize, whole: Key, name: Vec<u8>) -> Vec<u8> {
        let key = (inside, self.rule.fold(&name));
        self.taken.insert(whole.clone(), 2);
        if key != whole && self.taken.contains_key(&key) {
            return self.take(inside, name);
        }
        self.taken.insert(key, 2);
        name
    }
}

/// `notes.txt` becomes `notes (2).txt`.
fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let number = format!(" ({number})").into_bytes();
    let name = fitting(name, number.len());
    let (stem, extension) = split(&name);
    [stem, &number, extension].concat()
}

/// A name that is short enough with `more` bytes: the stem is cut, the extension kept.
fn fitting(name: &[u8], more: usize) -> Vec<u8> {
    let room = LONGEST_NAME - more;
    if name.len() <= room {
        return name.to_vec();
    }
    let (stem, extension) = split(name);
    let mut keep = room - extension.len();
    // Not in the middle of a character.
    while keep > 1 && stem.get(keep).is_some_and(|byte| byte & 0xc0 == 0x80) {
        keep -= 1;
    }
    [stem.get(..keep).unwrap_or(stem), extension].concat()
}

/// Stem and extension, if that is short enough to be one.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|dot| *dot > 0);
    match dot {
        Some(dot) if name.len() - dot <= 17 => name.split_at(dot),
        _ => (name, b""),
    }
}

/// What Windows takes for a device, with whatever extension.
fn is_device(name: &[u8]) -> bool {
    let stem = name.split(|&byte| byte == b'.').next().unwrap_or_default().trim_ascii_end();
    let stem = String::from_utf8_lossy(stem).to_uppercase();
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let is_port = port.is_some_and(|port| {
        let mut digits = port.chars();
        digits.next().is_some_and(|digit| "0123456789¹²³".contains(digit))
            && digits.next().is_none()
    });
    is_port || ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*stem)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed(rule: NameRule, paths: &[&str]) -> Vec<String> {
        let mut names = Names::new(rule);
        let mut place = |path: &str| {
            let path = names.place(path.split('/').map(str::as_bytes)).expect("it is a path");
            path.to_str().expect("it is text").to_owned()
        };
        paths.iter().map(|path| place(path)).collect()
    }

    #[test]
    fn what_a_disk_can_have_stays_as_it_is() {
        let paths =
            ["a/b", "a/B", "A", "a b.txt", " ...", "-x", "~", "aux", "ä?:*|<>\\\"", "\u{1b}"];
        assert_eq!(placed(NameRule::Unix, &paths), paths);
        assert_eq!(placed(NameRule::Windows, &["a/b", "a b.txt", "auxiliary", ".x"])[1], "a b.txt");
    }

    #[test]
    fn no_name_leads_out() {
        let odd = ["../../etc/passwd", "/etc/passwd", "./a", "a//b", "a/..", "c\0d"];
        let expected = ["_/_/etc/passwd", "_/etc/passwd", "_/a", "a/_/b", "a/_ (2)", "c_d"];
        assert_eq!(placed(NameRule::Unix, &odd), expected);
    }

    #[test]
    fn our_own_files_are_not_overwritten() {
        assert_eq!(placed(NameRule::Unix, &[".~torrent.x"]), ["_.~torrent.x"]);
    }

    #[test]
    fn no_two_files_are_one() {
        let paths = ["a", "a", "a (2)", "a", "x.tar", "x.tar", "x.tar/y", "x.tar/z", "d/e", "d"];
        let expected = [
            "a",
            "a (2)",
            "a (2) (2)",
            "a (3)",
            "x.tar",
            "x (2).tar",
            "x (3).tar/y",
            "x (3).tar/z",
            "d/e",
            "d (2)",
        ];
        assert_eq!(placed(NameRule::Unix, &paths), expected);
    }

    #[test]
    fn where_case_is_nothing_it_makes_no_difference() {
        let paths = ["Read.me", "read.me", "Ä/x", "ä/X"];
        assert_eq!(placed(NameRule::Apple, &paths), ["Read.me", "read (2).me", "Ä/x", "Ä/X (2)"]);
        assert_eq!(placed(NameRule::Unix, &paths), paths);
    }

    #[test]
    fn windows_has_names_of_its_own() {
        let paths =
            ["CON", "nul.txt", "com1.x", "COM¹", "lpt", "a.", "b ", "c:d", "e\\..\\f", "\u{7}"];
        let expected =
            ["_CON", "_nul.txt", "_com1.x", "_COM¹", "lpt", "a_", "b_", "c_d", "e_.._f", "_"];
        assert_eq!(placed(NameRule::Windows, &paths), expected);
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = "ä".repeat(200) + ".txt";
        let other = "ä".repeat(201) + ".txt";
        let all = placed(NameRule::Unix, &[&long, &long, &other]);
        assert!(all.iter().all(|name| name.len() <= 255 && name.ends_with(".txt")), "{all:?}");
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
    }

    #[test]
    fn paths_are_bounded() {
        let mut names = Names::new(NameRule::Unix);
        assert_eq!(names.place([]), Err(NoPath::Empty));
        assert_eq!(names.place(vec![&b"a"[..]; 101]), Err(NoPath::TooDeep));
        assert_eq!(names.place(vec![&[b'a'; 250][..]; 20]), Err(NoPath::TooLong));
    }

    #[test]
    fn a_hundred_thousand_equal_names_take_no_time() {
        let mut names = Names::new(NameRule::Unix);
        for _ in 0..20_000 {
            names.place([&b"a"[..]]).expect("it is a path");
            names.place([&b"a"[..], b"b"]).expect("it is a path");
        }
        assert!(names.taken.len() <= 40_001);
    }

    proptest! {
        #[test]
        fn whatever_a_torrent_says_its_files_are_apart_and_inside(
            paths in proptest::collection::vec(
                proptest::collection::vec(proptest::string::string_regex("[aA./ (2)\0]{0,3}|con").unwrap(), 1..4),
                1..12,
            ),
        ) {
            for rule in [NameRule::Unix, NameRule::Apple, NameRule::Windows] {
                let mut names = Names::new(rule);
                let mut files: Vec<Vec<u8>> = Vec::new();
                for path in &paths {
                    let path = names.place(path.iter().map(String::as_bytes)).expect("it is a path");
                    let mut parts = path.components();
                    prop_assert!(parts.all(|part| matches!(part, std::path::Component::Normal(_))));
                    let mut path = rule.fold(path.to_str().expect("it is text").as_bytes());
                    path.push(b'/');
                    for other in &files {
                        prop_assert!(!path.starts_with(other) && !other.starts_with(&path));
                    }
                    files.push(path);
                }
            }
        }
    }
}
