//! What a peer asks a tracker, and what that answers, over HTTP (BEP 3, 7, 23, 48).
//!
//! ```text
//!   GET /announce?info_hash=%C3%…&peer_id=-MI0100-…&port=6881&left=0&event=started&compact=1
//!       d8:completei1e10:incompletei0e8:intervali1800e5:peers6:…6:peers618:…e
//!   GET /scrape?info_hash=%C3%…
//!       d5:filesd20:…d8:completei1e10:downloadedi4e10:incompletei0eeee
//! ```
//!
//! The same question has another form over UDP: see [`udp`](super::udp).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use thiserror::Error;

use super::bencode::{Document, Limits, NoBencode, Node, dictionary};
use super::{InfoHash, PeerId};

/// What an announce says of a peer and its torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub hash: InfoHash,
    /// The peer.
    pub peer: PeerId,
    /// Where it listens; its address is that which the tracker sees.
    pub port: u16,
    /// What has become of it so far.
    pub progress: Progress,
    /// Why it asks now.
    pub event: Event,
    /// How many peers it wants; `None` leaves that to the tracker.
    pub want: Option<u32>,
    /// By which it is known when its address changes: random, and nobody else's business.
    pub key: u32,
}

/// Bytes since the start, and those that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sent to peers.
    pub uploaded: u64,
    /// Had from peers.
    pub downloaded: u64,
    /// Missing: zero for a seed.
    pub left: u64,
}

/// Why an announce is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Event {
    /// It is time again.
    #[default]
    Regular,
    /// It begins.
    Started,
    /// The last piece has come.
    Completed,
    /// It ends.
    Stopped,
}

/// What a tracker answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// When it wants to be asked again.
    pub interval: Duration,
    /// How soon it may be asked at the earliest.
    pub least_interval: Option<Duration>,
    /// Peers that have everything, if it counts them.
    pub seeders: Option<u32>,
    /// Those that do not.
    pub leechers: Option<u32>,
    /// Some of them.
    pub peers: Vec<SocketAddr>,
    /// What its users should know.
    pub warning: Option<String>,
}

/// How many peers a torrent has (BEP 48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that have everything.
    pub seeders: u32,
    /// How many have ever completed it.
    pub completed: u32,
    /// Those that have not.
    pub leechers: u32,
}

/// The query is no announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoAnnounce {
    /// A parameter is not there, or is none.
    #[error("{0} is missing, or wrong")]
    Parameter(&'static str),
}

/// Why an answer brings no peers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// The tracker says that it will not, and why.
    #[error("the tracker refuses: {0}")]
    Refused(String),
    /// It is not bencode.
    #[error("the tracker's answer makes no sense: {0}")]
    Bencode(NoBencode),
    /// It lacks what has to be there.
    #[error("the tracker's answer has no usable `{0}`")]
    Missing(&'static str),
}

/// Peers that are taken from one answer. Trackers send 50 when they are not asked for more.
const MOST_PEERS: usize = 2000;

/// The longest text that is taken from a tracker.
const LONGEST_TEXT: usize = 256;

/// What may stand in a query as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Event {
    /// As queries have it.
    fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Regular => None,
            Self::Started => Some("started"),
            Self::Completed => Some("completed"),
            Self::Stopped => Some("stopped"),
        }
    }
}

impl Announce {
    /// The query of the request.
    #[must_use]
    pub fn query(&self) -> String {
        let Progress { uploaded, downloaded, left } = self.progress;
        let mut query = format!(
            "{}&peer_id={}&port={}&uploaded={uploaded}&downloaded={downloaded}&left={left}\
             &compact=1&key={:08X}",
            scrape_query(self.hash),
            percent_encode(self.peer.as_bytes(), ENCODED),
            self.port,
            self.key,
        );
        if let Some(event) = self.event.as_str() {
            query.push_str("&event=");
            query.push_str(event);
        }
        if let Some(want) = self.want {
            query.push_str(&format!("&numwant={want}"));
        }
        query
    }

    /// Reads the query of a request. What an `ip` in it says is not believed.
    ///
    /// # Errors
    ///
    /// [`NoAnnounce`], with the name of what is wrong.
    pub fn parse_query(query: &str) -> Result<Self, NoAnnounce> {
        let number = |key: &'static str| match parameter(query, key) {
            Some(text) => text.parse::<i64>().map_err(|_| NoAnnounce::Parameter(key)),
            None => Ok(0),
        };
        // Some say -1 for what they do not know.
        let amount = |key| number(key).map(|it| u64::try_from(it).unwrap_or(0));
        let port = parameter(query, "port").and_then(|port| port.parse().ok());
        let peer = bytes(query, "peer_id").and_then(|id| <[u8; 20]>::try_from(id).ok());
        // Without it the peer still needs something.
        let left = if parameter(query, "left").is_some() { amount("left")? } else { u64::MAX };
        Ok(Self {
            hash: hashes(query).next().ok_or(NoAnnounce::Parameter("info_hash"))?,
            peer: peer.ok_or(NoAnnounce::Parameter("peer_id"))?.into(),
            port: port.filter(|port| *port > 0).ok_or(NoAnnounce::Parameter("port"))?,
            progress: Progress {
                uploaded: amount("uploaded")?,
                downloaded: amount("downloaded")?,
                left,
            },
            event: match parameter(query, "event").unwrap_or_default() {
                "started" => Event::Started,
                "completed" => Event::Completed,
                "stopped" => Event::Stopped,
                // Others are made up, "paused" of BEP 21 among them: it is time again.
                _ => Event::Regular,
            },
            want: parameter(query, "numwant").and_then(|want| want.parse().ok()),
            key: parameter(query, "key")
                .and_then(|key| u32::from_str_radix(key, 16).ok())
                .unwrap_or(0),
        })
    }
}

impl Answer {
    /// Reads the body of an answer.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`]: a refusal is one of them.
    pub fn parse(text: &[u8]) -> Result<Self, NoAnswer> {
        let (document, _) =
            Document::parse_prefix(text, &Limits::default()).map_err(NoAnswer::Bencode)?;
        let root = document.root();
        if let Some(reason) = root.get("failure reason") {
            return Err(NoAnswer::Refused(short_text(reason)));
        }
        let seconds = |key| root.get(key).and_then(Node::unsigned).map(Duration::from_secs);
        let count =
            |key| root.get(key).and_then(Node::unsigned).and_then(|it| u32::try_from(it).ok());
        Ok(Self {
            interval: seconds("interval").ok_or(NoAnswer::Missing("interval"))?,
            least_interval: seconds("min interval"),
            seeders: count("complete"),
            leechers: count("incomplete"),
            peers: peers(root),
            warning: root.get("warning message").map(short_text),
        })
    }

    /// The body of an answer.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let (mut peers, mut peers6) = (Vec::new(), Vec::new());
        for peer in &self.peers {
            put_peer(if peer.is_ipv4() { &mut peers } else { &mut peers6 }, *peer);
        }
        dictionary(|answer| {
            if let Some(seeders) = self.seeders {
                answer.integer("complete", seeders.into());
            }
            if let Some(leechers) = self.leechers {
                answer.integer("incomplete", leechers.into());
            }
            answer.integer("interval", seconds(self.interval));
            if let Some(least) = self.least_interval {
                answer.integer("min interval", seconds(least));
            }
            answer.bytes("peers", peers);
            if !peers6.is_empty() {
                answer.bytes("peers6", peers6);
            }
            if let Some(warning) = &self.warning {
                answer.bytes("warning message", warning);
            }
        })
    }
}

/// The body of an answer that is a refusal.
#[must_use]
pub fn refusal(reason: &str) -> Vec<u8> {
    dictionary(|answer| answer.bytes("failure reason", reason))
}

/// The torrents that a query asks about.
pub fn hashes(query: &str) -> impl Iterator<Item = InfoHash> {
    parameters(query)
        .filter(|(key, _)| *key == "info_hash")
        .filter_map(|(_, value)| InfoHash::try_from(&*decoded(value)).ok())
}

/// The query that asks about a torrent (BEP 48).
#[must_use]
pub fn scrape_query(hash: InfoHash) -> String {
    format!("info_hash={}", percent_encode(hash.as_bytes(), ENCODED))
}

/// Reads what a tracker says of torrents (BEP 48).
///
/// # Errors
///
/// [`NoAnswer`]: a refusal is one of them.
pub fn parse_scrape(text: &[u8]) -> Result<Vec<(InfoHash, Counts)>, NoAnswer> {
    let (document, _) =
        Document::parse_prefix(text, &Limits::default()).map_err(NoAnswer::Bencode)?;
    let root = document.root();
    if let Some(reason) = root.get("failure reason") {
        return Err(NoAnswer::Refused(short_text(reason)));
    }
    let files = root.get("files").ok_or(NoAnswer::Missing("files"))?;
    let counts = |file: Node<'_>| {
        let count = |key| {
            let count = file.get(key).and_then(Node::unsigned).unwrap_or(0);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Counts {
            seeders: count("complete"),
            completed: count("downloaded"),
            leechers: count("incomplete"),
        }
    };
    let known = files.entries().filter_map(|(key, file)| Some((hash_of(key)?, counts(file))));
    Ok(known.collect())
}

/// A hash, also if its bytes were taken for letters of Latin-1 and written as UTF-8: npm's bittorrent-tracker (9.19) does.
fn hash_of(key: &[u8]) -> Option<InfoHash> {
    let as_letters = || {
        let letters = std::str::from_utf8(key).ok()?.chars().take(21);
        letters.map(|letter| u8::try_from(letter).ok()).collect::<Option<Vec<u8>>>()
    };
    key.try_into().ok().or_else(|| as_letters()?.as_slice().try_into().ok())
}

/// What a tracker says of torrents.
#[must_use]
pub fn write_scrape(mut torrents: Vec<(InfoHash, Counts)>) -> Vec<u8> {
    torrents.sort_by_key(|(hash, _)| *hash);
    torrents.dedup_by_key(|(hash, _)| *hash);
    dictionary(|answer| {
        answer.dictionary("files", |files| {
            for (hash, counts) in torrents {
                files.dictionary(hash.as_bytes(), |file| {
                    file.integer("complete", counts.seeders.into());
                    file.integer("downloaded", counts.completed.into());
                    file.integer("incomplete", counts.leechers.into());
                });
            }
        });
    })
}

/// Where a tracker is asked about torrents, if that can be known from where it is announced to: the last part of the
/// path begins with `announce` (BEP 48).
#[must_use]
pub fn scrape_url(announce: &str) -> Option<String> {
    let (path, query) = announce.split_at(announce.find('?').unwrap_or(announce.len()));
    let (front, last) = path.rsplit_once('/')?;
    Some(format!("{front}/scrape{}{query}", last.strip_prefix("announce")?))
}

/// As compact lists have it: 6 bytes, or 18 (BEP 23, BEP 7).
pub fn put_peer(list: &mut Vec<u8>, peer: SocketAddr) {
    match peer.ip() {
        IpAddr::V4(ip) => list.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => list.extend_from_slice(&ip.octets()),
    }
    list.extend_from_slice(&peer.port().to_be_bytes());
}

/// Reads a compact list of IPv4 peers; a rest at its end is none.
pub fn peers_v4(list: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let peer = |[a, b, c, d, high, low]: &[u8; 6]| {
        SocketAddr::from((Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low])))
    };
    list.as_chunks().0.iter().map(peer).filter(is_a_place)
}

/// Reads a compact list of IPv6 peers; a rest at its end is none, and neither is an address of IPv4 in the form of IPv6
/// (`::ffff:192.0.2.1`), where no socket of IPv6 alone can send anything.
pub fn peers_v6(list: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let peer = |peer: &[u8; 18]| {
        let (ip, port) = (peer.first_chunk::<16>()?, peer.last_chunk::<2>()?);
        let ip = Some(Ipv6Addr::from(*ip)).filter(|ip| ip.to_ipv4_mapped().is_none())?;
        Some(SocketAddr::from((ip, u16::from_be_bytes(*port))))
    };
    list.as_chunks().0.iter().filter_map(peer).filter(is_a_place)
}

/// Where nobody can be.
fn is_a_place(peer: &SocketAddr) -> bool {
    peer.port() > 0 && !peer.ip().is_unspecified() && !peer.ip().is_multicast()
}

/// Both lists, or the dictionaries that there were before.
fn peers(root: Node<'_>) -> Vec<SocketAddr> {
    let list = root.get("peers");
    let compact = |key| root.get(key).and_then(Node::bytes).unwrap_or_default();
    let named = list.into_iter().flat_map(Node::items).filter_map(|peer| {
        let ip = peer.get("ip")?.text()?.parse::<IpAddr>().ok()?;
        let port = u16::try_from(peer.get("port")?.unsigned()?).ok()?;
        Some(SocketAddr::new(ip, port)).filter(is_a_place)
    });
    peers_v4(compact("peers"))
        .chain(peers_v6(compact("peers6")))
        .chain(named)
        .take(MOST_PEERS)
        .collect()
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|it| it.split_once('='))
}

fn parameter<'q>(query: &'q str, key: &str) -> Option<&'q str> {
    parameters(query).find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn bytes(query: &str, key: &str) -> Option<Vec<u8>> {
    parameter(query, key).map(decoded)
}

/// A plus is a plus: these are bytes, and not a form's text.
fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

fn short_text(node: Node<'_>) -> String {
    let text = node.bytes().unwrap_or(b"it does not say why");
    String::from_utf8_lossy(text.get(..LONGEST_TEXT).unwrap_or(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn announce() -> Announce {
        Announce {
            hash: InfoHash::from(*b"\x00\x01 %&+=?ABCab~._-\xfe\xff\n"),
            peer: PeerId::from(*b"-MI0100-\x80 + % & = ?\0"),
            port: 6881,
            progress: Progress { uploaded: 1, downloaded: 2, left: 3 },
            event: Event::Started,
            want: Some(80),
            key: 0x1234_abcd,
        }
    }

    fn answer(text: &[u8]) -> Result<Answer, NoAnswer> {
        Answer::parse(text)
    }

    #[test]
    fn a_query_is_bytes_and_read_as_it_was_written() {
        let query = announce().query();
        assert!(
            query.starts_with("info_hash=%00%01%20%25%26%2B%3D%3FABCab~._-%FE%FF%0A&peer_id="),
            "{query}"
        );
        assert!(query.ends_with("&compact=1&key=1234ABCD&event=started&numwant=80"), "{query}");
        assert_eq!(Announce::parse_query(&query), Ok(announce()));
    }

    #[test]
    fn other_peoples_queries_are_read() {
        // aria2 1.36: lower-case escapes, and a key that is no number.
        let aria2 = "info_hash=%c4%06%0Aaaaaaaaaaaaaaaaaa&peer_id=A2-1-36-0-%d7%e2%99%cb%be%8a%dd%98%ae%26\
                     &uploaded=0&downloaded=0&left=700&compact=1&key=A2%d7%e2&numwant=50&no_peer_id=1&port=6881\
                     &event=started&supportcrypto=1";
        let read = Announce::parse_query(aria2).expect("it is one");
        let told = (read.port, read.progress.left, read.event, read.want);
        assert_eq!(told, (6881, 700, Event::Started, Some(50)));
        let short = aria2.replacen("%0A", "", 1);
        assert_eq!(Announce::parse_query(&short), Err(NoAnnounce::Parameter("info_hash")));
        let least = format!("info_hash={0}&peer_id={0}&port=1", "a".repeat(20));
        let read = Announce::parse_query(&least).expect("it is one");
        assert_eq!((read.progress.left, read.event, read.want), (u64::MAX, Event::Regular, None));
    }

    #[test]
    fn what_is_missing_in_a_query_is_named() {
        let whole = announce().query();
        for key in ["info_hash", "peer_id", "port"] {
            let without = whole.replacen(&format!("{key}="), "x=", 1);
            assert_eq!(Announce::parse_query(&without), Err(NoAnnounce::Parameter(key)));
        }
        for (from, to, key) in [
            ("port=6881", "port=0", "port"),
            ("port=6881", "port=65536", "port"),
            ("left=3", "left=x", "left"),
            ("uploaded=1", "uploaded=99999999999999999999", "uploaded"),
        ] {
            let wrong = whole.replacen(from, to, 1);
            assert_eq!(Announce::parse_query(&wrong), Err(NoAnnounce::Parameter(key)), "{to}");
        }
        assert_eq!(
            Announce::parse_query(&whole.replacen("left=3", "left=-1", 1))
                .map(|it| it.progress.left),
            Ok(0)
        );
    }

    #[test]
    fn an_answer_has_peers_of_both_families() {
        let peers =
            ["192.0.2.1:6881", "[2001:db8::1]:6882"].map(|it| it.parse().expect("an address"));
        let told = Answer {
            interval: Duration::from_secs(1800),
            least_interval: Some(Duration::from_secs(60)),
            seeders: Some(1),
            leechers: Some(0),
            peers: peers.to_vec(),
            warning: Some("soon".to_owned()),
        };
        let text = told.write();
        assert!(text.starts_with(b"d8:completei1e10:incompletei0e8:intervali1800e12:min intervali60e5:peers6:\xc0\0\x02\x01\x1a\xe1"));
        assert_eq!(answer(&text), Ok(told));
    }

    #[test]
    fn answers_of_others_are_read() {
        let old = b"d8:intervali60e5:peersld2:ip9:192.0.2.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1eed2:ip4:host4:porti2eeee";
        assert_eq!(
            answer(old).map(|it| it.peers),
            Ok(vec!["192.0.2.1:1".parse().expect("an address")])
        );
        // Nobody is at port 0, at 0.0.0.0, or in half an entry.
        let odd = b"d8:intervali60e5:peers20:\xc0\0\x02\x01\0\0\0\0\0\0\x1a\xe1\xc0\0\x02\x02\0\x01\xff\xffe";
        assert_eq!(
            answer(odd).map(|it| it.peers),
            Ok(vec!["192.0.2.2:1".parse().expect("an address")])
        );
        // Of IPv4 in the form of IPv6 there is nobody either.
        let mapped = b"d8:intervali60e6:peers618:\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\0\x01e";
        assert_eq!(answer(mapped).map(|it| it.peers), Ok(Vec::new()));
        let many = dictionary(|answer| {
            answer.integer("interval", 60);
            answer.bytes("peers", [192, 0, 2, 1, 0, 1].repeat(10_000));
        });
        assert_eq!(answer(&many).map(|it| it.peers.len()), Ok(MOST_PEERS));
    }

    #[test]
    fn a_refusal_is_told_and_nonsense_is_an_error() {
        assert_eq!(answer(&refusal("not here")), Err(NoAnswer::Refused("not here".to_owned())));
        assert_eq!(answer(b"de"), Err(NoAnswer::Missing("interval")));
        assert_eq!(answer(b"d8:intervali-1ee"), Err(NoAnswer::Missing("interval")));
        assert_eq!(answer(b"<html>"), Err(NoAnswer::Bencode(NoBencode::Unexpected { at: 0 })));
        let long = refusal(&"é".repeat(1000));
        assert!(matches!(answer(&long), Err(NoAnswer::Refused(why)) if why.len() < 300));
    }

    #[test]
    fn a_scrape_tells_of_several_torrents() {
        let counts = Counts { seeders: 1, completed: 2, leechers: 3 };
        let torrents = vec![([1; 20].into(), counts), ([0; 20].into(), Counts::default())];
        let text = write_scrape(torrents.clone());
        let mut read = parse_scrape(&text).expect("it is one");
        read.reverse();
        assert_eq!(read, torrents);
        assert_eq!(parse_scrape(b"de"), Err(NoAnswer::Missing("files")));
        // The bytes 128 to 147, taken for letters.
        let letters: String = (128..148).map(char::from).collect();
        let text = format!("d5:filesd40:{letters}d8:completei7eeee");
        let hash = InfoHash::from(std::array::from_fn(|at| 128 + at as u8));
        let counts = Counts { seeders: 7, ..Counts::default() };
        assert_eq!(parse_scrape(text.as_bytes()), Ok(vec![(hash, counts)]));
        let asked = format!(
            "info_hash={}&x=1&info_hash=short&info_hash={}",
            "a".repeat(20),
            "b".repeat(20)
        );
        assert_eq!(hashes(&asked).count(), 2);
    }

    #[test]
    fn a_scrape_goes_where_the_announce_goes() {
        for (announce, scrape) in [
            ("http://h/announce", Some("http://h/scrape")),
            ("http://h/x/announce.php?key=a/b", Some("http://h/x/scrape.php?key=a/b")),
            ("http://h/a", None),
            ("http://h/announce/x", None),
        ] {
            assert_eq!(scrape_url(announce).as_deref(), scrape);
        }
    }

    proptest! {
        #[test]
        fn any_query_is_an_announce_or_not(query in "(info_hash|peer_id|port|left|event|[=&%0-9a-f]){0,30}") {
            let _ = Announce::parse_query(&query);
            let _ = hashes(&query).count();
        }

        #[test]
        fn whatever_is_asked_is_read_so(
            hash in any::<[u8; 20]>(), peer in any::<[u8; 20]>(), port in 1..=u16::MAX, key in any::<u32>(),
            left in 0..i64::MAX as u64,
        ) {
            let asked = Announce {
                hash: hash.into(), peer: peer.into(), port, key, want: None, event: Event::Regular,
                progress: Progress { left, ..Progress::default() },
            };
            prop_assert_eq!(Announce::parse_query(&asked.query()), Ok(asked));
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = answer(&[b"d8:intervali60e5:peers".as_slice(), &text].concat());
            let _ = parse_scrape(&text);
        }
    }
}
