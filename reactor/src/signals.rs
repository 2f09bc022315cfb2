//! Signals as events of the loop (feature `signals`, Unix).

use std::io;
use std::time::Duration;

use crate::Registry;
use crate::trace::Callback;

/// A signal a program may want to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: the polite request to end.
    Terminate,
    /// SIGHUP: by custom, to read the configuration anew.
    Hangup,
    /// SIGUSR1: what the program makes of it.
    User1,
    /// SIGUSR2: what the program makes of it; by custom, to start a successor.
    User2,
}

impl Signal {
    const ALL: [Self; 5] =
        [Self::Interrupt, Self::Terminate, Self::Hangup, Self::User1, Self::User2];

    fn number(self) -> i32 {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
        match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
            Self::Hangup => SIGHUP,
            Self::User1 => SIGUSR1,
            Self::User2 => SIGUSR2,
        }
    }
}

pub(crate) type SignalHandler<App> = Box<dyn FnMut(&mut Registry<App>, &mut App)>;

impl<App> Registry<App> {
    /// Runs a closure on the loop whenever a signal has arrived, instead of what the signal does by
    /// default. Setting it again replaces the closure.
    ///
    /// Signals belong to the process: of several loops, each one that asks hears of it.
    ///
    /// # Errors
    ///
    /// If the system has no descriptors left for the pipe that carries signals.
    pub fn on_signal(
        &mut self,
        signal: Signal,
        handler: impl FnMut(&mut Self, &mut App) + 'static,
    ) -> io::Result<()> {
        self.poller.watch_signals(&[signal.number()])?;
        self.signal_handlers.retain(|(known, _)| *known != signal);
        self.signal_handlers.push((signal, Box::new(handler)));
        Ok(())
    }

    /// Ends the loop as servers end: the first SIGINT (Ctrl-C) or SIGTERM shuts it down within this grace, as
    /// [`shutdown`](Self::shutdown) does, and the next one at once. It is made of two [`on_signal`](Self::on_signal),
    /// for a program that has nothing to say to it.
    ///
    /// # Errors
    ///
    /// As of [`on_signal`](Self::on_signal).
    pub fn shutdown_on_signals(&mut self, grace: Duration) -> io::Result<()> {
        for signal in [Signal::Interrupt, Signal::Terminate] {
            self.on_signal(signal, move |registry, _app| {
                let is_second = registry.is_shutting_down();
                registry.shutdown(if is_second { Duration::ZERO } else { grace });
            })?;
        }
        Ok(())
    }

    pub(crate) fn handle_signals(&mut self, app: &mut App) {
        for number in self.poller.pending_signals() {
            let signal = Signal::ALL.into_iter().find(|signal| signal.number() == number);
            let at = self.signal_handlers.iter().position(|(known, _)| Some(*known) == signal);
            let Some(at) = at else { continue };
            let (signal, mut handler) = self.signal_handlers.swap_remove(at);
            self.run_callback(None, Callback::Signal, |registry| handler(registry, app));
            // Unless the handler has put another in its place.
            if !self.signal_handlers.iter().any(|(known, _)| *known == signal) {
                self.signal_handlers.push((signal, handler));
            }
        }
    }
}
