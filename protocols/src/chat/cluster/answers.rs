//! Who waits for a snapshot of this node: one after the other has it, at a pace, so that many who ask at once neither
//! stop this node nor fill what it has to send.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::chat::wire::node::NodeName;

#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Each node once, however often it asks.
    waiting: VecDeque<NodeName>,
    /// When the next has its turn; at once, if none had one.
    next: Option<Instant>,
    /// The last one was too long to be sent.
    is_too_much: bool,
}

impl Answers {
    pub(super) fn ask(&mut self, node: NodeName) {
        if !self.waiting.contains(&node) {
            self.waiting.push_back(node);
        }
    }

    /// Who has its turn now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<NodeName> {
        if self.next.is_some_and(|next| next > now) {
            return None;
        }
        let node = self.waiting.pop_front()?;
        self.next = Some(now);
        Some(node)
    }

    /// When somebody has its turn.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// So long is the answer to whoever had its turn.
    pub(super) fn note_sent(&mut self, bytes: usize, a_second: usize) {
        if let Some(next) = &mut self.next {
            *next += Duration::from_micros(bytes as u64 * 1_000_000 / a_second.max(1) as u64);
        }
    }

    /// The answer is too long to be sent, or is not; whether it is, and the one before was not.
    pub(super) fn note_too_much(&mut self, is_too_much: bool) -> bool {
        !std::mem::replace(&mut self.is_too_much, is_too_much) && is_too_much
    }

    /// Others are not answered any more: they are not there, or ask again.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&NodeName) -> bool) {
        self.waiting.retain(is_kept);
    }
}
