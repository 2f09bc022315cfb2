//! Blocking work, on a small pool of threads: name resolution, disks, password hashes.
//!
//! Threads are started when there is work and none is free, up to a limit, and end with the loop.

use std::any::Any;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::id::Key;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The threads that do the work.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: usize,
    limit: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    ended: bool,
}

/// The work that connections wait for: most often there is none.
#[derive(Default)]
pub(crate) struct Away {
    by_connection: BTreeMap<Key, Out>,
}

/// What one connection has out.
#[derive(Default)]
struct Out {
    pieces: usize,
    /// The loop is shutting down, and the connection hears of it when the last piece is back.
    is_to_be_told: bool,
}

impl Away {
    /// A connection waits for one more piece.
    pub(crate) fn note(&mut self, key: Key) {
        self.by_connection.entry(key).or_default().pieces += 1;
    }

    /// A piece is back; whether it was the last, and its connection is to be told of the shutdown now.
    pub(crate) fn note_back(&mut self, key: Key) -> bool {
        let Entry::Occupied(mut out) = self.by_connection.entry(key) else {
            return false;
        };
        out.get_mut().pieces -= 1;
        out.get().pieces == 0 && out.remove().is_to_be_told
    }

    /// Has a connection told of the shutdown when all is back; `false` if it waits for nothing.
    pub(crate) fn tell_after(&mut self, key: Key) -> bool {
        self.by_connection.get_mut(&key).map(|out| out.is_to_be_told = true).is_some()
    }

    /// Whether a connection is told of the shutdown when all is back.
    pub(crate) fn is_to_be_told(&self, key: Key) -> bool {
        self.by_connection.get(&key).is_some_and(|out| out.is_to_be_told)
    }

    /// Those who are to be told when all is back, which nobody waits for any longer.
    pub(crate) fn take_untold(&mut self) -> Vec<Key> {
        let take = |(key, out): (&Key, &mut Out)| mem::take(&mut out.is_to_be_told).then_some(*key);
        self.by_connection.iter_mut().filter_map(take).collect()
    }

    /// A connection has ended.
    pub(crate) fn forget(&mut self, key: Key) {
        self.by_connection.remove(&key);
    }
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self { shared: Arc::default(), threads: 0, limit: limit.max(1) }
    }

    /// Hands a job to the threads, or back if there is not one.
    pub(crate) fn submit(&mut self, job: Job) -> Result<(), Job> {
        let needs_thread = {
            let queue = self.shared.lock();
            queue.idle <= queue.jobs.len() && self.threads < self.limit
        };
        if needs_thread {
            self.start_thread();
        }
        if self.threads == 0 {
            return Err(job);
        }
        self.shared.lock().jobs.push_back(job);
        self.shared.work.notify_one();
        Ok(())
    }

    fn start_thread(&mut self) {
        let shared = Arc::clone(&self.shared);
        let name = format!("reactor-offload-{}", self.threads);
        // A thread that cannot be started leaves the work to those that were.
        if thread::Builder::new().name(name).spawn(move || shared.work()).is_ok() {
            self.threads += 1;
        }
    }
}

impl Drop for Pool {
    /// The threads end after the job they are at; jobs not begun are dropped.
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.ended = true;
        queue.jobs.clear();
        self.shared.work.notify_all();
    }
}

impl Shared {
    /// Runs jobs on one thread until there are no more.
    fn work(&self) {
        while let Some(job) = self.next() {
            // The job catches its own panic, to report it; this is for the reporting.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.ended {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            queue.idle += 1;
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned())
}
