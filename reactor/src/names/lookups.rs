//! Hosts that the system is asked for: so many at one time, and the others in a queue.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::Lookup;
use crate::net::{Poller, Pool, Waker};
use crate::{ConnectionId, LookupError};

/// What has been found, left by the threads that have found it.
type Answers = Arc<Mutex<Vec<(Lookup, io::Result<Vec<SocketAddr>>)>>>;

pub(crate) struct Lookups {
    /// Threads of its own: those that wait for dead servers hold up no other work.
    pool: Pool,
    waker: Waker,
    answers: Answers,
    waiting: VecDeque<Lookup>,
    /// How many are with the system, wanted or not: none of them can be called off.
    running: usize,
    most: usize,
}

impl Lookups {
    pub(crate) fn new(poller: &Poller, most: usize) -> Self {
        let most = most.max(1);
        Self {
            pool: poller.pool(most),
            waker: poller.waker(),
            answers: Answers::default(),
            waiting: VecDeque::new(),
            running: 0,
            most,
        }
    }

    /// Asks the system now or, where it is asked enough already, later.
    pub(crate) fn ask(&mut self, lookup: Lookup) -> Result<(), LookupError> {
        if self.running >= self.most {
            self.waiting.push_back(lookup);
            return Ok(());
        }
        let (answers, waker, whose) =
            (Arc::clone(&self.answers), self.waker.clone(), lookup.clone());
        let asked = self.pool.look_up(
            &lookup.host,
            Box::new(move |found| {
                answers.lock().unwrap_or_else(PoisonError::into_inner).push((whose, found));
                waker.wake();
            }),
        );
        if !asked {
            return Err(LookupError::Failed("there is no thread to look it up".to_owned()));
        }
        self.running += 1;
        Ok(())
    }

    /// Nobody waits for it any more. One that is with the system stays there.
    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.waiting.retain(|lookup| lookup.id != id);
    }

    /// Whether the system is being asked.
    pub(crate) fn is_idle(&self) -> bool {
        self.running == 0
    }

    /// What the system has answered; whoever waits is asked for next.
    pub(crate) fn take(&mut self) -> Vec<(Lookup, Result<Vec<SocketAddr>, LookupError>)> {
        let found =
            std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        self.running -= found.len();
        let failed = |error: io::Error| LookupError::Failed(error.to_string());
        let told = found.into_iter().map(|(lookup, result)| (lookup, result.map_err(failed)));
        let mut told: Vec<_> = told.collect();
        while self.running < self.most
            && let Some(lookup) = self.waiting.pop_front()
        {
            if let Err(error) = self.ask(lookup.clone()) {
                told.push((lookup, Err(error)));
            }
        }
        told
    }
}
