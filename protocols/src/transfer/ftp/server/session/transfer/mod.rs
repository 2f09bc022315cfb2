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

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::ConnectionId;

use super::Conversation;
use super::refusal::{About, refusal};
use super::state::{Channel, Work};
use crate::transfer::ftp::Server;
use crate::transfer::ftp::server::listing::Show;
use crate::transfer::ftp::server::pace::Pace;
use crate::transfer::ftp::server::record::Direction;
use crate::transfer::ftp::wire::ascii::{Decoder, Encoder};
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

/// A transfer, as its session sees it.
#[derive(Debug)]
pub(super) struct Running {
    place: Place,
    subject: Subject,
    begun: Instant,
    /// Bytes that have gone over the data connection.
    moved: Rc<Cell<u64>>,
}

/// Where what is to be carried is.
#[derive(Debug)]
enum Place {
    /// Here, since the data connection is not.
    Waiting(Flow),
    On(ConnectionId),
}

/// A transfer, as its data connection sees it.
#[derive(Debug)]
pub(in crate::transfer::ftp) struct Job {
    pub(in crate::transfer::ftp) flow: Flow,
    meter: Meter,
}

/// What goes, and where.
#[derive(Debug)]
pub(in crate::transfer::ftp) enum Flow {
    /// A file, as it is. The loop has it while a piece of it is being sent.
    File {
        file: Option<File>,
        offset: u64,
        left: u64,
    },
    Text(Making),
    Upload(Incoming),
}

/// Text that goes piece by piece, and where it is meanwhile.
#[derive(Debug)]
pub(in crate::transfer::ftp) enum Making {
    /// The pool makes the next piece.
    Away,
    /// The next one has to wait for its time.
    Resting(Text),
    /// Too much is queued: it goes on when the client has taken some of it.
    Full(Text),
}

/// A file that comes in.
#[derive(Debug)]
pub(in crate::transfer::ftp) struct Incoming {
    upload: Upload,
    /// If it comes as text.
    decoder: Option<Decoder>,
}

/// How much has gone, and when more may.
#[derive(Debug)]
struct Meter {
    /// `None` for a list.
    direction: Option<Direction>,
    /// The session tells it to whoever asks.
    moved: Rc<Cell<u64>>,
    /// That of the session, over all its transfers.
    pace: Rc<Cell<Pace>>,
}

/// Text that is made piece by piece.
#[derive(Debug)]
pub(in crate::transfer::ftp) enum Text {
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
            Some(total) => format!(": {} of {total} bytes", self.moved.get()),
            None => format!(": {} bytes", self.moved.get()),
        };
        [what.as_bytes(), self.subject.path.as_bytes(), moved.as_bytes()].concat()
    }
}

impl Place {
    fn is_on(&self, data: ConnectionId) -> bool {
        matches!(self, Self::On(on) if *on == data)
    }
}

impl Flow {
    pub(in crate::transfer::ftp) fn into_upload(self) -> Option<Upload> {
        match self {
            Self::Upload(incoming) => Some(incoming.upload),
            Self::File { .. } | Self::Text(_) => None,
        }
    }
}

impl Meter {
    /// Bytes that may go at once.
    fn portion(&self, server: &Server, wanted: u64) -> u64 {
        server.portion(self.pace.get().portion(wanted))
    }

    /// Bytes have gone over the data connection: how long to wait before the next may.
    fn note_moved(&self, server: &mut Server, bytes: u64, now: Instant) -> Duration {
        self.moved.set(self.moved.get() + bytes);
        let mut pace = self.pace.get();
        let wait = pace.handle_moved(bytes, now);
        self.pace.set(pace);
        match self.direction {
            Some(direction) => wait.max(server.bytes_moved(direction, bytes, now)),
            None => wait,
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
