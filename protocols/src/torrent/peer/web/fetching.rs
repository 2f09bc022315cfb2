//! Requests to web seeds, and their answers, on the loop.

use http::{Method, StatusCode};
use reactor::{Address, ConnectOptions, Registry};

use super::run::{Part, Whole};
use super::{WebFailed, WebSeed};
use crate::http::client::{
    Ask, Call, Client, ClientLimits, ClientOptions, Failure, Reader, Scheme, Url, redirect,
};
use crate::http::wire::Response;
use crate::torrent::InfoHash;
use crate::torrent::inward::{is_inward, may_be_asked};
use crate::torrent::machine::{Keep, PeerKey, PeerTraits};
use crate::torrent::peer::swarm::Phase;
use crate::torrent::peer::{Event, Host, Options, Swarm};
use crate::torrent::wire::message::Message;

/// How often a request is sent on.
const MOST_REDIRECTS: u32 = 3;

const AGENT: &str = concat!("mio-reactor/", env!("CARGO_PKG_VERSION"));

/// How servers are reached.
struct Clients<App> {
    plain: Client<App>,
    secure: Option<Client<App>>,
}

impl<App: 'static> Clients<App> {
    fn new(options: &Options) -> Self {
        let silence = options.limits.web_silence;
        let limits = || ClientLimits { head_time: silence, silence, ..ClientLimits::default() };
        let client = |connect| {
            let connect = ConnectOptions { reach: options.reach, ..connect };
            Client::new(ClientOptions { connect, limits: limits() })
        };
        let from = options.first_from();
        let plain = client(ConnectOptions { from, ..ConnectOptions::default() });
        Self { plain, secure: options.secure.clone().map(client) }
    }

    fn of(&self, url: &Url) -> Option<&Client<App>> {
        match url.scheme() {
            Scheme::Http => Some(&self.plain),
            Scheme::Https => self.secure.as_ref(),
        }
    }
}

impl Swarm {
    /// Names a web seed. It is asked once it is known what the torrent is.
    pub(in crate::torrent::peer) fn add_web_seed<App: Host>(
        &mut self,
        key: PeerKey,
        url: &str,
        registry: &mut Registry<App>,
    ) {
        if self.web.len() >= self.options.limits.web_seeds
            || self.web.iter().any(|seed| seed.url == url)
        {
            return;
        }
        self.web.push(WebSeed::new(key, url.to_owned(), registry.now()));
        self.join_web_seeds(registry);
        self.act(registry);
    }

    /// The machine is told of those that may be asked: they are peers that have everything.
    pub(in crate::torrent::peer) fn join_web_seeds<App>(&mut self, registry: &mut Registry<App>) {
        let now = registry.now();
        let Phase::Sharing(sharing) = &mut self.phase else {
            return;
        };
        let torrent = &mut sharing.torrent;
        for seed in self.web.iter_mut().filter(|seed| seed.is_due(now)) {
            if torrent.is_complete() {
                return;
            }
            seed.join();
            torrent.handle_peer(seed.key, true, now);
            let traits = PeerTraits { reqq: Some(usize::MAX), upload_only: true };
            torrent.handle_traits(seed.key, traits, now);
            for says in [Message::HaveAll, Message::Unchoke] {
                // A seed may say both.
                let _ = torrent.handle_message(seed.key, &says, now);
            }
        }
    }

    /// What the machine has to say to a web seed; `false` if this is none.
    pub(in crate::torrent::peer) fn say_to_web_seed(
        &mut self,
        key: PeerKey,
        message: &Message<'_>,
    ) -> bool {
        let Some(seed) = self.web.iter_mut().find(|seed| seed.key == key) else {
            return false;
        };
        match *message {
            Message::Request(block) => seed.ask(block),
            Message::Cancel(block) => seed.call_off(block),
            // It does not care what we have.
            _ => {}
        }
        true
    }

    /// Nothing is missing any more, so that a web seed need not be there; `false` if this is none.
    pub(in crate::torrent::peer) fn part_from_web_seed<App>(
        &mut self,
        key: PeerKey,
        registry: &mut Registry<App>,
    ) -> bool {
        let now = registry.now();
        let seed = self.web.iter_mut().find(|seed| seed.key == key);
        let was_one = seed.map(|seed| seed.part(now)).is_some();
        if let Phase::Sharing(sharing) = &mut self.phase
            && was_one
        {
            sharing.torrent.handle_gone(key, now);
        }
        was_one
    }

    /// Asks those that are to be asked for something and are not.
    pub(in crate::torrent::peer) fn fetch_from_web_seeds<App: Host>(
        &mut self,
        registry: &mut Registry<App>,
    ) {
        let Phase::Sharing(sharing) = &self.phase else {
            return;
        };
        let info = &sharing.info;
        let begun = self.web.iter_mut().filter_map(|seed| Some((seed.key, seed.begin(info)?)));
        let begun: Vec<_> = begun.collect();
        for (key, number) in begun {
            self.go_on(key, number, registry);
        }
    }

    /// Asks for the next part of a run, or ends it.
    fn go_on<App: Host>(&mut self, key: PeerKey, number: u64, registry: &mut Registry<App>) {
        let Phase::Sharing(sharing) = &self.phase else {
            return;
        };
        let Some(seed) = self.web.iter_mut().find(|seed| seed.key == key) else {
            return;
        };
        let mut whole = Vec::new();
        let part = seed.next(number, &sharing.info, &mut whole);
        let place = part.map(|part| (part, seed.place(part.file, &sharing.info)));
        let size = |part: Part| sharing.info.files().get(part.file).map_or(0, |file| file.length);
        let (hash, left) = (self.hash, MOST_REDIRECTS);
        let may =
            |url: &Url| may_be_asked(url.host(), self.options.reach, !url.target().contains('?'));
        match place {
            Some((_, Ok(url))) if !may(&url) => {
                self.fail_web_seed(key, WebFailed::Inside(url.host_and_port()), registry);
            }
            Some((part, Ok(url))) => {
                let state = State::Head;
                let size = size(part);
                let for_good = true;
                let reading = Reading { hash, key, number, part, size, url, left, for_good, state };
                self.send(reading, registry);
            }
            Some((_, Err(why))) => self.fail_web_seed(key, why, registry),
            None => {}
        }
        self.take_whole(key, whole, registry);
    }

    /// Sends a request for a part of a file.
    fn send<App: Host>(&mut self, reading: Reading, registry: &mut Registry<App>) {
        let Part { offset, length, .. } = reading.part;
        let url = &reading.url;
        let options = &self.options;
        let clients = self.clients.get_or_insert_with(|| Box::new(Clients::<App>::new(options)));
        // A torrent stays with the program that shares it.
        let client = clients.downcast_ref::<Clients<App>>().and_then(|clients| clients.of(url));
        let address = Address::to_host(url.host(), url.port());
        let (Some(client), Ok(address)) = (client, address) else {
            let why = match url.scheme() {
                Scheme::Https => WebFailed::NoTls,
                Scheme::Http => WebFailed::Redirect,
            };
            return self.fail_web_seed(reading.key, why, registry);
        };
        let range = format!("bytes={offset}-{}", offset + length - 1);
        let ask = Ask::get(url).field("Range", range).field("User-Agent", AGENT);
        client.send(registry, &address, ask, reading);
    }

    /// Takes bytes of an answer. `None` if nobody waits for them; else whether more may be read now.
    fn handle_web<App: Host>(
        &mut self,
        reading: &Reading,
        bytes: &[u8],
        registry: &mut Registry<App>,
    ) -> Result<bool, Option<WebFailed>> {
        let mut whole = Vec::new();
        let seed = self.web.iter_mut().find(|seed| seed.key == reading.key).ok_or(None)?;
        let run = seed.run(reading.number).ok_or(None)?;
        if !run.take(bytes, &mut whole) {
            return Err(Some(WebFailed::Range));
        }
        self.take_whole(reading.key, whole, registry);
        Ok(!self.is_behind())
    }

    fn take_whole<App: Host>(
        &mut self,
        key: PeerKey,
        whole: Vec<Whole>,
        registry: &mut Registry<App>,
    ) {
        let now = registry.now();
        let Phase::Sharing(sharing) = &mut self.phase else {
            return;
        };
        for (block, bytes) in &whole {
            if let Ok(Keep::Yes) = sharing.torrent.handle_block(key, *block, now) {
                sharing.keep(*block, bytes);
            }
        }
        if !whole.is_empty() {
            self.act(registry);
        }
    }

    /// An answer is over.
    fn handle_web_end<App: Host>(
        &mut self,
        reading: Reading,
        outcome: Result<(), Failure>,
        registry: &mut Registry<App>,
    ) {
        let Some(seed) = self.web.iter_mut().find(|seed| seed.key == reading.key) else {
            return;
        };
        let Some(run) = seed.run(reading.number) else {
            return;
        };
        let is_answered = run.is_answered();
        let (key, number) = (reading.key, reading.number);
        match (reading.state, outcome) {
            (State::Elsewhere(url, for_good), _) => {
                if for_good {
                    seed.handle_moved(reading.part.file, url.clone());
                }
                let (state, left) = (State::Head, reading.left - 1);
                self.send(Reading { url, left, state, for_good, ..reading }, registry);
            }
            (State::Failed(why), _) => self.fail_web_seed(key, why, registry),
            (_, Err(failure)) => self.fail_web_seed(key, failure.into(), registry),
            (State::Body, Ok(())) if is_answered => {
                self.go_on(key, number, registry);
                self.act(registry);
            }
            (State::Head | State::Body, Ok(())) => {
                self.fail_web_seed(key, WebFailed::Range, registry);
            }
        }
    }

    /// A web seed cannot be used: what it owes is asked of others.
    pub(in crate::torrent::peer) fn fail_web_seed<App: Host>(
        &mut self,
        key: PeerKey,
        why: WebFailed,
        registry: &mut Registry<App>,
    ) {
        let (now, random) = (registry.now(), registry.random());
        let Some(seed) = self.web.iter_mut().find(|seed| seed.key == key) else {
            return;
        };
        let pause = seed.fail(&why, now, random);
        self.events.push(Event::Web { url: seed.url.clone(), why, pause });
        if let Phase::Sharing(sharing) = &mut self.phase {
            sharing.torrent.handle_gone(key, now);
        }
        self.act(registry);
    }
}

/// A request that is under way.
struct Reading {
    hash: InfoHash,
    key: PeerKey,
    number: u64,
    part: Part,
    /// How long the file is.
    size: u64,
    url: Url,
    /// How often it may be sent on.
    left: u32,
    /// Whether it was sent on for good so far: what lies behind a detour is none.
    for_good: bool,
    state: State,
}

enum State {
    Head,
    Body,
    /// It is elsewhere, and stays there or not.
    Elsewhere(Url, bool),
    Failed(WebFailed),
}

impl Reading {
    fn judge(&self, response: &Response<'_>) -> State {
        let (status, fields) = (response.status(), response.fields());
        match redirect(&Method::GET, &self.url, status, fields.get("Location")) {
            Ok(Some(_)) if self.left == 0 => return State::Failed(WebFailed::Redirect),
            Ok(Some(next)) if is_inward(&self.url, &next.url) => {
                return State::Failed(WebFailed::Inward(next.url.host_and_port()));
            }
            Ok(Some(next)) => {
                let for_good = self.for_good && matches!(status.as_u16(), 301 | 308);
                return State::Elsewhere(next.url, for_good);
            }
            Ok(None) => {}
            Err(_) => return State::Failed(WebFailed::Redirect),
        }
        let Part { offset, length, .. } = self.part;
        let is_coded = fields.get("Content-Encoding").is_some_and(|coding| coding != b"identity");
        let is_asked = match status {
            StatusCode::PARTIAL_CONTENT => {
                fields.get("Content-Range").is_some_and(|range| self.is_asked(range))
            }
            // Servers without ranges send all of it.
            StatusCode::OK => offset == 0 && length == self.size,
            _ => return State::Failed(WebFailed::Status(status.as_u16())),
        };
        match is_asked && !is_coded {
            true => State::Body,
            false => State::Failed(WebFailed::Range),
        }
    }

    /// Whether `bytes 0-99/1000` is the part that was asked for, of a file as long as this one.
    fn is_asked(&self, range: &[u8]) -> bool {
        let Part { offset, length, .. } = self.part;
        let part = format!("bytes {offset}-{}/", offset + length - 1);
        let size = range.strip_prefix(part.as_bytes());
        size.is_some_and(|size| size == b"*" || size == self.size.to_string().as_bytes())
    }
}

impl<App: Host> Reader<App> for Reading {
    fn on_head(&mut self, response: &Response<'_>, call: &mut Call<'_, '_, App>, _: &mut App) {
        self.state = self.judge(response);
        if !matches!(self.state, State::Body) {
            call.cancel();
        }
    }

    fn on_body(&mut self, bytes: &[u8], call: &mut Call<'_, '_, App>, app: &mut App) {
        let Some(swarm) = app.swarms().get_mut(&self.hash) else {
            return call.cancel();
        };
        match swarm.handle_web(self, bytes, call.registry()) {
            Ok(true) => {}
            Ok(false) => {
                swarm.held.push(call.connection());
                call.pause();
            }
            Err(why) => {
                self.state = why.map_or(State::Head, State::Failed);
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
        if let Some(swarm) = app.swarms().get_mut(&self.hash) {
            swarm.handle_web_end(*self, outcome, registry);
        }
    }
}
