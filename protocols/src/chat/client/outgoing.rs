//! What waits to be said, and how fast it is.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use reactor::TokenBucket;

use super::ClientLimits;

/// The lines that wait, and the budget they are paid from.
#[derive(Debug)]
pub(super) struct Outgoing {
    lines: VecDeque<Bytes>,
    capacity: usize,
    budget: TokenBucket,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Bytes),
    /// There is more, for later.
    Wait(Instant),
    Nothing,
}

impl Outgoing {
    pub(super) fn new(limits: &ClientLimits) -> Self {
        let budget = TokenBucket::new(limits.rate, limits.burst);
        Self { lines: VecDeque::new(), capacity: limits.queue, budget }
    }

    /// Queues a line, or hands it back.
    pub(super) fn push(&mut self, line: Bytes) -> Result<(), Bytes> {
        if self.lines.len() >= self.capacity {
            return Err(line);
        }
        self.lines.push_back(line);
        Ok(())
    }

    /// A line has been sent past the queue: it is paid for all the same, if it can be.
    pub(super) fn charge(&mut self, now: Instant) {
        let _ = self.budget.take(now);
    }

    pub(super) fn poll(&mut self, now: Instant) -> Next {
        if self.lines.is_empty() {
            return Next::Nothing;
        }
        match self.budget.take(now) {
            Ok(()) => self.lines.pop_front().map_or(Next::Nothing, Next::Send),
            Err(then) => Next::Wait(then),
        }
    }

    /// How many more lines there is room for.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.lines.len())
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Forgets what waits, and that anything was sent: what comes now is the last.
    pub(super) fn forget_budget(&mut self, limits: &ClientLimits) {
        *self = Self::new(limits);
    }

    /// Forgets what waits: the connection it was for is gone.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.lines).len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_in_time_and_in_order() {
        let limits = ClientLimits { burst: 2, rate: 1, queue: 4, ..ClientLimits::default() };
        let now = Instant::now();
        let mut outgoing = Outgoing::new(&limits);
        for line in ["a", "b", "c", "d"] {
            outgoing.push(line.into()).expect("there is room");
        }
        assert_eq!(outgoing.push("e".into()), Err("e".into()));
        assert_eq!(outgoing.poll(now), Next::Send("a".into()));
        assert_eq!(outgoing.poll(now), Next::Send("b".into()));
        let then = now + Duration::from_secs(1);
        assert_eq!(outgoing.poll(now), Next::Wait(then));
        assert_eq!(outgoing.poll(then), Next::Send("c".into()));
        assert_eq!((outgoing.room(), outgoing.clear()), (3, 1));
        assert_eq!(outgoing.poll(then), Next::Nothing);
    }
}
