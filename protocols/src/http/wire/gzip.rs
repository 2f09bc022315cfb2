//! The content coding gzip (RFC 1952; RFC 9110, 8.4.1.3), both ways.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use thiserror::Error;

use crate::http::InflateLimits;

/// A body that comes in compressed: what is fed into it comes out longer, within bounds.
///
/// ```
/// use protocols::http::InflateLimits;
/// use protocols::http::wire::{Gunzip, gzip};
///
/// let packed = gzip(&[b'x'; 10_000]);
/// assert!(packed.len() < 100);
/// let mut gunzip = Gunzip::new(&InflateLimits::default());
/// let (mut rest, mut text) = (&packed[..], Vec::new());
/// while !rest.is_empty() {
///     text.extend(gunzip.next(&mut rest)?);
/// }
/// gunzip.finish()?;
/// assert_eq!(text, [b'x'; 10_000]);
/// # Ok::<(), protocols::http::wire::NotInflated>(())
/// ```
#[derive(Debug)]
pub struct Gunzip {
    inner: MultiGzDecoder<Vec<u8>>,
    limits: InflateLimits,
    taken: u64,
    given: u64,
}

/// Why a compressed body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotInflated {
    /// It is not what it says that it is, or not all of it.
    #[error("it is no gzip, or not all of it")]
    Malformed,
    /// It becomes longer than [`InflateLimits`] allows: a bomb.
    #[error("it becomes too long")]
    Bomb,
    /// It is in a coding that was not asked for.
    #[error("it is in a coding that is not known")]
    Unknown,
}

/// What is decompressed at once. Nothing becomes more than 1,032 times as long (zlib's own bound), so what comes
/// of it is a megabyte at most.
const PIECE: usize = 1024;

impl Gunzip {
    /// At the beginning of a body.
    #[must_use]
    pub fn new(limits: &InflateLimits) -> Self {
        let inner = MultiGzDecoder::new(Vec::new());
        Self { inner, limits: limits.clone(), taken: 0, given: 0 }
    }

    /// What the next bytes stand for, which are taken from the front of `input`; perhaps nothing yet.
    ///
    /// # Errors
    ///
    /// See [`NotInflated`]; nothing can be decompressed behind it.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Vec<u8>, NotInflated> {
        let (piece, rest) = input.split_at(input.len().min(PIECE));
        *input = rest;
        // Else it keeps some of what it has made of it.
        let written = self.inner.write_all(piece).and_then(|()| self.inner.flush());
        written.map_err(|_| NotInflated::Malformed)?;
        self.taken += piece.len() as u64;
        let bytes = std::mem::take(self.inner.get_mut());
        self.given += bytes.len() as u64;
        let most = self.taken.saturating_mul(self.limits.ratio).max(self.limits.free);
        if self.given > most { Err(NotInflated::Bomb) } else { Ok(bytes) }
    }

    /// The body is over: whether it was whole. All that it stands for has been given by then.
    ///
    /// # Errors
    ///
    /// See [`NotInflated`].
    pub fn finish(mut self) -> Result<(), NotInflated> {
        // An empty body is none: what there was to say was said by the head.
        if self.taken > 0 {
            self.inner.try_finish().map_err(|_| NotInflated::Malformed)?;
        }
        debug_assert!(self.inner.get_ref().is_empty(), "it was flushed");
        Ok(())
    }
}

/// Compresses all of something, to be sent as a body. It takes a while for what is long: away from the loop.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        GzEncoder::new(Vec::with_capacity(bytes.len() / 3 + 64), Compression::default());
    // Neither can fail: it is memory.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inflate(mut bytes: &[u8], limits: &InflateLimits) -> Result<Vec<u8>, NotInflated> {
        let (mut gunzip, mut out) = (Gunzip::new(limits), Vec::new());
        while !bytes.is_empty() {
            out.extend(gunzip.next(&mut bytes)?);
        }
        gunzip.finish().map(|()| out)
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = gzip(&vec![0; 50_000_000]);
        assert!(bomb.len() < 60_000);
        assert_eq!(inflate(&bomb, &InflateLimits::default()), Err(NotInflated::Bomb));
        let patient = InflateLimits { ratio: 2_000, ..InflateLimits::default() };
        assert_eq!(inflate(&bomb, &patient).map(|out| out.len()), Ok(50_000_000));
        // What is short may be as dense as it likes.
        let dense = gzip(&vec![0; 1_000_000]);
        assert_eq!(inflate(&dense, &InflateLimits::default()).map(|out| out.len()), Ok(1_000_000));
    }

    #[test]
    fn what_is_not_whole_is_not_taken_for_whole() {
        let limits = InflateLimits::default();
        let packed = gzip(b"hello, hello, hello");
        for length in 1..packed.len() {
            assert_eq!(
                inflate(&packed[..length], &limits),
                Err(NotInflated::Malformed),
                "{length}"
            );
        }
        assert_eq!(inflate(b"", &limits), Ok(Vec::new()));
        assert_eq!(inflate(b"hello, hello, hello", &limits), Err(NotInflated::Malformed));
        let mut wrong = packed.clone();
        let sum = wrong.len() - 8;
        wrong[sum] ^= 1;
        assert_eq!(inflate(&wrong, &limits), Err(NotInflated::Malformed));
        // Two members are one body (RFC 1952, 2.2).
        let twice = [packed.clone(), packed].concat();
        assert_eq!(inflate(&twice, &limits).as_deref(), Ok(&b"hello, hello, hello".repeat(2)[..]));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_it_ends(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = inflate(&bytes, &InflateLimits::default());
            let back = inflate(&gzip(&bytes), &InflateLimits::default());
            prop_assert_eq!(back, Ok(bytes));
        }
    }
}
