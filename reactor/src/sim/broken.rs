//! What a simulation says when something does not hold.

use std::time::Duration;

use thiserror::Error;

/// Something that must always hold does not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("after {at:?}, {what} is broken: {how}")]
pub struct Broken {
    /// When, since the network began.
    pub at: Duration,
    /// What does not hold: the name of an invariant, or what the network itself looks after.
    pub what: String,
    /// In what way.
    pub how: String,
}
