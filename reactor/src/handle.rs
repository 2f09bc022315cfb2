//! The loop as other threads see it. Nothing else in this crate but the pool of
//! [`offload`](crate::offload) knows that there are any.
//!
//! Two rules make a wake-up neither lost nor wasted: a message is stored *before* the loop is woken,
//! and only the message that finds the mailbox empty wakes it. The loop takes the whole mailbox at
//! once, so the next message finds it empty again.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::net::Waker;
use crate::{ConnectionId, PostError, Registry};

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
}

pub(crate) struct Mailbox<App> {
    inner: Mutex<Inner<App>>,
    limit: usize,
}

struct Inner<App> {
    messages: VecDeque<Message<App>>,
    /// Gone when the loop is: a handle that outlives it keeps no descriptor of it.
    waker: Option<Waker>,
}

impl<App> Handle<App> {
    pub(crate) fn new(mailbox: Arc<Mailbox<App>>) -> Self {
        Self { mailbox }
    }

    /// Runs a closure on the loop, with the registry and the application.
    ///
    /// # Errors
    ///
    /// The closure comes back if the loop has ended, or if
    /// [`Limits::tasks`](crate::Limits::tasks) messages wait already.
    pub fn run<F>(&self, task: F) -> Result<(), PostError<F>>
    where
        F: FnOnce(&mut Registry<App>, &mut App) + Send + 'static,
        App: 'static,
    {
        self.mailbox.post(task, |task| Message::Run(Box::new(task)))
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

    /// Takes what the loop had not done when it ended, in order; nothing while it runs.
    #[must_use]
    pub fn take_undelivered(&self) -> Vec<Undelivered<App>> {
        let mut inner = self.mailbox.lock();
        if inner.waker.is_some() {
            return Vec::new();
        }
        inner.messages.drain(..).filter_map(Message::undelivered).collect()
    }
}

impl<App> Clone for Handle<App> {
    fn clone(&self) -> Self {
        Self { mailbox: Arc::clone(&self.mailbox) }
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
            // Its sender was the loop.
            Self::Offloaded { .. } => None,
        }
    }
}

impl<App> Mailbox<App> {
    pub(crate) fn new(waker: Waker, limit: usize) -> Self {
        let inner = Mutex::new(Inner { messages: VecDeque::new(), waker: Some(waker) });
        Self { inner, limit }
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

    /// Takes everything, leaving `empty` in its place.
    pub(crate) fn take(&self, empty: &mut VecDeque<Message<App>>) {
        debug_assert!(empty.is_empty(), "the last mail has been dealt with");
        std::mem::swap(empty, &mut self.lock().messages);
    }

    /// The loop has ended; `rest` is what it had taken and not dealt with.
    pub(crate) fn end(&self, rest: VecDeque<Message<App>>) {
        let mut inner = self.lock();
        inner.waker = None;
        let later = std::mem::replace(&mut inner.messages, rest);
        inner.messages.extend(later);
    }

    /// A thread that panicked while it held the lock has left the queue whole.
    fn lock(&self) -> MutexGuard<'_, Inner<App>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<App> Inner<App> {
    fn store(&mut self, message: Message<App>) {
        self.messages.push_back(message);
        if self.messages.len() == 1 {
            self.waker.iter().for_each(Waker::wake);
        }
    }
}
