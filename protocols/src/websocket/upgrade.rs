//! A WebSocket on a web server's port: the handshake is one of its requests.

use http::StatusCode;
use reactor::Protocol;

use super::handshake::{Agreed, Refusal, Request, accept};
use super::{Endpoint, Handler, Role, Session};
use crate::http::server::Exchange;
use crate::http::wire;

/// Answers a request by opening a WebSocket, and hands its connection over to the handler that `welcome`
/// makes. A request that opens none is answered with what is wrong about it.
///
/// ```
/// use std::rc::Rc;
///
/// use protocols::http::server::{self, Router, Site};
/// use protocols::websocket::{self, Endpoint, Handler, Message, Socket};
/// use reactor::{ListenOptions, Reactor};
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
///
/// let endpoint = Endpoint::default();
/// let mut router = Router::new();
/// router.get("/echo", move |request, exchange, _app: &mut ()| {
///     // Whatever was wrong, the client has been told.
///     let _ = websocket::upgrade(request, exchange, &endpoint, |_agreed| Echo);
/// });
/// let site = Rc::new(Site::new(router.into_handler()));
///
/// let mut reactor = Reactor::<()>::new()?;
/// let registry = reactor.registry();
/// server::listen(registry, "127.0.0.1:0".parse()?, &ListenOptions::default(), &site)?;
/// # registry.shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Why there is no WebSocket: the client has been answered so.
pub fn upgrade<App: 'static, H: Handler<App>>(
    request: &wire::Request<'_>,
    exchange: &mut Exchange<'_, '_, App>,
    endpoint: &Endpoint,
    welcome: impl FnOnce(&Agreed) -> H,
) -> Result<(), Refusal> {
    upgrade_to(request, exchange, endpoint, |agreed| {
        Session::new(endpoint.clone(), Role::Server, agreed.clone(), welcome(agreed))
    })
}

/// As [`upgrade`], with any protocol that takes a connection over from its handshake.
pub(crate) fn upgrade_to<App: 'static, P: Protocol<App> + 'static>(
    request: &wire::Request<'_>,
    exchange: &mut Exchange<'_, '_, App>,
    endpoint: &Endpoint,
    welcome: impl FnOnce(&Agreed) -> P,
) -> Result<(), Refusal> {
    let made = make(request, exchange, endpoint, welcome);
    if let Err(refusal) = made {
        endpoint.count(|it| it.refused += 1);
        refuse(exchange, refusal);
    }
    made
}

fn make<App: 'static, P: Protocol<App> + 'static>(
    request: &wire::Request<'_>,
    exchange: &mut Exchange<'_, '_, App>,
    endpoint: &Endpoint,
    welcome: impl FnOnce(&Agreed) -> P,
) -> Result<(), Refusal> {
    let asked = Request {
        method: request.method(),
        target: request.target().as_str(),
        minor_version: u8::from(request.version() == http::Version::HTTP_11),
        fields: request.fields().iter().collect(),
    };
    let acceptance = accept(&asked, endpoint.options())?;
    let protocol = welcome(acceptance.agreed());
    let fields: Vec<_> = acceptance.fields().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    // It has no body, and is not old: what is left is that somebody has answered it already.
    exchange.upgrade("websocket", &fields, protocol).map_err(|_| Refusal::Body)
}

fn refuse<App: 'static>(exchange: &mut Exchange<'_, '_, App>, refusal: Refusal) {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut answer = exchange.answer(status);
    for (name, value) in refusal.fields() {
        answer = answer.field(name, value);
    }
    answer.text(&format!("{refusal}\n"));
}
