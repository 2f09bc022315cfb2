//! mio's waker and crossbeam's bounded channel, woken by the same rule as with the standard library's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::bounded;
use mio::{Events, Poll, Token, Waker};

use super::{Leave, ROOM, Reader};
use crate::Result;

pub(super) fn run(mut reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    let (sender, receiver) = bounded(ROOM);
    let is_woken = Arc::new(AtomicBool::new(false));
    let woken = Arc::clone(&is_woken);
    give(Box::new(move |message| {
        sender.send(message)?;
        if !woken.swap(true, Ordering::AcqRel) {
            waker.wake()?;
        }
        Ok(())
    }))?;
    let mut events = Events::with_capacity(1);
    loop {
        poll.poll(&mut events, None)?;
        // Before the channel is emptied: what is sent from now on wakes the loop again.
        is_woken.swap(false, Ordering::AcqRel);
        while let Ok(message) = receiver.try_recv() {
            if !reader.take(message) {
                return Ok(());
            }
        }
    }
}
