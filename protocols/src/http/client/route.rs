//! The way to a server: straight, or through a proxy.

use reactor::Address;

use super::socks::SocksUser;
use crate::http::wire::write_field;

/// The way to a server: straight, or through a proxy (RFC 9110, 3.7).
///
/// ```text
///  straight                 client ─────────────────────────────────▶ server
///  a proxy, in the clear    client ── GET http://server/… ──▶ proxy ──▶ server
///  a proxy, with TLS        client ── CONNECT server:443 ──▶ proxy ══▶ server     the proxy sees bytes
///  SOCKS                    client ── a way to server ─────▶ proxy ──▶ server     with TLS, it sees bytes
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    pub(super) server: Address,
    pub(super) proxied: Option<Proxied>,
}

/// A proxy, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proxied {
    pub(super) proxy: Address,
    pub(super) language: Language,
}

/// What a proxy is spoken to in, and what it is told of who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Language {
    Http(Option<String>),
    Socks(Option<SocksUser>),
}

impl Route {
    /// Straight to the server.
    #[must_use]
    pub fn to(server: Address) -> Self {
        Self { server, proxied: None }
    }

    /// Through a proxy, which may want to know who asks: what Proxy-Authorization says (RFC 9110, 11.7.2). Through a
    /// client that speaks TLS it is a tunnel, of which the proxy is told host and port.
    #[must_use]
    pub fn through(self, proxy: Address, authorization: Option<String>) -> Self {
        Self { proxied: Some(Proxied { proxy, language: Language::Http(authorization) }), ..self }
    }

    /// Through a SOCKS5 proxy (RFC 1928), which may want to know who asks. A server that goes by a name is looked up
    /// there, and not here.
    #[must_use]
    pub fn through_socks(self, proxy: Address, user: Option<SocksUser>) -> Self {
        Self { proxied: Some(Proxied { proxy, language: Language::Socks(user) }), ..self }
    }

    /// Where the connection goes.
    pub(super) fn first(&self) -> &Address {
        self.proxied.as_ref().map_or(&self.server, |proxied| &proxied.proxy)
    }

    /// Whether a SOCKS proxy is asked for the way, and what it may be told of who asks.
    pub(super) fn socks(&self) -> Option<Option<&SocksUser>> {
        match &self.proxied.as_ref()?.language {
            Language::Socks(user) => Some(user.as_ref()),
            Language::Http(_) => None,
        }
    }

    /// What asks a proxy for a tunnel to the server (RFC 9110, 9.3.6).
    pub(super) fn connect(&self) -> Option<Vec<u8>> {
        let proxied = self.proxied.as_ref()?;
        let server = self.server.to_string();
        let mut head = format!("CONNECT {server} HTTP/1.1\r\n").into_bytes();
        write_field(&mut head, "Host", server.as_bytes());
        proxied.write_authorization(&mut head);
        head.extend_from_slice(b"\r\n");
        Some(head)
    }
}

impl Proxied {
    pub(super) fn write_authorization(&self, head: &mut Vec<u8>) {
        if let Language::Http(Some(authorization)) = &self.language {
            write_field(head, "Proxy-Authorization", authorization.as_bytes());
        }
    }
}

impl From<Address> for Route {
    fn from(server: Address) -> Self {
        Self::to(server)
    }
}
