//! tokio-util's `DelayQueue`, a hierarchical wheel behind a stream, on a current-thread runtime.
//!
//! The time is asked once for a batch, as a loop would ask once a turn.

use std::future::poll_fn;
use std::task::Poll;

use tokio::runtime::{self, Runtime};
use tokio::time::Instant;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use super::{Setting, Timers};
use crate::Result;

pub(super) struct Queue {
    runtime: Runtime,
    queue: DelayQueue<usize>,
    keys: Vec<Option<Key>>,
}

impl Queue {
    pub(super) fn new(places: usize) -> Result<Self> {
        Ok(Self {
            runtime: runtime::Builder::new_current_thread().enable_time().build()?,
            queue: DelayQueue::with_capacity(places),
            keys: vec![None; places],
        })
    }
}

impl Timers for Queue {
    fn insert(&mut self, settings: &[Setting]) -> Result {
        let _entered = self.runtime.enter();
        let now = Instant::now();
        for setting in settings {
            let key = self.queue.insert_at(setting.place, now + setting.delay);
            self.keys[setting.place] = Some(key);
        }
        Ok(())
    }

    fn rearm(&mut self, settings: &[Setting]) -> Result {
        let _entered = self.runtime.enter();
        let now = Instant::now();
        for setting in settings {
            if let Some(key) = &self.keys[setting.place] {
                self.queue.reset_at(key, now + setting.delay);
            }
        }
        Ok(())
    }

    fn cancel(&mut self, settings: &[Setting]) -> Result {
        let _entered = self.runtime.enter();
        for setting in settings {
            if let Some(key) = self.keys[setting.place].take() {
                self.queue.remove(&key);
            }
        }
        Ok(())
    }

    fn fire(&mut self) -> Result<u64> {
        let Self { runtime, queue, keys } = self;
        Ok(runtime.block_on(async {
            let before = take_expired(queue, keys).await;
            // The runtime looks at its clock when nothing else is to be done.
            tokio::task::yield_now().await;
            before + take_expired(queue, keys).await
        }))
    }
}

/// Everything that has expired as far as the queue knows.
async fn take_expired(queue: &mut DelayQueue<usize>, keys: &mut [Option<Key>]) -> u64 {
    poll_fn(|context| {
        let mut fired = 0;
        while let Poll::Ready(Some(expired)) = queue.poll_expired(context) {
            keys[expired.into_inner()] = None;
            fired += 1;
        }
        Poll::Ready(fired)
    })
    .await
}
