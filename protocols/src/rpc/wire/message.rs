//! A text as a request, a notification, a response, or a batch of these.
//!
//! What the specification leaves open is decided here:
//!
//! | what comes | what it is |
//! |---|---|
//! | `"id": null` | an id, and answered: only a request *without* `id` is a notification (section 4) |
//! | `"id": 1.5`, `1e400`, of forty digits | an id; it goes back as it came, byte for byte |
//! | `"id": true`, `[]`, `{}` | an invalid request; the answer's id is null |
//! | `"params": null` | no parameters: many clients write it so |
//! | `"params": 5`, `"x"` | an invalid request (section 4.2) |
//! | a member twice | an invalid request: which one was meant cannot be known |
//! | a member that nobody knows | passed over |
//! | a method that is not a text, with an id that is one | an invalid request, answered to that id |
//! | `"result": …, "error": null`, and no `"jsonrpc"` in a response | a result: version 1.0 writes it so |

use std::borrow::Cow;

use super::Error;
use super::scan::{Cursor, Flaw, Known, Name};

/// Which version of JSON-RPC is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// 2.0: each message says so, and a notification is a request without an id.
    #[default]
    Two,
    /// 1.0, as OVSDB speaks it (RFC 7047, section 4): no `jsonrpc`, parameters by position alone, a
    /// notification is a request whose id is null, and a response has both `result` and `error`. It
    /// has no batches.
    One,
}

/// What a text is.
#[derive(Debug)]
pub enum Text<'a> {
    /// One message.
    One(Message<'a>),
    /// The members of a batch, of which each is a message or is not: see [`Message::read`].
    Batch(Vec<&'a [u8]>),
}

/// One message. Ids and values are the text itself, in bytes of UTF-8; nothing is built that nobody asks for.
#[derive(Debug)]
pub enum Message<'a> {
    /// A call, or a notification if it has no id.
    Request {
        /// As it came: a string with its quotes, a number, `null`.
        id: Option<&'a [u8]>,
        /// The method's name.
        method: Cow<'a, [u8]>,
        /// An array, an object, or none.
        params: Option<&'a [u8]>,
    },
    /// What became of a call.
    Response {
        /// As it came.
        id: &'a [u8],
        /// The result, or why there is none.
        result: Result<&'a [u8], Error>,
    },
    /// Neither; to be answered to this id, `null` if it has none.
    Invalid {
        /// As it came, if it is one.
        id: &'a [u8],
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Reads a text: one message, or a batch, in which brackets are nested no deeper than `deepest`, nor than 127.
/// Numbers, strings and a batch's members are not looked into.
///
/// # Errors
///
/// [`Error::PARSE`] if it is not JSON in UTF-8, all of it; [`Error::TOO_DEEP`]. What is JSON and no message
/// is a [`Message::Invalid`].
///
/// ```
/// use protocols::rpc::wire::{Dialect, Message, Text, read};
///
/// let text = br#"{"jsonrpc":"2.0","method":"sum","params":[1,2],"id":1.50}"#;
/// let Ok(Text::One(Message::Request { id, method, params })) = read(text, Dialect::Two, 64) else {
///     panic!("it is a request");
/// };
/// assert_eq!((id, &*method), (Some(&b"1.50"[..]), &b"sum"[..]));
/// assert_eq!(params, Some(&b"[1,2]"[..]));
/// assert!(read(b"{", Dialect::Two, 64).is_err());
/// ```
pub fn read(text: &[u8], dialect: Dialect, deepest: usize) -> Result<Text<'_>, Error> {
    let mut cursor = Cursor::new(text, deepest);
    if cursor.peek() != Some(b'[') {
        return Message::read(text, dialect, deepest).map(Text::One);
    }
    let mut members = Vec::new();
    cursor.elements(|member| members.push(member)).map_err(|flaw| flaw.told(deepest))?;
    Ok(Text::Batch(members))
}

/// What was read as UTF-8, as text: for the few who look at it.
pub(in crate::rpc) fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl<'a> Message<'a> {
    /// Reads one message.
    ///
    /// # Errors
    ///
    /// As [`read`].
    pub fn read(text: &'a [u8], dialect: Dialect, deepest: usize) -> Result<Self, Error> {
        if dialect == Dialect::Two
            && let Some(request) = usual_request(text, deepest)
        {
            return Ok(request);
        }
        let mut cursor = Cursor::new(text, deepest);
        if cursor.peek() != Some(b'{') {
            cursor.only_value().map_err(|flaw| flaw.told(deepest))?;
            return Ok(Self::Invalid { id: NULL, why: "it is neither an object nor an array" });
        }
        let mut members = Members::default();
        let note = |name: Name<'a, _>, value| members.note(name, value);
        cursor.members(Member::recognize, note).map_err(|flaw| flaw.told(deepest))?;
        Ok(members.sort(dialect))
    }
}

/// A request as nearly every program writes it, which costs half of what the long way does:
///
/// ```text
///   {"jsonrpc":"2.0","id":1,"method":"sum","params":[1,2],"id":1}
///                    ╰──────╯ at one of the two places ╰───────╯
/// ```
///
/// All else, mistakes included, is looked at the long way.
fn usual_request(text: &[u8], deepest: usize) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(text, deepest);
    cursor.skip(b"{\"jsonrpc\":\"2.0\",")?;
    cursor.descend()?;
    let mut id = None;
    if cursor.skip(b"\"id\":").is_some() {
        id = Some(cursor.simple().filter(|id| is_id(id))?);
        cursor.skip(b",")?;
    }
    cursor.skip(b"\"method\":")?;
    let method = Cow::Borrowed(cursor.plain_string()?);
    let params = match cursor.skip(b",\"params\":") {
        Some(()) => Some(cursor.structure()?),
        None => None,
    };
    if id.is_none() && cursor.skip(b",\"id\":").is_some() {
        id = Some(cursor.simple().filter(|id| is_id(id))?);
    }
    cursor.skip(b"}")?;
    cursor.end().ok()?;
    Some(Message::Request { id, method, params })
}

/// Whether a value is a text, a number, or null.
fn is_id(value: &[u8]) -> bool {
    !matches!(first(value), b'{' | b'[' | b't' | b'f')
}

impl Flaw {
    /// What whoever sent the text is told.
    #[cold]
    fn told(self, deepest: usize) -> Error {
        match self {
            Self::Syntax => Error::parse(),
            Self::TooDeep => {
                Error::new(Error::TOO_DEEP, "The message is nested too deep").with_data(&deepest)
            }
        }
    }
}

/// A member that a message may have.
#[derive(Clone, Copy)]
enum Member {
    Jsonrpc,
    Method,
    Params,
    Id,
    Result,
    Error,
}

/// The id of whoever has none.
const NULL: &[u8] = b"null";

/// What version 2.0 calls itself.
const TWO: &[u8] = b"\"2.0\"";

const MEMBERS: [(&str, Member); 6] = [
    ("jsonrpc", Member::Jsonrpc),
    ("method", Member::Method),
    ("params", Member::Params),
    ("id", Member::Id),
    ("result", Member::Result),
    ("error", Member::Error),
];

impl Member {
    /// Recognizes a name that is written as most programs write it, which costs less than to look for its end.
    #[inline]
    fn recognize(rest: &[u8]) -> Option<Known<Self>> {
        let is =
            |name: &[u8], key| rest.starts_with(name).then_some(Known { key, name: name.len() });
        is(b"\"method\":", Self::Method)
            .or_else(|| is(b"\"params\":", Self::Params))
            .or_else(|| is(b"\"id\":", Self::Id))
            .or_else(|| is(b"\"result\":", Self::Result))
            .or_else(|| is(b"\"error\":", Self::Error))
            .or_else(|| is(b"\"jsonrpc\":", Self::Jsonrpc))
    }

    /// The same for all other ways: with a blank before the colon, or with escapes, which are understood as well.
    #[cold]
    fn named(name: &[u8]) -> Option<Self> {
        let quoted = [b"\"", name, b"\""].concat();
        let plain = serde_json::from_slice::<String>(&quoted).ok()?;
        MEMBERS.into_iter().find(|(name, _)| *name == plain).map(|(_, member)| member)
    }
}

/// The members of a message; `null` is one, and not the same as none.
#[derive(Default)]
struct Members<'a> {
    values: [Option<&'a [u8]>; MEMBERS.len()],
    /// Whether one stands there twice: which was meant cannot be known.
    is_twice: bool,
}

impl<'a> Members<'a> {
    fn note(&mut self, name: Name<'a, Member>, value: &'a [u8]) {
        let member = match name {
            Name::Known(member) => Some(member),
            Name::Other(name) => Member::named(name),
        };
        if let Some(member) = member {
            self.is_twice |= self.values[member as usize].replace(value).is_some();
        }
    }

    fn get(&self, member: Member) -> Option<&'a [u8]> {
        self.values[member as usize]
    }

    #[inline]
    fn sort(self, dialect: Dialect) -> Message<'a> {
        if self.is_twice {
            return Message::Invalid { id: NULL, why: "a member stands there twice" };
        }
        let id = self.get(Member::Id);
        if id.is_some_and(|id| !is_id(id)) {
            return Message::Invalid { id: NULL, why: "the id is no text, number or null" };
        }
        match self.get(Member::Method) {
            Some(method) => self.request(id, method, dialect),
            None if self.get(Member::Result).or(self.get(Member::Error)).is_some() => {
                self.response(id)
            }
            None => Message::Invalid { id: id.unwrap_or(NULL), why: "there is no method" },
        }
    }

    #[inline]
    fn request(&self, id: Option<&'a [u8]>, method: &'a [u8], dialect: Dialect) -> Message<'a> {
        let invalid = |why| Message::Invalid { id: id.unwrap_or(NULL), why };
        let says_two = || {
            let version = self.get(Member::Jsonrpc)?;
            Some(version == TWO || *text_of(version)? == *b"2.0")
        };
        if dialect == Dialect::Two && says_two() != Some(true) {
            return invalid("jsonrpc is not \"2.0\"");
        }
        let Some(method) = text_of(method) else {
            return invalid("the method is no text");
        };
        let params = self.get(Member::Params).filter(|params| *params != NULL);
        if params.is_some_and(|params| !matches!(first(params), b'[' | b'{')) {
            return invalid("the params are neither an array nor an object");
        }
        let id = id.filter(|id| dialect == Dialect::Two || *id != NULL);
        Message::Request { id, method, params }
    }

    #[inline(never)]
    fn response(&self, id: Option<&'a [u8]>) -> Message<'a> {
        let Some(id) = id else {
            return Message::Invalid { id: NULL, why: "a response has no id" };
        };
        let error = self.get(Member::Error).filter(|error| *error != NULL);
        let result = match (error, self.get(Member::Result)) {
            (None, Some(result)) => Ok(result),
            (Some(error), _) => Err(error_of(error)),
            // An error that is null, and no result.
            (None, None) => Err(Error::internal("neither a result nor an error came")),
        };
        Message::Response { id, result }
    }
}

/// The first byte of a value, which tells of what kind it is.
#[inline]
fn first(value: &[u8]) -> u8 {
    value.first().copied().unwrap_or_default()
}

/// A JSON string's text, borrowed if nothing in it is escaped.
#[inline(always)]
fn text_of(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    if first(value) != b'"' {
        return None;
    }
    let text = value.get(1..value.len() - 1)?;
    if text.contains(&b'\\') {
        return serde_json::from_slice::<String>(value).ok().map(|text| Cow::Owned(text.into()));
    }
    Some(Cow::Borrowed(text))
}

/// The error of a response; one that is not as the specification has it, a text say, as it is in 1.0, is
/// data of an internal error.
fn error_of(value: &[u8]) -> Error {
    serde_json::from_slice(value).unwrap_or_else(|_| {
        let text = text_of(value).map_or_else(|| value.to_owned(), Cow::into_owned);
        let data = serde_json::from_slice(value).ok();
        Error { data, ..Error::new(Error::INTERNAL, String::from_utf8_lossy(&text).into_owned()) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn print(text: &str, dialect: Dialect) -> String {
        match read(text.as_bytes(), dialect, 64) {
            Ok(Text::One(message)) => print_one(&message),
            Ok(Text::Batch(members)) => format!("batch of {}", members.len()),
            Err(error) => error.to_string(),
        }
    }

    fn print_one(message: &Message<'_>) -> String {
        let text = |bytes| std::str::from_utf8(bytes).expect("it was looked at");
        match message {
            Message::Request { id, method, params } => {
                format!("{:?} {} {:?}", id.map(text), text(method), params.map(text))
            }
            Message::Response { id, result: Ok(result) } => {
                format!("{} = {}", text(id), text(result))
            }
            Message::Response { id, result: Err(error) } => format!("{} failed: {error}", text(id)),
            Message::Invalid { id, why } => format!("invalid, {}: {why}", text(id)),
        }
    }

    #[track_caller]
    fn reads(text: &str, expected: &str) {
        assert_eq!(print(text, Dialect::Two), expected, "{text}");
    }

    #[test]
    fn a_null_id_is_an_id_and_none_is_none() {
        reads(r#"{"jsonrpc":"2.0","method":"m","id":null}"#, r#"Some("null") m None"#);
        reads(r#"{"jsonrpc":"2.0","method":"m"}"#, "None m None");
        let in_one = print(r#"{"method":"m","params":[],"id":null}"#, Dialect::One);
        assert_eq!(in_one, r#"None m Some("[]")"#);
    }

    #[test]
    fn ids_are_kept_as_they_came() {
        for id in ["1", "1.50", "-0", "1e400", "123456789012345678901234567890", r#""\u0041""#] {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"m","id":{id}}}"#);
            reads(&text, &format!("Some({id:?}) m None"));
        }
        for id in ["true", "false", "[1]", "{}"] {
            let text = format!(r#"{{"jsonrpc":"2.0","method":"m","id":{id}}}"#);
            reads(&text, "invalid, null: the id is no text, number or null");
        }
    }

    #[test]
    fn what_is_json_and_no_request_is_told_from_what_is_no_json() {
        reads("{", "Parse error (-32700)");
        reads(&"[".repeat(65), "The message is nested too deep (-32003): 64");
        reads("[1,", "Parse error (-32700)");
        reads("", "Parse error (-32700)");
        reads("{} {}", "Parse error (-32700)");
        reads("5 x", "Parse error (-32700)");
        reads(r#"{"jsonrpc":"2.0","method":"m","params":"bar","id":1"#, "Parse error (-32700)");
        reads("5", "invalid, null: it is neither an object nor an array");
        reads("{}", "invalid, null: there is no method");
        let no_params = "the params are neither an array nor an object";
        reads(
            r#"{"jsonrpc":"2.0","method":"m","params":"bar","id":1}"#,
            &format!("invalid, 1: {no_params}"),
        );
        reads(r#"{"method":"m","id":2}"#, r#"invalid, 2: jsonrpc is not "2.0""#);
        reads(r#"{"jsonrpc":2.0,"method":"m"}"#, r#"invalid, null: jsonrpc is not "2.0""#);
        reads(r#"{"jsonrpc":"2.0","method":1,"id":7}"#, "invalid, 7: the method is no text");
        reads(
            r#"{"jsonrpc":"2.0","method":"m","id":1,"id":2}"#,
            "invalid, null: a member stands there twice",
        );
        reads(
            r#"{"jsonrpc":"2.0","method":"m","id":1,"\u0069d":2}"#,
            "invalid, null: a member stands there twice",
        );
        assert!(read(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}", Dialect::Two, 64).is_err());
    }

    #[test]
    fn what_nobody_knows_is_passed_over_and_escapes_are_read() {
        reads(r#"{"x":[{}],"jsonrpc":"2\u002e0","method":"a\/b","params":null}"#, "None a/b None");
    }

    #[test]
    fn responses_of_both_versions_are_read() {
        reads(r#"{"jsonrpc":"2.0","result":null,"id":1}"#, "1 = null");
        reads(r#"{"result":5,"error":null,"id":1}"#, "1 = 5");
        reads(
            r#"{"id":2,"error":"unknown method"}"#,
            "2 failed: unknown method (-32603): \"unknown method\"",
        );
        reads(
            r#"{"jsonrpc":"2.0","error":{"code":1,"message":"no","data":[2]},"id":"a"}"#,
            "\"a\" failed: no (1): [2]",
        );
        reads(r#"{"jsonrpc":"2.0","result":1}"#, "invalid, null: a response has no id");
    }

    #[test]
    fn batches_are_told_from_messages() {
        reads("[]", "batch of 0");
        reads(" [1, {}] ", "batch of 2");
    }

    proptest! {
        #[test]
        fn the_usual_way_and_the_long_one_lead_to_the_same(
            parts in proptest::collection::vec(proptest::sample::select([
                "\"jsonrpc\":\"2.0\"", "\"id\":1", "\"id\":null", "\"id\":\"\\u0041\"", "\"id\":true", "\"id\":[]",
                "\"method\":\"sum\"", "\"method\":\"\\u0041\"", "\"method\":\"grüß\"", "\"method\":1",
                "\"params\":[1,{\"a\":[]}]", "\"params\":{}", "\"params\":null", "\"params\":[01]", "\"x\":0", "x",
            ].as_slice()), 0..5),
            end in proptest::sample::select(["}", "} ", "}}", ",}", ""].as_slice()),
            deepest in 0_usize..5,
        ) {
            let text = format!("{{\"jsonrpc\":\"2.0\",{}{end}", parts.join(","));
            // A blank in front has the long way taken.
            let long = format!("{{ {}", &text[1..]);
            let read = |text: &str| match Message::read(text.as_bytes(), Dialect::Two, deepest) {
                Ok(message) => print_one(&message),
                Err(error) => error.to_string(),
            };
            prop_assert_eq!(read(&text), read(&long), "{}", text);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes, Dialect::Two, 64).map(|text| format!("{text:?}"));
        }

        #[test]
        fn almost_json_is_read_or_refused(parts in proptest::collection::vec(
            proptest::sample::select([
                "{", "}", "[", "]", ",", ":", "\"id\"", "\"method\"", "\"jsonrpc\"", "\"2.0\"", "null",
                "1e9", "\"\\u00e9\"", "\"result\"", "\"error\"", "true",
            ].as_slice()), 0..24)) {
            let _ = read(parts.concat().as_bytes(), Dialect::One, 64).map(|text| format!("{text:?}"));
        }
    }
}
