//! What a failure of the tree is answered with.

use super::Conversation;
use crate::transfer::store::StoreError;

impl Conversation<'_> {
    pub(super) fn refuse(&mut self, error: &StoreError, about: About) {
        let (code, text) = refusal(error, about);
        self.reply(code, text);
    }
}

/// What the reply to a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Something that is to be there: 550.
    What,
    /// A name that is to be given: 553.
    Name,
    /// A list: 450 (RFC 959, 5.4).
    List,
    /// A directory, which is to be there: 550; 501 for anything else that is (RFC 3659, 7.2.1).
    Directory,
}

/// Which code and text a failure deserves.
pub(super) fn refusal(error: &StoreError, about: About) -> (u16, String) {
    let code = match (error, about) {
        (StoreError::NoSpace, _) => 452,
        (StoreError::Busy, _) => 450,
        (StoreError::QuotaExceeded, _) => 552,
        (StoreError::OffsetBeyondEnd(_), _) => 554,
        (StoreError::Io(_) | StoreError::TooManyEntries(_), _) => 451,
        (StoreError::Unsupported, _) => 504,
        (StoreError::NotADirectory, About::Directory) => 501,
        (_, About::What | About::Directory) => 550,
        (_, About::Name) => 553,
        (_, About::List) => 450,
    };
    let text = match error {
        StoreError::NotFound => "There is no such file or directory.",
        StoreError::Denied => "Permission denied.",
        StoreError::ReadOnly => "Nothing can be changed here.",
        StoreError::Exists => "There is something of that name already.",
        StoreError::Busy => "Somebody is writing that at the moment.",
        StoreError::NotAFile => "That is not a plain file.",
        StoreError::NotADirectory => "That is not a directory.",
        StoreError::NotEmpty => "The directory is not empty.",
        StoreError::NoSpace => "Insufficient storage space.",
        StoreError::QuotaExceeded => "Exceeded storage allocation.",
        StoreError::OffsetBeyondEnd(_) => "Invalid REST parameter: the file is shorter.",
        StoreError::TooManyEntries(_) => "The directory is too long to be listed.",
        StoreError::Invalid(_) => "That name is not possible.",
        StoreError::Unsupported => "That is not possible on this system.",
        // What the system says may tell more than strangers should know.
        _ => "The system failed.",
    };
    (code, text.to_owned())
}
