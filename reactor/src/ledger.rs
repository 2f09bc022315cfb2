//! What the loop notes down while it turns: the counters, the caps, and who needs a visit.
//!
//! A socket's own file knows nothing of protocols or slots; all that it tells the loop goes through
//! here.

use std::collections::VecDeque;

use crate::id::Key;
use crate::limits::Limits;
use crate::net::Clock;
use crate::reason::CloseReason;
use crate::stats::Stats;

/// Small writes of one callback are gathered up to this many bytes, few enough to stay in the cache.
pub(crate) const CORK: usize = 16 * 1024;

pub(crate) struct Ledger {
    pub(crate) limits: Limits,
    pub(crate) stats: Stats,
    pub(crate) clock: Clock,
    /// What the running connection has written in this callback. Empty between callbacks.
    pub(crate) cork: Vec<u8>,
    /// The running connection has said in this callback that it sends no more.
    pub(crate) sealed: bool,
    /// Charge of all outboxes, held against [`Limits::outboxes`].
    pub(crate) queued: usize,
    /// Sources with something left to do that no event will remind us of.
    pub(crate) ready: VecDeque<Key>,
    /// Connections that others have written to, to be flushed at the end of the turn.
    pub(crate) touched: Vec<Key>,
    /// Sources that have ended, to be told and removed at the end of the turn.
    pub(crate) retired: VecDeque<(Key, CloseReason)>,
}

impl Ledger {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            stats: Stats::default(),
            clock: Clock::new(),
            cork: Vec::with_capacity(CORK),
            sealed: false,
            queued: 0,
            ready: VecDeque::new(),
            touched: Vec::new(),
            retired: VecDeque::new(),
        }
    }

    /// Notes that one outbox went from one charge to another.
    pub(crate) fn recharge(&mut self, before: usize, after: usize) {
        self.queued = self.queued + after - before;
    }

    /// Whether the next turn has work already, and must not sleep.
    pub(crate) fn has_work(&self) -> bool {
        !(self.ready.is_empty() && self.touched.is_empty() && self.retired.is_empty())
    }
}
