//! mio's waker and the standard library's bounded channel.
//!
//! Only the message that finds the loop asleep wakes it, by a flag between the two: mio's documentation
//! asks not to wake more often than it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use mio::{Events, Poll, Token, Waker};

use super::{Leave, ROOM, Reader};
use crate::Result;

pub(super) fn run(mut reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    let (sender, receiver) = mpsc::sync_channel(ROOM);
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
