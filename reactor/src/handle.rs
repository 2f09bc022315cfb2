//! The loop as other threads see it. Nothing else in this crate but the pool of
//! [`offload`](crate::offload) knows that there are any.
//!
//! The mailbox knows whether the loop may be asleep, and both sides change that under its lock:
//!
//! ```text
//!                a message comes: wake the loop
//!            ┌─────────────────────────────────────┐
//!            │                                     ▼
//!      ┌───────────┐                         ┌───────────┐ ──┐ a message comes: nothing more
//!      │ unwatched │                         │  watched  │   │ the loop looks, and takes
//!      └───────────┘                         └───────────┘ ◀─┘ everything
//!            ▲                                     │
//!            └─────────────────────────────────────┘
//!                the loop looks, and nothing is there
//! ```
//!
//! No wake-up is lost: the loop sleeps only when it has left the mailbox unwatched, which it does in the
//! same step in which it sees that it is empty; a thread that comes after that wakes it, and stores its
//! message *before*. None is wasted: a loop that finds something looks again before it sleeps, so while
//! messages keep coming nobody wakes it.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::load::Load;
use crate::net::{StdStream, Waker};
use crate::proxy::Proxied;
use crate::{Address, ConnectionId, ListenerId, PostError, Registry};

/// A closure that another thread has run on the loop.
pub type RemoteTask<App> = Box<dyn FnOnce(&mut Registry<App>, &mut App) + Send>;

/// Reaches the loop from any thread: clone it, send it, share it.
///
/// Messages run in the order in which they were left, one turn at the latest after the loop is woken.
/// Nothing is lost when the loop ends: what is left later is handed back at once in the error, and
/// what waited already is handed back by [`Handle::take_undelivered`].
///
/// ```
/// use reactor::Reactor;
/// use std::time::Duration;
///
/// let mut reactor = Reactor::<u32>::new()?;
/// let handle = reactor.handle();
/// let other = std::thread::spawn(move || {
///     handle.run(|_registry, count| *count += 1).expect("the loop is running");
///     handle.shutdown(Duration::from_secs(1)).expect("the loop is running");
/// });
/// let mut count = 0;
/// reactor.run(&mut count)?;
/// # other.join().unwrap();
/// assert_eq!(count, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Handle<App> {
    mailbox: Arc<Mailbox<App>>,
}

/// What a loop left behind when it ended.
#[non_exhaustive]
pub enum Undelivered<App> {
    /// A closure that was to run.
    Run(RemoteTask<App>),
    /// Bytes that were to be sent.
    Send(ConnectionId, Bytes),
    /// A connection that was to be closed.
    Close(ConnectionId),
    /// A shutdown that was to begin.
    Shutdown(Duration),
}

pub(crate) enum Message<App> {
    Run(RemoteTask<App>),
    Send(ConnectionId, Bytes),
    Close(ConnectionId),
    Shutdown(Duration),
    /// Offloaded work has been done.
    Offloaded {
        ticket: usize,
        result: Box<dyn Any + Send>,
    },
    /// Another loop has accepted a connection for this one.
    Give(Box<Given>),
    /// Another loop's listener is closed.
    Forget(ListenerId),
    /// A sender of messages of one type has some.
    Batch(Arc<dyn Batch<App>>),
}

/// What a sender of messages of one type has for the loop.
pub(crate) trait Batch<App>: Send + Sync {
    fn receive(self: Arc<Self>, registry: &mut Registry<App>, app: &mut App);

    /// The loop has ended, and will not receive it.
    fn end(self: Arc<Self>);
}

/// A connection that one loop has accepted for another.
pub(crate) struct Given {
    pub(crate) listener: ListenerId,
    pub(crate) stream: StdStream,
    pub(crate) peer: Address,
    pub(crate) proxied: Option<Proxied>,
}

pub(crate) struct Mailbox<App> {
    inner: Mutex<Inner<App>>,
    limit: usize,
    pub(crate) load: Load,
}

struct Inner<App> {
    messages: VecDeque<Message<App>>,
    /// Whether the loop has been woken, or will look before it sleeps.
    is_watched: bool,
    /// Gone when the loop is: a handle that outlives it keeps no descriptor of it.
    waker: Option<Waker>,
    /// How many handles there are.
    handles: usize,
    /// The loop wants to know when there are none.
    ends_alone: bool,
}

impl<App> Handle<App> {
    pub(crate) fn new(mailbox: Arc<Mailbox<App>>) -> Self {
        mailbox.lock().handles += 1;
        Self { mailbox }
    }

    /// Runs a closure on the loop, with the registry and the application.
    ///
    /// # Errors
    ///
    /// The closure comes back if the loop has ended, or if
    /// [`Limits::tasks`](crate::Limits::tasks) messages wait already.
    #[doc(alias("call_soon_threadsafe", "spawn"))]
    pub fn run<F>(&self, task: F) -> Result<(), PostError<F>>
    where
        F: FnOnce(&mut Registry<App>, &mut App) + Send + 'static,
        App: 'static,
    {
        // Boxed before the mailbox is locked: others wait for that lock, and the loop does.
        let post = self.mailbox.post(Box::new(task), |task| Message::Run(task));
        post.map_err(|error| error.map(|task| *task))
    }

    /// Sends bytes to a connection, as [`Registry::send`] does. If the connection has ended by then
    /// they are dropped, and counted in [`Stats::discarded_bytes`](crate::Stats::discarded_bytes).
    ///
    /// # Errors
    ///
    /// The bytes come back if the loop has ended, or if
    /// [`Limits::tasks`](crate::Limits::tasks) messages wait already.
    pub fn send(&self, id: ConnectionId, bytes: Bytes) -> Result<(), PostError<Bytes>> {
        self.mailbox.post(bytes, |bytes| Message::Send(id, bytes))
    }

    /// Closes a connection gracefully, as [`Registry::close`] does.
    ///
    /// # Errors
    ///
    /// If the loop has ended, or if [`Limits::tasks`](crate::Limits::tasks) messages wait already.
    pub fn close(&self, id: ConnectionId) -> Result<(), PostError<ConnectionId>> {
        self.mailbox.post(id, Message::Close)
    }

    /// Shuts the loop down, as [`Registry::shutdown`] does. It is never refused for want of room.
    ///
    /// # Errors
    ///
    /// If the loop has ended.
    pub fn shutdown(&self, grace: Duration) -> Result<(), PostError<Duration>> {
        self.mailbox.post_always(Message::Shutdown(grace)).map_err(|error| error.map(|_| grace))
    }

    /// How many connections the loop has, those included that another loop has accepted for it and that it has yet
    /// to take in. It may have changed since.
    #[must_use]
    pub fn connections(&self) -> usize {
        let load = self.load();
        // In this order: one that arrives between the two is counted twice, rather than not at all.
        load.coming() + load.connections()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.load().has_ended()
    }

    /// Has the loop look at what a sender has.
    pub(crate) fn announce(&self, batch: Arc<dyn Batch<App>>) -> Result<(), PostError<()>> {
        self.mailbox.post(batch, Message::Batch).map_err(|error| error.map(drop))
    }

    pub(crate) fn load(&self) -> &Load {
        &self.mailbox.load
    }

    /// As [`run`](Self::run), for a closure that is worth more than the limit. A loop that has ended drops it.
    pub(crate) fn run_always(
        &self,
        task: impl FnOnce(&mut Registry<App>, &mut App) + Send + 'static,
    ) {
        let _ = self.mailbox.post_always(Message::Run(Box::new(task)));
    }

    /// Gives the loop a connection; it comes back if the loop has ended, or its mailbox is full.
    pub(crate) fn give(&self, given: Box<Given>) -> Result<(), Box<Given>> {
        self.load().note_given();
        self.mailbox.post(given, Message::Give).map_err(|error| {
            self.load().note_returned();
            error.into_inner()
        })
    }

    pub(crate) fn forget_listener(&self, id: ListenerId) {
        // A loop that has ended has forgotten it.
        let _ = self.mailbox.post_always(Message::Forget(id));
    }

    /// Whether it is a handle of the loop with this mailbox.
    pub(crate) fn is_of(&self, mailbox: &Arc<Mailbox<App>>) -> bool {
        Arc::ptr_eq(&self.mailbox, mailbox)
    }

    /// Takes what the loop had not done when it ended, in order; nothing while it runs.
    #[must_use]
    pub fn take_undelivered(&self) -> Vec<Undelivered<App>> {
        let mut inner = self.mailbox.lock();
        if inner.waker.is_some() {
            return Vec::new();
        }
        let left = std::mem::take(&mut inner.messages);
        // What is dropped may hold a handle, whose own end takes the lock.
        drop(inner);
        left.into_iter().filter_map(Message::undelivered).collect()
    }
}

impl<App> Clone for Handle<App> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.mailbox))
    }
}

impl<App> Drop for Handle<App> {
    /// A loop that runs until nobody can reach it is told when that is so.
    fn drop(&mut self) {
        let mut inner = self.mailbox.lock();
        inner.handles -= 1;
        if inner.handles == 0 && inner.ends_alone {
            inner.wake();
        }
    }
}

impl<App> fmt::Debug for Handle<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl<App> fmt::Debug for Undelivered<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(_) => f.write_str("Run(..)"),
            Self::Send(id, bytes) => f.debug_tuple("Send").field(id).field(bytes).finish(),
            Self::Close(id) => f.debug_tuple("Close").field(id).finish(),
            Self::Shutdown(grace) => f.debug_tuple("Shutdown").field(grace).finish(),
        }
    }
}

impl<App> Message<App> {
    fn undelivered(self) -> Option<Undelivered<App>> {
        match self {
            Self::Run(task) => Some(Undelivered::Run(task)),
            Self::Send(id, bytes) => Some(Undelivered::Send(id, bytes)),
            Self::Close(id) => Some(Undelivered::Close(id)),
            Self::Shutdown(grace) => Some(Undelivered::Shutdown(grace)),
            // Its sender was the loop, or the loop's acceptor: what is given closes with it.
            Self::Offloaded { .. } | Self::Give(_) | Self::Forget(_) | Self::Batch(_) => None,
        }
    }
}

impl<App> Mailbox<App> {
    pub(crate) fn new(waker: Waker, limit: usize) -> Self {
        let inner = Inner {
            messages: VecDeque::new(),
            is_watched: false,
            waker: Some(waker),
            handles: 0,
            ends_alone: false,
        };
        Self { inner: Mutex::new(inner), limit, load: Load::default() }
    }

    /// Whether a message is there, or can come from somebody who has a handle.
    pub(crate) fn can_bring_more(&self) -> bool {
        let inner = self.lock();
        !inner.messages.is_empty() || inner.handles > 0
    }

    /// Whether a message is there that the loop has not taken yet.
    pub(crate) fn has_messages(&self) -> bool {
        !self.lock().messages.is_empty()
    }

    /// Has the loop woken when the last handle is dropped, or no longer.
    pub(crate) fn tell_when_alone(&self, tell: bool) {
        self.lock().ends_alone = tell;
    }

    /// Leaves a message, made only if there is room for it.
    fn post<T>(
        &self,
        content: T,
        message: impl FnOnce(T) -> Message<App>,
    ) -> Result<(), PostError<T>> {
        let mut inner = self.lock();
        if inner.waker.is_none() {
            return Err(PostError::Ended(content));
        }
        if inner.messages.len() >= self.limit {
            return Err(PostError::Full(content));
        }
        inner.store(message(content));
        Ok(())
    }

    /// Leaves a message that is worth more than the limit.
    pub(crate) fn post_always(&self, message: Message<App>) -> Result<(), PostError<Message<App>>> {
        let mut inner = self.lock();
        if inner.waker.is_none() {
            return Err(PostError::Ended(message));
        }
        inner.store(message);
        Ok(())
    }

    /// Takes everything, leaving `empty` in its place; whether there was anything. If so the loop has
    /// to look again before it sleeps; if not the next message wakes it.
    pub(crate) fn take(&self, empty: &mut VecDeque<Message<App>>) -> bool {
        debug_assert!(empty.is_empty(), "the last mail has been dealt with");
        let mut inner = self.lock();
        std::mem::swap(empty, &mut inner.messages);
        inner.is_watched = !empty.is_empty();
        inner.is_watched
    }

    /// The loop has ended; `rest` is what it had taken and not dealt with.
    pub(crate) fn end(&self, rest: VecDeque<Message<App>>) {
        let mut inner = self.lock();
        inner.waker = None;
        self.load.note_end();
        let later = std::mem::replace(&mut inner.messages, rest);
        inner.messages.extend(later);
        // What is waited for by a batch is with its sender. Here it would keep that sender for ever.
        let is_batch = |message: &Message<App>| matches!(message, Message::Batch(_));
        let (batches, others): (VecDeque<_>, _) =
            std::mem::take(&mut inner.messages).into_iter().partition(is_batch);
        inner.messages = others;
        drop(inner);
        for message in batches {
            if let Message::Batch(batch) = message {
                batch.end();
            }
        }
    }

    /// A thread that panicked while it held the lock has left the queue whole.
    fn lock(&self) -> MutexGuard<'_, Inner<App>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<App> Inner<App> {
    fn store(&mut self, message: Message<App>) {
        self.messages.push_back(message);
        self.wake();
    }

    fn wake(&mut self) {
        if !self.is_watched {
            self.is_watched = true;
            self.waker.iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Events, Poller};

    const MESSAGES: u64 = 3;
    const TURNS: usize = 4;

    /// The loop's side, a step at a time: whatever another thread does comes between two of them.
    struct Sleeper {
        poller: Poller,
        events: Events,
        mailbox: Mailbox<()>,
        has_mail: bool,
        mail: VecDeque<Message<()>>,
        dealt_with: Vec<Duration>,
        next: usize,
    }

    impl Sleeper {
        /// The steps of a turn: to wait, to look, to deal with what was there, and to look again.
        const STEPS: usize = 4;

        fn new() -> Self {
            let poller = Poller::new().expect("there are descriptors");
            let events = Events::new(&poller, 8);
            let mailbox = Mailbox::new(poller.waker(), usize::MAX);
            let (mail, dealt_with) = (VecDeque::new(), Vec::new());
            Self { poller, events, mailbox, has_mail: false, mail, dealt_with, next: 0 }
        }

        /// Whether it goes on, rather than to sleep.
        fn step(&mut self) -> bool {
            match self.next {
                0 => {
                    let waited = self.poller.wait(&mut self.events, Some(Duration::ZERO));
                    waited.expect("it can wait");
                    self.has_mail |= self.events.len() > 0;
                    if !self.has_mail && self.mail.is_empty() {
                        return false;
                    }
                }
                2 => self.dealt_with.extend(self.mail.drain(..).map(|message| match message {
                    Message::Shutdown(number) => number,
                    _ => panic!("nobody has sent that"),
                })),
                _ if self.has_mail && self.mail.is_empty() => {
                    self.has_mail = self.mailbox.take(&mut self.mail);
                }
                _ => {}
            }
            self.next = (self.next + 1) % Self::STEPS;
            true
        }

        fn leave(&mut self, number: u64) {
            let message = Message::Shutdown(Duration::from_secs(number));
            assert!(self.mailbox.post_always(message).is_ok());
        }
    }

    /// Hazard 15, in every order in which some messages can come between the steps of some turns. Each
    /// of these happens under the lock, so there are no others.
    #[test]
    fn in_whatever_order_they_come_no_message_is_left_with_a_loop_that_sleeps() {
        let moments = (TURNS * Sleeper::STEPS) as u64;
        for schedule in 0..moments.pow(MESSAGES as u32) {
            let comes = |number: u64| schedule / moments.pow(number as u32) % moments;
            let mut sleeper = Sleeper::new();
            for moment in 0..moments {
                let come = (0..MESSAGES).filter(|number| comes(*number) == moment);
                come.for_each(|number| sleeper.leave(number));
                sleeper.step();
            }
            let more = (0..moments).take_while(|_| sleeper.step()).count() as u64;
            assert!(more < moments, "schedule {schedule}: it does not come to rest");
            let mut left: Vec<u64> = (0..MESSAGES).collect();
            left.sort_by_key(|number| comes(*number));
            let dealt_with: Vec<u64> = sleeper.dealt_with.iter().map(Duration::as_secs).collect();
            assert_eq!(dealt_with, left, "schedule {schedule}");
        }
    }
}
