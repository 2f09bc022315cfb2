//! Where a server is, in words.

use std::fmt;
use std::str::FromStr;

use examples::endpoint::{HostPort, NoEndpoint};
use reactor::Address;

/// A server to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(HostPort),
    Unix(Address),
    /// A program to be started.
    Stdio(String),
}

const EXPECTED: &str = "expected tcp://HOST:PORT, unix:PATH or stdio:COMMAND";

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
            Self::Unix(address) => address.fmt(f),
            Self::Stdio(command) => write!(f, "stdio:{command}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_place_has_a_spelling() {
        for text in ["tcp://localhost:7", "tcp://[::1]:7", "unix:/tmp/a", "stdio:pylsp -v"] {
            assert_eq!(text.parse::<Place>().expect(text).to_string(), text);
        }
        assert_eq!("localhost:7".parse::<Place>(), "tcp://localhost:7".parse());
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "tcp://", "localhost", "http://localhost:1", "stdio:", "stdio: ", "unix:"]
        {
            assert_eq!(text.parse::<Place>(), Err(EXPECTED), "{text}");
        }
    }
}
