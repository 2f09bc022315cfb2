//! How two connections that were coupled have ended.

use std::fmt;

use crate::Closed;

/// Two connections that were coupled have both ended. It reads as a line for a log: the ends of both, and the bytes
/// that each had brought.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Uncoupled {
    /// The end of the one that was named first.
    pub first: Closed,
    /// The end of the one that was named second.
    pub second: Closed,
    /// Bytes that the first brought and the second was given to send.
    pub first_to_second: u64,
    /// Bytes that the second brought and the first was given to send.
    pub second_to_first: u64,
}

impl Uncoupled {
    /// Whether both sides of both connections said goodbye, so that everything has arrived.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.first.reason.is_clean() && self.second.reason.is_clean()
    }
}

impl fmt::Display for Uncoupled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, first_to_second, second_to_first } = self;
        write!(f, "{first}, {first_to_second} bytes; {second}, {second_to_first} bytes")
    }
}
