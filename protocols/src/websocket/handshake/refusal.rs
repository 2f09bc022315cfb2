//! A handshake that a server does not make, and what it answers.

use thiserror::Error;

/// Why a server refuses a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no HTTP, or none that can be understood.
    #[error("the request is malformed")]
    Malformed,
    /// Its head has more than [`Limits::head`](crate::websocket::Limits::head).
    #[error("the request's head is too long")]
    HeadTooLong,
    /// It is no GET (RFC 6455, 4.1).
    #[error("a WebSocket is opened with GET")]
    Method,
    /// It does not ask for a WebSocket: `Upgrade` or `Connection` is missing.
    #[error("this is a WebSocket server")]
    NoUpgrade,
    /// Another version than 13.
    #[error("WebSocket version 13 is spoken here")]
    Version,
    /// A key that is none, or none at all (4.2.1).
    #[error("Sec-WebSocket-Key is missing or wrong")]
    Key,
    /// A request with a body: nobody could tell where the frames begin.
    #[error("a handshake has no body")]
    Body,
    /// A page of another site asks ([`Origins`](crate::websocket::Origins)).
    #[error("this origin is not allowed")]
    Origin,
    /// The program has nothing there.
    #[error("there is nothing here")]
    NotFound,
    /// The program does not want it.
    #[error("not allowed")]
    Forbidden,
    /// The program has too much to do.
    #[error("too busy: try again later")]
    Busy,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Key | Self::Body => 400,
            Self::Origin | Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::NoUpgrade | Self::Version => 426,
            Self::HeadTooLong => 431,
            Self::Busy => 503,
        }
    }

    /// The fields of the answer that belong to the status (RFC 9110, 15.5.6 and 15.5.22; RFC 6455, 4.4).
    pub fn fields(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let fields: &[_] = match self {
            Self::Method => &[("Allow", "GET")],
            Self::NoUpgrade | Self::Version => {
                &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
            }
            _ => &[],
        };
        fields.iter().copied()
    }

    /// The whole answer. The connection ends behind it.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let phrase = match self.status() {
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            426 => "Upgrade Required",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let body = format!("{self}\n");
        let mut answer = format!("HTTP/1.1 {} {phrase}\r\n", self.status());
        for (name, value) in self.fields() {
            answer += &format!("{name}: {value}\r\n");
        }
        let connection = if self.status() == 426 { "Upgrade, close" } else { "close" };
        answer += &format!("Connection: {connection}\r\nContent-Type: text/plain\r\n");
        answer += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        answer.into_bytes()
    }
}
