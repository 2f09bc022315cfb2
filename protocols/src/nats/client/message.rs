//! A message, as it comes and as it is published.

use crate::nats::wire::{Headers, Status};

/// A message: one that has come, lent for the time of a callback where the loop has read it, or one to be published.
///
/// ```
/// use protocols::nats::Message;
///
/// let message = Message::new("chat.tea", b"hello").with_reply("_INBOX.1");
/// assert_eq!((message.subject, message.payload), ("chat.tea", &b"hello"[..]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// What it is published as.
    pub subject: &'a str,
    /// Where answers are to go.
    pub reply: Option<&'a str>,
    /// Its headers.
    pub headers: Option<Headers<'a>>,
    /// What is in it.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message to be published.
    #[must_use]
    pub fn new(subject: &'a str, payload: &'a [u8]) -> Self {
        Self { subject, reply: None, headers: None, payload }
    }

    /// The same, whose answers go there.
    #[must_use]
    pub fn with_reply(self, reply: &'a str) -> Self {
        Self { reply: Some(reply), ..self }
    }

    /// The same with these headers.
    #[must_use]
    pub fn with_headers(self, headers: Headers<'a>) -> Self {
        Self { headers: Some(headers), ..self }
    }

    /// A server's own word, of which there is one in messages that nobody has published.
    #[must_use]
    pub fn status(&self) -> Option<Status<'a>> {
        self.headers.and_then(Headers::status)
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.and_then(|headers| headers.get(name))
    }

    /// Bytes that count against the server's `max_payload`.
    pub(super) fn size(&self) -> usize {
        self.payload.len() + self.headers.map_or(0, |headers| headers.as_bytes().len())
    }
}
