//! What rides on the messages of peers: the handshake of extensions (BEP 10, BEP 21), the info dictionary for those
//! who come with a magnet link (BEP 9), and addresses of other peers (BEP 11).
//!
//! Each side gives the extensions numbers of its own, and the other uses those: a message is read by our numbers, and
//! written with the peer's.

use std::net::SocketAddr;

use super::announce::{peers_v4, peers_v6, put_peer};
use super::bencode::{Document, Limits, NoBencode, Node, dictionary};

/// The number of the handshake of extensions, for everybody.
pub const HANDSHAKE: u8 = 0;
/// Our number of `ut_metadata`.
pub const METADATA: u8 = 2;
/// Our number of `ut_pex`.
pub const PEX: u8 = 1;

/// Bytes of a part of the info dictionary; the last may be shorter.
pub const PART: u32 = 16 * 1024;

/// Addresses in one message of ours, and those that are taken from one (BEP 11).
pub const ADDRESSES: usize = 50;
const ADDRESSES_TAKEN: usize = 200;

/// A program's name longer than that is nobody's.
const LONGEST_NAME: usize = 64;

/// What a peer says of itself and of the extensions that it understands (BEP 10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Its number of `ut_metadata`, if it understands that.
    pub metadata: Option<u8>,
    /// Its number of `ut_pex`.
    pub pex: Option<u8>,
    /// Bytes of the info dictionary, if it has it (`metadata_size`).
    pub metadata_size: Option<u64>,
    /// The port that it listens on (`p`).
    pub port: Option<u16>,
    /// The program, and its version (`v`).
    pub program: Option<String>,
    /// How many requests it keeps (`reqq`).
    pub requests: Option<usize>,
    /// Whether it takes nothing more (BEP 21).
    pub upload_only: Option<bool>,
}

impl Extensions {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// If it is not bencode. Whatever is missing in it, or of another kind, is not said.
    pub fn read(payload: &[u8]) -> Result<Self, NoBencode> {
        let (document, _) = Document::parse_prefix(payload, &Limits::default())?;
        let root = document.root();
        let number = |key| root.get(key).and_then(Node::unsigned);
        // A number of 0 says that it is not understood any more.
        let extension = |name| {
            let id = root.get("m").and_then(|m| m.get(name)).and_then(Node::unsigned);
            id.and_then(|id| u8::try_from(id).ok()).filter(|id| *id > 0)
        };
        let program = root.get("v").and_then(Node::bytes).map(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.chars().filter(|char| !char.is_control()).take(LONGEST_NAME).collect()
        });
        Ok(Self {
            metadata: extension("ut_metadata"),
            pex: extension("ut_pex"),
            metadata_size: number("metadata_size").filter(|size| *size > 0),
            port: number("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0),
            program,
            requests: number("reqq").and_then(|most| usize::try_from(most).ok()),
            upload_only: number("upload_only").map(|says| says > 0),
        })
    }

    /// Adds what a peer has said later: whatever it does not say again stays as it was.
    pub fn update(&mut self, later: Self) {
        *self = Self {
            metadata: later.metadata.or(self.metadata),
            pex: later.pex.or(self.pex),
            metadata_size: later.metadata_size.or(self.metadata_size),
            port: later.port.or(self.port),
            program: later.program.or_else(|| self.program.take()),
            requests: later.requests.or(self.requests),
            upload_only: later.upload_only.or(self.upload_only),
        };
    }

    /// The payload that says so.
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        dictionary(|said| {
            said.dictionary("m", |numbers| {
                // In the order of the names.
                for (name, id) in [("ut_metadata", self.metadata), ("ut_pex", self.pex)] {
                    id.into_iter().for_each(|id| numbers.integer(name, i64::from(id)));
                }
            });
            let mut number = |key, value: Option<u64>| {
                value.into_iter().for_each(|value| said.integer(key, value.cast_signed()));
            };
            number("metadata_size", self.metadata_size);
            number("p", self.port.map(u64::from));
            number("reqq", self.requests.map(|most| most as u64));
            number("upload_only", self.upload_only.map(u64::from));
            self.program.iter().for_each(|program| said.bytes("v", program));
        })
    }
}

/// A message about the info dictionary (BEP 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata<'a> {
    /// Please send this part.
    Request(u32),
    /// A part of it.
    Data {
        /// Which.
        part: u32,
        /// Bytes of the whole.
        total: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// That part is not going to be sent.
    Reject(u32),
    /// One that is not known; it is passed over.
    Unknown,
}

impl<'a> Metadata<'a> {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// If it does not begin with a dictionary.
    pub fn read(payload: &'a [u8]) -> Result<Self, NoBencode> {
        let (document, bytes) = Document::parse_prefix(payload, &Limits::default())?;
        let number = |key| document.root().get(key).and_then(Node::unsigned);
        let part = number("piece").and_then(|part| u32::try_from(part).ok());
        Ok(match (number("msg_type"), part) {
            (Some(0), Some(part)) => Self::Request(part),
            (Some(1), Some(part)) => {
                Self::Data { part, total: number("total_size").unwrap_or(0), bytes }
            }
            (Some(2), Some(part)) => Self::Reject(part),
            _ => Self::Unknown,
        })
    }

    /// The payload that says so.
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        let (kind, part, total, bytes) = match *self {
            Self::Request(part) => (0, part, None, &[][..]),
            Self::Data { part, total, bytes } => (1, part, Some(total), bytes),
            Self::Reject(part) => (2, part, None, &[][..]),
            Self::Unknown => (3, 0, None, &[][..]),
        };
        let mut payload = dictionary(|said| {
            said.integer("msg_type", kind);
            said.integer("piece", i64::from(part));
            total.into_iter().for_each(|total| said.integer("total_size", total.cast_signed()));
        });
        payload.extend_from_slice(bytes);
        payload
    }
}

/// Addresses of peers that are in the swarm, and that have left it (BEP 11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pex {
    /// They are there.
    pub added: Vec<SocketAddr>,
    /// They have gone.
    pub dropped: Vec<SocketAddr>,
}

impl Pex {
    /// Reads one; beyond 200 addresses the rest is passed over.
    ///
    /// # Errors
    ///
    /// If it is not bencode.
    pub fn read(payload: &[u8]) -> Result<Self, NoBencode> {
        let (document, _) = Document::parse_prefix(payload, &Limits::default())?;
        let bytes = |key| document.root().get(key).and_then(Node::bytes).unwrap_or_default();
        let both =
            |v4, v6| peers_v4(bytes(v4)).chain(peers_v6(bytes(v6))).take(ADDRESSES_TAKEN).collect();
        Ok(Self { added: both("added", "added6"), dropped: both("dropped", "dropped6") })
    }

    /// The payload that says so.
    #[must_use]
    pub fn to_payload(&self) -> Vec<u8> {
        dictionary(|said| {
            // A byte of flags for each: nothing is known of them.
            let flags = |v4| vec![0; self.added.iter().filter(|it| it.is_ipv4() == v4).count()];
            said.bytes("added", compact(&self.added, true));
            said.bytes("added.f", flags(true));
            said.bytes("added6", compact(&self.added, false));
            said.bytes("added6.f", flags(false));
            said.bytes("dropped", compact(&self.dropped, true));
            said.bytes("dropped6", compact(&self.dropped, false));
        })
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }
}

/// Addresses of one family, as compact lists have them.
fn compact(addresses: &[SocketAddr], v4: bool) -> Vec<u8> {
    let mut list = Vec::new();
    let family = addresses.iter().filter(|address| address.is_ipv4() == v4);
    family.for_each(|address| put_peer(&mut list, *address));
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_peer_says_of_itself_is_read_again() {
        let said = Extensions {
            metadata: Some(2),
            pex: Some(1),
            metadata_size: Some(31_235),
            port: Some(6_881),
            program: Some("mio-reactor 0.1.0".to_owned()),
            requests: Some(1_000),
            upload_only: Some(true),
        };
        assert_eq!(Extensions::read(&said.to_payload()), Ok(said));
        let nothing = Extensions::default();
        assert_eq!(nothing.to_payload(), b"d1:mdee");
        assert_eq!(Extensions::read(b"de"), Ok(nothing));
    }

    #[test]
    fn what_makes_no_sense_is_not_said() {
        let said =
            b"d1:md11:ut_metadatai0e6:ut_pexi300ee13:metadata_sizei-1e1:pi99999e4:reqqi-3e1:vi1ee";
        assert_eq!(Extensions::read(said), Ok(Extensions::default()));
        let long = [&b"d1:v99:"[..], &[b'x'; 99], b"e"].concat();
        let program = Extensions::read(&long).expect("it is bencode").program;
        assert_eq!(program.map(|program| program.len()), Some(LONGEST_NAME));
        assert!(Extensions::read(b"").is_err());
    }

    #[test]
    fn messages_about_the_info_are_those_of_bep_9() {
        assert_eq!(Metadata::Request(0).to_payload(), b"d8:msg_typei0e5:piecei0ee");
        assert_eq!(Metadata::Reject(3).to_payload(), b"d8:msg_typei2e5:piecei3ee");
        let data = Metadata::Data { part: 1, total: 16_387, bytes: b"xyz" };
        assert_eq!(data.to_payload(), b"d8:msg_typei1e5:piecei1e10:total_sizei16387eexyz");
        for message in [Metadata::Request(7), Metadata::Reject(7), data] {
            assert_eq!(Metadata::read(&message.to_payload()), Ok(message));
        }
        assert_eq!(Metadata::read(b"d8:msg_typei9e5:piecei0ee"), Ok(Metadata::Unknown));
        assert_eq!(Metadata::read(b"de"), Ok(Metadata::Unknown));
        assert!(Metadata::read(b"i1e").is_ok_and(|it| it == Metadata::Unknown));
    }

    #[test]
    fn addresses_of_both_families_are_read_again() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("it is an address");
        let added = vec![address("192.0.2.1:6881"), address("[2001:db8::1]:1")];
        let pex = Pex { added, dropped: vec![address("192.0.2.2:80")] };
        assert_eq!(Pex::read(&pex.to_payload()), Ok(pex));
        let many = Pex { added: vec![address("192.0.2.1:6881"); 999], dropped: Vec::new() };
        let read = Pex::read(&many.to_payload()).expect("it is bencode");
        assert_eq!(read.added.len(), ADDRESSES_TAKEN);
        let odd = Pex::read(b"d5:added8:\xc0\0\x02\x01\0\0xxe").expect("it is bencode");
        assert!(odd.is_empty(), "nobody listens on port 0, and half an address is none");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (Extensions::read(&bytes), Metadata::read(&bytes), Pex::read(&bytes));
        }
    }
}
