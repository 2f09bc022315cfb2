//! One datagram socket, as its own protocol sees it during a callback.

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::time::Duration;

use super::DatagramQueue;
use crate::net::{Failure, Outgoing};
use crate::registry::Registry;
use crate::{
    Address, CloseReason, Datagram, DatagramLimits, Envelope, Membership, SocketId, TimerKey,
};

/// One datagram socket, lent to its protocol for the time of a callback.
pub struct DatagramTransport<'a, App> {
    pub(super) queue: &'a mut DatagramQueue,
    pub(super) registry: &'a mut Registry<App>,
}

impl<App> DatagramTransport<'_, App> {
    /// This socket's id: keep it to reach the socket from elsewhere.
    #[must_use]
    pub fn id(&self) -> SocketId {
        self.queue.id
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local(&self) -> Address {
        self.queue.socket.local()
    }

    /// Everything else that is registered with the loop.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.registry
    }

    /// Sends a datagram: at once if the system takes it, else queued up to
    /// [`DatagramLimits::outbox`](crate::DatagramLimits::outbox).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if the queue is full: the datagram was dropped, as the network
    /// might have done. [`io::ErrorKind::InvalidInput`] if this socket can never send there, with what to do about
    /// it: the address is of another family or kind, or nobody's ([`Address::Unnamed`], as most Unix clients are
    /// that bind to nothing). Otherwise what the system says of this datagram, or of an earlier one: too long, no
    /// route, refused. The socket goes on.
    pub fn send_to(&mut self, bytes: &[u8], to: &Address) -> io::Result<()> {
        self.send_plain(bytes, Some(to))
    }

    /// As [`send_to`](Self::send_to), to the peer the socket is connected to.
    ///
    /// # Errors
    ///
    /// As there, and if the socket is not connected.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_plain(bytes, None)
    }

    fn send_plain(&mut self, bytes: &[u8], to: Option<&Address>) -> io::Result<()> {
        let Self { queue, registry } = self;
        match queue.send_at_once(bytes, to, &mut registry.ledger) {
            Ok(()) => Ok(()),
            Err(failure) => Self::send_otherwise(queue, bytes, to, failure, registry),
        }
    }

    /// What has not left at once. It is handed the parts of the transport, since those are at hand: what a call that
    /// succeeds would have to keep for it costs five instructions more.
    #[cold]
    fn send_otherwise(
        queue: &mut DatagramQueue,
        bytes: &[u8],
        to: Option<&Address>,
        failure: Option<Failure>,
        registry: &mut Registry<App>,
    ) -> io::Result<()> {
        queue.send_any(&Outgoing::plain(bytes, to), failure, &mut registry.ledger)
    }

    /// As [`send_to`](Self::send_to), or as [`send`](Self::send) if there is no address, from a local
    /// address of one's choice and with a congestion mark.
    ///
    /// # Errors
    ///
    /// As there, and [`io::ErrorKind::Unsupported`] if the envelope says anything and the socket was not
    /// opened with [`DatagramOptions::metadata`](crate::DatagramOptions::metadata).
    pub fn send_with(
        &mut self,
        bytes: &[u8],
        to: Option<&Address>,
        envelope: Envelope,
    ) -> io::Result<()> {
        let outgoing = Outgoing { envelope, ..Outgoing::plain(bytes, to) };
        self.queue.send_any(&outgoing, None, &mut self.registry.ledger)
    }

    /// Sends a run of datagrams to one peer: `bytes`, cut into pieces of `size`, of which the last may be
    /// shorter. For the rest it is as [`send_with`](Self::send_with).
    ///
    /// From a socket that was opened with [`DatagramOptions::metadata`](crate::DatagramOptions::metadata)
    /// up to 64 leave by one call, as far as they are no longer than 65,507 bytes together, where the
    /// system knows how (Linux calls it generic segmentation offload, UDP_SEGMENT; Windows has it too).
    /// Otherwise each leaves by a call of its own. The peer cannot tell.
    ///
    /// ```
    /// # use reactor::{Address, DatagramTransport, Envelope};
    /// fn send_blocks<App>(socket: &mut DatagramTransport<'_, App>, file: &[u8], to: &Address) {
    ///     // What cannot be sent is lost, as it might be anywhere on its way.
    ///     let _ = socket.send_run(file, 1_200, Some(to), Envelope::default());
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the size is zero. Otherwise as there, of the first that could
    /// not be sent: those in front of it have left or wait, those behind it are dropped.
    pub fn send_run(
        &mut self,
        bytes: &[u8],
        size: usize,
        to: Option<&Address>,
        envelope: Envelope,
    ) -> io::Result<()> {
        if size == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let run = Outgoing { bytes, stride: size, to, envelope };
        self.queue.send_run(&run, &mut self.registry.ledger)
    }

    /// Sends to the sender of a datagram, from the address it was sent to if that is known: what a
    /// server that is bound to all addresses answers with.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn answer(&mut self, datagram: &Datagram<'_>, bytes: &[u8]) -> io::Result<()> {
        match datagram.to {
            None => self.send_to(bytes, &datagram.from),
            from => self.send_with(bytes, Some(&datagram.from), Envelope { from, ecn: None }),
        }
    }

    /// Datagrams that wait for the system to take them.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.queued()
    }

    /// The limits of this socket.
    #[must_use]
    pub fn limits(&self) -> &DatagramLimits {
        &self.queue.limits
    }

    /// Changes the limits of this socket, by value or by reference. What is queued already stays.
    pub fn set_limits(&mut self, limits: impl Borrow<DatagramLimits>) {
        self.queue.limits = limits.borrow().clone();
    }

    /// Joins a multicast group.
    ///
    /// # Errors
    ///
    /// If there is no such interface, it is joined already, or this is no UDP socket.
    pub fn join(&mut self, group: Membership) -> io::Result<()> {
        self.queue.socket.join(group)
    }

    /// Leaves a multicast group.
    ///
    /// # Errors
    ///
    /// If it was not joined, or this is no UDP socket.
    pub fn leave(&mut self, group: Membership) -> io::Result<()> {
        self.queue.socket.leave(group)
    }

    /// Has [`on_timer`](crate::DatagramProtocol::on_timer) called after a delay. A key that is set
    /// already moves. Timers end with the socket. As on a connection, a loop that is at
    /// [`Limits::timers`](crate::Limits::timers) ends the socket, with
    /// [`CloseReason::TimersFull`]: it would wait for ever for what it counts on.
    pub fn set_timer(&mut self, key: TimerKey, after: Duration) {
        if self.queue.is_closed() {
            return;
        }
        let timers = &mut self.queue.timers;
        if self.registry.set_source_timer(self.queue.id.0, timers, key, after).is_err() {
            self.retire(CloseReason::TimersFull);
        }
    }

    /// Cancels a timer; whether it was set.
    pub fn cancel_timer(&mut self, key: TimerKey) -> bool {
        self.registry.cancel_source_timer(&mut self.queue.timers, key)
    }

    /// Closes the socket. What is queued is dropped; no callback comes but
    /// [`on_close`](crate::DatagramProtocol::on_close).
    pub fn close(&mut self) {
        self.retire(CloseReason::Closed);
    }

    pub(super) fn retire(&mut self, reason: CloseReason) {
        self.queue.retire(reason, &mut self.registry.ledger);
    }
}

impl<App> fmt::Debug for DatagramTransport<'_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramTransport").field("id", &self.queue.id).finish_non_exhaustive()
    }
}
