//! The data connection of one operation: one file, or one list, in one direction.
//!
//! ```text
//!   Get, List    on_data ──▶ sink                  FIN ──▶ flushed, whole
//!   Put          send_file, a piece at a time      the last one gone ──▶ FIN, and wait for the server's
//! ```

use std::fs::File;
use std::io::Write;

use reactor::{
    CloseReason, Closed, ConnectOptions, ConnectionId, Input, Protocol, Registry, SentFile,
    StreamLimits, Transport,
};

use super::{Caller, ClientLimits, Failure, Operation, Security, control};
use crate::transfer::ftp::server::data::stream_options;

/// Bytes of a file that are sent at once, between two reports of progress.
const PIECE: u64 = 4 * 1024 * 1024;

/// The protocol of a data connection.
pub(super) struct DataConnection {
    control: ConnectionId,
    content: Content,
    moved: u64,
    result: Option<Result<(), Failure>>,
}

/// What is carried.
enum Content {
    /// A file that comes.
    Sink(Box<dyn Write>),
    /// A list that comes.
    List { bytes: Vec<u8>, most: usize },
    /// The rest of a file that goes; the file is with the loop while a piece of it is being sent.
    File { file: Option<File>, at: u64, left: u64 },
}

/// How a data connection has ended.
pub(super) struct DataEnd {
    /// Which one.
    pub(super) data: ConnectionId,
    /// Whether all was carried.
    pub(super) result: Result<(), Failure>,
    /// How many bytes were.
    pub(super) moved: u64,
    /// The list, if it was one.
    pub(super) list: Vec<u8>,
}

impl DataConnection {
    /// For this operation, of the conversation on this connection; `None` if it needs none.
    pub(super) fn new(
        control: ConnectionId,
        operation: Operation,
        limits: &ClientLimits,
    ) -> Option<Self> {
        let content = match operation {
            Operation::Command(_) => return None,
            Operation::List { .. } => Content::List { bytes: Vec::new(), most: limits.listing },
            Operation::Get { sink, .. } => Content::Sink(sink),
            Operation::Put { file, from, length, .. } => {
                Content::File { file: Some(file), at: from, left: length }
            }
        };
        Some(Self { control, content, moved: 0, result: None })
    }

    /// Options of such a connection.
    pub(super) fn options(limits: &ClientLimits, security: &Security) -> ConnectOptions {
        ConnectOptions {
            limits: StreamLimits {
                connect_timeout: Some(limits.connect_timeout),
                // Servers begin with TLS when they have answered the command.
                handshake_timeout: Some(limits.reply_timeout),
                idle_timeout: Some(limits.stall_timeout),
                outbox_holds_reading: false,
                ..StreamLimits::default()
            },
            stream: stream_options(),
            ..security.of_data()
        }
    }

    /// Sends the next piece of a file; the end, if there is none.
    fn send_piece<App>(&mut self, transport: &mut Transport<'_, App>) {
        let Content::File { file, at, left } = &mut self.content else {
            return;
        };
        let piece = (*left).min(PIECE);
        match file.take() {
            Some(file) if piece > 0 => transport.send_file(file, *at, piece),
            _ => {
                self.result = Some(Ok(()));
                // Not `close`: how long the rest takes is for the server to say.
                transport.end();
            }
        }
    }

    /// Takes what has come; an error ends the connection.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.moved += bytes.len() as u64;
        match &mut self.content {
            Content::Sink(sink) => sink.write_all(bytes).map_err(|error| Failure::from_io(&error)),
            Content::List { bytes: list, most } => {
                if list.len() + bytes.len() > *most {
                    return Err(Failure::ListingTooLong(*most));
                }
                list.extend_from_slice(bytes);
                Ok(())
            }
            Content::File { .. } => Err(Failure::Data("the server sends as well".to_owned())),
        }
    }

    fn fail<App>(&mut self, transport: &mut Transport<'_, App>, failure: Failure) {
        self.result.get_or_insert(Err(failure));
        transport.abort();
    }
}

impl<App: Caller> Protocol<App> for DataConnection {
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        self.send_piece(transport);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        if let Err(failure) = self.take(input.take_all()) {
            return self.fail(transport, failure);
        }
        app.on_progress(transport.registry(), self.control, self.moved);
    }

    fn on_end(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        match &mut self.content {
            Content::Sink(sink) => {
                let flushed = sink.flush().map_err(|error| Failure::from_io(&error));
                self.result.get_or_insert(flushed);
            }
            Content::List { .. } => drop(self.result.get_or_insert(Ok(()))),
            // It has everything, or does not want it; in `result` is which.
            Content::File { .. } => {}
        }
        transport.close();
    }

    fn on_file_sent(&mut self, transport: &mut Transport<'_, App>, sent: SentFile, app: &mut App) {
        let Content::File { file, at, left } = &mut self.content else {
            return;
        };
        self.moved += sent.sent;
        *at += sent.sent;
        *left -= sent.sent;
        *file = Some(sent.file);
        app.on_progress(transport.registry(), self.control, self.moved);
        if sent.sent < sent.requested {
            let shorter = std::io::Error::other("the file has become shorter meanwhile");
            return self.fail(transport, Failure::from_io(&shorter));
        }
        self.send_piece(transport);
    }

    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        self.fail(transport, Failure::Cancelled);
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let result = match (self.result.take(), &closed.reason) {
            (Some(Err(failure)), _) => Err(failure),
            (_, CloseReason::Aborted) => Err(Failure::Cancelled),
            // What did not leave was not carried. Whether the server has taken the rest, its reply says.
            (Some(Ok(())), _) if closed.unsent == 0 => Ok(()),
            (_, reason) => Err(Failure::of_data(reason)),
        };
        let list = match &mut self.content {
            Content::List { bytes, .. } => std::mem::take(bytes),
            _ => Vec::new(),
        };
        let end = DataEnd { data: closed.id, result, moved: self.moved, list };
        control::handle_data_end(registry, app, self.control, end);
    }
}
