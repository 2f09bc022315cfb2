//! The screen, without a terminal: keys go in, rows come out.
//!
//! ```text
//!   ┌─────────────────────────────────────────┐
//!   │ #tea: Black or green?                   │  what the window is about
//!   │ 12:00 <ann> hello                       │
//!   │ 12:01 * bob waves                       │  what was said there
//!   │ ────────────────────────────────────────│  what is new since one was here is below it
//!   │ 12:05 <ann> bob: how are you            │
//!   │ bob  1:status [2:#tea] 3:#lobby(4)      │  who one is, the windows, what is unread there
//!   │ #tea> fine, thanks█                     │  what one types
//!   └─────────────────────────────────────────┘
//! ```

pub(super) mod cells;
mod complete;
mod input;
mod window;

use unicode_width::UnicodeWidthStr;

use super::report::{Place, Report};
use cells::{Color, Row, Style};
use complete::Completion;
use input::Input;
use window::Window;

/// Windows at one time. What comes from more people than that is shown with the server's words.
const WINDOWS: usize = 200;

/// What somebody does with the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Paste(String),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Older,
    Newer,
    DeleteWord,
    DeleteToEnd,
    DeleteToStart,
    Tab,
    PageUp,
    PageDown,
    /// The next window, or the one before.
    Next,
    Previous,
    /// The window with this number.
    Window(usize),
}

/// What is known of the conversation and shown around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) nick: String,
    /// "connecting", say; empty when all is well.
    pub(super) trouble: String,
    /// What the current window is about.
    pub(super) topic: String,
}

/// All that is seen.
#[derive(Debug)]
pub(super) struct Screen {
    windows: Vec<Window>,
    current: usize,
    input: Input,
    completion: Completion,
    width: usize,
    height: usize,
}

/// A picture of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) rows: Vec<Row>,
    /// Column and row of the cursor.
    pub(super) cursor: (usize, usize),
}

impl Screen {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            windows: vec![Window::new(Place::Server)],
            current: 0,
            input: Input::default(),
            completion: Completion::default(),
            width,
            height,
        }
    }

    pub(super) fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
    }

    // ── what is said ────────────────────────────────────────────────────────────────────────

    /// Shows a report in the windows it belongs to, which open if it is something that is said.
    pub(super) fn show(&mut self, report: &Report, time: &str) {
        let current = self.windows[self.current].place.clone();
        let places = if report.places.is_empty() { vec![current] } else { report.places.clone() };
        for place in places {
            let at = self.window_for(&place);
            let window = &mut self.windows[at];
            window.push(time.to_owned(), report.said.clone(), report.direct);
            if at != self.current && report.is_talk() {
                window.count_unread(report.direct);
            }
        }
    }

    /// The window of a place, which is made if there is room for one.
    fn window_for(&mut self, place: &Place) -> usize {
        match self.find(place) {
            Some(at) => at,
            None if self.windows.len() >= WINDOWS => 0,
            None => {
                self.windows.push(Window::new(place.clone()));
                self.windows.len() - 1
            }
        }
    }

    fn find(&self, place: &Place) -> Option<usize> {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        self.windows.iter().position(|window| match (&window.place, place) {
            (Place::With(a), Place::With(b)) => same(a, b),
            (a, b) => a == b,
        })
    }

    /// Somebody one talks to has another name now.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        let is_free = self.find(&Place::With(to.to_owned())).is_none();
        if let Some(at) = self.find(&Place::With(from.to_owned()))
            && is_free
        {
            self.windows[at].place = Place::With(to.to_owned());
        }
    }

    // ── windows ─────────────────────────────────────────────────────────────────────────────

    /// Goes to the window of somebody, or of a channel.
    pub(super) fn go_to(&mut self, name: &str) {
        let at = self.window_for(&Place::With(name.to_owned()));
        self.switch(at);
    }

    pub(super) fn switch(&mut self, at: usize) {
        if at < self.windows.len() && at != self.current {
            self.windows[self.current].leave();
            self.current = at;
            self.windows[at].see();
        }
    }

    /// Closes the current window; the server's stays.
    pub(super) fn close(&mut self) {
        if self.current > 0 {
            self.windows.remove(self.current);
            self.current -= 1;
            self.windows[self.current].see();
        }
    }

    pub(super) fn clear(&mut self) {
        self.windows[self.current].clear();
    }

    /// Whom one talks to in the current window.
    pub(super) fn target(&self) -> Option<&str> {
        match &self.windows[self.current].place {
            Place::Server => None,
            Place::With(name) => Some(name),
        }
    }

    // ── keys ────────────────────────────────────────────────────────────────────────────────

    /// Takes a key; the line, if that was its end. `names` are those there are here.
    pub(super) fn handle_key(
        &mut self,
        key: Key,
        names: impl FnOnce() -> Vec<String>,
    ) -> Option<String> {
        let page = (self.window_height() / 2).max(1) as isize;
        match key {
            Key::Char(char) => self.input.insert(char.encode_utf8(&mut [0; 4])),
            Key::Paste(text) => self.input.insert(&text),
            Key::Enter => return Some(self.input.take()),
            Key::Backspace => self.input.backspace(),
            Key::Delete => self.input.delete(),
            Key::Left => self.input.left(),
            Key::Right => self.input.right(),
            Key::WordLeft => self.input.word_left(),
            Key::WordRight => self.input.word_right(),
            Key::Home => self.input.home(),
            Key::End => self.input.end(),
            Key::Older => self.input.older(),
            Key::Newer => self.input.newer(),
            Key::DeleteWord => self.input.delete_word(),
            Key::DeleteToEnd => self.input.delete_to_end(),
            Key::DeleteToStart => self.input.delete_to_start(),
            Key::Tab => self.complete(names),
            Key::PageUp => self.scroll(page),
            Key::PageDown => self.scroll(-page),
            Key::Next => self.switch((self.current + 1) % self.windows.len()),
            Key::Previous => {
                self.switch((self.current + self.windows.len() - 1) % self.windows.len());
            }
            Key::Window(number) => self.switch(number.wrapping_sub(1)),
        }
        None
    }

    fn complete(&mut self, names: impl FnOnce() -> Vec<String>) {
        let speakers = self.windows[self.current].speakers();
        let all = || {
            let names = names();
            let (mut first, rest): (Vec<_>, Vec<_>) =
                names.into_iter().partition(|name| speakers.contains(name));
            // Whoever spoke last is likeliest to be answered.
            first.sort_by_key(|name| speakers.iter().position(|speaker| speaker == name));
            first.extend(rest);
            first
        };
        if let Some((start, text)) =
            self.completion.next(self.input.text(), self.input.cursor(), all)
        {
            self.input.replace(start, &text);
        }
    }

    fn scroll(&mut self, rows: isize) {
        let (width, height) = (self.width, self.window_height());
        self.windows[self.current].scroll(rows, width, height);
    }

    // ── drawing ─────────────────────────────────────────────────────────────────────────────

    fn window_height(&self) -> usize {
        self.height.saturating_sub(3)
    }

    /// A picture of it, exactly as large as the terminal.
    pub(super) fn draw(&self, status: &Status) -> Frame {
        let window = &self.windows[self.current];
        let mut rows = vec![self.title(status)];
        rows.extend(window.view(self.width, self.window_height()));
        rows.push(self.status_bar(status));
        let (input, column) = self.input_row();
        rows.push(input);
        // On a terminal of one or two rows what one types is what matters.
        let from = rows.len().saturating_sub(self.height);
        let rows = rows.split_off(from);
        let cursor = (column.min(self.width.saturating_sub(1)), rows.len().saturating_sub(1));
        Frame { rows, cursor }
    }

    fn title(&self, status: &Status) -> Row {
        let window = &self.windows[self.current];
        let mut row = Row::default();
        row.push(format!(" {}", window.name()), Style { bold: true, ..Style::BAR });
        if !status.topic.is_empty() {
            row.push(format!(": {}", status.topic), Style::BAR);
        }
        row.fit(self.width, Style::BAR)
    }

    fn status_bar(&self, status: &Status) -> Row {
        let mut row = Row::default();
        row.push(format!(" {} ", status.nick), Style { bold: true, ..Style::BAR });
        if !status.trouble.is_empty() {
            row.push(format!(" {} ", status.trouble), Style { color: Color::Red, ..Style::BAR });
        }
        if self.windows[self.current].is_scrolled() {
            row.push(" -- more below -- ", Style { bold: true, ..Style::BAR });
        }
        // Whoever has many windows wants to see those in which something is.
        let tabs: Vec<_> = (0..self.windows.len()).map(|at| self.tab(at)).collect();
        let all: usize = tabs.iter().map(|(text, _)| text.width()).sum();
        let fits = row.width() + all <= self.width;
        for (at, (text, style)) in tabs.into_iter().enumerate() {
            if fits || at == self.current || self.windows[at].unread > 0 {
                row.push(text, style);
            }
        }
        row.fit(self.width, Style::BAR)
    }

    /// A window's name in the status bar, and how much of it is unread.
    fn tab(&self, at: usize) -> (String, Style) {
        let window = &self.windows[at];
        let (number, name) = (at + 1, window.name());
        if at == self.current {
            return (format!(" [{number}:{name}]"), Style { bold: true, ..Style::BAR });
        }
        let style = if window.is_called {
            Style { color: Color::Red, bold: true, ..Style::BAR }
        } else {
            Style { bold: window.unread > 0, ..Style::BAR }
        };
        match window.unread {
            0 => (format!(" {number}:{name}"), style),
            unread => (format!(" {number}:{name}({unread})"), style),
        }
    }

    fn input_row(&self) -> (Row, usize) {
        let prompt = format!("{}> ", self.windows[self.current].name());
        let prompt = if prompt.width() * 2 > self.width { "> ".to_owned() } else { prompt };
        let room = self.width.saturating_sub(prompt.width());
        let (text, column) = self.input.view(room);
        let column = column + prompt.width();
        let mut row = Row::default();
        row.push(prompt, Style::BOLD);
        row.push(text, Style::PLAIN);
        (row.fit(self.width, Style::PLAIN), column)
    }
}

#[cfg(test)]
mod tests;
