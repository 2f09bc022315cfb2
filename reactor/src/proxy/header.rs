//! The header as it is written.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use crate::Address;

/// A version of the PROXY protocol, to write its header: for whoever passes connections on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, for a connection that somebody made (and not the proxy for itself).
pub(super) const PROXIED: u8 = 0x21;
pub(super) const UNKNOWN: u8 = 0x00;
pub(super) const TCP4: u8 = 0x11;
pub(super) const TCP6: u8 = 0x21;

impl ProxyVersion {
    /// The header for a client at `peer` that has come in at `local`; it goes before everything else. Clients of
    /// Unix sockets are nobody in particular.
    ///
    /// ```
    /// use reactor::ProxyVersion;
    /// let header = ProxyVersion::V1.header(&"192.0.2.7:50000".parse()?, &"192.0.2.1:443".parse()?);
    /// assert_eq!(header, "PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn header(self, peer: &Address, local: &Address) -> Bytes {
        let ends = peer.socket_addr().zip(local.socket_addr()).map(|(peer, local)| {
            // An IPv4 client of a socket for both families.
            (canonical(peer), canonical(local))
        });
        match self {
            Self::V1 => line(ends).into(),
            Self::V2 => binary(ends),
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn line(ends: Option<(SocketAddr, SocketAddr)>) -> String {
    let Some((peer, local)) = ends.filter(|(peer, local)| peer.is_ipv4() == local.is_ipv4()) else {
        return "PROXY UNKNOWN\r\n".to_owned();
    };
    let family = if peer.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (peer.ip(), local.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", peer.port(), local.port())
}

fn binary(ends: Option<(SocketAddr, SocketAddr)>) -> Bytes {
    let mut header = BytesMut::with_capacity(SIGNATURE.len() + 4 + 36);
    header.put_slice(SIGNATURE);
    header.put_u8(PROXIED);
    match ends.map(|(peer, local)| (peer.ip(), local.ip(), peer.port(), local.port())) {
        Some((IpAddr::V4(peer), IpAddr::V4(local), from, to)) => {
            header.put_u8(TCP4);
            header.put_u16(12);
            header.put_slice(&peer.octets());
            header.put_slice(&local.octets());
            header.put_u16(from);
            header.put_u16(to);
        }
        Some((IpAddr::V6(peer), IpAddr::V6(local), from, to)) => {
            header.put_u8(TCP6);
            header.put_u16(36);
            header.put_slice(&peer.octets());
            header.put_slice(&local.octets());
            header.put_u16(from);
            header.put_u16(to);
        }
        _ => {
            header.put_u8(UNKNOWN);
            header.put_u16(0);
        }
    }
    header.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: ProxyVersion, peer: &str, local: &str) -> Bytes {
        let address = |text: &str| text.parse::<Address>().expect("an address");
        version.header(&address(peer), &address(local))
    }

    #[test]
    fn a_line_names_both_ends() {
        let four = header(ProxyVersion::V1, "192.0.2.7:50000", "[::ffff:192.0.2.1]:443");
        assert_eq!(four, "PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n");
        let six = header(ProxyVersion::V1, "[2001:db8::7]:50000", "[2001:db8::1]:443");
        assert_eq!(six, "PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n");
        assert_eq!(header(ProxyVersion::V1, "unix:/a", "unix:/b"), "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn the_binary_header_has_the_bytes_of_both_ends() {
        let four = header(ProxyVersion::V2, "192.0.2.7:258", "192.0.2.1:443");
        let expected =
            [&SIGNATURE[..], &[0x21, 0x11, 0, 12, 192, 0, 2, 7, 192, 0, 2, 1, 1, 2, 1, 187]];
        assert_eq!(four, expected.concat());
        let six = header(ProxyVersion::V2, "[2001:db8::7]:258", "[::1]:443");
        assert_eq!(six.len(), 16 + 36);
        assert_eq!(&six[12..20], [0x21, 0x21, 0, 36, 0x20, 0x01, 0x0d, 0xb8]);
        let nobody = header(ProxyVersion::V2, "unix:/a", "unix:/b");
        assert_eq!(nobody, [&SIGNATURE[..], &[0x21, 0, 0, 0]].concat());
    }
}
