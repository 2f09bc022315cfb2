//! What a node of the DHT writes down for its next start.

use std::net::SocketAddr;

use thiserror::Error;

use super::NodeId;
use super::announce::{peers_v4, peers_v6, put_peer};
use super::bencode::{Document, Limits, NoBencode, Node, dictionary};

/// So many nodes of each kind are written down, and read: more than it takes to find a way in when most of them are gone.
const NODES: usize = 300;

/// For two lists of nodes, and what other programs have beside them.
const LIMITS: Limits = Limits { bytes: 256 * 1024, depth: 8, values: 10_000 };

/// What a node of the DHT writes down for its next start: what it is called, and where others are. The file is one that Transmission
/// has too (`dht.dat`).
///
/// ```text
///   d 2:id 20:…  3:id6 20:…  5:nodes 60:…  6:nodes6 …  e        6 bytes an address, or 18
/// ```
///
/// ```
/// use protocols::torrent::wire::DhtTable;
///
/// let table = DhtTable::parse(b"d2:id20:abcdefghij01234567895:nodes6:\x7f\0\0\x01\x1a\xe1e")?;
/// assert_eq!(table.nodes, ["127.0.0.1:6881".parse()?]);
/// assert_eq!(DhtTable::parse(&table.write())?, table);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DhtTable {
    /// What it is called, if it is called anything: the node of IPv4, and that of IPv6 too if it has no name of its own (BEP
    /// 32).
    pub id: Option<NodeId>,
    /// What the node of IPv6 is called, since a name belongs to an address (BEP 42). Other programs do not know it.
    pub id6: Option<NodeId>,
    /// Where others were, those that were best known first.
    pub nodes: Vec<SocketAddr>,
}

/// Why a file is not what a node has written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoTable {
    /// It is not bencode.
    #[error(transparent)]
    Bencode(#[from] NoBencode),
    /// It says neither what a node is called, nor where others are.
    #[error("it is no table of the DHT")]
    Other,
}

impl DhtTable {
    /// The most bytes that a file may have.
    pub const LONGEST: usize = LIMITS.bytes;

    /// Reads what was written down.
    ///
    /// # Errors
    ///
    /// See [`NoTable`].
    pub fn parse(text: &[u8]) -> Result<Self, NoTable> {
        let document = Document::parse(text, &LIMITS)?;
        let bytes = |key| document.root().get(key).and_then(Node::bytes);
        let id = |key| bytes(key).and_then(|id| id.try_into().ok()).map(NodeId::new);
        let (id, id6) = (id("id"), id("id6"));
        let (v4, v6) = (bytes("nodes"), bytes("nodes6"));
        if id.or(id6).is_none() && v4.is_none() && v6.is_none() {
            return Err(NoTable::Other);
        }
        let v4 = peers_v4(v4.unwrap_or_default()).take(NODES);
        let v6 = peers_v6(v6.unwrap_or_default()).take(NODES);
        Ok(Self { id, id6, nodes: v4.chain(v6).collect() })
    }

    /// The bytes of it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        dictionary(|root| {
            for (key, id) in [("id", &self.id), ("id6", &self.id6)] {
                id.iter().for_each(|id| root.bytes(key, id.as_bytes()));
            }
            for (key, is_v6) in [("nodes", false), ("nodes6", true)] {
                let mut list = Vec::new();
                let nodes = self.nodes.iter().filter(|at| at.is_ipv6() == is_v6).take(NODES);
                nodes.for_each(|at| put_peer(&mut list, *at));
                if !list.is_empty() {
                    root.bytes(key, list);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_has_an_end() {
        let v4 = (0..500_u16).map(|port| SocketAddr::from(([192, 0, 2, 1], 1 + port)));
        let v6 = SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], 7));
        let [id, id6] = [7, 8].map(|byte| Some(NodeId::new([byte; 20])));
        let saved = DhtTable { id, id6, nodes: v4.chain([v6]).collect() };
        let read = DhtTable::parse(&saved.write()).expect("it is one");
        assert_eq!((read.id, read.id6, read.nodes.len()), (id, id6, NODES + 1));
        assert_eq!(read.nodes.last(), Some(&v6));
        let nobody = DhtTable::default();
        assert_eq!(DhtTable::parse(&nobody.write()), Err(NoTable::Other));
    }

    #[test]
    fn another_file_is_not_taken_for_one() {
        for text in [&b""[..], b"de", b"d8:announce3:urle", b"d2:id3:abce", b"le", b"# text"] {
            assert!(DhtTable::parse(text).is_err(), "{text:?}");
        }
        // A list that ends in the middle of an address has the others.
        let cut = DhtTable::parse(b"d5:nodes8:\x7f\0\0\x01\0\x07\x7f\0e").expect("it is one");
        assert_eq!(cut.nodes, ["127.0.0.1:7".parse().expect("an address")]);
    }
}
