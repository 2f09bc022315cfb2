//! A server of WebSockets and nothing else: the handshake on a port of its own.
//!
//! Beside a web site, on the same port, it is a request of the web server's that is answered by
//! `websocket::upgrade` (with the feature `http`).

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use memchr::memmem;
use reactor::{
    Address, Input, ListenOptions, ListenerId, OpenError, Protocol, Registry, TimerKey, Transport,
};

use super::handshake::{Agreed, Refusal, Request, accept};
use super::{Endpoint, Handler, Role, Session};

const PATIENCE: TimerKey = TimerKey(0);

/// Listens for WebSockets. For each handshake that is in order, `welcome` makes the handler of the
/// WebSocket, or refuses it; it may look at the request, its path above all.
///
/// ```
/// use protocols::websocket::{self, Endpoint, Handler, Message, Refusal, Socket};
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
/// let mut reactor = Reactor::<()>::new()?;
/// let (address, options) = ("127.0.0.1:0".parse()?, ListenOptions::default());
/// let endpoint = Endpoint::default();
/// websocket::listen(reactor.registry(), address, &options, &endpoint, |request, _agreed, _app| {
///     if request.path() == "/echo" { Ok(Echo) } else { Err(Refusal::NotFound) }
/// })?;
/// # reactor.registry().shutdown(std::time::Duration::ZERO);
/// reactor.run(&mut ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn listen<App, H, F>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
    endpoint: &Endpoint,
    welcome: F,
) -> Result<ListenerId, OpenError>
where
    App: 'static,
    H: Handler<App>,
    F: Fn(&Request<'_>, &Agreed, &mut App) -> Result<H, Refusal> + 'static,
{
    let sessions = endpoint.clone();
    listen_for(registry, address, options, endpoint, move |request, agreed, app| {
        let handler = welcome(request, agreed, app)?;
        Ok(Session::new(sessions.clone(), Role::Server, agreed.clone(), handler))
    })
}

/// As [`listen`], with any protocol that takes a connection over from its handshake.
pub(crate) fn listen_for<App, P, F>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
    endpoint: &Endpoint,
    welcome: F,
) -> Result<ListenerId, OpenError>
where
    App: 'static,
    P: Protocol<App> + 'static,
    F: Fn(&Request<'_>, &Agreed, &mut App) -> Result<P, Refusal> + 'static,
{
    let (endpoint, welcome) = (endpoint.clone(), Rc::new(welcome));
    registry.listen_with(address, options, move |_peer, _app| {
        let (endpoint, welcome) = (endpoint.clone(), Rc::clone(&welcome));
        Some(Box::new(Doorway { endpoint, welcome, protocol: PhantomData }))
    })
}

/// A connection whose handshake has yet to come.
///
/// ```text
///   on_open ──▶ waiting for a head ─┬─ it is in order: 101, and its protocol takes over
///                     │             └─ else: an answer that says why, close
///                     └── Limits::handshake has passed: close
/// ```
struct Doorway<P, F> {
    endpoint: Endpoint,
    welcome: Rc<F>,
    protocol: PhantomData<fn() -> P>,
}

impl<P, F> Doorway<P, F> {
    /// Makes the handshake of a whole head.
    fn welcome<App>(
        &self,
        head: &[u8],
        transport: &mut Transport<'_, App>,
        app: &mut App,
    ) -> Result<P, Refusal>
    where
        F: Fn(&Request<'_>, &Agreed, &mut App) -> Result<P, Refusal>,
    {
        let request = Request::parse(head)?;
        let acceptance = accept(&request, self.endpoint.options())?;
        let protocol = (self.welcome)(&request, acceptance.agreed(), app)?;
        transport.write(&acceptance.to_bytes());
        Ok(protocol)
    }

    fn refuse<App>(&self, refusal: Refusal, transport: &mut Transport<'_, App>) {
        self.endpoint.count(|it| it.refused += 1);
        transport.write(&refusal.to_bytes());
        transport.close();
    }
}

impl<App, P, F> Protocol<App> for Doorway<P, F>
where
    P: Protocol<App> + 'static,
    F: Fn(&Request<'_>, &Agreed, &mut App) -> Result<P, Refusal> + 'static,
{
    fn on_open(&mut self, transport: &mut Transport<'_, App>, _: &mut App) {
        transport.set_timer(PATIENCE, self.endpoint.options().limits.handshake);
    }

    fn on_data(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &mut Input<'_>,
        app: &mut App,
    ) {
        let most = self.endpoint.options().limits.head;
        let end = memmem::find(&input[..input.len().min(most)], b"\r\n\r\n");
        let Some(end) = end else {
            if input.len() >= most {
                self.refuse(Refusal::HeadTooLong, transport);
            }
            return;
        };
        // What is behind it are frames, for whoever takes over.
        let head = input.take_front(end + 4);
        match self.welcome(head, transport, app) {
            Ok(protocol) => {
                transport.cancel_timer(PATIENCE);
                transport.replace(protocol);
            }
            Err(refusal) => self.refuse(refusal, transport),
        }
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, App>, _: TimerKey, _: &mut App) {
        self.endpoint.count(|it| it.refused += 1);
        transport.close();
    }
}

impl<P, F> fmt::Debug for Doorway<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorway").finish_non_exhaustive()
    }
}
