//! Those who speak something else than IRC: told by the first thing they say.
//!
//! A web page can have any browser connect anywhere, and send what it likes behind a line that it does not
//! choose: `POST / HTTP/1.1`. Were that line only refused, as an unknown command, those behind it would
//! register a user who says what the page wants, from the address of whoever looks at it. Mail, sent through
//! an open proxy, does the same. The others do no harm; they are told at once instead of after half a minute.
//!
//! What a proxy in front of the server says first (`PROXY TCP4 …`) is none of them: IRC follows. It is not
//! believed, since anybody could say it. `docs/chat.md` has what is done about each.

/// Another protocol, by what a client of it says before it has heard anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherProtocol {
    /// A request line (RFC 9112, 3), or the head of a response.
    Http,
    /// The same of RTSP (RFC 7826, 7.1).
    Rtsp,
    /// The same of SIP (RFC 3261, 7.1).
    Sip,
    /// The record of a handshake (RFC 8446, 5.1).
    Tls,
    /// `SSH-2.0-…` (RFC 4253, 4.2).
    Ssh,
    /// `EHLO` or `HELO` (RFC 5321, 4.1.1.1), `LHLO` (RFC 2033, 4.1).
    Smtp,
}

/// How a record begins that holds a handshake: its type, and the version, which is 3.0 to 3.4.
const HANDSHAKE: [u8; 2] = [0x16, 3];

/// Methods that need nothing behind them to be known by (RFC 9110, 9; RFC 5789; `PRI` begins HTTP/2). None is
/// a command that a client of IRC could give before it is registered.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"];

/// How a version begins, at the end of a request line. Other methods are known by it, some of which are
/// commands of IRC as well: `INVITE sip:ann@example SIP/2.0`.
const VERSIONS: [(&str, OtherProtocol); 3] =
    [("HTTP/", OtherProtocol::Http), ("RTSP/", OtherProtocol::Rtsp), ("SIP/", OtherProtocol::Sip)];

impl OtherProtocol {
    /// Who speaks, by a whole line; `None` if it may be IRC.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let is_between = |byte: &u8| matches!(byte, b' ' | b'\t');
        let mut words = line.split(is_between).filter(|word| !word.is_empty());
        let (first, _target, version) = (words.next()?, words.next(), words.next());
        let is = |word: &str| first.eq_ignore_ascii_case(word.as_bytes());
        let asked = version.filter(|_| words.next().is_none()).and_then(of_version);
        match () {
            () if asked.is_some() => asked,
            () if METHODS.into_iter().any(is) => Some(Self::Http),
            () if ["EHLO", "HELO", "LHLO"].into_iter().any(is) => Some(Self::Smtp),
            () if first.starts_with(b"SSH-") => Some(Self::Ssh),
            () => of_version(first),
        }
    }

    /// Who speaks, if that is plain before there is a line: a handshake has no ends of lines, or has them
    /// anywhere.
    pub(super) fn at_once(input: &[u8]) -> Option<Self> {
        let minor = input.strip_prefix(&HANDSHAKE)?.first()?;
        (*minor <= 4).then_some(Self::Tls)
    }

    /// What it is told.
    pub(super) fn refusal(self) -> &'static str {
        match self {
            Self::Http => "This is IRC, not HTTP",
            Self::Rtsp => "This is IRC, not RTSP",
            Self::Sip => "This is IRC, not SIP",
            Self::Tls => "There is no TLS on this port",
            Self::Ssh => "This is IRC, not SSH",
            Self::Smtp => "This is IRC, not SMTP",
        }
    }
}

/// Whose version it is: `HTTP/1.1`.
fn of_version(word: &[u8]) -> Option<OtherProtocol> {
    let begins = |name: &str| {
        word.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
    };
    VERSIONS.into_iter().find(|(name, _)| begins(name)).map(|(_, stranger)| stranger)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stranger_is_known_by_its_first_words_and_nobody_else_is_one() {
        for (line, stranger) in [
            ("POST / HTTP/1.1", Some(OtherProtocol::Http)),
            ("get", Some(OtherProtocol::Http)),
            ("SEARCH /x HTTP/1.1", Some(OtherProtocol::Http)),
            ("HTTP/1.1 200 OK", Some(OtherProtocol::Http)),
            (" POST\t/ HTTP/1.1", Some(OtherProtocol::Http)),
            ("INVITE sip:x SIP/2.0", Some(OtherProtocol::Sip)),
            ("SSH-2.0-x", Some(OtherProtocol::Ssh)),
            ("ehlo x", Some(OtherProtocol::Smtp)),
            ("", None),
            ("GETTER x", None),
            ("CAP LS 302", None),
            ("REGISTER sip me@sip/ SIP/2.0", None),
            ("NICK POST", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 5 6", None),
            ("USER a 0 * :HTTP/1.1", None),
            ("PASS :a HTTP/1.1 b", None),
        ] {
            assert_eq!(OtherProtocol::of(line.as_bytes()), stranger, "{line:?}");
        }
        assert_eq!(OtherProtocol::at_once(b"\x16\x03\x01"), Some(OtherProtocol::Tls));
        assert_eq!(OtherProtocol::at_once(b"\x16\x03"), None, "it may still be something else");
    }

    proptest! {
        #[test]
        fn any_bytes_are_somebodys(bytes in any::<Vec<u8>>()) {
            let _ = (OtherProtocol::of(&bytes), OtherProtocol::at_once(&bytes));
        }
    }
}
