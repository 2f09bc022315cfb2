//! A request's head as nearly all are, read and understood in one look.
//!
//! It is one that has come whole, of which each line ends with CR LF and has only the bytes that belong there, and that
//! means something. All others, those that are refused among them, are httparse's: it says what is wrong. So what is
//! read here has to be right about what it takes, and may leave the rest.

use std::str;

use super::classes::{PATH, QUERY, TOKEN, behind};
use super::fields::{Field, is_name};
use super::host::behind_host;
use super::request::{Line, Notes};
use super::{Slots, Target};
use crate::http::HeadLimits;

/// Reads such a head into `slots`; how long it is, or `None` if it is another one.
#[inline(never)]
pub(super) fn read_usual<'a>(
    bytes: &'a [u8],
    slots: &mut Slots<'a>,
    limits: &HeadLimits,
) -> Option<usize> {
    let (method, rest) = read_method(bytes)?;
    let (target, rest) = read_target(method, rest)?;
    let (is_old, mut rest) = read_version(rest)?;
    if target.as_bytes().len() > limits.target {
        return None;
    }
    // Written where it stays, so that nothing of it has to be remembered.
    let Slots { line, fields } = slots;
    let Line { notes, .. } = line.insert(Line { method, target, notes: Notes::new(is_old) });
    if method == "HEAD" {
        notes.add_unusual();
    }
    loop {
        if let Some(behind) = rest.strip_prefix(b"\r\n") {
            let length = bytes.len() - behind.len();
            return (length <= limits.head && notes.check().is_ok()).then_some(length);
        }
        let field;
        (field, rest) = match read_host(rest) {
            Some(host) => {
                notes.add_host();
                host
            }
            None => {
                let (field, behind) = read_field(rest)?;
                notes.heed(field).ok()?;
                (field, behind)
            }
        };
        if fields.len() >= limits.fields || fields.try_push(field).is_err() {
            return None;
        }
    }
}

/// The method, and what stands behind the space. CONNECT is left to who reads everything.
#[inline]
fn read_method(bytes: &[u8]) -> Option<(&str, &[u8])> {
    if let Some(rest) = bytes.strip_prefix(b"GET ") {
        return Some(("GET", rest));
    }
    let (method, rest) = read_token(bytes)?;
    let method = str::from_utf8(method).ok().filter(|method| *method != "CONNECT")?;
    Some((method, rest.strip_prefix(b" ")?))
}

/// The target, and what stands behind it: of a path, it is known where its query begins, that there is no fragment
/// and nothing that is not ASCII.
#[inline]
fn read_target<'a>(method: &str, bytes: &'a [u8]) -> Option<(Target<'a>, &'a [u8])> {
    if bytes.first() != Some(&b'/') {
        let (whole, rest) = bytes.split_at_checked(run::<{ b' ' + 1 }>(bytes))?;
        return Some((Target::parse(method, str::from_utf8(whole).ok()?).ok()?, rest));
    }
    let mut rest = behind::<PATH>(bytes);
    let path = bytes.len() - rest.len();
    if rest.first() == Some(&b'?') {
        rest = behind::<QUERY>(rest);
    }
    let whole = bytes.get(..bytes.len() - rest.len())?;
    Some((Target::of_path(whole, path), rest))
}

/// Whether it is HTTP/1.0, and what stands behind the line.
#[inline]
fn read_version(bytes: &[u8]) -> Option<(bool, &[u8])> {
    if let Some(rest) = bytes.strip_prefix(b" HTTP/1.1\r\n") {
        return Some((false, rest));
    }
    Some((true, bytes.strip_prefix(b" HTTP/1.0\r\n")?))
}

/// Host as it is usually written, and what stands behind its line: to find where it ends is to look whether it is one.
#[inline]
fn read_host(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (name, rest) = bytes.split_at_checked(4)?;
    if !is_name(name, b"host") {
        return None;
    }
    let value = rest.strip_prefix(b": ")?;
    let behind = behind_host(value)?;
    let value = value.get(..value.len() - behind.len())?;
    Some((Field { name, value }, behind.strip_prefix(b"\r\n")?))
}

/// A field, and what stands behind its line.
#[inline]
fn read_field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (name, rest) = read_token(bytes)?;
    let mut value = rest.strip_prefix(b":")?;
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    let mut length = run::<b' '>(value);
    while value.get(length) == Some(&b'\t') {
        length += 1 + run::<b' '>(value.get(length + 1..)?);
    }
    let (value, rest) = value.split_at_checked(length)?;
    Some((Field { name, value: value.trim_ascii_end() }, rest.strip_prefix(b"\r\n")?))
}

/// A token (RFC 9110, 5.6.2), which is not empty, and what stands behind it.
#[inline]
fn read_token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = behind::<TOKEN>(bytes);
    let token = bytes.get(..bytes.len() - rest.len())?;
    (!token.is_empty()).then_some((token, rest))
}

/// How many bytes stand in front that are as high as `LEAST`, and not DEL; eight are looked at in one step.
#[inline]
fn run<const LEAST: u8>(bytes: &[u8]) -> usize {
    let each = |byte: u8| u64::from_ne_bytes([byte; 8]);
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for eight in eights {
        let eight = u64::from_le_bytes(*eight);
        let apart = eight ^ each(0x7f);
        // A byte's highest bit is set where it is too low, or DEL; behind the first such one, others' may be, too.
        let is_low = eight.wrapping_sub(each(LEAST)) & !eight;
        let is_del = apart.wrapping_sub(each(1)) & !apart;
        let stops = (is_low | is_del) & each(0x80);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + rest.iter().take_while(|byte| **byte >= LEAST && **byte != 0x7f).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::request::read_any;
    use super::super::{Framing, Meaning};
    use super::*;

    /// What a way to read says of a head: method, target, what it means, its length, and its fields.
    type Told = (String, String, String, Meaning, usize, Vec<(String, Vec<u8>)>);

    fn told(slots: &Slots<'_>, length: usize) -> Option<Told> {
        let request = slots.request()?;
        let fields = request.fields();
        let fields = fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec()));
        let (method, target) = (request.method().to_owned(), request.target());
        let parts = format!("{:?}", (target.authority(), target.path(), target.query()));
        let whole = target.as_str().to_owned();
        let nothing = Meaning {
            framing: Framing::Length(0),
            is_old: false,
            is_persistent: true,
            expects_continue: false,
        };
        let is_plain = request.meaning() == nothing && !["HEAD", "CONNECT"].contains(&&*method);
        assert!(is_plain || !request.is_usual(), "{request:?}");
        Some((method, whole, parts, request.meaning(), length, fields.collect()))
    }

    fn by_one_look(bytes: &[u8]) -> Option<Told> {
        let mut slots = Slots::new();
        let length = read_usual(bytes, &mut slots, &HeadLimits::default())?;
        told(&slots, length)
    }

    fn by_httparse(bytes: &[u8]) -> Option<Told> {
        let mut slots = Slots::new();
        let length = read_any(bytes, &mut slots, &HeadLimits::default()).ok()??;
        told(&slots, length)
    }

    #[test]
    fn what_programs_send_is_read_in_one_look() {
        for head in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "HEAD / HTTP/1.0\r\n\r\nand more",
            "POST /a?b HTTP/1.1\r\nhost:h\r\nContent-Length: 5\r\nX: \t a\tb \t\r\nEmpty:\r\n\r\nhello",
            "OPTIONS * HTTP/1.1\r\nHost: h\r\nUser-Agent: Größe/1.0\r\n\r\n",
        ] {
            let read = by_one_look(head.as_bytes());
            assert!(read.is_some(), "{head:?}");
            assert_eq!(read, by_httparse(head.as_bytes()));
        }
    }

    #[test]
    fn what_is_too_much_is_left_to_who_says_so() {
        let head = b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
        let limits = HeadLimits { head: head.len(), fields: 2, ..HeadLimits::default() };
        let is_read = |limits: &HeadLimits| read_usual(head, &mut Slots::new(), limits).is_some();
        assert!(is_read(&limits));
        assert!(!is_read(&HeadLimits { head: head.len() - 1, ..limits.clone() }));
        assert!(!is_read(&HeadLimits { fields: 1, ..limits }));
    }

    #[test]
    fn every_byte_stops_where_it_should() {
        for (byte, at) in (0..=u8::MAX).flat_map(|byte| (0..45).map(move |at| (byte, at))) {
            let mut bytes = [0xff; 45];
            bytes[at] = byte;
            let end = |stops: bool| if stops { at } else { 45 };
            assert_eq!(run::<b' '>(&bytes), end(byte < b' ' || byte == 0x7f), "{byte} at {at}");
            assert_eq!(run::<b'!'>(&bytes), end(byte <= b' ' || byte == 0x7f), "{byte} at {at}");
        }
    }

    /// A head, and what may be wrong with it.
    fn heads() -> impl Strategy<Value = Vec<u8>> {
        let other = "[A-Za-z!_-]{1,12}:[ \t]{0,2}([!-~][ -~\t]{0,20})?[ \t]{0,2}";
        let host = "[Hh][Oo][Ss][Tt]:[ \t]{0,2}[a-z0-9._-]{0,12}(:[0-9]{0,6})?[ \t]{0,2}";
        let heeded = prop::sample::select(vec![
            "Connection: close",
            "connection: x, keep-alive",
            "Content-Length: 5",
            "Content-length: 0",
            "Expect: 100-continue",
            "Transfer-Encoding: chunked",
        ]);
        let field = prop_oneof![3 => other.boxed(), 1 => heeded.prop_map(str::to_owned).boxed()];
        let line =
            "(GET|HEAD|CONNECT|[A-Z]{1,7}) (/[!-~]{0,12}|\\*|http://h/[!-~]{0,4}) HTTP/1\\.[01]";
        let fields = (proptest::collection::vec(field, 0..6), host, any::<prop::sample::Index>());
        let fields = fields.prop_map(|(mut fields, host, at)| {
            fields.insert(at.index(fields.len() + 1), host);
            fields
        });
        let lines = (line, fields);
        let harm = proptest::collection::vec((any::<prop::sample::Index>(), harmful()), 0..3);
        (lines, harm).prop_map(|((line, fields), harm)| {
            let mut head = line.into_bytes();
            for field in fields {
                head.extend_from_slice(b"\r\n");
                head.extend_from_slice(field.as_bytes());
            }
            head.extend_from_slice(b"\r\n\r\nwhat follows");
            for (at, byte) in harm {
                let at = at.index(head.len());
                match byte {
                    Some(byte) => head[at] = byte,
                    None => drop(head.remove(at)),
                }
            }
            head
        })
    }

    /// A byte in another's place, or none.
    fn harmful() -> impl Strategy<Value = Option<u8>> {
        let bytes = b"\r\n\t :\0\x7f\x80\xffHTP/1.0";
        prop_oneof![
            Just(None),
            prop::sample::select(&bytes[..]).prop_map(Some),
            any::<Option<u8>>()
        ]
    }

    proptest! {
        /// Two readings of a head that differ are what smuggling lives on.
        #[test]
        fn what_is_read_in_one_look_is_what_httparse_reads(head in heads()) {
            if let Some(read) = by_one_look(&head) {
                prop_assert_eq!(Some(read), by_httparse(&head), "{}", head.escape_ascii());
            }
        }
    }
}
