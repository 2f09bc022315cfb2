//! Where a socket is: an IP address and port, a path, or an abstract name.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// The address of a socket of either family, with one spelling for both.
///
/// | text | what it names |
/// |---|---|
/// | `127.0.0.1:7` | an IPv4 address and port |
/// | `[::1]:7`, `[fe80::1%2]:7` | an IPv6 address (with its zone) and port |
/// | `unix:/run/echo.sock` | a Unix socket by its path |
/// | `unix:@echo` | a Unix socket by its abstract name (Linux) |
///
/// Host names are not accepted: resolving one blocks, which a loop must not
/// ([`offload`](crate::Registry::offload) it).
///
/// ```
/// use reactor::Address;
/// let address: Address = "127.0.0.1:7".parse()?;
/// assert_eq!(address.to_string(), "127.0.0.1:7");
/// assert!("localhost:7".parse::<Address>().is_err());
/// # Ok::<(), reactor::ParseAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP or UDP.
    Ip(SocketAddr),
    /// A Unix socket with a name in the file system.
    Path(PathBuf),
    /// A Unix socket with a name in Linux's abstract namespace, which vanishes with its socket.
    Abstract(Vec<u8>),
    /// A Unix socket without a name, as most clients have.
    Unnamed,
}

/// The text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is not an address: {why}", why = why_not(.0))]
pub struct ParseAddressError(String);

/// What is wrong with a text that is no address.
fn why_not(text: &str) -> &'static str {
    let host = text.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
    if host.is_some_and(|host| host.parse::<IpAddr>().is_ok()) && text.parse::<IpAddr>().is_err() {
        return "its port has to be a number up to 65535";
    }
    "expected IPV4:PORT, [IPV6]:PORT, unix:PATH or unix:@NAME (host names are not resolved here)"
}

impl Address {
    /// The IP address without its port; `None` for Unix sockets.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// The port; `None` for Unix sockets.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.socket_addr().map(|address| address.port())
    }

    /// As the standard library's type; `None` for Unix sockets.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Path(_) | Self::Abstract(_) | Self::Unnamed => None,
        }
    }

    /// The path of a Unix socket that has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Ip(_) | Self::Abstract(_) | Self::Unnamed => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseAddressError(text.to_owned());
        match text.strip_prefix("unix:") {
            Some("" | "@") => Err(refused()),
            Some(name) => Ok(match name.strip_prefix('@') {
                Some(name) => Self::Abstract(name.as_bytes().to_vec()),
                None => Self::Path(PathBuf::from(name)),
            }),
            None => text.parse().map(Self::Ip).map_err(|_| refused()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Path(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
            Self::Unnamed => f.write_str("unix:(unnamed)"),
        }
    }
}

/// An address in 16 bytes: most peers have an IPv4 one, and the others pay for a box.
pub(crate) enum PackedAddress {
    V4(SocketAddrV4),
    Other(Box<Address>),
}

impl PackedAddress {
    pub(crate) fn address(&self) -> Address {
        match self {
            Self::V4(address) => Address::Ip((*address).into()),
            Self::Other(address) => (**address).clone(),
        }
    }
}

impl From<Address> for PackedAddress {
    fn from(address: Address) -> Self {
        match address {
            Address::Ip(SocketAddr::V4(address)) => Self::V4(address),
            other => Self::Other(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_back() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/tmp/a b", "unix:@name"] {
            let address: Address = text.parse().expect("it is an address");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_text_in_the_error() {
        for text in
            ["", "localhost:80", "127.0.0.1", "::1:80:x", "unix:", "unix:@", "1.2.3.4:70000"]
        {
            let error = text.parse::<Address>().expect_err("it is no address");
            assert!(error.to_string().contains(&format!("'{text}'")));
        }
    }

    #[test]
    fn a_port_out_of_range_is_what_the_error_is_about() {
        for text in ["1.2.3.4:70000", "[::1]:70000", "1.2.3.4:http"] {
            let error = text.parse::<Address>().expect_err("it has no port");
            assert!(error.to_string().contains("its port has to be"), "{error}");
        }
        for text in ["::1", "1.2.3.4", "localhost:70000"] {
            let error = text.parse::<Address>().expect_err("it is no address");
            assert!(error.to_string().contains("expected IPV4:PORT"), "{error}");
        }
    }

    #[test]
    fn an_address_survives_being_packed() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/a"] {
            let address: Address = text.parse().expect("it is an address");
            assert_eq!(PackedAddress::from(address.clone()).address(), address);
        }
        assert_eq!(size_of::<PackedAddress>(), 16);
    }
}
