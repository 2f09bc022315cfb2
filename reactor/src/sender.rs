//! Messages of one type to a loop: for two loops, or a thread and a loop, that have much to tell each other.
//!
//! ```text
//!   other threads                                  the loop
//!   send ──▶ queue ──the first of a batch──▶ mailbox ──▶ take the whole queue ──▶ receive each
//!              ▲        (a closure, a wake-up)                  │
//!              └────────────── looked at again ◀────────────────┘ next turn, until it is empty
//! ```
//!
//! A closure for [`Handle::run`] is allocated and freed, and one lock is for all that comes to the loop. Here a
//! message lies in the queue as it is, and the loop hears of a batch: as the mailbox does, it looks again before it
//! sleeps, so while messages keep coming nobody wakes it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::handle::Batch;
use crate::trace::Callback;
use crate::{Handle, PostError, Registry};

/// Messages for which a queue keeps room while it is empty.
const KEPT: usize = 1_024;

/// Sends messages of one type to a loop: clone it, send it, share it. [`Handle::sender`] makes one.
///
/// What one thread sends arrives in its order. Between this and what goes by the [`Handle`] itself there is no order.
pub struct Sender<App, M> {
    shared: Arc<Shared<App, M>>,
}

struct Shared<App, M> {
    queue: Mutex<Queue<M>>,
    /// Told when those who wait for room may look again.
    room: Condvar,
    limit: usize,
    handle: Handle<App>,
    receive: Box<Receive<App, M>>,
}

/// What the loop does with a message.
type Receive<App, M> = dyn Fn(&mut Registry<App>, &mut App, M) + Send + Sync;

struct Queue<M> {
    messages: VecDeque<M>,
    /// Empty: what takes the place of `messages` when those are taken, so that nothing need be allocated.
    spare: VecDeque<M>,
    /// Whether the loop will look.
    is_watched: bool,
    /// Threads that wait for room.
    waiting: usize,
}

impl<App: 'static> Handle<App> {
    /// Makes a sender of messages of one type, which `receive` is called with on the loop, in order. It is for those
    /// who send much: a message costs a third of what a closure does by [`run`](Self::run), and allocates nothing.
    ///
    /// So many may wait as `limit` says, one at least. They share
    /// [`Limits::task_budget`](crate::Limits::task_budget) with other messages: a loop that is told much serves its
    /// connections all the same. One at which `receive` panics is gone, and the next one follows.
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let mut reactor = Reactor::<u64>::new()?;
    /// let sender = reactor.handle().sender(1_000, |registry, sum: &mut u64, number: u64| {
    ///     *sum += number;
    ///     if number == 100 {
    ///         registry.shutdown(Duration::ZERO);
    ///     }
    /// });
    /// let other = std::thread::spawn(move || {
    ///     (1..=100).for_each(|number| sender.send(number).expect("there is room, and the loop runs"));
    /// });
    /// let mut sum = 0;
    /// reactor.run(&mut sum)?;
    /// # other.join().unwrap();
    /// assert_eq!(sum, 5_050);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sender<M: Send + 'static>(
        &self,
        limit: usize,
        receive: impl Fn(&mut Registry<App>, &mut App, M) + Send + Sync + 'static,
    ) -> Sender<App, M> {
        let (messages, spare) = (VecDeque::new(), VecDeque::new());
        let queue = Mutex::new(Queue { messages, spare, is_watched: false, waiting: 0 });
        let (handle, receive, room) = (self.clone(), Box::new(receive), Condvar::new());
        Sender { shared: Arc::new(Shared { queue, room, limit: limit.max(1), handle, receive }) }
    }
}

impl<App: 'static, M: Send + 'static> Sender<App, M> {
    /// Leaves a message for the loop.
    ///
    /// # Errors
    ///
    /// The message comes back if the loop has ended, or if as many wait as may.
    pub fn send(&self, message: M) -> Result<(), PostError<M>> {
        self.shared.send(&mut self.shared.lock(), message)
    }

    /// As [`send`](Self::send), but waits for room: for a thread that can be held up, because what it sends waits
    /// for it elsewhere, such as in a file, or in the pipe of standard input. Not for the loop's own thread, which
    /// would wait for itself. It is the loop's queue that has room then: what the application keeps of it is still the
    /// application's to bound.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// let mut reactor = Reactor::<Vec<String>>::new()?;
    /// // Two lines ahead of the loop, and no more.
    /// let sender = reactor.handle().sender(2, |_, lines: &mut Vec<String>, line: String| lines.push(line));
    /// let reader = std::thread::spawn(move || {
    ///     // Or std::io::stdin().lock().
    ///     let input = &b"one\ntwo\nthree\nfour\nfive\n"[..];
    ///     for line in std::io::BufRead::lines(input).map_while(Result::ok) {
    ///         if sender.send_blocking(line).is_err() {
    ///             return; // The loop has ended.
    ///         }
    ///     }
    /// });
    /// let mut lines = Vec::new();
    /// // It returns when the sender is gone, and all that it has sent was received.
    /// reactor.run_until_idle(&mut lines)?;
    /// assert_eq!(lines, ["one", "two", "three", "four", "five"]);
    /// # reader.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// After a shutdown nobody takes messages any more, and the reactor still has them: drop it before you join a thread
    /// that sends, or both may wait for each other forever.
    ///
    /// # Errors
    ///
    /// The message comes back if the loop has ended (its [`Reactor`](crate::Reactor) is gone, not only shut down), or
    /// if [`Limits::tasks`](crate::Limits::tasks) other messages wait, so that the loop cannot be told of this one.
    #[doc(alias = "blocking_send")]
    pub fn send_blocking(&self, message: M) -> Result<(), PostError<M>> {
        let mut queue = self.shared.lock();
        while queue.messages.len() >= self.shared.limit {
            if let Err(error) = self.shared.watch(&mut queue) {
                return Err(error.map(|()| message));
            }
            queue.waiting += 1;
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.waiting -= 1;
        }
        self.shared.send(&mut queue, message)
    }

    /// Takes what the loop had not received when it ended, in order; nothing while it runs.
    #[must_use]
    pub fn take_undelivered(&self) -> Vec<M> {
        if !self.shared.handle.has_ended() {
            return Vec::new();
        }
        std::mem::take(&mut self.shared.lock().messages).into()
    }
}

impl<App: 'static, M: Send + 'static> Batch<App> for Shared<App, M> {
    /// The loop has heard that there is something.
    fn receive(self: Arc<Self>, registry: &mut Registry<App>, app: &mut App) {
        let spare = std::mem::take(&mut self.lock().spare);
        self.receive_some(spare, registry, app);
    }

    fn end(self: Arc<Self>) {
        self.forget(&mut self.lock());
    }
}

impl<App: 'static, M: Send + 'static> Shared<App, M> {
    fn send(self: &Arc<Self>, queue: &mut Queue<M>, message: M) -> Result<(), PostError<M>> {
        if queue.messages.len() >= self.limit {
            return Err(PostError::Full(message));
        }
        match self.watch(queue) {
            Ok(()) => {
                queue.messages.push_back(message);
                Ok(())
            }
            Err(error) => Err(error.map(|()| message)),
        }
    }

    /// Has the loop look, if it will not anyhow.
    fn watch(self: &Arc<Self>, queue: &mut Queue<M>) -> Result<(), PostError<()>> {
        if queue.is_watched {
            return if self.handle.has_ended() { Err(PostError::Ended(())) } else { Ok(()) };
        }
        // The lock is kept: whoever comes meanwhile must not find it watched if nobody can be told.
        let batch: Arc<Self> = Arc::clone(self);
        self.handle.announce(batch)?;
        queue.is_watched = true;
        Ok(())
    }

    /// Receives what is there, up to the budget, and looks again in the next turn if there was anything.
    fn receive_some(
        self: Arc<Self>,
        mut batch: VecDeque<M>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        if batch.is_empty() {
            let mut queue = self.lock();
            if queue.messages.is_empty() {
                queue.is_watched = false;
                return queue.rest(batch);
            }
            std::mem::swap(&mut batch, &mut queue.messages);
            self.tell_waiting(&queue);
        }
        for _ in 0..registry.ledger.limits.task_budget.max(1) {
            let Some(message) = batch.pop_front() else { break };
            registry.ledger.stats.tasks += 1;
            registry.run_callback(None, Callback::Task, |registry| {
                (self.receive)(registry, app, message);
            });
        }
        let rest = Rest { shared: Some(Arc::clone(&self)), batch };
        registry.defer_call(move |registry, app| {
            if let (Some(shared), batch) = rest.into_parts() {
                shared.receive_some(batch, registry, app);
            }
        });
    }
}

impl<M> Queue<M> {
    /// Keeps the memory of what was received, but not what only a burst has needed.
    fn rest(&mut self, mut spare: VecDeque<M>) {
        spare.shrink_to(KEPT);
        self.messages.shrink_to(KEPT);
        self.spare = spare;
    }
}

impl<App, M> Shared<App, M> {
    /// A thread that panicked while it held the lock has left the queue whole.
    fn lock(&self) -> MutexGuard<'_, Queue<M>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is room, or there never will be. To tell a condition costs a call of the system, even if nobody waits.
    fn tell_waiting(&self, queue: &Queue<M>) {
        if queue.waiting > 0 {
            self.room.notify_all();
        }
    }

    /// The loop will not look any more. Who waits tries to tell it, and finds that it has ended.
    fn forget(&self, queue: &mut Queue<M>) {
        queue.is_watched = false;
        self.tell_waiting(queue);
    }
}

/// What was taken and has yet to be received. If the loop ends before, it goes back in front of the queue.
struct Rest<App, M> {
    /// `None` once it goes on.
    shared: Option<Arc<Shared<App, M>>>,
    batch: VecDeque<M>,
}

impl<App, M> Rest<App, M> {
    fn into_parts(mut self) -> (Option<Arc<Shared<App, M>>>, VecDeque<M>) {
        (self.shared.take(), std::mem::take(&mut self.batch))
    }
}

impl<App, M> Drop for Rest<App, M> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut queue = shared.lock();
        let later = std::mem::replace(&mut queue.messages, std::mem::take(&mut self.batch));
        queue.messages.extend(later);
        shared.forget(&mut queue);
    }
}

impl<App, M> Clone for Sender<App, M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<App, M> fmt::Debug for Sender<App, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
