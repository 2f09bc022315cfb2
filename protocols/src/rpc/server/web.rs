//! A service on a web server's port: by POST, a request a text, and by WebSocket, a message a text.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use reactor::{Address, Handle, ListenOptions, ListenerId, OpenError, Registry};

use super::super::dial::Link;
use super::super::web::{Talker, handle_post};
use super::super::wire::{Encoding, Envelope};
use super::super::{Dialect, Remote, Service};
use crate::http::ServerLimits;
use crate::http::server::{self as web, Exchange, Settings, Site};
use crate::http::wire::{Request, is_name};
use crate::rpc;
use crate::websocket::handshake::Fields;
use crate::websocket::{self, Endpoint, Limits, Options, Role};

/// A service as a handler of a web server: it answers POST, and opens WebSockets.
///
/// ```text
///   POST, application/json            200 and the answer; 204 if it was notifications alone (200 without a
///                                     body to application/json-rpc: some clients take 204 for a failure)
///   GET with Upgrade: websocket       101, and a connection that both sides can call on
///   another method, type, site        405, 415, 403
///   a body that is too long           413
/// ```
///
/// An error of a call rides on 200: the call was answered. By HTTP nobody can be called back, told of
/// progress, or subscribe; by WebSocket everything is as on a stream.
///
/// ```
/// use std::rc::Rc;
///
/// use protocols::http::server::{Router, Site};
/// use protocols::rpc::{Service, Web};
///
/// let mut service = Service::<()>::new("sums", "1.0.0");
/// service.method("sum", "The sum", |_call, numbers: Vec<i64>| Ok(numbers.iter().sum::<i64>()));
/// let web = Web::new(Rc::new(service));
/// let mut router = Router::new();
/// router.route("", "/rpc", move |request, exchange, app| web.answer(request, exchange, app));
/// let site = Site::new(router.into_handler());
/// ```
pub struct Web<App> {
    /// Nobody can be called by it: it has what all posts share.
    remote: Remote<App>,
    endpoint: Endpoint,
}

impl<App: 'static> Web<App> {
    /// The service, for programs and for pages of the host that is asked.
    #[must_use]
    pub fn new(service: Rc<Service<App>>) -> Self {
        Self::with_options(service, Options::default())
    }

    /// The same with other options: of its WebSockets, and for pages of which sites it is there
    /// ([`Options::origins`]), also by POST. How long a message may be the service's limits say.
    #[must_use]
    pub fn with_options(service: Rc<Service<App>>, options: Options) -> Self {
        let endpoint = Endpoint::new(socket_options(options, service.limits().message));
        let encoding = Encoding { envelope: Envelope::Body, dialect: Dialect::Two };
        let remote = Remote::new(service, encoding);
        remote.set_link(Link::Ended);
        Self { remote, endpoint }
    }

    /// Answers a request, whatever its path.
    pub fn answer(
        &self,
        request: &Request<'_>,
        exchange: &mut Exchange<'_, '_, App>,
        app: &mut App,
    ) {
        match request.method() {
            "POST" => self.answer_post(request, exchange, app),
            // Some clients offer another version of HTTP with every POST (RFC 9113, 3.1): only GET upgrades.
            "GET" if request.upgrade().is_some() => {
                let service = self.remote.service();
                // Whatever was wrong, the client has been told.
                let _ = websocket::upgrade(request, exchange, &self.endpoint, |_| {
                    let envelope = Envelope::WebSocket(Role::Server);
                    let encoding = Encoding { envelope, dialect: Dialect::Two };
                    Talker::of(Remote::new(Rc::clone(service), encoding))
                });
            }
            "OPTIONS" => exchange.answer(StatusCode::NO_CONTENT).field("Allow", ALLOWED).empty(),
            _ => {
                let answer = exchange.answer(StatusCode::METHOD_NOT_ALLOWED);
                answer.field("Allow", ALLOWED).text("Calls are sent by POST, or by WebSocket.\n");
            }
        }
    }

    fn answer_post(
        &self,
        request: &Request<'_>,
        exchange: &mut Exchange<'_, '_, App>,
        app: &mut App,
    ) {
        let said = Said::by(request);
        if said.origin.is_some() && !self.is_welcome(request) {
            return exchange.answer(StatusCode::FORBIDDEN).text("Pages of other sites may not.\n");
        }
        if !said.is_json() {
            let answer = exchange.answer(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return answer.text("A call is JSON: send Content-Type: application/json.\n");
        }
        let most = self.remote.service().limits().message as u64;
        let nothing = said.nothing_to_say();
        if let Some(text) = exchange.take_whole_body(most) {
            return handle_post(&self.remote, text, nothing, exchange, app);
        }
        let remote = self.remote.clone();
        exchange.gather(most, app, move |exchange, app, text| {
            handle_post(&remote, &text, nothing, exchange, app);
        });
    }

    /// A browser sends on behalf of every page there is, and says of which: as for WebSockets (RFC 6455,
    /// 10.2).
    fn is_welcome(&self, request: &Request<'_>) -> bool {
        let fields = request.fields();
        let host = fields.get("host").and_then(|host| std::str::from_utf8(host).ok());
        let fields: Fields<'_> = fields.iter().collect();
        self.endpoint.options().origins.allow(&fields, host.unwrap_or_default())
    }
}

const ALLOWED: &str = "OPTIONS, POST";

/// What the head of a POST says of its caller and its body: the first field of each name.
#[derive(Default)]
struct Said<'a> {
    origin: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    accept: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    const USUAL: &'static [u8] = b"application/json";
    const OLD: &'static [u8] = b"application/json-rpc";

    /// One pass over the fields.
    fn by(request: &Request<'a>) -> Self {
        let mut said = Self::default();
        for (name, value) in request.fields().as_bytes() {
            let field = match name {
                it if is_name(it, b"origin") => &mut said.origin,
                it if is_name(it, b"content-type") => &mut said.kind,
                it if is_name(it, b"content-encoding") => &mut said.coding,
                it if is_name(it, b"accept") => &mut said.accept,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        said
    }

    /// Whether the body is JSON, by what the client says. One that says nothing is believed; a form, and what else a
    /// page can send without asking, is not JSON.
    fn is_json(&self) -> bool {
        let is_known = |kind: &[u8]| {
            let named = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let all = [Self::USUAL, Self::OLD, b"application/jsonrequest"];
            kind == Self::USUAL || all.iter().any(|it| named.eq_ignore_ascii_case(it))
        };
        self.kind.is_none_or(is_known)
            && self.coding.is_none_or(|it| it.eq_ignore_ascii_case(b"identity"))
    }

    /// What is answered to notifications. jsonrpclib and jsonrpc-requests take anything but 200 for a failure, and are
    /// known by a type that others do not use.
    fn nothing_to_say(&self) -> StatusCode {
        let is_theirs = |it: Option<&[u8]>| it.is_some_and(|it| it.starts_with(Self::OLD));
        if is_theirs(self.kind) || is_theirs(self.accept) {
            StatusCode::OK
        } else {
            StatusCode::NO_CONTENT
        }
    }
}

fn socket_options(options: Options, most: usize) -> Options {
    Options { limits: Limits::with_messages_of(options.limits.clone(), most), ..options }
}

/// Listens for HTTP, on every path: calls by POST, and WebSockets.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn listen_http<App: 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
    service: Rc<Service<App>>,
) -> Result<ListenerId, OpenError> {
    let listen = ListenOptions { limits: service.limits().stream_limits(), ..options.clone() };
    web::listen(registry, address, &listen, &site(service))
}

/// As [`listen_http`], for several loops: each connection is served by the [site](site) of the loop that it comes to,
/// which that loop's application has. These limits are those of all the services.
///
/// # Errors
///
/// As of [`listen_http`].
pub fn listen_http_among<App: 'static>(
    registry: &mut Registry<App>,
    handles: &[Handle<App>],
    address: Address,
    options: &ListenOptions,
    limits: &rpc::Limits,
    site: impl Fn(&mut App) -> Rc<Site<App>> + Send + Sync + 'static,
) -> Result<ListenerId, OpenError> {
    let listen = ListenOptions { limits: limits.stream_limits(), ..options.clone() };
    web::listen_among(registry, handles, address, &listen, &ServerLimits::default(), site)
}

/// A site that is a service on every path, within the service's limits: calls by POST, and WebSockets.
#[must_use]
pub fn site<App: 'static>(service: Rc<Service<App>>) -> Rc<Site<App>> {
    let limits = service.limits();
    let defaults = ServerLimits::default();
    // The service says by itself what takes too long.
    let answer_time =
        defaults.answer_time.max(limits.answer.saturating_add(Duration::from_secs(5)));
    let limits = ServerLimits { answer_time, request_body: limits.message as u64, ..defaults };
    let service = Web::new(service);
    let site =
        Site::new(move |request, exchange, app: &mut App| service.answer(request, exchange, app));
    Rc::new(site.with_settings(Settings { limits, ..Settings::default() }))
}

impl<App> fmt::Debug for Web<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
