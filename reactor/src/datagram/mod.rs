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
    DatagramSocket, Failure, Outgoing, Poller, Readiness, StdDatagram, is_out_of_buffers,
    refuse_mismatch,
};
use crate::stats::SocketRow;
use crate::trace::What;
use crate::{Address, CloseReason, DatagramLimits, Ecn, Envelope, Membership, SocketId};

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

pub(crate) struct DatagramQueue {
    socket: DatagramSocket,
    state: State,
    readiness: Readiness,
    queue: VecDeque<Waiting>,
    charge: usize,
    /// Those for whom something waits by itself: peers of a Unix socket that is connected to nobody, or the one
    /// that it is connected to, where the system does not tell when that has room.
    pub(crate) deaf: DeafPeers,
    limits: DatagramLimits,
    pub(crate) timers: Option<Key>,
    /// Whether it is on the ready list.
    is_ready: bool,
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
    pub(crate) fn new(socket: DatagramSocket, limits: DatagramLimits) -> Self {
        Self {
            socket,
            state: State::Opening,
            readiness: Readiness::READ.with(Readiness::WRITE),
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
    pub(crate) fn open(&mut self) -> bool {
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

    pub(crate) fn can_receive(&self) -> bool {
        self.state == State::Open && self.readiness.contains(Readiness::READ)
    }

    /// Notes why nothing was received. `false` if there is nothing for now; otherwise it is the error
    /// of an earlier datagram, and the next call tells of what has arrived meanwhile.
    pub(crate) fn receive_failed(&mut self, error: &io::Error, ledger: &mut Ledger) -> bool {
        if error.kind() == io::ErrorKind::WouldBlock {
            ledger.trace(|| What::ReadBlocked);
            self.readiness = self.readiness.without(Readiness::READ);
            return false;
        }
        ledger.stats.datagram_errors += 1;
        ledger.trace(|| What::DatagramFailed(error.kind()));
        true
    }

    /// Sends now if nothing waits in front, else queues; drops the datagram if the queue is full.
    #[inline(always)]
    pub(crate) fn send(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        to: Option<&Address>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        if self.queue.is_empty()
            && self.readiness.contains(Readiness::WRITE)
            && let Some(result) = self.socket.send_at_once(bytes, to)
        {
            return match result {
                Ok(()) => {
                    Self::sent(id, bytes, 1, ledger);
                    Ok(())
                }
                Err(failure) => self.hold_back(id, bytes, to, failure, ledger),
            };
        }
        self.send_with(id, &Outgoing::single(bytes, to, Envelope::default()), ledger)
    }

    /// What is wrong, in words that say what to do, if an address can never be sent to from this socket.
    pub(crate) fn explained(&self, error: io::Error, to: Option<&Address>) -> io::Error {
        let is_transient =
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused);
        match to {
            Some(Address::Unnamed) => io::Error::new(io::ErrorKind::InvalidInput, UNNAMED_SENDER),
            Some(to) if !is_transient => match refuse_mismatch(&self.local(), Some(to)) {
                Ok(()) => error,
                Err(why) => io::Error::new(io::ErrorKind::InvalidInput, why),
            },
            _ => error,
        }
    }

    /// As [`send_with`](Self::send_with), of a run of datagrams that may be longer than what one call
    /// takes. With the first error it ends.
    pub(crate) fn send_run(
        &mut self,
        id: SocketId,
        run: &Outgoing<'_>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        let Outgoing { bytes: mut rest, stride, .. } = *run;
        while !rest.is_empty() {
            let at_once = self.socket.run_of(stride);
            let (bytes, behind) = rest.split_at(rest.len().min(stride * at_once));
            match self.send_with(id, &Outgoing { bytes, ..*run }, ledger) {
                Ok(()) => rest = behind,
                // The system has just found out that it has to be told them one by one.
                Err(_) if self.socket.run_of(stride) < at_once => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// As [`send`](Self::send), for a datagram of any kind.
    pub(crate) fn send_with(
        &mut self,
        id: SocketId,
        outgoing: &Outgoing<'_>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        if let (Some(to), true) = (outgoing.to, is_named(outgoing.to)) {
            return self.send_to_named(id, outgoing, to, ledger);
        }
        if self.deaf.contains(&CONNECTED) {
            return self.put_off(id, outgoing.bytes, &CONNECTED, ledger);
        }
        if !self.queue.is_empty() || !self.readiness.contains(Readiness::WRITE) {
            return self.enqueue(id, outgoing, ledger);
        }
        match self.send_now(id, outgoing, ledger) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.enqueue(id, outgoing, ledger)
            }
            // Nothing tells when the peer has received some.
            Err(error) if self.is_full(&error) => {
                self.put_off(id, outgoing.bytes, &CONNECTED, ledger)
            }
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
        id: SocketId,
        outgoing: &Outgoing<'_>,
        to: &Address,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        if !self.deaf.contains(to) {
            match self.send_now(id, outgoing, ledger) {
                Err(error) if self.is_full(&error) => {}
                result => return result,
            }
        }
        self.put_off(id, outgoing.bytes, to, ledger)
    }

    /// Keeps a datagram for a peer that has no room now.
    fn put_off(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        to: &Address,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        let charge = bytes.len() + DATAGRAM_CHARGE;
        // One peer must not take all the room there is for the others, but a datagram as long as they may be.
        let for_it = self.deaf.charge(to);
        let share = if *to == CONNECTED { 1 } else { DEAF_SHARE };
        let is_much = for_it > 0 && for_it + charge > self.limits.outbox / share;
        if is_much || self.charge + charge > self.limits.outbox {
            return Self::drop_datagram(id, bytes.len(), ledger);
        }
        ledger.trace_of(id, || What::Queued { bytes: bytes.len() });
        self.charge += charge;
        self.deaf.push(to, Bytes::copy_from_slice(bytes), charge, ledger.clock.tick());
        // Whoever visits it sets the timer of the next try.
        self.make_ready(id.0, ledger);
        Ok(())
    }

    /// Tries again to send a datagram to a peer that took none; `None` if none is to be tried now, or it
    /// takes none still.
    pub(crate) fn retry_deaf(
        &mut self,
        id: SocketId,
        ledger: &mut Ledger,
    ) -> Option<io::Result<()>> {
        let now = ledger.clock.tick();
        loop {
            let (to, bytes) = self.deaf.due(now)?;
            let named = (to != CONNECTED).then_some(&to);
            let outgoing = Outgoing::single(&bytes, named, Envelope::default());
            let result = self.send_now(id, &outgoing, ledger);
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

    fn drop_datagram(id: SocketId, bytes: usize, ledger: &mut Ledger) -> io::Result<()> {
        ledger.stats.datagrams_dropped += 1;
        ledger.trace_of(id, || What::Dropped { bytes });
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// A datagram did not leave at once: it waits if it only would have blocked.
    fn hold_back(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        to: Option<&Address>,
        failure: Failure,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        let error = io::Error::from(failure);
        let is_full = error.kind() == io::ErrorKind::WouldBlock;
        Self::send_failed(id, bytes.len(), &error, is_full, ledger);
        if is_full {
            self.readiness = self.readiness.without(Readiness::WRITE);
            let outgoing = Outgoing::single(bytes, to, Envelope::default());
            return self.enqueue(id, &outgoing, ledger);
        }
        Err(error)
    }

    fn enqueue(
        &mut self,
        id: SocketId,
        outgoing: &Outgoing<'_>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        let Outgoing { bytes, stride, to, envelope } = *outgoing;
        if self.charge + bytes.len() + DATAGRAM_CHARGE > self.limits.outbox {
            return Self::drop_datagram(id, bytes.len(), ledger);
        }
        ledger.trace_of(id, || What::Queued { bytes: bytes.len() });
        self.charge += bytes.len() + DATAGRAM_CHARGE;
        let bytes = Bytes::copy_from_slice(bytes);
        self.queue.push_back(Waiting { bytes, stride, to: to.cloned(), envelope });
        Ok(())
    }

    fn send_now(
        &mut self,
        id: SocketId,
        outgoing: &Outgoing<'_>,
        ledger: &mut Ledger,
    ) -> io::Result<()> {
        if let Err(error) = self.socket.send(outgoing) {
            Self::send_failed(id, outgoing.bytes.len(), &error, self.is_full(&error), ledger);
            if error.kind() == io::ErrorKind::WouldBlock && !is_named(outgoing.to) {
                self.readiness = self.readiness.without(Readiness::WRITE);
            }
            return Err(error);
        }
        Self::sent(id, outgoing.bytes, outgoing.count(), ledger);
        Ok(())
    }

    fn sent(id: SocketId, bytes: &[u8], count: usize, ledger: &mut Ledger) {
        ledger.stats.datagrams_sent += count as u64;
        ledger.stats.datagram_bytes_sent += bytes.len() as u64;
        ledger.trace_of(id, || What::Sent { bytes: bytes.len() });
    }

    fn send_failed(
        id: SocketId,
        wanted: usize,
        error: &io::Error,
        is_full: bool,
        ledger: &mut Ledger,
    ) {
        if is_full {
            ledger.trace_of(id, || What::WriteBlocked { wanted });
        } else {
            ledger.stats.datagram_errors += 1;
            ledger.trace_of(id, || What::DatagramFailed(error.kind()));
        }
    }

    pub(crate) fn can_flush(&self) -> bool {
        !self.queue.is_empty() && self.readiness.contains(Readiness::WRITE)
    }

    /// Sends one queued datagram, or run; its error, if it has one of its own.
    pub(crate) fn flush_one(&mut self, id: SocketId, ledger: &mut Ledger) -> io::Result<()> {
        let Some(mut waiting) = self.queue.pop_front() else {
            return Ok(());
        };
        let at_once = self.socket.run_of(waiting.stride);
        let length = waiting.bytes.len().min(waiting.stride * at_once);
        let part = Outgoing { bytes: &waiting.bytes[..length], ..waiting.outgoing() };
        let result = match self.send_now(id, &part, ledger) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.queue.push_front(waiting);
                return Ok(());
            }
            // The system has just found out that it has to be told them one by one.
            Err(_) if self.socket.run_of(waiting.stride) < at_once => {
                self.queue.push_front(waiting);
                return Ok(());
            }
            result => result,
        };
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
    pub(crate) fn queued(&self) -> usize {
        let queued: usize = self.queue.iter().map(|waiting| waiting.outgoing().count()).sum();
        queued + self.deaf.queued()
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty() || !self.deaf.is_empty()
    }

    pub(crate) fn make_ready(&mut self, key: Key, ledger: &mut Ledger) {
        if !std::mem::replace(&mut self.is_ready, true) {
            ledger.ready.push_back(key);
        }
    }

    pub(crate) fn unmake_ready(&mut self) {
        self.is_ready = false;
    }

    /// Marks it as ended; `false` if it was already. The caller puts it on the loop's list of retired sources.
    pub(crate) fn retire(&mut self) -> bool {
        std::mem::replace(&mut self.state, State::Closed) != State::Closed
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Ends its events, even if its description lives on in a duplicate.
    pub(crate) fn dispose(&mut self, poller: &Poller) {
        // It fails only if the duplicate's owner has taken it out already.
        let _ = self.socket.deregister(poller);
    }

    pub(crate) fn into_std(self, poller: &Poller) -> StdDatagram {
        self.socket.into_std(poller)
    }

    pub(crate) fn limits(&self) -> &DatagramLimits {
        &self.limits
    }

    pub(crate) fn set_limits(&mut self, limits: DatagramLimits) {
        self.limits = limits;
    }

    pub(crate) fn join(&self, group: Membership) -> io::Result<()> {
        self.socket.join(group)
    }

    pub(crate) fn leave(&self, group: Membership) -> io::Result<()> {
        self.socket.leave(group)
    }

    /// The error the system keeps for the socket, which is cleared by asking.
    pub(crate) fn take_error(&self, ledger: &mut Ledger) -> Option<io::Error> {
        let error = self.socket.take_error()?;
        ledger.stats.datagram_errors += 1;
        ledger.trace(|| What::DatagramFailed(error.kind()));
        Some(error)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.readiness.contains(Readiness::END)
    }

    /// An error was reported, and the socket goes on.
    pub(crate) fn recover(&mut self, key: Key, poller: &Poller) {
        self.readiness = self.readiness.without(Readiness::END);
        // If it cannot be registered any more it stays silent, and can still be closed.
        let _ = self.socket.register_again(poller, key.token());
    }

    /// Receives nothing until there is another event.
    pub(crate) fn await_event(&mut self) {
        self.readiness = self.readiness.without(Readiness::READ);
    }

    pub(crate) fn duplicate(&self) -> io::Result<StdDatagram> {
        self.socket.duplicate()
    }

    pub(crate) fn local(&self) -> Address {
        self.socket.local()
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
