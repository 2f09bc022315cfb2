//! Where a socket is: an IP address and port, a path, an abstract name, or a host and port to be looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use slab::Slab;
use thiserror::Error;

use crate::words::debug_in_words;

/// The address of a socket of either family, with one spelling for both.
///
/// | text | what it names |
/// |---|---|
/// | `127.0.0.1:7` | an IPv4 address and port |
/// | `[::1]:7`, `[fe80::1%2]:7` | an IPv6 address (with its zone) and port |
/// | `unix:/run/echo.sock` | a Unix socket by its path |
/// | `unix:@echo` | a Unix socket by its abstract name (Linux) |
/// | `irc.example.org:6697` | a host and port, for [`connect`](crate::Registry::connect) |
///
/// A host is looked up each time a connection is made to it, without blocking; nobody listens on one, since it
/// may have many addresses.
///
/// ```
/// use reactor::Address;
/// let address: Address = "127.0.0.1:7".parse()?;
/// assert_eq!(address.to_string(), "127.0.0.1:7");
/// let by_name: Address = "localhost:7".parse()?;
/// assert_eq!((by_name.host(), by_name.ip()), (Some("localhost"), None));
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
    /// A host by its name, whose addresses are looked up when a connection is made to it.
    Host(Host),
}

/// A host by its name, and a port: made by [`Address::to_host`], or by reading one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    /// Never an IP address, and never longer than [`LONGEST_NAME`].
    name: Box<str>,
    port: u16,
}

/// The longest name that DNS has (RFC 1035, 2.3.4), without the root's dot.
const LONGEST_NAME: usize = 253;
/// The longest part of one between two dots.
const LONGEST_LABEL: usize = 63;

/// The text is not an [`Address`].
#[derive(Clone, PartialEq, Eq, Error)]
#[error("'{0}' is not an address: {why}", why = why_not(.0))]
pub struct ParseAddressError(String);

debug_in_words!(ParseAddressError);

/// What is wrong with a text that is no address.
fn why_not(text: &str) -> &'static str {
    if text.starts_with("unix:") {
        return "what follows 'unix:' has to be a PATH, or @NAME for an abstract one";
    }
    let host = text.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
    let is_host = |host: &str| host.parse::<IpAddr>().is_ok() || is_name(host);
    if host.is_some_and(is_host) && text.parse::<IpAddr>().is_err() {
        return "its port has to be a number up to 65535";
    }
    "expected IPV4:PORT, [IPV6]:PORT, NAME:PORT, unix:PATH or unix:@NAME"
}

/// Whether it can be a host's name. One that ends in a number would be an IPv4 address, and a wrong one (RFC
/// 1123, 2.1). Underscores are in no such name, and yet in many.
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let fits = (1..=LONGEST_LABEL).contains(&label.len());
        fits && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= LONGEST_NAME
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl Address {
    /// A host by its name, or by an IP address, which is taken for what it is; with or without brackets.
    ///
    /// ```
    /// use reactor::Address;
    /// assert_eq!(Address::to_host("::1", 7)?, "[::1]:7".parse()?);
    /// assert_eq!(Address::to_host("irc.example.org", 6697)?, "irc.example.org:6697".parse()?);
    /// # Ok::<(), reactor::ParseAddressError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it can be neither. Names beyond ASCII are to be given as DNS has them (`xn--…`).
    pub fn to_host(name: &str, port: u16) -> Result<Self, ParseAddressError> {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        if let Ok(ip) = bare.unwrap_or(name).parse::<IpAddr>() {
            return Ok(Self::Ip((ip, port).into()));
        }
        // The zone of a link-local address is read with its port only.
        if let Ok(address) = format!("[{}]:{port}", bare.unwrap_or(name)).parse() {
            return Ok(Self::Ip(address));
        }
        if is_name(name) {
            Ok(Self::Host(Host { name: name.into(), port }))
        } else {
            Err(ParseAddressError(format!("{name}:{port}")))
        }
    }

    /// The name of a host that is still to be looked up.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Host(host) => Some(host.name()),
            _ => None,
        }
    }

    /// The IP address without its port; `None` for Unix sockets.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            _ => None,
        }
    }

    /// The port; `None` for Unix sockets.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::Host(host) => Some(host.port),
            Self::Path(_) | Self::Abstract(_) | Self::Unnamed => None,
        }
    }

    /// As the standard library's type; `None` for Unix sockets.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Path(_) | Self::Abstract(_) | Self::Unnamed | Self::Host(_) => None,
        }
    }

    /// Where a datagram socket is bound that talks to this address, if that does not matter: any free port of all
    /// addresses of its family; for a Unix socket, no name.
    ///
    /// ```
    /// use reactor::Address;
    /// assert_eq!("192.0.2.1:69".parse::<Address>()?.unspecified(), "0.0.0.0:0".parse()?);
    /// # Ok::<(), reactor::ParseAddressError>(())
    /// ```
    #[must_use]
    pub fn unspecified(&self) -> Self {
        match self.ip() {
            Some(IpAddr::V4(_)) => Self::Ip((Ipv4Addr::UNSPECIFIED, 0).into()),
            Some(IpAddr::V6(_)) => Self::Ip((Ipv6Addr::UNSPECIFIED, 0).into()),
            None => Self::Unnamed,
        }
    }

    /// The path of a Unix socket that has one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Ip(_) | Self::Abstract(_) | Self::Unnamed | Self::Host(_) => None,
        }
    }
}

impl Host {
    /// Its name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port that is connected to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
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
            None => text.parse().map(Self::Ip).or_else(|_| {
                let (name, port) = text.rsplit_once(':').ok_or_else(refused)?;
                let port = port.parse().map_err(|_| refused())?;
                if !is_name(name) {
                    return Err(refused());
                }
                Ok(Self::Host(Host { name: name.into(), port }))
            }),
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
            Self::Host(host) => host.fmt(f),
        }
    }
}

/// The addresses of peers that do not fit into eight bytes, as those of IPv4 do.
#[derive(Default)]
pub(crate) struct Peers(Slab<Address>);

/// An address in eight bytes, which [`Peers`] knows how to read.
#[derive(Clone, Copy)]
pub(crate) enum PackedAddress {
    V4(SocketAddrV4),
    /// Where it is kept. There are as many as there are slots at most.
    Kept(u32),
}

impl Peers {
    pub(crate) fn pack(&mut self, address: Address) -> PackedAddress {
        match address {
            Address::Ip(SocketAddr::V4(address)) => PackedAddress::V4(address),
            other => PackedAddress::Kept(self.0.insert(other) as u32),
        }
    }

    /// Gives the address back, of which nothing is kept any more.
    pub(crate) fn unpack(&mut self, packed: PackedAddress) -> Address {
        match packed {
            PackedAddress::V4(address) => Address::Ip(address.into()),
            PackedAddress::Kept(place) => self.0.remove(place as usize),
        }
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn read(&self, packed: PackedAddress) -> Address {
        match packed {
            PackedAddress::V4(address) => Address::Ip(address.into()),
            PackedAddress::Kept(place) => self.0[place as usize].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_back() {
        for text in
            ["127.0.0.1:80", "[::1]:80", "unix:/tmp/a b", "unix:@name", "a-b.example.:80", "db_1:5"]
        {
            let address: Address = text.parse().expect("it is an address");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_text_in_the_error() {
        for text in
            ["", "localhost", ":80", "1.2.3:80", "a..b:80", "a b:80", "ü.example:80", "127.0.0.1"]
                .into_iter()
                .chain(["::1:80:x", "unix:", "unix:@", "1.2.3.4:70000", "http://a:80"])
        {
            let error = text.parse::<Address>().expect_err("it is no address");
            assert!(error.to_string().contains(&format!("'{text}'")));
        }
    }

    #[test]
    fn a_port_out_of_range_is_what_the_error_is_about() {
        for text in ["1.2.3.4:70000", "[::1]:70000", "1.2.3.4:http", "localhost:70000"] {
            let error = text.parse::<Address>().expect_err("it has no port");
            assert!(error.to_string().contains("its port has to be"), "{error}");
        }
        for text in ["::1", "1.2.3.4", "localhost"] {
            let error = text.parse::<Address>().expect_err("it is no address");
            assert!(error.to_string().contains("expected IPV4:PORT"), "{error}");
        }
        for text in ["unix:", "unix:@"] {
            let error = text.parse::<Address>().expect_err("it is no address");
            let why = "what follows 'unix:' has to be a PATH, or @NAME for an abstract one";
            assert_eq!(error.to_string(), format!("'{text}' is not an address: {why}"));
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_one() {
        for (name, text) in
            [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7"), ("[fe80::1%2]", "[fe80::1%2]:7")]
        {
            assert_eq!(Address::to_host(name, 7), text.parse());
        }
        let long = vec!["a".repeat(63); 4].join(".");
        assert!(Address::to_host(&long, 7).is_err() && Address::to_host(&long[2..], 7).is_ok());
    }

    #[test]
    fn an_address_survives_being_packed() {
        let mut peers = Peers::default();
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/a", "localhost:80"] {
            let address: Address = text.parse().expect("it is an address");
            let packed = peers.pack(address.clone());
            assert_eq!((peers.read(packed), peers.unpack(packed)), (address.clone(), address));
        }
        assert!(peers.len() == 0 && size_of::<PackedAddress>() == 8);
    }
}
