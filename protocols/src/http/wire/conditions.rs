//! Conditional requests, in the order of RFC 9110, 13.2.2.
//!
//! ```text
//!   If-Match ──no──▶ 412          (If-Unmodified-Since only without it)
//!      │ yes
//!   If-None-Match ──matches──▶ GET, HEAD: 304 │ else 412
//!      │ does not                 (If-Modified-Since only without it, for GET and HEAD)
//!   If-Range, with Range ──does not match──▶ the whole
//! ```

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::date::parse_date;
use super::fields::members;
use super::{Fields, Request};

/// An entity tag (RFC 9110, 8.8.3), always strong: what we serve is compared byte by byte.
#[derive(Clone, PartialEq, Eq)]
pub struct ETag(String);

/// What a representation is known by.
#[derive(Clone, Debug)]
pub struct Validators {
    /// Its entity tag.
    pub tag: Option<ETag>,
    /// When it was changed last.
    pub modified: Option<SystemTime>,
    /// Whether so much time has passed since then that another change would have another date: a second has
    /// begun after it (RFC 9110, 8.8.2.2). Only then is a date strong.
    pub is_date_strong: bool,
}

/// What becomes of a request with conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done; and whether a Range of it may be heeded.
    Proceed {
        /// Whether If-Range allows a part.
        ranges: bool,
    },
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not what the client thinks.
    Failed,
}

/// The conditions of a request.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    method: &'a str,
    fields: Fields<'a>,
}

impl<'a> Conditions<'a> {
    /// Those of this request.
    #[must_use]
    pub fn of(request: &Request<'a>) -> Self {
        Self { method: request.method(), fields: request.fields() }
    }

    /// Those of a request with that method and these fields.
    #[must_use]
    pub fn new(method: &'a str, fields: Fields<'a>) -> Self {
        Self { method, fields }
    }

    /// What becomes of the request, for a representation that exists.
    #[must_use]
    pub fn judge(&self, has: &Validators) -> Verdict {
        let is_read = matches!(self.method, "GET" | "HEAD");
        if !self.matches(has) {
            return Verdict::Failed;
        }
        match self.fields.get("if-none-match") {
            Some(_) if self.lists("if-none-match", has, Compare::Weak) => {
                return if is_read { Verdict::NotModified } else { Verdict::Failed };
            }
            None if is_read && self.is_unmodified("if-modified-since", has) == Some(true) => {
                return Verdict::NotModified;
            }
            _ => {}
        }
        Verdict::Proceed { ranges: self.allows_range(has) }
    }

    /// Steps 1 and 2.
    fn matches(&self, has: &Validators) -> bool {
        match self.fields.get("if-match") {
            Some(_) => self.lists("if-match", has, Compare::Strong),
            None => self.is_unmodified("if-unmodified-since", has) != Some(false),
        }
    }

    fn lists(&self, name: &str, has: &Validators, compare: Compare) -> bool {
        self.fields.get_all(name).flat_map(members).any(|member| {
            member == b"*" || has.tag.as_ref().is_some_and(|tag| tag.equals(member, compare))
        })
    }

    /// Whether it has not changed since a date; `None` if there is no such field, or two, or no date in it.
    fn is_unmodified(&self, name: &str, has: &Validators) -> Option<bool> {
        let since = parse_date(self.fields.get_only(name)?)?;
        Some(whole_seconds(has.modified?) <= since)
    }

    /// Step 5. Only what is certainly the same, byte by byte, can be put together from parts (RFC 9110,
    /// 13.1.5).
    fn allows_range(&self, has: &Validators) -> bool {
        match self.fields.get("if-range") {
            None => true,
            Some(value) if value.starts_with(b"\"") || value.starts_with(b"W/") => {
                has.tag.as_ref().is_some_and(|tag| tag.equals(value, Compare::Strong))
            }
            Some(value) => match (parse_date(value), has.modified) {
                (Some(since), Some(modified)) => {
                    has.is_date_strong && whole_seconds(modified) == since
                }
                _ => false,
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    Strong,
    /// `W/` in front does not matter.
    Weak,
}

impl ETag {
    /// The tag of a file: of its number, its size and the instant at which it was changed, and of the coding
    /// it is sent in.
    #[must_use]
    pub fn of_file(id: (u64, u64), size: u64, modified: SystemTime, coding: &str) -> Self {
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let dash = if coding.is_empty() { "" } else { "-" };
        Self(format!("\"{:x}-{size:x}-{:x}{dash}{coding}\"", id.1, since.as_nanos()))
    }

    /// The tag of what is made anew for each request: the first half of its SHA-256, so that what is the same
    /// again need not be sent again.
    ///
    /// ```
    /// use protocols::http::wire::ETag;
    ///
    /// assert_eq!(ETag::of_bytes(b"").as_str(), "\"e3b0c44298fc1c149afbf4c8996fb924\"");
    /// ```
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let half = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        Self(format!("\"{}\"", half.collect::<String>()))
    }

    /// As it stands in a field, quoted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn equals(&self, other: &[u8], compare: Compare) -> bool {
        match (other.strip_prefix(b"W/"), compare) {
            (Some(opaque), Compare::Weak) => opaque == self.0.as_bytes(),
            (Some(_), Compare::Strong) => false,
            (None, _) => other == self.0.as_bytes(),
        }
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Dates have no fractions, so one that has was changed at the second it stands in.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::Field;
    use super::*;

    const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &[u8] = b"Sun, 06 Nov 1994 08:49:36 GMT";

    fn judge(method: &str, fields: &[(&str, &[u8])]) -> Verdict {
        let all: Vec<_> = fields.iter().map(|&(name, value)| Field::new(name, value)).collect();
        let has = Validators {
            tag: Some(ETag("\"a\"".to_owned())),
            // Half a second later: what has a date is told in whole seconds.
            modified: parse_date(DATE).map(|date| date + Duration::from_millis(500)),
            is_date_strong: true,
        };
        Conditions { method, fields: Fields::new(&all) }.judge(&has)
    }

    #[test]
    fn conditions_are_judged_in_their_order() {
        const WHOLE: Verdict = Verdict::Proceed { ranges: false };
        const DONE: Verdict = Verdict::Proceed { ranges: true };
        for (method, fields, verdict) in [
            ("GET", &[][..], DONE),
            ("GET", &[("If-Match", &b"\"b\", \"a\""[..])][..], DONE),
            ("GET", &[("If-Match", b"*")], DONE),
            ("GET", &[("If-Match", b"W/\"a\"")], Verdict::Failed),
            ("GET", &[("If-Match", b"\"b\"")], Verdict::Failed),
            // With If-Match the date does not count.
            ("GET", &[("If-Match", b"\"a\""), ("If-Unmodified-Since", BEFORE)], DONE),
            ("GET", &[("If-Unmodified-Since", BEFORE)], Verdict::Failed),
            ("GET", &[("If-Unmodified-Since", DATE)], DONE),
            ("GET", &[("If-Unmodified-Since", b"yesterday")], DONE),
            ("GET", &[("If-None-Match", b"\"a\"")], Verdict::NotModified),
            ("HEAD", &[("If-None-Match", b"W/\"a\"")], Verdict::NotModified),
            ("PUT", &[("If-None-Match", b"*")], Verdict::Failed),
            ("GET", &[("If-None-Match", b"\"b\"")], DONE),
            // With If-None-Match the date does not count.
            ("GET", &[("If-None-Match", b"\"b\""), ("If-Modified-Since", DATE)], DONE),
            ("GET", &[("If-Modified-Since", DATE)], Verdict::NotModified),
            (
                "GET",
                &[("If-Modified-Since", b"Sunday, 06-Nov-94 08:49:37 GMT")],
                Verdict::NotModified,
            ),
            ("GET", &[("If-Modified-Since", BEFORE)], DONE),
            ("PUT", &[("If-Modified-Since", DATE)], DONE),
            // A match comes first, and 412 wins over 304.
            ("GET", &[("If-Match", b"\"b\""), ("If-None-Match", b"\"a\"")], Verdict::Failed),
            ("GET", &[("If-Range", b"\"a\"")], DONE),
            ("GET", &[("If-Range", b"W/\"a\"")], WHOLE),
            ("GET", &[("If-Range", b"\"b\"")], WHOLE),
            ("GET", &[("If-Range", DATE)], DONE),
            ("GET", &[("If-Range", BEFORE)], WHOLE),
            ("GET", &[("If-Range", b"soon")], WHOLE),
        ] {
            assert_eq!(judge(method, fields), verdict, "{method} {fields:?}");
        }
    }
}
