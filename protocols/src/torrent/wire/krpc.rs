//! What nodes of the DHT say to each other (BEP 5; BEP 32, IPv6; BEP 42, the asker's address; BEP 43, nodes that only
//! ask): a datagram is a dictionary.
//!
//! ```text
//!   d1:ad2:id20:…6:target20:…e1:q9:find_node1:t4:…1:y1:qe      a question, under a number of the asker's
//!   d1:rd2:id20:…5:nodes208:…e1:t4:…1:y1:re                    its answer
//!   d1:eli203e8:protocole1:t4:…1:y1:ee                         or why there is none
//! ```

use std::net::SocketAddr;

use super::announce::{peers_v4, peers_v6, put_peer};
use super::bencode::{Dictionary, Document, Limits, Node, dictionary};
use super::node_id::NodeId;

/// A number of an asker longer than that is not sent back.
const LONGEST_NUMBER: usize = 16;
/// A proof (`token`) longer than that is nobody's.
const LONGEST_TOKEN: usize = 64;
/// Nodes and peers that are taken from one answer.
const NODES: usize = 32;
const PEERS: usize = 200;

/// A datagram may be nested so deep, and have so many values.
const LIMITS: Limits = Limits { bytes: 8 * 1024, depth: 8, values: 1_000 };

/// What one node says to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The asker's number of the question.
    pub number: Vec<u8>,
    /// What it says.
    pub says: Says,
    /// Where the answer goes, as who answers sees it (BEP 42).
    pub ip: Option<SocketAddr>,
    /// Who asks takes no questions (BEP 43).
    pub read_only: bool,
    /// Of which kind nodes in the answer are to be (BEP 32).
    pub want: Want,
}

/// Which nodes who asks wants to hear of (BEP 32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// Those of IPv4 if it asks from an address of that, else those of IPv6.
    #[default]
    Usual,
    /// Those that it names.
    Only {
        /// Nodes of IPv4.
        v4: bool,
        /// Nodes of IPv6.
        v6: bool,
    },
}

/// What a datagram says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// A question of this node.
    Query(NodeId, Query),
    /// An answer.
    Response(Response),
    /// There is no answer: this number, which is one of those in [`error`].
    Error(i64),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Are you there?
    Ping,
    /// Whom do you know who is near this?
    FindNode(NodeId),
    /// Who shares this torrent, or who is near it?
    GetPeers(NodeId),
    /// The asker shares this torrent.
    AnnouncePeer {
        /// Which.
        hash: NodeId,
        /// Where it listens; `None` is the port that it asks from.
        port: Option<u16>,
        /// What it was given when it asked who does.
        token: Vec<u8>,
    },
    /// Something else. If it names a target, that is asked for.
    Unknown(Option<NodeId>),
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Who answers.
    pub id: NodeId,
    /// Others, nearer to what was asked for.
    pub nodes: Vec<(NodeId, SocketAddr)>,
    /// Who shares the torrent.
    pub peers: Vec<SocketAddr>,
    /// What has to be said by who says that it shares the torrent, too.
    pub token: Option<Vec<u8>>,
}

/// Why there is no answer.
pub mod error {
    /// Too much is asked, or there is no room.
    pub const SERVER: i64 = 202;
    /// The question makes no sense.
    pub const PROTOCOL: i64 = 203;
    /// Nobody knows the question.
    pub const METHOD: i64 = 204;
}

impl Packet {
    /// A packet without what is beside it.
    #[must_use]
    pub fn new(number: Vec<u8>, says: Says) -> Self {
        Self { number, says, ip: None, read_only: false, want: Want::Usual }
    }

    /// Reads one; `None` if it is none.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        // Some put something behind it.
        let (document, _) = Document::parse_prefix(datagram, &LIMITS).ok()?;
        let root = document.root();
        let number = bytes(root, "t").filter(|number| number.len() <= LONGEST_NUMBER)?.to_vec();
        let says = match bytes(root, "y")? {
            b"q" => query(root)?,
            b"r" => Says::Response(response(root.get("r")?)?),
            b"e" => {
                let code = root.get("e").and_then(|error| error.items().next());
                Says::Error(code.and_then(Node::integer).unwrap_or_default())
            }
            _ => return None,
        };
        let ip = bytes(root, "ip").and_then(|ip| match ip.len() {
            6 => peers_v4(ip).next(),
            _ => peers_v6(ip).next(),
        });
        let read_only = root.get("ro").and_then(Node::integer) == Some(1);
        let want = root.get("a").and_then(|arguments| arguments.get("want"));
        Some(Self { number, says, ip, read_only, want: want.map_or(Want::Usual, Want::read) })
    }

    /// The bytes of it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut ip = Vec::new();
        self.ip.into_iter().for_each(|at| put_peer(&mut ip, at));
        dictionary(|root| {
            if let Says::Query(id, query) = &self.says {
                root.dictionary("a", |arguments| query.write(*id, self.want, arguments));
            }
            if let Says::Error(code) = self.says {
                root.list("e", |error| {
                    error.integer(code);
                    error.bytes(match code {
                        error::SERVER => "there is no room",
                        error::METHOD => "nobody knows this question",
                        _ => "it makes no sense",
                    });
                });
            }
            if !ip.is_empty() {
                root.bytes("ip", &ip);
            }
            let kind = match &self.says {
                Says::Query(_, query) => {
                    root.bytes("q", query.name());
                    "q"
                }
                Says::Response(response) => {
                    root.dictionary("r", |said| response.write(said));
                    "r"
                }
                Says::Error(_) => "e",
            };
            if self.read_only {
                root.integer("ro", 1);
            }
            root.bytes("t", &self.number);
            root.bytes("y", kind);
        })
    }
}

fn bytes<'d>(of: Node<'d>, key: &str) -> Option<&'d [u8]> {
    of.get(key).and_then(Node::bytes)
}

fn id(of: Node<'_>, key: &str) -> Option<NodeId> {
    bytes(of, key).and_then(|id| id.try_into().ok()).map(NodeId::new)
}

fn query(root: Node<'_>) -> Option<Says> {
    let arguments = root.get("a")?;
    let port = || {
        let is_implied =
            arguments.get("implied_port").and_then(Node::integer).is_some_and(|it| it > 0);
        let port = arguments.get("port").and_then(Node::unsigned);
        match port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) {
            _ if is_implied => Some(None),
            port => port.map(Some),
        }
    };
    let query = match bytes(root, "q")? {
        b"ping" => Query::Ping,
        b"find_node" => Query::FindNode(id(arguments, "target")?),
        b"get_peers" => Query::GetPeers(id(arguments, "info_hash")?),
        b"announce_peer" => Query::AnnouncePeer {
            hash: id(arguments, "info_hash")?,
            port: port()?,
            token: bytes(arguments, "token")?.to_vec(),
        },
        _ => Query::Unknown(id(arguments, "target").or_else(|| id(arguments, "info_hash"))),
    };
    Some(Says::Query(id(arguments, "id")?, query))
}

fn response(said: Node<'_>) -> Option<Response> {
    let list = |key| bytes(said, key).unwrap_or_default();
    let v4 = list("nodes").as_chunks::<26>().0.iter().filter_map(|node| one_node(node, 4));
    let v6 = list("nodes6").as_chunks::<38>().0.iter().filter_map(|node| one_node(node, 6));
    let peers = said.get("values").into_iter().flat_map(Node::items).filter_map(Node::bytes);
    let peers = peers.filter_map(|peer| match peer.len() {
        6 => peers_v4(peer).next(),
        18 => peers_v6(peer).next(),
        _ => None,
    });
    Some(Response {
        id: id(said, "id")?,
        nodes: v4.chain(v6).take(NODES).collect(),
        peers: peers.take(PEERS).collect(),
        token: bytes(said, "token")
            .filter(|token| token.len() <= LONGEST_TOKEN)
            .map(<[u8]>::to_vec),
    })
}

fn one_node(node: &[u8], family: u8) -> Option<(NodeId, SocketAddr)> {
    let (id, at) = node.split_first_chunk::<20>()?;
    let at = if family == 4 { peers_v4(at).next() } else { peers_v6(at).next() };
    Some((NodeId::new(*id), at?))
}

impl Query {
    fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Unknown(_) => "unknown",
            Self::FindNode(_) => "find_node",
            Self::GetPeers(_) => "get_peers",
            Self::AnnouncePeer { .. } => "announce_peer",
        }
    }

    fn write(&self, id: NodeId, want: Want, arguments: &mut Dictionary<'_>) {
        arguments.bytes("id", id.as_bytes());
        match self {
            Self::Ping | Self::Unknown(_) => {}
            Self::FindNode(target) => {
                arguments.bytes("target", target.as_bytes());
                want.write(arguments);
            }
            Self::GetPeers(hash) => {
                arguments.bytes("info_hash", hash.as_bytes());
                want.write(arguments);
            }
            Self::AnnouncePeer { hash, port, token } => {
                arguments.integer("implied_port", i64::from(port.is_none()));
                arguments.bytes("info_hash", hash.as_bytes());
                arguments.integer("port", i64::from(port.unwrap_or(1)));
                arguments.bytes("token", token);
            }
        }
    }
}

impl Want {
    /// Whether nodes of IPv4 are wanted, or of IPv6, by who asks from an address of one of them.
    #[must_use]
    pub fn includes(self, is_v6: bool, asks_from_v6: bool) -> bool {
        match self {
            Self::Usual => is_v6 == asks_from_v6,
            Self::Only { v4, v6 } => {
                if is_v6 {
                    v6
                } else {
                    v4
                }
            }
        }
    }

    /// What else may be in the list is passed over.
    fn read(list: Node<'_>) -> Self {
        let has = |what: &[u8]| list.items().filter_map(Node::bytes).any(|it| it == what);
        match (has(b"n4"), has(b"n6")) {
            (false, false) => Self::Usual,
            (v4, v6) => Self::Only { v4, v6 },
        }
    }

    fn write(self, arguments: &mut Dictionary<'_>) {
        if let Self::Only { v4, v6 } = self {
            let wanted = [("n4", v4), ("n6", v6)].into_iter().filter(|(_, is_wanted)| *is_wanted);
            arguments.list("want", |list| wanted.for_each(|(what, _)| list.bytes(what)));
        }
    }
}

impl Response {
    fn write(&self, said: &mut Dictionary<'_>) {
        said.bytes("id", self.id.as_bytes());
        let nodes = |is_v6: bool| {
            let mut list = Vec::new();
            for (id, at) in self.nodes.iter().filter(|(_, at)| at.is_ipv6() == is_v6) {
                list.extend_from_slice(id.as_bytes());
                put_peer(&mut list, *at);
            }
            list
        };
        for (key, list) in [("nodes", nodes(false)), ("nodes6", nodes(true))] {
            if !list.is_empty() {
                said.bytes(key, list);
            }
        }
        self.token.iter().for_each(|token| said.bytes("token", token));
        if !self.peers.is_empty() {
            said.list("values", |values| {
                for peer in &self.peers {
                    let mut bytes = Vec::new();
                    put_peer(&mut bytes, *peer);
                    values.bytes(bytes);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_id() -> impl Strategy<Value = NodeId> {
        any::<[u8; 20]>().prop_map(NodeId::new)
    }

    fn any_place() -> impl Strategy<Value = SocketAddr> {
        let v4 = (1_u8..=223, any::<[u8; 3]>(), 1_u16..)
            .prop_map(|(a, [b, c, d], port)| ([a, b, c, d], port).into());
        let v6 = (any::<[u16; 7]>(), 1_u16..)
            .prop_map(|([a, b, c, d, e, f, g], port)| ([0x2001, a, b, c, d, e, f, g], port).into());
        prop_oneof![v4, v6]
    }

    fn any_packet() -> impl Strategy<Value = Packet> {
        let token = || prop::collection::vec(any::<u8>(), 0..20);
        let query = prop_oneof![
            Just(Query::Ping),
            any_id().prop_map(Query::FindNode),
            any_id().prop_map(Query::GetPeers),
            (any_id(), proptest::option::of(1_u16..), token())
                .prop_map(|(hash, port, token)| Query::AnnouncePeer { hash, port, token }),
        ];
        let nodes = prop::collection::vec((any_id(), any_place()), 0..8).prop_map(|mut nodes| {
            // As they stand in the answer: those with IPv4 first.
            nodes.sort_by_key(|(_, at)| at.is_ipv6());
            nodes
        });
        let peers = prop::collection::vec(any_place(), 0..8);
        let response = (any_id(), nodes, peers, proptest::option::of(token()))
            .prop_map(|(id, nodes, peers, token)| Response { id, nodes, peers, token });
        let says = prop_oneof![
            (any_id(), query).prop_map(|(id, query)| Says::Query(id, query)),
            response.prop_map(Says::Response),
            any::<i64>().prop_map(Says::Error),
        ];
        let number = prop::collection::vec(any::<u8>(), 0..LONGEST_NUMBER);
        let want = prop_oneof![
            Just(Want::Usual),
            Just(Want::Only { v4: true, v6: false }),
            Just(Want::Only { v4: false, v6: true }),
            Just(Want::Only { v4: true, v6: true }),
        ];
        (number, says, proptest::option::of(any_place()), any::<bool>(), want).prop_map(
            |(number, says, ip, read_only, want)| {
                // Nothing else has an answer with nodes.
                let want = match &says {
                    Says::Query(_, Query::FindNode(_) | Query::GetPeers(_)) => want,
                    _ => Want::Usual,
                };
                Packet { number, says, ip, read_only, want }
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(packet in any_packet()) {
            prop_assert_eq!(Packet::parse(&packet.write()), Some(packet));
        }

        #[test]
        fn any_datagram_is_one_or_not(
            bytes in prop::collection::vec(any::<u8>(), 0..200), packet in any_packet(), at: usize, byte: u8,
        ) {
            let _ = Packet::parse(&bytes);
            let mut bytes = packet.write();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Packet::parse(&bytes);
            let _ = Packet::parse(&bytes[..at]);
        }
    }

    #[test]
    fn the_specifications_own_examples_are_read() {
        let (asker, target) =
            (NodeId::new(*b"abcdefghij0123456789"), NodeId::new(*b"mnopqrstuvwxyz123456"));
        for (text, query) in [
            ("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", Query::Ping),
            (
                "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
                Query::FindNode(target),
            ),
            (
                "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
                Query::GetPeers(target),
            ),
            (
                "d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
                Query::AnnouncePeer { hash: target, port: None, token: b"aoeusnth".to_vec() },
            ),
        ] {
            let packet = Packet::new(b"aa".to_vec(), Says::Query(asker, query));
            assert_eq!(Packet::parse(text.as_bytes()), Some(packet), "{text}");
        }
        let text = b"d1:rd2:id20:mnopqrstuvwxyz1234565:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re";
        let Some(Packet { says: Says::Response(response), .. }) = Packet::parse(text) else {
            panic!("it is one");
        };
        assert_eq!((response.id, response.peers.len()), (target, 2));
        let text = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee";
        assert_eq!(Packet::parse(text).map(|it| it.says), Some(Says::Error(201)));
    }

    #[test]
    fn nodes_are_wanted_of_one_kind_or_of_both_and_what_else_is_wanted_is_passed_over() {
        let both = Want::Only { v4: true, v6: true };
        for (list, want, from_v4) in [
            ("", Want::Usual, [true, false]),
            ("4:wantl2:n4e", Want::Only { v4: true, v6: false }, [true, false]),
            ("4:wantl2:n6e", Want::Only { v4: false, v6: true }, [false, true]),
            ("4:wantl2:n42:n6e", both, [true, true]),
            ("4:wantl2:n62:n72:n4e", both, [true, true]),
            ("4:wantl2:n7i6ee", Want::Usual, [true, false]),
            ("4:want2:n6", Want::Usual, [true, false]),
        ] {
            let text = format!(
                "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456{list}e1:q9:find_node1:t2:aa1:y1:qe"
            );
            let packet = Packet::parse(text.as_bytes()).expect("it is one");
            assert_eq!(packet.want, want, "{list}");
            assert_eq!([false, true].map(|is_v6| want.includes(is_v6, false)), from_v4);
        }
        assert!(Want::Usual.includes(true, true) && !Want::Usual.includes(false, true));
    }

    #[test]
    fn a_question_without_what_it_needs_is_none() {
        for text in [
            "d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe",
            "d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe",
            "d1:q4:ping1:t2:aa1:y1:qe",
            "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:y1:qe",
            "d1:rd2:id3:abce1:t2:aa1:y1:re",
            "d1:t2:aa1:y1:xe",
        ] {
            assert_eq!(Packet::parse(text.as_bytes()), None, "{text}");
        }
    }
}
