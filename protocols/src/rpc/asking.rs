//! Calls of this side that wait for their answers, and their texts, which may wait to be sent, or be sent again: pure
//! bookkeeping.
//!
//! It is no [`Requests`](reactor::Requests), which keeps what was asked in the order of its deadlines, for the one
//! timer of one connection, and knows of nothing that has yet to be sent. A call lives from one connection to the next,
//! or by HTTP has none of its own, so its deadline is a timer of the loop, where each costs the same however many there
//! are; and what is kept here, in the order of the ids, is what to send next. A number that finds a call is all that the
//! two have in common.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use reactor::{Registry, TimerId};

use super::CallError;

/// What is done with an answer, or with the reason why there is none.
pub(super) type Tell<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App, Result<&[u8], CallError>)>;

/// The calls, by their ids.
pub(super) struct Asking<App> {
    made: BTreeMap<u64, Made<App>>,
    /// Those that wait to be sent, in order; and perhaps some that do not any more.
    unsent: Vec<u64>,
    /// Bytes of their texts that are kept.
    kept: usize,
    ids: u64,
}

/// One call.
pub(super) struct Made<App> {
    pub(super) state: State,
    pub(super) timer: TimerId,
    pub(super) timeout: Duration,
    pub(super) tell: Tell<App>,
}

/// ```text
///   Waits ──connected──▶ Sent ──answer, deadline, cancel──▶ (gone)
///     ▲                   │ the connection is lost
///     └──Lost::SendAgain──┘
/// ```
pub(super) enum State {
    /// To be sent when there is a connection.
    Waits(Bytes),
    /// Sent, and kept if it may have to be sent again.
    Sent(Option<Bytes>),
}

impl<App> Default for Asking<App> {
    fn default() -> Self {
        Self { made: BTreeMap::new(), unsent: Vec::new(), kept: 0, ids: 0 }
    }
}

impl<App> Asking<App> {
    /// An id that no call of this connection has had.
    pub(super) fn next(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn insert(&mut self, id: u64, made: Made<App>) {
        self.kept += made.state.bytes();
        self.unsent.push(id);
        self.made.insert(id, made);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Made<App>> {
        let made = self.made.remove(&id)?;
        self.kept -= made.state.bytes();
        if self.unsent.len() > 2 * self.made.len() + 16 {
            // Those that have failed before there was a connection.
            self.unsent.retain(|id| self.made.contains_key(id));
        }
        Some(made)
    }

    /// Everything that is to be sent now that there is a connection, in order. `keeps`: for another.
    pub(super) fn send_all(&mut self, keeps: bool) -> Vec<(u64, Bytes)> {
        let mut texts = Vec::new();
        for id in self.unsent.drain(..) {
            let text = self.made.get_mut(&id).and_then(|it| it.state.send(keeps, &mut self.kept));
            texts.extend(text.map(|text| (id, text)));
        }
        texts
    }

    /// These were not answered, and wait again if they were kept; those that were not are taken out.
    pub(super) fn wait_again(&mut self, ids: &[u64]) -> Vec<Made<App>> {
        let mut lost = Vec::new();
        for id in ids {
            match self.made.get_mut(id).map(|made| &mut made.state) {
                Some(state @ State::Sent(Some(_))) => {
                    state.wait_again();
                    self.unsent.push(*id);
                }
                Some(State::Sent(None)) => lost.extend(self.remove(*id)),
                Some(State::Waits(_)) | None => {}
            }
        }
        lost
    }

    /// These have been sent otherwise.
    pub(super) fn sent(&mut self, ids: impl Iterator<Item = u64>, keeps: bool) {
        for id in ids {
            if let Some(made) = self.made.get_mut(&id) {
                made.state.send(keeps, &mut self.kept);
            }
        }
    }

    /// The connection is lost: what was kept waits again, and the rest is taken out.
    pub(super) fn lose_sent(&mut self) -> Vec<Made<App>> {
        let ids: Vec<u64> = self.made.keys().copied().collect();
        self.unsent.retain(|id| self.made.get(id).is_some_and(|made| !made.state.is_sent()));
        let lost = self.wait_again(&ids);
        self.unsent.sort_unstable();
        lost
    }

    pub(super) fn take_all(&mut self) -> Vec<Made<App>> {
        self.kept = 0;
        self.unsent.clear();
        mem::take(&mut self.made).into_values().collect()
    }

    /// The only call there is, if there is only one.
    pub(super) fn only(&self) -> Option<u64> {
        let mut ids = self.made.keys();
        ids.next().copied().filter(|_| ids.next().is_none())
    }

    /// How long the answer to a call may take.
    #[cfg(feature = "rpc-web")]
    pub(super) fn timeout(&self, id: u64) -> Option<Duration> {
        self.made.get(&id).map(|made| made.timeout)
    }

    pub(super) fn len(&self) -> usize {
        self.made.len()
    }

    pub(super) fn kept(&self) -> usize {
        self.kept
    }
}

impl State {
    /// The text, if it was to be sent; it is not any more. `kept` counts the bytes that are remembered.
    fn send(&mut self, keeps: bool, kept: &mut usize) -> Option<Bytes> {
        let Self::Waits(text) = self else {
            return None;
        };
        let text = text.clone();
        *self = Self::Sent(keeps.then(|| text.clone()));
        *kept -= if keeps { 0 } else { text.len() };
        Some(text)
    }

    fn wait_again(&mut self) {
        if let Self::Sent(Some(text)) = self {
            *self = Self::Waits(mem::take(text));
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Waits(text) | Self::Sent(Some(text)) => text.len(),
            Self::Sent(None) => 0,
        }
    }

    /// Whether it was handed to a connection.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Self::Sent(_))
    }
}
