//! What carries a conversation, and how it is found again.

use reactor::{ConnectionId, Registry, Transport};

use super::{Conversation, Peer};
use crate::rpc::{Framing, Gone};

/// What a conversation does with what carries it.
pub(in crate::rpc) trait Channel<App> {
    /// How it is found again.
    fn place(&self) -> Place;

    /// Everything that is registered with the loop.
    fn registry(&mut self) -> &mut Registry<App>;

    /// Sends a text. The buffer is the channel's for the time of the call.
    fn say(&mut self, text: &mut Vec<u8>);

    /// Ends it, behind what was said.
    fn close(&mut self);

    /// Goes on reading, if that was held up.
    fn resume(&mut self);

    /// The connection.
    fn id(&self) -> ConnectionId {
        self.place().connection()
    }
}

/// Where a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rpc) enum Place {
    /// On a stream of its own.
    Stream(ConnectionId),
    /// On a WebSocket.
    #[cfg(feature = "rpc-web")]
    WebSocket(ConnectionId),
    /// In one exchange of HTTP.
    #[cfg(feature = "rpc-web")]
    Exchange(crate::http::server::ExchangeId),
}

impl Place {
    pub(in crate::rpc) fn connection(self) -> ConnectionId {
        match self {
            Self::Stream(id) => id,
            #[cfg(feature = "rpc-web")]
            Self::WebSocket(id) => id,
            #[cfg(feature = "rpc-web")]
            Self::Exchange(id) => id.connection(),
        }
    }

    /// Whether the other side can be told something that it has not asked for.
    pub(in crate::rpc) fn is_lasting(self) -> bool {
        match self {
            Self::Stream(_) => true,
            #[cfg(feature = "rpc-web")]
            Self::WebSocket(_) => true,
            #[cfg(feature = "rpc-web")]
            Self::Exchange(_) => false,
        }
    }

    /// Has something done with the conversation there, when no callback is on the stack.
    ///
    /// # Errors
    ///
    /// If the connection has ended.
    pub(in crate::rpc) fn reach<App: 'static>(
        self,
        registry: &mut Registry<App>,
        act: impl FnOnce(&mut Conversation<App>, &mut dyn Channel<App>, &mut App) + 'static,
    ) -> Result<(), Gone> {
        let reached = match self {
            Self::Stream(id) => registry.with(id, move |peer: &mut Peer<App>, transport, app| {
                let (conversation, mut stream) = peer.parts(transport);
                act(conversation, &mut stream, app);
            }),
            #[cfg(feature = "rpc-web")]
            Self::WebSocket(id) => super::web::reach_socket(registry, id, act),
            #[cfg(feature = "rpc-web")]
            Self::Exchange(id) => super::web::reach_exchange(registry, id, act),
        };
        reached.map_err(|_| Gone)
    }
}

/// A stream, on which texts have to be told apart.
pub(super) struct Stream<'a, 't, App> {
    pub(super) transport: &'a mut Transport<'t, App>,
    pub(super) framing: Framing,
}

impl<App> Channel<App> for Stream<'_, '_, App> {
    fn place(&self) -> Place {
        Place::Stream(self.transport.id())
    }

    fn registry(&mut self) -> &mut Registry<App> {
        self.transport.registry()
    }

    fn say(&mut self, text: &mut Vec<u8>) {
        match self.framing {
            Framing::Lines => text.push(b'\n'),
            Framing::Bare => {}
            Framing::ContentLength => {
                let head = format!("Content-Length: {}\r\n\r\n", text.len());
                self.transport.write(head.as_bytes());
            }
        }
        self.transport.write(text);
    }

    fn close(&mut self) {
        self.transport.close();
    }

    fn resume(&mut self) {
        self.transport.resume();
    }
}
