//! What frames amount to: messages, and what is said about the connection itself.

use super::CloseCode;

/// A whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, which is UTF-8.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Its bytes, whichever it is.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message is whole.
    Message(Message<'a>),
    /// The peer asks whether this side is there.
    Ping(&'a [u8]),
    /// The peer is there.
    Pong(&'a [u8]),
    /// The peer sends no more, and may say why.
    Close(Option<(CloseCode, &'a str)>),
}
