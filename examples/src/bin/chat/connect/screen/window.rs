//! One window: what was said there.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthStr;

use super::cells::{Color, Row, Style, wrap};
use crate::connect::report::{Place, Said};

/// Lines a window remembers: a day of a lively channel.
const SCROLLBACK: usize = 5_000;

/// One window.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) place: Place,
    entries: VecDeque<Entry>,
    /// Rows it is scrolled back by; zero shows the latest.
    back: usize,
    pub(super) unread: usize,
    /// Whether one of those is for oneself.
    pub(super) is_called: bool,
    /// Where what was not seen yet begins, as an entry counted from the end.
    mark: usize,
}

#[derive(Debug)]
struct Entry {
    time: String,
    said: Said,
    direct: bool,
}

impl Window {
    pub(super) fn new(place: Place) -> Self {
        let entries = VecDeque::new();
        Self { place, entries, back: 0, unread: 0, is_called: false, mark: 0 }
    }

    /// The name people know it by.
    pub(super) fn name(&self) -> &str {
        match &self.place {
            Place::Server => "status",
            Place::With(name) => name,
        }
    }

    pub(super) fn push(&mut self, time: String, said: Said, direct: bool) {
        if self.mark > 0 {
            self.mark += 1;
        }
        self.entries.push_back(Entry { time, said, direct });
        if self.entries.len() > SCROLLBACK {
            self.entries.pop_front();
            self.mark = self.mark.min(SCROLLBACK);
        }
    }

    /// What was pushed last has come while one was elsewhere.
    pub(super) fn count_unread(&mut self, direct: bool) {
        if self.unread == 0 {
            self.mark = 1;
        }
        self.unread += 1;
        self.is_called |= direct;
    }

    /// One has come to look.
    pub(super) fn see(&mut self) {
        (self.unread, self.is_called) = (0, false);
    }

    /// One goes elsewhere: everything here was seen.
    pub(super) fn leave(&mut self) {
        (self.back, self.mark) = (0, 0);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        (self.back, self.mark) = (0, 0);
    }

    /// Scrolls back by so many rows, or forth if it is negative; never beyond what there is.
    pub(super) fn scroll(&mut self, rows: isize, width: usize, height: usize) {
        let all: usize = self.entries.iter().map(|entry| entry.rows(width).len()).sum();
        let most = all.saturating_sub(height);
        self.back = self.back.saturating_add_signed(rows).min(most);
    }

    pub(super) fn is_scrolled(&self) -> bool {
        self.back > 0
    }

    /// Who has spoken, the latest first, each once.
    pub(super) fn speakers(&self) -> Vec<String> {
        let mut speakers: Vec<String> = Vec::new();
        for entry in self.entries.iter().rev().take(500) {
            if let Said::Message { nick, .. } | Said::Action { nick, .. } = &entry.said
                && !speakers.contains(nick)
            {
                speakers.push(nick.clone());
            }
        }
        speakers
    }

    /// What is seen of it, from top to bottom.
    pub(super) fn view(&self, width: usize, height: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for (at, entry) in self.entries.iter().rev().enumerate() {
            if rows.len() >= self.back + height {
                break;
            }
            rows.extend(entry.rows(width).into_iter().rev());
            if self.mark == at + 1 && self.mark < self.entries.len() {
                let mut line = Row::default();
                line.push("─".repeat(width), Style::colored(Color::Red));
                rows.push(line);
            }
        }
        let mut shown: Vec<_> = rows.into_iter().skip(self.back).take(height).collect();
        shown.resize(height, Row::default());
        shown.reverse();
        shown.into_iter().map(|row| row.fit(width, Style::PLAIN)).collect()
    }
}

impl Entry {
    fn rows(&self, width: usize) -> Vec<Row> {
        let (head, style, text, text_style) = match &self.said {
            Said::Message { nick, text } => {
                let style = Style { bold: self.direct, ..Style::colored(Color::of_nick(nick)) };
                (format!("<{nick}>"), style, text, Style { bold: self.direct, ..Style::PLAIN })
            }
            Said::Action { nick, text } => {
                (format!("* {nick}"), Style::colored(Color::of_nick(nick)), text, Style::PLAIN)
            }
            Said::Notice { nick, text } => {
                (format!("-{nick}-"), Style::colored(Color::of_nick(nick)), text, Style::PLAIN)
            }
            Said::News(text) => ("--".to_owned(), Style::DIM, text, Style::DIM),
            Said::Refusal(text) => {
                ("-!".to_owned(), Style::colored(Color::Red), text, Style::colored(Color::Red))
            }
        };
        let lead = self.time.width() + head.width() + 2;
        // On a narrow screen the rest of a line begins at the left.
        let indent = if lead * 2 > width { 0 } else { lead };
        let whole = format!("{}{text}", " ".repeat(lead - indent));
        wrap(&whole, indent, width)
            .into_iter()
            .enumerate()
            .map(|(at, piece)| {
                let mut row = Row::default();
                if at == 0 {
                    row.push(format!("{} ", self.time), Style::DIM);
                    row.push(format!("{head} "), style);
                    row.push(piece.get(lead - indent..).unwrap_or_default(), text_style);
                } else {
                    row.push(" ".repeat(indent), Style::PLAIN);
                    row.push(piece, text_style);
                }
                row
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(texts: &[&str]) -> Window {
        let mut window = Window::new(Place::With("#a".into()));
        for text in texts {
            say(&mut window, text);
        }
        window
    }

    fn say(window: &mut Window, text: &str) {
        let said = Said::Message { nick: "ann".into(), text: text.into() };
        window.push("12:00".into(), said, false);
    }

    fn shown(window: &Window, width: usize, height: usize) -> Vec<String> {
        let rows = window.view(width, height);
        rows.iter().map(|row| row.text().trim_end().to_owned()).collect()
    }

    #[test]
    fn the_latest_is_at_the_bottom() {
        assert_eq!(
            shown(&window(&["one", "two"]), 20, 3),
            ["", "12:00 <ann> one", "12:00 <ann> two"]
        );
        assert_eq!(shown(&window(&["one", "two"]), 20, 1), ["12:00 <ann> two"]);
    }

    #[test]
    fn a_long_line_goes_on_below_its_text() {
        let window = window(&["one two three four five"]);
        assert_eq!(
            shown(&window, 24, 3),
            ["12:00 <ann> one two", "            three four", "            five"]
        );
        assert!(shown(&window, 8, 9).iter().all(|row| row.len() <= 8), "narrow is survived");
    }

    #[test]
    fn one_scrolls_back_as_far_as_there_is_something() {
        let mut window = window(&["1", "2", "3", "4"]);
        window.scroll(1, 20, 2);
        assert_eq!(shown(&window, 20, 2), ["12:00 <ann> 2", "12:00 <ann> 3"]);
        window.scroll(99, 20, 2);
        assert_eq!(shown(&window, 20, 2), ["12:00 <ann> 1", "12:00 <ann> 2"]);
        window.scroll(-99, 20, 2);
        assert!(!window.is_scrolled());
    }

    #[test]
    fn what_was_not_seen_yet_is_below_a_line() {
        let mut window = window(&["old"]);
        for text in ["new", "newer"] {
            say(&mut window, text);
            window.count_unread(false);
        }
        window.see();
        let rows = shown(&window, 20, 4);
        assert_eq!(rows[1], "─".repeat(20), "{rows:?}");
        window.leave();
        assert!(!shown(&window, 20, 4)[1].starts_with('─'));
    }

    #[test]
    fn a_window_does_not_grow_for_ever() {
        let mut window = window(&[]);
        for number in 0..SCROLLBACK + 10 {
            say(&mut window, &number.to_string());
        }
        assert_eq!(window.entries.len(), SCROLLBACK);
    }
}
