//! Names that cannot be in a line of a list as they are: a server has `?` there, and a client finds out what
//! that stands for.
//!
//! A line feed is said as NUL. To some servers that is the end of the name, which is another name then: so what
//! a guess has found has to be what was listed, by its unique fact or its size.

use std::ffi::OsString;
use std::vec;

use protocols::transfer::ftp::client::{Done, Failure};
use protocols::transfer::ftp::reply::Reply;

use crate::local::name_here;

/// Above so many `?` in a name, they are all taken for the same: there are three to the power of that many
/// names.
const MOST_MARKS: usize = 4;

/// What a name may be, the likelier first.
#[derive(Debug)]
pub(crate) struct Guesses(vec::IntoIter<Vec<u8>>);

impl Guesses {
    /// Of a path, in whose last part some bytes are in question.
    pub(crate) fn of(remote: &[u8]) -> Self {
        let from = remote.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let marks: Vec<_> =
            (from..remote.len()).filter(|&at| remote.get(at) == Some(&b'?')).collect();
        let mut names = Vec::new();
        for choice in choices(marks.len()) {
            // No command has a line feed in it.
            let mut name: Vec<_> =
                remote.iter().map(|&it| if it == b'\n' { b'\0' } else { it }).collect();
            for (&at, letter) in marks.iter().zip(choice) {
                name[at] = letter;
            }
            if name != remote && !names.contains(&name) {
                names.push(name);
            }
        }
        Self(names.into_iter())
    }

    /// The same, but at first it may be what it seems to be.
    pub(crate) fn of_doubted(remote: &[u8]) -> Self {
        let guesses = Self::of(remote).0;
        Self(std::iter::once(remote.to_vec()).chain(guesses).collect::<Vec<_>>().into_iter())
    }

    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        self.0.next()
    }
}

/// What is in the place of so many `?`: the same everywhere, then everything else.
fn choices(marks: usize) -> Vec<Vec<u8>> {
    const LETTERS: [u8; 3] = *b"?\0\r";
    let uniform = LETTERS.iter().map(|&letter| vec![letter; marks]);
    let count = if marks <= MOST_MARKS { 3_usize.pow(marks as u32) } else { 0 };
    let letter = |number: usize, at: usize| LETTERS[number / 3_usize.pow(at as u32) % 3];
    let mixed = (0..count).map(|number| (0..marks).map(|at| letter(number, at)).collect());
    uniform.chain(mixed).collect()
}

/// Whether a reply to MLST is about what has this unique fact.
pub(crate) fn is_known_as(reply: &Reply, unique: &[u8]) -> bool {
    reply.lines.iter().any(|line| unique_of(line) == Some(unique))
}

/// What tells a file from others, in a line of a reply to MLST. Its name may be a path there.
fn unique_of(line: &[u8]) -> Option<&[u8]> {
    let facts = line.trim_ascii_start().split(|&byte| byte == b' ').next()?;
    facts.split(|&byte| byte == b';').find_map(|fact| {
        let (name, value) = fact.split_at_checked(b"unique=".len())?;
        name.eq_ignore_ascii_case(b"unique=").then_some(value)
    })
}

/// What the last part of a path that was guessed right is called here.
pub(crate) fn guessed_name_here(remote: &[u8]) -> Option<OsString> {
    let name = remote.rsplit(|&byte| byte == b'/').next()?;
    let name: Vec<u8> = name.iter().map(|&it| if it == 0 { b'\n' } else { it }).collect();
    name_here(&name)
}

/// The reply to a command that may have failed without a harm.
pub(crate) fn reply(outcome: Result<Done, Failure>) -> Option<Reply> {
    match outcome {
        Ok(Done::Command(reply)) => Some(reply),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut guesses: Guesses) -> Vec<String> {
        let names = std::iter::from_fn(|| guesses.next());
        names.map(|name| name.escape_ascii().to_string()).collect()
    }

    #[test]
    fn every_mark_may_be_another_character() {
        assert_eq!(all(Guesses::of(b"?/a?b")), ["?/a\\x00b", "?/a\\rb"]);
        let both = all(Guesses::of(b"a??"));
        assert_eq!(both[..2], ["a\\x00\\x00", "a\\r\\r"]);
        assert!(both.len() == 8 && both.contains(&"a\\r\\x00".to_owned()), "{both:?}");
        assert_eq!(all(Guesses::of(b"a??????")).len(), 2);
        assert_eq!(all(Guesses::of(b"plain")).len(), 0);
    }

    #[test]
    fn a_line_feed_that_is_known_is_one() {
        assert_eq!(all(Guesses::of(b"a\nb")), ["a\\x00b"]);
        assert_eq!(all(Guesses::of(b"a\n?")), ["a\\x00?", "a\\x00\\x00", "a\\x00\\r"]);
        assert_eq!(all(Guesses::of_doubted(b"a?")), ["a?", "a\\x00", "a\\r"]);
    }
}
