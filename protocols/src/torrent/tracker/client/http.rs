//! One question over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{Method, StatusCode};
use reactor::{Address, Registry};

use super::failure::AnnounceFailed;
use super::options::{AnnounceOptions, Done};
use super::question::Question;
use crate::http::client::{
    Ask, Call, Client, ClientOptions, Failure, Reader, Scheme, Url, redirect,
};
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
    match leaves_from(tracker, options) {
        Some(ip) => {
            let question = question.leaving(ip.is_ipv6(), options);
            ask_once(registry, tracker, question, options.clone(), None, done);
        }
        None if options.tells_apart() => {
            let by_v6 = ByV6 { tracker: tracker.to_owned(), question };
            let (question, v4) = (question.leaving(false, options), Ipv4Addr::UNSPECIFIED.into());
            ask_once(registry, tracker, question, options.leaving_from(v4), Some(by_v6), done);
        }
        None => ask_once(registry, tracker, question, options.clone(), None, done),
    }
}

/// A name may lead to addresses of both families, and the port that is told has to be that of the one it is asked by. So
/// it is asked by IPv4 first, as far as that leads there; and by this, where it does not.
struct ByV6<Q> {
    tracker: String,
    question: Q,
}

impl<Q: Question> ByV6<Q> {
    fn ask<App: 'static>(
        self,
        registry: &mut Registry<App>,
        options: &AnnounceOptions,
        done: Done<App, Q::Answer>,
    ) {
        let options = options.leaving_from(Ipv6Addr::UNSPECIFIED.into());
        let question = self.question.leaving(true, &options);
        ask_once(registry, &self.tracker, question, options, None, done);
    }
}

fn ask_once<App: 'static, Q: Question>(
    registry: &mut Registry<App>,
    tracker: &str,
    question: Q,
    options: AnnounceOptions,
    by_v6: Option<ByV6<Q>>,
    done: Done<App, Q::Answer>,
) {
    let url = question.url(tracker).and_then(|url| Ok(url.parse::<Url>()?));
    let reach = options.reach;
    let asking = Asking { question, left: MOST_REDIRECTS, options, by_v6, done };
    match url {
        Ok(url) if !may_be_asked(url.host(), reach, is_usual(tracker)) => {
            asking.fail(registry, AnnounceFailed::Inside(url.host_and_port()));
        }
        Ok(url) => asking.send(registry, url),
        Err(why) => asking.fail(registry, why),
    }
}

/// An address of the family from which it is asked, as far as that is known before it is.
fn leaves_from(tracker: &str, options: &AnnounceOptions) -> Option<IpAddr> {
    let from = options.connect.from.as_ref().and_then(Address::ip);
    let literal = || tracker.parse::<Url>().ok()?.host().parse().ok();
    from.or_else(literal)
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
    /// How it is asked if nobody answers to this.
    by_v6: Option<ByV6<Q>>,
    done: Done<App, Q::Answer>,
}

impl<App: 'static, Q: Question> Asking<App, Q> {
    fn send(self, registry: &mut Registry<App>, url: Url) {
        let mut connect = match (url.scheme(), &self.options.secure) {
            (Scheme::Http, _) => self.options.connect.clone(),
            (Scheme::Https, Some(secure)) => secure.clone(),
            (Scheme::Https, None) => return self.fail(registry, AnnounceFailed::NoTls),
        };
        let Ok(address) = Address::to_host(url.host(), url.port()) else {
            return self.fail(registry, AnnounceFailed::Url);
        };
        connect.reach = self.options.reach;
        let ask = Ask::get(&url).within(self.options.patience);
        // One connection, which nobody needs again for half an hour.
        let client = Client::new(ClientOptions { connect, ..ClientOptions::default() });
        let ask = ask.field("Connection", "close").field("User-Agent", AGENT);
        let reading = Reading { url, state: State::Head, asking: self };
        client.send(registry, &address, ask, reading);
    }

    fn fail(self, registry: &mut Registry<App>, why: AnnounceFailed) {
        registry.defer(move |registry, app| (self.done)(registry, app, Err(why)));
    }
}

const AGENT: &str = concat!("mio-reactor/", env!("CARGO_PKG_VERSION"));

/// The answer, as it comes.
struct Reading<App, Q: Question> {
    url: Url,
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
        self.state = match redirect(&Method::GET, &self.url, response.status(), location) {
            Ok(Some(next)) if self.asking.left > 0 => elsewhere(&self.url, next.url),
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
        let Self { state, mut asking, .. } = *self;
        if let (State::Head, Err(_)) = (&state, &outcome)
            && let Some(by_v6) = asking.by_v6.take()
        {
            return by_v6.ask(registry, &asking.options, asking.done);
        }
        let outcome = match (state, outcome) {
            (State::Elsewhere(url), _) => {
                asking.left -= 1;
                return asking.send(registry, url);
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

/// A tracker may send on to another, but not from outside to what is inside.
fn elsewhere(from: &Url, next: Url) -> State {
    match is_inward(from, &next) {
        true => State::Failed(AnnounceFailed::Inward(next.host_and_port())),
        false => State::Elsewhere(next),
    }
}
