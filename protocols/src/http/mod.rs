//! HTTP/1.1.
mod limits;
pub mod wire;
pub use limits::{BodyLimits, HeadLimits, ServerLimits};
