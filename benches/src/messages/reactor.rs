//! The reactor's handle, where each message is a closure that the loop runs, and its sender of one type.

use std::thread;
use std::time::Duration;

use reactor::{Limits, PostError, Reactor};

use super::{Leave, ROOM, Reader};
use crate::Result;

pub(super) fn run(mut reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let limits = Limits { tasks: ROOM, ..Limits::default() };
    let mut reactor = Reactor::<Reader>::with_limits(limits)?;
    let handle = reactor.handle();
    give(Box::new(move |message| {
        until_taken(|| {
            handle.run(move |registry, reader| {
                if !reader.take(message) {
                    registry.shutdown(Duration::ZERO);
                }
            })
        })
    }))?;
    reactor.run(&mut reader)?;
    Ok(())
}

/// With a sender of numbers.
pub(super) fn run_sender(mut reader: Reader, give: impl FnOnce(Leave) -> Result) -> Result {
    let mut reactor = Reactor::<Reader>::new()?;
    let sender = reactor.handle().sender(ROOM, |registry, reader: &mut Reader, message| {
        if !reader.take(message) {
            registry.shutdown(Duration::ZERO);
        }
    });
    give(Box::new(move |message| until_taken(|| sender.send(message))))?;
    reactor.run(&mut reader)?;
    Ok(())
}

/// Waits with a message where the loop is behind.
fn until_taken<T>(leave: impl Fn() -> Result<(), PostError<T>>) -> Result {
    loop {
        match leave() {
            Ok(()) => return Ok(()),
            Err(PostError::Full(_)) => thread::yield_now(),
            Err(PostError::Ended(_)) => return Err("the loop has ended".into()),
        }
    }
}
