//! WebSockets, and exchanges of HTTP, as what carries a conversation.

use http::StatusCode;
use reactor::{ConnectionId, ReachError, Registry};

use super::Remote;
use super::channel::{Channel, HangUp};
use super::conversation::{Conversation, Ended};
use super::place::Place;
use crate::http::server::{self, Exchange, ExchangeId, Kept};
use crate::websocket::{CloseCode, Closed, Handler, Message, Session, Socket};

// ── WebSockets ──────────────────────────────────────────────────────────────────────────────

/// A conversation on a WebSocket, a message a text.
#[derive(Debug)]
pub(super) struct Talker<App> {
    conversation: Conversation<App>,
    /// Whether the handshake was made.
    was_open: bool,
}

impl<App: 'static> Talker<App> {
    pub(super) fn of(remote: Remote<App>) -> Self {
        Self { conversation: Conversation::new(remote), was_open: false }
    }
}

impl<App: 'static> Handler<App> for Talker<App> {
    fn on_open(&mut self, socket: &mut Socket<'_, '_, App>, app: &mut App) {
        self.was_open = true;
        let address = socket.peer();
        self.conversation.handle_open(&address, socket, app);
    }

    fn on_message(
        &mut self,
        socket: &mut Socket<'_, '_, App>,
        message: Message<'_>,
        app: &mut App,
    ) {
        // Which kind of message it is nobody has agreed on; what is no UTF-8 is refused as such.
        self.conversation.handle_text(message.as_bytes(), socket, app);
        if self.conversation.is_held() {
            socket.pause();
        }
    }

    fn on_shutdown(&mut self, socket: &mut Socket<'_, '_, App>, _: &mut App) {
        self.conversation.handle_shutdown(socket);
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &Closed, app: &mut App) {
        let is_usual =
            |code| [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::NONE].contains(&code);
        let ended = Ended {
            id: closed.id,
            peer: &closed.peer,
            why: &closed.ending.to_string(),
            is_clean: is_usual(closed.ending.code()),
            was_open: self.was_open,
        };
        self.conversation.handle_close(&ended, registry, app);
    }
}

impl<App: 'static> Channel<App> for Socket<'_, '_, App> {
    fn place(&self) -> Place {
        Place::WebSocket(Socket::id(self))
    }

    fn registry(&mut self) -> &mut Registry<App> {
        Socket::registry(self)
    }

    fn say(&mut self, text: &mut Vec<u8>) {
        // It is JSON that this side has written.
        self.utf8(text);
    }

    fn close(&mut self) {
        Socket::close(self, CloseCode::NORMAL, "");
    }

    fn resume(&mut self) {
        Socket::resume(self);
    }

    fn hanging_up(&self) -> HangUp<App> {
        |registry, id| {
            if Session::<Talker<App>>::close(registry, id, CloseCode::NORMAL, "").is_err() {
                let _ = registry.close(id);
            }
        }
    }
}

pub(super) fn reach_socket<App: 'static>(
    registry: &mut Registry<App>,
    id: ConnectionId,
    act: impl FnOnce(&mut Conversation<App>, &mut dyn Channel<App>, &mut App) + 'static,
) -> Result<(), ReachError> {
    Session::with(registry, id, |talker: &mut Talker<App>, socket, app| {
        act(&mut talker.conversation, socket, app);
    })
}

// ── HTTP ────────────────────────────────────────────────────────────────────────────────────

/// A text has been posted: it is answered at once, or when its last answer is there; with this status if it
/// wants none.
pub(super) fn handle_post<App: 'static>(
    remote: &Remote<App>,
    text: &[u8],
    nothing: StatusCode,
    exchange: &mut Exchange<'_, '_, App>,
    app: &mut App,
) {
    let mut conversation = Conversation::new(remote.clone());
    conversation.handle_text(text, exchange, app);
    settle(conversation, nothing, exchange);
}

/// Answers, or keeps what there is for the answers that come later.
fn settle<App: 'static>(
    conversation: Conversation<App>,
    nothing: StatusCode,
    exchange: &mut Exchange<'_, '_, App>,
) {
    if conversation.is_owing() {
        exchange.keep(conversation);
    } else if exchange.is_owed() {
        exchange.answer(nothing).empty();
    }
}

impl<App: 'static> Kept<App> for Conversation<App> {
    fn on_lost(mut self: Box<Self>, registry: &mut Registry<App>, _: &mut App) {
        self.forget_calls(registry);
    }

    /// Whoever gives a call up closes. Nobody does work for hours for the few who only end their side.
    fn is_over_at_end(&self) -> bool {
        true
    }
}

impl<App: 'static> Channel<App> for Exchange<'_, '_, App> {
    fn place(&self) -> Place {
        Place::Exchange(Exchange::id(self))
    }

    fn registry(&mut self) -> &mut Registry<App> {
        Exchange::registry(self)
    }

    fn say(&mut self, text: &mut Vec<u8>) {
        self.answer(StatusCode::OK).json(text);
    }

    // An exchange ends with its answer, and what comes behind it on the connection is the web server's.
    fn close(&mut self) {}

    fn resume(&mut self) {}

    fn hanging_up(&self) -> HangUp<App> {
        |_, _| {}
    }
}

pub(super) fn reach_exchange<App: 'static>(
    registry: &mut Registry<App>,
    id: ExchangeId,
    act: impl FnOnce(&mut Conversation<App>, &mut dyn Channel<App>, &mut App) + 'static,
) -> Result<(), ReachError> {
    server::with(registry, id, |exchange, app| {
        if let Some(mut conversation) = exchange.take_kept::<Conversation<App>>() {
            act(&mut conversation, exchange, app);
            settle(*conversation, StatusCode::NO_CONTENT, exchange);
        }
    })
}
