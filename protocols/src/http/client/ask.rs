//! A request, as it goes out.

use std::fs::File;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::Url;
use crate::http::wire::{write_field, write_number};

/// A request.
#[derive(Debug)]
pub struct Ask {
    pub(super) method: Method,
    target: String,
    host: String,
    fields: Vec<(String, Vec<u8>)>,
    pub(super) payload: Payload,
    /// How long the head of its answer may take, if not as long as all others.
    pub(super) patience: Option<Duration>,
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
        Self {
            method,
            target: url.target().to_owned(),
            host: url.authority(),
            fields: Vec::new(),
            payload: Payload::None,
            patience: None,
        }
    }

    /// Adds a field. Line ends in its value become spaces. Host, Content-Length and Connection are written
    /// by themselves.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn with_payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// The same with another time for the head of the answer than
    /// [`ClientLimits::head_time`](super::ClientLimits::head_time).
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Whether it can be sent again when nothing was heard of the first time (RFC 9110, 9.2.2).
    pub(super) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && !matches!(self.payload, Payload::File(..))
    }

    /// The head, as it goes out.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(self.method.as_str().as_bytes());
        head.push(b' ');
        head.extend_from_slice(self.target.as_bytes());
        head.extend_from_slice(b" HTTP/1.1\r\n");
        write_field(&mut head, "Host", self.host.as_bytes());
        for (name, value) in &self.fields {
            write_field(&mut head, name, value);
        }
        let length = match &self.payload {
            // A method that has a body says that it is empty (RFC 9110, 8.6).
            Payload::None => {
                matches!(self.method, Method::POST | Method::PUT | Method::PATCH).then_some(0)
            }
            Payload::Bytes(bytes) => Some(bytes.len() as u64),
            Payload::File(_, length) => Some(*length),
        };
        if let Some(length) = length {
            head.extend_from_slice(b"Content-Length: ");
            write_number(&mut head, length);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}
