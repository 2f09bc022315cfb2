//! A layer between the bytes that a protocol sees and those on the wire, such as TLS.
//!
//! ```text
//!            plain                                  wire
//!  protocol ◀────── read ◀── plain ◀── receive ◀────────── socket
//!  protocol ──────▶ write ──────────▶  send ──▶ pending ──▶ socket
//! ```
//!
//! It sits where a stream reads its socket and where it writes to it ([`Io`](super::io::Io)), and nowhere
//! else: what is above sees a socket that takes and gives plain bytes, and now and then says that it would
//! block. Three things are different from a socket:
//!
//! - it has to be opened ([`Layer::is_open`]): `on_open` waits for that, and so does what is written;
//! - reading may have something to send, and that may be all that waits ([`Layered::is_pending`]);
//! - before FIN it has a goodbye of its own ([`Layered::finish`]), and an end without one is none.
//!
//! What has come out of the layer and was not taken stays here, though no event will tell of it. So it is the layer
//! that says when there is nothing more: after a short read of the socket, if nothing is held. And a stream with a
//! layer never takes the short ways, on which a message is read and answered with nothing else to be thought of.

#[cfg(unix)]
mod descriptors;
#[cfg(all(test, feature = "sim"))]
mod tests;
#[cfg(feature = "tls")]
mod tls;

use std::any::Any;
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem;

use crate::CloseReason;
use crate::ledger::LayerBuffers;
use crate::net::{StreamSocket, read_at};

#[cfg(unix)]
pub(crate) use descriptors::{Descriptors, MOST_AT_ONCE};

/// Plain bytes that are turned into wire bytes at a time, which bounds what is pending.
const CHUNK: usize = 16 * 1024;
/// Bytes that may be pending: a chunk as it is on the wire, and answers to a peer that asks for more and more
/// of them and takes none.
const ANSWERS: usize = 64 * 1024;
/// Reads that bring nothing plain before the other sockets are looked after.
const FRUITLESS: usize = 8;

/// Turns wire bytes into plain ones, and back. It is total on hostile input: what it cannot read is an error.
pub(crate) trait Layer: Any + Send {
    /// What this side says first.
    fn begin(&mut self, wire: &mut Vec<u8>);

    /// Takes what has come, and may change it where it is; what it means is added to `plain`, and what has to be
    /// answered to `wire`, also if it fails.
    fn receive(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        wire: &mut Vec<u8>,
    ) -> io::Result<()>;

    /// Adds what these bytes are on the wire, or what it has to say if it cannot send them: again for each that is
    /// tried. Only when it is open, and has not finished.
    fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> io::Result<()>;

    /// This side sends no more.
    fn finish(&mut self, wire: &mut Vec<u8>);

    /// Nothing comes for now: memory that is not needed until then can go.
    fn rest(&mut self) {}

    /// Whether it carries plain bytes.
    fn is_open(&self) -> bool;

    /// Whether the peer has said that it sends no more.
    fn has_ended(&self) -> bool;

    /// Whether a read of the socket that brings less than there is room for has taken all there was.
    fn believes_short_reads(&self) -> bool {
        true
    }

    /// One read of the socket.
    fn read_socket(&mut self, socket: &StreamSocket, buffer: &mut [u8]) -> io::Result<usize> {
        socket.read(buffer)
    }

    /// One write to the socket, of what is pending.
    fn write_socket(&mut self, socket: &StreamSocket, bytes: &[u8]) -> io::Result<usize> {
        socket.write(bytes)
    }
}

/// A layer in use, and the bytes it holds.
pub(super) struct Layered {
    layer: Box<dyn Layer>,
    /// What has come out of the layer, from `taken` on, and was not read yet.
    plain: Vec<u8>,
    taken: usize,
    /// What the socket has yet to take, from `sent` on.
    pending: Vec<u8>,
    sent: usize,
    /// The socket may take something.
    pub(super) is_writable: bool,
    ours: Ours,
    theirs: Theirs,
    /// The last read has left nothing to be read, neither here nor in the socket: an event will tell of more.
    is_drained: bool,
}

/// What this side has said of its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ours {
    Open,
    Finished,
}

/// What the peer has said of its end.
enum Theirs {
    Open,
    /// What it has sent cannot be read. That is told once all has been taken that came before.
    Failed(io::Error),
    /// What it has sent could not be answered: the socket takes nothing any more. That is told when there is nothing more
    /// to be read either, and what is written until then is lost.
    Unanswered(io::Error),
    /// Its end was told: what still comes is the end of the socket itself.
    Told,
}

impl Layered {
    /// A layer that begins; what it says first is pending, behind what was to be sent before it.
    pub(super) fn new(mut layer: Box<dyn Layer>, before: Vec<u8>) -> Self {
        let mut pending = before;
        layer.begin(&mut pending);
        Self {
            layer,
            plain: Vec::new(),
            taken: 0,
            pending,
            sent: 0,
            is_writable: false,
            ours: Ours::Open,
            theirs: Theirs::Open,
            is_drained: false,
        }
    }

    /// Whether it carries plain bytes yet.
    pub(super) fn is_open(&self) -> bool {
        self.layer.is_open()
    }

    /// The layer, if it is of this kind.
    #[cfg(feature = "tls")]
    pub(super) fn layer<L: Layer>(&self) -> Option<&L> {
        let layer: &dyn Any = &*self.layer;
        layer.downcast_ref()
    }

    /// The layer, if it is of this kind.
    #[cfg(unix)]
    pub(super) fn layer_mut<L: Layer>(&mut self) -> Option<&mut L> {
        let layer: &mut dyn Any = &mut *self.layer;
        layer.downcast_mut()
    }

    /// Whether something has to be sent that nobody above knows of.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether there is a point in trying to write.
    pub(super) fn can_write(&self) -> bool {
        if self.pending.is_empty() { self.layer.is_open() } else { self.is_writable }
    }

    /// Reads from the socket until something plain comes of it, and answers what has to be answered. If `believes`,
    /// a short read of the socket has taken all there was.
    pub(super) fn read(
        &mut self,
        socket: &StreamSocket,
        buffer: &mut [u8],
        believes: bool,
        buffers: &mut LayerBuffers,
    ) -> io::Result<usize> {
        self.within(buffers, |layered| layered.read_plain(socket, buffer, believes))
    }

    fn read_plain(
        &mut self,
        socket: &StreamSocket,
        buffer: &mut [u8],
        believes: bool,
    ) -> io::Result<usize> {
        let was_open = self.layer.is_open();
        let believes = believes && self.layer.believes_short_reads();
        let mut was_short = false;
        self.is_drained = false;
        for _ in 0..FRUITLESS {
            let plain = self.take_plain(buffer);
            if plain > 0 {
                self.is_drained = was_short && !self.holds_something();
                return Ok(plain);
            }
            if !was_open && self.layer.is_open() {
                // A goodbye may have come with it, and is for whoever has been told that it is open.
                return Err(io::ErrorKind::Interrupted.into());
            }
            match &self.theirs {
                Theirs::Open if self.layer.has_ended() => return Ok(0),
                Theirs::Failed(_) => return self.fail(),
                _ => {}
            }
            // Of the end of what cannot be answered no event tells.
            if was_short && !self.is_unanswered() {
                self.layer.rest();
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let length = match self.layer.read_socket(socket, buffer) {
                Ok(length) if length > 0 => length,
                _ if self.is_unanswered() => return self.fail(),
                Ok(_) => return self.socket_ended(),
                Err(error) => {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        self.layer.rest();
                    }
                    return Err(error);
                }
            };
            was_short = believes && length < buffer.len();
            if matches!(self.theirs, Theirs::Told) {
                // Behind its goodbye there is nothing to be heard.
                continue;
            }
            self.take_in(socket, &mut buffer[..length])?;
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// The peer's end was taken. Until then each read says it, as it does without a layer.
    pub(super) fn end_taken(&mut self) {
        self.theirs = Theirs::Told;
    }

    /// Whether the last read has left nothing to be read: an event will tell of more. It gives back what a large
    /// record has left behind.
    pub(super) fn is_drained(&mut self) -> bool {
        if self.is_drained {
            self.layer.rest();
        }
        self.is_drained
    }

    /// Whether there is something to be read that has come already: plain bytes, or the peer's goodbye.
    fn holds_something(&self) -> bool {
        let has_end = match self.theirs {
            Theirs::Open => self.layer.has_ended(),
            Theirs::Failed(_) | Theirs::Unanswered(_) => true,
            Theirs::Told => false,
        };
        has_end || !self.plain.is_empty()
    }

    fn fail(&mut self) -> io::Result<usize> {
        match mem::replace(&mut self.theirs, Theirs::Told) {
            Theirs::Failed(error) | Theirs::Unanswered(error) => Err(error),
            Theirs::Open | Theirs::Told => Ok(0),
        }
    }

    /// Takes in bytes that have been read, and answers what has to be answered.
    pub(super) fn feed(&mut self, socket: &StreamSocket, bytes: &mut [u8]) -> io::Result<()> {
        self.within(&mut LayerBuffers::default(), |layered| layered.take_in(socket, bytes))
    }

    fn take_in(&mut self, socket: &StreamSocket, bytes: &mut [u8]) -> io::Result<()> {
        let before = self.pending.len();
        let received = self.layer.receive(bytes, &mut self.plain, &mut self.pending);
        if self.ours == Ours::Finished || self.is_unanswered() {
            // Behind our goodbye nothing is sent, so there is no answer any more. Nor is there where none arrives.
            self.pending.truncate(before);
        }
        // The answer first, also to what is wrong: it may say why.
        let pushed = self.push_pending(socket);
        if let Err(error) = pushed {
            self.pending.clear();
            self.sent = 0;
            self.theirs = Theirs::Unanswered(error);
        }
        if let Err(error) = received {
            if self.plain.is_empty() {
                return Err(error);
            }
            // How the network has cut it is no reason to lose what came before.
            self.theirs = Theirs::Failed(error);
            return Ok(());
        }
        if self.pending.len() - self.sent > ANSWERS {
            return Err(CloseReason::OutboxFull.into_io());
        }
        Ok(())
    }

    fn is_unanswered(&self) -> bool {
        matches!(self.theirs, Theirs::Unanswered(_))
    }

    fn take_plain(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.plain[self.taken..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        if self.taken == self.plain.len() {
            self.plain.clear();
            self.taken = 0;
        }
        length
    }

    /// FIN without a goodbye of the layer may have been sent by anybody: it is no end.
    fn socket_ended(&self) -> io::Result<usize> {
        if self.layer.has_ended() { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Takes as many plain bytes as the socket has room for what becomes of them, and a chunk more.
    pub(super) fn write(
        &mut self,
        socket: &StreamSocket,
        bytes: &[u8],
        buffers: &mut LayerBuffers,
    ) -> io::Result<usize> {
        self.within_wire(&mut buffers.wire, |layered| layered.write_chunks(socket, bytes))
    }

    fn write_chunks(&mut self, socket: &StreamSocket, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        for chunk in bytes.chunks(CHUNK) {
            match self.write_chunk(socket, chunk) {
                Ok(()) => taken += chunk.len(),
                // What was taken is told first; the error comes again.
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    pub(super) fn write_vectored(
        &mut self,
        socket: &StreamSocket,
        slices: &[IoSlice<'_>],
        buffers: &mut LayerBuffers,
    ) -> io::Result<usize> {
        self.within_wire(&mut buffers.wire, |layered| layered.write_slices(socket, slices))
    }

    fn write_slices(&mut self, socket: &StreamSocket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match self.write_chunks(socket, slice) {
                Ok(length) if length < slice.len() => return Ok(taken + length),
                Ok(length) => taken += length,
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// By a bounded copy: the system cannot turn the bytes into others on their way.
    pub(super) fn send_file(
        &mut self,
        socket: &StreamSocket,
        file: &File,
        offset: u64,
        count: usize,
        buffers: &mut LayerBuffers,
    ) -> io::Result<usize> {
        self.within_wire(&mut buffers.wire, |layered| {
            layered.send_chunk_of(file, offset, count, socket)
        })
    }

    fn send_chunk_of(
        &mut self,
        file: &File,
        offset: u64,
        count: usize,
        socket: &StreamSocket,
    ) -> io::Result<usize> {
        self.make_room(socket)?;
        let mut chunk = [0; CHUNK];
        let wanted = count.min(CHUNK);
        let length = read_at(file, &mut chunk[..wanted], offset)?;
        if length > 0 {
            self.write_chunk(socket, &chunk[..length])?;
        }
        Ok(length)
    }

    /// Takes a chunk as a whole, or nothing.
    fn write_chunk(&mut self, socket: &StreamSocket, chunk: &[u8]) -> io::Result<()> {
        if self.is_unanswered() {
            return Ok(());
        }
        self.make_room(socket)?;
        let sent = self.layer.send(chunk, &mut self.pending);
        // If this fails, the next write will tell.
        let _ = self.push_pending(socket);
        sent
    }

    /// Whether a chunk may be turned into wire bytes: what was is with the socket.
    fn make_room(&mut self, socket: &StreamSocket) -> io::Result<()> {
        self.push_pending(socket)?;
        if self.ours == Ours::Finished {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let has_room = self.layer.is_open() && self.pending.is_empty();
        if has_room { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Sends what is pending, as far as the socket takes it: that it would block is no error.
    pub(super) fn push(&mut self, socket: &StreamSocket) -> io::Result<()> {
        self.within_wire(&mut Vec::new(), |layered| layered.push_pending(socket))
    }

    fn push_pending(&mut self, socket: &StreamSocket) -> io::Result<()> {
        while self.sent < self.pending.len() {
            match self.layer.write_socket(socket, &self.pending[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_writable = false;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pending.clear();
        self.sent = 0;
        Ok(())
    }

    pub(super) fn finish(&mut self, socket: &StreamSocket) -> io::Result<()> {
        if self.ours == Ours::Open && self.layer.is_open() && !self.is_unanswered() {
            self.ours = Ours::Finished;
            self.layer.finish(&mut self.pending);
        }
        self.push(socket)
    }

    /// Works in the loop's buffers where it has none of its own, and keeps those that are not empty at the end: an
    /// idle connection owns no buffer, and one that is at work allocates none.
    fn within<R>(&mut self, buffers: &mut LayerBuffers, work: impl FnOnce(&mut Self) -> R) -> R {
        lend(&mut buffers.plain, &mut self.plain);
        let result = self.within_wire(&mut buffers.wire, work);
        give_back(&mut self.plain, &mut buffers.plain);
        result
    }

    /// As [`Self::within`], for what brings nothing plain.
    fn within_wire<R>(&mut self, wire: &mut Vec<u8>, work: impl FnOnce(&mut Self) -> R) -> R {
        lend(wire, &mut self.pending);
        let result = work(self);
        give_back(&mut self.pending, wire);
        result
    }
}

fn lend(lent: &mut Vec<u8>, own: &mut Vec<u8>) {
    if own.capacity() == 0 {
        mem::swap(lent, own);
    }
}

fn give_back(own: &mut Vec<u8>, lent: &mut Vec<u8>) {
    if lent.capacity() > 0 {
        // It has worked in its own.
        if own.is_empty() {
            *own = Vec::new();
        }
    } else if own.is_empty() {
        mem::swap(lent, own);
    } else {
        // It stays, with what it holds and no more.
        own.shrink_to_fit();
    }
}
