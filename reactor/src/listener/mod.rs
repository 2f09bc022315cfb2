//! One listening socket: whom it accepts, and when it rests.
//!
//! ```text
//!              out of descriptors, ahead of the rate
//!   Accepting ───────────────────────────────────────▶ Resting(timer)
//!       ▲                                                   │
//!       └──── the timer fires, or a descriptor is freed ────┘
//!
//!   both ── the program pauses it ──▶ Paused ── resumes it ──▶ Accepting
//!   all three ── to be drained ──▶ Draining ── its queue is empty, or too many came ──▶ Drained ──▶ Closed
//!   all  ── closed, or shut down by somebody else ──▶ Closed
//! ```
//!
//! An edge-triggered poller reports a connection once. A listener that stops early, for whatever
//! reason, has to come back by itself: no event will remind it.

mod accept;
mod admission;
mod among;
mod by_id;
mod entrance;
mod preface;
mod prefaces;
mod rate;

use crate::id::Key;
use crate::ledger::Ledger;
use crate::net::{ListenerSocket, Readiness};
use crate::registry::Registry;
use crate::stats::SocketRow;
use crate::{CloseReason, ListenOptions, ProxyProtocol, StreamOptions};

pub(crate) use admission::ByAddress;
pub(crate) use entrance::{Accepted, Entrance, Factory};
pub(crate) use preface::Preface;
pub use rate::TokenBucket;

/// What is called when a listener ends that the program has not closed.
type ListenerEnd<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, &CloseReason)>;
/// What is called when a listener has been drained.
type ListenerDrained<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Drained)>;

pub(crate) struct Listener<App> {
    pub(crate) socket: ListenerSocket,
    pub(crate) entrance: Entrance<App>,
    /// Of whom a proxy has to say whom it speaks for.
    proxy_protocol: Option<ProxyProtocol>,
    pub(crate) stream: StreamOptions,
    pub(crate) rate: Option<TokenBucket>,
    pub(crate) state: State,
    /// How many may wait in its queue.
    backlog: u32,
    /// Who is told when it has been drained.
    on_drained: Option<ListenerDrained<App>>,
    /// Who is told if it ends by itself.
    on_end: Option<ListenerEnd<App>>,
    readiness: Readiness,
    /// Whether it is on the ready list.
    pub(crate) is_ready: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Accepting,
    /// Until this timer fires.
    Resting(Key),
    /// Until the program says otherwise.
    Paused,
    /// It takes in those who wait, and then closes.
    Draining(Drained),
    /// It is closed at the end of the turn.
    Drained(Drained),
    Closed,
}

/// What has become of those who waited in the queue of a listener that was closed by
/// [`Registry::drain_listener`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that were accepted since. Those of them that were refused are counted as always
    /// ([`Stats::refused_full`](crate::Stats::refused_full), …).
    pub taken: u32,
    /// Whether nobody was left in the queue. If not, those who were have been reset: more had come meanwhile than a
    /// queue holds, or the system has no descriptors left for them.
    pub is_empty: bool,
}

impl<App> Listener<App> {
    fn new(socket: ListenerSocket, options: &ListenOptions, factory: Factory<App>) -> Self {
        Self {
            socket,
            entrance: Entrance::new(options, factory),
            proxy_protocol: options.proxy_protocol.clone(),
            stream: options.stream.clone(),
            rate: options.accept_rate.map(|rate| TokenBucket::new(rate, rate)),
            state: State::Accepting,
            backlog: options.backlog,
            on_drained: None,
            on_end: None,
            readiness: Readiness::default(),
            is_ready: false,
        }
    }

    /// Has it visited again without an event.
    pub(super) fn make_ready(&mut self, key: Key, ledger: &mut Ledger) {
        if !std::mem::replace(&mut self.is_ready, true) {
            ledger.ready.push_back(key);
        }
    }

    pub(crate) fn note_readiness(&mut self, readiness: Readiness) {
        self.readiness = self.readiness.with(readiness);
    }

    pub(crate) fn can_accept(&self) -> bool {
        matches!(self.state, State::Accepting | State::Draining(_))
            && self.readiness.contains(Readiness::READ)
    }

    /// Whether a Unix listener was shut down: its queue is empty, and an event told of an end. No call says so.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.readiness.contains(Readiness::END) && self.socket.kind() == "unix"
    }

    /// Counts one that was accepted while it is being drained; whether that are more than the queue had room for.
    fn has_taken_too_many(&mut self) -> bool {
        let State::Draining(drained) = &mut self.state else { return false };
        drained.taken += 1;
        // The system may have let in one more than it was asked to.
        drained.taken > self.backlog.saturating_add(1)
    }

    /// The queue is empty: the next connection brings another event.
    pub(crate) fn queue_is_empty(&mut self) {
        self.readiness = self.readiness.without(Readiness::READ);
    }

    pub(crate) fn row(&self) -> SocketRow {
        SocketRow {
            protocol: self.socket.kind(),
            receive_queue: 0,
            send_queue: 0,
            local: self.socket.local(),
            peer: None,
            state: match self.state {
                State::Accepting => "listening",
                State::Resting(_) => "listening, resting",
                State::Paused => "listening, paused",
                State::Draining(_) | State::Drained(_) => "draining",
                State::Closed => "closed",
            },
        }
    }
}
