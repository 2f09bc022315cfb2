//! The end of the loop: everybody is told, and the slow are cut off at the deadline.
//!
//! ```text
//!   Running ──shutdown(grace)──▶ Ending ──all closed, all work done──▶ Done(report)
//!      ▲                            │ the grace is over                  ▲  │
//!      │                            └──▶ Ending, everybody reset ────────┘  │
//!      └──────────────── something is opened, or set, anew ─────────────────┘
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::id::Key;
use crate::{Address, CloseReason, ConnectionId};

pub(crate) enum Shutdown {
    Running,
    Ending {
        began: Instant,
        /// Ends the grace; there is none when it is over.
        timer: Option<Key>,
        telling: Telling,
        report: ShutdownReport,
    },
    /// It has ended, and nothing was asked of it since.
    Done(ShutdownReport),
}

/// How far the loop has come with telling everybody.
pub(crate) enum Telling {
    /// It begins when no callback is on the stack.
    Due,
    /// These have yet to hear of it: none, when it is over.
    Underway(VecDeque<Key>),
}

/// How the loop ended: who finished, and who was cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that said goodbye in time.
    pub finished: usize,
    /// Connections that did not: most were reset when the grace was over. Those are here too whose end was no clean
    /// one for a reason of their own, such as a peer that sent RST meanwhile; each says why.
    pub cut_off: Vec<CutOff>,
    /// Bytes that were queued for them and never handed to the system. What they had sent and no protocol has
    /// handled ([`Transport::unread_bytes`](crate::Transport::unread_bytes)) is not counted.
    pub bytes_lost: u64,
    /// Pieces of offloaded work that were not done when the grace was over.
    pub work_lost: usize,
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

impl Shutdown {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }

    pub(crate) fn is_ending(&self) -> bool {
        matches!(self, Self::Ending { .. })
    }

    /// Something is asked of the loop: if it has ended, it begins anew.
    pub(crate) fn begin_anew(&mut self) {
        if let Self::Done(_) = self {
            *self = Self::Running;
        }
    }

    /// Whether it waits for offloaded work too, and what that leaves to be done: as long as there is grace.
    pub(crate) fn awaits_work(&self) -> bool {
        matches!(self, Self::Ending { timer: Some(_), .. })
    }

    /// Whether the next turn has something to do for it: protocols to tell, or a report to make.
    pub(crate) fn has_work(&self, awaited: usize) -> bool {
        match self {
            Self::Running => false,
            Self::Ending { telling: Telling::Due, .. } => true,
            Self::Ending { telling: Telling::Underway(rest), .. } => {
                !rest.is_empty() || awaited == 0
            }
            Self::Done(_) => true,
        }
    }

    pub(crate) fn note_end(
        &mut self,
        id: ConnectionId,
        peer: &Address,
        reason: &CloseReason,
        bytes_lost: u64,
    ) {
        let Self::Ending { report, .. } = self else { return };
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

/// Of several loops that were shut down together: it took as long as the slowest.
impl std::iter::Sum for ShutdownReport {
    fn sum<I: Iterator<Item = Self>>(reports: I) -> Self {
        reports.fold(Self::default(), |mut sum, report| {
            let Self { finished, cut_off, bytes_lost, work_lost, took } = report;
            sum.finished += finished;
            sum.cut_off.extend(cut_off);
            sum.bytes_lost += bytes_lost;
            sum.work_lost += work_lost;
            sum.took = sum.took.max(took);
            sum
        })
    }
}

/// What has ended how often for which reason, and the first ten of those who were cut off, one by one.
impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { finished, cut_off, bytes_lost, work_lost, took } = self;
        let took = took.as_secs_f64();
        write!(f, "shut down in {took:.3} s: {finished} connections finished, ")?;
        write!(f, "{} were cut off, {bytes_lost} bytes lost", cut_off.len())?;
        if *work_lost > 0 {
            write!(f, ", {work_lost} pieces of work not done")?;
        }
        if cut_off.len() > ONE_BY_ONE {
            write_reasons(f, cut_off)?;
        }
        cut_off.iter().take(ONE_BY_ONE).try_for_each(|lost| {
            let CutOff { id, peer, reason, bytes_lost } = lost;
            write!(f, "\n  {id} with {peer}: {reason} ({bytes_lost} bytes lost)")
        })?;
        match cut_off.len().saturating_sub(ONE_BY_ONE) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// So many of those who were cut off does a report name. All of them may be thousands, with one reason.
const ONE_BY_ONE: usize = 10;

/// How many there were of each reason, the most frequent first.
fn write_reasons(f: &mut fmt::Formatter<'_>, cut_off: &[CutOff]) -> fmt::Result {
    let mut counts = BTreeMap::<&str, usize>::new();
    cut_off.iter().for_each(|lost| *counts.entry(&lost.reason).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
        .iter()
        .take(ONE_BY_ONE)
        .try_for_each(|(reason, count)| write!(f, "\n  {count} × {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Generation;

    fn report(reasons: &[(&str, usize)]) -> ShutdownReport {
        let each = reasons.iter().flat_map(|(reason, count)| vec![*reason; *count]);
        let cut_off = each.map(|reason| CutOff {
            id: ConnectionId(Key::new(1, Generation::of(1))),
            peer: "127.0.0.1:7".parse().expect("an address"),
            reason: reason.to_owned(),
            bytes_lost: 0,
        });
        ShutdownReport { cut_off: cut_off.collect(), ..ShutdownReport::default() }
    }

    #[test]
    fn many_who_were_cut_off_are_a_sum_and_few_are_told_one_by_one() {
        let few = report(&[("aborted", 10)]).to_string();
        assert_eq!((few.lines().count(), few.matches(": aborted (").count()), (11, 10), "{few}");
        let many = report(&[("aborted", 2), ("the peer reset the connection", 499)]).to_string();
        let lines: Vec<_> = many.lines().collect();
        assert_eq!(lines[1..3], ["  499 × the peer reset the connection", "  2 × aborted"]);
        assert_eq!((lines.len(), lines.last()), (14, Some(&"  and 491 more")), "{many}");
    }
}
