//! One question over UDP (BEP 15).
//!
//! ```text
//!                  Connected                  an answer, Refused
//!   ┌────────────┐ ────────▶ ┌────────────┐ ───────────────────▶ Over
//!   │ Connecting │           │   Asking   │
//!   └────────────┘ ◀──────── └────────────┘       15 · 2ⁿ s without an answer: again, and then Over
//!                  a minute
//!                  later the id is old
//! ```

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::{
    Address, Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, LookupError, Registry,
    SocketClosed, TimerKey,
};

use super::failure::AnnounceFailed;
use super::options::{AnnounceOptions, Done, Outcome, is_everywhere};
use super::question::Question;
use crate::http::client::Url;
use crate::torrent::inward::may_be_asked;
use crate::torrent::wire::announce::NoAnswer;
use crate::torrent::wire::udp::{Ask, Body, Family, Reply, Request};

/// How long the first answer may take; each next one twice as long (BEP 15).
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// How long the id of a connection may be used.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);

const RETRY: TimerKey = TimerKey(0);

/// Asks a tracker; `done` is called once, and never before this returns.
pub(super) fn ask<App: 'static, Q: Question>(
    registry: &mut Registry<App>,
    tracker: &str,
    question: Q,
    options: &AnnounceOptions,
    done: Done<App, Q::Answer>,
) {
    match place(tracker) {
        Ok((host, port)) if !may_be_asked(&host, options.reach, true) => {
            let place = Address::to_host(&host, port).map_or(host, |place| place.to_string());
            let why = AnnounceFailed::Inside(place);
            registry.defer(move |registry, app| done(registry, app, Err(why)));
        }
        Ok((host, port)) => {
            let found = {
                let options = options.clone();
                move |registry: &mut Registry<App>, app: &mut App, found| match found {
                    Ok(tracker) => open(registry, app, tracker, question, &options, done),
                    Err(why) => done(registry, app, Err(why)),
                }
            };
            find(registry, host, port, options, found);
        }
        Err(why) => registry.defer(move |registry, app| done(registry, app, Err(why))),
    }
}

/// `udp://HOST:PORT`, with a path or without: nothing says what it would be for.
fn place(url: &str) -> Result<(String, u16), AnnounceFailed> {
    let rest = url.strip_prefix("udp://").ok_or(AnnounceFailed::Url)?;
    let url: Url = format!("http://{rest}").parse()?;
    Ok((url.host().to_owned(), url.port()))
}

/// Looks up a host, on the pool: the loop does so only for connections.
fn find<App: 'static>(
    registry: &mut Registry<App>,
    host: String,
    port: u16,
    options: &AnnounceOptions,
    found: impl FnOnce(&mut Registry<App>, &mut App, Result<SocketAddr, AnnounceFailed>) + 'static,
) {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return registry.defer(move |registry, app| found(registry, app, Ok((ip, port).into())));
    }
    let (found, reach) = (Rc::new(Cell::new(Some(found))), options.reach);
    let (from, first) = (leaves_from(options), options.first_family());
    // An address of the other family cannot be asked from there.
    let is_of_use = move |ip: IpAddr| from.is_none_or(|from| from.is_ipv4() == ip.is_ipv4());
    let is_second = move |ip: IpAddr| first.is_some_and(|first| first.is_ipv4() != ip.is_ipv4());
    let (name, looked_up) = (host.clone(), Rc::clone(&found));
    let look = move || {
        let all = (name.as_str(), port).to_socket_addrs()?;
        let mut all: Vec<_> = all.filter(|address| is_of_use(address.ip())).collect();
        all.sort_by_key(|address| is_second(address.ip()));
        let mut outcome = Err(LookupError::NoAddress);
        for address in all {
            if reach.allows(address.ip()) {
                return Ok(Ok(address));
            }
            outcome = Err(LookupError::Inside);
        }
        io::Result::Ok(outcome)
    };
    let failed = move |why: String| AnnounceFailed::NotFound { host: host.clone(), why };
    let refused = failed.clone();
    let posted = registry.offload(look, move |registry, app, looked| {
        let address = match looked {
            Ok(Ok(Ok(address))) => Ok(address),
            Ok(Ok(Err(error))) => Err(failed(error.to_string())),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        };
        if let Some(found) = looked_up.take() {
            found(registry, app, address);
        }
    });
    // What was refused is dropped, and has not been called.
    if let Err(error) = posted
        && let Some(found) = found.take()
    {
        let why = refused(error.to_string());
        registry.defer(move |registry, app| found(registry, app, Err(why)));
    }
}

/// The address from which it is asked, if there is one.
fn leaves_from(options: &AnnounceOptions) -> Option<IpAddr> {
    let from = options.connect.from.as_ref().filter(|from| !is_everywhere(from));
    from.and_then(Address::ip)
}

fn open<App: 'static, Q: Question>(
    registry: &mut Registry<App>,
    app: &mut App,
    tracker: SocketAddr,
    question: Q,
    options: &AnnounceOptions,
    done: Done<App, Q::Answer>,
) {
    let any: IpAddr = match tracker {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = leaves_from(options).unwrap_or(any);
    let asking = Asking {
        question: question.leaving(from.is_ipv6(), options),
        family: Family::of(tracker),
        left: options.udp_tries.max(1),
        wait: FIRST_WAIT,
        waited: Duration::ZERO,
        transaction: 0,
        state: State::Connecting,
        done: Rc::clone(&done),
    };
    let options = DatagramOptions { peer: Some(tracker.into()), ..DatagramOptions::default() };
    let opened = registry.bind_datagram_with(SocketAddr::new(from, 0).into(), &options, asking);
    if let Err(error) = opened {
        done(registry, app, Err(AnnounceFailed::Unreachable(error.to_string())));
    }
}

/// A question, and its socket.
struct Asking<App, Q: Question> {
    question: Q,
    family: Family,
    /// How often it may still be asked.
    left: u32,
    /// How long the next answer may take.
    wait: Duration,
    waited: Duration,
    transaction: u32,
    state: State<Q::Answer>,
    done: Done<App, Q::Answer>,
}

enum State<A> {
    Connecting,
    Asking { connection: u64, since: Instant },
    Over(Outcome<A>),
}

impl<App: 'static, Q: Question> Asking<App, Q> {
    /// Asks what is next, under a number that nobody else can know.
    fn ask(&mut self, socket: &mut DatagramTransport<'_, App>) {
        self.transaction = (socket.registry().random() >> 32) as u32;
        self.send(socket);
    }

    fn send(&mut self, socket: &mut DatagramTransport<'_, App>) {
        let transaction = self.transaction;
        let ask = match self.state {
            State::Connecting => Ask::Connect,
            State::Asking { connection, .. } => self.question.ask(connection),
            State::Over(_) => return,
        };
        // What cannot be sent is lost, and sent again.
        let _ = socket.send(&Request { transaction, ask }.write());
        socket.set_timer(RETRY, self.wait);
    }

    fn finish(&mut self, socket: &mut DatagramTransport<'_, App>, outcome: Outcome<Q::Answer>) {
        self.state = State::Over(outcome);
        socket.close();
    }
}

impl<App: 'static, Q: Question> DatagramProtocol<App> for Asking<App, Q> {
    fn on_open(&mut self, socket: &mut DatagramTransport<'_, App>, _: &mut App) {
        self.ask(socket);
    }

    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        _: &mut App,
    ) {
        let reply = Reply::parse(datagram.bytes, self.family);
        let Some(reply) = reply.ok().filter(|reply| reply.transaction == self.transaction) else {
            return;
        };
        match (&self.state, reply.body) {
            (State::Connecting, Body::Connected(connection)) => {
                let since = socket.registry().now();
                self.state = State::Asking { connection, since };
                self.ask(socket);
            }
            (State::Connecting | State::Asking { .. }, Body::Refused(why)) => {
                self.finish(socket, Err(NoAnswer::Refused(why).into()));
            }
            (State::Asking { .. }, body) => {
                if let Some(answer) = self.question.answer(body) {
                    self.finish(socket, Ok(answer));
                }
            }
            _ => {}
        }
    }

    fn on_error(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        error: &io::Error,
        _: &mut App,
    ) {
        if !matches!(self.state, State::Over(_)) {
            self.finish(socket, Err(AnnounceFailed::Unreachable(error.to_string())));
        }
    }

    fn on_timer(&mut self, socket: &mut DatagramTransport<'_, App>, _: TimerKey, _: &mut App) {
        self.left -= 1;
        self.waited += self.wait;
        self.wait *= 2;
        if self.left == 0 {
            return self.finish(socket, Err(AnnounceFailed::Silent(self.waited)));
        }
        match self.state {
            State::Asking { since, .. } if socket.registry().now() >= since + CONNECTION_LIFE => {
                self.state = State::Connecting;
                self.ask(socket);
            }
            // The same number: an answer that was only slow is one, too.
            _ => self.send(socket),
        }
    }

    fn on_close(&mut self, registry: &mut Registry<App>, closed: &SocketClosed, app: &mut App) {
        let ended = || Err(AnnounceFailed::Unreachable(closed.reason.to_string()));
        let outcome = match std::mem::replace(&mut self.state, State::Connecting) {
            State::Over(outcome) => outcome,
            State::Connecting | State::Asking { .. } => ended(),
        };
        (self.done)(registry, app, outcome);
    }
}
