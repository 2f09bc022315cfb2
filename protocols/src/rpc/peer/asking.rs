//! Calls of this side that wait for their answers: pure bookkeeping.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use reactor::{Registry, TimerId};

use super::super::CallError;

/// What is done with an answer, or with the reason why there is none.
pub(in crate::rpc) type Tell<App> =
    Box<dyn FnOnce(&mut Registry<App>, &mut App, Result<&str, CallError>)>;

/// The calls, by their ids.
pub(in crate::rpc) struct Asking<App> {
    made: BTreeMap<u64, Made<App>>,
    /// Bytes of their texts that are kept.
    kept: usize,
    ids: u64,
}

/// One call.
pub(in crate::rpc) struct Made<App> {
    pub(in crate::rpc) state: State,
    pub(in crate::rpc) timer: TimerId,
    pub(in crate::rpc) timeout: Duration,
    pub(in crate::rpc) tell: Tell<App>,
}

/// ```text
///   Waits ──connected──▶ Sent ──answer, deadline, cancel──▶ (gone)
///     ▲                   │ the connection is lost
///     └──Lost::SendAgain──┘
/// ```
pub(in crate::rpc) enum State {
    /// To be sent when there is a connection.
    Waits(Bytes),
    /// Sent, and kept if it may have to be sent again.
    Sent(Option<Bytes>),
}

impl<App> Default for Asking<App> {
    fn default() -> Self {
        Self { made: BTreeMap::new(), kept: 0, ids: 0 }
    }
}

impl<App> Asking<App> {
    /// An id that no call of this connection has had.
    pub(in crate::rpc) fn next(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(in crate::rpc) fn insert(&mut self, id: u64, made: Made<App>) {
        self.kept += made.state.bytes();
        self.made.insert(id, made);
    }

    pub(in crate::rpc) fn remove(&mut self, id: u64) -> Option<Made<App>> {
        let made = self.made.remove(&id)?;
        self.kept -= made.state.bytes();
        Some(made)
    }

    /// Everything that is to be sent now that there is a connection, in order. `keeps`: for another.
    pub(in crate::rpc) fn send_all(&mut self, keeps: bool) -> Vec<Bytes> {
        let mut texts = Vec::new();
        for made in self.made.values_mut() {
            texts.extend(made.state.send(keeps, &mut self.kept));
        }
        texts
    }

    /// These have been sent otherwise.
    pub(in crate::rpc) fn sent(&mut self, ids: impl Iterator<Item = u64>, keeps: bool) {
        for id in ids {
            if let Some(made) = self.made.get_mut(&id) {
                made.state.send(keeps, &mut self.kept);
            }
        }
    }

    /// The connection is lost: what was kept waits again, and the rest is taken out.
    pub(in crate::rpc) fn lose_sent(&mut self) -> Vec<Made<App>> {
        let (mut lost, mut left) = (Vec::new(), BTreeMap::new());
        for (id, mut made) in mem::take(&mut self.made) {
            match &mut made.state {
                State::Sent(None) => {
                    lost.push(made);
                    continue;
                }
                State::Sent(kept) => {
                    made.state = State::Waits(kept.take().unwrap_or_default());
                }
                State::Waits(_) => {}
            }
            left.insert(id, made);
        }
        self.made = left;
        lost
    }

    pub(in crate::rpc) fn take_all(&mut self) -> Vec<Made<App>> {
        self.kept = 0;
        mem::take(&mut self.made).into_values().collect()
    }

    /// The only call there is, if there is only one.
    pub(in crate::rpc) fn only(&self) -> Option<u64> {
        let mut ids = self.made.keys();
        ids.next().copied().filter(|_| ids.next().is_none())
    }

    pub(in crate::rpc) fn len(&self) -> usize {
        self.made.len()
    }

    pub(in crate::rpc) fn kept(&self) -> usize {
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

    fn bytes(&self) -> usize {
        match self {
            Self::Waits(text) | Self::Sent(Some(text)) => text.len(),
            Self::Sent(None) => 0,
        }
    }

    /// Whether it was handed to a connection.
    pub(in crate::rpc) fn is_sent(&self) -> bool {
        matches!(self, Self::Sent(_))
    }
}
