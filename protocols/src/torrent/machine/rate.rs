//! How fast bytes go: what the last seconds brought.

/// Seconds that are remembered one by one.
const SECONDS: usize = 4;

/// Bytes a second, smoothed, and all there ever were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    total: u64,
    /// Bytes of this second.
    fresh: u64,
    /// Bytes of those before it.
    recent: [u64; SECONDS],
    smooth: u64,
}

impl Rate {
    pub(super) fn add(&mut self, bytes: u32) {
        self.total += u64::from(bytes);
        self.fresh += u64::from(bytes);
    }

    /// A second has passed: it weighs as much as a quarter of all before it.
    pub(super) fn tick(&mut self) {
        self.smooth = (self.smooth * 3 + self.fresh) / 4;
        self.recent.rotate_right(1);
        self.recent[0] = self.fresh;
        self.fresh = 0;
    }

    /// Bytes a second.
    pub(super) fn per_second(&self) -> u64 {
        self.smooth
    }

    /// The best of the last seconds: what a peer can do that answers in pulses.
    pub(super) fn at_best(&self) -> u64 {
        self.recent.iter().copied().fold(self.fresh, u64::max)
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}
