//! One change, as a line of text: words, and at the end of some lines free text.
//!
//! ```text
//!   account Ann 1764000000 $argon2id$v=19$m=19456,t=2,p=1$…$…
//!   channel #lobby Ann 1764000100
//!   topic #lobby 1764000200 Ann Welcome, all of you
//!   ban *!*@192.0.2.7 1764000300 Floods
//! ```

use super::tables::{Ban, Topic};
use crate::password::{PasswordError, PasswordHash};

/// What can happen to the tables. Each names what it is about by its full name, not a folded one, so
/// that a later version may fold otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Account { name: String, created: u64, password: PasswordHash },
    Password { name: String, password: PasswordHash },
    Nick { name: String, nick: String },
    NoNick { name: String, nick: String },
    Drop { name: String },
    Channel { name: String, founder: String, registered: u64 },
    Topic { name: String, topic: Option<Topic> },
    Modes { name: String, modes: String },
    Forget { name: String },
    Ban(Ban),
    NoBan { mask: String },
}

impl Change {
    /// Appends the line, with its end.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Account { name, created, password } => account(out, name, *created, password),
            Self::Password { name, password } => {
                line(out, &["password", name, &password.to_string()]);
            }
            Self::Nick { name, nick: it } => nick(out, name, it),
            Self::NoNick { name, nick } => line(out, &["no-nick", name, nick]),
            Self::Drop { name } => line(out, &["drop", name]),
            Self::Channel { name, founder, registered } => {
                channel(out, name, founder, *registered);
            }
            Self::Topic { name, topic: Some(it) } => topic(out, name, it),
            Self::Topic { name, topic: None } => line(out, &["no-topic", name]),
            Self::Modes { name, modes: it } => modes(out, name, it),
            Self::Forget { name } => line(out, &["forget", name]),
            Self::Ban(it) => ban(out, it),
            Self::NoBan { mask } => line(out, &["no-ban", mask]),
        }
    }

    /// Reads a line, without its end; `None` if it is not one.
    pub(super) fn decode(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        Some(match kind {
            "account" => {
                let [name, created, password] = words(rest)?;
                let (created, password) = (created.parse().ok()?, password.parse().ok()?);
                Self::Account { name, created, password }
            }
            "password" => {
                let [name, password] = words(rest)?;
                Self::Password { name, password: password.parse().ok()? }
            }
            "nick" => words(rest).map(|[name, nick]| Self::Nick { name, nick })?,
            "no-nick" => words(rest).map(|[name, nick]| Self::NoNick { name, nick })?,
            "drop" => words(rest).map(|[name]| Self::Drop { name })?,
            "channel" => {
                let [name, founder, registered] = words(rest)?;
                Self::Channel { name, founder, registered: registered.parse().ok()? }
            }
            "topic" => {
                let [name, set_at, set_by, text] = words_and_text(rest)?;
                let topic = Some(Topic { text, set_by, set_at: set_at.parse().ok()? });
                Self::Topic { name, topic }
            }
            "no-topic" => words(rest).map(|[name]| Self::Topic { name, topic: None })?,
            "modes" => words_and_text(rest).map(|[name, modes]| Self::Modes { name, modes })?,
            "forget" => words(rest).map(|[name]| Self::Forget { name })?,
            "ban" => {
                let [mask, set_at, reason] = words_and_text(rest)?;
                Self::Ban(Ban { mask, reason, set_at: set_at.parse().ok()? })
            }
            "no-ban" => words(rest).map(|[mask]| Self::NoBan { mask })?,
            _ => return None,
        })
    }
}

/// Whose password is what makes a line none, and what is wrong with it.
pub(super) fn unusable_password(line: &str) -> Option<(String, PasswordError)> {
    let (kind, rest) = line.split_once(' ')?;
    let (name, password) = match kind {
        "account" => words(rest).map(|[name, _, password]| (name, password))?,
        "password" => words(rest).map(|[name, password]| (name, password))?,
        _ => return None,
    };
    let error = password.parse::<PasswordHash>().err()?;
    Some((name, error))
}

// The lines that are also written where everything is, each from what it is about, without a copy of it.

pub(super) fn account(out: &mut Vec<u8>, name: &str, created: u64, password: &PasswordHash) {
    line(out, &["account", name, &created.to_string(), &password.to_string()]);
}

pub(super) fn nick(out: &mut Vec<u8>, name: &str, nick: &str) {
    line(out, &["nick", name, nick]);
}

pub(super) fn channel(out: &mut Vec<u8>, name: &str, founder: &str, registered: u64) {
    line(out, &["channel", name, founder, &registered.to_string()]);
}

pub(super) fn topic(out: &mut Vec<u8>, name: &str, topic: &Topic) {
    line(out, &["topic", name, &topic.set_at.to_string(), &topic.set_by, &topic.text]);
}

pub(super) fn modes(out: &mut Vec<u8>, name: &str, modes: &str) {
    line(out, &["modes", name, modes]);
}

pub(super) fn ban(out: &mut Vec<u8>, ban: &Ban) {
    line(out, &["ban", &ban.mask, &ban.set_at.to_string(), &ban.reason]);
}

/// Whether a text can stand in a line as one word.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether a text can stand at the end of a line.
pub(super) fn is_line(text: &str) -> bool {
    !text.contains(['\n', '\r', '\0'])
}

fn line(out: &mut Vec<u8>, words: &[&str]) {
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
    out.push(b'\n');
}

/// Exactly so many words.
fn words<const N: usize>(text: &str) -> Option<[String; N]> {
    let words = words_and_text(text)?;
    words.iter().all(|word| is_word(word)).then_some(words)
}

/// Exactly so many words, the last of which is the rest of the line, blanks and all.
fn words_and_text<const N: usize>(text: &str) -> Option<[String; N]> {
    let words: Vec<String> = text.splitn(N, ' ').map(str::to_owned).collect();
    words.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind.
    fn changes() -> Vec<Change> {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
                    CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let password: PasswordHash = hash.parse().expect("a hash");
        let (name, nick) = ("Ann".to_owned(), "ann|away".to_owned());
        let room = "#größe".to_owned();
        let topic = Topic { text: "  two  blanks ".into(), set_by: "Ann".into(), set_at: 7 };
        vec![
            Change::Account { name: name.clone(), created: 5, password: password.clone() },
            Change::Password { name: name.clone(), password },
            Change::Nick { name: name.clone(), nick: nick.clone() },
            Change::NoNick { name: name.clone(), nick },
            Change::Drop { name: name.clone() },
            Change::Channel { name: room.clone(), founder: name, registered: 6 },
            Change::Topic { name: room.clone(), topic: Some(topic) },
            Change::Topic { name: room.clone(), topic: None },
            Change::Modes { name: room.clone(), modes: "+ntk key".into() },
            Change::Modes { name: room.clone(), modes: String::new() },
            Change::Forget { name: room },
            Change::Ban(Ban { mask: "*!*@a::1".into(), reason: " too loud".into(), set_at: 8 }),
            Change::Ban(Ban { mask: "x!*@*".into(), reason: String::new(), set_at: 9 }),
            Change::NoBan { mask: "x!*@*".into() },
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        for change in changes() {
            let mut line = Vec::new();
            change.encode(&mut line);
            let line = String::from_utf8(line).expect("text");
            assert_eq!(Change::decode(line.trim_end_matches('\n')), Some(change), "{line}");
        }
    }

    #[test]
    fn what_is_no_change_is_not_taken_for_one() {
        for line in [
            "",
            "account",
            "account ",
            "account Ann 5",
            "account Ann five $x",
            "nick a b c",
            "channel #a Ann",
            "dance Ann",
            "drop",
            "drop a b",
            "topic #a x Ann hello",
            "nick a ",
            "ban *!*@* soon Floods",
        ] {
            assert_eq!(Change::decode(line), None, "{line:?}");
        }
    }
}
