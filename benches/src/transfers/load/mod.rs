//! The clients: the same for every server, and as cheap as clients can be.

pub mod blocks;
pub mod control;
pub mod crowd;
pub mod single;

use std::time::Duration;

/// A silence of that long means that a server has stopped.
pub const PATIENCE: Duration = Duration::from_secs(60);
