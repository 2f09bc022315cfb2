//! The tracer of a build without the feature `trace`: it does nothing and costs nothing.

use std::time::Instant;

use super::{About, What};

#[derive(Default)]
pub(crate) struct Tracer(());

impl Tracer {
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    pub(crate) fn record(&self, _: impl FnOnce() -> Instant, _: About, _: impl FnOnce() -> What) {}
}
