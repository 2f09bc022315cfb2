//! Files and lists, on their way: the dance of the two connections.
//!
//! ```text
//!   client                 control                 server                     data connection
//!     │ EPSV                                         │
//!     │─────────────────────────────────────────────▶│ listens
//!     │           229 (|||50321|)                    │
//!     │◀─────────────────────────────────────────────│
//!     │                                              │        connects
//!     │════════════════════════════════════════════════════════════════▶ accepted, if it is the client
//!     │ RETR song                                    │ opens the file       and closes its ears: one is
//!     │─────────────────────────────────────────────▶│ (on the pool)        enough
//!     │           150 Opening …  (or 125)            │
//!     │◀─────────────────────────────────────────────│
//!     │                                              │        bytes, bytes, bytes
//!     │◀════════════════════════════════════════════════════════════════ sendfile, piece by piece
//!     │ STAT                                         │
//!     │─────────────────────────────────────────────▶│ heard meanwhile
//!     │           211 4096 of 10240 bytes            │
//!     │◀─────────────────────────────────────────────│
//!     │                                              │        FIN
//!     │◀════════════════════════════════════════════════════════════════ release(): all is in the kernel,
//!     │           226 Transfer complete.             │                   which sends it, and then FIN
//!     │◀─────────────────────────────────────────────│
//! ```
//!
//! An upload is the mirror image: the client's FIN is the end of the file, the file gets its name, and
//! then there is the 226. Whatever goes wrong on the way, the client learns it from the one reply that
//! follows the 150, and there is always exactly one.

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use reactor::{ConnectionId, TimerId};

use super::Conversation;
use super::refusal::{About, refusal};
use super::state::{Channel, Work};
use crate::transfer::ftp::ascii::{Decoder, Encoder};
use crate::transfer::ftp::listing::Show;
use crate::transfer::ftp::record::Direction;
use crate::transfer::store::{StoreError, Upload, VirtualPath};

mod ending;
mod lists;
mod opening;
mod receiving;
mod sending;

/// The most of a file that is queued at once: so often the progress is known, and a rate looked at.
const PIECE: u64 = 16 * 1024 * 1024;
/// How much of a text is read and translated at once.
const CHUNK: usize = 64 * 1024;

/// A transfer.
#[derive(Debug)]
pub(in crate::transfer::ftp) struct Running {
    /// Tells it from those before and after it.
    ticket: u64,
    /// The data connection; `None` until it is there.
    pub(super) data: Option<ConnectionId>,
    stage: Stage,
    flow: Flow,
    subject: Subject,
    begun: Instant,
    /// Bytes that have gone over the data connection.
    moved: u64,
    /// What it waits for, if that is time.
    pub(super) timer: Option<TimerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The data connection is not there yet.
    Opening,
    /// Bytes go, or wait for their time.
    Flowing,
    /// Too much is queued: it goes on when the client has taken some of it.
    Full,
    /// All has been said: the system has yet to take the last of it.
    Ended,
}

/// What goes, and where.
#[derive(Debug)]
enum Flow {
    /// A file, as it is. The loop has it while a piece of it is being sent.
    File { file: Option<File>, offset: u64, left: u64 },
    /// Text that is made on the pool, which has it meanwhile.
    Text(Option<Text>),
    /// A file that comes in.
    Upload { upload: Option<Upload>, decoder: Option<Decoder> },
}

/// Text that is made piece by piece.
#[derive(Debug)]
enum Text {
    List(Show),
    Lines(Vec<u8>),
    File(File, Encoder),
}

/// What the log is told.
#[derive(Clone, Debug)]
struct Subject {
    /// `None` for a list, of which no log speaks.
    direction: Option<Direction>,
    path: VirtualPath,
    ascii: bool,
    /// Bytes that are to be sent, if that is known.
    total: Option<u64>,
}

/// A flow that was opened on the pool, ready to go.
struct Opened {
    flow: Flow,
    total: Option<u64>,
    /// What the reply says of it.
    text: Vec<u8>,
}

impl Running {
    /// A line for STAT.
    pub(super) fn describe(&self) -> Vec<u8> {
        let what = match self.subject.direction {
            Some(Direction::Download) => "Sending ",
            Some(Direction::Upload) => "Receiving ",
            None => "Listing ",
        };
        let moved = match self.subject.total {
            Some(total) => format!(": {} of {total} bytes", self.moved),
            None => format!(": {} bytes", self.moved),
        };
        [what.as_bytes(), self.subject.path.as_bytes(), moved.as_bytes()].concat()
    }

    pub(super) fn into_upload(self) -> Option<Upload> {
        match self.flow {
            Flow::Upload { upload, .. } => upload,
            Flow::File { .. } | Flow::Text(_) => None,
        }
    }
}

impl Text {
    /// The next piece; empty at the end.
    fn next_piece(&mut self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::List(show) => Ok(show.next_piece()),
            Self::Lines(lines) => Ok(std::mem::take(lines)),
            Self::File(file, encoder) => {
                let mut piece = Vec::with_capacity(CHUNK);
                file.take(CHUNK as u64).read_to_end(&mut piece)?;
                let mut text = Vec::with_capacity(piece.len() + piece.len() / 16);
                encoder.encode(&piece, &mut text);
                Ok(text)
            }
        }
    }
}

/// What the log is told of a transfer in the end.
struct Summary {
    subject: Subject,
    begun: Instant,
    moved: u64,
}

impl Running {
    fn summary(&self) -> Summary {
        Summary { subject: self.subject.clone(), begun: self.begun, moved: self.moved }
    }
}
