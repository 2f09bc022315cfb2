//! How fast bytes go: what the last seconds brought.

/// Bytes a second, smoothed, and all there ever were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    total: u64,
    /// Bytes since the last tick.
    fresh: u64,
    smooth: u64,
}

impl Rate {
    pub(super) fn add(&mut self, bytes: u32) {
        self.total += u64::from(bytes);
        self.fresh += u64::from(bytes);
    }

    /// A second has passed: it weighs as much as all before it have in four.
    pub(super) fn tick(&mut self) {
        self.smooth = (self.smooth * 3 + self.fresh) / 4;
        self.fresh = 0;
    }

    /// Bytes a second.
    pub(super) fn per_second(&self) -> u64 {
        self.smooth
    }

    /// The same, where this second may already have brought more.
    pub(super) fn at_best(&self) -> u64 {
        self.smooth.max(self.fresh)
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}
