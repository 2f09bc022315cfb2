//! How deep a text is nested, and where a value ends, without building one.
//!
//! `serde_json` steps over a value that it does not build without recursion, so depth is no danger to the
//! stack here; but the one who builds it later, a handler or a program behind it, wants a bound.

/// Reads JSON byte by byte, and knows no more of it than brackets and strings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depth {
    open: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    String,
    /// Behind a backslash in a string.
    Escape,
}

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Within,
    /// A bracket has been opened; so many are open.
    Opened(usize),
    /// The last open bracket has been closed: the value ends with this byte.
    Closed,
    /// A closing bracket where none is open.
    Stray,
}

impl Depth {
    pub(super) fn step(&mut self, byte: u8) -> Step {
        match (self.place, byte) {
            (Place::Outside, b'[' | b'{') => {
                self.open += 1;
                return Step::Opened(self.open);
            }
            (Place::Outside, b']' | b'}') => return self.close(),
            (Place::Outside, b'"') => self.place = Place::String,
            (Place::String, b'\\') => self.place = Place::Escape,
            (Place::String, b'"') => self.place = Place::Outside,
            (Place::Escape, _) => self.place = Place::String,
            _ => {}
        }
        Step::Within
    }

    fn close(&mut self) -> Step {
        match self.open {
            0 => Step::Stray,
            1 => {
                self.open = 0;
                Step::Closed
            }
            _ => {
                self.open -= 1;
                Step::Within
            }
        }
    }
}

/// Whether brackets are nested deeper than so.
#[must_use]
pub fn is_deeper(text: &str, most: usize) -> bool {
    // It takes two bytes a level, so a short text, as most are, need not be read.
    if text.len() / 2 <= most {
        return false;
    }
    let mut depth = Depth::default();
    text.bytes().any(|byte| matches!(depth.step(byte), Step::Opened(open) if open > most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert!(is_deeper("[[[]]]", 2));
        assert!(!is_deeper("[[[]]]", 3));
        assert!(!is_deeper(r#"["[[[[[[\"[[["]"#, 1));
        assert!(is_deeper(r#"["\\",[[]]]"#, 2));
    }
}
