//! The tracer of a build without the feature `trace`: it does nothing and costs nothing.

use std::time::Instant;

use super::{Subject, What};

#[derive(Default)]
pub(crate) struct Tracer(());

/// Whom a record would be about.
#[derive(Clone, Copy)]
pub(crate) enum About {
    Visit(Option<Subject>),
    Visited,
    Other(Subject),
}

impl Tracer {
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    pub(crate) fn record(&self, _: impl FnOnce() -> Instant, _: About, _: impl FnOnce() -> What) {}
}
