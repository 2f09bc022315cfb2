//! What a node of the DHT is called, and how far it is from something.

use std::fmt;
use std::net::IpAddr;

use super::InfoHash;

/// 160 bits: a node, or what is sought. How near two are is known by their first bits (BEP 5).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 20]);

/// How far two are apart: the bits in which they differ, read as a number.
pub type Distance = [u8; 20];

impl NodeId {
    /// The one that has these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// One that a node at this address may have (BEP 42), so that nobody can choose where to stand. `random` makes the
    /// rest of it.
    #[must_use]
    pub fn at(ip: IpAddr, random: [u8; 20]) -> Self {
        let mut id = random;
        let [a, b, c, _] = hash(ip, random[19]).to_be_bytes();
        id[..3].copy_from_slice(&[a, b, (c & 0xf8) | (random[2] & 0x07)]);
        Self(id)
    }

    /// Whether a node at this address may have it. In networks of one's own every node may have any.
    #[must_use]
    pub fn may_be_at(&self, ip: IpAddr) -> bool {
        is_of_a_network_of_ones_own(ip) || Self::at(ip, self.0) == *self
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// How far it is from another.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Distance {
        std::array::from_fn(|at| self.0[at] ^ other.0[at])
    }

    /// How many bits at the front both have: 160, if they are the same.
    #[must_use]
    pub fn common(&self, other: &Self) -> usize {
        let distance = self.distance(other);
        match distance.iter().position(|byte| *byte != 0) {
            Some(at) => 8 * at + distance[at].leading_zeros() as usize,
            None => 160,
        }
    }

    /// One that has so many bits of this at its front, the next one not, and the rest by chance.
    #[must_use]
    pub fn beside(&self, common: usize, random: [u8; 20]) -> Self {
        let bit = |bytes: &[u8; 20], at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
        let mut id = [0; 20];
        for at in 0..160 {
            let is = match at.cmp(&common) {
                std::cmp::Ordering::Less => bit(&self.0, at),
                std::cmp::Ordering::Equal => 1 - bit(&self.0, at),
                std::cmp::Ordering::Greater => bit(&random, at),
            };
            id[at / 8] |= is << (7 - at % 8);
        }
        Self(id)
    }
}

/// Addresses that are not of the Internet: they prove nothing, and nobody can choose among many.
pub(in crate::torrent) fn is_of_a_network_of_ones_own(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // Behind the translator of a provider (RFC 6598).
            let is_shared = u32::from(ip) >> 22 == 0x6440_0000 >> 22;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The CRC-32C of the parts of the address that are hard to choose, and of three bits.
fn hash(ip: IpAddr, random: u8) -> u32 {
    let bits = random & 0x07;
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let masked = u32::from(ip) & 0x030f_3fff;
            crc32c(&(masked | u32::from(bits) << 29).to_be_bytes())
        }
        IpAddr::V6(ip) => {
            let masked = (u128::from(ip) >> 64) as u64 & 0x0103_070f_1f3f_7fff;
            crc32c(&(masked | u64::from(bits) << 61).to_be_bytes())
        }
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

impl From<InfoHash> for NodeId {
    fn from(hash: InfoHash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl From<NodeId> for InfoHash {
    fn from(id: NodeId) -> Self {
        Self::new(id.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", InfoHash::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_specification() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        // BEP 42: the address, the number, and the first bits of the id.
        for (ip, random, id) in [
            ("124.31.75.21", 1, 0x5f_bfbf),
            ("21.75.31.124", 86, 0x5a_3ce9),
            ("65.23.51.170", 22, 0xa5_d432),
            ("84.124.73.14", 65, 0x1b_0321),
            ("43.213.53.83", 90, 0xe5_6f6c),
        ] {
            let ip: IpAddr = ip.parse().expect("an address");
            let mut bytes = [0; 20];
            bytes[19] = random;
            let made = NodeId::at(ip, bytes);
            let [a, b, c, ..] = *made.as_bytes();
            let first = u32::from_be_bytes([0, a, b, c]);
            assert_eq!(first & 0xff_fff8, id & 0xff_fff8, "{ip}");
            assert!(made.may_be_at(ip));
            assert!(!made.may_be_at("124.31.75.22".parse().expect("an address")));
        }
        assert!(NodeId::default().may_be_at("127.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn what_is_beside_differs_where_it_is_said() {
        let id = NodeId::new([0xa5; 20]);
        for common in [0, 1, 7, 8, 100, 159] {
            assert_eq!(id.common(&id.beside(common, [0x3c; 20])), common);
        }
        assert_eq!(id.common(&id), 160);
    }
}
