//! The line one types: editing, and what one typed before.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthStr;

use super::cells::prefix;

/// Lines that are remembered.
const HISTORY: usize = 200;

/// Bytes of a line: what is longer is a text for a file.
const LONGEST: usize = 8 * 1024;

/// The line one types.
#[derive(Debug, Default)]
pub(super) struct Input {
    text: String,
    /// Where it is edited: a byte, between two characters.
    cursor: usize,
    /// The latest last.
    history: VecDeque<String>,
    /// Which of the history is shown, and what was typed before it.
    recalled: Option<(usize, String)>,
}

impl Input {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(super) fn insert(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text.len());
        // What is pasted may have several lines; here it is one.
        let text: String = text
            .chars()
            .map(|char| if char == '\n' || char == '\r' { ' ' } else { char })
            .filter(|char| !char.is_control())
            .collect();
        let text =
            if text.len() > room { &text[..text.floor_char_boundary_at(room)] } else { &text };
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Puts a text in place of what stands between a byte and the cursor.
    pub(super) fn replace(&mut self, from: usize, text: &str) {
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
        self.insert(text);
    }

    /// Takes the line, and remembers it.
    pub(super) fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        (self.cursor, self.recalled) = (0, None);
        if !text.is_empty() && self.history.back() != Some(&text) {
            self.history.push_back(text.clone());
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        text
    }

    // ── moving ──────────────────────────────────────────────────────────────────────────────

    pub(super) fn left(&mut self) {
        self.cursor = self.before(self.cursor);
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.behind(self.cursor);
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(super) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let word = rest.trim_start_matches(' ');
        let end = word.find(' ').unwrap_or(word.len());
        self.cursor = self.text.len() - word.len() + end;
    }

    pub(super) fn home(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    // ── taking away ─────────────────────────────────────────────────────────────────────────

    pub(super) fn backspace(&mut self) {
        self.remove(self.before(self.cursor)..self.cursor);
    }

    pub(super) fn delete(&mut self) {
        self.remove(self.cursor..self.behind(self.cursor));
    }

    pub(super) fn delete_word(&mut self) {
        self.remove(self.word_before()..self.cursor);
    }

    pub(super) fn delete_to_end(&mut self) {
        self.text.truncate(self.cursor);
    }

    pub(super) fn delete_to_start(&mut self) {
        self.remove(0..self.cursor);
    }

    fn remove(&mut self, range: std::ops::Range<usize>) {
        self.cursor = range.start;
        self.text.replace_range(range, "");
    }

    // ── what one typed before ───────────────────────────────────────────────────────────────

    pub(super) fn older(&mut self) {
        let now = self.recalled.as_ref().map_or(self.history.len(), |(at, _)| *at);
        let Some(at) = now.checked_sub(1) else { return };
        let typed = self.recalled.take().map_or_else(|| self.text.clone(), |(_, typed)| typed);
        self.recalled = Some((at, typed));
        self.show(at);
    }

    pub(super) fn newer(&mut self) {
        let Some((at, typed)) = self.recalled.take() else { return };
        if at + 1 < self.history.len() {
            self.recalled = Some((at + 1, typed));
            self.show(at + 1);
        } else {
            self.text = typed;
            self.end();
        }
    }

    fn show(&mut self, at: usize) {
        if let Some(line) = self.history.get(at) {
            self.text.clone_from(line);
            self.end();
        }
    }

    // ── showing ─────────────────────────────────────────────────────────────────────────────

    /// What is shown of it in so many columns, and in which the cursor is.
    pub(super) fn view(&self, width: usize) -> (&str, usize) {
        let before = &self.text[..self.cursor];
        // The cursor needs a column of its own. What does not fit is left out at the front, in steps
        // of half a screen, so that the text does not slide along under the cursor.
        let room = width.max(2) - 1;
        let mut from = 0;
        while self.text[from..self.cursor].width() > room {
            let cut = prefix(&self.text[from..self.cursor], (room / 2).max(1)).len();
            from += cut.max(self.text[from..].chars().next().map_or(1, char::len_utf8));
        }
        let column = before[from..].width();
        (prefix(&self.text[from..], width), column)
    }

    // ── places ──────────────────────────────────────────────────────────────────────────────

    /// Where the character before a place begins; what sits on top of it, an accent say, goes with it.
    fn before(&self, place: usize) -> usize {
        let mut chars = self.text[..place].char_indices().rev();
        let base = chars.find(|(_, char)| !is_on_top(*char));
        base.map_or(0, |(at, _)| at)
    }

    fn behind(&self, place: usize) -> usize {
        let mut chars = self.text[place..].char_indices().skip(1);
        chars.find(|(_, char)| !is_on_top(*char)).map_or(self.text.len(), |(at, _)| place + at)
    }

    fn word_before(&self) -> usize {
        let before = self.text[..self.cursor].trim_end_matches(' ');
        before.rfind(' ').map_or(0, |space| space + 1)
    }
}

/// Whether a character takes no column of its own.
fn is_on_top(char: char) -> bool {
    unicode_width::UnicodeWidthChar::width(char) == Some(0)
}

trait Boundary {
    fn floor_char_boundary_at(&self, at: usize) -> usize;
}

impl Boundary for str {
    /// The last place between two characters that is not behind `at`.
    fn floor_char_boundary_at(&self, mut at: usize) -> usize {
        while !self.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line with a `|` where the cursor is.
    fn shown(input: &Input) -> String {
        let (before, behind) = input.text.split_at(input.cursor);
        format!("{before}|{behind}")
    }

    fn typed(text: &str) -> Input {
        let mut input = Input::default();
        input.insert(text);
        input
    }

    #[test]
    fn a_line_is_edited_in_its_middle() {
        let mut input = typed("helo world");
        input.word_left();
        input.left();
        input.left();
        input.insert("l");
        assert_eq!(shown(&input), "hell|o world");
        input.word_right();
        input.word_right();
        assert_eq!(shown(&input), "hello world|");
        input.delete_word();
        assert_eq!(shown(&input), "hello |");
        input.home();
        input.delete();
        input.right();
        input.delete_to_end();
        assert_eq!(shown(&input), "e|");
        input.backspace();
        input.backspace();
        assert_eq!(shown(&input), "|");
    }

    #[test]
    fn a_character_is_whole_whatever_it_is_made_of() {
        let mut input = typed("aé日");
        input.insert("e\u{301}");
        input.left();
        assert_eq!(shown(&input), "aé日|e\u{301}");
        input.right();
        input.backspace();
        assert_eq!(shown(&input), "aé日|");
        input.backspace();
        input.left();
        input.delete();
        assert_eq!(shown(&input), "a|");
    }

    #[test]
    fn what_one_typed_before_comes_back_and_so_does_what_one_was_typing() {
        let mut input = Input::default();
        for line in ["one", "two", "two"] {
            input.insert(line);
            input.take();
        }
        input.insert("thr");
        input.older();
        assert_eq!(shown(&input), "two|");
        input.older();
        input.older();
        assert_eq!(shown(&input), "one|");
        input.newer();
        input.newer();
        assert_eq!(shown(&input), "thr|");
        input.newer();
        assert_eq!(shown(&input), "thr|");
    }

    #[test]
    fn what_is_pasted_is_one_line_of_text() {
        let input = typed("a\r\nb\u{1b}[c");
        assert_eq!(shown(&input), "a  b[c|");
        let mut input = typed(&"é".repeat(LONGEST));
        assert!(input.text.len() <= LONGEST);
        input.insert("x");
        assert!(input.text.len() <= LONGEST);
    }

    #[test]
    fn a_long_line_is_shown_around_the_cursor() {
        let mut input = typed("0123456789");
        assert_eq!(input.view(20), ("0123456789", 10));
        let (text, column) = input.view(6);
        assert!(column < 6 && text.chars().nth(column).is_none(), "{text} {column}");
        input.home();
        assert_eq!(input.view(6), ("012345", 0));
        let input = typed("日本語日本語");
        for width in 0..9 {
            let (text, column) = input.view(width);
            assert!(text.width() <= width.max(2) && column <= width.max(2), "{width}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_keys_in_any_order_are_survived(keys in proptest::collection::vec(0_u8..14, 0..60)) {
            let mut input = Input::default();
            for key in keys {
                match key {
                    0 => input.insert("a b"),
                    1 => input.insert("日e\u{301}"),
                    2 => input.left(),
                    3 => input.right(),
                    4 => input.word_left(),
                    5 => input.word_right(),
                    6 => input.backspace(),
                    7 => input.delete(),
                    8 => input.delete_word(),
                    9 => input.delete_to_end(),
                    10 => input.delete_to_start(),
                    11 => drop(input.take()),
                    12 => input.older(),
                    _ => input.newer(),
                }
                proptest::prop_assert!(input.text.is_char_boundary(input.cursor));
                input.view(7);
            }
        }
    }
}
