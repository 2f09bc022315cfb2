//! Progress, for a person at a terminal; what is printed meanwhile; and nothing at all into a pipe.
//!
//! ```text
//!   film.mkv      ━━━━━━━━━━━━╸           311.20 MiB of 700.00 MiB    98.12 MiB/s       4s left
//! ```
//!
//! A line is as wide as the terminal allows and no wider: what does not fit is left out, the bar first. What is
//! done in the twinkling of an eye has none: thousands of small files would be nothing but flicker.

use std::cell::RefCell;
use std::fmt::{Display, Write};
use std::io;
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output;

/// How often bars move.
pub const TICK: Duration = Duration::from_millis(200);
/// How long something is under way before it has a bar.
const PATIENCE: Duration = Duration::from_millis(300);

/// All bars of a program.
#[derive(Debug)]
pub struct Bars {
    /// What complaints begin with.
    program: &'static str,
    shown: MultiProgress,
    all: RefCell<Vec<Waiting>>,
}

/// A bar, which is not shown at first.
#[derive(Debug)]
struct Waiting {
    bar: ProgressBar,
    since: Instant,
    is_shown: bool,
}

impl Bars {
    /// None yet, of the program with that name.
    #[must_use]
    pub fn new(program: &'static str) -> Self {
        Self { program, shown: MultiProgress::default(), all: RefCell::default() }
    }

    /// A bar for something that is under way, whose size may be known.
    #[must_use]
    pub fn add(&self, name: &str, size: Option<u64>) -> ProgressBar {
        let bar = ProgressBar::hidden().with_prefix(name.to_owned());
        if self.is_seen() {
            set_size(&bar, size);
            let waiting = Waiting { bar: bar.clone(), since: Instant::now(), is_shown: false };
            self.all.borrow_mut().push(waiting);
        }
        bar
    }

    /// Takes a bar away.
    pub fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.shown.remove(bar);
    }

    /// Whether there is somebody to see them.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        !self.shown.is_hidden()
    }

    /// Some time has passed.
    pub fn tick(&self) {
        let mut all = self.all.borrow_mut();
        all.retain(|waiting| !waiting.bar.is_finished());
        for Waiting { bar, since, is_shown } in all.iter_mut() {
            if !*is_shown && since.elapsed() >= PATIENCE {
                *is_shown = true;
                self.shown.add(bar.clone());
            }
            bar.tick();
        }
    }

    /// Prints a line above the bars.
    ///
    /// # Errors
    ///
    /// If nobody reads it, or it cannot be stored.
    pub fn say(&self, line: impl Display) -> io::Result<()> {
        self.shown.suspend(|| output::say(line))
    }

    /// Prints an error above the bars.
    pub fn complain(&self, line: impl Display) {
        self.shown.suspend(|| output::complain(format_args!("{}: {line}", self.program)));
    }
}

/// The size is known now, or known not to be.
pub fn set_size(bar: &ProgressBar, size: Option<u64>) {
    if let Some(size) = size {
        bar.set_length(size);
    }
    dress(bar, if size.is_some() { Show::Bar } else { Show::Count });
}

/// It moves from here on: what was there before was not as fast as it seems.
pub fn begin_at(bar: &ProgressBar, offset: u64) {
    bar.set_position(offset);
    bar.reset_eta();
}

/// All has moved, and is being looked at.
pub fn set_checking(bar: &ProgressBar) {
    dress(bar, Show::Check);
}

/// So many bytes in so much time: `12 bytes in 0.1 s, 120 B/s`.
#[must_use]
pub fn speed(bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let rate = HumanBytes((bytes as f64 / seconds.max(0.001)) as u64);
    format!("{bytes} bytes in {seconds:.1} s, {rate}/s")
}

// ── a line ──────────────────────────────────────────────────────────────────────────────────────

/// What is shown of something under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    /// How much of it.
    Bar,
    /// How much, and nobody knows of how much.
    Count,
    /// That it is being looked at.
    Check,
}

/// How far it is.
struct Progress {
    done: u64,
    all: Option<u64>,
    rate: f64,
    left: Duration,
}

fn dress(bar: &ProgressBar, show: Show) {
    let name = bar.prefix();
    let write = move |state: &ProgressState, out: &mut dyn Write| {
        let (done, all) = (state.pos(), state.len());
        let progress = Progress { done, all, rate: state.per_sec(), left: state.eta() };
        // It fails if the terminal is gone, and then nobody minds.
        let _ = out.write_str(&line(width(), &name, show, &progress));
    };
    if let Ok(style) = ProgressStyle::with_template("{line}") {
        bar.set_style(style.with_key("line", write));
    }
}

/// Columns of the terminal, at this moment.
fn width() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| columns.into())
}

/// Columns that a name has, at least and at most, and so a bar.
const NAME: (usize, usize) = (8, 24);
const BAR: (usize, usize) = (8, 30);

/// A line of at most so many columns.
fn line(width: usize, name: &str, show: Show, progress: &Progress) -> String {
    // Some terminals begin a new line when the last column has been written to.
    let mut left = width.saturating_sub(1);
    let narrowest = NAME.0.min(left);
    left -= narrowest;
    let mut facts = String::new();
    for fact in facts_of(show, progress) {
        if fact.len() + 1 > left {
            break;
        }
        left -= fact.len() + 1;
        facts = format!("{facts} {fact}");
    }
    let room = left.min(NAME.1 - NAME.0);
    let name = fitted(name, narrowest + room);
    left -= room;
    let bar = match (show, progress.all) {
        (Show::Bar, Some(all)) if left > BAR.0 => bar((left - 1).min(BAR.1), progress.done, all),
        _ => String::new(),
    };
    format!("{name}{bar}{facts}")
}

/// What there is to tell, the most important first, each of a width that does not change.
fn facts_of(show: Show, progress: &Progress) -> Vec<String> {
    let bytes = |bytes: u64| HumanBytes(bytes).to_string();
    let rate = format!("{:>14}", format!("{}/s", HumanBytes(progress.rate.max(0.0) as u64)));
    let done = format!("{:>12}", bytes(progress.done));
    match (show, progress.all) {
        (Show::Check, _) => vec!["checking".to_owned(), done],
        (Show::Bar, Some(all)) => {
            let parts = (progress.done.min(all) as u128 * 100).checked_div(all.into());
            let time = format!("{:#}", HumanDuration(progress.left));
            vec![
                format!("{:>3}%", parts.unwrap_or(100)),
                format!("{done} of {:<12}", bytes(all)),
                rate,
                format!("{time:>5} left"),
            ]
        }
        _ => vec![done, rate],
    }
}

/// A name in exactly so many columns.
fn fitted(name: &str, width: usize) -> String {
    let mut fitted = String::new();
    let mut columns = 0;
    for letter in name.chars() {
        let more = letter.width().unwrap_or(0);
        if columns + more > width {
            break;
        }
        columns += more;
        fitted.push(letter);
    }
    debug_assert!(fitted.width() <= width.max(columns));
    format!("{fitted}{:1$}", "", width - columns)
}

/// A space, and a bar of so many columns.
fn bar(width: usize, done: u64, all: u64) -> String {
    let filled = u128::from(done.min(all)) * width as u128;
    let filled = filled.checked_div(all.into()).map_or(width, |filled| filled as usize);
    let head = if filled < width { "╸" } else { "" };
    format!(" {}{head}{:2$}", "━".repeat(filled), "", width - filled - head.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] =
        ["a", "a name that is longer than any column", "世界世界世界世界世界世界世界", ""];

    fn progress(done: u64, all: Option<u64>) -> Progress {
        let left = Duration::from_secs(done.min(1 << 40));
        Progress { done, all, rate: done as f64 / 1.5, left }
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal() {
        let sizes = [0, 1, 1000, 123_456_789, 1 << 40, u64::MAX];
        for width in 0..200 {
            for (name, show) in NAMES
                .into_iter()
                .flat_map(|name| [Show::Bar, Show::Count, Show::Check].map(|show| (name, show)))
            {
                for (done, all) in sizes.into_iter().flat_map(|done| sizes.map(|all| (done, all))) {
                    for all in [Some(all), None] {
                        let line = line(width, name, show, &progress(done, all));
                        assert!(line.width() <= width.saturating_sub(1), "{width}: {line}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let line = |width| line(width, "film.mkv", Show::Bar, &progress(50 << 20, Some(100 << 20)));
        assert_eq!(line(10), "film.mkv ");
        assert_eq!(line(20), "film.mkv        50%");
        assert_eq!(line(48), "film.mkv       50%    50.00 MiB of 100.00 MiB  ");
        assert!(line(100).contains(" ━━━") && line(100).contains("MiB/s"), "{}", line(100));
    }
}
