//! Networks, as they are written: 10.0.0.0/8, 2001:db8::/32, one address, or Unix sockets.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use crate::Address;
use crate::words::debug_in_words;

/// Some addresses of peers: a network by its prefix (RFC 4632), or all Unix sockets.
///
/// ```
/// use reactor::Network;
/// let network: Network = "192.0.2.0/24".parse()?;
/// assert!(network.contains(&"192.0.2.77:443".parse()?));
/// assert!(!network.contains(&"192.0.3.1:443".parse()?));
/// assert!("unix".parse::<Network>()?.contains(&"unix:/run/app.sock".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// All addresses that begin with so many bits of this one.
    Prefix(IpAddr, u8),
    Unix,
}

/// Text that is no network.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an IP address, with /BITS behind it for a network, or \"unix\"")]
#[non_exhaustive]
pub struct ParseNetworkError;

debug_in_words!(ParseNetworkError);

impl Network {
    /// Whether a peer's address is one of them. IPv4 peers of a dual-stack socket are the IPv4 addresses that they
    /// are.
    #[must_use]
    pub fn contains(&self, peer: &Address) -> bool {
        match (self.0, peer.ip().map(|ip| ip.to_canonical())) {
            (Kind::Prefix(IpAddr::V4(network), bits), Some(IpAddr::V4(ip))) => {
                let shift = 32 - u32::from(bits);
                (network.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (Kind::Prefix(IpAddr::V6(network), bits), Some(IpAddr::V6(ip))) => {
                let shift = 128 - u32::from(bits);
                (network.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (Kind::Unix, None) => true,
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unix" {
            return Ok(Self(Kind::Unix));
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => {
                bits.parse().ok().filter(|bits| *bits <= most).ok_or(ParseNetworkError)?
            }
        };
        Ok(Self(Kind::Prefix(address, bits)))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Prefix(address, bits) => write!(f, "{address}/{bits}"),
            Kind::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, peer: &str) -> bool {
        let network: Network = network.parse().expect("a network");
        network.contains(&peer.parse().expect("an address"))
    }

    #[test]
    fn a_prefix_is_compared_bit_by_bit() {
        assert!(contains("0.0.0.0/0", "255.1.2.3:1"));
        assert!(contains("10.1.128.0/17", "10.1.255.255:1"));
        assert!(!contains("10.1.128.0/17", "10.1.127.255:1"));
        assert!(contains("10.1.2.3", "[::ffff:10.1.2.3]:1") && !contains("10.1.2.3", "10.1.2.2:1"));
        assert!(
            contains("::/0", "[2001:db8::1]:1") && contains("2001:db8::/127", "[2001:db8::1]:1")
        );
        assert!(!contains("2001:db8::/127", "[2001:db8::2]:1"));
    }

    #[test]
    fn one_family_has_none_of_the_others_addresses() {
        assert!(!contains("::/0", "127.0.0.1:1") && !contains("0.0.0.0/0", "[::1]:1"));
        assert!(!contains("unix", "127.0.0.1:1") && !contains("0.0.0.0/0", "unix:/a"));
    }

    #[test]
    fn what_is_no_network_is_said_to_be_none() {
        for text in
            ["", "/", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/-1"]
        {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError), "{text}");
        }
        for text in ["10.0.0.0/8", "::1/128", "unix"] {
            assert_eq!(text.parse::<Network>().map(|network| network.to_string()), Ok(text.into()));
        }
    }
}
