//! A request, as it goes out.

use std::fs::File;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::{Scheme, Url};
use crate::http::outgoing::Framing;
use crate::http::wire::{Length, write_field, write_length};

/// A request.
#[derive(Debug)]
pub struct Ask {
    pub(super) method: Method,
    target: String,
    host: Vec<u8>,
    /// Those of the caller, as they go out.
    fields: Vec<u8>,
    pub(super) payload: Payload,
    /// How long the head of its answer may take, if not as long as all others.
    pub(super) patience: Option<Duration>,
    /// How long all of it may take, if that has a bound.
    pub(super) timeout: Option<Duration>,
    expects_continue: bool,
    /// The protocol that the connection may change to.
    pub(super) upgrade: Option<Vec<u8>>,
}

/// The body of a request.
#[derive(Debug, Default)]
pub enum Payload {
    /// There is none.
    #[default]
    None,
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes of a file, from its beginning.
    File(File, u64),
    /// What is [sent](super::Call::send) and [finished](super::Call::finish) once
    /// [`Reader::on_ready`](super::Reader::on_ready) says that it can be.
    Open(Length),
}

/// What has left of the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upload {
    /// Nothing: the server is to say first that it wants it (RFC 9110, 10.1.1).
    Awaited,
    /// It is being written.
    Open(Framing),
    /// All of it, or there is none.
    Done,
}

impl Ask {
    /// GET.
    #[must_use]
    pub fn get(url: &Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A request with any method.
    #[must_use]
    pub fn new(method: Method, url: &Url) -> Self {
        Self::with_target(method, url.target(), url.authority())
    }

    /// A request for what is called `target` at the server called `host`, both as they go out: the one cannot
    /// hold a space or the end of a line, or the server would read another request.
    #[must_use]
    pub(in crate::http) fn with_target(
        method: Method,
        target: &str,
        host: impl Into<Vec<u8>>,
    ) -> Self {
        debug_assert!(
            !target.contains(|it: char| it.is_ascii_whitespace() || it.is_ascii_control())
        );
        Self {
            method,
            target: target.to_owned(),
            host: host.into(),
            fields: Vec::new(),
            payload: Payload::None,
            patience: None,
            timeout: None,
            expects_continue: false,
            upgrade: None,
        }
    }

    /// Adds a field. Line ends in its value become spaces. Host, Content-Length and Connection are written
    /// by themselves.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        write_field(&mut self.fields, name, value.as_ref());
        self
    }

    /// Adds fields that are written already.
    #[must_use]
    pub(in crate::http) fn written_fields(mut self, fields: &[u8]) -> Self {
        self.fields.extend_from_slice(fields);
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn with_payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// The same with another time for the head of the answer than
    /// [`ClientLimits::head_time`](super::ClientLimits::head_time). While a proxy is asked for a way, no longer is waited
    /// for that either. For the whole answer there is [`with_timeout`](Self::with_timeout).
    #[must_use]
    pub fn with_head_timeout(mut self, timeout: Duration) -> Self {
        self.patience = Some(timeout);
        self
    }

    /// The same with a time for all of it, from [`send`](super::Client::send) to the last byte of the answer: for
    /// waiting for a connection and for making one as well. Then it ends with
    /// [`Failure::Timeout`](super::Failure::Timeout), at once, and waits no more; a connection that is just being made
    /// for it goes on, up to its [`connect_timeout`](reactor::StreamLimits::connect_timeout).
    ///
    /// Where no [timer](reactor::Limits::timers) is left its time is over at once.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same, asking the server first whether it wants the body at all: `Expect: 100-continue` (RFC 9110,
    /// 10.1.1). For bodies that cost more than the wait. A server that says nothing gets it after
    /// [`ClientLimits::continue_time`](super::ClientLimits::continue_time).
    #[must_use]
    pub fn expecting_continue(mut self) -> Self {
        self.expects_continue = true;
        self
    }

    /// The same, offering to change to another protocol: `Upgrade: name` (RFC 9110, 7.8). If the server does,
    /// [`Reader::on_switch`](super::Reader::on_switch) is called.
    #[must_use]
    pub fn upgrading_to(mut self, name: impl AsRef<[u8]>) -> Self {
        self.upgrade = Some(name.as_ref().to_vec());
        self
    }

    /// Whether it can be sent again when nothing was heard of the first time (RFC 9110, 9.2.2).
    pub(super) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && matches!(self.payload, Payload::None | Payload::Bytes(_))
    }

    /// Whether its body is asked for before it is sent.
    pub(super) fn awaits_continue(&self) -> bool {
        self.expects_continue && !matches!(self.payload, Payload::None)
    }

    /// The head, as it goes out: to the server itself, or to a proxy, which is told the whole URL (RFC 9112,
    /// 3.2.2), and perhaps who asks.
    pub(super) fn head(&self, proxied: Option<&super::Proxied>) -> Vec<u8> {
        let mut head = Vec::with_capacity(256 + self.fields.len());
        head.extend_from_slice(self.method.as_str().as_bytes());
        head.push(b' ');
        if proxied.is_some() {
            head.extend_from_slice(Scheme::Http.to_string().as_bytes());
            head.extend_from_slice(b"://");
            head.extend_from_slice(&self.host);
        }
        head.extend_from_slice(self.target.as_bytes());
        head.extend_from_slice(b" HTTP/1.1\r\n");
        write_field(&mut head, "Host", &self.host);
        head.extend_from_slice(&self.fields);
        if let Some(proxied) = proxied {
            proxied.write_authorization(&mut head);
        }
        if let Some(name) = &self.upgrade {
            write_field(&mut head, "Connection", b"Upgrade");
            write_field(&mut head, "Upgrade", name);
        }
        if self.awaits_continue() {
            write_field(&mut head, "Expect", b"100-continue");
        }
        let length = match &self.payload {
            // A method that has a body says that it is empty (RFC 9110, 8.6).
            Payload::None => {
                let has_body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
                has_body.then_some(Length::Exact(0))
            }
            Payload::Bytes(bytes) => Some(Length::Exact(bytes.len() as u64)),
            Payload::File(_, length) => Some(Length::Exact(*length)),
            Payload::Open(length) => Some(*length),
        };
        match length {
            Some(Length::Exact(length)) => write_length(&mut head, length),
            Some(Length::Open) => write_field(&mut head, "Transfer-Encoding", b"chunked"),
            None => {}
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}
