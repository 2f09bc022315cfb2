//! The fields of a head, where they stand in what was read.

use std::{fmt, str};

use arrayvec::ArrayVec;
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Header;

use super::Request;
use super::request::Line;
use crate::http::limits::MOST_FIELDS;

/// The fields of a head, in the order in which they came. Nothing is copied: names and values are slices of
/// what was read.
///
/// Names are compared without regard to case. Values are bytes: RFC 9110, 5.5 allows what is not ASCII.
#[derive(Clone, Copy)]
pub struct Fields<'a>(&'a [Field<'a>]);

/// One of them: its name is a token, so it is ASCII, and its value is without the blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

impl<'a> Field<'a> {
    pub(in crate::http) fn new(name: &'a str, value: &'a [u8]) -> Self {
        Self { name: name.as_bytes(), value }
    }
}

impl<'a> From<&Header<'a>> for Field<'a> {
    fn from(header: &Header<'a>) -> Self {
        Self::new(header.name, header.value)
    }
}

impl<'a> Fields<'a> {
    pub(in crate::http) fn new(fields: &'a [Field<'a>]) -> Self {
        Self(fields)
    }

    /// The value of the first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The value of the only field of that name; `None` if there are several, too: for those of which the
    /// second may contradict the first.
    #[must_use]
    pub fn get_only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.get_all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The values of all fields of that name.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let name = name.as_bytes();
        self.0.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The members of a list that may be spread over several fields (RFC 9110, 5.6.1). A comma in a quoted
    /// string does not divide.
    pub fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.get_all(name).flat_map(members)
    }

    /// Whether a list has a member, without regard to case.
    #[must_use]
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.list(name).any(|it| it.eq_ignore_ascii_case(member.as_bytes()))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.0.iter().map(|field| (str::from_utf8(field.name).unwrap_or_default(), field.value))
    }

    /// The same, with names as bytes: text is what they are made into, for each who goes through them.
    pub(crate) fn as_bytes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.0.iter().map(|field| (field.name, field.value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy as the crate `http` has it. A field that it does not take is left out; none that has been
    /// parsed is such.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.iter() {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                // It refuses more than 32,768, of which we allow a hundredth.
                let _ = map.try_append(name, value);
            }
        }
        map
    }
}

/// Room for a head, on the stack of whoever parses one.
#[derive(Debug)]
pub struct Slots<'a> {
    /// The first line of a request that has been parsed, and what it means.
    pub(super) line: Option<Line<'a>>,
    pub(super) fields: ArrayVec<Field<'a>, MOST_FIELDS>,
}

impl<'a> Slots<'a> {
    /// Empty ones. They cost nothing to make.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self { line: None, fields: ArrayVec::new_const() }
    }

    /// Has these, and no others.
    pub(super) fn fill(&mut self, headers: &[Header<'a>]) {
        self.fields.clear();
        self.fields.extend(headers.iter().map(Field::from));
    }

    #[inline]
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields::new(&self.fields)
    }

    /// The request that has been parsed.
    #[inline]
    pub(super) fn request(&self) -> Option<Request<'_>> {
        Some(Request { line: self.line.as_ref()?, fields: self.fields() })
    }
}

impl Default for Slots<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |(name, value): (&'_ str, &[u8])| (name.to_owned(), value.escape_ascii().to_string());
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

/// Whether a field has this name, which is written here in small letters. One look at all of it: the bit that tells
/// small letters from large ones is set in all bytes, and no byte that a name may have becomes `-` by that.
#[inline]
pub(crate) fn is_name<const N: usize>(name: &[u8], small: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| name.map(|byte| byte | 0x20) == *small)
}

/// The members of one list; empty ones do not count.
pub(super) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    list.split(move |&byte| {
        let divides = byte == b',' && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        divides
    })
    .map(<[u8]>::trim_ascii)
    .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_lists_over_several_fields() {
        let all = [
            Field::new("Accept", b"a, \"b,c\""),
            Field::new("ACCEPT", b",, d"),
            Field::new("Host", b"h"),
        ];
        let fields = Fields::new(&all);
        assert_eq!(fields.get("host"), Some(&b"h"[..]));
        assert_eq!(fields.get_only("accept"), None);
        assert_eq!(fields.list("accept").collect::<Vec<_>>(), [&b"a"[..], b"\"b,c\"", b"d"]);
        assert!(fields.lists("Accept", "D"));
        assert_eq!(fields.to_map().len(), 3);
    }
}
