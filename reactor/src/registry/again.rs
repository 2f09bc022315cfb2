//! Clients that connect anew whenever their connection has ended.

use std::fmt;
use std::io;

use super::{AfterClose, Ended, Protocol, Registry};
use crate::{Address, Backoff, CloseReason, ConnectOptions, OpenError};

/// How a try of [`Registry::connect_again`] has ended. It reads as a line for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastTry {
    /// Whom it was with: see [`Closed::peer`](crate::Closed::peer).
    pub peer: Address,
    /// Who ended it, and why; of one that the loop refused to begin it is [`CloseReason::ConnectFailed`], with the
    /// [`OpenError`] inside.
    pub reason: CloseReason,
    /// Whether it had come to a connection that was open.
    pub opened: bool,
    /// How many have ended since all was well, this one among them: 1 for the first, and for one that was open longer
    /// than the longest pause, without the time that a deadline of ours, if one ended it, waited in vain.
    pub tries: u32,
}

impl fmt::Display for LastTry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.peer, self.reason)
    }
}

impl<App: 'static> Registry<App> {
    /// Connects, and whenever that has come to an end, connects anew after a pause, for as long as `next` makes a
    /// protocol for it.
    ///
    /// `next` is asked at first with `None`, in this turn or the next, and then right behind each
    /// [`on_close`](Protocol::on_close), with how it was. `None` ends it, and nothing is left in the loop.
    ///
    /// ```text
    ///   next(None) ──▶ connect ──▶ on_open … ──▶ on_close ──▶ next(how it was) ──▶ None: it is done
    ///                     ▲                                     │
    ///                     └──────── pause of the back-off ◀─────┴ a protocol
    /// ```
    ///
    /// The pauses are those of `backoff`, with chance from the loop ([`random`](Self::random)). They are short again
    /// after a connection that was open longer than the longest of them: not already after one that was accepted, or
    /// greeted and sent away. Where a deadline of ours has ended it
    /// ([`read_timeout`](crate::StreamLimits::read_timeout), say), the time that it waited in vain does not count: so a
    /// server that accepts and says nothing is none that was well, however long that deadline is.
    ///
    /// A name is looked up each time. A shutdown of the loop ends it, without asking; a pause is a timer, which is still
    /// there if the loop is run again.
    ///
    /// ```
    /// use reactor::{Backoff, Closed, ConnectOptions, LastTry, Protocol, Reactor, Registry};
    /// use std::time::Duration;
    ///
    /// struct Session;
    ///
    /// impl<App> Protocol<App> for Session {}
    ///
    /// let mut reactor = Reactor::new()?;
    /// let backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(30));
    /// // Nobody listens there.
    /// let (server, options) = ("localhost:1".parse()?, ConnectOptions::default());
    /// reactor.registry().connect_again(server, &options, backoff, |log: &mut Vec<String>, last| {
    ///     log.extend(last.map(LastTry::to_string));
    ///     last.is_none_or(|last| last.tries < 3).then_some(Session)
    /// });
    /// let mut log = Vec::new();
    /// reactor.run_until_idle(&mut log)?;
    /// assert_eq!(log.len(), 3);
    /// assert!(log[2].starts_with("localhost:1: could not connect"), "{log:?}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("reconnect", "retry", "keep_connected"))]
    pub fn connect_again<P: Protocol<App> + 'static>(
        &mut self,
        address: Address,
        options: &ConnectOptions,
        backoff: Backoff,
        mut next: impl FnMut(&mut App, Option<&LastTry>) -> Option<P> + 'static,
    ) {
        let next = move |app: &mut App, last: Option<&LastTry>| {
            next(app, last).map(|protocol| -> Box<dyn Protocol<App>> { Box::new(protocol) })
        };
        let again = Again { address, options: options.clone(), backoff, next: Box::new(next) };
        self.defer(move |registry, app| again.begin(registry, app));
    }
}

/// What is kept of it: beside a connection, and while it pauses.
struct Again<App> {
    address: Address,
    options: ConnectOptions,
    backoff: Backoff,
    next: Next<App>,
}

type Next<App> = Box<dyn FnMut(&mut App, Option<&LastTry>) -> Option<Box<dyn Protocol<App>>>>;

impl<App: 'static> Again<App> {
    fn begin(mut self, registry: &mut Registry<App>, app: &mut App) {
        if let Some(protocol) = (self.next)(app, None) {
            self.connect(protocol, registry, app);
        }
    }

    fn connect(
        self,
        protocol: Box<dyn Protocol<App>>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        match registry.connect_boxed(self.address.clone(), &self.options, protocol) {
            Ok(id) => {
                let act = Box::new(move |registry: &mut _, app: &mut App, ended: Ended<'_>| {
                    self.handle_end(ended, registry, app);
                });
                registry.after_close.insert(id.0, AfterClose { opened: None, act });
            }
            Err(OpenError::ShuttingDown(_)) => {}
            Err(error) => {
                // What the loop refuses before it asks the system is told in the same place as what that says.
                let reason = CloseReason::ConnectFailed(io::Error::other(error));
                let how = (self.address.clone(), reason, false);
                self.try_again(how, registry, app);
            }
        }
    }

    fn handle_end(
        mut self,
        Ended { closed, opened, waited }: Ended<'_>,
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        let lasted = opened.map(|opened| registry.now().saturating_duration_since(opened));
        // A server that never says anything is not well for as long as we have waited for it.
        let lasted = lasted.map(|lasted| lasted.saturating_sub(waited));
        if lasted.is_some_and(|lasted| lasted > self.backoff.longest()) {
            self.backoff.reset();
        }
        let how = (closed.peer.clone(), closed.reason.clone(), closed.opened);
        self.try_again(how, registry, app);
    }

    fn try_again(
        mut self,
        (peer, reason, opened): (Address, CloseReason, bool),
        registry: &mut Registry<App>,
        app: &mut App,
    ) {
        if registry.is_shutting_down() {
            return;
        }
        let pause = self.backoff.pause(registry.random());
        let last = LastTry { peer, reason, opened, tries: self.backoff.tries() };
        let Some(protocol) = (self.next)(app, Some(&last)) else { return };
        // Where there is no room for one more timer, it ends here.
        let _ = registry.after(pause, move |registry, app| self.connect(protocol, registry, app));
    }
}
