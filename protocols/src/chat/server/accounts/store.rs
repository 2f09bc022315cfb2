//! The file, written away from the loop.
//!
//! The loop puts what is to be written into a queue, in order. Whoever writes takes the file first and
//! then *all* of the queue, so the order is kept whichever thread is first, and those who come second
//! find their changes written already: many commits at one time cost one wait for the disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::NotSaved;
use super::journal::Journal;

/// The file is replaced when it has grown by as much as it was after the last time, and by this.
///
/// Below it nobody cares for the room, and reading it takes a few milliseconds.
const WORTH_REPLACING: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct Store {
    shared: Arc<Shared>,
    /// How many commits there were.
    commits: u64,
}

/// The work of writing what was committed so far: for any thread, but not for the loop's.
#[derive(Debug)]
pub(super) struct Flush {
    shared: Arc<Shared>,
    commit: u64,
}

#[derive(Debug)]
struct Shared {
    /// Locked while the disk is waited for, and always before `queue`.
    writer: Mutex<Writer>,
    /// Locked for moments.
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Writer {
    journal: Journal,
    /// The last commit that is on the disk.
    saved: u64,
}

/// What is to be written.
#[derive(Debug)]
struct Queue {
    work: Work,
    /// The last commit that is in it, or was.
    commit: u64,
    /// Bytes of the file when it was last replaced.
    base: u64,
    /// Bytes that went into the file since, or will.
    added: u64,
}

#[derive(Debug)]
enum Work {
    /// Changes to append; perhaps none.
    Append(Vec<u8>),
    /// Everything, to replace the file with, and changes since.
    Replace(Vec<u8>, Vec<u8>),
    /// Changes were lost: only everything will do.
    Lost,
}

impl Store {
    pub(super) fn new(journal: Journal) -> Self {
        let base = journal.length();
        let queue = Queue { work: Work::Append(Vec::new()), commit: 0, base, added: 0 };
        let shared =
            Shared { writer: Mutex::new(Writer { journal, saved: 0 }), queue: Mutex::new(queue) };
        Self { shared: Arc::new(shared), commits: 0 }
    }

    /// Queues changes; the work that writes them. `everything` is asked for if the file is to be
    /// replaced.
    pub(super) fn begin(&mut self, changes: &[u8], everything: impl FnOnce() -> Vec<u8>) -> Flush {
        let mut queue = lock(&self.shared.queue);
        let is_lost = matches!(queue.work, Work::Lost);
        if is_lost || !changes.is_empty() {
            self.commits += 1;
            queue.commit = self.commits;
            queue.added += changes.len() as u64;
        }
        if is_lost || queue.added > WORTH_REPLACING.max(queue.base) {
            let everything = everything();
            queue.base = everything.len() as u64;
            queue.added = 0;
            queue.work = Work::Replace(everything, Vec::new());
        } else if let Work::Append(queued) | Work::Replace(_, queued) = &mut queue.work {
            queued.extend_from_slice(changes);
        }
        Flush { shared: Arc::clone(&self.shared), commit: self.commits }
    }

    /// Where the file is, if others may open it; this waits for what is being written.
    pub(super) fn released(&self) -> Option<PathBuf> {
        let writer = lock(&self.shared.writer);
        (!writer.journal.is_held()).then(|| writer.journal.path().to_owned())
    }

    /// As if a write had failed.
    #[cfg(test)]
    pub(super) fn forget_queue(&mut self) {
        lock(&self.shared.queue).work = Work::Lost;
    }
}

impl Flush {
    /// As [`run`](Self::run), and then lets others open the file.
    pub(super) fn run_last(self) -> Result<(), NotSaved> {
        let shared = Arc::clone(&self.shared);
        self.run()?;
        lock(&shared.writer).journal.release();
        Ok(())
    }

    /// Writes, and waits for the disk.
    pub(super) fn run(self) -> Result<(), NotSaved> {
        let mut writer = lock(&self.shared.writer);
        if writer.saved >= self.commit {
            return Ok(());
        }
        let (work, commit) = lock(&self.shared.queue).take()?;
        let result = writer.write(work);
        match &result {
            Ok(()) => writer.saved = commit,
            Err(_) => lock(&self.shared.queue).lose(),
        }
        result.map_err(NotSaved::from)
    }
}

impl Writer {
    fn write(&mut self, work: Work) -> std::io::Result<()> {
        match work {
            // A new file is whole or not there, so what came after it can be a part of it.
            Work::Replace(mut everything, changes) => {
                everything.extend_from_slice(&changes);
                self.journal.replace(&everything)
            }
            Work::Append(changes) if changes.is_empty() => Ok(()),
            Work::Append(changes) => self.journal.append(&changes),
            Work::Lost => Ok(()),
        }
    }
}

impl Queue {
    /// Takes all there is to write, and the last commit that is in it.
    fn take(&mut self) -> Result<(Work, u64), NotSaved> {
        match std::mem::replace(&mut self.work, Work::Append(Vec::new())) {
            Work::Lost => {
                self.work = Work::Lost;
                Err(NotSaved::AfterFailure)
            }
            work => Ok((work, self.commit)),
        }
    }

    /// What was taken could not be written. What was queued since would be without what it builds on,
    /// unless it is everything.
    fn lose(&mut self) {
        if let Work::Append(_) = self.work {
            self.work = Work::Lost;
        }
    }
}

/// A thread that panicked has not left anything half done here: each field is set in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
