//! Asking for what is in a directory, of servers that refuse to list an empty one.

use protocols::transfer::ftp::client::{Done, Failure, Listing, Operation};
use protocols::transfer::ftp::command::Command;
use protocols::transfer::ftp::reply::Reply;

use crate::guess::reply;

/// A directory whose list is wanted.
///
/// ```text
///   List ─▶ listed
///    └─450, 550─▶ Home ─257─▶ Enter ─2yz─▶ Return ─2yz─▶ it is there, so it is empty
/// ```
///
/// `Return` is there since other paths begin in the directory where the login has ended.
#[derive(Debug)]
pub(crate) struct Directory {
    path: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    List,
    Home { refusal: Failure },
    Enter { refusal: Failure, home: Vec<u8> },
    Return { refusal: Failure },
}

/// What has come of it so far.
pub(crate) enum Answer {
    /// This is to be done first.
    Ask(Operation),
    /// This is in it.
    Listed(Listing),
    /// Nothing is in it; the server has refused to say so, in these words.
    Empty(Failure),
    /// There is no such directory, or it is not to be seen.
    Failed(Failure),
}

impl Directory {
    pub(crate) fn new(path: Vec<u8>) -> Self {
        Self { path, stage: Stage::List }
    }

    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    pub(crate) fn begin(&self) -> Operation {
        Operation::List { path: self.path.clone() }
    }

    pub(crate) fn handle(&mut self, outcome: Result<Done, Failure>) -> Answer {
        match (std::mem::replace(&mut self.stage, Stage::List), outcome) {
            (Stage::List, Ok(Done::Listed(listing))) => Answer::Listed(listing),
            // With a line feed in its name there is no way into it.
            (Stage::List, Err(refusal)) if may_be_empty(&refusal) && !self.path.contains(&0) => {
                self.ask(Stage::Home { refusal }, Command::Pwd)
            }
            (Stage::List, Err(failure)) => Answer::Failed(failure),
            (Stage::List, Ok(_)) => Answer::Listed(Listing::default()),
            (Stage::Home { refusal }, outcome) => {
                let Some(home) = reply(outcome).and_then(|reply| quoted(&reply)) else {
                    return Answer::Failed(refusal);
                };
                let path = if self.path.is_empty() { home.clone() } else { self.path.clone() };
                self.ask(Stage::Enter { refusal, home }, Command::Cwd(path))
            }
            (Stage::Enter { refusal, home }, Ok(_)) => {
                self.ask(Stage::Return { refusal }, Command::Cwd(home))
            }
            (Stage::Enter { refusal, .. }, Err(_)) => Answer::Failed(refusal),
            (Stage::Return { refusal }, Ok(_)) => Answer::Empty(refusal),
            (Stage::Return { .. }, Err(failure)) => Answer::Failed(failure),
        }
    }

    fn ask(&mut self, stage: Stage, command: Command) -> Answer {
        self.stage = stage;
        Answer::Ask(Operation::Command(command))
    }
}

/// Whether a refusal may mean that there is nothing to list. One that must not be looked into is not empty.
fn may_be_empty(failure: &Failure) -> bool {
    let Failure::Refused(reply) = failure else {
        return false;
    };
    let text = reply.to_string().to_ascii_lowercase();
    let is_secret = ["denied", "permission", "not allowed", "access", "privilege", "authori"]
        .iter()
        .any(|word| text.contains(word));
    matches!(reply.code, 450 | 550) && !is_secret
}

/// The path in a 257: in quotes, those in it doubled (RFC 959, Appendix II).
fn quoted(reply: &Reply) -> Option<Vec<u8>> {
    let text = reply.text();
    let from = text.iter().position(|&byte| byte == b'"')? + 1;
    let mut path = Vec::new();
    let mut rest = text.get(from..)?.iter().peekable();
    while let Some(&byte) = rest.next() {
        if byte == b'"' && rest.next_if_eq(&&b'"').is_none() {
            return (reply.code == 257 && !path.is_empty()).then_some(path);
        }
        path.push(byte);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_in_quotes() {
        let path = |text: &str| quoted(&Reply::new(257, text));
        assert_eq!(path("\"/a \"\"b\"\"\" is it"), Some(b"/a \"b\"".to_vec()));
        for none in ["/a", "\"/a", "\"\" is it", ""] {
            assert_eq!(path(none), None, "{none}");
        }
        assert_eq!(quoted(&Reply::new(250, "\"/a\"")), None);
    }

    #[test]
    fn what_must_not_be_seen_is_not_empty() {
        let refused = |code, text| may_be_empty(&Failure::Refused(Reply::new(code, text)));
        assert!(refused(550, "No files found.") && refused(450, "No such file or directory"));
        assert!(!refused(550, "Permission denied.") && !refused(530, "Please log in"));
        assert!(!may_be_empty(&Failure::EarlyEnd));
    }
}
