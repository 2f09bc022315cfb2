//! Progress, for a person at a terminal; what is printed meanwhile; and nothing at all into a pipe.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use examples::output;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

/// All bars of a program.
#[derive(Debug, Default)]
pub(crate) struct Bars(MultiProgress);

const KNOWN: &str = "{prefix:24!} {bar:30} {bytes:>11} of {total_bytes:<11} {binary_bytes_per_sec:>12} {eta:>4} left";
const CHECKED: &str = "{prefix:24!} {spinner} {bytes:>11} checking";
const UNKNOWN: &str = "{prefix:24!} {spinner} {bytes:>11} {binary_bytes_per_sec:>12}";

impl Bars {
    /// A bar for something that is under way, whose size may be known.
    pub(crate) fn add(&self, name: &str, size: Option<u64>) -> ProgressBar {
        // It is shown as soon as it is added, so it has to be dressed before.
        let bar = ProgressBar::no_length().with_prefix(name.to_owned());
        set_size(&bar, size);
        let bar = self.0.add(bar);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Takes a bar away.
    pub(crate) fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.0.remove(bar);
    }

    /// Prints a line above the bars.
    pub(crate) fn say(&self, line: impl Display) -> io::Result<()> {
        self.0.suspend(|| output::say(line))
    }

    /// Prints an error above the bars.
    pub(crate) fn complain(&self, line: impl Display) {
        self.0.suspend(|| eprintln!("transfer: {line}"));
    }
}

/// The size is known now, or known not to be.
pub(crate) fn set_size(bar: &ProgressBar, size: Option<u64>) {
    if let Some(size) = size {
        bar.set_length(size);
    }
    dress(bar, if size.is_some() { KNOWN } else { UNKNOWN });
}

/// It moves from here on: what was there before was not as fast as it seems.
pub(crate) fn begin_at(bar: &ProgressBar, offset: u64) {
    bar.set_position(offset);
    bar.reset_eta();
}

/// All has moved, and is being looked at.
pub(crate) fn set_checking(bar: &ProgressBar) {
    dress(bar, CHECKED);
}

fn dress(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
}

/// So many bytes in so much time: `12 bytes in 0.1 s, 120 B/s`.
pub(crate) fn speed(bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let rate = HumanBytes((bytes as f64 / seconds.max(0.001)) as u64);
    format!("{bytes} bytes in {seconds:.1} s, {rate}/s")
}
