//! Waiting: mio's poll, and what may interrupt it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Token as MioToken};

use crate::id::Token;
use crate::net::Readiness;

/// Events taken from the kernel at a time. More do not make a turn cheaper: at 1,024 the wait is
/// under a thousandth of the work it brings.
const BATCH: usize = 1_024;

pub(crate) struct Poller {
    poll: mio::Poll,
    waker: Arc<mio::Waker>,
    #[cfg(all(unix, feature = "signals"))]
    signals: Option<signal_hook_mio::v1_0::Signals>,
}

/// The events of one wait.
pub(crate) struct Events(mio::Events);

/// Wakes the poller from any thread.
#[derive(Clone)]
pub(crate) struct Waker(Arc<mio::Waker>);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), MioToken(Token::WAKER.0))?);
        Ok(Self {
            poll,
            waker,
            #[cfg(all(unix, feature = "signals"))]
            signals: None,
        })
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.waker))
    }

    /// Waits until something is ready or the time is over. A signal that interrupts the wait ends it
    /// without events.
    pub(crate) fn wait(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        match self.poll.poll(&mut events.0, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.0.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Registers once and for good, for both directions.
    pub(super) fn register(&self, source: &mut impl Source, token: Token) -> io::Result<()> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(source, MioToken(token.0), interests)
    }

    /// Registers what is only ever read: a listener.
    pub(super) fn register_read(&self, source: &mut impl Source, token: Token) -> io::Result<()> {
        self.poll.registry().register(source, MioToken(token.0), Interest::READABLE)
    }

    /// Registers anew what an error was reported of and goes on nevertheless: mio's `poll(2)` backend
    /// has dropped it, the others have not.
    pub(super) fn register_again(&self, source: &mut impl Source, token: Token) -> io::Result<()> {
        if cfg!(not(mio_unsupported_force_poll_poll)) {
            return Ok(());
        }
        // It may fail, since it was dropped.
        let _ = self.deregister(source);
        self.register(source, token)
    }

    pub(super) fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        self.poll.registry().deregister(source)
    }
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl std::os::fd::AsFd for Poller {
    /// The kernel's own queue, which is readable when an event waits in it.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}

#[cfg(all(unix, feature = "signals"))]
impl Poller {
    /// Has these signals delivered as [`Token::SIGNAL`] from now on.
    pub(crate) fn watch_signals(&mut self, signals: &[i32]) -> io::Result<()> {
        if let Some(watched) = &self.signals {
            return signals.iter().try_for_each(|&signal| watched.add_signal(signal));
        }
        let mut watched = signal_hook_mio::v1_0::Signals::new(signals)?;
        self.register_read(&mut watched, Token::SIGNAL)?;
        self.signals = Some(watched);
        Ok(())
    }

    /// The signals that have arrived since the last call, each once.
    pub(crate) fn pending_signals(&mut self) -> Vec<i32> {
        self.signals.as_mut().map_or_else(Vec::new, |signals| signals.pending().collect())
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self(mio::Events::with_capacity(BATCH))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().count()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, Readiness)> {
        self.0.iter().map(|event| (Token(event.token().0), readiness(event)))
    }
}

/// Translates an event. Every bit but readable and writable is a hint, so an end or an error becomes
/// readiness for the call that will tell what it is.
#[inline]
fn readiness(event: &mio::event::Event) -> Readiness {
    let ended = event.is_error() || event.is_read_closed();
    if ended {
        return Readiness::READ.with(Readiness::WRITE).with(Readiness::END);
    }
    let write = Readiness::WRITE.when(event.is_writable());
    Readiness::READ.when(event.is_readable()).with(write)
}

impl Waker {
    /// Makes the present or the next wait return. That fails only where the system has run out of
    /// memory for the wake-up itself, and then the loop is being woken by others already.
    pub(crate) fn wake(&self) {
        let _ = self.0.wake();
    }
}
