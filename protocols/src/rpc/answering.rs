//! Calls of the other side that wait for their answers, and the batches they are in.

use std::collections::BTreeMap;
use std::mem;

use reactor::TimerId;

use super::place::Claim;

/// ```text
///   a batch:  Open ──end_batch──▶ so many answers are missing ──settle, the last──▶ sent
///               └─── none is missing: sent at once ──────────────────────────────▶
/// ```
#[derive(Debug, Default)]
pub(super) struct Answering {
    calls: BTreeMap<u64, (Pending, TimerId)>,
    batches: BTreeMap<u64, Open>,
    numbers: u64,
    stage: Stage,
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: Box<[u8]>,
    pub(super) method: Box<[u8]>,
    pub(super) batch: Option<u64>,
    pub(super) claim: Claim,
}

/// A batch that is not answered yet.
///
/// Its answers leave in the order of its calls. They need not (JSON-RPC 2.0, section 6), but there are clients that
/// take the first answer for that to the first call, whatever its id.
#[derive(Debug, Default)]
struct Open {
    /// The answers that came at once, each behind a comma.
    at_once: Vec<u8>,
    /// Those that come later, in the order of their calls.
    later: Vec<Later>,
    missing: usize,
}

#[derive(Debug)]
struct Later {
    call: u64,
    /// In front of which byte of those that came at once it belongs.
    at: usize,
    /// Behind a comma; empty until it is there.
    answer: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The last answer ends the connection.
    Ending,
}

impl Answering {
    /// A number that no call has had.
    pub(super) fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Keeps a call. If it is one of a batch, its answer belongs in front of byte `at` of those that came at once.
    pub(super) fn insert(&mut self, number: u64, pending: Pending, at: usize, timer: TimerId) {
        if let Some(batch) = pending.batch.and_then(|batch| self.batches.get_mut(&batch)) {
            batch.later.push(Later { call: number, at, answer: Vec::new() });
            batch.missing += 1;
        }
        self.calls.insert(number, (pending, timer));
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<(Pending, TimerId)> {
        self.calls.remove(&number)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (Pending, TimerId)> + use<> {
        self.batches.clear();
        mem::take(&mut self.calls).into_values()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Pending> {
        self.calls.get(&number).map(|(pending, _)| pending)
    }

    /// The numbers of the calls with this id.
    pub(super) fn with_id(&self, id: &[u8]) -> impl Iterator<Item = u64> {
        let calls = self.calls.iter().filter(move |(_, (pending, _))| *pending.id == *id);
        calls.map(|(number, _)| *number)
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// No more is wanted, by one side or the other: the last answer is the last word.
    pub(super) fn close_when_empty(&mut self) {
        self.stage = Stage::Ending;
    }

    /// Whether that was it.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Ending && self.calls.is_empty()
    }

    pub(super) fn begin_batch(&mut self) -> u64 {
        let number = self.next();
        self.batches.insert(number, Open::default());
        number
    }

    /// All members have been looked at; what is in `out` are the answers that came at once, each behind a
    /// comma. It becomes the array, or nothing, if there are none or more have to come.
    pub(super) fn end_batch(&mut self, number: u64, out: &mut Vec<u8>) {
        match self.batches.get_mut(&number) {
            Some(batch) if batch.missing > 0 => {
                batch.at_once.append(out);
            }
            _ => {
                self.batches.remove(&number);
                close_array(out);
            }
        }
    }

    /// `out` is the answer to a call, and came later. If the call was one of a batch, it becomes the whole array if
    /// it was the last, or else nothing.
    pub(super) fn settle(&mut self, batch: Option<u64>, call: u64, out: &mut Vec<u8>) {
        let Some(number) = batch else {
            return;
        };
        let Some(batch) = self.batches.get_mut(&number) else {
            return;
        };
        if let Ok(index) = batch.later.binary_search_by_key(&call, |later| later.call) {
            let answer = &mut batch.later[index].answer;
            answer.push(b',');
            answer.append(out);
        }
        batch.missing -= 1;
        if batch.missing == 0
            && let Some(batch) = self.batches.remove(&number)
        {
            batch.write(out);
            close_array(out);
        }
    }
}

impl Open {
    fn write(&self, out: &mut Vec<u8>) {
        let mut from = 0;
        for Later { at, answer, .. } in &self.later {
            out.extend_from_slice(&self.at_once[from..*at]);
            out.extend_from_slice(answer);
            from = *at;
        }
        out.extend_from_slice(&self.at_once[from..]);
    }
}

/// Makes an array of answers, each of which stands behind a comma.
fn close_array(out: &mut Vec<u8>) {
    if let Some(first) = out.first_mut() {
        *first = b'[';
        out.push(b']');
    }
}
