//! Blocking work: what goes to the pool of threads, and comes back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Registry;
use crate::handle::Message;
use crate::id::Key;
use crate::offload::{Job, panic_message};
use crate::trace::Callback;
use crate::{OffloadError, PostError};

impl<App: 'static> Registry<App> {
    /// Runs blocking `work` on a small pool of threads, and `done` with its result on the loop. A
    /// [shutdown](Self::shutdown) waits for it, as long as its grace lasts.
    ///
    /// ```
    /// # use reactor::Reactor;
    /// # use std::time::Duration;
    /// let mut reactor = Reactor::<Vec<String>>::new()?;
    /// reactor.registry().offload(
    ///     || std::fs::read_to_string("Cargo.toml"),
    ///     |registry, texts, result| {
    ///         texts.extend(result.expect("the work did not panic"));
    ///         registry.shutdown(Duration::ZERO);
    ///     },
    /// )?;
    /// let mut texts = Vec::new();
    /// reactor.run(&mut texts)?;
    /// assert!(texts[0].contains("[package]"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PostError::Full`] if [`Limits::offloads`](crate::Limits::offloads) pieces of work wait already, or if
    /// not one thread could be started. The work is dropped then.
    #[doc(alias("spawn", "spawn_blocking", "run_in_executor"))]
    pub fn offload<R: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> R + Send + 'static,
        done: impl FnOnce(&mut Self, &mut App, Result<R, OffloadError>) + 'static,
    ) -> Result<(), PostError<()>> {
        self.submit(work, |registry, app, result| {
            registry.run_callback(None, Callback::Offloaded, |registry| {
                done(registry, app, result);
            });
        })
    }

    /// As [`offload`](Self::offload), for a connection; who is called back, and how, is the caller's to say.
    pub(crate) fn submit_for<R: Send + 'static>(
        &mut self,
        key: Key,
        work: impl FnOnce() -> R + Send + 'static,
        done: impl FnOnce(&mut Self, &mut App, Result<R, OffloadError>) + 'static,
    ) -> Result<(), PostError<()>> {
        self.submit(work, move |registry, app, result| {
            // Where nobody is called it is dropped, with the result: that is a user's code as well, and may panic.
            registry.run_task(|registry| done(registry, app, result));
            registry.take_back(key, app);
        })?;
        self.away.note(key);
        Ok(())
    }

    fn submit<R: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> R + Send + 'static,
        done: impl FnOnce(&mut Self, &mut App, Result<R, OffloadError>) + 'static,
    ) -> Result<(), PostError<()>> {
        if self.offloads.len() >= self.ledger.limits.offloads {
            return Err(PostError::Full(()));
        }
        self.shutdown.begin_anew();
        let ticket = self.offloads.insert(Box::new(move |registry, app, result| {
            if let Ok(result) = result.downcast() {
                done(registry, app, *result);
            }
        }));
        let mailbox = Arc::clone(&self.mailbox);
        let job: Job = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work))
                .map_err(|panic| OffloadError::Panicked(panic_message(&*panic)));
            // If the loop has ended, nobody waits for the result.
            let _ = mailbox.post_always(Message::Offloaded { ticket, result: Box::new(result) });
        });
        self.pool.submit(job).map_err(|_| {
            drop(self.offloads.remove(ticket));
            PostError::Full(())
        })
    }

    /// A piece of work is back, and its connection, if it is still there, has been given the result.
    fn take_back(&mut self, key: Key, app: &mut App) {
        if self.away.note_back(key) {
            self.tell_of_end(key, app);
        }
    }
}
