//! What a wait reports: everything that an edge-triggered poller may get away with.

use std::sync::atomic::Ordering;

use super::Fault;
use super::world::{Event, Ready, SocketIndex, World};
use crate::id::Token;
use crate::net::Readiness;

/// What a wait has reported, and how much one may.
pub(crate) struct Events {
    told: Vec<(Token, Readiness)>,
    most: usize,
}

impl Events {
    pub(crate) fn new(most: usize) -> Self {
        Self { told: Vec::new(), most }
    }

    pub(crate) fn len(&self) -> usize {
        self.told.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, Readiness)> {
        self.told.iter().copied()
    }
}

impl World {
    /// Reports what has come up on a host. No edge is ever lost: what is not reported now is
    /// reported later.
    pub(super) fn wait(&mut self, host: u16, events: &mut Events) {
        let Events { told: events, most } = events;
        events.clear();
        if self.strikes(Fault::Interrupted) {
            return self.plan(self.now, Event::Wake);
        }
        if self.kernel(host).is_due.swap(false, Ordering::AcqRel) {
            events.push((Token::WAKER, Readiness::READ));
        }
        let mut ready = std::mem::take(&mut self.kernel_mut(host).ready);
        if ready.len() > 1 && self.strikes(Fault::Reordered) {
            self.shuffle(ready.make_contiguous());
        }
        let most = self.batch(ready.len()).min(*most);
        while events.len() < most
            && let Some(entry) = ready.pop_front()
        {
            if entry.not_before > self.now {
                self.kernel_mut(host).ready.push_back(entry);
            } else {
                self.report(host, entry, events);
            }
        }
        // Those that nobody has asked about yet are in front.
        let later = &mut self.kernel_mut(host).ready;
        ready.append(later);
        *later = ready;
        self.invent(host, events);
    }

    /// How many events are reported at a time.
    fn batch(&mut self, ready: usize) -> usize {
        if ready > 1 && self.strikes(Fault::SmallBatch) {
            1 + self.choices.below(ready as u64 - 1) as usize
        } else {
            usize::MAX
        }
    }

    fn shuffle(&mut self, ready: &mut [Ready]) {
        for at in 1..ready.len() {
            // The calmest choice leaves it where it is.
            let other = at - self.choices.below(at as u64 + 1) as usize;
            ready.swap(at, other);
        }
    }

    /// Reports one socket, or puts it off.
    fn report(&mut self, host: u16, entry: Ready, events: &mut Vec<(Token, Readiness)>) {
        let index = entry.socket;
        let level = self.level(index);
        let Some(socket) = self.sockets.get_mut(index) else {
            return;
        };
        let Some(token) = socket.token else {
            return;
        };
        let pending = std::mem::take(&mut socket.pending);
        if entry.late.is_some_and(|late| late != pending) {
            self.counts.note(Fault::Merged);
        }
        if level == Readiness::default() {
            // It was dealt with before it could be told of.
            return;
        }
        if self.strikes(Fault::Late) {
            return self.put_off(host, index, pending);
        }
        let mut told = level;
        if told.contains(Readiness::END) && self.strikes(Fault::HintHidden) {
            told = told.without(Readiness::END);
            // The end has an event of its own, as if it had come a moment later.
            self.put_back(host, index, Readiness::READ);
        }
        let both = Readiness::READ.with(Readiness::WRITE);
        let has_writing = pending.contains(Readiness::WRITE) || pending.contains(Readiness::END);
        if told.contains(both) && has_writing && self.strikes(Fault::Split) {
            // kqueue tells of the end in both of its events (`EV_EOF`).
            events.push((token, told.without(Readiness::READ)));
            told = told.without(Readiness::WRITE);
        }
        events.push((token, told));
        if self.strikes(Fault::Duplicated) {
            events.push((token, told));
        }
    }

    /// An event comes later, and may tell of more by then.
    fn put_off(&mut self, host: u16, index: SocketIndex, pending: Readiness) {
        let not_before = self.now + self.moment();
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.pending = pending;
        }
        let ready = Ready { socket: index, not_before, late: Some(pending) };
        self.kernel_mut(host).ready.push_back(ready);
        self.plan(not_before, Event::Wake);
    }

    /// An event has told a part; the rest is told by the next.
    fn put_back(&mut self, host: u16, index: SocketIndex, pending: Readiness) {
        let not_before = self.now;
        if let Some(socket) = self.sockets.get_mut(index) {
            socket.pending = pending;
        }
        let ready = Ready { socket: index, not_before, late: None };
        self.kernel_mut(host).ready.push_back(ready);
    }

    /// Events of nothing: of sockets that are not ready, and of sockets that are no more.
    fn invent(&mut self, host: u16, events: &mut Vec<(Token, Readiness)>) {
        if self.choices.chance(self.faults.rate(Fault::Stale))
            && let Some(token) = self.choose_closed(host)
        {
            self.counts.note(Fault::Stale);
            events.push((token, Readiness::READ.with(Readiness::WRITE)));
        }
        if !self.sockets.is_empty()
            && self.choices.chance(self.faults.rate(Fault::Spurious))
            && let Some(token) = self.choose_registered(host)
        {
            self.counts.note(Fault::Spurious);
            let what = match self.choices.below(3) {
                0 => Readiness::READ,
                1 => Readiness::WRITE,
                _ => Readiness::READ.with(Readiness::WRITE),
            };
            events.push((token, what));
        }
    }

    /// One of the sockets that this host closed last.
    fn choose_closed(&mut self, host: u16) -> Option<Token> {
        let count = self.kernel(host).closed.len() as u64;
        let chosen = self.choices.below(count) as usize;
        self.kernel(host).closed.get(chosen).copied()
    }

    /// Any socket, if it is this host's.
    fn choose_registered(&mut self, host: u16) -> Option<Token> {
        let chosen = self.choices.below(self.sockets.capacity() as u64) as usize;
        self.sockets.get(chosen).filter(|socket| socket.host == host)?.token
    }
}
