//! All loops of a group, as any thread sees them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{Handle, Registry};

/// The loops that [`Loops`](crate::Loops) has started: clone it, send it, keep it in the application. It has a handle
/// to each, so a loop that is to [run idle](crate::Reactor::run_until_idle) must be in none.
pub struct LoopGroup<App> {
    shared: Arc<Shared<App>>,
}

struct Shared<App> {
    handles: Vec<Handle<App>>,
    is_ending: AtomicBool,
}

impl<App> LoopGroup<App> {
    pub(super) fn new(handles: Vec<Handle<App>>) -> Self {
        Self { shared: Arc::new(Shared { handles, is_ending: AtomicBool::new(false) }) }
    }

    /// A handle to each loop, by index.
    #[must_use]
    pub fn handles(&self) -> &[Handle<App>] {
        &self.shared.handles
    }

    /// How many connections all of them have, as far as is known here.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.handles().iter().map(Handle::connections).sum()
    }

    /// Shuts all loops down, each as [`Registry::shutdown`] does. Called again, it can only shorten the grace.
    pub fn shutdown(&self, grace: Duration) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        for handle in self.handles() {
            // One that has ended already is as good.
            let _ = handle.shutdown(grace);
        }
    }

    /// A loop has ended: so do the others, unless all have been told how long that may take.
    pub(super) fn shut_down_rest(&self, grace: Duration) {
        if !self.shared.is_ending.load(Ordering::Relaxed) {
            self.shutdown(grace);
        }
    }

    /// Asks each loop a question, on its own thread, and has `done` called with all answers on the loop that asks:
    /// for statistics of all, say. Nobody waits for them. In the place of a loop that has ended there is `None`.
    ///
    /// ```
    /// # use reactor::{LoopGroup, Registry, Stats};
    /// fn print_stats<App: 'static>(group: &LoopGroup<App>, registry: &Registry<App>) {
    ///     group.ask(registry, |registry, _app| registry.stats(), |_registry, _app, all| {
    ///         println!("{}", all.into_iter().flatten().sum::<Stats>());
    ///     });
    /// }
    /// ```
    pub fn ask<T: Send + 'static>(
        &self,
        registry: &Registry<App>,
        question: impl Fn(&mut Registry<App>, &mut App) -> T + Send + Sync + 'static,
        done: impl FnOnce(&mut Registry<App>, &mut App, Vec<Option<T>>) + Send + 'static,
    ) where
        App: 'static,
    {
        let asker = registry.handle();
        let done: Done<T> = Box::new(move |answers| {
            // One that has ended needs no answers.
            let _ = asker.run(move |registry, app| done(registry, app, answers));
        });
        let answers = Mutex::new(self.handles().iter().map(|_| None).collect());
        let asked = Arc::new(Asked { question, answers, done: Mutex::new(Some(done)) });
        for (index, handle) in self.handles().iter().enumerate() {
            let asked = Arc::clone(&asked);
            let _ = handle.run(move |registry, app| {
                let answer = (asked.question)(registry, app);
                let mut answers = asked.answers.lock().unwrap_or_else(PoisonError::into_inner);
                answers.get_mut(index).map(|place| place.replace(answer));
            });
        }
    }
}

/// Hands the answers to whoever asked.
type Done<T> = Box<dyn FnOnce(Vec<Option<T>>) + Send>;

/// A question that is on its way: each loop has a share in it. When the last is gone, all have answered or will not.
struct Asked<Q, T> {
    question: Q,
    answers: Mutex<Vec<Option<T>>>,
    done: Mutex<Option<Done<T>>>,
}

impl<Q, T> Drop for Asked<Q, T> {
    fn drop(&mut self) {
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let answers = self.answers.get_mut().unwrap_or_else(PoisonError::into_inner);
        done.into_iter().for_each(|done| done(std::mem::take(answers)));
    }
}

/// The group of one loop: for code that is told what to end, and need not know how many there are.
impl<App> From<Handle<App>> for LoopGroup<App> {
    fn from(alone: Handle<App>) -> Self {
        Self::new(vec![alone])
    }
}

impl<App> Clone for LoopGroup<App> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<App> fmt::Debug for LoopGroup<App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopGroup").field("loops", &self.handles().len()).finish_non_exhaustive()
    }
}
