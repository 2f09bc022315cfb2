//! Several loops, each on a thread of its own.
//!
//! ```text
//!   all have a reactor      one after the other       all are set up        the first ends, or somebody
//!   and know the others     each body sets up         each runs             shuts the group down
//!        Joining ─────────────▶ SettingUp ──────────────▶ Running ──────────▶ all shut down ──▶ report
//!           │                       │
//!           └── one fails ──────────┴──▶ Stopped: those that are set up shut down, the others do not begin
//! ```
//!
//! Loops share nothing. What one has to tell another goes through a [`Handle`](crate::Handle), of which each loop has
//! all.

mod group;
mod report;
mod start;

use std::borrow::Borrow;
use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

pub use group::LoopGroup;
pub use report::{LoopFailure, LoopReport, LoopsReport};

use crate::offload::panic_message;
use crate::{Limits, LoopError, Reactor, Registry, ShutdownReport, Stats};
use start::Start;

/// Starts several loops, one a thread, and waits for their end.
///
/// Each loop has a [`Reactor`] and an application of its own, made on its thread: so neither applications nor
/// protocols need be `Send`. The first runs on the thread that calls [`run`](Self::run).
///
/// ```
/// use reactor::{Input, ListenOptions, Loops, Protocol, Transport};
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
///
/// struct Echo;
///
/// /// The application of each loop counts what has come to it.
/// impl Protocol<u64> for Echo {
///     fn on_data(&mut self, transport: &mut Transport<'_, u64>, input: &mut Input<'_>, bytes: &mut u64) {
///         *bytes += input.len() as u64;
///         transport.write(input.take_all());
///     }
/// }
///
/// let two = NonZeroUsize::new(2).ok_or("two are more than none")?;
/// let ended = Loops::new(two).run(|one| {
///     if one.index() == 0 {
///         // One listener for all: whoever comes is given to the loop that has the fewest connections.
///         let group = one.group().clone();
///         let options = ListenOptions::default();
///         let at = "127.0.0.1:0".parse().expect("a literal");
///         one.registry().listen_among(group.handles(), at, &options, |_, _| Some(Box::new(Echo)))?;
/// #       one.registry().defer(move |_, _| group.shutdown(Duration::ZERO));
///     }
///     let mut bytes = 0;
///     one.run(&mut bytes)?;
///     Ok::<u64, Box<dyn std::error::Error + Send + Sync>>(bytes)
/// });
/// println!("{}\n{}", ended.shutdown(), ended.stats());
/// let bytes: u64 = ended.into_results()?.into_iter().sum();
/// # assert_eq!(bytes, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Loops {
    count: NonZeroUsize,
    limits: Limits,
    grace: Duration,
}

/// One of several loops, lent to the function that sets it up and runs it.
pub struct OneLoop<'a, App> {
    index: usize,
    reactor: Reactor<App>,
    group: LoopGroup<App>,
    start: &'a Start<App>,
    ran: Option<(ShutdownReport, Stats)>,
}

impl Loops {
    /// So many loops: as many as there are cores ([`thread::available_parallelism`]) is most often right.
    #[must_use]
    pub fn new(count: NonZeroUsize) -> Self {
        Self { count, limits: Limits::default(), grace: Duration::from_secs(3) }
    }

    /// The limits of each loop. They are not for all together.
    #[must_use]
    pub fn limits(self, limits: impl Borrow<Limits>) -> Self {
        Self { limits: limits.borrow().clone(), ..self }
    }

    /// How long the others may take to shut down when one has ended by itself: it has failed, or panicked, or was
    /// shut down alone. Default 3 s.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Starts the loops, and returns when all have ended.
    ///
    /// `body` is the whole life of one loop: it sets it up (listens, makes the application), calls
    /// [`OneLoop::run`], and returns what is left to tell. The bodies are called one after the other, each when the
    /// one before it has come to its `run`; no loop turns before all have. So if one fails to set up nobody has been
    /// served, those that are set up shut down, and those behind it do not begin.
    ///
    /// When one loop ends, all do: [`LoopGroup::shutdown`] ends all at once, and one that fails or panics has the
    /// others shut down within [`grace`](Self::grace).
    pub fn run<App, T: Send, E: Send>(
        &self,
        body: impl Fn(&mut OneLoop<'_, App>) -> Result<T, E> + Sync,
    ) -> LoopsReport<T, E> {
        let start = Start::new(self.count.get());
        let (start, body) = (&start, &body);
        let run = move |index| self.run_one(index, start, body);
        let loops = thread::scope(|scope| {
            let others: Vec<_> = (1..self.count.get())
                .map(|index| {
                    let thread = thread::Builder::new().name(format!("loop {index}"));
                    thread.spawn_scoped(scope, move || run(index)).inspect_err(|_| start.stop())
                })
                .collect();
            let mut loops = vec![run(0)];
            loops.extend(others.into_iter().map(|other| {
                match other.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(report)) => report,
                    Ok(Err(panic)) => LoopFailure::Panicked(panic_message(&*panic)).into(),
                    Err(error) => LoopFailure::NoLoop(error).into(),
                }
            }));
            loops
        });
        LoopsReport { loops }
    }

    fn run_one<App, T, E>(
        &self,
        index: usize,
        start: &Start<App>,
        body: &impl Fn(&mut OneLoop<'_, App>) -> Result<T, E>,
    ) -> LoopReport<T, E> {
        let reactor = match Reactor::with_limits(&self.limits) {
            Ok(reactor) => reactor,
            Err(error) => {
                start.stop();
                return LoopFailure::NoLoop(error).into();
            }
        };
        let Some(group) = start.join(index, reactor.handle()) else {
            return LoopFailure::NotStarted.into();
        };
        let mut one = OneLoop { index, reactor, group: group.clone(), start, ran: None };
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut one)));
        start.stop();
        group.shut_down_rest(self.grace);
        let (shutdown, stats) = one.ran.take().unwrap_or_default();
        let result = match result {
            Ok(result) => result.map_err(LoopFailure::Failed),
            Err(panic) => Err(LoopFailure::Panicked(panic_message(&*panic))),
        };
        LoopReport { result, shutdown, stats }
    }
}

impl<App> OneLoop<'_, App> {
    /// Which it is, from zero.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// All loops: to reach the others, and to end them.
    #[must_use]
    pub fn group(&self) -> &LoopGroup<App> {
        &self.group
    }

    /// What is registered with this one.
    pub fn registry(&mut self) -> &mut Registry<App> {
        self.reactor.registry()
    }

    /// The loop itself: to trace it, say.
    pub fn reactor(&mut self) -> &mut Reactor<App> {
        &mut self.reactor
    }

    /// Waits until all are set up, and turns until this one is shut down, as [`Reactor::run`] does.
    ///
    /// # Errors
    ///
    /// If waiting for events fails, which no connection can bring about.
    pub fn run(&mut self, app: &mut App) -> Result<ShutdownReport, LoopError> {
        self.start.set_up(self.index);
        let report = self.reactor.run(app);
        let shutdown = report.as_ref().map(Clone::clone).unwrap_or_default();
        self.ran = Some((shutdown, self.reactor.stats()));
        report
    }
}

impl<App> fmt::Debug for OneLoop<'_, App> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneLoop").field("index", &self.index).finish_non_exhaustive()
    }
}
