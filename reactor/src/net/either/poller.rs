//! Waiting for events of either system.

use std::io;
use std::time::Duration;

use super::System;
use crate::id::Token;
use crate::net::{Readiness, os, sim};

pub(crate) enum Poller {
    Os(os::Poller),
    Sim(sim::System),
}

pub(crate) enum Events {
    Os(os::Events),
    Sim(Vec<(Token, Readiness)>),
}

#[derive(Clone)]
pub(crate) enum Waker {
    Os(os::Waker),
    Sim(sim::Waker),
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        os::Poller::new().map(Self::Os)
    }

    pub(crate) fn system(&self) -> System {
        match self {
            Self::Os(poller) => System::Os(poller.system()),
            Self::Sim(system) => System::Sim(system.clone()),
        }
    }

    pub(crate) fn waker(&self) -> Waker {
        match self {
            Self::Os(poller) => Waker::Os(poller.waker()),
            Self::Sim(system) => Waker::Sim(system.waker()),
        }
    }

    #[inline]
    pub(crate) fn wait(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        match (&mut *self, &mut *events) {
            (Self::Os(poller), Events::Os(events)) => poller.wait(events, timeout),
            _ => self.look(events),
        }
    }

    /// A simulated loop never waits: whoever turns it lets the time pass.
    #[cold]
    #[inline(never)]
    fn look(&self, events: &mut Events) -> io::Result<()> {
        let (Self::Sim(system), Events::Sim(events)) = (self, events) else {
            unreachable!("a loop's events were made for its poller");
        };
        events.clear();
        system.wait(events);
        Ok(())
    }

    /// The poller of a real socket: only a real one opens or adopts such.
    pub(super) fn os(&self) -> &os::Poller {
        match self {
            Self::Os(poller) => poller,
            Self::Sim(_) => unreachable!("a simulated loop has no real socket"),
        }
    }
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl std::os::fd::AsFd for Poller {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Os(poller) => poller.as_fd(),
            // Nobody outside is ever given a simulated loop as a `Reactor`, only its `Registry`.
            Self::Sim(_) => unreachable!("a simulated loop is watched by its simulation alone"),
        }
    }
}

#[cfg(all(unix, feature = "signals"))]
impl Poller {
    /// Signals are sent to a process, and a simulated loop has none of its own.
    pub(crate) fn watch_signals(&mut self, signals: &[i32]) -> io::Result<()> {
        match self {
            Self::Os(poller) => poller.watch_signals(signals),
            Self::Sim(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn pending_signals(&mut self) -> Vec<i32> {
        match self {
            Self::Os(poller) => poller.pending_signals(),
            Self::Sim(_) => Vec::new(),
        }
    }
}

impl Events {
    pub(crate) fn new(poller: &Poller, most: usize) -> Self {
        match poller {
            Poller::Os(poller) => Self::Os(os::Events::new(poller, most)),
            Poller::Sim(_) => Self::Sim(Vec::new()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Os(events) => events.len(),
            Self::Sim(events) => events.len(),
        }
    }

    #[inline(always)]
    pub(crate) fn are_simulated(&self) -> bool {
        match self {
            Self::Os(events) => events.are_simulated(),
            Self::Sim(_) => true,
        }
    }

    /// Without `EITHER`, for one who knows that they are not simulated, nothing is asked for each.
    #[inline(always)]
    pub(crate) fn iter<const EITHER: bool>(&self) -> impl Iterator<Item = (Token, Readiness)> {
        match self {
            Self::Os(events) => Iter::Os(events.iter::<EITHER>()),
            Self::Sim(events) if EITHER => Iter::Sim(events.iter().copied()),
            Self::Sim(_) => unreachable!("they are simulated"),
        }
    }
}

/// One loop over the events of either system, so that what is done with an event is compiled once.
enum Iter<Os, Sim> {
    Os(Os),
    Sim(Sim),
}

impl<Os, Sim> Iterator for Iter<Os, Sim>
where
    Os: Iterator,
    Sim: Iterator<Item = Os::Item>,
{
    type Item = Os::Item;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Os(events) => events.next(),
            Self::Sim(events) => events.next(),
        }
    }
}

impl Waker {
    pub(crate) fn wake(&self) {
        match self {
            Self::Os(waker) => waker.wake(),
            Self::Sim(waker) => waker.wake(),
        }
    }
}
