//! What the connections of a server share.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use reactor::{
    Address, Handle, ListenOptions, ListenerId, MinRate, OpenError, Registry, Transport,
};

use super::answer::Media;
use super::{Exchange, Record, Session};
use crate::http::ServerLimits;
use crate::http::wire::{Request, format_date, write_field, write_length, write_status};

/// Answers requests.
pub type Handler<App> = dyn Fn(&Request<'_>, &mut Exchange<'_, '_, App>, &mut App);

/// Is told of exchanges.
type Log = dyn Fn(&Record);

/// What the connections of a server share: who answers, and how. It does not change while it serves; what
/// does belongs to the application.
pub struct Site<App> {
    handler: Box<Handler<App>>,
    settings: Settings,
    log: Option<Box<Log>>,
    beginning: RefCell<Beginning>,
    scratch: Cell<Vec<u8>>,
}

/// How a server behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What the field Server says. Default `None`: there is no such field, and nobody learns what to attack.
    pub name: Option<String>,
    /// Whether CONNECT comes to the handler, which may open a tunnel with [`Exchange::tunnel`]. Default
    /// `false`: it is answered with 501, since a proxy that is open to all is open to spammers.
    pub connect: bool,
    /// Whether answers say how long they took: `Server-Timing: total;dur=1.25`, the milliseconds from the head of the
    /// request to that of the answer, which browsers show to who develops a page. Default `false`: it tells strangers
    /// as well, and what takes longer may be what they guessed right.
    pub server_timing: bool,
    /// The bounds.
    pub limits: ServerLimits,
}

/// What all heads of answers begin with, and until when: the status line of 200, Date (RFC 9110, 6.6.1) and
/// Server.
#[derive(Default)]
struct Beginning {
    text: Vec<u8>,
    until: Option<Instant>,
    /// Whole heads, one for each [`Media`], for answers of which nothing else is to be said.
    usual: [Usual; 4],
}

/// A whole head, as the last answer had it: the next one differs in its length, if at all.
#[derive(Default)]
struct Usual {
    text: Vec<u8>,
    /// So much of it stands before Content-Length; 0 if nothing is written yet.
    front: usize,
    /// What that says.
    length: u64,
}

/// The status line of most answers.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// Listens for connections, TCP or Unix, on which a site is served.
///
/// Clients that take too little of their answers are cut off as [`ServerLimits::answer_rate`] says, unless
/// the options have a [`min_rate`](reactor::StreamLimits::min_rate) of their own.
///
/// # Errors
///
/// If the address is in use, is not this machine's, or is not allowed: see [`OpenError`].
pub fn listen<App: 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
    site: &Rc<Site<App>>,
) -> Result<ListenerId, OpenError> {
    let options = with_rate(options, &site.settings.limits);
    let site = Rc::clone(site);
    registry.listen_with(address, &options, move |_peer, _app| {
        Some(Box::new(Session::new(Rc::clone(&site))))
    })
}

/// As [`listen`], for several loops ([`Registry::listen_among`]): each connection is served by the site of the
/// loop that it comes to, which that loop's application has. These limits are those of all the sites.
///
/// # Errors
///
/// As of [`listen`].
pub fn listen_among<App: 'static>(
    registry: &mut Registry<App>,
    handles: &[Handle<App>],
    address: Address,
    options: &ListenOptions,
    limits: &ServerLimits,
    site: impl Fn(&mut App) -> Rc<Site<App>> + Send + Sync + 'static,
) -> Result<ListenerId, OpenError> {
    let options = with_rate(options, limits);
    registry.listen_among(handles, address, &options, move |_peer, app| {
        Some(Box::new(Session::new(site(app))))
    })
}

/// The same options, with the least that a client has to take of an answer.
fn with_rate(options: &ListenOptions, limits: &ServerLimits) -> ListenOptions {
    let mut options = options.clone();
    let slowest = MinRate { bytes_per_second: limits.answer_rate, window: Duration::from_secs(60) };
    options.limits.min_rate.get_or_insert(slowest);
    options
}

impl<App> Site<App> {
    /// A site on which this answers.
    pub fn new(
        handler: impl Fn(&Request<'_>, &mut Exchange<'_, '_, App>, &mut App) + 'static,
    ) -> Self {
        Self {
            handler: Box::new(handler),
            settings: Settings::default(),
            log: None,
            beginning: RefCell::default(),
            scratch: Cell::default(),
        }
    }

    /// The same site with other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The same site with somebody who is told of every exchange when it is over: an access log.
    #[must_use]
    pub fn with_log(mut self, log: impl Fn(&Record) + 'static) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    /// How it behaves.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn handler(&self) -> &Handler<App> {
        &*self.handler
    }

    pub(super) fn limits(&self) -> &ServerLimits {
        &self.settings.limits
    }

    /// Whether something is to be said of exchanges.
    pub(super) fn is_logged(&self) -> bool {
        self.log.is_some() || self.settings.server_timing
    }

    pub(super) fn log(&self, record: &Record) {
        if let Some(log) = &self.log {
            log(record);
        }
    }

    /// An empty buffer for a head, to be given back.
    #[inline]
    pub(super) fn borrow_scratch(&self) -> Vec<u8> {
        self.scratch.take()
    }

    #[inline]
    pub(super) fn return_scratch(&self, mut scratch: Vec<u8>) {
        // One long answer is not to be paid for for ever.
        if scratch.capacity() <= 64 * 1024 {
            scratch.clear();
            self.scratch.set(scratch);
        }
    }

    /// Writes the head of an answer with 200, of which nothing is to be said but this.
    #[inline]
    pub(super) fn write_usual_head(
        &self,
        transport: &mut Transport<'_, App>,
        media: Media,
        length: u64,
    ) {
        let mut beginning = self.beginning(transport.registry());
        let Beginning { text, usual, .. } = &mut *beginning;
        let head = &mut usual[media as usize];
        if head.length != length || head.front == 0 {
            head.change(text, media, length);
        }
        transport.write(&head.text);
    }

    /// Writes the status line, Date and Server.
    pub(super) fn begin_head(&self, transport: &mut Transport<'_, App>, status: StatusCode) {
        let beginning = self.beginning(transport.registry());
        if status == StatusCode::OK {
            return transport.write(&beginning.text);
        }
        let mut line = self.borrow_scratch();
        write_status(&mut line, status);
        line.extend_from_slice(beginning.text.get(OK.len()..).unwrap_or_default());
        transport.write(&line);
        self.return_scratch(line);
    }

    /// Writes Date alone, as all heads have it.
    pub(super) fn write_date(&self, out: &mut Vec<u8>, registry: &Registry<App>) {
        let beginning = self.beginning(registry);
        let fields = beginning.text.get(OK.len()..).unwrap_or_default();
        let date = fields.split_inclusive(|&byte| byte == b'\n').next();
        out.extend_from_slice(date.unwrap_or_default());
    }

    /// What heads begin with, made anew once a second.
    #[inline]
    fn beginning(&self, registry: &Registry<App>) -> RefMut<'_, Beginning> {
        let now = registry.now();
        let mut beginning = self.beginning.borrow_mut();
        if beginning.until.is_none_or(|until| until <= now) {
            *beginning = self.begin_anew(now, registry.wall_clock());
        }
        beginning
    }

    // In line it has every answer save registers for it.
    #[cold]
    #[inline(never)]
    fn begin_anew(&self, now: Instant, wall_clock: SystemTime) -> Beginning {
        let since = wall_clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let rest = Duration::from_nanos(u64::from(1_000_000_000 - since.subsec_nanos()));
        let date = format_date(wall_clock);
        let mut text = OK.to_vec();
        write_field(&mut text, "Date", date.as_bytes());
        if let Some(name) = &self.settings.name {
            write_field(&mut text, "Server", name.as_bytes());
        }
        Beginning { text, until: Some(now + rest), usual: Default::default() }
    }
}

impl Usual {
    /// Says another length.
    #[inline(never)]
    fn change(&mut self, beginning: &[u8], media: Media, length: u64) {
        if self.front == 0 {
            self.text.extend_from_slice(beginning);
            self.text.extend_from_slice(media.field());
            self.front = self.text.len();
        }
        self.text.truncate(self.front);
        write_length(&mut self.text, length);
        self.text.extend_from_slice(b"\r\n");
        self.length = length;
    }
}

impl<App> fmt::Debug for Site<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("settings", &self.settings).finish_non_exhaustive()
    }
}
