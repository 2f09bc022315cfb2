//! `--loops N`: a server on several cores.

use std::error::Error;
use std::io;
use std::num::NonZeroUsize;

use clap::Args;
use reactor::{LoopFailure, Loops, OneLoop, ShutdownReport};

/// On how many threads a server has a loop.
#[derive(Args, Clone, Copy, Debug)]
pub struct LoopOptions {
    /// Have N loops, each on a thread of its own; who comes goes to the one with the fewest connections
    #[arg(long, value_name = "N", default_value = "1", value_parser = some_loops)]
    loops: NonZeroUsize,
}

impl LoopOptions {
    /// The share of each loop in what is given for all: at least one.
    #[must_use]
    pub fn share(self, all: usize) -> usize {
        all.div_ceil(self.loops.get())
    }

    /// Whether there is more than one.
    #[must_use]
    pub fn are_several(self) -> bool {
        self.loops > NonZeroUsize::MIN
    }

    /// So many loops.
    #[must_use]
    pub fn loops(self) -> Loops {
        Loops::new(self.loops)
    }
}

/// More than there are processors anywhere; each is a thread, with descriptors of its own.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

fn some_loops(text: &str) -> Result<NonZeroUsize, String> {
    let loops = text.parse().ok().filter(|loops| *loops <= MOST);
    loops.ok_or_else(|| format!("expected a whole number, 1 to {MOST}"))
}

/// Runs the loops: how they were shut down, all together, and what each has left to tell.
///
/// # Errors
///
/// Why the first of them failed.
pub fn run<App, T: Send>(
    loops: &Loops,
    body: impl Fn(&mut OneLoop<'_, App>) -> Result<T, Box<dyn Error>> + Sync,
) -> Result<(ShutdownReport, Vec<T>), Box<dyn Error>> {
    let ended = loops.run(|one| body(one).map_err(sendable));
    let report = ended.shutdown();
    match ended.into_results() {
        Ok(results) => Ok((report, results)),
        Err(LoopFailure::Failed(error)) => Err(error),
        Err(failure) => Err(failure.to_string().into()),
    }
}

/// An error that may leave its thread. Of what the caller asks of it nothing is lost: its words, and whether
/// nobody reads the output any more.
fn sendable(error: Box<dyn Error>) -> Box<dyn Error + Send + Sync> {
    match error.downcast::<io::Error>() {
        Ok(error) => error,
        Err(error) => error.to_string().into(),
    }
}
