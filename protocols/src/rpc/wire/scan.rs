//! JSON looked through, and not built: where values begin and end, whether it is JSON at all, and how deep it is
//! nested.
//!
//! `serde_json` does the same for its `RawValue`, in several times as many instructions for a text as short as
//! most calls are; a property test holds the two against each other. Values that somebody asks for it builds.

/// The deepest nesting that can be looked through, whatever is allowed. `serde_json` builds no deeper one either.
const DEEPEST: u32 = 127;

/// Why a text cannot be looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not JSON.
    Syntax,
    /// It is nested deeper than allowed.
    TooDeep,
}

/// What stands before a member's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a, K> {
    /// It was recognized.
    Known(K),
    /// As it stands between its quotes.
    Other(&'a [u8]),
}

/// A member that was recognized by its first bytes.
pub(super) struct Known<K> {
    pub(super) key: K,
    /// Bytes of the name and of the colon behind it.
    pub(super) name: usize,
}

/// A place in a text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    /// How deep brackets may be nested from here.
    most: u32,
}

impl<'a> Cursor<'a> {
    /// The beginning of a text, in which brackets may be nested so deep.
    pub(super) fn new(text: &'a [u8], deepest: usize) -> Self {
        let most = u32::try_from(deepest).map_or(DEEPEST, |deepest| deepest.min(DEEPEST));
        Self { text, at: skip_blank(text, 0), most }
    }

    /// The first byte of what comes.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes these bytes, if they come.
    #[inline(always)]
    pub(super) fn skip<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        let come = self.text.get(self.at..)?.first_chunk::<N>()?;
        if come != bytes {
            return None;
        }
        self.at += N;
        Some(())
    }

    /// A bracket has been opened; nothing if that is too deep.
    pub(super) fn descend(&mut self) -> Option<()> {
        self.most = self.most.checked_sub(1)?;
        Some(())
    }

    /// Takes a value without brackets.
    #[inline(always)]
    pub(super) fn simple(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.at = simple(self.text, start)?;
        self.text.get(start..self.at)
    }

    /// Takes an array or an object.
    #[inline(always)]
    pub(super) fn structure(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.at = match self.peek()? {
            b'[' => array(self.text, start + 1, self.most).ok()?,
            b'{' => object(self.text, start + 1, self.most).ok()?,
            _ => return None,
        };
        self.text.get(start..self.at)
    }

    /// Takes a string, and returns what is in it: ASCII without escapes, with something of the text behind it.
    #[inline(always)]
    pub(super) fn plain_string(&mut self) -> Option<&'a [u8]> {
        let start = expect(self.text, self.at, b'"')?;
        let mut end = start;
        loop {
            let eight = self.text.get(end..)?.first_chunk()?;
            let plain = plain(u64::from_le_bytes(*eight));
            end += plain;
            if plain < 8 {
                break;
            }
        }
        self.at = expect(self.text, end, b'"')?;
        self.text.get(start..end)
    }

    /// Takes an object; each member's name and value are told. `known` is shown what comes where a name begins, and may
    /// recognize it.
    pub(super) fn members<K>(
        &mut self,
        known: impl Fn(&[u8]) -> Option<Known<K>>,
        mut each: impl FnMut(Name<'a, K>, &'a [u8]),
    ) -> Result<(), Flaw> {
        let bytes = self.text;
        let mut member = |cursor: &mut Self| {
            if let Some(known) = bytes.get(cursor.at..).and_then(&known) {
                cursor.at = skip_blank(bytes, cursor.at + known.name);
                each(Name::Known(known.key), cursor.value()?);
            } else {
                let name = cursor.name()?;
                each(Name::Other(name), cursor.value()?);
            }
            Ok(())
        };
        if !self.open(*b"{}")? {
            return self.end();
        }
        self.rest(b'}', &mut member)
    }

    /// Takes an array; each element is told.
    pub(super) fn elements(&mut self, mut each: impl FnMut(&'a [u8])) -> Result<(), Flaw> {
        if !self.open(*b"[]")? {
            return self.end();
        }
        self.rest(b']', |cursor| cursor.value().map(&mut each))
    }

    /// Takes any value, behind which the text has to end.
    pub(super) fn only_value(&mut self) -> Result<(), Flaw> {
        self.value()?;
        self.end()
    }

    /// Takes an opening bracket, and the closing one if nothing is between. Whether something is.
    fn open(&mut self, [opening, closing]: [u8; 2]) -> Result<bool, Flaw> {
        let bytes = self.text;
        let behind = expect(bytes, self.at, opening).ok_or(Flaw::Syntax)?;
        self.most = self.most.checked_sub(1).ok_or(Flaw::TooDeep)?;
        self.at = skip_blank(bytes, behind);
        let end = expect(bytes, self.at, closing);
        self.at = end.unwrap_or(self.at);
        Ok(end.is_none())
    }

    /// Takes `part` by part, up to the closing bracket, behind which the text has to end.
    #[inline]
    fn rest(
        &mut self,
        closing: u8,
        mut part: impl FnMut(&mut Self) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        let bytes = self.text;
        loop {
            part(self)?;
            self.at = skip_blank(bytes, self.at);
            match self.peek() {
                Some(b',') => self.at = skip_blank(bytes, self.at + 1),
                Some(byte) if byte == closing => break,
                _ => return Err(Flaw::Syntax),
            }
        }
        self.at += 1;
        self.end()
    }

    fn name(&mut self) -> Result<&'a [u8], Flaw> {
        let (bytes, start) = (self.text, self.at + 1);
        let (end, at) = name(bytes, self.at).ok_or(Flaw::Syntax)?;
        self.at = at;
        bytes.get(start..end).ok_or(Flaw::Syntax)
    }

    /// Takes a value, whatever it is.
    #[inline(always)]
    fn value(&mut self) -> Result<&'a [u8], Flaw> {
        let start = self.at;
        self.at = value(self.text, start, self.most)?;
        self.text.get(start..self.at).ok_or(Flaw::Syntax)
    }

    /// Demands that nothing comes any more.
    pub(super) fn end(&self) -> Result<(), Flaw> {
        let end = skip_blank(self.text, self.at);
        if end == self.text.len() { Ok(()) } else { Err(Flaw::Syntax) }
    }
}

// Each of these gets the place where something begins, and returns the one behind it, or nothing if it is not
// there. Places are handed on, and not kept in the cursor, so that they stay in registers.
// Those that are always inlined the compiler would rather call, which costs as much as a short string.

/// Any value, in which brackets may be nested so deep.
#[inline(always)]
fn value(bytes: &[u8], at: usize, most: u32) -> Result<usize, Flaw> {
    match bytes.get(at) {
        Some(b'[') => array(bytes, at + 1, most),
        Some(b'{') => object(bytes, at + 1, most),
        _ => simple(bytes, at).ok_or(Flaw::Syntax),
    }
}

/// The rest of an array. It calls itself as often as brackets may be nested, which is [`DEEPEST`] times at most.
#[inline(never)]
fn array(bytes: &[u8], at: usize, most: u32) -> Result<usize, Flaw> {
    let most = most.checked_sub(1).ok_or(Flaw::TooDeep)?;
    let mut at = skip_blank(bytes, at);
    if bytes.get(at) == Some(&b']') {
        return Ok(at + 1);
    }
    loop {
        at = skip_blank(bytes, value(bytes, at, most)?);
        match bytes.get(at) {
            Some(b',') => at = skip_blank(bytes, at + 1),
            Some(b']') => return Ok(at + 1),
            _ => return Err(Flaw::Syntax),
        }
    }
}

/// The rest of an object.
#[inline(never)]
fn object(bytes: &[u8], at: usize, most: u32) -> Result<usize, Flaw> {
    let most = most.checked_sub(1).ok_or(Flaw::TooDeep)?;
    let mut at = skip_blank(bytes, at);
    if bytes.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        let (_, behind) = name(bytes, at).ok_or(Flaw::Syntax)?;
        at = skip_blank(bytes, value(bytes, behind, most)?);
        match bytes.get(at) {
            Some(b',') => at = skip_blank(bytes, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return Err(Flaw::Syntax),
        }
    }
}

/// A member's name and its colon: where the name ends, and where the value begins.
#[inline(always)]
fn name(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let behind = string(bytes, expect(bytes, at, b'"')?)?;
    let at = expect(bytes, skip_blank(bytes, behind), b':')?;
    Some((behind - 1, skip_blank(bytes, at)))
}

/// A value without brackets.
#[inline(always)]
fn simple(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string(bytes, at + 1),
        b'-' => number(bytes, at + 1),
        b'0'..=b'9' => number(bytes, at),
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null"),
        _ => None,
    }
}

/// The rest of a string, its quote included.
#[inline(always)]
fn string(bytes: &[u8], mut at: usize) -> Option<usize> {
    // What most of it is made of is passed over eight bytes at a time.
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let eight = u64::from_le_bytes(*eight);
        let plain = plain(eight);
        at += plain;
        // The byte that is not plain, if there is one.
        match eight.checked_shr(8 * plain as u32) {
            None => {}
            Some(rest) if rest as u8 == b'"' => return Some(at + 1),
            Some(rest) if rest as u8 == b'\\' => at = escape(bytes, at + 1)?,
            Some(rest) if rest as u8 > 0x7f => at = beyond_ascii(bytes, at)?,
            Some(_) => return None,
        }
    }
    last_of_string(bytes, at)
}

/// The rest of a string of which fewer than eight bytes of the text are left.
#[inline(never)]
fn last_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b' '..=b'[' | b']'..=0x7f => at += 1,
            b'\\' => at = escape(bytes, at + 1)?,
            0x80.. => at = beyond_ascii(bytes, at)?,
            _ => return None,
        }
    }
}

/// How many of eight bytes, from the lowest, come before a quote, a backslash, a control character, or what is not ASCII.
#[inline]
fn plain(eight: u64) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHEST: u64 = ONES << 7;
    // Sets a byte's highest bit if it is below `limit`. A byte above one that is may be set wrongly, by what it
    // was borrowed: only the lowest counts.
    let below = |bytes: u64, limit: u8| bytes.wrapping_sub(ONES * u64::from(limit)) & !bytes;
    let equal = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
    let stops = (equal(b'"') | equal(b'\\') | below(eight, 0x20) | eight) & HIGHEST;
    stops.trailing_zeros() as usize / 8
}

/// What is not ASCII, and so has to be UTF-8: all of it that stands together. Outside of strings nothing of it is JSON,
/// so no other look at a text is needed.
#[cold]
#[inline(never)]
fn beyond_ascii(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..length)?).is_ok().then_some(at + length)
}

/// What stands behind a backslash.
#[cold]
#[inline(never)]
fn escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => {
            let hex = bytes.get(at + 1..at + 5)?;
            hex.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
        }
        _ => None,
    }
}

#[inline(always)]
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'0' => fraction(bytes, at + 1),
        b'1'..=b'9' => fraction(bytes, skip_digits(bytes, at + 1)),
        _ => None,
    }
}

/// What may stand behind a number's first digits.
#[inline(always)]
fn fraction(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at) {
        Some(b'.') => exponent(bytes, digits(bytes, at + 1)?),
        Some(b'e' | b'E') => exponent(bytes, at),
        _ => Some(at),
    }
}

#[inline(never)]
fn exponent(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'e' | b'E'), Some(b'+' | b'-')) => digits(bytes, at + 2),
        (Some(b'e' | b'E'), _) => digits(bytes, at + 1),
        _ => Some(at),
    }
}

/// At least one.
fn digits(bytes: &[u8], at: usize) -> Option<usize> {
    let end = skip_digits(bytes, at);
    (end > at).then_some(end)
}

#[inline]
fn skip_digits(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

#[inline(never)]
fn word(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(word).then_some(at + word.len())
}

#[inline]
fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    // Most texts have none, and hardly anything else is that low.
    while let Some(byte) = bytes.get(at).filter(|byte| **byte <= b' ') {
        if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
            break;
        }
        at += 1;
    }
    at
}

#[inline]
fn expect(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    (bytes.get(at) == Some(&byte)).then_some(at + 1)
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

    fn look(text: impl AsRef<[u8]>, deepest: usize) -> Result<(), Flaw> {
        Cursor::new(text.as_ref(), deepest).only_value()
    }

    fn is_json(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn members_and_elements_are_told_as_they_stand_there() {
        let mut told = Vec::new();
        let object = br#" { "a" : [1, {"b":2}] , "\u0063" :"x","d": 1 } "#;
        let known = |rest: &[u8]| rest.starts_with(b"\"d\":").then_some(Known { key: (), name: 4 });
        let looked = Cursor::new(object, 9).members(known, |name, value| told.push((name, value)));
        assert_eq!(looked, Ok(()));
        let expected = [
            (Name::Other(&b"a"[..]), &br#"[1, {"b":2}]"#[..]),
            (Name::Other(br"\u0063"), b"\"x\""),
            (Name::Known(()), b"1"),
        ];
        assert_eq!(told, expected);
        let mut told = Vec::new();
        assert_eq!(Cursor::new(b"[ 1 ,{} , [2]]", 9).elements(|it| told.push(it)), Ok(()));
        assert_eq!(told, [&b"1"[..], b"{}", b"[2]"]);
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

    const BYTES: [&[u8]; 10] = [
        b"a",
        b"seven..",
        b"\xc3\xa9",
        b"\xc3",
        b"\xa9",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"\xff",
        b"\\n",
        b"\xe2\x82",
    ];

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
        fn strings_are_the_same_here_and_there_wherever_their_parts_fall(parts in
            proptest::collection::vec(proptest::sample::select([
                "a", "seven..", "eight...", "é", "\u{7f}", "\u{1f}", "\n", "\"", "\\", "\\\"", "\\\\", "\\ud83d\\ude00",
                "\\u12", " ", "!", "#", "[", "]", "\u{10ffff}",
            ].as_slice()), 0..12)) {
            let text = format!("\"{}\"", parts.concat());
            prop_assert_eq!(look(&text, 100).is_ok(), is_json(&text), "{}", text);
        }

        #[test]
        fn a_string_is_one_only_if_it_is_utf_8_wherever_its_parts_fall(parts in
            proptest::collection::vec(proptest::sample::select(&BYTES[..]), 0..9)) {
            let text = [&b"\""[..], &parts.concat(), b"\""].concat();
            prop_assert_eq!(look(&text, 9).is_ok(), std::str::from_utf8(&text).is_ok(), "{:?}", text);
        }

        #[test]
        fn values_are_looked_through_whole(value in proptest::collection::vec(
            proptest::sample::select([
                "{\"a\":1}", "[]", "[[{}],2]", "\"x\\\"y\"", "-1.5e9", "{\"b\":[{\"c\":{}}]}", "null",
            ].as_slice()), 1..8)) {
            let text = format!("[{}]", value.join(" , "));
            let mut told = Vec::new();
            prop_assert_eq!(Cursor::new(text.as_bytes(), 9).elements(|it| told.push(it)), Ok(()));
            prop_assert_eq!(told, value.iter().map(|it| it.as_bytes()).collect::<Vec<_>>());
        }
    }
}
