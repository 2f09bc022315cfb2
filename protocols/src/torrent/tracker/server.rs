//! What a tracker answers, over HTTP and over UDP.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use reactor::{
    Address, Datagram, DatagramOptions, DatagramProtocol, DatagramTransport, ListenOptions,
    ListenerId, OpenError, Registry, SocketId,
};

use super::TrackerLimits;
use super::proof::Proof;
use super::table::Table;
use crate::budget::Budget;
use crate::http::ServerLimits;
use crate::http::server::{self, Exchange, Settings, Site};
use crate::http::wire::Request;
use crate::torrent::wire::announce::{self, Announce, Answer};
use crate::torrent::wire::udp::{self, Ask, Body, Family, Reply};

/// A tracker: it tells peers of a torrent of each other, whatever torrent it is.
///
/// A peer is listed at the address that its question came from; what it says of its address is not believed. It is
/// not told of itself, and who is a seed beyond doubt is not told of seeds.
#[derive(Debug)]
pub struct Tracker {
    table: Table,
    budget: Budget,
    proof: Proof,
}

/// The most bytes that an answer over UDP has: it fits into one packet wherever it goes.
const LONGEST_REPLY: usize = 1200;

impl Tracker {
    /// A tracker that knows nobody yet.
    pub fn new<App: 'static>(limits: TrackerLimits, registry: &mut Registry<App>) -> Self {
        let secret = [registry.random(), registry.random()];
        Self::with_secret(limits, secret, registry.now())
    }

    fn with_secret(limits: TrackerLimits, secret: [u64; 2], now: Instant) -> Self {
        Self {
            table: Table::new(limits, now),
            budget: Budget::new(limits.per_second, limits.sources),
            proof: Proof::new(secret, now),
        }
    }

    /// Lists a peer that is reached at this address, and tells it of others, as if it had asked from there: one of this program
    /// need not ask over a socket. It is forgotten unless it is said again after the answer's interval.
    ///
    /// Returns `None` if there is no room for another torrent. `random` says with whom the list begins.
    pub fn announce(
        &mut self,
        announce: &Announce,
        from: IpAddr,
        now: Instant,
        random: u64,
    ) -> Option<Answer> {
        self.table.announce(announce, from, now, random)
    }

    /// How many torrents have peers.
    #[must_use]
    pub fn torrents(&self) -> usize {
        self.table.torrents()
    }

    /// How many peers there are, of all torrents.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.table.peers()
    }

    /// The body of the answer to a request; `None` if nothing is there. A refusal is an answer, too.
    fn answer_http(
        &mut self,
        path: &str,
        query: &str,
        from: IpAddr,
        now: Instant,
        random: u64,
    ) -> Option<Vec<u8>> {
        if !matches!(path, "/announce" | "/scrape") {
            return None;
        }
        if self.budget.take(from, now).is_err() {
            return Some(announce::refusal("too many questions from this address"));
        }
        Some(if path == "/announce" {
            self.announce_http(query, from, now, random)
        } else {
            let hashes = announce::hashes(query).take(udp::MOST_HASHES);
            announce::write_scrape(hashes.map(|hash| (hash, self.table.counts(hash))).collect())
        })
    }

    fn announce_http(&mut self, query: &str, from: IpAddr, now: Instant, random: u64) -> Vec<u8> {
        match Announce::parse_query(query) {
            Ok(asked) => match self.announce(&asked, from, now, random) {
                Some(answer) => answer.write(),
                None => announce::refusal(NO_ROOM),
            },
            Err(error) => announce::refusal(&error.to_string()),
        }
    }

    /// The answer to a datagram. To somebody who has not proven where it is, it is never longer than the question:
    /// else others could be flooded in its name.
    fn answer_udp(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        now: Instant,
        random: u64,
    ) -> Option<Vec<u8>> {
        let udp::Request { transaction, ask } = udp::Request::parse(datagram).ok()?;
        let family = Family::of(from);
        let write = |body| Reply { transaction, body }.write(family);
        let connection = match &ask {
            Ask::Connect => {
                return Some(write(Body::Connected(self.proof.issue(from.ip(), now))));
            }
            Ask::Announce { connection, .. } | Ask::Scrape { connection, .. } => *connection,
        };
        let refused = |why: &str| {
            Some(write(Body::Refused(why.to_owned()))).filter(|it| it.len() <= datagram.len())
        };
        if !self.proof.is_good(connection, from.ip(), now) {
            return refused("the connection is over");
        }
        if self.budget.take(from.ip(), now).is_err() {
            return refused("too many questions");
        }
        Some(write(match ask {
            Ask::Connect => return None,
            Ask::Announce { announce, .. } if announce.port == 0 => return refused("no port"),
            Ask::Announce { announce, .. } => {
                let fitting = (LONGEST_REPLY - 20) / if family == Family::V4 { 6 } else { 18 };
                match self.announce(&announce, from.ip(), now, random) {
                    Some(mut answer) => {
                        answer.peers.retain(|peer| Family::of(*peer) == family);
                        answer.peers.truncate(fitting);
                        Body::Announced(answer)
                    }
                    None => Body::Refused(NO_ROOM.to_owned()),
                }
            }
            Ask::Scrape { hashes, .. } => {
                Body::Scraped(hashes.into_iter().map(|hash| self.table.counts(hash)).collect())
            }
        }))
    }
}

impl AsMut<Self> for Tracker {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

const NO_ROOM: &str = "no room for another torrent";

/// Listens for peers that ask over HTTP, at `/announce` and `/scrape`.
///
/// # Errors
///
/// See [`OpenError`].
pub fn listen_http<App: AsMut<Tracker> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &ListenOptions,
) -> Result<ListenerId, OpenError> {
    // One question, and the next one in half an hour: nothing is kept open for that.
    let limits = ServerLimits { idle: Duration::from_secs(5), ..ServerLimits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let site = Site::new(answer::<App>).with_settings(settings);
    server::listen(registry, address, options, &Rc::new(site))
}

fn answer<App: AsMut<Tracker> + 'static>(
    request: &Request<'_>,
    exchange: &mut Exchange<'_, '_, App>,
    app: &mut App,
) {
    if !matches!(request.method(), "GET" | "HEAD") {
        return exchange.answer(StatusCode::METHOD_NOT_ALLOWED).field("Allow", "GET, HEAD").empty();
    }
    let Some(from) = exchange.peer().ip() else {
        return exchange.answer(StatusCode::FORBIDDEN).text("This is for peers with an address.\n");
    };
    let (now, random) = (exchange.registry().now(), exchange.registry().random());
    let query = request.target().query().unwrap_or_default();
    match app.as_mut().answer_http(request.path(), query, from, now, random) {
        Some(body) => {
            exchange.answer(StatusCode::OK).field("Content-Type", "text/plain").bytes(&body);
        }
        None => exchange.answer(StatusCode::NOT_FOUND).text("Nothing is here.\n"),
    }
}

/// Listens for peers that ask over UDP. Where it is bound to all addresses of a machine, the options should ask for
/// [`metadata`](DatagramOptions::metadata), so that answers come from the one that was asked.
///
/// # Errors
///
/// See [`OpenError`].
pub fn listen_udp<App: AsMut<Tracker> + 'static>(
    registry: &mut Registry<App>,
    address: Address,
    options: &DatagramOptions,
) -> Result<SocketId, OpenError> {
    registry.bind_datagram_with(address, options, Port)
}

/// The socket of a tracker.
struct Port;

impl<App: AsMut<Tracker>> DatagramProtocol<App> for Port {
    fn on_datagram(
        &mut self,
        socket: &mut DatagramTransport<'_, App>,
        datagram: &Datagram<'_>,
        app: &mut App,
    ) {
        let Some(from) = datagram.from.socket_addr() else {
            return;
        };
        let (now, random) = (socket.registry().now(), socket.registry().random());
        if let Some(reply) = app.as_mut().answer_udp(datagram.bytes, from, now, random) {
            // An answer that is lost is asked for again.
            let _ = socket.answer(datagram, &reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::torrent::wire::announce::{Answer, Event, Progress, parse_scrape};

    struct Scene {
        tracker: Tracker,
        now: Instant,
    }

    const ANN: [u8; 4] = [192, 0, 2, 1];
    const BOB: [u8; 4] = [192, 0, 2, 2];

    fn asks(port: u16) -> Announce {
        Announce {
            hash: [1; 20].into(),
            peer: [2; 20].into(),
            port,
            progress: Progress { left: 1, ..Progress::default() },
            event: Event::Started,
            want: None,
            key: 0,
        }
    }

    impl Scene {
        fn new(limits: TrackerLimits) -> Self {
            let now = Instant::now();
            Self { tracker: Tracker::with_secret(limits, [1, 2], now), now }
        }

        fn get(&mut self, from: [u8; 4], path: &str, query: &str) -> Vec<u8> {
            let answer = self.tracker.answer_http(path, query, from.into(), self.now, 0);
            answer.expect("something is there")
        }

        fn sends(&mut self, from: [u8; 4], transaction: u32, ask: Ask) -> Option<Body> {
            let datagram = udp::Request { transaction, ask }.write();
            let from = SocketAddr::from((from, 999));
            let reply = self.tracker.answer_udp(&datagram, from, self.now, 0)?;
            let reply = Reply::parse(&reply, Family::V4).expect("it is one");
            assert_eq!(reply.transaction, transaction);
            Some(reply.body)
        }

        fn connects(&mut self, from: [u8; 4]) -> u64 {
            match self.sends(from, 5, Ask::Connect) {
                Some(Body::Connected(id)) => id,
                other => panic!("no connection: {other:?}"),
            }
        }

        fn announces(&mut self, from: [u8; 4], connection: u64, port: u16) -> Option<Body> {
            self.sends(from, 6, Ask::Announce { connection, announce: asks(port) })
        }
    }

    #[test]
    fn peers_of_both_ways_hear_of_each_other() {
        let mut scene = Scene::new(TrackerLimits::default());
        let first = scene.get(ANN, "/announce", &(asks(10).query() + "&ip=203.0.113.9"));
        assert_eq!(Answer::parse(&first).map(|it| it.peers), Ok(vec![]));
        let connection = scene.connects(BOB);
        let Some(Body::Announced(second)) = scene.announces(BOB, connection, 11) else {
            panic!("it is refused")
        };
        assert_eq!(second.peers, [SocketAddr::from((ANN, 10))], "and not where it says it is");
        let third =
            Answer::parse(&scene.get(ANN, "/announce", &asks(10).query())).expect("it is one");
        assert_eq!(third.peers, [SocketAddr::from((BOB, 11))]);
        assert_eq!((third.seeders, third.leechers), (Some(0), Some(2)));

        let query = "info_hash=%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01%01";
        let counts = parse_scrape(&scene.get(ANN, "/scrape", query)).expect("it is one");
        assert_eq!(counts.first().map(|(_, counts)| counts.leechers), Some(2));
        let hashes = vec![[1; 20].into(), [9; 20].into()];
        let Some(Body::Scraped(counts)) = scene.sends(BOB, 7, Ask::Scrape { connection, hashes })
        else {
            panic!("it is refused")
        };
        assert_eq!(counts.iter().map(|it| it.leechers).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn who_does_not_receive_what_is_sent_to_its_address_gets_nothing_long() {
        let mut scene = Scene::new(TrackerLimits::default());
        let connection = scene.connects(ANN);
        assert!(matches!(scene.announces(BOB, connection, 10), Some(Body::Refused(_))));
        assert!(matches!(scene.announces(ANN, 0, 10), Some(Body::Refused(_))));
        let empty = Ask::Scrape { connection: 0, hashes: vec![] };
        assert_eq!(scene.sends(ANN, 7, empty), None, "a refusal would be longer");
        assert_eq!(scene.tracker.peers(), 0);
        scene.now += Duration::from_secs(120);
        assert!(matches!(scene.announces(ANN, connection, 10), Some(Body::Announced(_))));
        scene.now += Duration::from_secs(120);
        assert!(matches!(scene.announces(ANN, connection, 10), Some(Body::Refused(_))));
    }

    #[test]
    fn who_asks_too_much_is_refused_and_others_are_not() {
        let mut scene = Scene::new(TrackerLimits { per_second: 2, ..TrackerLimits::default() });
        let refused = |answer: &[u8]| answer.starts_with(b"d14:failure reason");
        let query = asks(10).query();
        let mut get = |from| refused(&scene.get(from, "/announce", &query));
        assert_eq!([get(ANN), get(ANN), get(ANN), get(BOB)], [false, false, true, false]);
    }

    #[test]
    fn a_refusal_says_why() {
        let mut scene = Scene::new(TrackerLimits { torrents: 0, ..TrackerLimits::default() });
        let reason = scene.get(ANN, "/announce", "port=1");
        assert_eq!(reason, b"d14:failure reason30:info_hash is missing, or wronge");
        assert!(
            scene
                .get(ANN, "/announce", &asks(1).query())
                .starts_with(b"d14:failure reason27:no room")
        );
        assert_eq!(scene.tracker.answer_http("/", "", ANN.into(), scene.now, 0), None);
        let connection = scene.connects(ANN);
        assert_eq!(scene.announces(ANN, connection, 0), Some(Body::Refused("no port".to_owned())));
        assert_eq!(scene.announces(ANN, connection, 1), Some(Body::Refused(NO_ROOM.to_owned())));
    }

    #[test]
    fn answers_fit_into_one_packet() {
        let limits = TrackerLimits { per_second: 1000, ..TrackerLimits::default() };
        let mut scene = Scene::new(limits);
        for port in 1..500 {
            scene.get(ANN, "/announce", &asks(port).query());
        }
        let connection = scene.connects(ANN);
        let announce = Announce { want: Some(u32::MAX), ..asks(1) };
        let datagram = udp::Request { transaction: 1, ask: Ask::Announce { connection, announce } };
        let from = SocketAddr::from((ANN, 999));
        let reply = scene.tracker.answer_udp(&datagram.write(), from, scene.now, 0);
        let length = reply.expect("it is answered").len();
        assert!((1000..=LONGEST_REPLY).contains(&length), "{length}");
    }

    proptest! {
        #[test]
        fn nobody_is_made_louder(datagram in proptest::collection::vec(any::<u8>(), 0..120), action in 0..4_u8) {
            let mut scene = Scene::new(TrackerLimits::default());
            let mut datagram = datagram;
            if datagram.len() >= 16 {
                datagram[..8].copy_from_slice(&0x0417_2710_1980_u64.to_be_bytes());
                datagram[8..12].copy_from_slice(&u32::from(action).to_be_bytes());
            }
            let from = SocketAddr::from((ANN, 999));
            let reply = scene.tracker.answer_udp(&datagram, from, scene.now, 0);
            prop_assert!(reply.is_none_or(|reply| reply.len() <= datagram.len()));
        }
    }
}
