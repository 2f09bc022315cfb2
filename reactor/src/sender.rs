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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
}

impl<App: 'static> Handle<App> {
    /// Makes a sender of messages of one type, which `receive` is called with on the loop, in order. It is for those
    /// who send much: a message costs a third of what a closure does by [`run`](Self::run), and allocates nothing.
    ///
    /// So many may wait as `limit` says. They share [`Limits::task_budget`](crate::Limits::task_budget) with other
    /// messages: a loop that is told much serves its connections all the same. One at which `receive` panics is
    /// gone, and the next one follows.
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
        let queue = Mutex::new(Queue { messages, spare, is_watched: false });
        let (handle, receive) = (self.clone(), Box::new(receive));
        Sender { shared: Arc::new(Shared { queue, limit, handle, receive }) }
    }
}

impl<App: 'static, M: Send + 'static> Sender<App, M> {
    /// Leaves a message for the loop.
    ///
    /// # Errors
    ///
    /// The message comes back if the loop has ended, or if as many wait as may.
    pub fn send(&self, message: M) -> Result<(), PostError<M>> {
        let mut queue = self.shared.lock();
        if queue.messages.len() >= self.shared.limit {
            return Err(PostError::Full(message));
        }
        if queue.is_watched {
            if self.shared.handle.has_ended() {
                return Err(PostError::Ended(message));
            }
            queue.messages.push_back(message);
            return Ok(());
        }
        // The lock is kept: whoever comes meanwhile must not find it watched if nobody can be told.
        let batch: Arc<Shared<App, M>> = Arc::clone(&self.shared);
        match self.shared.handle.announce(batch) {
            Ok(()) => {
                queue.is_watched = true;
                queue.messages.push_back(message);
                Ok(())
            }
            Err(error) => Err(error.map(|()| message)),
        }
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
}

impl<App: 'static, M: Send + 'static> Shared<App, M> {
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
        }
        for _ in 0..registry.ledger.limits.task_budget.max(1) {
            let Some(message) = batch.pop_front() else { break };
            registry.ledger.stats.tasks += 1;
            registry.run_callback(None, Callback::Task, |registry| {
                (self.receive)(registry, app, message);
            });
        }
        let rest = Rest { shared: Arc::clone(&self), batch };
        registry.defer_call(move |registry, app| {
            let (shared, batch) = rest.into_parts();
            shared.receive_some(batch, registry, app);
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
}

/// What was taken and has yet to be received. If the loop ends before, it goes back in front of the queue.
struct Rest<App, M> {
    shared: Arc<Shared<App, M>>,
    batch: VecDeque<M>,
}

impl<App, M> Rest<App, M> {
    fn into_parts(mut self) -> (Arc<Shared<App, M>>, VecDeque<M>) {
        (Arc::clone(&self.shared), std::mem::take(&mut self.batch))
    }
}

impl<App, M> Drop for Rest<App, M> {
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            let mut queue = self.shared.lock();
            let later = std::mem::replace(&mut queue.messages, std::mem::take(&mut self.batch));
            queue.messages.extend(later);
        }
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
