//! Where a server is, in words.

use std::fmt;
use std::str::FromStr;

use examples::endpoint::{HostPort, NoEndpoint, websocket_url};
use protocols::http::client::{Scheme, Url};
use protocols::rpc::Carrier;
use protocols::websocket::Target;
use reactor::{Address, ParseAddressError};

/// A server to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(HostPort),
    /// The same over TLS.
    Tls(HostPort),
    Unix(Address),
    /// By POST.
    Http(Url),
    /// By WebSocket; what is written `ws://` is an `http://` but for the scheme.
    WebSocket(Url),
    /// A program to be started.
    Stdio(String),
}

const EXPECTED: &str = "expected tcp://HOST:PORT, unix:PATH, http://HOST[:PORT]/PATH, ws://HOST[:PORT]/PATH, \
    tls://, https:// or wss:// in their places, or stdio:COMMAND";

impl Place {
    /// Where the server is; a name is looked up by the loop; `None` for a program.
    pub(crate) fn address(&self) -> Result<Option<Address>, ParseAddressError> {
        Ok(Some(match self {
            Self::Tcp(place) | Self::Tls(place) => place.address()?,
            Self::Unix(address) => address.clone(),
            Self::Http(url) | Self::WebSocket(url) => HostPort::of(url).address()?,
            Self::Stdio(_) => return Ok(None),
        }))
    }

    /// What carries the calls there.
    pub(crate) fn carrier(&self) -> Carrier {
        match self {
            Self::Http(url) => Carrier::Http(url.clone()),
            Self::WebSocket(url) => Carrier::WebSocket(Target::new(url.authority(), url.target())),
            Self::Tcp(_) | Self::Tls(_) | Self::Unix(_) | Self::Stdio(_) => Carrier::Stream,
        }
    }

    /// Whether TLS is spoken there.
    pub(crate) fn is_secure(&self) -> bool {
        match self {
            Self::Http(url) | Self::WebSocket(url) => url.scheme() == Scheme::Https,
            Self::Tls(_) => true,
            Self::Tcp(_) | Self::Unix(_) | Self::Stdio(_) => false,
        }
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(command) = text.strip_prefix("stdio:") {
            let command = command.trim();
            return if command.is_empty() {
                Err(EXPECTED)
            } else {
                Ok(Self::Stdio(command.into()))
            };
        }
        if text.starts_with("unix:") {
            return text.parse().map(Self::Unix).map_err(|_| EXPECTED);
        }
        if text.starts_with("ws://") || text.starts_with("wss://") {
            return websocket_url(text).map(Self::WebSocket).map_err(|_| EXPECTED);
        }
        if let Some(place) = text.strip_prefix("tls://") {
            return place.parse().map(Self::Tls).map_err(|_: NoEndpoint| EXPECTED);
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return text.parse().map(Self::Http).map_err(|_| EXPECTED);
        }
        let place = text.strip_prefix("tcp://").unwrap_or(text);
        if place.contains("://") {
            return Err(EXPECTED);
        }
        place.parse().map(Self::Tcp).map_err(|_: NoEndpoint| EXPECTED)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => write!(f, "tcp://{place}"),
            Self::Tls(place) => write!(f, "tls://{place}"),
            Self::Unix(address) => address.fmt(f),
            Self::Http(url) => url.fmt(f),
            Self::WebSocket(url) => {
                let scheme = if self.is_secure() { "wss" } else { "ws" };
                write!(f, "{scheme}://{}{}", url.authority(), url.target())
            }
            Self::Stdio(command) => write!(f, "stdio:{command}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_place_has_a_spelling() {
        for text in [
            "tcp://localhost:7",
            "tcp://[::1]:7",
            "tls://h:7",
            "https://h/",
            "wss://h/a",
            "unix:/tmp/a",
            "http://h/",
            "ws://[::1]:8080/a?b",
            "stdio:pylsp -v",
        ] {
            assert_eq!(text.parse::<Place>().expect(text).to_string(), text);
        }
        assert_eq!("localhost:7".parse::<Place>(), "tcp://localhost:7".parse());
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "tcp://",
            "localhost",
            "ftp://h/",
            "http://",
            "ws:h",
            "ws://h/#a",
            "stdio:",
            "stdio: ",
            "unix:",
        ] {
            assert_eq!(text.parse::<Place>(), Err(EXPECTED), "{text}");
        }
    }
}
