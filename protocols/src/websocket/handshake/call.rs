//! The client's side: what it asks, and whether it was given that.

use std::fmt::Write;

use thiserror::Error;

use super::{Agreed, Agreement, Fields, accept_key, key};
use crate::websocket::Options;

/// A client's request, and what it waits for.
#[derive(Clone, Debug)]
pub struct Call {
    key: String,
    head: String,
}

/// Why a client has no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// What came is no answer that can be understood.
    #[error("the answer is malformed")]
    Malformed,
    /// Its head has more than [`Limits::head`](crate::websocket::Limits::head).
    #[error("the answer's head is too long")]
    HeadTooLong,
    /// The server answers with another status than 101.
    #[error("the server answered {status}{}", fmt_location(.location))]
    Status {
        /// The status.
        status: u16,
        /// Where it says that one should go instead. Nobody has gone there.
        location: Option<String>,
    },
    /// `Upgrade` or `Connection` is missing, or the proof is wrong (RFC 6455, 4.1).
    #[error("the server does not speak WebSocket")]
    NoWebSocket,
    /// A subprotocol or an extension that was not offered.
    #[error("the server took up what was not offered: {0}")]
    NotOffered(String),
    /// [`Limits::handshake`](crate::websocket::Limits::handshake) has passed.
    #[error("the server did not answer in time")]
    Timeout,
}

fn fmt_location(location: &Option<String>) -> String {
    location.as_ref().map(|it| format!(", and names {it}")).unwrap_or_default()
}

/// What cannot be in a line of a head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} cannot be in a request")]
pub struct Unwritable(pub String);

impl Call {
    /// A request for `target` of `host`, with fields of the program's own. `random` are bits that nobody
    /// can guess.
    ///
    /// ```
    /// use protocols::websocket::Options;
    /// use protocols::websocket::handshake::Call;
    ///
    /// let call = Call::new("example.com", "/chat?room=1", &[], [1, 2], &Options::default())?;
    /// assert!(call.as_bytes().starts_with(b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If something of it would be more than a line, or a target has a space: it would be another request.
    pub fn new(
        host: &str,
        target: &str,
        fields: &[(String, String)],
        random: [u64; 2],
        options: &Options,
    ) -> Result<Self, Unwritable> {
        let key = key::new_key(random);
        let mut head = String::new();
        let _ = write!(
            head,
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            word(target)?,
            word(host)?,
        );
        if !options.subprotocols.is_empty() {
            let names = options.subprotocols.join(", ");
            let _ = write!(head, "Sec-WebSocket-Protocol: {}\r\n", line(&names)?);
        }
        if let Some(deflate) = &options.deflate {
            let _ = write!(head, "Sec-WebSocket-Extensions: {}\r\n", Agreement::offer(deflate));
        }
        for (name, value) in fields {
            let _ = write!(head, "{}: {}\r\n", word(name)?, line(value)?);
        }
        head += "\r\n";
        Ok(Self { key, head })
    }

    /// The whole request.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.head.as_bytes()
    }

    /// Looks at the whole head of an answer (RFC 6455, 4.1).
    ///
    /// # Errors
    ///
    /// If it gives no WebSocket, or another than was asked for.
    pub fn check(&self, head: &[u8], options: &Options) -> Result<Agreed, Unanswered> {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut response = httparse::Response::new(&mut fields);
        let complete = matches!(response.parse(head), Ok(httparse::Status::Complete(_)));
        let (Some(status), true) = (response.code, complete) else {
            return Err(Unanswered::Malformed);
        };
        let fields: Fields<'_> = response.headers.iter().map(|it| (it.name, it.value)).collect();
        if status != 101 {
            let location = fields.only("location").map(str::to_owned);
            return Err(Unanswered::Status { status, location });
        }
        let upgrades =
            fields.lists("upgrade", "websocket") && fields.lists("connection", "upgrade");
        let proof = accept_key(&self.key);
        if !upgrades || fields.only("sec-websocket-accept") != Some(&*proof) {
            return Err(Unanswered::NoWebSocket);
        }
        agreed(&fields, options)
    }
}

/// What the server took up of what was offered.
fn agreed(fields: &Fields<'_>, options: &Options) -> Result<Agreed, Unanswered> {
    let mut agreed = Agreed::default();
    for name in fields.all("sec-websocket-protocol") {
        let offered = options.subprotocols.iter().any(|it| it == name);
        if !offered || agreed.subprotocol.replace(name.to_owned()).is_some() {
            return Err(Unanswered::NotOffered(name.to_owned()));
        }
    }
    for extension in fields.list("sec-websocket-extensions") {
        let deflate = options.deflate.as_ref().and_then(|it| Agreement::check(extension, it));
        let Some(deflate) = deflate.filter(|_| agreed.deflate.is_none()) else {
            return Err(Unanswered::NotOffered(extension.to_owned()));
        };
        agreed.deflate = Some(deflate);
    }
    Ok(agreed)
}

/// Text that is part of a line.
fn line(text: &str) -> Result<&str, Unwritable> {
    let ok = text.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
    if ok { Ok(text) } else { Err(Unwritable(text.to_owned())) }
}

/// Text that is a word of a line.
fn word(text: &str) -> Result<&str, Unwritable> {
    let ok = !text.is_empty() && text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    if ok { Ok(text) } else { Err(Unwritable(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 101 OK\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n";

    fn call(options: &Options) -> Call {
        Call::new("h", "/", &[], [7, 8], options).expect("it can be written")
    }

    fn check(answer: &str, options: &Options) -> Result<Agreed, Unanswered> {
        let call = call(options);
        let answer = answer.replace("PROOF", &accept_key(&call.key));
        call.check(answer.as_bytes(), options)
    }

    #[test]
    fn an_answer_that_gives_no_websocket_says_why() {
        let options = Options::default();
        let moved = "HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n";
        let elsewhere = Unanswered::Status { status: 302, location: Some("/there".to_owned()) };
        for (answer, expected) in [
            ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), Unanswered::Malformed),
            (
                "HTTP/1.1 404 No\r\n\r\n".to_owned(),
                Unanswered::Status { status: 404, location: None },
            ),
            (moved.to_owned(), elsewhere),
            (
                "HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: PROOF\r\n\r\n".to_owned(),
                Unanswered::NoWebSocket,
            ),
            (format!("{GOOD}Sec-WebSocket-Accept: xyz\r\n\r\n"), Unanswered::NoWebSocket),
        ] {
            assert_eq!(check(&answer, &options), Err(expected), "{answer}");
        }
    }

    #[test]
    fn only_what_was_offered_may_be_taken_up() {
        let options = Options { subprotocols: vec!["chat".to_owned()], ..Options::default() };
        let good = format!("{GOOD}Sec-WebSocket-Accept: PROOF\r\n");
        assert_eq!(check(&format!("{good}\r\n"), &options), Ok(Agreed::default()));
        let chat = format!("{good}Sec-WebSocket-Protocol: chat\r\n\r\n");
        assert_eq!(check(&chat, &options).map(|it| it.subprotocol), Ok(Some("chat".to_owned())));
        for wrong in [
            "Sec-WebSocket-Protocol: soap\r\n",
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n",
            "Sec-WebSocket-Extensions: x-frame\r\n",
            "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n",
        ] {
            let answer = check(&format!("{good}{wrong}\r\n"), &options);
            assert!(matches!(answer, Err(Unanswered::NotOffered(_))), "{wrong} {answer:?}");
        }
    }

    #[test]
    fn nothing_that_would_be_another_request_is_written() {
        let options = Options::default();
        for (host, target, field) in [
            ("h", "/ HTTP/1.1\r\nX: y", "v"),
            ("h\r\nX: y", "/", "v"),
            ("h", "", "v"),
            ("h", "/", "v\r\nX: y"),
        ] {
            let fields = [("name".to_owned(), field.to_owned())];
            assert!(Call::new(host, target, &fields, [1, 2], &options).is_err(), "{target:?}");
        }
    }
}
