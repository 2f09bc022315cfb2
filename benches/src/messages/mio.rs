//! mio's waker and a bounded channel: the standard library's, or crossbeam's.
//!
//! Only the message that finds the loop asleep wakes it, by a flag between the two: mio's documentation
//! asks not to wake more often than it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use mio::{Events, Poll, Token, Waker};

use super::{Leave, ROOM, Reader};
use crate::Result;

/// With the standard library's channel.
pub(super) fn run(reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let (sender, receiver) = mpsc::sync_channel(ROOM);
    run_with(reader, give, move |message| Ok(sender.send(message)?), || receiver.try_recv().ok())
}

/// With crossbeam's.
pub(super) fn run_crossbeam(reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let (sender, receiver) = crossbeam_channel::bounded(ROOM);
    run_with(reader, give, move |message| Ok(sender.send(message)?), || receiver.try_recv().ok())
}

fn run_with(
    mut reader: Reader,
    give: impl FnOnce(Leave) -> Result,
    send: impl Fn(u64) -> Result + Send + 'static,
    receive: impl Fn() -> Option<u64>,
) -> Result {
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    let is_woken = Arc::new(AtomicBool::new(false));
    let woken = Arc::clone(&is_woken);
    give(Box::new(move |message| {
        send(message)?;
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
        while let Some(message) = receive() {
            if !reader.take(message) {
                return Ok(());
            }
        }
    }
}
