//! A body as it comes in.

use super::{Chunks, Fields, Framing, Refusal};
use crate::http::BodyLimits;

/// A body as it comes in: fed with what was read, it returns what of that belongs to it.
#[derive(Debug)]
pub enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks, which need to be told apart.
    Chunked(Box<Chunks>),
    /// Everything, up to the end of the connection.
    UntilEnd,
}

/// What was taken from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A piece of the body, never empty.
    Data(&'a [u8]),
    /// Nothing: more has to be read.
    NotYet,
    /// Nothing: the body is over.
    End,
}

impl Body {
    /// The body of a message that is framed so.
    #[must_use]
    pub fn new(framing: Framing, limits: &BodyLimits) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Box::new(Chunks::new(limits))),
            Framing::UntilEnd => Self::UntilEnd,
        }
    }

    /// The next piece, taken from the front of `input`.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that says what is wrong with a chunk.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, Refusal> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Chunked(chunks) => chunks.next(input),
            Self::Length(_) | Self::UntilEnd if input.is_empty() => Ok(Piece::NotYet),
            Self::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at(length);
                *input = rest;
                *left -= length as u64;
                Ok(Piece::Data(data))
            }
            Self::UntilEnd => Ok(Piece::Data(std::mem::take(input))),
        }
    }

    /// The connection has ended: whether the body is whole (RFC 9112, 8).
    #[must_use]
    pub fn ends_whole(&self) -> bool {
        matches!(self, Self::UntilEnd | Self::Length(0))
    }

    /// The trailers behind it, when it is over; none if it is not chunked.
    pub fn with_trailers<R>(&self, act: impl FnOnce(Fields<'_>) -> R) -> R {
        let none = || Fields::new(&[]);
        match self {
            Self::Chunked(chunks) => {
                let mut act = Some(act);
                let done = chunks.with_trailers(|trailers| act.take().map(|act| act(trailers)));
                match (done, act) {
                    (Ok(Some(result)), _) => result,
                    (_, Some(act)) => act(none()),
                    (_, None) => unreachable!("it was called, or it is still here"),
                }
            }
            Self::Length(_) | Self::UntilEnd => act(none()),
        }
    }
}
