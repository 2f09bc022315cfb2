//! A body on its way out, of a request or of an answer: how what is written is told from what follows.

use bytes::Bytes;
use reactor::Transport;

use super::wire::{Length, write_chunk_size, write_last_chunk};

/// How what is written is told from what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body: the answer to HEAD.
    Nothing,
    /// So many bytes have yet to be written.
    Length(u64),
    Chunks,
    /// The connection ends with it.
    UntilEnd,
}

impl Framing {
    /// That of a request's body: its connection goes on.
    pub(super) fn of_request(length: Length) -> Self {
        match length {
            Length::Exact(length) => Self::Length(length),
            Length::Open => Self::Chunks,
        }
    }

    /// How much of so many bytes belongs to the body.
    pub(super) fn take(&mut self, length: u64) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Length(left) => {
                let taken = length.min(*left);
                *left -= taken;
                taken
            }
            Self::Chunks | Self::UntilEnd => length,
        }
    }
}

/// Writes a piece of a body. Short ones are put together first, to be one write.
pub(super) fn write_piece<App>(
    transport: &mut Transport<'_, App>,
    scratch: &mut Vec<u8>,
    framing: Framing,
    bytes: &[u8],
) {
    if framing != Framing::Chunks {
        return transport.write(bytes);
    }
    if bytes.is_empty() {
        return;
    }
    scratch.clear();
    write_chunk_size(scratch, bytes.len());
    if bytes.len() <= 4_096 {
        scratch.extend_from_slice(bytes);
        scratch.extend_from_slice(b"\r\n");
        return transport.write(scratch);
    }
    transport.write(scratch);
    transport.write(bytes);
    transport.write(b"\r\n");
}

/// The same with bytes that are shared: large ones are not copied.
pub(super) fn send_piece<App>(transport: &mut Transport<'_, App>, framing: Framing, bytes: Bytes) {
    match framing {
        _ if bytes.is_empty() => {}
        Framing::Chunks => {
            let mut size = Vec::with_capacity(20);
            write_chunk_size(&mut size, bytes.len());
            transport.write(&size);
            transport.send(bytes);
            transport.write(b"\r\n");
        }
        _ => transport.send(bytes),
    }
}

/// What stands behind the last piece: whether the body is as long as was promised.
pub(super) fn end_body<App>(
    transport: &mut Transport<'_, App>,
    scratch: &mut Vec<u8>,
    framing: Framing,
    trailers: &[(&str, &[u8])],
) -> bool {
    match framing {
        Framing::Length(left) => return left == 0,
        Framing::Chunks => {
            scratch.clear();
            write_last_chunk(scratch, trailers.iter().copied());
            transport.write(scratch);
        }
        Framing::Nothing | Framing::UntilEnd => {}
    }
    true
}

/// What is written in one call before others have their turns, where a client that reads as fast as it is written
/// to would take more without end: twice what is read of a connection at once, so that who only passes that on is not
/// stopped by it.
pub(super) const TURN: u64 = 256 * 1024;

/// Whether more may be written: it can leave, and is not above the mark at which the loop will tell when there is
/// room again.
pub(super) fn has_room<App>(transport: &Transport<'_, App>) -> bool {
    transport.can_write() && transport.queued_bytes() <= transport.limits().outbox_high
}
