//! Clients and a server on bad networks: each request has one answer, its own, whole, or a reason.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use protocols::http::ServerLimits;
use protocols::http::client::{
    Ask, Call, Client, ClientLimits, ClientOptions, Failure, Payload, Reader, Route, SocksRefusal,
    Url,
};
use protocols::http::proxy::{Backend, Proxy, ProxyOptions};
use protocols::http::server::{self, Settings, Site, with};
use protocols::http::wire::{Length, Response};
use reactor::sim::{Network, Outcome, Simulation};
use reactor::{Address, Input, ListenOptions, Protocol, Registry, TimerKey, Transport};

const PORT: u16 = 80;
const REQUESTS: usize = 12;

/// The ends of requests, by their number: how often each ended, and how.
type Ends = Rc<RefCell<BTreeMap<usize, Vec<Result<(), Failure>>>>>;

/// What a request with that number gets: long or short, at once or later, in chunks or with its length.
fn body(number: usize) -> Vec<u8> {
    let length = [0, 1, 700, 40_000, 200_000][number % 5];
    (0..length).map(|at| (at * 7 + number) as u8).collect()
}

fn site() -> Site<()> {
    Site::new(|request, exchange, app| {
        let number: usize = request.path().trim_start_matches('/').parse().unwrap_or_default();
        let id = exchange.id();
        exchange.gather(1 << 20, app, move |exchange, (), sent| {
            if !sent.is_empty() && sent != body(number) {
                return exchange.answer(StatusCode::BAD_REQUEST).text("not what was sent");
            }
            let later = move |registry: &mut Registry<()>, (): &mut ()| {
                // The connection may have ended.
                let _ = with(registry, id, move |exchange, ()| match number % 2 {
                    0 => exchange.answer(StatusCode::OK).shared(body(number).into()),
                    _ => {
                        let answer = exchange.answer(StatusCode::OK).open(Length::Open);
                        let Some(exchange) = answer else { return };
                        exchange.send(Bytes::from(body(number)));
                        exchange.finish();
                    }
                });
            };
            let wait = Duration::from_millis([0, 0, 30][number % 3]);
            let set = exchange.registry().after(wait, later);
            assert!(set.is_ok(), "there are timers");
        });
    })
}

struct Check {
    number: usize,
    status: Option<StatusCode>,
    body: Vec<u8>,
    ends: Ends,
}

impl Reader<()> for Check {
    fn on_head(&mut self, response: &Response<'_>, _: &mut Call<'_, '_, ()>, (): &mut ()) {
        assert!(self.status.is_none(), "there is one head");
        self.status = Some(response.status());
    }

    fn on_body(&mut self, bytes: &[u8], _: &mut Call<'_, '_, ()>, (): &mut ()) {
        self.body.extend_from_slice(bytes);
    }

    fn on_end(self: Box<Self>, outcome: Result<(), Failure>, _: &mut Registry<()>, (): &mut ()) {
        if outcome.is_ok() && self.status == Some(StatusCode::OK) {
            assert!(
                self.body == body(self.number),
                "{} is somebody else's, or not whole",
                self.number
            );
        } else {
            assert!(outcome.is_err() || self.status.is_some(), "there is a reason");
        }
        self.ends.borrow_mut().entry(self.number).or_default().push(outcome);
    }
}

#[test]
fn each_request_has_one_answer_of_its_own_or_a_reason() {
    search(&|network| {
        let server = network.host("server", |registry| serve(registry, site()));
        network.address(server, PORT)
    });
}

/// The same, with somebody in between on networks as bad.
#[test]
fn a_proxy_answers_each_request_once_with_its_own_or_a_reason() {
    search(&|network| {
        let servers = ["one", "two"].map(|name| {
            let server = network.host(name, |registry| serve(registry, site()));
            network.address(server, PORT)
        });
        let proxy = network.host("proxy", move |registry| {
            let client = Client::new(ClientOptions::default());
            let backend = |address: &Address| {
                let url: Url = format!("http://{address}").parse()?;
                Ok(Backend::new(url, client.clone())?)
            };
            let backends: Result<_, Box<dyn Error>> = servers.iter().map(backend).collect();
            let proxy = Proxy::new(backends?, ProxyOptions::default());
            serve(registry, Site::new(move |request, exchange, ()| proxy.serve(request, exchange)))
        });
        network.address(proxy, PORT)
    });
}

fn serve(registry: &mut Registry<()>, site: Site<()>) -> Result<(), Box<dyn Error>> {
    let address = format!("0.0.0.0:{PORT}").parse()?;
    server::listen(registry, address, &ListenOptions::default(), &Rc::new(site))?;
    Ok(())
}

/// Clients on bad networks, of a server that is set up by this.
fn search(set_up: &dyn Fn(&mut Network) -> Address) {
    let searched = Simulation::new(|network: &mut Network| {
        network.swarm_without(&[reactor::sim::Fault::Crash]);
        let address = set_up(network);
        let ends = Ends::default();
        let shared = Rc::clone(&ends);
        network.host("client", move |registry| {
            let limits = ClientLimits { connections: 2, ..ClientLimits::default() };
            let client = Client::new(ClientOptions { limits, ..ClientOptions::default() });
            for number in 0..REQUESTS {
                let url: Url = format!("http://h/{number}").parse()?;
                let ask = match number % 4 {
                    0 => Ask::new(Method::PUT, &url)
                        .with_payload(Payload::Bytes(body(number).into())),
                    1 => Ask::get(&url).with_timeout(Duration::from_secs(2)),
                    _ => Ask::get(&url),
                };
                let ends = Rc::clone(&shared);
                let check = Check { number, status: None, body: Vec::new(), ends };
                client.send(registry, &address, ask, check);
            }
            Ok(())
        });
        network.run_for(Duration::from_secs(30))?;
        network.calm();
        network.run_for(Duration::from_secs(900))?;
        judge(&ends.borrow())
    })
    .search(0..60);
    if let Err(failure) = searched {
        panic!("{failure}");
    }
}

fn judge(ends: &BTreeMap<usize, Vec<Result<(), Failure>>>) -> Outcome {
    for number in 0..REQUESTS {
        match ends.get(&number).map(Vec::len) {
            Some(1) => {}
            count => return Err(format!("request {number} has ended {count:?} times").into()),
        }
    }
    Ok(())
}

/// Says everything at once, and keeps what it hears.
struct Pipeline {
    heard: Rc<RefCell<Vec<u8>>>,
}

impl Protocol<()> for Pipeline {
    fn on_open(&mut self, transport: &mut Transport<'_, ()>, (): &mut ()) {
        for number in 0..REQUESTS {
            let body = body(number);
            let length = body.len();
            transport.write(
                format!("PUT /{number} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n")
                    .as_bytes(),
            );
            transport.send(body.into());
        }
        transport.end();
    }

    fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        self.heard.borrow_mut().extend_from_slice(input.take_all());
    }
}

/// The bodies of as many whole answers as there are.
fn answers(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use protocols::http::wire::{Body, Piece, Slots, parse_response};
    use protocols::http::{BodyLimits, HeadLimits};
    let mut whole = Vec::new();
    loop {
        let mut slots = Slots::new();
        let parsed = parse_response(bytes, "PUT", &mut slots, &HeadLimits::default());
        let Some((response, length)) = parsed.map_err(|error| error.to_string())? else {
            return Ok(whole);
        };
        if response.status() != StatusCode::OK {
            // A reason, behind which nothing comes.
            return Ok(whole);
        }
        let mut body = Body::new(response.framing(), &BodyLimits::default());
        let mut gathered = Vec::new();
        bytes = &bytes[length..];
        loop {
            match body.next(&mut bytes).map_err(|error| error.to_string())? {
                Piece::Data(data) => gathered.extend_from_slice(data),
                Piece::NotYet => return Ok(whole),
                Piece::End => break,
            }
        }
        whole.push(gathered);
    }
}

/// A server, and a client that asks for everything at once; what it hears.
fn play(network: &mut Network) -> Rc<RefCell<Vec<u8>>> {
    let server = network.host("server", |registry| {
        let address = format!("0.0.0.0:{PORT}").parse()?;
        server::listen(registry, address, &ListenOptions::default(), &Rc::new(site()))?;
        Ok(())
    });
    let address = network.address(server, PORT);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let shared = Rc::clone(&heard);
    network.host("client", move |registry| {
        // It may fail at once; then there is nothing to be heard.
        let _ = registry.connect(address.clone(), Pipeline { heard: Rc::clone(&shared) });
        Ok(())
    });
    heard
}

#[test]
fn pipelined_answers_come_in_order_and_whole_as_far_as_they_come() {
    let searched = Simulation::new(|network: &mut Network| {
        network.swarm_without(&[reactor::sim::Fault::Crash]);
        let heard = play(network);
        network.run_for(Duration::from_secs(60))?;
        network.calm();
        network.run_for(Duration::from_secs(900))?;
        for (number, answer) in answers(&heard.borrow())?.into_iter().enumerate() {
            if answer != body(number) {
                return Err(format!("answer {number} is another's").into());
            }
        }
        Ok(())
    })
    .search(0..60);
    if let Err(failure) = searched {
        panic!("{failure}");
    }
}

#[test]
fn on_a_calm_network_all_twelve_are_answered() {
    let mut network = Network::from_seed(0);
    let heard = play(&mut network);
    network.run_for(Duration::from_secs(60)).expect("nothing breaks");
    let answers = answers(&heard.borrow()).expect("they make sense");
    assert_eq!(answers, (0..REQUESTS).map(body).collect::<Vec<_>>());
}

/// Takes connections, and says nothing.
struct Mute;

impl Protocol<()> for Mute {
    fn on_data(&mut self, _: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        input.take_all();
    }
}

/// When requests ended after they were sent, by their names, and why.
type Waits = Rc<RefCell<Vec<(&'static str, Duration, Result<(), Failure>)>>>;

struct Wait {
    name: &'static str,
    sent: Instant,
    waits: Waits,
}

impl Reader<()> for Wait {
    fn on_head(&mut self, _: &Response<'_>, _: &mut Call<'_, '_, ()>, (): &mut ()) {}

    fn on_body(&mut self, _: &[u8], _: &mut Call<'_, '_, ()>, (): &mut ()) {}

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<()>,
        (): &mut (),
    ) {
        self.waits.borrow_mut().push((self.name, registry.now() - self.sent, outcome));
    }
}

/// Answers, and sends the body of its answer a byte a second, without an end.
struct Drip;

impl Protocol<()> for Drip {
    fn on_data(&mut self, transport: &mut Transport<'_, ()>, input: &mut Input<'_>, (): &mut ()) {
        input.take_all();
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        transport.set_timer(TimerKey(0), Duration::ZERO);
    }

    fn on_timer(&mut self, transport: &mut Transport<'_, ()>, key: TimerKey, (): &mut ()) {
        transport.write(b".");
        transport.set_timer(key, Duration::from_secs(1));
    }
}

/// Whether it waits for a connection, for one to be made, for a head or for the rest of a body.
#[test]
fn a_timeout_is_for_all_of_a_request_wherever_it_is_by_then() {
    const MOST: Duration = Duration::from_secs(5);
    let mut network = Network::from_seed(0);
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:1".parse()?, |_, ()| Mute)?;
        registry.listen("0.0.0.0:2".parse()?, |_, ()| Drip)?;
        serve(registry, site())
    });
    let at = |port| network.address(server, port);
    let (mute, drip, site) = (at(1), at(2), at(PORT));
    let waits = Waits::default();
    let shared = Rc::clone(&waits);
    let client = network.host("client", move |registry| {
        let limits = ClientLimits { connections: 1, ..ClientLimits::default() };
        let client = Client::new(ClientOptions { limits, ..ClientOptions::default() });
        let waits = Rc::clone(&shared);
        let send = move |registry: &mut Registry<()>, name, address: &Address, most| {
            let waits = Rc::clone(&waits);
            let wait = Wait { name, sent: registry.now(), waits };
            client.send(registry, address, ask().with_timeout(most), wait);
        };
        send(registry, "the first on its connection", &mute, 2 * MOST);
        send(registry, "one that waits for it", &mute, MOST);
        send(registry, "one whose body drips", &drip, MOST);
        send(registry, "one that nobody answers", &"10.9.9.9:80".parse()?, MOST / 5);
        // Its timer is gone with its answer.
        send(registry, "one that is answered", &site, Duration::from_secs(3_600));
        Ok(())
    });
    network.run_for(Duration::from_secs(60)).expect("nothing breaks");
    let mut waits = waits.take();
    waits.sort_by_key(|(name, ..)| *name);
    let late = |name, waited| (name, waited, Err(Failure::Timeout));
    let expected = [
        ("one that is answered", Duration::ZERO, Ok(())),
        late("one that nobody answers", MOST / 5),
        late("one that waits for it", MOST),
        late("one whose body drips", MOST),
        late("the first on its connection", 2 * MOST),
    ];
    for ((name, waited, outcome), (expected, at_least, as_expected)) in waits.iter().zip(&expected)
    {
        assert_eq!((name, outcome), (expected, as_expected), "{waits:?}");
        let at_most = *at_least + Duration::from_millis(500);
        assert!((*at_least..at_most).contains(waited), "{name} has waited {waited:?}");
    }
    assert_eq!(waits.len(), expected.len(), "each ends once: {waits:?}");
    let stats = network.stats(client).expect("it is up");
    assert_eq!((stats.connections, stats.timers), (0, 0), "nothing is left of them");
}

/// Nobody waits for those whose time is over: they take no place, and nothing is tried for them.
#[test]
fn what_was_not_answered_in_time_waits_for_no_connection() {
    const SECOND: Duration = Duration::from_secs(1);
    let mut network = Network::from_seed(0);
    let server = network.host("server", |registry| {
        registry.listen("0.0.0.0:1".parse()?, |_, ()| Mute)?;
        Ok(())
    });
    let mute = network.address(server, 1);
    let waits = Waits::default();
    let shared = Rc::clone(&waits);
    let client = network.host("client", move |registry| {
        let client = |waiting| {
            let limits = ClientLimits { connections: 1, waiting, ..ClientLimits::default() };
            Client::new(ClientOptions { limits, ..ClientOptions::default() })
        };
        let waits = Rc::clone(&shared);
        let send =
            move |client: &Client<()>, registry: &mut Registry<()>, to: &Address, name, most| {
                let wait = Wait { name, sent: registry.now(), waits: Rc::clone(&waits) };
                client.send(registry, to, ask().with_timeout(most), wait);
            };
        // It cannot be reached, and all but the last do not wait until that is known.
        let lost = "10.9.9.9:80".parse()?;
        let patient = client(1_000);
        for _ in 0..3 {
            send(&patient, registry, &lost, "late", SECOND);
        }
        send(&patient, registry, &lost, "lives", 60 * SECOND);
        // None of them waits, here.
        let lost = "10.9.9.8:80".parse()?;
        for _ in 0..3 {
            send(&patient, registry, &lost, "late", SECOND);
        }
        // There is one place for who waits, and who has it is late before another comes.
        let narrow = client(1);
        send(&narrow, registry, &mute, "asked", 4 * SECOND);
        for (name, after) in [("late", SECOND / 2), ("third", 2 * SECOND)] {
            let (send, narrow, mute) = (send.clone(), narrow.clone(), mute.clone());
            let then = move |registry: &mut Registry<()>, _: &mut ()| {
                send(&narrow, registry, &mute, name, SECOND);
            };
            registry.after(after, then)?;
        }
        Ok(())
    });
    // The network says after three seconds that there is no such host.
    network.run_for(5 * SECOND).expect("nothing breaks");
    let mut waits = waits.take();
    let at = waits.iter().position(|(name, ..)| *name == "lives");
    let (_, waited, why) = waits.remove(at.expect("it has ended"));
    assert!(waited < 4 * SECOND, "it hears of the first try, not of a fourth: {waited:?}");
    assert!(matches!(why, Err(Failure::Unreachable { .. })), "{why:?}");
    assert_eq!(waits.len(), 9, "{waits:?}");
    assert!(waits.iter().all(|(.., why)| *why == Err(Failure::Timeout)), "{waits:?}");
    let stats = network.stats(client).expect("it is up");
    assert_eq!((stats.connections, stats.timers), (0, 0), "nothing is left of them");
}

/// Gives up when its turn comes.
struct Unwilling(Wait);

impl Reader<()> for Unwilling {
    fn on_turn(&mut self, call: &mut Call<'_, '_, ()>, (): &mut ()) {
        call.cancel();
    }

    fn on_head(&mut self, _: &Response<'_>, _: &mut Call<'_, '_, ()>, (): &mut ()) {}

    fn on_body(&mut self, _: &[u8], _: &mut Call<'_, '_, ()>, (): &mut ()) {}

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<()>,
        app: &mut (),
    ) {
        Box::new(self.0).on_end(outcome, registry, app);
    }
}

/// Its time is over in the turn in which the next has its place on the connection.
#[test]
fn the_time_of_a_request_that_was_never_sent_does_not_end_the_next() {
    const MOST: Duration = Duration::from_secs(5);
    let mut network = Network::from_seed(0);
    let server = network.host("server", |registry| serve(registry, site()));
    let address = network.address(server, PORT);
    let waits = Waits::default();
    let shared = Rc::clone(&waits);
    network.host("client", move |registry| {
        let limits = ClientLimits { connections: 1, ..ClientLimits::default() };
        let client = Client::new(ClientOptions { limits, ..ClientOptions::default() });
        let wait = {
            let waits = Rc::clone(&shared);
            move |name, sent| Wait { name, sent, waits: Rc::clone(&waits) }
        };
        client.send(registry, &address, ask(), wait("opens", registry.now()));
        let (client, address) = (client.clone(), address.clone());
        registry.after(MOST, move |registry, ()| {
            let now = registry.now();
            let unwilling = Unwilling(wait("unwilling", now));
            client.send(registry, &address, ask().with_timeout(Duration::ZERO), unwilling);
            client.send(registry, &address, ask(), wait("next", now));
        })?;
        Ok(())
    });
    network.run_for(3 * MOST).expect("nothing breaks");
    let mut ends: Vec<_> = waits.take().into_iter().map(|(name, _, why)| (name, why)).collect();
    ends.sort_by_key(|(name, _)| *name);
    let (next, opens) = (("next", Ok(())), ("opens", Ok(())));
    assert_eq!(ends, [next, opens, ("unwilling", Err(Failure::Timeout))]);
}

/// Asks again when it has been answered, until it has done so as often as it should.
struct Again {
    left: usize,
    client: Client<()>,
    server: Address,
}

impl Reader<()> for Again {
    fn on_head(&mut self, _: &Response<'_>, _: &mut Call<'_, '_, ()>, (): &mut ()) {}

    fn on_body(&mut self, _: &[u8], _: &mut Call<'_, '_, ()>, (): &mut ()) {}

    fn on_end(
        self: Box<Self>,
        outcome: Result<(), Failure>,
        registry: &mut Registry<()>,
        (): &mut (),
    ) {
        assert_eq!(outcome, Ok(()));
        if let Some(left) = self.left.checked_sub(1) {
            let again = Self { left, client: self.client.clone(), server: self.server.clone() };
            self.client.send(registry, &self.server, ask(), again);
        }
    }
}

fn ask() -> Ask {
    Ask::get(&"http://h/0".parse().expect("a URL"))
}

/// A server that answers with `Connection: close` every so many requests; how many connections are made to it for
/// this many askers of ten requests each.
fn connections_made(requests: u32, askers: u64) -> u64 {
    let mut network = Network::from_seed(0);
    let server = network.host("server", move |registry| {
        let limits = ServerLimits { requests, ..ServerLimits::default() };
        let settings = Settings { limits, ..Settings::default() };
        serve(registry, site().with_settings(settings))
    });
    let server = network.address(server, PORT);
    let client = network.host("client", move |registry| {
        let client = Client::new(ClientOptions::default());
        for _ in 0..askers {
            let again = Again { left: 9, client: client.clone(), server: server.clone() };
            client.send(registry, &server, ask(), again);
        }
        Ok(())
    });
    network.run_for(Duration::from_secs(60)).expect("nothing breaks");
    network.stats(client).expect("it is up").connects
}

#[test]
fn behind_connection_close_no_more_connections_are_made_than_there_are_requests() {
    assert_eq!(connections_made(1, 1), 10);
    assert_eq!(connections_made(1, 3), 30);
    assert_eq!(connections_made(5, 1), 2);
    assert_eq!(connections_made(100, 3), 3);
}

#[test]
fn nobody_waits_longer_for_a_proxy_than_he_would_for_a_server() {
    let mut network = Network::from_seed(0);
    let proxy = network.host("proxy", |registry| {
        let address = format!("0.0.0.0:{PORT}").parse()?;
        registry.listen(address, |_, ()| Mute)?;
        Ok(())
    });
    let proxy = network.address(proxy, PORT);
    let waits = Waits::default();
    let shared = Rc::clone(&waits);
    network.host("client", move |registry| {
        let limits = ClientLimits { connections: 1, ..ClientLimits::default() };
        let client = Client::new(ClientOptions { limits, ..ClientOptions::default() });
        let route = Route::to("10.9.9.9:80".parse()?).through_socks(proxy.clone(), None);
        let waits = Rc::clone(&shared);
        let send = move |registry: &mut Registry<()>, name, patience: Option<Duration>| {
            let ask = Ask::get(&"http://h/".parse().expect("a URL"));
            let ask = match patience {
                Some(patience) => ask.with_head_timeout(patience),
                None => ask,
            };
            let waits = Rc::clone(&waits);
            let wait = Wait { name, sent: registry.now(), waits };
            client.send_by(registry, &route, ask, wait);
        };
        send(registry, "patient", None);
        let short = Some(Duration::from_millis(100));
        (0..3).for_each(|_| send(registry, "short", short));
        registry.after(Duration::from_secs(1), move |registry, ()| {
            send(registry, "later", short);
        })?;
        Ok(())
    });
    network.run_for(Duration::from_secs(90)).expect("nothing breaks");
    let waits = waits.take();
    let names: Vec<_> = waits.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["short", "short", "short", "later", "patient"], "{waits:?}");
    for (name, waited, why) in &waits {
        let patience = Duration::from_millis(if *name == "patient" { 60_000 } else { 100 });
        let late = patience + Duration::from_millis(900);
        assert!((patience..late).contains(waited), "{name} has waited {waited:?}");
        assert_eq!(*why, Err(Failure::Socks(SocksRefusal::Silent)));
    }
}
