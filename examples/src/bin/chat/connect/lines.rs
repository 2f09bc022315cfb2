//! Line mode: what happens is printed, a line each, and what comes on standard input is done.
//!
//! A line is read when the one before it has been done: one is connected, has joined what one wanted to
//! join, and there is room to say more. So a script may be a file.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use examples::output;
use protocols::chat::Folded;
use reactor::{Handle, Registry, TimerId};

use super::report::{Place, Report, Said, clean};
use super::talk::{Front, Talk};

/// The longest line that is read. No message is as long.
const LONGEST: u64 = 16 * 1024;

/// How long a channel may keep a script waiting for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines that may wait to be sent before the next is read.
const AHEAD: usize = 4;

/// What line mode keeps.
pub(super) struct Lines {
    /// Whom one talks to.
    target: Option<String>,
    permits: SyncSender<()>,
    is_asked: bool,
    /// Set while a channel is waited for.
    patience: Option<TimerId>,
}

impl Lines {
    /// Starts the thread that reads, which waits to be asked.
    pub(super) fn start(handle: Handle<Talk>) -> io::Result<Self> {
        let (permits, requests) = sync_channel(1);
        // Nobody joins it: it may wait for a keyboard when the program ends.
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || read(io::stdin().lock(), &handle, &requests))?;
        Ok(Self { target: None, permits, is_asked: false, patience: None })
    }

    pub(super) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    pub(super) fn go_to(&mut self, name: &str) {
        self.target = Some(name.to_owned());
    }

    /// One is not on a channel any more.
    pub(super) fn leave(&mut self, channel: &str) {
        if self.target.as_deref().is_some_and(|it| Folded::of(it) == Folded::of(channel)) {
            self.target = None;
        }
    }

    /// Prints a line.
    pub(super) fn show(&mut self, report: &Report) -> io::Result<()> {
        output::say(in_words(report))
    }

    /// Asks for a line, if the time has come for one.
    pub(super) fn ask(talk: &mut Talk, registry: &mut Registry<Talk>) {
        let is_time = talk.is_ready && talk.joining.is_empty() && talk.client.waiting() < AHEAD;
        let waits = talk.is_ready && !talk.joining.is_empty();
        let Front::Lines(lines) = &mut talk.front else { return };
        if !waits && let Some(timer) = lines.patience.take() {
            registry.cancel(timer);
        }
        if waits && lines.patience.is_none() {
            let timer = registry.after(PATIENCE, |registry, talk: &mut Talk| {
                talk.joining.clear();
                Self::ask(talk, registry);
            });
            lines.patience = timer.ok();
        }
        if is_time && !std::mem::replace(&mut lines.is_asked, true) {
            // It fails when the thread has ended, and then it has said so.
            let _ = lines.permits.try_send(());
        } else if talk.is_ready && talk.client.waiting() >= AHEAD {
            // Nobody tells when something has been sent, so it is looked at again.
            let again = Duration::from_millis(200);
            let _ = registry.after(again, |registry, talk: &mut Talk| Self::ask(talk, registry));
        }
    }

    fn handle_line(talk: &mut Talk, registry: &mut Registry<Talk>, line: &str) {
        if let Front::Lines(lines) = &mut talk.front {
            lines.is_asked = false;
        }
        talk.obey(registry, line);
        Self::ask(talk, registry);
    }
}

/// What the thread does. It ends with the input, or with the loop.
fn read(mut input: impl BufRead, handle: &Handle<Talk>, requests: &Receiver<()>) {
    while requests.recv().is_ok() {
        let posted = match read_line(&mut input) {
            Ok(Some(line)) => {
                handle.run(move |registry, talk| Lines::handle_line(talk, registry, &line)).is_ok()
            }
            Ok(None) => {
                let _ = handle.run(|registry, talk| talk.quit(registry, "Goodbye"));
                false
            }
            Err(error) => {
                let message = format!("cannot read standard input: {error}");
                let _ = handle.run(|registry, talk| talk.finish(registry, Err(message.into())));
                false
            }
        };
        if !posted {
            return;
        }
    }
}

/// Waits for the next line; `None` at the end.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let length = input.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    Ok((length > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

/// A line of the output.
fn in_words(report: &Report) -> String {
    let place = match report.places.first() {
        Some(Place::With(name)) => name.as_str(),
        _ => "-",
    };
    clean(&match &report.said {
        Said::Message { nick, text } => format!("{place} <{nick}> {text}"),
        Said::Action { nick, text } => format!("{place} * {nick} {text}"),
        Said::Notice { nick, text } => format!("{place} -{nick}- {text}"),
        Said::News(text) => format!("-- {text}"),
        Said::Refusal(text) => format!("-! {text}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_who_and_what() {
        let report = |said| Report {
            places: vec![Place::With("#a".into())],
            said,
            direct: false,
            own: false,
            past: false,
            time: None,
        };
        let (nick, text) = ("ann".to_owned(), "hi\u{1b}[0m".to_owned());
        let message = Said::Message { nick: nick.clone(), text: text.clone() };
        assert_eq!(in_words(&report(message)), "#a <ann> hi\u{fffd}[0m");
        assert_eq!(in_words(&report(Said::Action { nick, text })), "#a * ann hi\u{fffd}[0m");
        assert_eq!(in_words(&Report::refusal("no".into())), "-! no");
    }

    #[test]
    fn input_is_read_by_lines_and_its_end_is_told() {
        let mut input = &b"one\r\ntwo"[..];
        let mut next = || read_line(&mut input).expect("a slice can be read");
        let lines = [next(), next(), next()];
        assert_eq!(lines, [Some("one\r\n".into()), Some("two".into()), None]);
    }
}
