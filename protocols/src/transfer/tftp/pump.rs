//! What stands between a transfer, its socket and its file, on either side.
//!
//! ```text
//!   socket ──datagram──▶ ┌──────┐ ──packet──▶ Transfer        a file that is sent is read a block
//!                        │ Pump │                             at a time through a buffer, and one
//!   socket ◀──datagram── └──┬───┘ ◀──packet── Transfer        that is received is written as it
//!                           │                                 comes: never more than a window at once
//!                       file: blocks in, blocks out
//! ```

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::time::Instant;

use reactor::{Address, DatagramTransport, TimerKey};

use super::transfer::error;
use super::wire::netascii::{Decoder, Encoder};
use super::{Code, Event, Failure, Mode, Terms, Transfer};

/// Bytes of a file that are read at once: small blocks do not cost a system call each.
const READ_AHEAD: usize = 64 * 1024;

/// The one timer of a transfer's socket.
const RETRANSMISSION: TimerKey = TimerKey(0);

/// A transfer, its peer and its file.
pub(super) struct Pump<W: Write> {
    transfer: Transfer,
    peer: Peer,
    content: Content<W>,
    /// Bytes of the file, as they are on the wire, that have been sent or received.
    moved: u64,
    /// Bytes of the longest file that is received.
    longest: u64,
    /// Packets from others that are still answered.
    strays: u32,
    packet: Vec<u8>,
}

/// Who the other side is.
enum Peer {
    /// A server that was asked here, and answers from another port, which is its transfer identifier.
    Asked(Address),
    Known(Address),
}

/// The file.
pub(super) enum Content<W: Write> {
    Source(Box<dyn Read>),
    Sink(Sink<W>),
    /// It has been taken away, to be made safe.
    Gone,
}

pub(super) enum Sink<W: Write> {
    Octet(W),
    Netascii(Decoder<W>),
}

/// What has become of a transfer.
#[must_use]
pub(super) enum News {
    /// It goes on.
    Going,
    /// Client and server have agreed on how.
    Agreed(Terms),
    /// All of the file has been received. It is to be made safe, and then [`Pump::handle_stored`] called.
    Complete,
    /// It is over.
    Over(Result<(), Failure>),
}

impl<W: Write> Pump<W> {
    /// A client's: the server has been asked here.
    pub(super) fn asking(transfer: Transfer, server: Address, content: Content<W>) -> Self {
        Self::new(transfer, Peer::Asked(server), content)
    }

    /// A server's.
    pub(super) fn answering(transfer: Transfer, client: Address, content: Content<W>) -> Self {
        Self::new(transfer, Peer::Known(client), content)
    }

    fn new(transfer: Transfer, peer: Peer, content: Content<W>) -> Self {
        let packet = Vec::new();
        Self { transfer, peer, content, moved: 0, longest: u64::MAX, strays: 0, packet }
    }

    pub(super) fn with_bounds(mut self, longest: u64, strays: u32) -> Self {
        self.longest = longest;
        self.strays = strays;
        self
    }

    /// A datagram has arrived.
    pub(super) fn handle_datagram<App>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        from: &Address,
        bytes: &[u8],
    ) -> News {
        if !self.peer.is(from) {
            self.answer_stray(socket, from, bytes);
            return News::Going;
        }
        let now = socket.registry().now();
        let event = self.transfer.handle_packet(bytes, now);
        // Where it is first answered from is where the server is.
        if self.transfer.was_answered() {
            self.peer = Peer::Known(from.clone());
        }
        let news = note(&mut self.content, &mut self.moved, self.longest, event);
        self.go_on(socket, news)
    }

    /// The socket's timer has come due.
    pub(super) fn handle_timer<App>(&mut self, socket: &mut DatagramTransport<'_, App>) -> News {
        let now = socket.registry().now();
        let event = self.transfer.handle_timeout(now);
        let news = note(&mut self.content, &mut self.moved, self.longest, event);
        self.go_on(socket, news)
    }

    /// The system has an error to tell of: most often, that nobody is where this side has asked.
    pub(super) fn handle_error<App>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        error: &io::Error,
    ) -> News {
        let now = socket.registry().now();
        let news = self.check_reachable(error, now).map(|()| News::Going);
        self.go_on(socket, news)
    }

    /// Sends what is to be sent, and waits for what is to come.
    pub(super) fn run<App>(&mut self, socket: &mut DatagramTransport<'_, App>) -> News {
        self.go_on(socket, Ok(News::Going))
    }

    /// The file is safe, or is not.
    pub(super) fn handle_stored(&mut self, stored: Result<(), Failure>, now: Instant) {
        match stored {
            Ok(()) => self.transfer.handle_stored(now),
            Err(failure) => drop(self.transfer.fail(failure)),
        }
    }

    /// The next packet, for who has the socket only by name.
    pub(super) fn poll_packet(&mut self, now: Instant) -> Option<(&[u8], &Address)> {
        self.packet.clear();
        let is_some = self.transfer.poll_packet(now, &mut self.packet);
        is_some.then_some((&*self.packet, self.peer.address()))
    }

    /// This side gives up; the peer is told.
    pub(super) fn fail<App>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        failure: Failure,
    ) -> News {
        self.go_on(socket, Err(failure))
    }

    /// What was received, all of it.
    pub(super) fn take_file(&mut self) -> Result<Option<W>, Failure> {
        match std::mem::replace(&mut self.content, Content::Gone) {
            Content::Sink(Sink::Octet(file)) => Ok(Some(file)),
            Content::Sink(Sink::Netascii(decoder)) => Ok(Some(decoder.finish()?)),
            Content::Source(_) | Content::Gone => Ok(None),
        }
    }

    /// Bytes that have been sent or received.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    pub(super) fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// Sends everything that is to be sent now, and waits for the rest.
    fn go_on<App>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        news: Result<News, Failure>,
    ) -> News {
        let sent = news.and_then(|news| self.send(socket).map(|()| news));
        let news = sent.unwrap_or_else(|failure| {
            let _ = self.transfer.fail(failure.clone());
            // That leaves nothing to be read, so nothing can fail.
            let _ = self.send(socket);
            News::Over(Err(failure))
        });
        self.arm(socket, news)
    }

    fn send<App>(&mut self, socket: &mut DatagramTransport<'_, App>) -> Result<(), Failure> {
        let now = socket.registry().now();
        loop {
            self.read_blocks()?;
            self.packet.clear();
            if !self.transfer.poll_packet(now, &mut self.packet) {
                return Ok(());
            }
            let sent = socket.send_to(&self.packet, self.peer.address());
            // What else cannot be sent is lost, and that is seen to.
            sent.or_else(|error| self.check_reachable(&error, now))?;
        }
    }

    fn check_reachable(&mut self, error: &io::Error, now: Instant) -> Result<(), Failure> {
        match Failure::unreachable(error) {
            Some(failure) if self.transfer.handle_unreachable(now) => Err(failure),
            _ => Ok(()),
        }
    }

    fn read_blocks(&mut self) -> Result<(), Failure> {
        let Content::Source(file) = &mut self.content else {
            return Ok(());
        };
        while let Some(wanted) = self.transfer.wanted() {
            let mut block = Vec::with_capacity(wanted);
            file.take(wanted as u64).read_to_end(&mut block)?;
            self.moved += block.len() as u64;
            self.transfer.handle_block(block);
        }
        Ok(())
    }

    fn arm<App>(&mut self, socket: &mut DatagramTransport<'_, App>, news: News) -> News {
        let now = socket.registry().now();
        let Some(due) = self.transfer.poll_timeout() else {
            socket.cancel_timer(RETRANSMISSION);
            return news;
        };
        // Without a timer it might wait for ever: if there is none the socket ends.
        socket.set_timer(RETRANSMISSION, due.saturating_duration_since(now));
        news
    }

    /// Somebody else sends to this port: is told so (RFC 1350, section 4), and the transfer goes on.
    fn answer_stray<App>(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        from: &Address,
        bytes: &[u8],
    ) {
        let is_error =
            matches!(super::Packet::parse(bytes), Ok(super::Packet::Error { .. }) | Err(_));
        if self.strays > 0 && !is_error {
            self.strays -= 1;
            let packet = error(Code::UnknownTransfer, "this port knows nothing of that transfer");
            let _ = socket.send_to(&packet, from);
        }
    }
}

/// What an event means for the file.
fn note<W: Write>(
    content: &mut Content<W>,
    moved: &mut u64,
    longest: u64,
    event: Event<'_>,
) -> Result<News, Failure> {
    match event {
        Event::Nothing | Event::Acknowledged => Ok(News::Going),
        Event::Agreed(terms) if terms.size.is_some_and(|size| size > longest) => {
            Err(Failure::TooLong(longest))
        }
        Event::Agreed(terms) => Ok(News::Agreed(terms)),
        Event::Over(result) => Ok(News::Over(result)),
        Event::Block { bytes, is_last } => {
            *moved += bytes.len() as u64;
            if *moved > longest {
                return Err(Failure::TooLong(longest));
            }
            content.write(bytes)?;
            Ok(if is_last { News::Complete } else { News::Going })
        }
    }
}

impl Peer {
    fn is(&self, from: &Address) -> bool {
        match self {
            Self::Known(peer) => peer == from,
            Self::Asked(asked) => asked.ip() == from.ip(),
        }
    }

    fn address(&self) -> &Address {
        match self {
            Self::Known(peer) | Self::Asked(peer) => peer,
        }
    }
}

impl<W: Write> Content<W> {
    /// Whatever can be read, and is sent.
    pub(super) fn source(file: impl Read + 'static, mode: Mode) -> Self {
        let file = BufReader::with_capacity(READ_AHEAD, file);
        Self::Source(match mode {
            Mode::Octet => Box::new(file),
            Mode::Netascii => Box::new(Encoder::new(file)),
        })
    }

    /// Whatever can be written, and is received.
    pub(super) fn sink(file: W, mode: Mode) -> Self {
        Self::Sink(match mode {
            Mode::Octet => Sink::Octet(file),
            Mode::Netascii => Sink::Netascii(Decoder::new(file)),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Sink(Sink::Octet(file)) => file.write_all(bytes),
            Self::Sink(Sink::Netascii(file)) => file.write_all(bytes),
            Self::Source(_) | Self::Gone => Ok(()),
        }
    }
}

impl<W: Write> fmt::Debug for Pump<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump")
            .field("peer", self.peer.address())
            .field("transfer", &self.transfer)
            .field("moved", &self.moved)
            .finish_non_exhaustive()
    }
}
