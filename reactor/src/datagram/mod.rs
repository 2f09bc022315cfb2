//! One datagram socket: its queue of datagrams, and errors that are not fatal.

mod by_id;
mod deaf_peers;
mod transport;
mod visit;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use bytes::{Buf, Bytes};

use crate::id::Key;
use crate::ledger::Ledger;
use crate::net::{
    DatagramSocket, Failure, Outgoing, Poller, Readiness, is_out_of_buffers, refuse_mismatch,
};
use crate::stats::SocketRow;
use crate::trace::What;
use crate::{Address, CloseReason, DatagramLimits, Ecn, Envelope, SocketId};

use deaf_peers::DeafPeers;
pub use transport::DatagramTransport;
pub(crate) use visit::SocketVisit;

/// What a queued datagram is charged beside its bytes.
const DATAGRAM_CHARGE: usize = 64;
/// The part of the room that may wait for one peer of a Unix socket that is connected to nobody: a quarter, so
/// that three that have gone deaf leave room for the others.
const DEAF_SHARE: usize = 4;
/// The name under which what is for the connected peer waits.
const CONNECTED: Address = Address::Unnamed;

/// One datagram, as it arrived.
#[derive(Debug)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// What it says. It may be empty.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: Address,
    /// The local address it was sent to, if the socket was opened with
    /// [`DatagramOptions::metadata`](crate::DatagramOptions::metadata) and the system tells.
    pub to: Option<IpAddr>,
    /// Its congestion mark, likewise. `None` also of a datagram that bears none.
    pub ecn: Option<Ecn>,
    /// It was longer than what the loop takes, 65,535 bytes, and its end is lost. Only a Unix datagram
    /// can be.
    pub truncated: bool,
}

impl<'a> Datagram<'a> {
    pub(crate) fn plain(bytes: &'a [u8], from: Address) -> Self {
        Self { bytes, from, to: None, ecn: None, truncated: false }
    }
}

/// The end of a datagram socket, as [`on_close`](crate::DatagramProtocol::on_close) is told it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SocketClosed {
    /// Which socket it was; the id is stale from now on.
    pub id: SocketId,
    /// Who closed it, and why.
    pub reason: CloseReason,
    /// Datagrams that were queued and never handed to the system.
    pub unsent: usize,
}

/// Why most Unix clients cannot be answered.
const UNNAMED_SENDER: &str = "the sender has no name, so nobody can answer it: \
    a Unix client that wants answers binds its socket to a path, or to an abstract name";

/// Whether it is the name of a Unix socket.
fn is_named(address: Option<&Address>) -> bool {
    matches!(address, Some(Address::Path(_) | Address::Abstract(_)))
}

/// Notes an error of the socket that is being visited.
fn note_error(error: &io::Error, ledger: &mut Ledger) {
    ledger.stats.datagram_errors += 1;
    ledger.trace(|| What::DatagramFailed(error.kind()));
}

pub(crate) struct DatagramQueue {
    pub(crate) id: SocketId,
    pub(crate) socket: DatagramSocket,
    state: State,
    readiness: Readiness,
    /// Whether events tell of room in the system as well, which they do from when it first had none: before that, each
    /// datagram that leaves would wake the loop for nothing.
    hears_of_room: bool,
    queue: VecDeque<Waiting>,
    charge: usize,
    /// Those for whom something waits by itself: peers of a Unix socket that is connected to nobody, or the one
    /// that it is connected to, where the system does not tell when that has room.
    deaf: DeafPeers,
    limits: DatagramLimits,
    pub(crate) timers: Option<Key>,
    /// Whether it is on the ready list.
    pub(crate) is_ready: bool,
}

/// A datagram, or a run, that waits for the system to take it.
struct Waiting {
    bytes: Bytes,
    stride: usize,
    to: Option<Address>,
    envelope: Envelope,
}

impl Waiting {
    fn outgoing(&self) -> Outgoing<'_> {
        let (to, envelope) = (self.to.as_ref(), self.envelope);
        Outgoing { bytes: &self.bytes, stride: self.stride, to, envelope }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The protocol has yet to hear of it.
    Opening,
    Open,
    Closed,
}

impl DatagramQueue {
    pub(crate) fn new(id: SocketId, socket: DatagramSocket, limits: DatagramLimits) -> Self {
        Self {
            id,
            socket,
            state: State::Opening,
            readiness: Readiness::READ.with(Readiness::WRITE),
            hears_of_room: false,
            queue: VecDeque::new(),
            charge: 0,
            deaf: DeafPeers::default(),
            limits,
            timers: None,
            is_ready: false,
        }
    }

    pub(crate) fn note_readiness(&mut self, readiness: Readiness) {
        self.readiness = self.readiness.with(readiness);
    }

    /// Opens it; whether it was not open yet, so that `on_open` is due.
    fn open(&mut self) -> bool {
        let opening = self.state == State::Opening;
        if opening {
            self.state = State::Open;
        }
        opening
    }

    /// Whether `on_open` has yet to be called.
    pub(crate) fn is_opening(&self) -> bool {
        self.state == State::Opening
    }

    /// Whether there may be something to receive; there is not once it is closed.
    fn can_receive(&self) -> bool {
        self.readiness.contains(Readiness::READ)
    }

    /// Receives nothing until there is another event.
    fn await_event(&mut self) {
        self.readiness = self.readiness.without(Readiness::READ);
    }

    /// Sends a plain datagram now, if nothing waits in front and the socket is of the kind that most are. What it
    /// failed with, if it was tried, is for [`send_any`](Self::send_any).
    pub(crate) fn send_at_once(
        &self,
        bytes: &[u8],
        to: Option<&Address>,
        ledger: &mut Ledger,
    ) -> Result<(), Option<Failure>> {
        if !self.queue.is_empty() || !self.readiness.contains(Readiness::WRITE) {
            return Err(None);
        }
        match self.socket.send_at_once(bytes, to) {
            Some(Ok(())) => {
                self.sent(bytes, 1, ledger);
                Ok(())
            }
            Some(Err(failure)) => Err(Some(failure)),
            None => Err(None),
        }
    }

    /// Sends a plain datagram now if nothing waits in front, else queues it; drops it if the queue is full.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        to: Option<&Address>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        self.send_at_once(bytes, to, ledger)
            .or_else(|failure| self.send_any(&Outgoing::plain(bytes, to), failure, ledger))
    }

    /// As [`send`](Self::send), for a datagram of any kind, or for one that has failed to leave at once.
    fn send_any(
        &mut self,
        outgoing: &Outgoing<'_>,
        failure: Option<Failure>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        let sent = self.send_or_queue(outgoing, failure, ledger);
        sent.map_err(|error| self.explained(error, outgoing.to))
    }

    /// What is wrong, in words that say what to do, if an address can never be sent to from this socket.
    fn explained(&self, error: io::Error, to: Option<&Address>) -> io::Error {
        let is_transient =
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused);
        match to {
            Some(Address::Unnamed) => io::Error::new(io::ErrorKind::InvalidInput, UNNAMED_SENDER),
            Some(to) if !is_transient => match refuse_mismatch(&self.socket.local(), Some(to)) {
                Ok(()) => error,
                Err(why) => io::Error::new(io::ErrorKind::InvalidInput, why),
            },
            _ => error,
        }
    }

    /// As [`send`](Self::send), of a run of datagrams that may be longer than what one call takes. With the
    /// first error it ends.
    fn send_run(&mut self, run: &Outgoing<'_>, ledger: &mut Ledger) -> io::Result<()> {
        let Outgoing { bytes: mut rest, stride, .. } = *run;
        while !rest.is_empty() {
            let at_once = self.socket.run_of(stride);
            let (bytes, behind) = rest.split_at(rest.len().min(stride * at_once));
            match self.send_any(&Outgoing { bytes, ..*run }, None, ledger) {
                Ok(()) => rest = behind,
                // The system has just found out that it has to be told them one by one.
                Err(_) if self.socket.run_of(stride) < at_once => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send_or_queue(
        &mut self,
        outgoing: &Outgoing<'_>,
        failure: Option<Failure>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        if let (Some(to), true) = (outgoing.to, is_named(outgoing.to)) {
            return self.send_to_named(outgoing, to, ledger);
        }
        if self.deaf.contains(&CONNECTED) {
            return self.put_off(outgoing.bytes, &CONNECTED, ledger);
        }
        if !self.queue.is_empty() || !self.readiness.contains(Readiness::WRITE) {
            return self.enqueue(outgoing, ledger);
        }
        match self.send_now(outgoing, failure, ledger) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.enqueue(outgoing, ledger)
            }
            // Nothing tells when the peer has received some.
            Err(error) if self.is_full(&error) => self.put_off(outgoing.bytes, &CONNECTED, ledger),
            result => result,
        }
    }

    /// Whether an error says that the peer of a Unix socket has no room: `WouldBlock`, and `ENOBUFS` in the words
    /// of the BSDs and Apple. Of UDP that one says that an interface has none, and the datagram is lost.
    fn is_full(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::WouldBlock
            || is_out_of_buffers(error) && self.socket.kind() == "unixgram"
    }

    /// Sends to a Unix socket by its name. If this peer takes nothing, others still may.
    fn send_to_named(
        &mut self,
        outgoing: &Outgoing<'_>,
        to: &Address,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        if !self.deaf.contains(to) {
            match self.send_now(outgoing, None, ledger) {
                Err(error) if self.is_full(&error) => {}
                result => return result,
            }
        }
        self.put_off(outgoing.bytes, to, ledger)
    }

    /// Keeps a datagram for a peer that has no room now.
    fn put_off(&mut self, bytes: &[u8], to: &Address, ledger: &mut Ledger) -> io::Result<()> {
        let charge = bytes.len() + DATAGRAM_CHARGE;
        // One peer must not take all the room there is for the others, but a datagram as long as they may be.
        let for_it = self.deaf.charge(to);
        let share = if *to == CONNECTED { 1 } else { DEAF_SHARE };
        let is_much = for_it > 0 && for_it + charge > self.limits.outbox / share;
        self.charge_for(bytes, is_much, ledger)?;
        self.deaf.push(to, Bytes::copy_from_slice(bytes), charge, ledger.clock.tick());
        // Whoever visits it sets the timer of the next try.
        self.make_ready(ledger);
        Ok(())
    }

    /// Tries again to send a datagram to a peer that took none; `None` if none is to be tried now, or it
    /// takes none still.
    fn retry_deaf(&mut self, ledger: &mut Ledger) -> Option<io::Result<()>> {
        let now = ledger.clock.tick();
        loop {
            let (to, bytes) = self.deaf.due(now)?;
            let named = (to != CONNECTED).then_some(&to);
            let outgoing = Outgoing::plain(&bytes, named);
            let result = self.send_now(&outgoing, None, ledger);
            if result.as_ref().is_err_and(|error| self.is_full(error)) {
                self.deaf.refused(&to, now);
                continue;
            }
            let charge = bytes.len() + DATAGRAM_CHARGE;
            self.charge -= charge;
            self.deaf.done(&to, charge);
            return Some(result);
        }
    }

    fn enqueue(&mut self, outgoing: &Outgoing<'_>, ledger: &mut Ledger) -> io::Result<()> {
        let Outgoing { bytes, stride, to, envelope } = *outgoing;
        if self.is_forgotten() {
            // Whoever visits it registers it for both directions.
            self.make_ready(ledger);
        }
        self.charge_for(bytes, false, ledger)?;
        let bytes = Bytes::copy_from_slice(bytes);
        self.queue.push_back(Waiting { bytes, stride, to: to.cloned(), envelope });
        Ok(())
    }

    /// Charges a datagram that is to wait, or drops it where there is no room.
    fn charge_for(&mut self, bytes: &[u8], is_much: bool, ledger: &mut Ledger) -> io::Result<()> {
        let (bytes, charge) = (bytes.len(), bytes.len() + DATAGRAM_CHARGE);
        if is_much || self.charge + charge > self.limits.outbox {
            ledger.stats.datagrams_dropped += 1;
            ledger.trace_of(self.id, || What::Dropped { bytes });
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.charge += charge;
        ledger.trace_of(self.id, || What::Queued { bytes });
        Ok(())
    }

    /// Has the system send something, unless that has failed already, and notes how it went.
    fn send_now(
        &mut self,
        outgoing: &Outgoing<'_>,
        failure: Option<Failure>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        let sent = failure.map_or_else(|| self.socket.send(outgoing), |why| Err(why.into()));
        match &sent {
            Ok(()) => self.sent(outgoing.bytes, outgoing.count(), ledger),
            Err(error) if self.is_full(error) => {
                ledger.trace_of(self.id, || What::WriteBlocked { wanted: outgoing.bytes.len() });
                if error.kind() == io::ErrorKind::WouldBlock && !is_named(outgoing.to) {
                    self.readiness = self.readiness.without(Readiness::WRITE);
                }
            }
            Err(error) => {
                ledger.stats.datagram_errors += 1;
                ledger.trace_of(self.id, || What::DatagramFailed(error.kind()));
            }
        }
        sent
    }

    fn sent(&self, bytes: &[u8], count: usize, ledger: &mut Ledger) {
        ledger.stats.datagrams_sent += count as u64;
        ledger.stats.datagram_bytes_sent += bytes.len() as u64;
        ledger.trace_of(self.id, || What::Sent { bytes: bytes.len() });
    }

    /// Whether it waits for room of which no event would tell. So does one that has queued nothing, because nothing
    /// fits.
    fn is_forgotten(&self) -> bool {
        !self.readiness.contains(Readiness::WRITE) && !self.hears_of_room
    }

    /// Has the system tell of room. If it cannot, the next visit asks again.
    fn listen_for_room(&mut self, poller: &Poller) {
        self.hears_of_room = self.socket.register_both(poller, self.id.0.token()).is_ok();
    }

    fn can_flush(&self) -> bool {
        !self.queue.is_empty() && self.readiness.contains(Readiness::WRITE)
    }

    /// Sends one queued datagram, or run; its error, if it has one of its own.
    fn flush_one(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        let Some(mut waiting) = self.queue.pop_front() else {
            return Ok(());
        };
        let at_once = self.socket.run_of(waiting.stride);
        let length = waiting.bytes.len().min(waiting.stride * at_once);
        let part = Outgoing { bytes: &waiting.bytes[..length], ..waiting.outgoing() };
        let result = self.send_now(&part, None, ledger);
        if let Err(error) = &result
            && (error.kind() == io::ErrorKind::WouldBlock
                // The system has just found out that it has to be told them one by one.
                || self.socket.run_of(waiting.stride) < at_once)
        {
            self.queue.push_front(waiting);
            return Ok(());
        }
        self.charge -= length;
        waiting.bytes.advance(length);
        if waiting.bytes.is_empty() {
            self.charge -= DATAGRAM_CHARGE;
        } else {
            self.queue.push_front(waiting);
        }
        result
    }

    /// Datagrams that wait.
    fn queued(&self) -> usize {
        let queued: usize = self.queue.iter().map(|waiting| waiting.outgoing().count()).sum();
        queued + self.deaf.queued()
    }

    fn has_queued(&self) -> bool {
        !self.queue.is_empty() || !self.deaf.is_empty()
    }

    fn make_ready(&mut self, ledger: &mut Ledger) {
        if !std::mem::replace(&mut self.is_ready, true) {
            ledger.ready.push_back(self.id.0);
        }
    }

    /// Ends it, unless it has ended already: it receives no more, and is told at the end of the turn.
    pub(crate) fn retire(&mut self, reason: CloseReason, ledger: &mut Ledger) {
        if std::mem::replace(&mut self.state, State::Closed) != State::Closed {
            self.await_event();
            ledger.retired.push_back((self.id.0, Box::new(reason)));
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The error the system keeps for the socket, which is cleared by asking.
    fn take_error(&self, ledger: &mut Ledger) -> Option<io::Error> {
        let error = self.socket.take_error()?;
        note_error(&error, ledger);
        Some(error)
    }

    fn has_failed(&self) -> bool {
        self.readiness.contains(Readiness::END)
    }

    /// An error was reported, and the socket goes on.
    fn recover(&mut self, poller: &Poller) {
        self.readiness = self.readiness.without(Readiness::END);
        // If it cannot be registered any more it stays silent, and can still be closed.
        let _ = self.socket.register_again(poller, self.id.0.token());
    }

    pub(crate) fn row(&self) -> SocketRow {
        SocketRow {
            protocol: self.socket.kind(),
            receive_queue: 0,
            send_queue: self.queue.iter().map(|waiting| waiting.bytes.len()).sum::<usize>()
                + self.deaf.bytes(),
            local: self.socket.local(),
            peer: self.socket.peer(),
            state: if self.state == State::Closed { "closed" } else { "bound" },
        }
    }
}
