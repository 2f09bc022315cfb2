//! The two traits a user of the loop implements.

use std::any::Any;
use std::fs::File;
use std::io;

use crate::{
    Closed, Datagram, DatagramTransport, Input, Registry, SocketClosed, TimerKey, Transport,
};

/// The state machine of one byte stream: TCP or Unix. One that speaks in lines is a
/// [`LineProtocol`](crate::LineProtocol) as well, and is told of those.
///
/// ```text
///   on_open ─▶ ( on_data │ on_secure │ on_drain │ on_timer │ on_file_sent │ on_idle │ on_shutdown )* ─▶ on_end? ─▶ … ─▶ on_close
/// ```
///
/// **The contract.** `on_open` comes first, once. `on_end` comes at most once, and no `on_data` after
/// it. `on_close` comes last, exactly once, whatever happened, even when `on_open` never did because
/// connecting failed. No callback of any protocol runs inside another: what a callback does to
/// other connections takes effect at once, and their protocols hear of it later in the turn.
///
/// **Panics.** A callback that panics ends its own connection with
/// [`CloseReason::Panicked`](crate::CloseReason::Panicked): it is reset, its `on_close` is called,
/// and the loop goes on. The application, which the callback may have left half changed, is the
/// program's own to judge. (With `panic = "abort"` the process ends, as everywhere.)
///
/// ```
/// use reactor::{Input, Protocol, Transport};
///
/// /// Sends everything back (RFC 862).
/// struct Echo;
///
/// impl<App> Protocol<App> for Echo {
///     fn on_data(&mut self, transport: &mut Transport<'_, App>, input: &mut Input<'_>, _: &mut App) {
///         transport.write(input.take_all());
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Protocol` of connections of this application",
    note = "`listen` takes a factory that returns the protocol itself: `|_peer, _app| Echo`",
    note = "one that may refuse a peer, or chooses between protocols, is for `listen_with`, and returns \
            `Some(Box::new(Echo))` or `None`"
)]
pub trait Protocol<App>: Typed {
    /// The connection is open: accepted, connected, adopted, or taken over by
    /// [`replace`](Transport::replace).
    fn on_open(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let _ = (transport, app);
    }

    /// The handshake of TLS that was begun with `Transport::start_tls` is over: what comes and what is
    /// written from now on is secure. (Of a connection that had TLS from the beginning, `on_open` says so.)
    fn on_secure(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let _ = (transport, app);
    }

    /// The peer has sent something. What is not consumed is offered again with what arrives next, up
    /// to [`StreamLimits::inbox`](crate::StreamLimits::inbox).
    ///
    /// The default drops it: for those who only write. Who wants it later, or for another protocol,
    /// [pauses](Transport::pause) until then.
    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let _ = (transport, app);
        input.take_all();
    }

    /// The peer sends no more: it sent FIN. This side may go on writing; the default closes.
    fn on_end(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let _ = app;
        transport.close();
    }

    /// The outbox, having been above its high mark, has fallen to its low mark: time to write more.
    fn on_drain(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let _ = (transport, app);
    }

    /// A file given to [`send_file`](Transport::send_file) has been handed to the system. It does not
    /// come once the connection is closing: then [`Closed::unsent`] tells whether everything left.
    fn on_file_sent(&mut self, transport: &mut Transport<'_, App>, file: SentFile, app: &mut App) {
        let _ = (transport, file, app);
    }

    /// A timer set with [`set_timer`](Transport::set_timer) has come due.
    fn on_timer(&mut self, transport: &mut Transport<'_, App>, key: TimerKey, app: &mut App) {
        let _ = (transport, key, app);
    }

    /// Nothing has come or gone for [`idle_timeout`](crate::StreamLimits::idle_timeout), or nothing has come
    /// for [`read_timeout`](crate::StreamLimits::read_timeout): say what is to be done. The default ends the
    /// connection, and the peer sees RST. A protocol that has a word for it [says it](Idle::EndWith), and the peer sees
    /// FIN behind that; one that would rather find out whether the peer is still there asks, and [stays](Idle::Stay).
    ///
    /// ```
    /// # use reactor::{Idle, Protocol, Transport};
    /// # struct Session;
    /// impl<App> Protocol<App> for Session {
    ///     fn on_idle(&mut self, _: &mut Transport<'_, App>, _: &mut App) -> Idle {
    ///         Idle::EndWith(b"421 You have said nothing for too long. Goodbye.\r\n")
    ///     }
    /// }
    /// ```
    fn on_idle(&mut self, transport: &mut Transport<'_, App>, app: &mut App) -> Idle {
        let _ = (transport, app);
        Idle::End
    }

    /// The loop is shutting down: finish, and close before the deadline. A protocol that does not say otherwise closes at
    /// once.
    ///
    /// What was read and is not handled yet is dropped by `close`, and no report counts it. A protocol that pauses with
    /// messages left in its input asks for [`Transport::unread_bytes`], and closes later if there are any: when
    /// `on_data` has handled the last whole one. `pause` and then `resume` has them offered once more, whether it was
    /// paused or not; but not behind the peer's FIN: after `on_end` nothing is offered, and what is left is no whole
    /// message.
    ///
    /// A protocol that takes over from one that was told, by [`replace`](Transport::replace), is told too.
    ///
    /// A connection that has [offloaded](Transport::offload) work out is told when all of it is back and it has
    /// answered; it is not read meanwhile. Only when the grace is over it is told earlier, and cut off.
    fn on_shutdown(&mut self, transport: &mut Transport<'_, App>, app: &mut App) {
        let _ = app;
        transport.close();
    }

    /// The connection has ended; its id is stale. Who ended it, and why, is in `closed`.
    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let _ = (registry, closed, app);
    }

    /// The protocol that this one runs for, as [`ByLine`](crate::ByLine) does: who asks for it by its type is lent it.
    #[doc(hidden)]
    fn inside(&mut self) -> Option<&mut (dyn Protocol<App> + 'static)>
    where
        Self: 'static,
    {
        None
    }
}

impl<App: 'static> dyn Protocol<App> {
    /// This protocol, if it is of that type, or the one inside it.
    pub(crate) fn find<P: 'static>(&mut self) -> Option<&mut P> {
        if self.as_any_mut().is::<P>() {
            return self.as_any_mut().downcast_mut();
        }
        self.inside()?.find()
    }
}

/// What is to become of a connection on which nothing has come for too long: the answer of
/// [`on_idle`](Protocol::on_idle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Idle {
    /// It ends. If the callback has closed it, with [`close`](Transport::close) or
    /// [`release`](Transport::release), it ends as that says: what was written is sent, then FIN. Otherwise it
    /// ends at once with [`CloseReason::IdleTimeout`](crate::CloseReason::IdleTimeout) or
    /// [`ReadTimeout`](crate::CloseReason::ReadTimeout), and the peer sees RST.
    End,
    /// It ends with a goodbye: that is written, and the connection [closed](Transport::close). Who still has something
    /// queued has not taken what it was sent, and would not take this either: it ends as with [`End`](Self::End).
    EndWith(&'static [u8]),
    /// It goes on, and its silence counts anew from now.
    Stay,
}

/// Every type has it: how [`Registry::with`] and [`Registry::with_socket`] find out which protocol is run.
///
/// It is here instead of [`Any`] as a supertrait because that would ask of every application to be
/// `'static`, and one that borrows from the function that runs the loop is as good.
#[doc(hidden)]
pub trait Typed {
    fn as_any_mut(&mut self) -> &mut dyn Any
    where
        Self: 'static;
}

impl<T> Typed for T {
    fn as_any_mut(&mut self) -> &mut dyn Any
    where
        Self: 'static,
    {
        self
    }
}

/// The state machine of one datagram socket: UDP or Unix.
///
/// The contract is that of [`Protocol`]: `on_open` first, `on_close` last, both once, and no callback
/// inside another. No error ends a datagram socket: what the network reports belongs to one earlier
/// datagram.
pub trait DatagramProtocol<App>: Typed {
    /// The socket is bound.
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let _ = (socket, app);
    }

    /// A datagram has arrived; an empty one is one too. The default drops it: for those who only send.
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let _ = (socket, datagram, app);
    }

    /// The system reports an error, most often that an earlier datagram found nobody
    /// (`ECONNREFUSED`, from ICMP). The socket goes on.
    fn on_error(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        error: &io::Error,
        app: &mut App,
    ) {
        let _ = (socket, error, app);
    }

    /// The queue of datagrams, which was not empty, is: time to send more.
    fn on_drain(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let _ = (socket, app);
    }

    /// A timer set with [`set_timer`](DatagramTransport::set_timer) has come due.
    fn on_timer(&mut self, socket: &mut DatagramTransport<'_, App>, key: TimerKey, app: &mut App) {
        let _ = (socket, key, app);
    }

    /// The loop is shutting down. The default closes.
    fn on_shutdown(&mut self, socket: &mut DatagramTransport<'_, App>, app: &mut App) {
        let _ = app;
        socket.close();
    }

    /// The socket has been closed; its id is stale.
    fn on_close(&mut self, registry: &mut Registry<App>, closed: &SocketClosed, app: &mut App) {
        let _ = (registry, closed, app);
    }
}

/// A file that [`Transport::send_file`] has sent, handed back.
#[derive(Debug)]
#[non_exhaustive]
pub struct SentFile {
    /// The file.
    pub file: File,
    /// Bytes that were asked for.
    pub requested: u64,
    /// Bytes that were sent: fewer if the file was shorter than it was said to be.
    pub sent: u64,
}
