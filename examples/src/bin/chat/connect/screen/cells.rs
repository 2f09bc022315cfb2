//! What a terminal shows: rows of styled text.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) color: Color,
    pub(crate) bold: bool,
    pub(crate) dim: bool,
    pub(crate) reverse: bool,
}

/// The colours that every terminal has; which shade, its owner has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Color {
    #[default]
    Default,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Style {
    pub(crate) const PLAIN: Self =
        Self { color: Color::Default, bold: false, dim: false, reverse: false };
    pub(crate) const DIM: Self = Self { dim: true, ..Self::PLAIN };
    pub(crate) const BOLD: Self = Self { bold: true, ..Self::PLAIN };
    pub(crate) const BAR: Self = Self { reverse: true, ..Self::PLAIN };

    pub(crate) const fn colored(color: Color) -> Self {
        Self { color, ..Self::PLAIN }
    }
}

impl Color {
    /// A colour for a nick, always the same one.
    pub(crate) fn of_nick(nick: &str) -> Self {
        const COLORS: [Color; 5] =
            [Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Cyan];
        // FNV-1a: good enough for five.
        let hash = nick.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        COLORS[(hash % COLORS.len() as u64) as usize]
    }
}

/// A row of the screen: pieces of text, each in a style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row(pub(crate) Vec<(String, Style)>);

impl Row {
    pub(crate) fn push(&mut self, text: impl Into<String>, style: Style) {
        let text = text.into();
        if !text.is_empty() {
            self.0.push((text, style));
        }
    }

    /// Columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| text.width()).sum()
    }

    /// Exactly so many columns: cut, or filled up.
    pub(crate) fn fit(mut self, width: usize, filling: Style) -> Self {
        let mut left = width;
        for (text, _) in &mut self.0 {
            let kept = prefix(text, left);
            left -= kept.width();
            *text = kept.to_owned();
        }
        self.0.retain(|(text, _)| !text.is_empty());
        if left > 0 {
            self.0.push((" ".repeat(left), filling));
        }
        self
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(text, _)| text.as_str()).collect()
    }
}

/// As much of a text as fits into so many columns.
pub(crate) fn prefix(text: &str, width: usize) -> &str {
    let mut left = width;
    for (at, char) in text.char_indices() {
        match left.checked_sub(char.width().unwrap_or(0)) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

/// Cuts a text into rows: the first begins behind `indent` columns that are taken, and so do the
/// others. Words stay whole unless they are longer than a row.
pub(crate) fn wrap(text: &str, indent: usize, width: usize) -> Vec<&str> {
    let room = width.saturating_sub(indent).max(1);
    let mut rows = Vec::new();
    let mut rest = text;
    while rest.width() > room {
        let mut row = prefix(rest, room);
        if row.is_empty() {
            // One character that is wider than the screen.
            row = &rest[..rest.chars().next().map_or(0, char::len_utf8)];
        }
        match row.rfind(' ') {
            _ if rest[row.len()..].starts_with(' ') => {
                rows.push(row);
                rest = &rest[row.len() + 1..];
            }
            Some(space) if space > 0 => {
                rows.push(&row[..space]);
                rest = &rest[space + 1..];
            }
            _ => {
                rows.push(row);
                rest = &rest[row.len()..];
            }
        }
    }
    if !rest.is_empty() || rows.is_empty() {
        rows.push(rest);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_wide_as_the_screen() {
        let mut row = Row::default();
        row.push("ab", Style::BOLD);
        row.push("日本", Style::PLAIN);
        assert_eq!((row.width(), row.clone().fit(8, Style::BAR).text()), (6, "ab日本  ".into()));
        assert_eq!(row.clone().fit(5, Style::BAR).text(), "ab日 ", "half of one is none");
        assert_eq!(row.fit(0, Style::BAR).text(), "");
    }

    #[test]
    fn a_text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 0, 8), ["one two", "three"]);
        assert_eq!(wrap("one two three", 2, 9), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 0, 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本語", 0, 5), ["日本", "語"]);
        assert_eq!(wrap("日本", 0, 1), ["日", "本"], "a screen that is too narrow is survived");
        assert_eq!(wrap("", 0, 5), [""]);
        assert_eq!(wrap("a  b", 0, 2), ["a ", "b"]);
    }
}
