//! What a peer can do wrong, and the code it is told.

use thiserror::Error;

use super::CloseCode;

/// The peer broke a rule of the protocol, or a limit of ours: the connection fails (RFC 6455, 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A bit that no extension in use has given a meaning to (5.2).
    #[error("a reserved bit is set")]
    ReservedBits,
    /// An opcode without a meaning (5.2).
    #[error("opcode {0} is reserved")]
    ReservedOpcode(u8),
    /// A client's frame without a mask (5.1).
    #[error("a client has to mask its frames")]
    NotMasked,
    /// A server's frame with a mask (5.1).
    #[error("a server must not mask its frames")]
    Masked,
    /// A length that would have fitted into fewer bytes, or has its highest bit set (5.2).
    #[error("a length is not written as short as it could be")]
    Length,
    /// A control frame in fragments (5.5).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame of more than 125 bytes (5.5).
    #[error("a control frame is too long")]
    LongControl,
    /// A continuation of nothing (5.4).
    #[error("a continuation of no message")]
    StrayContinuation,
    /// A message begins within another (5.4).
    #[error("a message begins before the last has ended")]
    MessageWithinMessage,
    /// A Close frame of one byte, which is no code (5.5.1).
    #[error("a Close frame with half a code")]
    CloseOfOneByte,
    /// A code that must not be sent (7.4).
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    /// Text that is not UTF-8 (8.1).
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// A compressed message that does not inflate (RFC 7692).
    #[error("a message that does not inflate")]
    NotDeflate,
    /// More than [`Limits::frame`](crate::websocket::Limits::frame).
    #[error("a frame is too long")]
    FrameTooLong,
    /// More than [`Limits::message`](crate::websocket::Limits::message).
    #[error("a message is too long")]
    MessageTooLong,
    /// More than [`Limits::inflated`](crate::websocket::Limits::inflated).
    #[error("a message inflates to too much")]
    InflatesTooLong,
    /// More than [`Limits::fragments`](crate::websocket::Limits::fragments).
    #[error("a message has too many fragments")]
    TooManyFragments,
}

impl Violation {
    /// The code the peer is told.
    #[must_use]
    pub fn code(self) -> CloseCode {
        match self {
            Self::NotUtf8 | Self::NotDeflate => CloseCode::INVALID_DATA,
            Self::FrameTooLong | Self::MessageTooLong | Self::InflatesTooLong => CloseCode::TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}
