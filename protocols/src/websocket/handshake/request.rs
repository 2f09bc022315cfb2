//! The server's side: what a client asks, and whether it gets it.

use std::fmt::Write;

use super::{Agreed, Agreement, Fields, Refusal, accept_key, key};
use crate::websocket::{Options, Origins};

/// The head of a client's request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Its method: `GET`, or it is refused.
    pub method: &'a str,
    /// What it asks for: a path, and perhaps a query.
    pub target: &'a str,
    /// The digit behind `HTTP/1.`.
    pub minor_version: u8,
    /// Its fields.
    pub fields: Fields<'a>,
}

/// A handshake that a server makes: what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    accept: String,
    agreed: Agreed,
}

/// Fields of a head: more are refused, as Apache does.
const MOST_FIELDS: usize = 100;

impl<'a> Request<'a> {
    /// Reads a whole head, up to its empty line.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] if it is none.
    pub fn parse(head: &'a [u8]) -> Result<Self, Refusal> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Refusal::Malformed),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
            Err(_) => return Err(Refusal::Malformed),
        }
        let (Some(method), Some(target), Some(minor_version)) =
            (request.method, request.path, request.version)
        else {
            return Err(Refusal::Malformed);
        };
        let fields = request.headers.iter().map(|field| (field.name, field.value)).collect();
        Ok(Self { method, target, minor_version, fields })
    }

    /// The target without its query, as it came: percent-encoded.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// The subprotocols that the client speaks, the one it likes best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.fields.list("sec-websocket-protocol")
    }
}

/// Looks at a request, and makes its handshake (RFC 6455, 4.2).
///
/// ```
/// use protocols::websocket::Options;
/// use protocols::websocket::handshake::{Request, accept};
///
/// let head = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// let acceptance = accept(&Request::parse(head)?, &Options::default())?;
/// assert!(acceptance.to_bytes().starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// # Ok::<(), protocols::websocket::Refusal>(())
/// ```
///
/// # Errors
///
/// What is wrong with it, which is also what the client is to be answered.
pub fn accept(request: &Request<'_>, options: &Options) -> Result<Acceptance, Refusal> {
    let fields = &request.fields;
    if request.method != "GET" {
        return Err(Refusal::Method);
    }
    // Who asks for no WebSocket is told that before anything else.
    let upgrades = fields.lists("upgrade", "websocket") && fields.lists("connection", "upgrade");
    if !upgrades {
        return Err(Refusal::NoUpgrade);
    }
    let host = fields.only("host").filter(|_| request.minor_version == 1);
    let Some(host) = host else {
        return Err(Refusal::Malformed);
    };
    if fields.only("sec-websocket-version") != Some("13") {
        return Err(Refusal::Version);
    }
    let key = fields.only("sec-websocket-key").filter(|key| key::is_key(key));
    let Some(key) = key else {
        return Err(Refusal::Key);
    };
    if fields.has("transfer-encoding") || fields.all("content-length").any(|it| it != "0") {
        return Err(Refusal::Body);
    }
    if !options.origins.allow(fields, host) {
        return Err(Refusal::Origin);
    }
    let speaks = |name: &&str| options.subprotocols.iter().any(|known| known == name);
    let subprotocol = request.subprotocols().find(speaks).map(str::to_owned);
    let deflate = options.deflate.as_ref().and_then(|it| Agreement::choose(fields, it));
    Ok(Acceptance { accept: accept_key(key), agreed: Agreed { subprotocol, deflate } })
}

impl Origins {
    /// Whether who asks may: a program without an origin may always, since it can say what it likes.
    pub(crate) fn allow(&self, fields: &Fields<'_>, host: &str) -> bool {
        if *self == Self::Any || !fields.has("origin") {
            return true;
        }
        let Some(origin) = fields.only("origin") else {
            return false;
        };
        match self {
            Self::Any => true,
            Self::SameHost => {
                let authority = origin.split_once("://").map(|(_, authority)| authority);
                authority.is_some_and(|it| it.eq_ignore_ascii_case(host))
            }
            Self::Only(allowed) => allowed.iter().any(|it| it.eq_ignore_ascii_case(origin)),
        }
    }
}

impl Acceptance {
    /// What it agrees on.
    #[must_use]
    pub fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// The fields of the answer, whose status is 101, beside `Upgrade` and `Connection`.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let subprotocol = self.agreed.subprotocol.clone();
        let deflate = self.agreed.deflate.map(Agreement::answer);
        let agreed = [
            subprotocol.map(|it| ("Sec-WebSocket-Protocol", it)),
            deflate.map(|it| ("Sec-WebSocket-Extensions", it)),
        ];
        let accept = ("Sec-WebSocket-Accept", self.accept.clone());
        [Some(accept)].into_iter().chain(agreed).flatten()
    }

    /// The whole answer. Frames follow it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut answer = "HTTP/1.1 101 Switching Protocols\r\n\
            Upgrade: websocket\r\nConnection: Upgrade\r\n"
            .to_owned();
        for (name, value) in self.fields() {
            let _ = write!(answer, "{name}: {value}\r\n");
        }
        answer += "\r\n";
        answer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, &str); 5] = [
        ("Host", "example.com:81"),
        ("Upgrade", "h2c, WebSocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// What is answered to this line, to the usual fields without one of them, and these.
    fn answer(
        line: &str,
        without: &str,
        with: &[(&str, &str)],
        options: &Options,
    ) -> Result<Acceptance, Refusal> {
        let usual = FIELDS.iter().filter(|(name, _)| *name != without);
        let fields: String =
            usual.chain(with).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{line}\r\n{fields}\r\n");
        accept(&Request::parse(head.as_bytes())?, options)
    }

    #[test]
    fn each_thing_that_is_wrong_has_its_answer() {
        let options = Options::default();
        let get = "GET /chat HTTP/1.1";
        assert!(answer(get, "", &[], &options).is_ok());
        for (line, without, with, refusal) in [
            ("GET /chat HTTP/1.0", "", &[][..], Refusal::Malformed),
            ("POST /chat HTTP/1.1", "", &[], Refusal::Method),
            ("GET", "", &[], Refusal::Malformed),
            (get, "Host", &[], Refusal::Malformed),
            (get, "", &[("Host", "example.com")], Refusal::Malformed),
            (get, "Upgrade", &[], Refusal::NoUpgrade),
            (get, "Connection", &[], Refusal::NoUpgrade),
            (get, "Sec-WebSocket-Version", &[("Sec-WebSocket-Version", "8")], Refusal::Version),
            (get, "Sec-WebSocket-Key", &[], Refusal::Key),
            (get, "Sec-WebSocket-Key", &[("Sec-WebSocket-Key", "c2hvcnQ=")], Refusal::Key),
            (get, "", &[("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], Refusal::Key),
            (get, "", &[("Content-Length", "5")], Refusal::Body),
            (get, "", &[("Transfer-Encoding", "chunked")], Refusal::Body),
            (get, "", &[("Origin", "http://evil.example")], Refusal::Origin),
            (get, "", &[("Origin", "null")], Refusal::Origin),
        ] {
            assert_eq!(answer(line, without, with, &options), Err(refusal), "{line} {with:?}");
        }
    }

    #[test]
    fn pages_of_the_same_host_may_and_others_if_they_are_listed() {
        let ask = |origin, origins| {
            let options = Options { origins, ..Options::default() };
            answer("GET / HTTP/1.1", "", &[("Origin", origin)], &options).is_ok()
        };
        assert!(ask("https://Example.com:81", Origins::SameHost));
        assert!(!ask("https://example.com", Origins::SameHost));
        let only = Origins::Only(vec!["https://friend.example".to_owned(), "null".to_owned()]);
        assert!(ask("https://friend.example", only.clone()) && ask("null", only.clone()));
        assert!(!ask("http://friend.example", only.clone()));
        assert!(!ask("https://example.com:81", only));
        assert!(ask("http://evil.example", Origins::Any));
    }

    #[test]
    fn the_clients_first_subprotocol_that_is_spoken_here_is_taken() {
        let options = Options {
            subprotocols: vec!["binary.ircv3.net".to_owned(), "text.ircv3.net".to_owned()],
            deflate: None,
            ..Options::default()
        };
        let ask = |names| {
            answer("GET / HTTP/1.1", "", &[("Sec-WebSocket-Protocol", names)], &options)
                .map(|it| it.agreed().subprotocol.clone())
        };
        let text = Some("text.ircv3.net".to_owned());
        assert_eq!(ask("soap, text.ircv3.net, binary.ircv3.net"), Ok(text));
        assert_eq!(ask("soap"), Ok(None));
    }

    #[test]
    fn the_answer_says_what_is_agreed_on() {
        let options = Options { subprotocols: vec!["chat".to_owned()], ..Options::default() };
        let with = [
            ("Sec-WebSocket-Protocol", "chat"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ];
        let acceptance = answer("GET / HTTP/1.1", "", &with, &options).expect("it is accepted");
        assert_eq!(
            String::from_utf8(acceptance.to_bytes()).as_deref(),
            Ok("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; \
                server_no_context_takeover; client_no_context_takeover\r\n\r\n")
        );
    }
}
