//! Names of what is published, and patterns of what is subscribed to: words with dots between them.
//!
//! In a pattern `*` stands for one word, and `>` at the end for one or more.
//!
//! ```
//! use protocols::nats::wire::subject;
//!
//! assert!(subject::matches("chat.*.said", "chat.tea.said"));
//! assert!(subject::matches("chat.>", "chat.tea.said") && !subject::matches("chat.>", "chat"));
//! assert!(subject::check("chat.tea").is_ok());
//! assert!(subject::check("chat.*").is_err() && subject::check_pattern("chat.*").is_ok());
//! ```

use thiserror::Error;

/// Bytes of a subject, with a group or an address for replies beside it in the same line: a server cuts off whoever
/// sends a line of more than 4 KiB.
pub const MOST: usize = 1_900;

/// It cannot be a subject. What was wrong is inside.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidSubject {
    /// There is nothing in it, or nothing between two dots.
    #[error("'{0}' is no subject: a word in it is empty")]
    Empty(String),
    /// There is a blank in it, or another character that would end a word.
    #[error("'{}' is no subject: there are blanks in it", .0.escape_debug())]
    Blank(String),
    /// A wildcard in what is published, or one in a place where it is none.
    #[error("'{0}' has a wildcard where there can be none")]
    Wildcard(String),
    /// It is longer than [`MOST`].
    #[error("a subject of {0} bytes, where {MOST} are allowed")]
    TooLong(usize),
}

/// Whether something can be published as this.
///
/// # Errors
///
/// See [`InvalidSubject`].
pub fn check(subject: &str) -> Result<(), InvalidSubject> {
    check_words(subject, |_, _| false)
}

/// Whether this can be subscribed to.
///
/// # Errors
///
/// See [`InvalidSubject`].
pub fn check_pattern(pattern: &str) -> Result<(), InvalidSubject> {
    check_words(pattern, |byte, is_last| byte == b'*' || is_last)
}

/// Whether this can be the name of a queue group: one word.
///
/// # Errors
///
/// See [`InvalidSubject`].
pub fn check_queue(queue: &str) -> Result<(), InvalidSubject> {
    check_length(queue)?;
    match queue.bytes().all(is_fit) {
        true if queue.is_empty() => Err(InvalidSubject::Empty(String::new())),
        true => Ok(()),
        false => Err(InvalidSubject::Blank(queue.to_owned())),
    }
}

fn check_length(subject: &str) -> Result<(), InvalidSubject> {
    if subject.len() > MOST { Err(InvalidSubject::TooLong(subject.len())) } else { Ok(()) }
}

/// `may`: whether a word may be this wildcard, if it is the last or not.
fn check_words(subject: &str, may: impl Fn(u8, bool) -> bool) -> Result<(), InvalidSubject> {
    check_length(subject)?;
    let bytes = subject.as_bytes();
    if is_plain(bytes) {
        return Ok(());
    }
    let mut begin = 0;
    for at in 0..=bytes.len() {
        match bytes.get(at) {
            Some(b'.') | None => match bytes.get(begin..at) {
                None | Some([]) => return Err(InvalidSubject::Empty(subject.to_owned())),
                Some([byte @ (b'*' | b'>')]) if !may(*byte, at == bytes.len()) => {
                    return Err(InvalidSubject::Wildcard(subject.to_owned()));
                }
                Some(_) => begin = at + 1,
            },
            Some(byte) if !is_fit(*byte) => return Err(InvalidSubject::Blank(subject.to_owned())),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether it has no wildcard, and nothing wrong with it: without a branch for each byte, since it is asked for each
/// message.
fn is_plain(subject: &[u8]) -> bool {
    let odd = |byte: u8| !is_fit(byte) | (byte == b'*') | (byte == b'>');
    let (is_odd, last) = subject.iter().fold((false, b'.'), |(is_odd, last), &byte| {
        (is_odd | odd(byte) | ((byte == b'.') & (last == b'.')), byte)
    });
    !is_odd && last != b'.'
}

fn is_fit(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

/// Whether a message of this subject is one of those that the pattern stands for.
#[must_use]
pub fn matches(pattern: &str, subject: &str) -> bool {
    let (mut wanted, mut words) = (pattern.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), words.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(word)) if wanted == word => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_has_words_and_no_wildcards() {
        for subject in ["a", "a.b", "$JS.API.INFO", "a*b.c>", "über.tea", "_INBOX.x"] {
            assert_eq!(check(subject), Ok(()), "{subject}");
        }
        for subject in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(check(subject), Err(InvalidSubject::Empty(subject.to_owned())));
        }
        for subject in ["a b", "a\tb", "a\r\nPUB b", "\0"] {
            assert_eq!(check(subject), Err(InvalidSubject::Blank(subject.to_owned())));
        }
        for subject in ["*", ">", "a.*", "a.*.b", "a.>"] {
            assert_eq!(check(subject), Err(InvalidSubject::Wildcard(subject.to_owned())));
            assert_eq!(check_pattern(subject), Ok(()));
        }
        assert_eq!(check_pattern("a.>.b"), Err(InvalidSubject::Wildcard("a.>.b".to_owned())));
        assert_eq!(check(&"x".repeat(MOST + 1)), Err(InvalidSubject::TooLong(MOST + 1)));
        assert_eq!(check(&"x".repeat(MOST)), Ok(()));
    }

    #[test]
    fn a_queue_is_a_word() {
        assert_eq!(check_queue("workers.1"), Ok(()));
        assert!(check_queue("").is_err() && check_queue("a b").is_err());
    }

    #[test]
    fn wildcards_stand_for_words() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("*.b", "a.b", true),
            (">", "a", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.*.c", "a.b.c", true),
            ("a*", "ab", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} {subject}");
        }
    }
}
