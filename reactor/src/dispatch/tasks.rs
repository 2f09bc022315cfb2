//! Work that came from elsewhere: deferred closures, other threads' messages, offloaded results.

use std::collections::VecDeque;

use crate::handle::Message;
use crate::registry::Registry;
use crate::trace::{About, Callback, Subject, What};

impl<App> Registry<App> {
    /// Runs what was deferred before this turn, and messages, each up to the budget.
    pub(crate) fn run_tasks(&mut self, app: &mut App) {
        for _ in 0..self.deferred.len().min(self.ledger.limits.task_budget) {
            let Some(task) = self.deferred.pop_front() else {
                break;
            };
            self.ledger.stats.tasks += 1;
            self.run_task(|registry| task(registry, app));
        }
        self.take_lookups();
        self.look_for_mail();
        for _ in 0..self.ledger.limits.task_budget {
            let Some(message) = self.mail.pop_front() else {
                break;
            };
            self.ledger.stats.tasks += 1;
            self.handle_message(message, app);
        }
        // Is there more? Then it is for the next turn, which comes at once, and nobody need wake it.
        self.look_for_mail();
    }

    /// Takes what is in the mailbox, once everything taken before has been dealt with.
    fn look_for_mail(&mut self) {
        if self.has_mail && self.mail.is_empty() {
            self.has_mail = self.mailbox.take(&mut self.mail);
        }
    }

    /// Whether the loop has nothing to do but to wait for events: no task, no timer, nobody to visit.
    pub(crate) fn is_idle(&self) -> bool {
        let waiting = self.deferred.len() | self.mail.len() | usize::from(self.has_mail);
        waiting | self.wheel.len() | self.ledger.waiting() == 0 && self.shutdown.is_running()
    }

    /// Whether tasks or messages wait.
    pub(crate) fn has_tasks(&self) -> bool {
        !self.deferred.is_empty() || !self.mail.is_empty() || self.has_mail
    }

    fn handle_message(&mut self, message: Message<App>, app: &mut App) {
        match message {
            Message::Run(task) => {
                self.run_callback(None, Callback::Task, |registry| task(registry, app));
            }
            Message::Send(id, bytes) => {
                self.ledger.trace_visit(id, || What::Message("send"));
                let length = bytes.len() as u64;
                if self.send(id, bytes).is_err() {
                    self.ledger.stats.discarded_bytes += length;
                }
            }
            Message::Close(id) => {
                self.ledger.trace_visit(id, || What::Message("close"));
                // One that has ended is as closed as one can be.
                let _ = self.close(id);
            }
            Message::Shutdown(grace) => {
                self.ledger.trace_loop(|| What::Message("shutdown"));
                self.shutdown(grace);
            }
            Message::Offloaded { ticket, result } => {
                if let Some(done) = self.offloads.try_remove(ticket) {
                    done(self, app, result);
                }
            }
            Message::Give(given) => {
                self.ledger.trace_loop(|| What::Message("a connection"));
                self.take_in(*given, app);
            }
            Message::Batch(batch) => batch.receive(self, app),
            Message::Forget(listener) => drop(self.entrances.remove(&listener)),
        }
    }

    /// Runs one of the program's functions that needs no connection; whether it returned.
    pub(crate) fn run_callback(
        &mut self,
        whose: Option<Subject>,
        callback: Callback,
        task: impl FnOnce(&mut Self),
    ) -> bool {
        self.ledger.trace_about(About::Visit(whose), || What::Called(callback));
        let returned = self.run_task(task);
        self.ledger.trace_about(About::Visit(whose), || match returned {
            true => What::Returned(callback),
            false => What::Panicked(callback),
        });
        returned
    }

    /// Runs a closure that belongs to no connection; whether it returned. One that panics is counted
    /// in [`Stats::panics`](crate::Stats::panics), and the loop goes on.
    pub(crate) fn run_task(&mut self, task: impl FnOnce(&mut Self)) -> bool {
        let result = Self::guarded(|| task(self));
        self.ledger.stats.panics += u64::from(result.is_err());
        result.is_ok()
    }
}

impl<App> Drop for Registry<App> {
    /// Puts undelivered messages back into the mailbox, where other threads can take them.
    fn drop(&mut self) {
        // What a sender's batch has not received goes back to its sender before anybody can ask for it.
        drop(std::mem::take(&mut self.deferred));
        let rest: VecDeque<Message<App>> = std::mem::take(&mut self.mail);
        self.mailbox.end(rest);
    }
}
