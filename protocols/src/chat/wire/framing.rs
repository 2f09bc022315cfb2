//! How lines go out: on a stream each ends with CR LF, on a WebSocket each is a message (IRCv3 WebSocket).

use bytes::Bytes;

#[cfg(feature = "websocket")]
use crate::websocket::{CloseCode, Frame};

/// How lines go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::chat) enum Framing {
    /// Each with CR LF behind it.
    #[default]
    Stream,
    /// A message of text each: `text.ircv3.net`.
    #[cfg(feature = "websocket")]
    Text,
    /// A message of bytes each: `binary.ircv3.net`.
    #[cfg(feature = "websocket")]
    Binary,
}

impl Framing {
    /// A line with its CR LF, as it goes out.
    #[inline]
    pub(in crate::chat) fn frame(self, line: Bytes) -> Bytes {
        match self {
            Self::Stream => line,
            #[cfg(feature = "websocket")]
            // Lines are made of text: whatever was not has been refused (UTF8ONLY).
            Self::Text => Frame::of_text(without_end(&line)).into(),
            #[cfg(feature = "websocket")]
            Self::Binary => Frame::binary(without_end(&line)).into(),
        }
    }

    /// What is said behind the last line.
    pub(in crate::chat) fn goodbye(self) -> Option<Bytes> {
        match self {
            Self::Stream => None,
            #[cfg(feature = "websocket")]
            Self::Text | Self::Binary => Some(Frame::close(CloseCode::NORMAL, "").into()),
        }
    }
}

#[cfg(feature = "websocket")]
fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").unwrap_or(line)
}
