//! Chat over WebSocket: the same server, users and channels, for browsers (IRCv3 WebSocket).

use reactor::{Address, ListenOptions, ListenerId, OpenError, Registry};

use super::Server;
use super::session::Session;
use crate::chat::wire::framing::Framing;
use crate::websocket;
use crate::websocket::handshake::Agreed;
use crate::websocket::{Endpoint, Limits, Options, Origins};

/// The subprotocols, of which the client chooses. One that offers neither is spoken to in text.
const TEXT: &str = "text.ircv3.net";
const BINARY: &str = "binary.ircv3.net";

/// Bytes of a message: the longest line there may be fits, and one that is longer is refused as on a stream.
const MESSAGE: usize = 16 * 1024;

/// What the WebSockets of a chat server share. `origins` says whose pages may open one: a browser runs what
/// any page says.
#[must_use]
pub fn endpoint(origins: Origins) -> Endpoint {
    Endpoint::new(Options {
        origins,
        subprotocols: vec![TEXT.to_owned(), BINARY.to_owned()],
        // Lines are short, and one frame is shared by all who hear it.
        deflate: None,
        limits: Limits::default().with_messages_of(MESSAGE),
    })
}

/// Listens for clients that speak WebSocket, on any path: a line is a message, without its CR LF. They are
/// on the same channels as everybody.
///
/// ```
/// use protocols::chat::accounts::{AccountLimits, Accounts};
/// use protocols::chat::{self, Server, Settings};
/// use protocols::websocket::Origins;
/// use reactor::{ListenOptions, Reactor};
///
/// let settings = Settings::default();
/// let options = ListenOptions { limits: settings.limits.stream_limits(), ..ListenOptions::default() };
/// let mut server = Server::new(settings, Accounts::in_memory(AccountLimits::default()));
///
/// let mut reactor = Reactor::<Server>::new()?;
/// let endpoint = chat::endpoint(Origins::Only(vec!["https://irc.example".into()]));
/// chat::listen(reactor.registry(), "127.0.0.1:0".parse()?, &options)?;
/// chat::listen_websocket(reactor.registry(), "127.0.0.1:0".parse()?, &options, &endpoint)?;
/// # reactor.registry().shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut server)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As of [`listen`](super::listen).
pub fn listen_websocket<App: AsMut<Server> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
    endpoint: &Endpoint,
) -> Result<ListenerId, OpenError> {
    let sessions = endpoint.clone();
    websocket::listen_for(registry, address, options, endpoint, move |_, agreed, _: &mut App| {
        Ok(session(&sessions, agreed))
    })
}

/// Answers a request to a web server by opening a WebSocket on which chat is spoken, or with what is wrong
/// about it.
///
/// The connection's limits become those of chat
/// ([`stream_limits`](crate::chat::Limits::stream_limits)).
///
/// # Errors
///
/// Why there is no WebSocket: the client has been answered so.
#[cfg(feature = "http")]
pub fn upgrade<App: AsMut<Server> + 'static>(
    request: &crate::http::wire::Request<'_>,
    exchange: &mut crate::http::server::Exchange<'_, '_, App>,
    endpoint: &Endpoint,
) -> Result<(), websocket::Refusal> {
    websocket::upgrade_to(request, exchange, endpoint, |agreed| session(endpoint, agreed))
}

fn session(endpoint: &Endpoint, agreed: &Agreed) -> Session {
    let is_binary = agreed.subprotocol.as_deref() == Some(BINARY);
    let framing = if is_binary { Framing::Binary } else { Framing::Text };
    Session::over_websocket(endpoint.clone(), agreed.clone(), framing)
}
