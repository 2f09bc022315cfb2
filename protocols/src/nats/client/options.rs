//! How a client connects, and as whom.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use reactor::{Address, Backoff};
use thiserror::Error;

use crate::nats::Limits;

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The servers, of which one is connected to. Others of their cluster are learned from them.
    pub servers: Vec<ServerAddr>,
    /// What the client is called, in the lists of its operators. Default empty.
    pub name: String,
    /// Who this client is. Default: what is in the address of the server, if anything is.
    pub auth: Auth,
    /// Whether the servers are tried by chance and not in their order, so that a thousand clients are spread. Default
    /// true.
    pub shuffle: bool,
    /// When a connection that is lost is made again. `None`: never. Default 100 ms to 4 s, less up to half by chance.
    pub reconnect: Option<Backoff>,
    /// How often in a row it may fail to be made again; then the client ends. Default `None`: endlessly.
    pub max_reconnects: Option<u32>,
    /// Whether the first connection is treated as one that was lost. Default false: if none of the servers can be
    /// connected to, the client ends at once.
    pub retry_on_failed_connect: bool,
    /// What happens to what is published while there is no connection, and more than
    /// [`Limits::pending`](crate::nats::Limits::pending) waits already.
    pub when_away: WhenAway,
    /// Whether this client gets what it has published itself, where it has subscribed to it. Default true.
    pub echo: bool,
    /// What addresses for answers begin with. Default `_INBOX`: clients that may not subscribe to those of others need
    /// one of their own.
    pub inbox_prefix: String,
    /// TLS, for servers that want it or are written `tls://`. A server that does not speak it is then none to talk to.
    #[cfg(feature = "tls")]
    pub tls: Option<reactor::tls::ClientTls>,
    /// Whether TLS comes first, before the server has said anything (`handshake_first`). Default false: it comes
    /// behind `INFO`, as NATS has it.
    #[cfg(feature = "tls")]
    pub tls_first: bool,
    /// The bounds.
    pub limits: Limits,
}

impl ClientOptions {
    /// A client of one of these servers, which connects again when it is lost.
    pub fn new(servers: impl IntoIterator<Item = ServerAddr>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            name: String::new(),
            auth: Auth::default(),
            shuffle: true,
            reconnect: Some(Backoff::new(
                std::time::Duration::from_millis(100),
                std::time::Duration::from_secs(4),
            )),
            max_reconnects: None,
            retry_on_failed_connect: false,
            when_away: WhenAway::default(),
            echo: true,
            inbox_prefix: "_INBOX".to_owned(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            tls_first: false,
            limits: Limits::default(),
        }
    }
}

/// Who a client is.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// Whoever has this token.
    Token(String),
    /// A user.
    UserPassword {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A user who is known by a key.
    #[cfg(feature = "nkeys")]
    Nkey(super::Nkey),
}

/// Without what is secret.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("Token(…)"),
            Self::UserPassword { user, .. } => write!(f, "UserPassword({user:?}, …)"),
            #[cfg(feature = "nkeys")]
            Self::Nkey(key) => key.fmt(f),
        }
    }
}

/// What happens to a message that is published while there is no connection, and for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenAway {
    /// It is refused: [`PublishError::Full`](crate::nats::PublishError::Full).
    #[default]
    Refuse,
    /// The oldest that wait make room, and [`Event::Dropped`](crate::nats::Event::Dropped) says how many: where what is
    /// new is worth more.
    DropOldest,
}

/// A server: `nats://HOST:PORT`, `tls://HOST:PORT`, or without the scheme; `USER:PASSWORD@` or `TOKEN@` in front of the
/// host says who the client is. Without a port it is 4222.
///
/// ```
/// use protocols::nats::ServerAddr;
///
/// let server: ServerAddr = "nats://localhost".parse()?;
/// assert_eq!(server.address(), &"localhost:4222".parse()?);
/// assert!("tls://[::1]:4443".parse::<ServerAddr>()?.is_tls());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddr {
    address: Address,
    tls: bool,
    auth: Auth,
}

/// It is no address of a NATS server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no NATS server has such an address: expected nats://HOST[:PORT] or tls://HOST[:PORT]")]
pub struct NoServer;

/// The port of NATS.
const PORT: u16 = 4222;

impl ServerAddr {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether it is written `tls://`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Who the client is there, as the address says it.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }
}

impl From<Address> for ServerAddr {
    fn from(address: Address) -> Self {
        Self { address, tls: false, auth: Auth::None }
    }
}

impl FromStr for ServerAddr {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        let tls = match scheme {
            "nats" => false,
            "tls" => true,
            _ => return Err(NoServer),
        };
        let (auth, place) = match rest.rsplit_once('@') {
            Some((who, place)) => (who_is(who)?, place),
            None => (Auth::None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        Ok(Self { address: place_of(place)?, tls, auth })
    }
}

fn who_is(text: &str) -> Result<Auth, NoServer> {
    let plain = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.is_empty() => Ok(text.into_owned()),
        _ => Err(NoServer),
    };
    Ok(match text.split_once(':') {
        Some((user, password)) => {
            Auth::UserPassword { user: plain(user)?, password: plain(password)? }
        }
        None => Auth::Token(plain(text)?),
    })
}

/// `HOST`, `HOST:PORT`, `[::1]`, `[::1]:PORT`.
fn place_of(text: &str) -> Result<Address, NoServer> {
    // What is behind the last colon is no port, if that is inside of brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| NoServer)?),
        _ => (text, PORT),
    };
    Address::to_host(host, port).map_err(|_| NoServer)
}

/// Without what is secret.
impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "nats" };
        write!(f, "{scheme}://{}", self.address)
    }
}

impl fmt::Debug for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_an_address_and_maybe_a_user() {
        for (text, expected) in [
            ("localhost", "nats://localhost:4222"),
            ("nats://127.0.0.1:7", "nats://127.0.0.1:7"),
            ("tls://a.example/", "tls://a.example:4222"),
            ("[::1]", "nats://[::1]:4222"),
            ("nats://t@[::1]:7", "nats://[::1]:7"),
        ] {
            assert_eq!(text.parse::<ServerAddr>().expect(text).to_string(), expected);
        }
        let server: ServerAddr = "nats://ann:p%40ss@h:1".parse().expect("it is one");
        let expected = Auth::UserPassword { user: "ann".to_owned(), password: "p@ss".to_owned() };
        assert_eq!(server.auth(), &expected);
        assert!(!format!("{server:?} {expected:?}").contains("ss@"));
        for text in
            ["", "http://h", "h:x", "nats://", "nats://:4222", "nats://:p@h", "a b", "h:99999"]
        {
            assert_eq!(text.parse::<ServerAddr>(), Err(NoServer), "{text}");
        }
    }
}
