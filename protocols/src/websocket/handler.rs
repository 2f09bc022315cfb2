//! What a program is asked and told about its WebSockets.

use reactor::{Address, ConnectionId, Registry, TimerKey};
use thiserror::Error;

use super::Socket;
use super::handshake::Unanswered;
use super::wire::{CloseCode, Message, Violation};

/// What a program does with one WebSocket, on either side.
///
/// ```text
///   on_open ─▶ ( on_message │ on_pong │ on_drain │ on_timer │ on_shutdown )* ─▶ on_close
/// ```
///
/// `on_open` comes first, and `on_close` last, both once. A client's `on_close` comes without `on_open` if
/// there is no connection, or the server does not make the handshake.
///
/// ```
/// use protocols::websocket::{Handler, Message, Socket};
///
/// /// Sends everything back.
/// struct Echo;
///
/// impl<App> Handler<App> for Echo {
///     fn on_message(
///         &mut self,
///         socket: &mut Socket<'_, '_, App>,
///         message: Message<'_>,
///         _: &mut App,
///     ) {
///         socket.send(message);
///     }
/// }
/// ```
pub trait Handler<App>: 'static {
    /// The handshake is made: messages may be sent.
    fn on_open(&mut self, socket: &mut Socket<'_, '_, App>, app: &mut App) {
        let _ = (socket, app);
    }

    /// A message has come. None comes after this side has closed ([`Socket::close`]). The default drops it: for
    /// those who only send.
    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, App>,
        message: Message<'_>,
        app: &mut App,
    ) {
        let _ = (socket, message, app);
    }

    /// The peer has answered a ping, or says by itself that it is there.
    fn on_pong(&mut self, socket: &mut Socket<'_, '_, App>, payload: &[u8], app: &mut App) {
        let _ = (socket, payload, app);
    }

    /// The outbox, having been above its high mark, has fallen to its low mark: time to send more.
    fn on_drain(&mut self, socket: &mut Socket<'_, '_, App>, app: &mut App) {
        let _ = (socket, app);
    }

    /// A timer set with [`Socket::set_timer`] has come due.
    fn on_timer(&mut self, socket: &mut Socket<'_, '_, App>, key: TimerKey, app: &mut App) {
        let _ = (socket, key, app);
    }

    /// The loop is shutting down. The default closes with code 1001.
    fn on_shutdown(&mut self, socket: &mut Socket<'_, '_, App>, app: &mut App) {
        let _ = app;
        socket.close(CloseCode::GOING_AWAY, "");
    }

    /// It is over: nothing more comes, and nothing more can be sent. The connection itself may still be
    /// there for a moment. Who it was, and how it ended, is in `closed`.
    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let _ = (registry, closed, app);
    }
}

/// The end of a WebSocket, as [`Handler::on_close`] is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The id of its connection.
    pub id: ConnectionId,
    /// The other end.
    pub peer: Address,
    /// Who ended it, and why.
    pub ending: Ending,
}

impl Closed {
    /// The connection under it has ended, and said no goodbye before.
    pub(super) fn lost(closed: &reactor::Closed) -> Self {
        let ending = Ending::Lost(closed.reason.to_string());
        Self { id: closed.id, peer: closed.peer.clone(), ending }
    }
}

/// How a WebSocket ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Ending {
    /// Both sides said goodbye.
    #[error("closed by {} with code {code}{}", if *.by_us { "this side" } else { "the peer" }, in_brackets(.reason))]
    Closed {
        /// The code of the peer's Close frame; [`CloseCode::NONE`] if it had none.
        code: CloseCode,
        /// Its reason, which may be empty.
        reason: String,
        /// Whether this side said it first.
        by_us: bool,
    },
    /// The peer broke a rule or a limit, and was told so.
    #[error(transparent)]
    Failed(#[from] Violation),
    /// The peer did not answer a ping, nor say anything else, within
    /// [`Limits::pong_timeout`](super::Limits::pong_timeout).
    #[error("the peer did not answer a ping")]
    Silent,
    /// This side said goodbye, and the peer did not within
    /// [`Limits::close_timeout`](super::Limits::close_timeout).
    #[error("the peer did not answer a goodbye")]
    Unanswered,
    /// The connection ended, or could not be made; why, as a sentence.
    #[error("{0}")]
    Lost(String),
    /// Of a client: the server did not make the handshake.
    #[error(transparent)]
    NoHandshake(#[from] Unanswered),
}

impl Ending {
    /// The code as browsers would tell it: [`CloseCode::ABNORMAL`] where nobody sent one.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        match self {
            Self::Closed { code, .. } => *code,
            Self::Failed(violation) => violation.code(),
            _ => CloseCode::ABNORMAL,
        }
    }
}

fn in_brackets(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}
