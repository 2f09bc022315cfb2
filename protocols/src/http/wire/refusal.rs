//! Why a message is not taken.

use http::StatusCode;
use thiserror::Error;

/// Why a message is not taken. A server answers with [`status`](Self::status) and closes, since where the
/// next message begins is not certain any more; a client gives the connection up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The head is not one: a space or a byte where none may be, a line that is folded (RFC 9112, 2 to 5).
    #[error("the head is malformed: {0}")]
    Malformed(httparse::Error),
    /// A line ends with LF alone: what stands before us may read on to the CRLF (RFC 9112, 2.2).
    #[error("a line ends without CR")]
    BareLineFeed,
    /// The version is not HTTP/1.0 or HTTP/1.1.
    #[error("the version is not supported")]
    Version,
    /// The target is none of the four forms, or not the one of its method (RFC 9112, 3.2).
    #[error("the target is malformed")]
    Target,
    /// The target is longer than [`HeadLimits::target`](crate::http::HeadLimits::target).
    #[error("the target is too long")]
    TargetTooLong,
    /// The head is longer than [`HeadLimits::head`](crate::http::HeadLimits::head).
    #[error("the head is too long")]
    HeadTooLong,
    /// It has more fields than [`HeadLimits::fields`](crate::http::HeadLimits::fields).
    #[error("the head has too many fields")]
    TooManyFields,
    /// HTTP/1.1 without Host, or with two, or with one that is no host (RFC 9112, 3.2).
    #[error("there has to be one Host")]
    Host,
    /// Both Transfer-Encoding and Content-Length (RFC 9112, 6.1).
    #[error("both Transfer-Encoding and Content-Length")]
    TwoFramings,
    /// Content-Length is no number, or too large a one, or is there twice (RFC 9110, 8.6).
    #[error("Content-Length is not one number")]
    Length,
    /// Transfer-Encoding does not end with `chunked`, or has it twice, or is in HTTP/1.0 (RFC 9112, 6.1).
    #[error("Transfer-Encoding cannot be relied on")]
    Coding,
    /// A transfer coding that is not known here.
    #[error("an unknown transfer coding")]
    UnknownCoding,
    /// Expect has something else than `100-continue` (RFC 9110, 10.1.1).
    #[error("an unknown expectation")]
    Expectation,
    /// CONNECT, where it is not [allowed](crate::http::server::Settings::connect).
    #[error("CONNECT is not done here")]
    Connect,
    /// A chunk is malformed: its size has a sign, a prefix, too many digits, or its line does not end with
    /// CRLF (RFC 9112, 7.1).
    #[error("a chunk is malformed")]
    Chunk,
    /// The extensions of chunks are longer than
    /// [`BodyLimits::extensions`](crate::http::BodyLimits::extensions).
    #[error("the chunk extensions are too long")]
    Extensions,
    /// The trailers are malformed.
    #[error("the trailers are malformed")]
    Trailers,
    /// The trailers are longer than [`BodyLimits::trailers`](crate::http::BodyLimits::trailers).
    #[error("the trailers are too long")]
    TrailersTooLong,
    /// The body is longer than is allowed.
    #[error("the body is too long")]
    BodyTooLong,
    /// The head or the body took too long.
    #[error("the request took too long")]
    Timeout,
}

impl Refusal {
    /// What a server answers with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_)
            | Self::BareLineFeed
            | Self::Target
            | Self::Host
            | Self::TwoFramings
            | Self::Length
            | Self::Coding
            | Self::Chunk
            | Self::Extensions
            | Self::Trailers => StatusCode::BAD_REQUEST,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLong | Self::TooManyFields | Self::TrailersTooLong => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::UnknownCoding | Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }
}
