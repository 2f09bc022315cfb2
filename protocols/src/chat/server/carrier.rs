//! What carries lines: a stream, on which each ends with CR LF, or a WebSocket, on which each is a message
//! (IRCv3 WebSocket).
//!
//! ```text
//!   stream      │ PRIVMSG #a :hi \r\n │ PRIVMSG #a :ho \r\n │
//!   WebSocket   │▒ PRIVMSG #a :hi │▒ PRIVMSG #a :ho │            ▒ a frame's header
//! ```
//!
//! [`Carrier`] is how they come; [`Framing`] is how they go: part of what makes two users' bytes the same.

use reactor::framing::{Line, Lines};
use reactor::{Input, Transport};

use crate::chat::wire::framing::Framing;
use crate::chat::wire::message::{MAX_BODY, MAX_TAGS};
#[cfg(feature = "websocket")]
use crate::websocket::carrier;

/// The longest line that may come, without what ends it.
const LONGEST: usize = MAX_TAGS + MAX_BODY - 2;

/// How lines come in.
#[derive(Debug)]
pub(super) enum Carrier {
    Stream(Lines),
    #[cfg(feature = "websocket")]
    WebSocket(Box<carrier::Carrier>, Framing),
}

/// What has come.
#[cfg_attr(not(feature = "websocket"), allow(dead_code))]
pub(super) enum Next<'a> {
    Line(&'a [u8]),
    TooLong,
    /// Something that is no line, and has been answered.
    Control,
    /// The rest of it has yet to come.
    Partial,
    /// Nothing more: why, as the others are told.
    Over(String),
}

/// What reading needs for the time of a callback.
#[cfg(feature = "websocket")]
pub(super) type Reading = Option<carrier::Unpacking>;
/// What reading needs for the time of a callback: nothing.
#[cfg(not(feature = "websocket"))]
pub(super) struct Reading;

impl Carrier {
    pub(super) fn stream() -> Self {
        Self::Stream(Lines::new(LONGEST))
    }

    pub(super) fn framing(&self) -> Framing {
        match self {
            Self::Stream(_) => Framing::Stream,
            #[cfg(feature = "websocket")]
            Self::WebSocket(_, framing) => *framing,
        }
    }

    /// To be given back with [`give_back`](Self::give_back).
    #[inline]
    pub(super) fn begin(&self) -> Reading {
        #[cfg(feature = "websocket")]
        match self {
            Self::Stream(_) => None,
            Self::WebSocket(socket, _) => Some(socket.begin()),
        }
        #[cfg(not(feature = "websocket"))]
        Reading
    }

    #[inline]
    pub(super) fn give_back(&self, reading: Reading) {
        #[cfg(feature = "websocket")]
        if let (Self::WebSocket(socket, _), Some(reading)) = (self, reading) {
            socket.give_back(reading);
        }
        #[cfg(not(feature = "websocket"))]
        let Reading = reading;
    }

    /// Takes what stands at the front of the input.
    #[cfg_attr(not(feature = "websocket"), allow(unused_variables))]
    #[inline]
    pub(super) fn next<'a, App>(
        &mut self,
        transport: &mut Transport<'_, App>,
        input: &'a mut Input<'_>,
        reading: &'a mut Reading,
    ) -> Next<'a> {
        match self {
            Self::Stream(lines) => match lines.next(input) {
                Line::Whole(line) => Next::Line(line),
                Line::TooLong => Next::TooLong,
                Line::Partial => Next::Partial,
            },
            #[cfg(feature = "websocket")]
            Self::WebSocket(socket, _) => match reading {
                Some(reading) => message(socket.next(transport, input, reading)),
                None => Next::Partial,
            },
        }
    }
}

/// What a message is: one line. With another inside it is refused as a whole, where it is parsed; a line end
/// behind it, which should not be there, is none of it.
#[cfg(feature = "websocket")]
fn message(arrival: carrier::Arrival<'_>) -> Next<'_> {
    use carrier::Arrival;
    match arrival {
        Arrival::Message(line) => {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > LONGEST { Next::TooLong } else { Next::Line(line) }
        }
        Arrival::Control => Next::Control,
        Arrival::Partial => Next::Partial,
        Arrival::Closed => Next::Over("Connection closed".to_owned()),
        Arrival::Failed(violation) => Next::Over(violation.to_string()),
    }
}
