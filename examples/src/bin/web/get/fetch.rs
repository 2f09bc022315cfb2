//! Fetching what is at one URL: through redirects, from where it was left off, to its end.

use std::cmp::Ordering;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use examples::bars;
use http::{Method, StatusCode};
use indicatif::ProgressBar;
use protocols::http::InflateLimits;
use protocols::http::client::{
    Ask, Call, Decoded, Failure, Payload, Reader, Redirect, Url, redirect,
};
use protocols::http::wire::{Framing, Response};
use reactor::{Address, Registry};

use super::code::Code;
use super::target::{Sink, Target};
use super::{Asking, Getter};

/// What is to be fetched, and how far it is.
///
/// ```text
///  find the host ─▶ ask ─▶ 200, 206 ─▶ write ─▶ name it
///        ▲                  │ 3xx          └── cut off: NAME.part stays
///        └──────────────────┘
/// ```
#[derive(Debug)]
pub(crate) struct Fetch {
    url: Url,
    target: Target,
    asking: Rc<Asking>,
    method: Method,
    has_body: bool,
    /// What is secret does not go to other servers than the first.
    is_elsewhere: bool,
    redirects: u32,
    /// When it was first asked for: the time it may take is one for all that is asked on the way.
    begun: Option<Instant>,
    offset: u64,
    /// Whether a server is asked if it wants a body that is long.
    asks_first: bool,
    /// Only the size is asked for: a server has refused to go on, and not said how much there is.
    asks_size: bool,
    progress: Progress,
}

/// Bodies of so many bytes cost more than to ask whether they are wanted; as curl has it.
const ASKED_ABOUT: usize = 1024 * 1024;

#[derive(Debug)]
struct Progress {
    bar: Option<ProgressBar>,
    since: Instant,
    received: u64,
    step: Step,
}

/// What the end of the answer means.
#[derive(Debug)]
enum Step {
    /// Nothing has come yet.
    Asked,
    Writing(Sink),
    Redirected(Box<Redirect>),
    /// The server does not know that it can be asked about a body.
    NotAsked,
    /// There is nothing behind what is here, and the server does not say how much there is before it.
    NotSized,
    /// The whole is here already.
    Here,
    Failed(Code, String),
}

impl Fetch {
    pub(crate) fn new(url: Url, target: Target, asking: Rc<Asking>) -> Self {
        let (method, has_body) = (asking.method.clone(), asking.body.is_some());
        Self {
            url,
            target,
            asking,
            method,
            has_body,
            is_elsewhere: false,
            redirects: 0,
            begun: None,
            offset: 0,
            asks_first: true,
            asks_size: false,
            progress: Progress::new(),
        }
    }

    /// Asks; the loop looks up the host, and tries its addresses.
    pub(crate) fn begin(mut self, registry: &mut Registry<Getter>, getter: &mut Getter) {
        let place = match Address::to_host(self.url.host(), self.url.port()) {
            Ok(place) => place,
            Err(error) => return self.fail(registry, getter, Code::NOT_FOUND, error.to_string()),
        };
        self.progress = Progress::new();
        self.offset = if self.asking.resume { self.target.here() } else { 0 };
        let mut ask = self.request();
        if let Some(most) = self.asking.max_time {
            let now = registry.now();
            let spent = now.saturating_duration_since(*self.begun.get_or_insert(now));
            ask = ask.with_timeout(most.saturating_sub(spent));
        }
        let route = getter.proxies.route(&self.url, place);
        match getter.client_for(&self.url) {
            Ok(client) if self.takes_gzip() => {
                let decoded = Decoded::new(self, &InflateLimits::default());
                client.send_by(registry, &route, ask, decoded);
            }
            Ok(client) => client.send_by(registry, &route, ask, self),
            Err(error) => self.fail(registry, getter, Code::NO_ROOTS, error.to_string()),
        }
    }

    fn request(&self) -> Ask {
        let method = if self.asks_size { Method::HEAD } else { self.method.clone() };
        let mut ask = Ask::new(method, &self.url);
        let given =
            |name: &str| self.asking.header.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
        for (name, value) in &self.asking.header {
            let is_secret = ["authorization", "cookie"].contains(&&*name.to_ascii_lowercase());
            if !(self.is_elsewhere && is_secret) {
                ask = ask.field(name, value);
            }
        }
        for (name, value) in [("User-Agent", "web/0.1"), ("Accept", "*/*")] {
            if !given(name) {
                ask = ask.field(name, value);
            }
        }
        if self.takes_gzip() {
            ask = ask.field("Accept-Encoding", Decoded::<Self>::ACCEPTED);
        }
        if self.offset > 0 && !self.asks_size {
            ask = ask.field("Range", format!("bytes={}-", self.offset));
        }
        match &self.asking.body {
            Some(body) if self.has_body && !self.asks_size => {
                if !given("Content-Type") {
                    ask = ask.field("Content-Type", "application/x-www-form-urlencoded");
                }
                let ask = ask.with_payload(Payload::Bytes(body.clone()));
                if self.asks() { ask.expecting_continue() } else { ask }
            }
            _ => ask,
        }
    }

    /// Whether the server is asked if it wants the body.
    fn asks(&self) -> bool {
        let is_long = self.asking.body.as_ref().is_some_and(|body| body.len() >= ASKED_ABOUT);
        self.asks_first && self.has_body && is_long
    }

    /// Whether the answer may come compressed: not a part of it, which would be one of what is compressed.
    fn takes_gzip(&self) -> bool {
        self.asking.compressed && self.offset == 0
    }

    fn name(&self) -> String {
        match &self.target {
            Target::Stdout => self.url.to_string(),
            Target::File(part) => {
                part.target().file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
        }
    }

    fn fail(&self, registry: &mut Registry<Getter>, getter: &mut Getter, code: Code, why: String) {
        if let Some(bar) = &self.progress.bar {
            getter.bars.remove(bar);
        }
        self.target.abandon();
        getter.end(registry, &self.url.to_string(), Err((code, why)));
    }

    /// What the head of an answer means.
    fn judge(&self, response: &Response<'_>) -> Step {
        let status = response.status();
        match redirect(&self.method, &self.url, status, response.fields().get("location")) {
            Ok(Some(_)) if self.redirects >= self.asking.redirects => {
                return Step::Failed(Code::REDIRECTS, "too many redirects".to_owned());
            }
            Ok(Some(next)) => return Step::Redirected(Box::new(next)),
            Ok(None) => {}
            Err(error) => return Step::Failed(Code::of_url(error), format!("redirected: {error}")),
        }
        let range = response.fields().get("content-range").and_then(content_range);
        let open = |offset| match self.target.open(offset) {
            Ok(sink) => Step::Writing(sink),
            Err(error) => Step::Failed(Code::NOT_WRITTEN, error.to_string()),
        };
        match status {
            // There is no body to be written, whatever the status.
            _ if self.asks_size => match size_of(response).filter(|_| status == StatusCode::OK) {
                Some(size) => self.compare(size),
                None => refused(),
            },
            StatusCode::PARTIAL_CONTENT if self.offset > 0 => match range {
                Some((Some(first), _)) if first == self.offset => open(self.offset),
                _ => Step::Failed(Code::NO_RANGES, "the server sends another part".to_owned()),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if self.offset > 0 => match range {
                Some((None, Some(size))) => self.compare(size),
                _ if self.method == Method::GET => Step::NotSized,
                _ => refused(),
            },
            StatusCode::EXPECTATION_FAILED if self.asks() => Step::NotAsked,
            status if status.is_success() => match response.framing() {
                Framing::Length(size) if size < self.offset => self.too_long(size),
                _ => open(0),
            },
            status => Step::Failed(Code::STATUS, format!("the server says {status}")),
        }
    }

    /// There is nothing behind what is here, of so many bytes that there are.
    fn compare(&self, size: u64) -> Step {
        match size.cmp(&self.offset) {
            Ordering::Equal => Step::Here,
            Ordering::Less => self.too_long(size),
            Ordering::Greater => refused(),
        }
    }

    /// What is here cannot be the beginning of what is there.
    fn too_long(&self, size: u64) -> Step {
        let here = self.offset;
        let why = format!(
            "what is here has {here} bytes, more than the {size} there are; it stays as it is"
        );
        Step::Failed(Code::NO_RANGES, why)
    }

    fn print_head(&self, response: &Response<'_>) {
        let status = response.status();
        let mut head =
            format!("< {:?} {} {}", response.version(), status.as_u16(), response.reason());
        for (name, value) in response.fields().iter() {
            // What would move the cursor of a terminal is left out.
            let value = String::from_utf8_lossy(value).replace(char::is_control, "");
            head.push_str(&format!("\n< {name}: {value}"));
        }
        examples::output::complain(head);
    }

    fn begin_bar(&mut self, response: &Response<'_>, getter: &Getter) {
        // A server that sends all of it has not gone on.
        let begun = if response.status() == StatusCode::PARTIAL_CONTENT { self.offset } else { 0 };
        let is_packed = response.fields().get("content-encoding").is_some();
        let size = match response.framing() {
            Framing::Length(length) if !is_packed => Some(begun + length),
            Framing::Length(_) | Framing::Chunked | Framing::UntilEnd => None,
        };
        let bar = getter.bars.add(&self.name(), size);
        bars::begin_at(&bar, begun);
        self.progress.bar = Some(bar);
    }

    /// All of the answer is here.
    fn finish(self, registry: &mut Registry<Getter>, getter: &mut Getter, sink: Sink) {
        if let Some(bar) = &self.progress.bar {
            getter.bars.remove(bar);
        }
        let line = match sink {
            // What was fetched is what is printed.
            Sink::Stdout => String::new(),
            Sink::File(..) => {
                format!(
                    "{}: {}",
                    self.name(),
                    bars::speed(self.progress.received, self.progress.since.elapsed())
                )
            }
        };
        match sink.finish() {
            Ok(()) => getter.end(registry, &self.url.to_string(), Ok(line)),
            Err(error) => self.fail(registry, getter, Code::NOT_WRITTEN, error.to_string()),
        }
    }
}

impl Reader<Getter> for Fetch {
    fn on_head(
        &mut self,
        response: &Response<'_>,
        call: &mut Call<'_, '_, Getter>,
        getter: &mut Getter,
    ) {
        if self.asking.verbose {
            self.print_head(response);
        }
        self.progress.step = self.judge(response);
        match &self.progress.step {
            Step::Writing(_) => self.begin_bar(response, getter),
            // What it says of the failure is not read to its end, if it has one.
            Step::Failed(..) if response.framing() == Framing::UntilEnd => call.cancel(),
            _ => {}
        }
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, Getter>, _: &mut Getter) {
        let Step::Writing(sink) = &mut self.progress.step else { return };
        self.progress.received += bytes.len() as u64;
        if let Some(bar) = &self.progress.bar {
            bar.inc(bytes.len() as u64);
        }
        if let Err(error) = sink.write(bytes) {
            let code = match error.kind() {
                // Whoever read it has had enough.
                io::ErrorKind::BrokenPipe => Code::WELL,
                _ => Code::NOT_WRITTEN,
            };
            self.progress.step = Step::Failed(code, error.to_string());
            call.cancel();
        }
    }

    fn on_end(
        mut self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<Getter>,
        getter: &mut Getter,
    ) {
        let step = std::mem::replace(&mut self.progress.step, Step::Asked);
        match (outcome, step) {
            (_, Step::Failed(code, why)) => self.fail(registry, getter, code, why),
            (Err(failure), _) => {
                let code = match &failure {
                    Failure::NotFound { address, .. } if getter.proxies.has(address) => {
                        Code::NO_PROXY
                    }
                    failure => Code::of(failure),
                };
                self.fail(registry, getter, code, failure.to_string());
            }
            (Ok(()), Step::Writing(sink)) => self.finish(registry, getter, sink),
            (Ok(()), Step::Here) => match self.target.complete() {
                Ok(()) => {
                    let line = format!("{}: all of it is here", self.name());
                    getter.end(registry, &self.url.to_string(), Ok(line));
                }
                Err(error) => self.fail(registry, getter, Code::NOT_WRITTEN, error.to_string()),
            },
            (Ok(()), Step::Redirected(next)) => {
                self.is_elsewhere |= next.is_elsewhere;
                self.has_body &= next.keeps_body;
                self.redirects += 1;
                (self.url, self.method) = (next.url, next.method);
                self.begin(registry, getter);
            }
            (Ok(()), Step::NotAsked) => {
                self.asks_first = false;
                self.begin(registry, getter);
            }
            (Ok(()), Step::NotSized) => {
                self.asks_size = true;
                self.begin(registry, getter);
            }
            (Ok(()), Step::Asked) => {
                self.fail(registry, getter, Code::OTHER, "there was no answer".to_owned());
            }
        }
    }
}

impl Progress {
    fn new() -> Self {
        Self { bar: None, since: Instant::now(), received: 0, step: Step::Asked }
    }
}

/// The server does not go on, and what is here is not known to be whole.
fn refused() -> Step {
    Step::Failed(Code::NO_RANGES, format!("the server says {}", StatusCode::RANGE_NOT_SATISFIABLE))
}

/// How much there is, by an answer to HEAD.
fn size_of(response: &Response<'_>) -> Option<u64> {
    let size = response.fields().get_only("content-length")?;
    std::str::from_utf8(size).ok()?.parse().ok()
}

/// The first byte of a part, and the size of the whole, as far as they are said.
fn content_range(value: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    let (range, size) = std::str::from_utf8(value).ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-').and_then(|(first, _)| first.parse().ok());
    Some((first, size.parse().ok()))
}
