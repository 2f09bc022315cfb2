//! How a transfer can fail: each way so that a program can tell it apart, and so that the peer is told.

use std::io;

use reactor::OpenError;
use thiserror::Error;

use super::wire::options::Unacceptable;
use super::wire::packet::Code;
use crate::transfer::store::StoreError;

/// Why a transfer failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The peer says no, or gives up.
    #[error("the peer says: {}", said(*code, message))]
    Refused {
        /// What kind of error it is.
        code: Code,
        /// What else it says.
        message: String,
    },
    /// The peer has been asked, and never answered.
    #[error("no answer")]
    NoAnswer,
    /// The peer has been asked, and the network says that there is none.
    #[error("{0}")]
    Unreachable(String),
    /// The peer has fallen silent in the middle.
    #[error("the peer has fallen silent")]
    Silent,
    /// The peer grants options that were not asked for.
    #[error("the peer does not negotiate as it should: {0}")]
    Options(Unacceptable),
    /// The peer sends blocks that are longer than agreed.
    #[error("the peer sends blocks of more than {0} bytes")]
    Oversized(u16),
    /// The file is longer than is allowed.
    #[error("the file is longer than {0} bytes")]
    TooLong(u64),
    /// The file on this side cannot be read, or written.
    #[error("{message}")]
    File {
        /// What the peer is told of it.
        code: Code,
        /// What the system says.
        message: String,
    },
    /// This side has given it up.
    #[error("given up")]
    Cancelled,
}

/// Why a transfer has not even begun.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotBegun {
    /// It has no name, or one with a NUL in it.
    #[error("that is no name for a file")]
    Name,
    /// The name is too long for a request.
    #[error("the name is too long for TFTP")]
    LongName,
    /// There is no socket for it.
    #[error(transparent)]
    Socket(#[from] OpenError),
}

impl Failure {
    pub(super) fn refused(code: Code, message: &[u8]) -> Self {
        /// A message is a line on a terminal: not more, and nothing that a terminal obeys.
        const LONGEST: usize = 200;
        let message = String::from_utf8_lossy(message);
        let plain = message.chars().filter(|char| !char.is_control()).take(LONGEST);
        Self::Refused { code, message: plain.collect() }
    }

    /// What an error of a socket says of a peer that has been asked; nothing, if it says nothing for sure.
    pub(super) fn unreachable(error: &io::Error) -> Option<Self> {
        let what = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused: nobody listens there",
            io::ErrorKind::HostUnreachable => "no way to that host",
            io::ErrorKind::NetworkUnreachable => "no way to that network",
            _ => return None,
        };
        Some(Self::Unreachable(what.to_owned()))
    }

    /// What the peer is told of it; nothing, if it said so itself.
    pub(super) fn report(&self) -> Option<(Code, String)> {
        let code = match self {
            // An error is never answered with an error: two that did would never stop.
            Self::Refused { .. } => return None,
            // Nobody is there.
            Self::Unreachable(_) => return None,
            Self::Options(_) => Code::OptionsRefused,
            Self::Oversized(_) => Code::IllegalOperation,
            Self::TooLong(_) => Code::DiskFull,
            Self::File { code, .. } => *code,
            Self::NoAnswer | Self::Silent | Self::Cancelled => Code::Undefined,
        };
        Some((code, self.to_string()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File { code: code_of(error.kind()), message: error.to_string() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NotFound | StoreError::NotADirectory => Code::NotFound,
            StoreError::NoSpace | StoreError::QuotaExceeded => Code::DiskFull,
            StoreError::Exists => Code::FileExists,
            StoreError::Io(error) => code_of(error.kind()),
            _ => Code::AccessViolation,
        };
        Self::File { code, message: error.to_string() }
    }
}

/// What the peer is told of an error of the file system.
fn code_of(kind: io::ErrorKind) -> Code {
    match kind {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Code::NotFound,
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => Code::AccessViolation,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Code::DiskFull
        }
        io::ErrorKind::AlreadyExists => Code::FileExists,
        _ => Code::Undefined,
    }
}

fn said(code: Code, message: &str) -> String {
    match (code, message) {
        (code, "") => code.to_string(),
        (Code::Undefined, message) => message.to_owned(),
        (code, message) => format!("{message} ({code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_shown_as_text_and_never_answered() {
        let failure = Failure::refused(Code::NotFound, b"no \x1b[2Jsuch\r\nfile");
        assert_eq!(failure.to_string(), "the peer says: no [2Jsuchfile (file not found)");
        assert_eq!(failure.report(), None);
        let bare = Failure::refused(Code::DiskFull, b"");
        assert_eq!(bare.to_string(), "the peer says: disk full");
    }

    #[test]
    fn a_full_disk_is_told_as_one() {
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.report().map(|(code, _)| code), Some(Code::DiskFull));
    }
}
