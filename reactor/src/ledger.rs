//! What the loop keeps for all its sources: counters, caps, and the lists of those that need a visit.
//!
//! A socket's own file knows nothing of protocols or slots; all that it tells the loop goes through
//! here.

use std::collections::VecDeque;

use crate::address::Peers;
use crate::handshakes::Handshakes;
use crate::id::Key;
use crate::limits::Limits;
use crate::net::{Clock, System};
use crate::outbox::{Pipes, Spares};
use crate::reason::CloseReason;
use crate::stats::Stats;
use crate::trace::{About, Subject, Tracer, What};

/// Bytes read from one socket at a time: the largest UDP datagram fits, and it fits into the cache. With
/// half of it a file that comes in takes 3 % longer, and twice as much has others wait longer for less.
pub(crate) const SCRATCH: usize = 128 * 1024;
/// The loop's one read buffer.
pub(crate) type Scratch = [u8; SCRATCH];

pub(crate) struct Ledger {
    pub(crate) limits: Limits,
    pub(crate) stats: Stats,
    pub(crate) clock: Clock,
    /// The trace, if one was begun.
    pub(crate) tracer: Tracer,
    /// Whether more is to be done when the running callback returns than to give the kernel what it wrote.
    pub(crate) attention: bool,
    /// Whether what is sent by id waits for the end of the turn. So it is in a turn with several events, since
    /// more is likely to follow, and between turns.
    pub(crate) gathers: bool,
    /// Reads one connection may make in a turn: [`Limits::read_budget`] in full buffers.
    pub(crate) reads_a_turn: usize,
    /// Addresses of connections.
    pub(crate) peers: Peers,
    /// Layers that are being opened.
    pub(crate) handshakes: Handshakes,
    /// Where layers work that hold nothing.
    pub(crate) layers: LayerBuffers,
    /// Memory of outboxes that have run empty.
    pub(crate) spares: Spares,
    /// Pipes between coupled connections.
    pub(crate) pipes: Pipes,
    /// Charge of all outboxes, held against [`Limits::outboxes`].
    pub(crate) queued: usize,
    /// The ready list: sources with work left that no event will announce.
    pub(crate) ready: VecDeque<Key>,
    /// Connections that others have written to, or that were told to close: flushed at the end of the turn.
    pub(crate) touched: VecDeque<Key>,
    /// Sources that have ended, to be told and removed at the end of the turn.
    pub(crate) retired: VecDeque<(Key, Box<CloseReason>)>,
}

/// Buffers that are lent to one layer after the other. None needs more than one read brings, or one write takes.
#[derive(Default)]
pub(crate) struct LayerBuffers {
    /// For what comes out of it.
    pub(crate) plain: Vec<u8>,
    /// For what it has to send.
    pub(crate) wire: Vec<u8>,
}

impl Ledger {
    pub(crate) fn new(limits: Limits, system: System) -> Self {
        Self {
            stats: Stats::default(),
            clock: Clock::new(system),
            tracer: Tracer::default(),
            attention: false,
            gathers: true,
            reads_a_turn: limits.read_budget.div_ceil(SCRATCH).max(1),
            peers: Peers::default(),
            handshakes: Handshakes::default(),
            layers: LayerBuffers::default(),
            spares: Spares::default(),
            pipes: Pipes::default(),
            queued: 0,
            ready: VecDeque::new(),
            touched: VecDeque::new(),
            retired: VecDeque::new(),
            limits,
        }
    }

    /// Keeps the sum when the charge of one outbox has changed.
    pub(crate) fn recharge(&mut self, before: usize, after: usize) {
        self.queued = self.queued + after - before;
    }

    /// How many of the waiting sources a phase visits in one turn: [`Limits::visit_budget`], and at least one.
    pub(crate) fn budgeted(&self, waiting: usize) -> usize {
        waiting.min(self.limits.visit_budget.max(1))
    }

    /// Whether the next turn has work already, and must not sleep.
    pub(crate) fn has_work(&self) -> bool {
        self.waiting() != 0
    }

    /// Zero if nobody needs a visit.
    pub(crate) fn waiting(&self) -> usize {
        self.ready.len() | self.touched.len() | self.retired.len()
    }

    // ── the trace ───────────────────────────────────────────────────────────────────────────

    /// Whether a trace has been begun.
    pub(crate) fn is_traced(&self) -> bool {
        self.tracer.is_on()
    }

    /// Records something about the source that is being visited.
    pub(crate) fn trace(&self, what: impl FnOnce() -> What) {
        self.record(|| About::Visited, what);
    }

    /// Records that the loop turns to a source.
    pub(crate) fn trace_visit(&self, whom: impl Into<Subject>, what: impl FnOnce() -> What) {
        self.record(|| About::Visit(Some(whom.into())), what);
    }

    /// Records something about the loop itself.
    pub(crate) fn trace_loop(&self, what: impl FnOnce() -> What) {
        self.record(|| About::Visit(None), what);
    }

    /// Records something about a source, whichever is being visited.
    pub(crate) fn trace_of(&self, whom: impl Into<Subject>, what: impl FnOnce() -> What) {
        self.record(|| About::Other(whom.into()), what);
    }

    pub(crate) fn trace_about(&self, about: About, what: impl FnOnce() -> What) {
        self.record(|| about, what);
    }

    /// Makes the record only if there is a trace.
    fn record(&self, about: impl FnOnce() -> About, what: impl FnOnce() -> What) {
        if self.is_traced() {
            self.tracer.record(|| self.clock.read(), about(), what);
        }
    }
}
