//! JSON looked through, and not built: where values begin and end, whether it is JSON at all, and how deep it is
//! nested.
//!
//! `serde_json` does the same for its `RawValue`, in several times as many instructions for a text as short as
//! most calls are; a property test holds the two against each other. Values that somebody asks for it builds.

/// The deepest nesting that can be looked through: one bit of a word for each bracket. `serde_json` builds no
/// deeper one either.
const DEEPEST: u32 = 127;

/// Why a text cannot be looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not JSON.
    Syntax,
    /// It is nested deeper than allowed.
    TooDeep,
}

/// A place in a text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    open: Open,
}

impl<'a> Cursor<'a> {
    /// The beginning of a text, in which brackets may be nested so deep.
    pub(super) fn new(text: &'a str, deepest: usize) -> Self {
        let most = u32::try_from(deepest).map_or(DEEPEST, |deepest| deepest.min(DEEPEST));
        let mut cursor = Self { text, at: 0, open: Open { kinds: 0, depth: 0, most } };
        cursor.skip_blank();
        cursor
    }

    /// The first byte of what comes.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes an object; each member's name, as it stands between its quotes, and value are told.
    pub(super) fn members(&mut self, mut each: impl FnMut(&'a str, &'a str)) -> Result<(), Flaw> {
        self.expect(b'{')?;
        self.open.push(Kind::Object)?;
        self.skip_blank();
        if !self.eat(b'}') {
            loop {
                let name = self.name()?;
                each(name, self.value()?);
                if self.is_last(b'}')? {
                    break;
                }
            }
        }
        self.open.pop();
        self.end()
    }

    /// Takes an array; each element is told.
    pub(super) fn elements(&mut self, mut each: impl FnMut(&'a str)) -> Result<(), Flaw> {
        self.expect(b'[')?;
        self.open.push(Kind::Array)?;
        self.skip_blank();
        if !self.eat(b']') {
            loop {
                each(self.value()?);
                if self.is_last(b']')? {
                    break;
                }
            }
        }
        self.open.pop();
        self.end()
    }

    /// Takes any value, behind which the text has to end.
    pub(super) fn only_value(&mut self) -> Result<(), Flaw> {
        self.value()?;
        self.end()
    }

    /// Takes a value, whatever it is.
    fn value(&mut self) -> Result<&'a str, Flaw> {
        let (start, outside) = (self.at, self.open.depth);
        loop {
            if !self.opens()? {
                self.simple()?;
            } else if !self.closes_at_once()? {
                continue;
            }
            // A value ends here, and perhaps those that it is in.
            while self.open.depth > outside && self.closes()? {}
            if self.open.depth == outside {
                return self.text.get(start..self.at).ok_or(Flaw::Syntax);
            }
        }
    }

    /// Whether a bracket comes, which is taken.
    fn opens(&mut self) -> Result<bool, Flaw> {
        let kind = match self.peek() {
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            _ => return Ok(false),
        };
        self.at += 1;
        self.open.push(kind)?;
        Ok(true)
    }

    /// Whether what has just been opened has nothing in it. If it has, its first value comes next.
    fn closes_at_once(&mut self) -> Result<bool, Flaw> {
        self.skip_blank();
        let kind = self.open.innermost();
        if self.eat(kind.closing()) {
            self.open.pop();
            return Ok(true);
        }
        if kind == Kind::Object {
            self.name()?;
        }
        Ok(false)
    }

    /// Behind a value: whether the bracket around it closes. If not, the next value comes.
    fn closes(&mut self) -> Result<bool, Flaw> {
        let kind = self.open.innermost();
        if self.is_last(kind.closing())? {
            self.open.pop();
            return Ok(true);
        }
        if kind == Kind::Object {
            self.name()?;
        }
        Ok(false)
    }

    /// Behind a value: takes the comma, or the closing bracket.
    fn is_last(&mut self, closing: u8) -> Result<bool, Flaw> {
        self.skip_blank();
        if self.eat(b',') {
            self.skip_blank();
            return Ok(false);
        }
        self.expect(closing).map(|()| true)
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Result<&'a str, Flaw> {
        self.expect(b'"')?;
        let start = self.at;
        self.string()?;
        let name = self.text.get(start..self.at - 1).ok_or(Flaw::Syntax)?;
        self.skip_blank();
        self.expect(b':')?;
        self.skip_blank();
        Ok(name)
    }

    // ── values without brackets ─────────────────────────────────────────────────────────────

    fn simple(&mut self) -> Result<(), Flaw> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string()
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(Flaw::Syntax),
        }
    }

    /// The rest of a string, its quote included.
    fn string(&mut self) -> Result<(), Flaw> {
        loop {
            // What most of it is made of is passed over in one go.
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            self.at += plain.ok_or(Flaw::Syntax)? + 1;
            match self.text.as_bytes().get(self.at - 1) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return Err(Flaw::Syntax),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        let byte = self.peek().ok_or(Flaw::Syntax)?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let hex = self.text.as_bytes().get(self.at..self.at + 4).ok_or(Flaw::Syntax)?;
                self.at += 4;
                if hex.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(Flaw::Syntax) }
            }
            _ => Err(Flaw::Syntax),
        }
    }

    fn number(&mut self) -> Result<(), Flaw> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one.
    fn digits(&mut self) -> Result<(), Flaw> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(Flaw::Syntax) }
    }

    fn word(&mut self, word: &str) -> Result<(), Flaw> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += word.len();
        if rest.starts_with(word.as_bytes()) { Ok(()) } else { Err(Flaw::Syntax) }
    }

    // ── bytes ───────────────────────────────────────────────────────────────────────────────

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Flaw> {
        if self.eat(byte) { Ok(()) } else { Err(Flaw::Syntax) }
    }

    fn end(&mut self) -> Result<(), Flaw> {
        self.skip_blank();
        if self.at == self.text.len() { Ok(()) } else { Err(Flaw::Syntax) }
    }
}

/// The brackets that are open: a bit for each, set for an object, the innermost last.
#[derive(Debug)]
struct Open {
    kinds: u128,
    depth: u32,
    most: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array,
    Object,
}

impl Kind {
    fn closing(self) -> u8 {
        match self {
            Self::Array => b']',
            Self::Object => b'}',
        }
    }
}

impl Open {
    fn push(&mut self, kind: Kind) -> Result<(), Flaw> {
        if self.depth == self.most {
            return Err(Flaw::TooDeep);
        }
        self.depth += 1;
        self.kinds = (self.kinds << 1) | u128::from(kind == Kind::Object);
        Ok(())
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.kinds >>= 1;
    }

    fn innermost(&self) -> Kind {
        if self.kinds & 1 == 1 { Kind::Object } else { Kind::Array }
    }
}

/// Reads JSON byte by byte as it arrives, and knows no more of it than brackets and strings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Depth {
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
    /// A bracket has been opened.
    Opened,
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
                return Step::Opened;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn look(text: &str, deepest: usize) -> Result<(), Flaw> {
        Cursor::new(text, deepest).only_value()
    }

    fn is_json(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn members_and_elements_are_told_as_they_stand_there() {
        let mut told = Vec::new();
        let object = r#" { "a" : [1, {"b":2}] , "\u0063" :"x" } "#;
        let looked = Cursor::new(object, 9).members(|name, value| told.push((name, value)));
        assert_eq!(looked, Ok(()));
        assert_eq!(told, [("a", r#"[1, {"b":2}]"#), (r"\u0063", "\"x\"")]);
        let mut told = Vec::new();
        assert_eq!(Cursor::new("[ 1 ,{} , [2]]", 9).elements(|it| told.push(it)), Ok(()));
        assert_eq!(told, ["1", "{}", "[2]"]);
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(look("[[[]]]", 2), Err(Flaw::TooDeep));
        assert_eq!(look("[[[]]]", 3), Ok(()));
        assert_eq!(look(r#"["[[[[[[\"[[["]"#, 1), Ok(()));
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert_eq!(look(&deep, usize::MAX), Err(Flaw::TooDeep));
    }

    #[test]
    fn what_is_no_json_is_found_wherever_it_is() {
        for text in [
            "",
            " ",
            "{",
            "{]",
            "[}",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "[,1]",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "tru",
            "truex",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[1 2]",
            "1 2",
            "[] []",
            "{\"a\":{1}}",
            "[{]}",
        ] {
            assert!(look(text, 9).is_err() && !is_json(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_json_here_if_it_is_json_there(parts in proptest::collection::vec(
            proptest::sample::select([
                "{", "}", "[", "]", ",", ":", "\"\"", "\"a\":", "\"\\", "\"", "\\n", "\\u00e9", "é", "1",
                "-", ".", "0", "e", "+", "true", "false", "null", " ", "\t", "\u{1}",
            ].as_slice()), 0..20)) {
            let text = parts.concat();
            prop_assert_eq!(look(&text, 100).is_ok(), is_json(&text), "{}", text);
        }

        #[test]
        fn values_are_looked_through_whole(value in proptest::collection::vec(
            proptest::sample::select([
                "{\"a\":1}", "[]", "[[{}],2]", "\"x\\\"y\"", "-1.5e9", "{\"b\":[{\"c\":{}}]}", "null",
            ].as_slice()), 1..8)) {
            let text = format!("[{}]", value.join(" , "));
            let mut told = Vec::new();
            prop_assert_eq!(Cursor::new(&text, 9).elements(|it| told.push(it)), Ok(()));
            prop_assert_eq!(told, value);
        }
    }
}
