//! Line mode: what happens is printed, a line each, and what comes on standard input is done.
//!
//! A line is read when the one before it has been done: one is connected, has joined what one wanted to
//! join, and there is room to say more. So a script may be a file. What was not done is told on standard
//! error, and the exit code is 1.

use std::error::Error;
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use examples::output;
use protocols::chat::client::{Client, Event, Support};
use reactor::{Handle, Registry};

use super::command::Command;
use super::joins::Joins;
use super::record::{End, Record, Refusal};
use super::report::{Place, Report, Said, clean};
use super::talk::{Front, Talk};

/// The longest line that is read. No message is as long.
const LONGEST: u64 = 16 * 1024;

/// Lines that may wait to be sent before the next is read.
const AHEAD: usize = 4;

/// What line mode keeps.
pub(super) struct Lines {
    /// Whom one talks to.
    target: Option<String>,
    permits: SyncSender<()>,
    is_asked: bool,
    /// A line that came while it could not be done: the connection was lost since it was asked for.
    held: Option<String>,
    /// What became of it all.
    pub(super) record: Record,
}

impl Lines {
    /// Starts the thread that reads, which waits to be asked.
    pub(super) fn start(handle: Handle<Talk>) -> io::Result<Self> {
        let (permits, requests) = sync_channel(1);
        // Nobody joins it: it may wait for a keyboard when the program ends.
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || read(io::stdin().lock(), &handle, &requests))?;
        let (target, held) = (None, None);
        Ok(Self { target, permits, is_asked: false, held, record: Record::default() })
    }

    pub(super) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    pub(super) fn go_to(&mut self, name: &str) {
        self.target = Some(name.to_owned());
    }

    pub(super) fn go_nowhere(&mut self) {
        self.target = None;
    }

    /// One is not on a channel any more.
    pub(super) fn leave(&mut self, support: &Support, channel: &str) {
        if self.target.as_deref().is_some_and(|it| support.same(it, channel)) {
            self.target = None;
        }
    }

    /// Whoever one talks to is called something else.
    pub(super) fn rename(&mut self, support: &Support, from: &str, to: &str) {
        if let Some(target) = self.target.as_mut().filter(|it| support.same(it, from)) {
            to.clone_into(target);
        }
    }

    /// Prints a line.
    pub(super) fn show(&mut self, report: &Report) -> io::Result<()> {
        output::say(in_words(report))
    }

    /// A line that could not be done is not lost without a word.
    pub(super) fn give_back(&self, line: &str) {
        let line = line.trim_end();
        complain(&format!("not {}: {line}", if line.starts_with('/') { "done" } else { "said" }));
    }

    /// What happened may be what became of something that was said.
    pub(super) fn note(&mut self, client: &Client, joins: &mut Joins, event: &Event) {
        match event {
            Event::Message { own: true, target, .. } => {
                self.record.handle_echo(client.support(), target);
            }
            Event::Lost { why, .. } => {
                self.end(client, &why.to_string(), false);
                // They are joined again, and none of them may let one in.
                for room in client.rooms() {
                    let is_here =
                        self.target().is_some_and(|it| client.support().same(it, room.name()));
                    joins.ask_again(client.support(), room.name(), is_here);
                }
            }
            _ => {}
        }
    }

    /// The server refuses something that was said or done.
    pub(super) fn refused(&mut self, client: &Client, why: &str, refusal: Refusal<'_>) {
        self.record.fail(why);
        let untold = self.record.handle_refusal(client.support(), client.echoes(), refusal);
        untold.iter().for_each(|it| complain(it));
    }

    /// A channel does not let one in.
    pub(super) fn stay_out(&mut self, client: &Client, channel: &str, why: &str) {
        self.leave(client.support(), channel);
        let params = &[channel.to_owned()];
        self.refused(client, why, Refusal { code: None, params });
    }

    /// The connection is lost, or over.
    fn end(&mut self, client: &Client, why: &str, is_good: bool) {
        for untold in self.record.handle_end(client.support(), End::of(client, is_good)) {
            self.record.fail(why);
            complain(&untold);
        }
    }

    /// How it went: well if the connection ended well, and all was done.
    pub(super) fn into_result(
        mut self,
        client: &Client,
        result: Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        self.end(client, "the server does not confirm all that was said", result.is_ok());
        if let Some(line) = &self.held {
            self.record.fail("not connected");
            self.give_back(line);
        }
        result.and_then(|()| Ok(self.record.verdict()?))
    }

    /// Asks for a line, or does the one that waits, if the time has come.
    pub(super) fn go_on(talk: &mut Talk, registry: &mut Registry<Talk>) {
        talk.mind_joining(registry);
        let is_time = Self::can_go_on(talk) && talk.client.waiting() < AHEAD;
        let waits = Self::can_go_on(talk) && talk.client.waiting() >= AHEAD;
        let Front::Lines(lines) = &mut talk.front else { return };
        if is_time && let Some(line) = lines.held.take() {
            return Self::handle_line(talk, registry, line);
        }
        if is_time && !std::mem::replace(&mut lines.is_asked, true) {
            // It fails when the thread has ended, and then it has said so.
            let _ = lines.permits.try_send(());
        } else if waits {
            // Nobody tells when something has been sent, so it is looked at again.
            let again = Duration::from_millis(200);
            let _ = registry.after(again, |registry, talk: &mut Talk| Self::go_on(talk, registry));
        }
    }

    /// Whether one is connected, knows where one is, and stays.
    fn can_go_on(talk: &Talk) -> bool {
        talk.is_ready && talk.joins.is_empty() && !talk.is_leaving
    }

    fn handle_line(talk: &mut Talk, registry: &mut Registry<Talk>, line: String) {
        let can_go_on = Self::can_go_on(talk) || Command::is_for_any_time(&line);
        if let Front::Lines(lines) = &mut talk.front {
            if !can_go_on {
                lines.held = Some(line);
                return;
            }
            lines.is_asked = false;
        }
        talk.run_command(registry, &line);
        Self::go_on(talk, registry);
    }
}

/// Tells on standard error what was not done. If nobody reads that, the exit code is left.
fn complain(text: &str) {
    output::complain(format_args!("chat: {}", clean(text)));
}

/// What the thread does. It ends with the input, or with the loop.
fn read(mut input: impl BufRead, handle: &Handle<Talk>, requests: &Receiver<()>) {
    while requests.recv().is_ok() {
        let posted = match read_line(&mut input) {
            Ok(Some(line)) => {
                handle.run(move |registry, talk| Lines::handle_line(talk, registry, line)).is_ok()
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
        let report = |said| Report::new(vec![Place::With("#a".into())], said);
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
