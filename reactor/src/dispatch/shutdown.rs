//! The end of the loop: everybody is told, and the slow are cut off at the deadline.
//!
//! ```text
//!   Running ──shutdown(grace)──▶ Draining ──all closed──────────────▶ Done(report)
//!                                   │ the grace is over                 ▲
//!                                   └──▶ Draining, everybody reset ─────┘
//! ```

use std::fmt;
use std::time::{Duration, Instant};

use crate::error::in_words;
use crate::id::Key;
use crate::registry::{Registry, Timed};
use crate::slots::Found;
use crate::source::Source;
use crate::trace::{Callback, What};
use crate::{Address, CloseReason, ConnectionId, ListenerId, SocketId};

pub(crate) enum Shutdown {
    Running,
    Draining {
        began: Instant,
        /// Ends the grace.
        timer: Key,
        telling: Telling,
        report: ShutdownReport,
    },
}

/// How far the loop has come with telling everybody.
pub(crate) enum Telling {
    /// It begins when no callback is on the stack.
    Due,
    /// These have yet to hear of it: none, when it is over.
    Underway(std::vec::IntoIter<Key>),
}

/// How the loop ended: who finished, and who was cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that said goodbye in time.
    pub finished: usize,
    /// Connections that did not.
    pub cut_off: Vec<CutOff>,
    /// Bytes that were queued for them and never handed to the system.
    pub bytes_lost: u64,
    /// How long it took.
    pub took: Duration,
}

/// A connection that did not end cleanly while the loop was shutting down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutOff {
    /// Which connection it was.
    pub id: ConnectionId,
    /// The other end.
    pub peer: Address,
    /// Why it ended, as a sentence.
    pub reason: String,
    /// Bytes that were queued and never handed to the system.
    pub bytes_lost: u64,
}

impl<App> Registry<App> {
    pub(crate) fn begin_shutdown(&mut self, grace: Duration) {
        let deadline = self.ledger.clock.tick_after(grace);
        if let Shutdown::Draining { timer, .. } = &self.shutdown {
            let timer = *timer;
            if self.wheel.get_mut(timer).is_some_and(|(planned, _)| deadline < planned) {
                self.wheel.rearm(timer, deadline);
            }
            return;
        }
        let timer = self.wheel.insert(deadline, || Timed::Shutdown);
        self.shutdown = Shutdown::Draining {
            began: self.now(),
            timer,
            telling: Telling::Due,
            report: ShutdownReport::default(),
        };
    }

    /// Tells everybody, once, when no callback is on the stack: so many in a turn as the budget allows.
    pub(crate) fn tell_of_shutdown(&mut self, app: &mut App) {
        if let Shutdown::Draining { telling: Telling::Due, .. } = &self.shutdown {
            self.begin_telling();
        }
        self.tell(self.ledger.budgeted(usize::MAX), app);
    }

    /// Closes the listeners, all at once, so that afterwards nobody comes. Whoever came between the
    /// decision and now is told too.
    fn begin_telling(&mut self) {
        self.ledger.trace_loop(|| What::ShutdownBegan);
        let mut keys: Vec<Key> = self.slots.iter().map(|(key, _)| key).collect();
        keys.retain(|key| self.remove_listener(ListenerId(*key)).is_err());
        if let Shutdown::Draining { telling, .. } = &mut self.shutdown {
            *telling = Telling::Underway(keys.into_iter());
        }
    }

    fn tell(&mut self, most: usize, app: &mut App) {
        for _ in 0..most {
            let Shutdown::Draining { telling: Telling::Underway(rest), .. } = &mut self.shutdown
            else {
                return;
            };
            let Some(key) = rest.next() else { return };
            self.tell_one(key, app);
        }
    }

    /// It may have ended meanwhile, which all of these see.
    fn tell_one(&mut self, key: Key, app: &mut App) {
        if let Found::Here(source) = self.slots.find(key)
            && source.is_opening()
        {
            // Its protocol has not heard that it is open, and need not hear that it may not be.
            let _ = self.close(ConnectionId(key)).or_else(|_| self.close_socket(SocketId(key)));
            return;
        }
        self.call_by_key(key, app, Callback::Shutdown, |protocol, transport, app| {
            protocol.on_shutdown(transport, app);
        });
        self.call_socket_by_key(key, app, Callback::Shutdown, |protocol, socket, app| {
            protocol.on_shutdown(socket, app);
        });
    }

    /// The grace is over: whatever is still there is cut off. Whoever has not been told is told first.
    pub(crate) fn end_grace(&mut self, app: &mut App) {
        self.tell(usize::MAX, app);
        self.ledger.trace_loop(|| What::GraceEnded);
        let keys: Vec<Key> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(mut source) = self.slots.take(key) else {
                continue;
            };
            let reason = Box::new(CloseReason::Shutdown);
            match &mut source {
                Source::Stream(connection) => {
                    connection.stream.retire(key, reason, &mut self.ledger);
                }
                Source::Datagram(socket) => {
                    if socket.queue.retire() {
                        self.ledger.retired.push_back((key, reason));
                    }
                }
                Source::Listener(_) => {}
            }
            self.slots.put(key, source);
        }
    }

    /// The report, once everything has ended.
    pub(crate) fn finish_shutdown(&mut self) -> Option<ShutdownReport> {
        if self.slots.len() > 0 {
            return None;
        }
        let Shutdown::Draining { began, timer, report, .. } =
            std::mem::replace(&mut self.shutdown, Shutdown::Running)
        else {
            return None;
        };
        self.wheel.cancel(timer);
        Some(ShutdownReport { took: self.ledger.clock.refresh() - began, ..report })
    }
}

impl Shutdown {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }

    /// Whether the next turn has something to do for it: somebody to tell, or a report to make.
    pub(crate) fn has_work(&self, registered: usize) -> bool {
        match self {
            Self::Running => false,
            Self::Draining { telling: Telling::Due, .. } => true,
            Self::Draining { telling: Telling::Underway(rest), .. } => {
                rest.len() > 0 || registered == 0
            }
        }
    }

    pub(crate) fn note_end(
        &mut self,
        id: ConnectionId,
        peer: &Address,
        reason: &CloseReason,
        bytes_lost: u64,
    ) {
        let Self::Draining { report, .. } = self else {
            return;
        };
        report.bytes_lost += bytes_lost;
        // One that was taken back goes on elsewhere.
        if reason.is_clean() || matches!(reason, CloseReason::Detached) {
            report.finished += 1;
        } else {
            let (peer, reason) = (peer.clone(), reason.to_string());
            report.cut_off.push(CutOff { id, peer, reason, bytes_lost });
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { finished, cut_off, bytes_lost, took } = self;
        let took = in_words(*took);
        write!(f, "shut down in {took}: {finished} connections finished, ")?;
        write!(f, "{} were cut off, {bytes_lost} bytes lost", cut_off.len())?;
        cut_off.iter().try_for_each(|lost| {
            let CutOff { id, peer, reason, bytes_lost } = lost;
            write!(f, "\n  {id} with {peer}: {reason} ({bytes_lost} bytes lost)")
        })
    }
}
