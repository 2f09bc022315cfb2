//! Who ended a connection, and why.

use std::fmt;
use std::io;
use std::ops::ControlFlow;

use thiserror::Error;

use crate::{Address, ConnectionId, Host};

/// Why a connection, a listener or a datagram socket ended.
///
/// The `Display` text is a sentence for a log; [`CloseReason::side`] says whose doing it was. It holds the error
/// of the system if there is one, which is therefore no `source()`; and it does not say with whom, which is
/// [`Closed::peer`]: `"{peer}: {reason}"` is all there is to tell.
///
/// Each says what a peer sees of it on TCP: FIN, the end of everything it was sent, or RST, an error
/// (`ECONNRESET`) that may destroy what it has not read yet. A Unix socket has no RST: there the peer sees
/// the end, or `ECONNRESET` if it had sent something that was never read.
///
/// ```
/// use reactor::{CloseReason, Closed, Protocol, Registry};
///
/// struct Session;
///
/// impl Protocol<Vec<String>> for Session {
///     fn on_close(&mut self, _: &mut Registry<Vec<String>>, closed: &Closed, log: &mut Vec<String>) {
///         match &closed.reason {
///             // Both sides have said goodbye.
///             reason if reason.is_clean() => {}
///             CloseReason::ConnectFailed(error) => log.push(format!("nobody is there: {error}")),
///             reason => log.push(format!("{}: {reason}", closed.peer)),
///         }
///     }
/// }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides said goodbye, the peer first: everything either sent has arrived. The peer sees FIN.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// Both sides said goodbye, ours first: everything that was queued has left, and the peer
    /// acknowledged it with a FIN of its own, unless it was not waited for
    /// ([`release`](crate::Transport::release)). The peer sees FIN.
    #[error("closed")]
    Closed,
    /// The program called `abort`; or the loop did for one of a [couple](crate::Registry::couple) whose other side was
    /// reset, or for one that waited to be [coupled](crate::Transport::couple_to), when no other came about. What was
    /// queued is lost. The peer sees RST.
    #[error("aborted")]
    Aborted,
    /// The program took the socket back with `detach`. The peer sees nothing: the connection goes on.
    #[error("the socket was given back to the program")]
    Detached,
    /// The loop was shut down and this connection did not finish by the deadline. The peer sees RST.
    #[error("cut off by the shutdown of the loop")]
    Shutdown,
    /// A callback of this connection panicked; the text is the panic's message. The peer sees RST.
    #[error("its handler panicked: {0}")]
    Panicked(String),

    /// The peer reset the connection. It sees nothing more of ours.
    #[error("the peer reset the connection")]
    Reset,
    /// The connection could not be made; the error is the system's (`SO_ERROR`). If it was found on this side,
    /// before anybody was asked (no descriptors are left, a local address is taken), an
    /// [`OpenError`](crate::OpenError) is inside. There is no peer to see anything.
    #[error("could not connect: {0}")]
    ConnectFailed(io::Error),
    /// The system failed a read or a write for another reason: a route lost, a peer that keepalive
    /// found to be gone. The peer sees RST, if anything still reaches it.
    #[error("the connection failed: {0}")]
    Failed(io::Error),
    /// No connection came about with a host that was given by its name: it could not be looked up, or none of
    /// its addresses could be connected to; see [`HostFailure`]. There is no peer to see anything.
    #[error("{0}")]
    HostFailed(Box<HostFailure>),
    /// The peer ended the connection without having said that it had sent all: its TLS without
    /// close_notify, or in the middle of the handshake. Somebody in between may have cut it off, so what was
    /// received may be a part only (RFC 8446, 6.1). It sees RST.
    #[error("the peer's end was cut off: it did not say that it was done")]
    Truncated,
    /// TLS has failed: why is inside. The peer sees the alert that belongs to it, and FIN.
    #[error("{0}")]
    Tls(TlsFailure),
    /// A file that was being sent could not be read. The peer sees RST, so that it does not take what it has
    /// for the whole.
    #[error("a file that was being sent could not be read: {0}")]
    FileFailed(io::Error),

    /// [`StreamLimits::connect_timeout`](crate::StreamLimits::connect_timeout) has passed. A peer that
    /// answers later sees RST.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// [`StreamLimits::handshake_timeout`](crate::StreamLimits::handshake_timeout) has passed.
    #[error("the handshake took too long")]
    HandshakeTimeout,
    /// [`StreamLimits::close_timeout`](crate::StreamLimits::close_timeout) has passed since `close`:
    /// the peer did not take what was queued, or did not say goodbye. It sees RST, behind our FIN if that
    /// had left already.
    #[error("closing took too long")]
    CloseTimeout,
    /// [`StreamLimits::idle_timeout`](crate::StreamLimits::idle_timeout) has passed, and
    /// [`on_idle`](crate::Protocol::on_idle) did not know better. The peer sees RST.
    #[error("nobody sent anything for too long")]
    IdleTimeout,
    /// [`StreamLimits::read_timeout`](crate::StreamLimits::read_timeout) has passed, and
    /// [`on_idle`](crate::Protocol::on_idle) did not know better. The peer sees RST.
    #[error("the peer sent nothing for too long")]
    ReadTimeout,
    /// The peer was slower than [`StreamLimits::min_rate`](crate::StreamLimits::min_rate). It sees RST.
    #[error("the transfer was too slow")]
    TooSlow,
    /// The protocol left more unconsumed than [`StreamLimits::inbox`](crate::StreamLimits::inbox). The peer
    /// sees RST.
    #[error("its inbox is full: a message was longer than allowed")]
    InboxFull,
    /// More was queued than [`StreamLimits::outbox`](crate::StreamLimits::outbox): the peer reads too slowly, or
    /// so much was written at once that no peer could have taken it. The peer sees RST.
    #[error("its outbox is full: more was written than the peer has taken")]
    OutboxFull,
    /// More was queued in the whole loop than [`Limits::outboxes`](crate::Limits::outboxes). The peer sees RST.
    #[error("the outboxes of the loop are full")]
    LoopOutboxFull,
    /// The connection asked for a timer beyond [`Limits::timers`](crate::Limits::timers). The peer sees RST.
    #[error("the loop has no timers left")]
    TimersFull,
}

/// The errors of the system are copied by what they say: their number, or else their kind and text.
impl Clone for CloseReason {
    fn clone(&self) -> Self {
        match self {
            Self::Panicked(message) => Self::Panicked(message.clone()),
            Self::ConnectFailed(error) => Self::ConnectFailed(same_error(error)),
            Self::Failed(error) => Self::Failed(same_error(error)),
            Self::FileFailed(error) => Self::FileFailed(same_error(error)),
            Self::PeerClosed => Self::PeerClosed,
            Self::Closed => Self::Closed,
            Self::Aborted => Self::Aborted,
            Self::Detached => Self::Detached,
            Self::Shutdown => Self::Shutdown,
            Self::Reset => Self::Reset,
            Self::Truncated => Self::Truncated,
            Self::Tls(failure) => Self::Tls(failure.clone()),
            Self::HostFailed(failure) => Self::HostFailed(failure.clone()),
            Self::HandshakeTimeout => Self::HandshakeTimeout,
            Self::ConnectTimeout => Self::ConnectTimeout,
            Self::CloseTimeout => Self::CloseTimeout,
            Self::IdleTimeout => Self::IdleTimeout,
            Self::ReadTimeout => Self::ReadTimeout,
            Self::TooSlow => Self::TooSlow,
            Self::InboxFull => Self::InboxFull,
            Self::OutboxFull => Self::OutboxFull,
            Self::LoopOutboxFull => Self::LoopOutboxFull,
            Self::TimersFull => Self::TimersFull,
        }
    }
}

fn same_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Whose doing the end of a connection was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The program on this side.
    Local,
    /// The peer.
    Peer,
    /// The system or the network between.
    System,
    /// A limit of this loop.
    Limit,
}

impl CloseReason {
    /// Whose doing it was.
    #[must_use]
    pub fn side(&self) -> Side {
        use CloseReason as R;
        match self {
            R::Closed | R::Aborted | R::Detached | R::Shutdown | R::Panicked(_) => Side::Local,
            R::PeerClosed | R::Reset | R::Truncated => Side::Peer,
            R::ConnectFailed(_) | R::Failed(_) | R::FileFailed(_) => Side::System,
            R::Tls(failure) => failure.side(),
            R::HostFailed(failure) => failure.side(),
            R::ConnectTimeout
            | R::HandshakeTimeout
            | R::CloseTimeout
            | R::IdleTimeout
            | R::ReadTimeout
            | R::TooSlow
            | R::InboxFull
            | R::OutboxFull
            | R::LoopOutboxFull
            | R::TimersFull => Side::Limit,
        }
    }

    /// Whether both sides said goodbye, so that nothing either sent was lost.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::PeerClosed | Self::Closed)
    }

    /// Whether its protocol is asked first, with [`on_idle`](crate::Protocol::on_idle).
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::IdleTimeout | Self::ReadTimeout)
    }

    /// Whether the peer is told by RST. An alert of TLS says more, and would not survive one.
    pub(crate) fn resets(&self) -> bool {
        !self.is_clean() && !matches!(self, Self::Tls(_))
    }

    /// Sorts an error of a read or a write: a reset is the peer's doing, the rest the system's; a layer
    /// has given a reason of its own.
    pub(crate) fn from_io(error: io::Error) -> Self {
        use io::ErrorKind as K;
        let error = match error.downcast::<Self>() {
            Ok(reason) => return reason,
            Err(error) => error,
        };
        match error.kind() {
            K::ConnectionReset | K::BrokenPipe | K::ConnectionAborted => Self::Reset,
            _ => Self::Failed(error),
        }
    }

    /// As an error, by which a layer gives a reason: the other way of [`from_io`](Self::from_io).
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

/// What the rows of [`Stats::closes`](crate::Stats::closes) are called, and which reason is counted in which.
macro_rules! rows {
    ($($reason:ident $name:literal,)*) => {
        enum Row { $($reason),* }

        impl CloseReason {
            pub(crate) const ROWS: [&'static str; [$($name),*].len()] = [$($name),*];

            /// Its row.
            pub(crate) fn row(&self) -> usize {
                match self { $(Self::$reason { .. } => Row::$reason as usize,)* }
            }
        }
    };
}

rows! {
    PeerClosed "peer closed",
    Closed "closed",
    Aborted "aborted",
    Detached "detached",
    Shutdown "shutdown",
    Panicked "panicked",
    Reset "reset",
    ConnectFailed "connect failed",
    Failed "failed",
    FileFailed "file failed",
    ConnectTimeout "connect timeout",
    CloseTimeout "close timeout",
    IdleTimeout "idle timeout",
    ReadTimeout "read timeout",
    TooSlow "too slow",
    InboxFull "inbox full",
    OutboxFull "outbox full",
    LoopOutboxFull "loop outbox full",
    TimersFull "timers full",
    Truncated "truncated",
    Tls "TLS failed",
    HandshakeTimeout "handshake timeout",
    HostFailed "host failed",
}

/// Why no connection came about with a host: what [`CloseReason::HostFailed`] tells.
///
/// The text says why, and not with which host, as that of every [`CloseReason`].
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum HostFailure {
    /// Its addresses could not be found.
    #[error("could not be found: {error}")]
    Lookup {
        /// Which host.
        host: Host,
        /// Why not.
        error: LookupError,
    },
    /// None of its addresses could be connected to.
    #[error("could not connect: {}", one_by_one(.attempts))]
    Attempts {
        /// Which host.
        host: Host,
        /// What became of each attempt, in the order in which they ended.
        attempts: Vec<Attempt>,
    },
}

/// One attempt to connect to a host, by one of its addresses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: Address,
    /// Why no connection came of it: [`CloseReason::ConnectFailed`], or
    /// [`ConnectTimeout`](CloseReason::ConnectTimeout) if it was still on its way when the time was over.
    pub reason: CloseReason,
}

/// Why the addresses of a host could not be found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The resolver says so, in its own words: there is no such host, or nobody could be asked.
    #[error("{0}")]
    Failed(String),
    /// There is such a host, and it has no address.
    #[error("it has no address")]
    NoAddress,
    /// It has addresses of this machine or of its network only, and may [not](crate::Reach::Outside) lead there.
    #[error("it leads to this machine or its network, which is not allowed")]
    Inside,
    /// [`Limits::lookup_timeout`](crate::Limits::lookup_timeout) has passed. A later answer is dropped.
    #[error("looking it up took too long")]
    TimedOut,
}

impl HostFailure {
    /// Which host it was.
    #[must_use]
    pub fn host(&self) -> &Host {
        match self {
            Self::Lookup { host, .. } | Self::Attempts { host, .. } => host,
        }
    }

    /// What became of each attempt: none if the host could not be looked up.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            Self::Lookup { .. } => &[],
            Self::Attempts { attempts, .. } => attempts,
        }
    }

    /// What the last of the attempts met with, as the system says it, or what is most like it: to sort failures
    /// by, where one word has to do.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Lookup { error: LookupError::TimedOut, .. } => io::ErrorKind::TimedOut,
            Self::Lookup { .. } => io::ErrorKind::NotFound,
            Self::Attempts { attempts, .. } => match attempts.last().map(|last| &last.reason) {
                Some(CloseReason::ConnectFailed(error)) => error.kind(),
                _ => io::ErrorKind::TimedOut,
            },
        }
    }

    fn side(&self) -> Side {
        match self {
            Self::Lookup { error: LookupError::TimedOut, .. } => Side::Limit,
            Self::Lookup { .. } => Side::System,
            Self::Attempts { attempts, .. } => {
                attempts.last().map_or(Side::System, |last| last.reason.side())
            }
        }
    }
}

/// The address, and what the system says of it.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, reason } = self;
        match reason {
            CloseReason::ConnectFailed(error) => write!(f, "{address}: {error}"),
            reason => write!(f, "{address}: {reason}"),
        }
    }
}

fn one_by_one(attempts: &[Attempt]) -> String {
    attempts.iter().map(Attempt::to_string).collect::<Vec<_>>().join("; ")
}

/// Why TLS has failed on a connection: what
/// [`CloseReason::Tls`] tells.
///
/// The text inside says it in the words of the library. Before a connection with such a reason ends, the
/// peer is sent the alert that belongs to it (RFC 8446, 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The peer's certificate is not accepted: it has expired, is for another name, comes from an authority
    /// that is not trusted, is not one of those that are pinned, or is missing.
    #[error("the peer's certificate is not accepted: {0}")]
    Certificate(String),
    /// The peer has given up, and its alert says why: `CertificateUnknown`, say, if it does not accept ours.
    #[error("the peer has given up on TLS: {0}")]
    Refused(String),
    /// What the peer sends is not TLS, or breaks its rules, or has been tampered with.
    #[error("the peer does not speak TLS as it should: {0}")]
    Broken(String),
    /// Both speak TLS, but have no version, no cipher, or no protocol (ALPN) in common.
    #[error("TLS has nothing in common with the peer: {0}")]
    NothingInCommon(String),
    /// Something on this side: no randomness, no time, a configuration that does not work.
    #[error("TLS failed on this side: {0}")]
    Ours(String),
}

impl TlsFailure {
    /// Whose fault it is.
    #[must_use]
    pub fn side(&self) -> Side {
        match self {
            Self::Ours(_) => Side::Local,
            Self::Certificate(_)
            | Self::Refused(_)
            | Self::Broken(_)
            | Self::NothingInCommon(_) => Side::Peer,
        }
    }
}

impl From<TlsFailure> for io::Error {
    fn from(failure: TlsFailure) -> Self {
        CloseReason::Tls(failure).into_io()
    }
}

/// The end of a connection, as [`on_close`](crate::Protocol::on_close) is told it. It reads as a line for a log: whom
/// it was with, and why it ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Closed {
    /// Which connection it was; the id is stale from now on.
    pub id: ConnectionId,
    /// The other end. Of a connection to a name it is the name until one of its addresses was connected, and that
    /// address from then on: so `opened` ones have a number here, and who counts by the name keeps it himself.
    pub peer: Address,
    /// Who ended it, and why.
    pub reason: CloseReason,
    /// Whether [`on_open`](crate::Protocol::on_open) had been called: not so when connecting failed.
    pub opened: bool,
    /// Bytes that were queued and never handed to the system. What the system had taken but the
    /// peer had not acknowledged cannot be known.
    pub unsent: u64,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.peer, self.reason)
    }
}

/// Goes on with a value, or ends the connection with a reason, boxed so that going on costs nothing.
pub(crate) type Step<T = ()> = ControlFlow<Box<CloseReason>, T>;

pub(crate) fn ended<T>(reason: CloseReason) -> Step<T> {
    Step::Break(Box::new(reason))
}
