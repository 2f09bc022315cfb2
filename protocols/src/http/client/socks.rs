//! Asking a SOCKS proxy for a way to a server (RFC 1928; who asks is RFC 1929).

use std::fmt;
use std::net::SocketAddr;

use reactor::Address;
use thiserror::Error;

/// How far it has come.
///
/// ```text
///             proxy: no need to say who asks
///  Greeted ──────────────────────────────────▶ Asked ──the way is open──▶ Open
///     │                                          ▲
///     └── proxy: who asks? ────▶ Named ─ welcome ┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has been told what can be said of who asks.
    Greeted,
    /// It has been told who asks.
    Named,
    /// It has been asked for the server.
    Asked,
    /// What is written from now on goes to the server.
    Open,
}

/// Who asks a SOCKS proxy: a name and a password, which go to it in the clear (RFC 1929).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SocksUser {
    name: Box<[u8]>,
    password: Box<[u8]>,
}

/// Why a SOCKS proxy lets nobody through to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SocksRefusal {
    /// What it answers is something else.
    #[error("it does not speak SOCKS5")]
    NotSocks,
    /// It takes none of the ways to say who asks that there are here: nobody, or a name and a password.
    #[error("it wants to know who asks, in another way")]
    Method,
    /// It does not accept the name and the password.
    #[error("it does not accept the name and the password")]
    User,
    /// The server has no address that SOCKS has words for: it is a Unix socket, or an IPv6 address with a zone, which
    /// is a network of this machine.
    #[error("no proxy leads to such a server")]
    Address,
    /// It ends the connection without an answer.
    #[error("it closes the connection without an answer")]
    NoAnswer,
    /// It takes too long to answer.
    #[error("it has fallen silent")]
    Silent,
    /// It says no, with this number (RFC 1928, 6).
    #[error("{}", words(*.0))]
    Reply(u8),
}

const VERSION: u8 = 5;
/// Nobody need say who asks.
const NOBODY: u8 = 0;
/// A name and a password.
const PASSWORD: u8 = 2;
/// Of the negotiation of RFC 1929.
const PASSWORD_VERSION: u8 = 1;

impl SocksUser {
    /// Somebody, by name and password. `None` if either is empty, or longer than 255 bytes (RFC 1929, 2).
    #[must_use]
    pub fn new(name: &[u8], password: &[u8]) -> Option<Self> {
        let fits = [name, password].iter().all(|said| (1..=255).contains(&said.len()));
        fits.then(|| Self { name: name.into(), password: password.into() })
    }
}

impl fmt::Debug for SocksUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocksUser({:?})", String::from_utf8_lossy(&self.name))
    }
}

impl Stage {
    /// What the proxy is greeted with.
    pub(super) fn greet(user: Option<&SocksUser>) -> Vec<u8> {
        match user {
            None => vec![VERSION, 1, NOBODY],
            Some(_) => vec![VERSION, 2, NOBODY, PASSWORD],
        }
    }

    /// Takes the proxy's next answer from the front of `input`: its length, and what is said to it. `None` while it is
    /// not whole.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        server: &Address,
        user: Option<&SocksUser>,
    ) -> Result<Option<(usize, Vec<u8>)>, SocksRefusal> {
        let &[version, said, ref rest @ ..] = input else {
            return Ok(None);
        };
        let (next, length, answer) = match (*self, version, said, user) {
            (Self::Greeted, VERSION, NOBODY, _) | (Self::Named, PASSWORD_VERSION, 0, _) => {
                (Self::Asked, 2, request(server)?)
            }
            (Self::Greeted, VERSION, PASSWORD, Some(user)) => (Self::Named, 2, name(user)),
            (Self::Greeted, VERSION, ..) => return Err(SocksRefusal::Method),
            (Self::Named, PASSWORD_VERSION, ..) => return Err(SocksRefusal::User),
            (Self::Asked, VERSION, 0, _) => match bound_length(rest)? {
                Some(length) if length <= rest.len() => (Self::Open, 2 + length, Vec::new()),
                _ => return Ok(None),
            },
            (Self::Asked, VERSION, code, _) => return Err(SocksRefusal::Reply(code)),
            _ => return Err(SocksRefusal::NotSocks),
        };
        *self = next;
        Ok(Some((length, answer)))
    }
}

/// Who asks (RFC 1929, 2).
fn name(user: &SocksUser) -> Vec<u8> {
    let mut out = vec![PASSWORD_VERSION];
    for said in [&user.name, &user.password] {
        out.push(said.len() as u8);
        out.extend_from_slice(said);
    }
    out
}

/// Whether a proxy can be asked for this server at all.
pub(super) fn check(server: &Address) -> Result<(), SocksRefusal> {
    request(server).map(drop)
}

/// Asks for a connection (RFC 1928, 4). A host goes by its name: it is the proxy that looks it up.
fn request(server: &Address) -> Result<Vec<u8>, SocksRefusal> {
    let mut out = vec![VERSION, 1, 0];
    match (server, server.host()) {
        (Address::Ip(SocketAddr::V4(v4)), _) => {
            out.push(1);
            out.extend_from_slice(&v4.ip().octets());
        }
        (Address::Ip(SocketAddr::V6(v6)), _) if v6.scope_id() == 0 => {
            out.push(4);
            out.extend_from_slice(&v6.ip().octets());
        }
        // No host's name is longer.
        (_, Some(host)) if host.len() <= 255 => {
            out.extend_from_slice(&[3, host.len() as u8]);
            out.extend_from_slice(host.as_bytes());
        }
        _ => return Err(SocksRefusal::Address),
    }
    out.extend_from_slice(&server.port().ok_or(SocksRefusal::Address)?.to_be_bytes());
    Ok(out)
}

/// How much stands behind version and code: a zero, and where the proxy speaks from (RFC 1928, 6). `None` while it
/// cannot be told.
fn bound_length(rest: &[u8]) -> Result<Option<usize>, SocksRefusal> {
    Ok(match *rest {
        [_, 1, ..] => Some(2 + 4 + 2),
        [_, 4, ..] => Some(2 + 16 + 2),
        [_, 3, length, ..] => Some(3 + usize::from(length) + 2),
        [] | [_] | [_, 3] => None,
        _ => return Err(SocksRefusal::NotSocks),
    })
}

/// RFC 1928, 6.
fn words(code: u8) -> &'static str {
    match code {
        1 => "it has failed",
        2 => "its rules do not allow it",
        3 => "there is no way to the network",
        4 => "there is no way to the host",
        5 => "the server refuses connections",
        6 => "it takes too long",
        7 | 8 => "it does not do this",
        _ => "it says no",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said to a proxy that says this, step by step; and how it ends.
    fn talk(
        server: &str,
        user: Option<(&str, &str)>,
        answers: &[&[u8]],
    ) -> Result<(Stage, Vec<Vec<u8>>), SocksRefusal> {
        let server = server.parse().expect("an address");
        let user = user.map(|(name, password)| {
            SocksUser::new(name.as_bytes(), password.as_bytes()).expect("it is short")
        });
        let (mut stage, mut said) = (Stage::Greeted, vec![Stage::greet(user.as_ref())]);
        for answer in answers {
            for cut in 0..answer.len() {
                let before = stage;
                assert_eq!(stage.take(&answer[..cut], &server, user.as_ref())?, None, "{cut}");
                assert_eq!(stage, before);
            }
            // What stands behind is not touched.
            let more = [answer, &b"HTTP"[..]].concat();
            let taken = stage.take(&more, &server, user.as_ref())?;
            let (length, next) = taken.expect("it is whole");
            assert_eq!(length, answer.len());
            said.push(next);
        }
        Ok((stage, said))
    }

    #[test]
    fn a_way_is_asked_for_by_name_and_by_address() {
        for (server, asked) in [
            ("a.b:80", &b"\x05\x01\0\x03\x03a.b\0\x50"[..]),
            ("10.0.0.1:443", b"\x05\x01\0\x01\x0a\0\0\x01\x01\xbb"),
            ("[::1]:1", b"\x05\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x01"),
        ] {
            for bound in [&b"\x05\0\0\x01\0\0\0\0\0\0"[..], b"\x05\0\0\x03\x02ab\0\0"] {
                let (stage, said) = talk(server, None, &[b"\x05\0", bound]).expect("it is open");
                assert_eq!(stage, Stage::Open);
                assert_eq!(said, [&b"\x05\x01\0"[..], asked, b""], "{server}");
            }
        }
    }

    #[test]
    fn who_asks_is_said_if_the_proxy_wants_to_know() {
        let me = Some(("me", "secret"));
        let answers: [&[u8]; 3] =
            [b"\x05\x02", b"\x01\0", b"\x05\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"];
        let (stage, said) = talk("a:1", me, &answers).expect("it is open");
        assert_eq!(stage, Stage::Open);
        assert_eq!(said[..2], [&b"\x05\x02\0\x02"[..], b"\x01\x02me\x06secret"]);
        let (_, said) = talk("a:1", me, &[b"\x05\0"]).expect("it does not ask");
        assert_eq!(said[1], b"\x05\x01\0\x03\x01a\0\x01");
    }

    #[test]
    fn every_no_has_its_reason() {
        let me = Some(("me", "secret"));
        for (user, answers, why) in [
            (None, &[&b"\x05\xff"[..]][..], SocksRefusal::Method),
            (None, &[b"\x05\x02"], SocksRefusal::Method),
            (me, &[b"\x05\x01"], SocksRefusal::Method),
            (me, &[b"\x05\x02", b"\x01\x01"], SocksRefusal::User),
            (None, &[b"HT"], SocksRefusal::NotSocks),
            (None, &[b"\x04\x5a"], SocksRefusal::NotSocks),
            (None, &[b"\x05\0", b"\x05\x05"], SocksRefusal::Reply(5)),
            (None, &[b"\x05\0", b"\x05\0\0\x02"], SocksRefusal::NotSocks),
        ] {
            assert_eq!(talk("a:1", user, answers), Err(why), "{answers:?}");
        }
        for server in ["unix:/x", "[fe80::1%1]:80"] {
            assert_eq!(talk(server, None, &[b"\x05\0"]), Err(SocksRefusal::Address), "{server}");
        }
        let long = [b'a'; 256];
        for (name, password) in [(&long[..], &b"b"[..]), (b"a", &long), (b"", b"b"), (b"a", b"")] {
            assert_eq!(SocksUser::new(name, password), None);
        }
    }
}
