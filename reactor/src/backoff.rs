//! How long to wait before trying again.

use std::time::Duration;

/// Pauses between tries: each about twice as long as the one before, up to a ceiling.
///
/// Up to half of each is taken off by chance, so that a thousand clients whose server comes back do not all
/// come in the same moment. The chance is an argument: [`Registry::random`](crate::Registry::random), so a
/// simulation does the same again.
///
/// [`Registry::connect_again`](crate::Registry::connect_again) is a client that has them. By hand:
///
/// ```
/// use reactor::{Address, Backoff, Closed, Input, Protocol, Reactor, Registry, Transport};
/// use std::time::Duration;
///
/// struct Client {
///     server: Address,
///     backoff: Backoff,
/// }
///
/// impl Protocol<u32> for Client {
///     fn on_data(&mut self, _: &mut Transport<'_, u32>, input: &mut Input<'_>, _: &mut u32) {
///         // It is one that answers, and not only one that accepts.
///         self.backoff.reset();
///         println!("{}", input.take_all().escape_ascii());
///     }
///
///     fn on_close(&mut self, registry: &mut Registry<u32>, closed: &Closed, tries: &mut u32) {
///         *tries += 1;
///         if self.backoff.tries() == 3 {
///             return eprintln!("{}: {}", self.server, closed.reason);
///         }
///         let pause = self.backoff.pause(registry.random());
///         let again = Self { server: self.server.clone(), backoff: self.backoff };
///         // Where there are no timers left, it ends here.
///         let _ = registry.after(pause, |registry, _| {
///             let _ = registry.connect(again.server.clone(), again);
///         });
///     }
/// }
///
/// let mut reactor = Reactor::new()?;
/// // Nobody listens there.
/// let server: Address = "127.0.0.1:1".parse()?;
/// let backoff = Backoff::new(Duration::from_millis(2), Duration::from_secs(60));
/// reactor.registry().connect(server.clone(), Client { server, backoff })?;
/// let mut tries = 0;
/// reactor.run_until_idle(&mut tries)?;
/// assert_eq!(tries, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    tries: u32,
}

/// From 100 ms to 30 s: soon enough for a server that was restarted, and no burden for one that is away.
impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30))
    }
}

impl Backoff {
    /// Pauses that begin with `first`, and are never longer than `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first.min(longest), tries: 0 }
    }

    /// The next pause, of which `random` takes off half at most:
    /// `registry.after(backoff.pause(registry.random()), connect)`.
    pub fn pause(&mut self, random: u64) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        self.tries = self.tries.saturating_add(1);
        let off = (random >> 32) as f64 / f64::from(u32::MAX);
        pause.saturating_sub((pause / 2).mul_f64(off))
    }

    /// How many pauses there were since all was well.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    /// All is well again: the next pause is the first.
    pub fn reset(&mut self) {
        *self = Self::new(self.first, self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_ceiling_and_differ_from_each_others() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(2), seconds(7));
        let pauses = [0; 4].map(|random| backoff.pause(random));
        assert_eq!(pauses, [2, 4, 7, 7].map(seconds));
        assert_eq!(backoff.pause(u64::MAX), Duration::from_millis(3_500));
        assert_eq!(backoff.tries(), 5);
        backoff.reset();
        assert_eq!((backoff.pause(0), backoff.tries()), (seconds(2), 1));
    }

    #[test]
    fn no_pause_is_too_long_to_be_doubled() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!([backoff.pause(0), backoff.pause(0)], [Duration::MAX; 2]);
        let mut none = Backoff::new(Duration::ZERO, Duration::MAX);
        assert_eq!([none.pause(7), none.pause(7)], [Duration::ZERO; 2]);
    }
}
