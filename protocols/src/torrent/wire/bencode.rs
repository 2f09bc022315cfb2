//! Bencode (BEP 3): integers, byte strings, lists and dictionaries.
//!
//! A text is read in one pass without recursion, into a flat list of values: each knows where it stands in the
//! text and where the value after it is. Nothing is copied.
//!
//! ```text
//!   d 4:name 1:a 6:lengthi5e e
//!   ┌──────────────────────┐
//!   │ dictionary           │ 0, the next after it: 5
//!   └─┬────┬───┬──────┬────┘
//!     name a   length 5        1 to 4: keys and values take turns
//! ```
//!
//! What is read is what libtorrent reads, since that is what most torrents were tried with: keys in any order,
//! of equal ones the first, leading zeros, and a negative zero. None of it can change an info hash: that is taken
//! over the bytes [as they came](Node::raw). What is written is sorted and canonical.

use thiserror::Error;

/// How large a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its bytes; at most 4 GiB whatever is said here.
    pub bytes: usize,
    /// How deep lists and dictionaries may be in each other.
    pub depth: usize,
    /// How many values there may be, with keys: each takes 32 bytes of memory.
    pub values: usize,
}

/// For messages between peers, and the answers of trackers: 1 MiB, 16 deep, 65,536 values.
impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 16, values: 1 << 16 }
    }
}

/// Why a text is not bencode, or too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoBencode {
    /// It ends before the value does.
    #[error("it ends too early")]
    Truncated,
    /// No value can begin, or end, with this byte.
    #[error("byte {at} is not expected there")]
    Unexpected {
        /// Where the byte is.
        at: usize,
    },
    /// The number is none, or has more than 64 bits.
    #[error("the number at byte {at} is none, or too large")]
    Number {
        /// Where it begins.
        at: usize,
    },
    /// There is something after the value.
    #[error("there is something after the end, at byte {at}")]
    Trailing {
        /// Where the value ended.
        at: usize,
    },
    /// More than [`Limits::bytes`].
    #[error("it is too long")]
    TooLong,
    /// Deeper than [`Limits::depth`].
    #[error("it is nested too deep")]
    TooDeep,
    /// More than [`Limits::values`].
    #[error("it has too many values")]
    TooMany,
}

/// A text that was read.
///
/// ```
/// use protocols::torrent::wire::bencode::{Document, Limits};
///
/// let document = Document::parse(b"d4:infod4:name1:aee", &Limits::default())?;
/// let info = document.root().get("info").expect("it is there");
/// assert_eq!(info.get("name").and_then(|name| name.bytes()), Some(&b"a"[..]));
/// assert_eq!(info.raw(), b"d4:name1:ae");
/// # Ok::<(), protocols::torrent::wire::bencode::NoBencode>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document<'a> {
    text: &'a [u8],
    /// Never empty.
    values: Vec<Value>,
}

/// One value of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Node<'d> {
    text: &'d [u8],
    values: &'d [Value],
    at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    /// Where it stands in the text.
    start: u32,
    end: u32,
    /// The index of the value that comes after it, and after all that is in it.
    after: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Integer(i64),
    /// Where the bytes begin, after the length and the colon.
    Bytes(u32),
    List,
    Dictionary,
}

impl<'a> Document<'a> {
    /// Reads a text that is one value and nothing else.
    ///
    /// # Errors
    ///
    /// See [`NoBencode`].
    pub fn parse(text: &'a [u8], limits: &Limits) -> Result<Self, NoBencode> {
        match Self::parse_prefix(text, limits)? {
            (document, []) => Ok(document),
            (_, rest) => Err(NoBencode::Trailing { at: text.len() - rest.len() }),
        }
    }

    /// Reads the value that a text begins with, and gives back what comes after it.
    ///
    /// # Errors
    ///
    /// See [`NoBencode`].
    pub fn parse_prefix(text: &'a [u8], limits: &Limits) -> Result<(Self, &'a [u8]), NoBencode> {
        if text.len() > limits.bytes || u32::try_from(text.len()).is_err() {
            return Err(NoBencode::TooLong);
        }
        let mut parser = Parser { text, at: 0, limits, values: Vec::new(), open: Vec::new() };
        parser.run()?;
        let (at, values) = (parser.at, parser.values);
        Ok((Self { text, values }, text.get(at..).unwrap_or_default()))
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node { text: self.text, values: &self.values, at: 0 }
    }
}

impl<'d> Node<'d> {
    /// The number, if it is one.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        match self.value()?.kind {
            Kind::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if it is one that is not negative.
    #[must_use]
    pub fn unsigned(self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    /// The bytes, if it is a string.
    #[must_use]
    pub fn bytes(self) -> Option<&'d [u8]> {
        let value = self.value()?;
        match value.kind {
            Kind::Bytes(start) => self.text.get(start as usize..value.end as usize),
            _ => None,
        }
    }

    /// The text, if it is a string and UTF-8.
    #[must_use]
    pub fn text(self) -> Option<&'d str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// What is in the list; nothing if it is none.
    pub fn items(self) -> impl Iterator<Item = Node<'d>> {
        let is_list = self.value().is_some_and(|value| matches!(value.kind, Kind::List));
        self.children().take_while(move |_| is_list)
    }

    /// Keys and values of the dictionary, as they stand there; nothing if it is none.
    pub fn entries(self) -> impl Iterator<Item = (&'d [u8], Node<'d>)> {
        let mut children = self.is_dictionary().then(|| self.children());
        std::iter::from_fn(move || {
            let children = children.as_mut()?;
            Some((children.next()?.bytes()?, children.next()?))
        })
    }

    /// What the dictionary has under a key; of several, the first.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        self.entries().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
    }

    /// Whether it is a dictionary.
    #[must_use]
    pub fn is_dictionary(self) -> bool {
        self.value().is_some_and(|value| matches!(value.kind, Kind::Dictionary))
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_list(self) -> bool {
        self.value().is_some_and(|value| matches!(value.kind, Kind::List))
    }

    /// The bytes it was read from.
    #[must_use]
    pub fn raw(self) -> &'d [u8] {
        self.value()
            .and_then(|value| self.text.get(value.start as usize..value.end as usize))
            .unwrap_or_default()
    }

    fn value(self) -> Option<&'d Value> {
        self.values.get(self.at)
    }

    fn children(self) -> impl Iterator<Item = Node<'d>> {
        let end = self.value().map_or(self.at, |value| value.after as usize);
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let child = Node { at, ..self };
            at = child.value().filter(|_| at < end)?.after as usize;
            Some(child)
        })
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    limits: &'a Limits,
    values: Vec<Value>,
    open: Vec<Open>,
}

/// A list or a dictionary that has not ended yet.
struct Open {
    value: usize,
    next: Next,
}

/// What has to come next in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Item,
    Key,
    ValueOfKey,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), NoBencode> {
        loop {
            let start = self.at;
            let byte = *self.text.get(start).ok_or(NoBencode::Truncated)?;
            let next = self.open.last().map(|open| open.next);
            match byte {
                b'0'..=b'9' => self.bytes(start)?,
                b'e' if matches!(next, Some(Next::Item | Next::Key)) => self.close(),
                _ if next == Some(Next::Key) => return Err(NoBencode::Unexpected { at: start }),
                b'i' => self.integer(start)?,
                b'l' => self.open(start, Kind::List, Next::Item)?,
                b'd' => self.open(start, Kind::Dictionary, Next::Key)?,
                _ => return Err(NoBencode::Unexpected { at: start }),
            }
            if self.open.is_empty() {
                return Ok(());
            }
        }
    }

    fn integer(&mut self, start: usize) -> Result<(), NoBencode> {
        let digits = start + 1;
        let length = self.until(digits, b'e', b'-')?;
        let number = self.number(digits, length)?;
        self.at = digits + length + 1;
        self.push(start, Kind::Integer(number))?;
        self.advance();
        Ok(())
    }

    fn bytes(&mut self, start: usize) -> Result<(), NoBencode> {
        let digits = self.until(start, b':', b'0')?;
        let length: u64 = self.number(start, digits)?;
        let first = start + digits + 1;
        let rest = (self.text.len() - first) as u64;
        if length > rest {
            return Err(NoBencode::Truncated);
        }
        self.at = first + length as usize;
        self.push(start, Kind::Bytes(first as u32))?;
        self.advance();
        Ok(())
    }

    /// How many digits there are before the byte that ends a number; `sign` is one more that may be among them.
    fn until(&self, start: usize, end: u8, sign: u8) -> Result<usize, NoBencode> {
        // No number of 64 bits has more digits; leading zeros are not worth more.
        const LONGEST: usize = 24;
        let text = self.text.get(start..).unwrap_or_default();
        for (length, &byte) in text.iter().take(LONGEST).enumerate() {
            match byte {
                _ if byte == end => return Ok(length),
                _ if byte.is_ascii_digit() || byte == sign => {}
                _ => return Err(NoBencode::Unexpected { at: start + length }),
            }
        }
        if text.len() >= LONGEST {
            return Err(NoBencode::Number { at: start });
        }
        Err(NoBencode::Truncated)
    }

    fn number<N: std::str::FromStr>(&self, start: usize, length: usize) -> Result<N, NoBencode> {
        self.text
            .get(start..start + length)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            .ok_or(NoBencode::Number { at: start })
    }

    fn open(&mut self, start: usize, kind: Kind, next: Next) -> Result<(), NoBencode> {
        if self.open.len() >= self.limits.depth {
            return Err(NoBencode::TooDeep);
        }
        self.at = start + 1;
        self.push(start, kind)?;
        self.open.push(Open { value: self.values.len() - 1, next });
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        let after = self.values.len() as u32;
        if let Some(value) = self.open.pop().and_then(|open| self.values.get_mut(open.value)) {
            value.end = self.at as u32;
            value.after = after;
        }
        self.advance();
    }

    /// A value has ended: in a dictionary its key, or the next one's turn, is over.
    fn advance(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.next = match open.next {
                Next::Item => Next::Item,
                Next::Key => Next::ValueOfKey,
                Next::ValueOfKey => Next::Key,
            };
        }
    }

    fn push(&mut self, start: usize, kind: Kind) -> Result<(), NoBencode> {
        if self.values.len() >= self.limits.values {
            return Err(NoBencode::TooMany);
        }
        let after = self.values.len() as u32 + 1;
        self.values.push(Value { start: start as u32, end: self.at as u32, after, kind });
        Ok(())
    }
}

/// Writes a dictionary.
///
/// ```
/// use protocols::torrent::wire::bencode::dictionary;
/// let text = dictionary(|answer| {
///     answer.integer("interval", 1800);
///     answer.list("peers", |_| {});
/// });
/// assert_eq!(text, b"d8:intervali1800e5:peerslee");
/// ```
#[must_use]
pub fn dictionary(write: impl FnOnce(&mut Dictionary<'_>)) -> Vec<u8> {
    let mut text = Vec::new();
    enclose_dictionary(&mut text, write);
    text
}

/// A dictionary that is being written. Its keys have to be said in the order of their bytes.
#[derive(Debug)]
pub struct Dictionary<'o> {
    out: &'o mut Vec<u8>,
    /// The key before.
    last: Vec<u8>,
}

/// A list that is being written.
#[derive(Debug)]
pub struct List<'o> {
    out: &'o mut Vec<u8>,
}

impl Dictionary<'_> {
    /// A string.
    pub fn bytes(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.key(key.as_ref());
        put_bytes(self.out, value.as_ref());
    }

    /// A number.
    pub fn integer(&mut self, key: impl AsRef<[u8]>, value: i64) {
        self.key(key.as_ref());
        put_integer(self.out, value);
    }

    /// A list.
    pub fn list(&mut self, key: impl AsRef<[u8]>, write: impl FnOnce(&mut List<'_>)) {
        self.key(key.as_ref());
        enclose_list(self.out, write);
    }

    /// A dictionary.
    pub fn dictionary(&mut self, key: impl AsRef<[u8]>, write: impl FnOnce(&mut Dictionary<'_>)) {
        self.key(key.as_ref());
        enclose_dictionary(self.out, write);
    }

    /// A value that is bencode already.
    pub fn raw(&mut self, key: impl AsRef<[u8]>, value: &[u8]) {
        self.key(key.as_ref());
        self.out.extend_from_slice(value);
    }

    fn key(&mut self, key: &[u8]) {
        debug_assert!(self.last.is_empty() || *self.last < *key, "keys are in order, each once");
        self.last.clear();
        self.last.extend_from_slice(key);
        put_bytes(self.out, key);
    }
}

impl List<'_> {
    /// A string.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) {
        put_bytes(self.out, value.as_ref());
    }

    /// A number.
    pub fn integer(&mut self, value: i64) {
        put_integer(self.out, value);
    }

    /// A list.
    pub fn list(&mut self, write: impl FnOnce(&mut List<'_>)) {
        enclose_list(self.out, write);
    }

    /// A dictionary.
    pub fn dictionary(&mut self, write: impl FnOnce(&mut Dictionary<'_>)) {
        enclose_dictionary(self.out, write);
    }
}

fn enclose_dictionary(out: &mut Vec<u8>, write: impl FnOnce(&mut Dictionary<'_>)) {
    out.push(b'd');
    write(&mut Dictionary { out, last: Vec::new() });
    out.push(b'e');
}

fn enclose_list(out: &mut Vec<u8>, write: impl FnOnce(&mut List<'_>)) {
    out.push(b'l');
    write(&mut List { out });
    out.push(b'e');
}

fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

fn put_integer(out: &mut Vec<u8>, value: i64) {
    out.push(b'i');
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(b'e');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &[u8]) -> Result<Document<'_>, NoBencode> {
        Document::parse(text, &Limits::default())
    }

    /// As one would write it.
    fn shown(node: Node<'_>) -> String {
        if let Some(number) = node.integer() {
            return number.to_string();
        }
        if let Some(bytes) = node.bytes() {
            return format!("{:?}", String::from_utf8_lossy(bytes));
        }
        if node.is_list() {
            return format!("[{}]", node.items().map(shown).collect::<Vec<_>>().join(" "));
        }
        let entries = node
            .entries()
            .map(|(key, value)| format!("{}={}", String::from_utf8_lossy(key), shown(value)));
        format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn values_are_read_as_they_stand_there() {
        for (text, expected) in [
            ("i5e", "5"),
            ("i-42e", "-42"),
            ("i9223372036854775807e", "9223372036854775807"),
            ("3:a:e", "\"a:e\""),
            ("0:", "\"\""),
            ("le", "[]"),
            ("de", "{}"),
            ("lli1eedee", "[[1] {}]"),
            ("d1:al1:x1:ye1:bd1:ci7eee", "{a=[\"x\" \"y\"] b={c=7}}"),
        ] {
            assert_eq!(parsed(text.as_bytes()).map(|it| shown(it.root())).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_others_write_wrong_is_read_as_libtorrent_does() {
        for (text, expected) in
            [("d1:bi1e1:ai2ee", "{b=1 a=2}"), ("i05e", "5"), ("i-0e", "0"), ("01:a", "\"a\"")]
        {
            assert_eq!(parsed(text.as_bytes()).map(|it| shown(it.root())).as_deref(), Ok(expected));
        }
        let twice = parsed(b"d1:ai1e1:ai2ee").expect("it is bencode");
        assert_eq!(twice.root().get("a").and_then(Node::integer), Some(1));
    }

    #[test]
    fn what_is_no_bencode_is_refused_with_its_place() {
        use NoBencode::{Number, Trailing, Truncated, Unexpected};
        for (text, error) in [
            ("", Truncated),
            ("i", Truncated),
            ("i5", Truncated),
            ("5:abc", Truncated),
            ("l", Truncated),
            ("d1:a", Truncated),
            ("99999999999:", Truncated),
            ("ie", Number { at: 1 }),
            ("i-e", Number { at: 1 }),
            ("i1-2e", Number { at: 1 }),
            ("i9223372036854775808e", Number { at: 1 }),
            ("99999999999999999999999:", Number { at: 0 }),
            ("i0000000000000000000000001e", Number { at: 1 }),
            ("-1:a", Unexpected { at: 0 }),
            ("e", Unexpected { at: 0 }),
            ("x", Unexpected { at: 0 }),
            ("1x", Unexpected { at: 1 }),
            ("i 5e", Unexpected { at: 1 }),
            ("di1ei2ee", Unexpected { at: 1 }),
            ("d1:ae", Unexpected { at: 4 }),
            ("dlei1ee", Unexpected { at: 1 }),
            ("i5ei6e", Trailing { at: 3 }),
        ] {
            assert_eq!(parsed(text.as_bytes()).map(|it| shown(it.root())), Err(error), "{text}");
        }
    }

    #[test]
    fn depth_size_and_number_are_bounded() {
        let limits = Limits { bytes: 64, depth: 3, values: 5 };
        let parse = |text: &[u8]| Document::parse(text, &limits).map(|_| ());
        assert_eq!(parse(b"llleee"), Ok(()));
        assert_eq!(parse(b"lllleeee"), Err(NoBencode::TooDeep));
        assert_eq!(parse(b"l0:0:0:0:e"), Ok(()));
        assert_eq!(parse(b"l0:0:0:0:0:e"), Err(NoBencode::TooMany));
        assert_eq!(parse(&[b'l'; 65]), Err(NoBencode::TooLong));
        // A million levels cost neither the stack nor much memory.
        assert_eq!(parsed(&vec![b'l'; 1 << 20]).map(|_| ()), Err(NoBencode::TooDeep));
    }

    #[test]
    fn a_value_is_cut_off_from_what_follows_it() {
        let text = b"d8:msg_typei1eeDATA";
        let (document, rest) =
            Document::parse_prefix(text, &Limits::default()).expect("it begins with bencode");
        assert_eq!((shown(document.root()).as_str(), rest), ("{msg_type=1}", &b"DATA"[..]));
    }

    #[test]
    fn what_something_is_not_is_empty() {
        let document = parsed(b"l1:ae").expect("it is bencode");
        let (list, text) = (document.root(), document.root().items().next().expect("an item"));
        assert!(list.get("a").is_none() && list.integer().is_none() && list.bytes().is_none());
        assert_eq!(
            (list.entries().count(), text.items().count(), text.entries().count()),
            (0, 0, 0)
        );
        assert_eq!(text.text(), Some("a"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_and_every_cut_of_it_is_too_short(
            key in proptest::collection::vec(any::<u8>(), 1..5),
            bytes in proptest::collection::vec(any::<u8>(), 0..12),
            number in any::<i64>(),
        ) {
            let text = dictionary(|outer| {
                outer.list("", |list| {
                    list.integer(number);
                    list.list(|_| {});
                    list.dictionary(|inner| inner.bytes(&key, &bytes));
                });
                outer.integer(&key, number);
            });
            let document = parsed(&text).expect("it is bencode");
            let inner = document.root().get("").and_then(|list| list.items().last());
            prop_assert_eq!(inner.map(Node::entries).and_then(|mut it| it.next()?.1.bytes()), Some(&bytes[..]));
            for cut in 0..text.len() {
                prop_assert_eq!(parsed(&text[..cut]).map(|_| ()), Err(NoBencode::Truncated));
            }
        }

        #[test]
        fn any_bytes_are_bencode_or_an_error(
            text in proptest::collection::vec(proptest::sample::select(b"0123ilde:-x".as_slice()), 0..40),
        ) {
            if let Ok((document, rest)) = Document::parse_prefix(&text, &Limits::default()) {
                let raw = document.root().raw();
                prop_assert_eq!(raw.len() + rest.len(), text.len());
                let again = parsed(raw).expect("a part of a text is one");
                prop_assert_eq!(shown(again.root()), shown(document.root()));
            }
        }
    }
}
