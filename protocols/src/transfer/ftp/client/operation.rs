//! What a client is asked to do, and what comes of it.

use std::fmt;
use std::fs::File;
use std::io::Write;

use super::Listing;
use crate::transfer::ftp::wire::command::{Command, Text};
use crate::transfer::ftp::wire::reply::Reply;

/// Something to do on a server. A path is one of the server's, from the directory in which the login has
/// ended if it does not begin with a slash.
pub enum Operation {
    /// A command that has one reply and no data connection: SIZE, MKD, HASH, …; what the reply says is for
    /// the program to see.
    Command(Command),
    /// The entries of a directory; of the login's, if the path is empty.
    List {
        /// The directory.
        path: Text,
    },
    /// Fetches a file.
    Get {
        /// The file.
        path: Text,
        /// The first byte that is wanted.
        offset: u64,
        /// Where it is written, as it comes; it is flushed at the end.
        sink: Box<dyn Write>,
    },
    /// Sends a file.
    Put {
        /// Its name there.
        path: Text,
        /// How what is there already goes with it.
        how: Put,
        /// The file.
        file: File,
        /// The first byte of it that is sent.
        from: u64,
        /// So many bytes of it.
        length: u64,
    },
}

/// How what is sent goes with what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It takes its place (STOR).
    Replace,
    /// It takes the place of what is there from this byte on (REST, STOR).
    From(u64),
    /// It comes behind it (APPE).
    Append,
}

/// What has come of an [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The command has been carried out, or awaits the next one (350).
    Command(Reply),
    /// What is in the directory.
    Listed(Listing),
    /// The file, or the rest of it, has been written to its sink: so many bytes.
    Received(u64),
    /// The file has been sent, and the server has it: so many bytes.
    Sent(u64),
}

impl Operation {
    /// The command that begins it, of those for lists the one for programs or for people.
    pub(super) fn command(&self, has_facts: bool) -> Command {
        match self {
            Self::Command(command) => command.clone(),
            Self::List { path } => {
                let path = (!path.is_empty()).then(|| path.clone());
                if has_facts { Command::Mlsd(path) } else { Command::List(path) }
            }
            Self::Get { path, .. } => Command::Retr(path.clone()),
            Self::Put { path, how: Put::Append, .. } => Command::Appe(path.clone()),
            Self::Put { path, .. } => Command::Stor(path.clone()),
        }
    }

    /// Where the server is to begin, if that is not at the beginning.
    pub(super) fn restart(&self) -> Option<u64> {
        match self {
            Self::Get { offset, .. } | Self::Put { how: Put::From(offset), .. } => {
                Some(*offset).filter(|&offset| offset > 0)
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operation({:?}, restart {:?})", self.command(true), self.restart())
    }
}
