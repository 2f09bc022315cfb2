//! How two connections that were coupled have ended.

use crate::Closed;

/// Two connections that were coupled have both ended.
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
