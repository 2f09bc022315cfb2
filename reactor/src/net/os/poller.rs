//! Waiting: mio's poll, and what may interrupt it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::event::Source;
use mio::{Interest, Token as MioToken};

use super::{Pool, System};
use crate::id::Token;
use crate::net::Readiness;

/// mio's `poll(2)` backend forgets a wake-up if a socket is registered or taken out between it and
/// the wait.
const FORGETS_WAKE_UPS: bool = cfg!(mio_unsupported_force_poll_poll);

pub(crate) struct Poller {
    poll: mio::Poll,
    waker: Waker,
    #[cfg(all(unix, feature = "signals"))]
    signals: Option<signal_hook_mio::v1_0::Signals>,
}

/// The events of one wait.
pub(crate) struct Events(mio::Events);

/// Wakes the poller from any thread.
#[derive(Clone)]
pub(crate) struct Waker(Arc<WakerInner>);

struct WakerInner {
    waker: mio::Waker,
    /// Somebody has woken the poller, and it has not reported that yet.
    is_due: AtomicBool,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), MioToken(Token::WAKER.0))?;
        let waker = Waker(Arc::new(WakerInner { waker, is_due: AtomicBool::new(false) }));
        Ok(Self {
            poll,
            waker,
            #[cfg(all(unix, feature = "signals"))]
            signals: None,
        })
    }

    pub(crate) fn system(&self) -> System {
        System
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(crate) fn pool(&self, threads: usize) -> Pool {
        Pool::new(threads)
    }

    /// Waits until something is ready or the time is over. A signal that interrupts the wait ends it
    /// without events.
    // Called, a turn is 14 instructions more.
    #[inline(always)]
    pub(crate) fn wait(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if FORGETS_WAKE_UPS && self.waker.0.is_due.load(Ordering::Acquire) {
            self.waker.wake();
        }
        match self.poll.poll(&mut events.0, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.0.clear(),
            result => result?,
        }
        // Before the messages are taken: what is left from here on wakes it anew.
        if FORGETS_WAKE_UPS && events.iter().any(|(token, _)| token == Token::WAKER) {
            self.waker.0.is_due.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Registers a stream once and for good, for both directions. Where the system tells of urgent data, it is asked
    /// to: a read stops in front of it, short, with more behind it, and no event would remind us of that.
    pub(super) fn register_stream(&self, source: &mut impl Source, token: Token) -> io::Result<()> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interests = interests | Interest::PRIORITY;
        self.poll.registry().register(source, MioToken(token.0), interests)
    }

    /// Registers a source that is only read: a listener, or a datagram socket on which nothing has had to wait.
    pub(super) fn register_read(&self, source: &mut impl Source, token: Token) -> io::Result<()> {
        self.poll.registry().register(source, MioToken(token.0), Interest::READABLE)
    }

    /// Has a source that was only read told of when it may be written to as well.
    pub(super) fn register_both(&self, source: &mut impl Source, token: Token) -> io::Result<()> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().reregister(source, MioToken(token.0), interests)
    }

    /// Registers anew, for both directions, what an error was reported of and goes on nevertheless: mio's `poll(2)`
    /// backend has dropped it, the others have not.
    pub(super) fn register_again(&self, source: &mut impl Source, token: Token) -> io::Result<()> {
        if cfg!(not(mio_unsupported_force_poll_poll)) {
            return Ok(());
        }
        // It may fail, since it was dropped.
        let _ = self.deregister(source);
        self.register_read(source, token)?;
        self.register_both(source, token)
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
        let Some(watched) = &mut self.signals else {
            return Vec::new();
        };
        let pending = watched.pending().collect();
        // They were read behind the back of mio, whose `poll(2)` backend has to be told to go on. It
        // can fail only where memory has run out, and then the next signal is as lost as this.
        let (token, interest) = (MioToken(Token::SIGNAL.0), Interest::READABLE);
        let _ = self.poll.registry().reregister(watched, token, interest);
        pending
    }
}

impl Events {
    /// Room for as many events as one wait may bring.
    pub(crate) fn new(_: &Poller, most: usize) -> Self {
        Self(mio::Events::with_capacity(most))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().count()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, Readiness)> {
        self.0.iter().map(|event| (Token(event.token().0), readiness(event)))
    }
}

/// Translates an event. Nearly all of epoll say the same, which is one question: something has come, and more can be sent.
fn readiness(event: &mio::event::Event) -> Readiness {
    if event.is_readable() && event.is_writable() && !is_special(event) {
        return Readiness::READ.with(Readiness::WRITE);
    }
    otherwise(event)
}

// In line it is computed for every event, and dropped.
#[cold]
fn otherwise(event: &mio::event::Event) -> Readiness {
    if is_special(event) {
        return Readiness::READ.with(Readiness::WRITE).with(Readiness::END);
    }
    let write = Readiness::WRITE.when(event.is_writable());
    Readiness::READ.when(event.is_readable()).with(write)
}

/// Every bit but readable and writable is a hint, so an end or an error becomes readiness for the call that
/// will tell what it is. So does urgent data, which is in the way of reading just as an end is: only
/// `WouldBlock` says then that all has been read.
fn is_special(event: &mio::event::Event) -> bool {
    event.is_error() || event.is_priority() || event.is_read_closed()
}

impl Waker {
    /// Makes the present or the next wait return. That fails only where the system has run out of
    /// memory for the wake-up itself, and then the loop is being woken by others already.
    pub(crate) fn wake(&self) {
        self.0.is_due.store(true, Ordering::Release);
        let _ = self.0.waker.wake();
    }
}
