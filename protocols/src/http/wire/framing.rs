//! Where a body ends: the decision that smuggling attacks (RFC 9112, 6.3).
//!
//! Two programs that disagree on it see two different next messages. So there is one reading of every head,
//! or none: what could be read in two ways is refused, in both roles.

use super::Refusal;
use super::fields::members;

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes; zero is no body.
    Length(u64),
    /// With the last chunk, and trailers.
    Chunked,
    /// With the connection: responses only.
    UntilEnd,
}

/// What was found of the two fields that frame, while a head is gone through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    length: Option<u64>,
    coding: Option<Coded>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coded {
    /// `chunked`, and nothing else.
    Chunked,
    /// Something else, and `chunked` last.
    ThenChunked,
    /// Something else, and not `chunked`.
    Other,
}

impl Found {
    /// A Content-Length. A second one is refused, and a list as well, even of equal numbers: RFC 9110, 8.6
    /// allows that, and who sends one has copied it from two places.
    pub(super) fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let length = number(value).ok_or(Refusal::Length)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Refusal::Length),
        }
    }

    /// A Transfer-Encoding, which may be one of several that form one list.
    pub(super) fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        // An empty one is a field all the same: others may see a coding in it.
        if members(value).next().is_none() {
            return Err(Refusal::Coding);
        }
        for member in members(value) {
            self.coding = Some(match (self.coding, member.eq_ignore_ascii_case(b"chunked")) {
                // Nothing comes behind it, itself included.
                (Some(Coded::Chunked | Coded::ThenChunked), _) => return Err(Refusal::Coding),
                (None, true) => Coded::Chunked,
                (Some(Coded::Other), true) => Coded::ThenChunked,
                (None | Some(Coded::Other), false) => Coded::Other,
            });
        }
        Ok(())
    }

    /// Whether a request can be framed so.
    #[inline]
    pub(super) fn check_request(&self, is_old: bool) -> Result<(), Refusal> {
        match (self.coding, self.length) {
            (None, _) => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::TwoFramings),
            // HTTP/1.0 has no codings: who passed it on did not look at them (RFC 9112, 6.1).
            (Some(_), None) if is_old => Err(Refusal::Coding),
            (Some(Coded::Chunked), None) => Ok(()),
            (Some(Coded::ThenChunked), None) => Err(Refusal::UnknownCoding),
            (Some(Coded::Other), None) => Err(Refusal::Coding),
        }
    }

    /// How a request is framed that can be: without either field it has no body.
    #[inline]
    pub(super) fn framing(&self) -> Framing {
        match self.coding {
            None => Framing::Length(self.length.unwrap_or(0)),
            Some(_) => Framing::Chunked,
        }
    }

    /// How a response is framed that may have a body: without either field it ends with the connection.
    pub(super) fn of_response(self, is_old: bool) -> Result<Framing, Refusal> {
        match (self.coding, self.length) {
            (None, None) => Ok(Framing::UntilEnd),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (Some(_), Some(_)) => Err(Refusal::TwoFramings),
            (Some(_), None) if is_old => Err(Refusal::Coding),
            (Some(Coded::Chunked), None) => Ok(Framing::Chunked),
            (Some(_), None) => Err(Refusal::UnknownCoding),
        }
    }
}

/// Digits and nothing else, of a number that fits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
