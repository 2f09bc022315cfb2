//! Servers by the names a person gives them.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use protocols::http::client::{NoUrl, Url};
use reactor::{Address, ParseAddressError};
use thiserror::Error;

/// A server to talk to: `HOST:PORT` or `tcp:HOST:PORT`, `udp:HOST:PORT`, `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP server.
    Tcp(HostPort),
    /// A UDP server.
    Udp(HostPort),
    /// A server of Unix streams.
    Unix(Address),
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort(String);

/// Who may connect to the Unix sockets of a server.
#[derive(Args, Clone, Copy, Debug)]
pub struct UnixMode {
    /// Let those connect to a Unix socket who may write to it with this mode: 660 is its owner and its group
    ///
    /// Without it the umask decides, and mostly lets in the owner alone.
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub unix_mode: Option<u32>,
}

/// The words name no server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoEndpoint {
    /// They are none of these.
    #[error("expected {0}")]
    Form(&'static str),
    /// What stands where the port is to be is none.
    #[error("a port is a number up to 65535, and '{0}' is none")]
    Port(String),
    /// It is a socket of datagrams, for a protocol that has no use for one.
    #[error("this is not spoken over UDP: expected {STREAMS}")]
    NotOverUdp,
}

const ALL: &str = "HOST:PORT, udp:HOST:PORT or unix:PATH";
const STREAMS: &str = "HOST:PORT or unix:PATH";

/// A host could not be found.
#[derive(Debug, Error)]
#[error("cannot find {host}: {error}")]
pub struct Unresolved {
    host: String,
    error: io::Error,
}

impl Endpoint {
    /// Its host, by name or address, if it has one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp(place) | Self::Udp(place) => Some(place.host()),
            Self::Unix(_) => None,
        }
    }

    /// Where the server is, to connect to: a name is looked up by the loop, each time.
    ///
    /// # Errors
    ///
    /// If no host can have this name.
    pub fn address(&self) -> Result<Address, ParseAddressError> {
        match self {
            Self::Tcp(place) | Self::Udp(place) => place.address(),
            Self::Unix(address) => Ok(address.clone()),
        }
    }

    /// Where the server is, to listen on or for datagrams: several places, if its name has several addresses. It
    /// may ask the network and wait for it, so it comes before the loop begins.
    ///
    /// # Errors
    ///
    /// If the name is nobody's.
    pub fn resolve(&self) -> Result<Vec<Address>, Unresolved> {
        match self {
            Self::Tcp(place) | Self::Udp(place) => place.resolve(),
            Self::Unix(address) => Ok(vec![address.clone()]),
        }
    }
}

impl HostPort {
    /// Where a URL leads.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        Self(url.host_and_port())
    }

    /// The host, by name or address, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.rsplit_once(':').map_or(&*self.0, |(host, _)| host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default()
    }

    /// Where it is, to connect to: a name is looked up by the loop, each time.
    ///
    /// # Errors
    ///
    /// If no host can have this name.
    pub fn address(&self) -> Result<Address, ParseAddressError> {
        Address::to_host(self.host(), self.port())
    }

    /// Its addresses: at least one.
    ///
    /// # Errors
    ///
    /// If the name is nobody's.
    pub fn resolve(&self) -> Result<Vec<Address>, Unresolved> {
        let failed = |error| Unresolved { host: self.0.clone(), error };
        let found: Vec<Address> =
            self.0.to_socket_addrs().map_err(failed)?.map(Address::from).collect();
        if found.is_empty() { Err(failed(io::ErrorKind::NotFound.into())) } else { Ok(found) }
    }

    /// Its first address.
    ///
    /// # Errors
    ///
    /// If the name is nobody's.
    pub fn first(&self) -> Result<Address, Unresolved> {
        // `resolve` has found at least one.
        self.resolve().map(|mut found| found.swap_remove(0))
    }
}

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        let result = match text.split_once(':') {
            Some(("tcp", place)) => place.parse().map(Self::Tcp),
            Some(("udp", place)) => place.parse().map(Self::Udp),
            Some(("unix", _)) => text.parse().map(Self::Unix).map_err(|_| NoEndpoint::Form(ALL)),
            _ => text.parse().map(Self::Tcp),
        };
        result.map_err(|error| error.among(ALL))
    }
}

impl FromStr for HostPort {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        match text.rsplit_once(':') {
            Some(("", _) | (_, "")) | None => Err(NoEndpoint::Form("HOST:PORT")),
            Some((_, port)) if port.parse::<u16>().is_err() => {
                Err(NoEndpoint::Port(port.to_owned()))
            }
            Some(_) => Ok(Self(text.to_owned())),
        }
    }
}

impl NoEndpoint {
    /// Where more than the one form would have done.
    fn among(self, forms: &'static str) -> Self {
        match self {
            Self::Form(_) => Self::Form(forms),
            other => other,
        }
    }
}

/// Reads a server of streams, for an option of a protocol that has no datagrams: `HOST:PORT` or `unix:PATH`.
///
/// # Errors
///
/// [`NoEndpoint`].
pub fn of_streams(text: &str) -> Result<Endpoint, NoEndpoint> {
    match text.parse() {
        Ok(Endpoint::Udp(_)) => Err(NoEndpoint::NotOverUdp),
        result => result.map_err(|error| error.among(STREAMS)),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => place.fmt(f),
            Self::Udp(place) => write!(f, "udp:{place}"),
            Self::Unix(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the permission bits of a file, in octal as chmod(1) has them.
///
/// # Errors
///
/// If it is no such number; the text is a sentence for the option's user.
fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|&mode| mode <= 0o777);
    mode.ok_or_else(|| "expected three octal digits, such as 660".to_owned())
}

/// Reads a number of seconds, `0.5` say, for an option.
///
/// # Errors
///
/// If it is no number, or none that time can have; the text is a sentence for the option's user.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds, such as 10 or 0.5".to_owned())
}

/// As [`seconds`], for an option that makes no sense with none.
///
/// # Errors
///
/// As there, and if it is none.
pub fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("expected more than no time at all".to_owned()),
        time => Ok(time),
    }
}

/// Reads how many, for an option that makes no sense with none.
///
/// # Errors
///
/// If it is no whole number, or none, or too large; the text is a sentence for the option's user.
pub fn how_many<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|&number: &u64| number > 0);
    let number = number.ok_or_else(|| "expected a whole number, 1 or more".to_owned())?;
    N::try_from(number).map_err(|_| "that is too many".to_owned())
}

/// Reads a WebSocket's URL, `ws://` or `wss://`, as the `http` one that its handshake asks for.
///
/// # Errors
///
/// If it is none, or has a fragment (RFC 6455, 3); the text is a sentence for who has written it.
pub fn websocket_url(text: &str) -> Result<Url, String> {
    let url = match text.split_once("://") {
        Some((_, rest)) if rest.contains('#') => {
            return Err("the URL of a WebSocket has no fragment, which begins with #".to_owned());
        }
        Some(("ws", rest)) => format!("http://{rest}").parse(),
        Some(("wss", rest)) => format!("https://{rest}").parse(),
        _ => return Err("expected ws://HOST[:PORT]/PATH, or wss".to_owned()),
    };
    url.map_err(|error: NoUrl| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_websockets_url_is_one() {
        let url = websocket_url("ws://localhost:81/chat?room=1").expect("it is one");
        assert_eq!((url.authority().as_str(), url.target()), ("localhost:81", "/chat?room=1"));
        assert_eq!(websocket_url("wss://a/").expect("it is one").port(), 443);
        for (text, why) in
            [("http://a/", "or wss"), ("ws://", "no host"), ("ws://a/b#c", "no fragment")]
        {
            let error = websocket_url(text).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn every_kind_of_server_has_a_spelling() {
        for text in ["localhost:7", "127.0.0.1:7", "[::1]:7", "udp:localhost:7", "unix:/tmp/a:b"] {
            let endpoint: Endpoint = text.parse().expect("it is an endpoint");
            assert_eq!(endpoint.to_string(), text);
        }
        assert_eq!("tcp:a:1".parse::<Endpoint>(), "a:1".parse());
    }

    #[test]
    fn what_names_no_server_is_refused() {
        for text in ["", "localhost", ":7", "localhost:", "udp:7", "unix:"] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(error.to_string().contains("udp:HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn a_host_has_no_port_and_no_brackets() {
        for (text, host) in
            [("a.example:7", Some("a.example")), ("[::1]:7", Some("::1")), ("unix:/a", None)]
        {
            assert_eq!(text.parse::<Endpoint>().expect("it is an endpoint").host(), host);
        }
    }

    #[test]
    fn a_port_that_is_none_is_what_the_error_is_about() {
        for text in ["localhost:70000", "udp:localhost:70000", "[::1]:70000", "tcp:a:70000"] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert_eq!(error, NoEndpoint::Port("70000".to_owned()));
        }
        assert_eq!("a:http".parse::<HostPort>(), Err(NoEndpoint::Port("http".to_owned())));
    }

    #[test]
    fn a_protocol_of_streams_does_not_advise_udp() {
        assert_eq!(of_streams("udp:localhost:7"), Err(NoEndpoint::NotOverUdp));
        assert_eq!(of_streams("localhost"), Err(NoEndpoint::Form(STREAMS)));
        assert_eq!(of_streams("localhost:7"), "localhost:7".parse());
    }

    #[test]
    fn an_address_is_its_own_name() {
        let found = "udp:[::1]:7".parse::<Endpoint>().map(|endpoint| endpoint.resolve());
        assert_eq!(found.unwrap().unwrap(), ["[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn seconds_may_be_parts_and_are_never_negative() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        for text in ["", "-1", "ten", "NaN", "1e300"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(some_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("0").is_ok() && some_seconds("0").is_err());
    }
}
