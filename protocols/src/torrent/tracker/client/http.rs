//! One question over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use reactor::{Address, Registry};

use super::failure::AnnounceFailed;
use super::options::{AnnounceOptions, Done, is_everywhere};
use super::question::Question;
use crate::http::client::{Ask, Call, Client, ClientOptions, Failure, Reader, Url, redirect};
use crate::http::wire::Response;
use crate::torrent::inward::{is_inward, may_be_asked};
use crate::torrent::wire::announce::scrape_url;

/// The most bytes of an answer: ten times what 2,000 peers of the longer kind take.
const LONGEST: usize = 512 << 10;

/// How often one is sent on.
const MOST_REDIRECTS: u32 = 3;

/// Asks a tracker; `done` is called once, and never before this returns.
pub(super) fn ask<App: 'static, Q: Question>(
    registry: &mut Registry<App>,
    tracker: &str,
    question: Q,
    options: &AnnounceOptions,
    done: Done<App, Q::Answer>,
) {
    // A fragment is asked of nobody (RFC 9110, 7.1), so what stands behind it says nothing of what is asked.
    let tracker = tracker.split('#').next().unwrap_or_default();
    let (ways, reach) = (ways(tracker, question, options), options.reach);
    let (question, options, patience) = (question, options.clone(), options.patience);
    let (left, second, failed) = (MOST_REDIRECTS, None, None);
    let asking = Asking { question, left, options, patience, second, failed, done };
    match ways {
        Ok((first, _)) if !may_be_asked(first.url.host(), reach, is_usual(tracker)) => {
            asking.fail(registry, AnnounceFailed::Inside(first.url.host_and_port()));
        }
        Ok((first, second)) => Asking { second, ..asking }.send(registry, first),
        Err(why) => asking.fail(registry, why),
    }
}

/// Where it is asked, and from where if the options do not say.
struct Way {
    url: Url,
    from: Option<IpAddr>,
}

/// How a tracker is asked, and how if that leads nowhere. A name may lead to addresses of both families, and the port that
/// is told has to be that of the one it is asked by: so it is asked by one of them first, as far as that leads there.
fn ways<Q: Question>(
    tracker: &str,
    question: Q,
    options: &AnnounceOptions,
) -> Result<(Way, Option<Way>), AnnounceFailed> {
    let way = |question: Q, from| -> Result<Way, AnnounceFailed> {
        Ok(Way { url: question.url(tracker)?.parse()?, from })
    };
    let by = |from: IpAddr| way(question.leaving(from.is_ipv6(), options), Some(from));
    let either = way(question, None)?;
    match leaves_from(&either.url, options) {
        Some(ip) => Ok((way(question.leaving(ip.is_ipv6(), options), None)?, None)),
        None => match options.first_family() {
            Some(first) => {
                let (v4, v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
                Ok((by(first)?, Some(by(if first.is_ipv4() { v6 } else { v4 })?)))
            }
            None => Ok((either, None)),
        },
    }
}

/// An address of the family from which it is asked, as far as that is known before it is.
fn leaves_from(url: &Url, options: &AnnounceOptions) -> Option<IpAddr> {
    let connect = options.connecting(url.scheme());
    let from = connect.and_then(|connect| connect.from.as_ref());
    let from = from.filter(|from| !is_everywhere(from)).and_then(Address::ip);
    from.or_else(|| url.host().parse().ok())
}

/// Whether it is called as trackers are, since their URLs are made into those that count peers (BEP 48), and asked for
/// nothing else: its path counts, as it is asked for, and a query of its own could be a command.
fn is_usual(tracker: &str) -> bool {
    let usual = |url: Url| !url.target().contains('?') && scrape_url(url.target()).is_some();
    tracker.parse().is_ok_and(usual)
}

/// A question, until it is answered.
struct Asking<App, Q: Question> {
    question: Q,
    /// How often it may still be sent on.
    left: u32,
    options: AnnounceOptions,
    /// How long an answer may take.
    patience: Duration,
    /// How it is asked if nobody answers to this.
    second: Option<Way>,
    /// Why nobody has answered before, if it is asked for the second time.
    failed: Option<Failure>,
    done: Done<App, Q::Answer>,
}

impl<App: 'static, Q: Question> Asking<App, Q> {
    fn send(self, registry: &mut Registry<App>, way: Way) {
        let Way { url, from } = way;
        let Some(mut connect) = self.options.connecting_from(url.scheme(), from) else {
            return self.fail(registry, AnnounceFailed::NoTls);
        };
        // Where there is a second way, half of the time is for that.
        let most = self.patience / if self.second.is_some() { 2 } else { 1 };
        let timeout = &mut connect.limits.connect_timeout;
        *timeout = Some(timeout.map_or(most, |timeout| timeout.min(most)));
        let Ok(address) = Address::to_host(url.host(), url.port()) else {
            return self.fail(registry, AnnounceFailed::Url);
        };
        let ask = Ask::get(&url).with_timeout(self.patience);
        // One connection, which nobody needs again for half an hour.
        let client = Client::new(ClientOptions { connect, ..ClientOptions::default() });
        let ask = ask.field("Connection", "close").field("User-Agent", AGENT);
        let (way, since) = (Way { url, from }, registry.now());
        let reading = Reading { way, since, state: State::Head, asking: self };
        client.send(registry, &address, ask, reading);
    }

    /// It sends on. What it says there has the port in it that it was told, so by the same family first.
    fn send_on(mut self, registry: &mut Registry<App>, url: Url, from: Option<IpAddr>) {
        self.left -= 1;
        (self.patience, self.failed) = (self.options.patience, None);
        let from = from.filter(|_| leaves_from(&url, &self.options).is_none());
        self.second = from.map(|_| Way { url: url.clone(), from: None });
        self.send(registry, Way { url, from });
    }

    /// Nobody answers, and it is asked in the other way within what is left of the time.
    fn send_again(mut self, registry: &mut Registry<App>, second: Way, failed: Failure) {
        self.failed = Some(failed);
        self.send(registry, second);
    }

    fn fail(self, registry: &mut Registry<App>, why: AnnounceFailed) {
        registry.defer(move |registry, app| (self.done)(registry, app, Err(why)));
    }
}

const AGENT: &str = concat!("mio-reactor/", env!("CARGO_PKG_VERSION"));

/// The answer, as it comes.
struct Reading<App, Q: Question> {
    way: Way,
    since: Instant,
    state: State,
    asking: Asking<App, Q>,
}

enum State {
    Head,
    Body(Vec<u8>),
    /// It sends on.
    Elsewhere(Url),
    Failed(AnnounceFailed),
}

impl<App: 'static, Q: Question> Reader<App> for Reading<App, Q> {
    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, _: &mut App) {
        let location = response.fields().get("Location");
        self.state = match redirect(&Method::GET, &self.way.url, response.status(), location) {
            Ok(Some(next)) if self.asking.left > 0 => elsewhere(&self.way.url, next.url),
            Ok(Some(_)) | Err(_) => State::Failed(AnnounceFailed::Redirect),
            Ok(None) if response.status() == StatusCode::OK => State::Body(Vec::new()),
            Ok(None) => State::Failed(AnnounceFailed::Status(response.status().as_u16())),
        };
        if !matches!(self.state, State::Body(_)) {
            call.cancel();
        }
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, _: &mut App) {
        if let State::Body(body) = &mut self.state {
            body.extend_from_slice(bytes);
            if body.len() > LONGEST {
                self.state = State::Failed(AnnounceFailed::TooLong);
                call.cancel();
            }
        }
    }

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        let Self { way, since, state, mut asking } = *self;
        let outcome = match (state, outcome) {
            (State::Elsewhere(url), _) => return asking.send_on(registry, url, way.from),
            (State::Head, Err(failure)) => {
                asking.patience =
                    asking.patience.saturating_sub(registry.now().saturating_duration_since(since));
                match asking.second.take().filter(|_| !asking.patience.is_zero()) {
                    Some(second) => return asking.send_again(registry, second, failure),
                    None => Err(which(asking.failed.take(), failure).into()),
                }
            }
            (State::Failed(why), _) => Err(why),
            (_, Err(failure)) => Err(failure.into()),
            (State::Body(body), Ok(())) => {
                asking.question.read(&body).map_err(AnnounceFailed::from)
            }
            (State::Head, Ok(())) => Err(Failure::NoAnswer.into()),
        };
        (asking.done)(registry, app, outcome);
    }
}

/// Which failure is told of two: that nobody could be reached in the second way may mean that there is no address for it.
fn which(first: Option<Failure>, second: Failure) -> Failure {
    match (first, second) {
        (Some(Failure::Unreachable { address, why }), Failure::Unreachable { why: and, .. }) => {
            Failure::Unreachable { address, why: format!("{why}; {and}") }
        }
        (Some(first), Failure::Unreachable { .. }) => first,
        (_, second) => second,
    }
}

/// A tracker may send on to another, but not from outside to what is inside.
fn elsewhere(from: &Url, next: Url) -> State {
    match is_inward(from, &next) {
        true => State::Failed(AnnounceFailed::Inward(next.host_and_port())),
        false => State::Elsewhere(next),
    }
}
