//! A reverse proxy: requests come in by the server, and go out again by the client.
//!
//! ```text
//!               Exchange ──head──▶ Outline ──▶ Backends: whose turn? ──▶ Client ──▶ backend
//!   client ──▶    │                                                       │
//!                 │ Uplink ─────── body, piece by piece ────────────────▶ │
//!                 │ ◀───────────── head, body, trailers ──────────── Relay│
//!                 └─ 101: the two connections are coupled ────────────────┘
//! ```
//!
//! Nothing that a client sends is passed on as bytes: a head is parsed, and written anew; a body is told from what
//! follows by its own rules, and framed anew. So the backend sees one reading of every message, which is ours, and no
//! request can be put into another one (request smuggling). Bodies stream both ways, and whoever is slow is waited for.
//!
//! ```
//! use std::rc::Rc;
//!
//! use protocols::http::client::{Client, ClientOptions, Url};
//! use protocols::http::proxy::{Backend, Proxy, ProxyOptions};
//! use protocols::http::server::{self, Site};
//! use reactor::{ListenOptions, Reactor};
//!
//! let url: Url = "http://127.0.0.1:8081".parse()?;
//! let backend = Backend::new(url, Client::new(ClientOptions::default()))?;
//! let proxy = Proxy::new(vec![backend], ProxyOptions::default());
//! let site = Rc::new(Site::new(move |request, exchange, _| proxy.serve(request, exchange)));
//!
//! let mut reactor = Reactor::<()>::new()?;
//! let registry = reactor.registry();
//! server::listen(registry, "127.0.0.1:0".parse()?, &ListenOptions::default(), &site)?;
//! # registry.shutdown(std::time::Duration::ZERO);
//! reactor.run(&mut ())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `backends` | whose turn it is, and who rests because it could not be reached |
//! | `checks` | asking backends whether they are well, and who is passed over for that |
//! | `outline` | what is asked of a backend: which of them is still open |
//! | `fields` | which fields of a head go on, and what is added |
//! | `relay` | one exchange on its way: the request's body up, the answer down |

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use http::StatusCode;
use reactor::Registry;

use super::ProxyLimits;
use super::client::{Failure, Url};
use super::server::Exchange;
use super::wire::Request;

mod backends;
mod checks;
mod fields;
mod outline;
mod relay;

pub use backends::{Backend, NoBackend};
pub use checks::{Checks, NotWatched, Unwell};
pub use fields::Forwarded;

use backends::Backends;
use outline::Outline;

/// Passes requests on to backends. Cheap to clone; clones are the same proxy.
pub struct Proxy<App> {
    shared: Rc<Shared<App>>,
}

/// How a proxy behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyOptions {
    /// What backends are told of the client. Default [`Forwarded::Replace`].
    pub forwarded: Forwarded,
    /// Whether clients come over TLS: what backends are told of it.
    pub is_secure: bool,
    /// Whether backends are asked by the name that their URL has, and not by the one the client used. Default
    /// `false`: what a backend writes into links and cookies is right for the client then.
    pub rewrite_host: bool,
    /// To which protocols a connection may change. Default `websocket` alone: who may choose any can make a backend
    /// speak one that nobody here looks at (`h2c`).
    pub upgrades: Vec<String>,
    /// What it is called in Via (RFC 9110, 7.6.3), by which it knows what it has passed on itself. Default
    /// `web-proxy`. One proxy behind another needs a name of its own.
    pub name: String,
    /// The bounds.
    pub limits: ProxyLimits,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            forwarded: Forwarded::Replace,
            is_secure: false,
            rewrite_host: false,
            upgrades: vec!["websocket".to_owned()],
            name: "web-proxy".to_owned(),
            limits: ProxyLimits::default(),
        }
    }
}

/// What there is to tell of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// A request was not answered.
    Failed(Failure),
    /// [Checks](Proxy::watch) have failed, the last one for this reason: it is passed over.
    Ill(Unwell),
    /// Checks are answered well again.
    Well,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Ill(why) => write!(f, "taken for ill: {why}"),
            Self::Well => f.write_str("well again"),
        }
    }
}

/// Is told of backends.
type Log = dyn Fn(&Url, &News);

struct Shared<App> {
    backends: Backends<App>,
    options: ProxyOptions,
    log: RefCell<Option<Box<Log>>>,
}

impl<App: 'static> Shared<App> {
    /// Tells of a failure, unless it is our own doing.
    fn tell_failure(&self, at: usize, failure: &Failure) {
        if *failure != Failure::Cancelled {
            self.tell(at, &News::Failed(failure.clone()));
        }
    }

    fn tell(&self, at: usize, news: &News) {
        if let (Some(log), Some(url)) = (&*self.log.borrow(), self.backends.url(at)) {
            log(url, news);
        }
    }

    /// A check has found this.
    fn note_check(&self, at: usize, result: Result<(), Unwell>, checks: &Checks) {
        let has_changed = self.backends.note_check(at, result.is_ok(), checks);
        if has_changed {
            self.tell(at, &result.map_or_else(News::Ill, |()| News::Well));
        }
    }
}

impl<App: 'static> Proxy<App> {
    /// A proxy in front of these. Without one all requests are answered with 502.
    #[must_use]
    pub fn new(backends: Vec<Backend<App>>, options: ProxyOptions) -> Self {
        let backends = Backends::new(backends, &options.limits);
        Self { shared: Rc::new(Shared { backends, options, log: RefCell::default() }) }
    }

    /// The same with somebody who is told of each failure of a backend, and what checks find.
    #[must_use]
    pub fn with_log(self, log: impl Fn(&Url, &News) + 'static) -> Self {
        self.shared.log.replace(Some(Box::new(log)));
        self
    }

    /// Asks the backends from now on whether they are well, at once and again and again, for as long as there is the
    /// proxy. Until the first checks have failed they are taken for well.
    ///
    /// Without it a backend is known not to be well when a request fails, and is left alone for a while then.
    ///
    /// # Errors
    ///
    /// See [`NotWatched`].
    pub fn watch(&self, registry: &mut Registry<App>, checks: Checks) -> Result<(), NotWatched> {
        checks::watch(&self.shared, checks, registry)
    }

    /// How it behaves.
    #[must_use]
    pub fn options(&self) -> &ProxyOptions {
        &self.shared.options
    }

    /// Answers a request with what a backend answers to it; with 502, 503 or 504 if none does.
    ///
    /// A request is sent to another backend if nothing of it can have reached the first, or if it is idempotent, has no
    /// body, and the first has lost it without a word (RFC 9110, 9.2.2).
    pub fn serve(&self, request: &Request<'_>, exchange: &mut Exchange<'_, '_, App>) {
        match Outline::new(request, exchange.peer(), &self.shared.options) {
            Ok(outline) => relay::begin(&self.shared, outline, exchange),
            Err(refusal) => refusal.answer(exchange),
        }
    }
}

/// Why a request is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotPassed {
    /// It came from here.
    Loop,
    /// It names more fields of its connection than anybody has.
    Options,
    /// It says that it is for whoever has it now (RFC 9110, 7.6.2).
    ForUs,
    /// It would show what the backends are told, as TRACE does, or is no method.
    Method,
    /// Its path leads upwards, out of what is offered of the backend.
    Path,
}

impl NotPassed {
    fn answer<App: 'static>(self, exchange: &mut Exchange<'_, '_, App>) {
        let (status, text) = match self {
            Self::Loop => (StatusCode::LOOP_DETECTED, "The request has been here before.\n"),
            Self::Options => (StatusCode::BAD_REQUEST, "Connection names too many fields.\n"),
            Self::ForUs => return exchange.answer(StatusCode::NO_CONTENT).empty(),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "This is not passed on.\n"),
            Self::Path => (StatusCode::BAD_REQUEST, "The path leads upwards.\n"),
        };
        let answer = exchange.answer(status);
        match status {
            // There has to be the field, and nobody here knows what the backends allow (RFC 9110, 15.5.6).
            StatusCode::METHOD_NOT_ALLOWED => answer.field("Allow", "").text(text),
            _ => answer.text(text),
        }
    }
}

impl<App> Clone for Proxy<App> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<App> fmt::Debug for Proxy<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
