//! permessage-deflate, the bytes of it (RFC 7692, 7.2): what a message is compressed to, and back.
//!
//! ```text
//!   message ──▶ DEFLATE, flushed ──▶ … 00 00 ff ff ──▶ the same without its last four bytes, in frames
//! ```
//!
//! A compressor has 380 KB and a decompressor 47 KB. Where neither keeps anything from one message to the
//! next ("no context takeover"), all connections of a loop share one of each; that is the default.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Violation;

/// How a flushed block ends. It says nothing, so it is not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// What is grown by at a time: little enough that a bomb is seen when it has grown by that.
const STEP: usize = 16 * 1024;

/// Whether anything is kept from one message to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Messages stand alone.
    Fresh,
    /// Each refers to those before it ("context takeover").
    Kept,
}

/// Inflates messages. It costs nothing until there is one.
#[derive(Debug)]
pub struct Inflater {
    context: Context,
    stream: Option<Decompress>,
}

impl Inflater {
    /// An inflater of any window: it always has the largest.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, stream: None }
    }

    /// Adds what a message inflates to behind what is in `out`, which grows to at most `most`.
    ///
    /// # Errors
    ///
    /// [`Violation::InflatesTooLong`] once there is more than that, and [`Violation::NotDeflate`] if it is
    /// no compressed message. Neither leaves an inflater that can go on.
    pub fn inflate(
        &mut self,
        message: &[u8],
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let stream = self.stream.get_or_insert_with(|| Decompress::new(false));
        let result = inflate_piece(stream, message, most, out)
            .and_then(|()| inflate_piece(stream, &TAIL, most, out));
        if self.context == Context::Fresh || result.is_err() {
            stream.reset(false);
        }
        result
    }
}

fn inflate_piece(
    stream: &mut Decompress,
    mut piece: &[u8],
    most: usize,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    loop {
        // One byte more than may be, so that what is too long is seen to be.
        out.reserve(STEP.min((most + 1).saturating_sub(out.len())).max(1));
        let (taken, had) = (stream.total_in(), out.len());
        let status = stream
            .decompress_vec(piece, out, FlushDecompress::None)
            .map_err(|_| Violation::NotDeflate)?;
        if out.len() > most {
            return Err(Violation::InflatesTooLong);
        }
        let taken = (stream.total_in() - taken) as usize;
        piece = piece.get(taken..).unwrap_or_default();
        match status {
            // A block that is marked as the last (7.2.3.4): what follows begins anew.
            Status::StreamEnd => stream.reset(false),
            _ if taken == 0 && out.len() == had => return stuck(piece),
            _ => {}
        }
        // With room left over everything has come out.
        if piece.is_empty() && out.len() < out.capacity() {
            return Ok(());
        }
    }
}

/// Nothing moves any more. That is well if nothing is left.
fn stuck(piece: &[u8]) -> Result<(), Violation> {
    if piece.is_empty() { Ok(()) } else { Err(Violation::NotDeflate) }
}

/// Deflates messages with a window of one size. It costs nothing until there is one.
#[derive(Debug)]
pub struct Deflater {
    context: Context,
    window_bits: u8,
    level: u32,
    stream: Option<Compress>,
}

impl Deflater {
    /// A deflater with a window of `window_bits`, 9 to 15: what is outside is taken for the nearest. (RFC
    /// 7692 has 8 too, which zlib cannot do without a header.)
    #[must_use]
    pub fn new(context: Context, window_bits: u8, level: u32) -> Self {
        Self { context, window_bits: window_bits.clamp(9, 15), level, stream: None }
    }

    /// Adds what a message is compressed to behind what is in `out`.
    pub fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        let stream = self.stream.get_or_insert_with(|| {
            let level = Compression::new(self.level.min(9));
            Compress::new_with_window_bits(level, false, self.window_bits)
        });
        deflate_all(stream, message, out);
        if out[from..].ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        // An empty message: an empty block, of which the tail was cut off (7.2.3.6).
        if out.len() == from {
            out.push(0);
        }
        if self.context == Context::Fresh {
            stream.reset();
        }
    }
}

/// Until there is room left over, not everything has come out, though all of it has gone in.
fn deflate_all(stream: &mut Compress, mut message: &[u8], out: &mut Vec<u8>) {
    loop {
        out.reserve((message.len() / 2).max(64));
        let taken = stream.total_in();
        // It fails if it is called out of order, or where there is nothing to do: never and at the end.
        let result = stream.compress_vec(message, out, FlushCompress::Sync);
        let taken = (stream.total_in() - taken) as usize;
        message = message.get(taken..).unwrap_or_default();
        if result.is_err() || (message.is_empty() && out.len() < out.capacity()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deflated(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Deflater::new(Context::Fresh, 15, 6).deflate(message, &mut out);
        out
    }

    fn inflated(message: &[u8], most: usize) -> Result<Vec<u8>, Violation> {
        let mut out = Vec::new();
        Inflater::new(Context::Fresh).inflate(message, most, &mut out).map(|()| out)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 7692, 7.2.3: "Hello" in one block, stored, with the last-block bit, in two blocks, and nothing.
        for example in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(inflated(example, 5).as_deref(), Ok(&b"Hello"[..]), "{example:x?}");
        }
        assert_eq!(deflated(b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        assert_eq!(deflated(b""), [0]);
        assert_eq!(inflated(&[0], 0).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn a_kept_context_refers_to_what_was_said_before() {
        let mut deflater = Deflater::new(Context::Kept, 15, 6);
        let mut inflater = Inflater::new(Context::Kept);
        let mut lengths = Vec::new();
        for _ in 0..2 {
            let (mut wire, mut plain) = (Vec::new(), Vec::new());
            deflater.deflate(b"Hello", &mut wire);
            inflater.inflate(&wire, 5, &mut plain).expect("it inflates");
            assert_eq!(plain, b"Hello");
            lengths.push(wire.len());
        }
        assert_eq!(lengths, [7, 5], "7.2.3.2");
    }

    #[test]
    fn a_bomb_is_seen_before_it_has_grown() {
        let bomb = deflated(&vec![0; 10_000_000]);
        assert!(bomb.len() < 11_000, "{}", bomb.len());
        let mut out = Vec::new();
        let mut inflater = Inflater::new(Context::Fresh);
        let result = inflater.inflate(&bomb, 100_000, &mut out);
        assert_eq!(result, Err(Violation::InflatesTooLong));
        assert!(out.capacity() < 300_000, "{}", out.capacity());
        // It is shared: the next message is somebody else's.
        out.clear();
        assert_eq!(inflater.inflate(&deflated(b"well"), 4, &mut out), Ok(()));
        assert_eq!(out, b"well");
    }

    proptest! {
        #[test]
        fn what_is_deflated_inflates_to_itself_with_any_window_and_level(
            messages in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..300), 1_usize..200), 1..4),
            window_bits in 8_u8..=16,
            level in 0_u32..=10,
            kept: bool,
        ) {
            let context = if kept { Context::Kept } else { Context::Fresh };
            let mut deflater = Deflater::new(context, window_bits, level);
            let mut inflater = Inflater::new(context);
            for (part, times) in messages {
                let message = part.repeat(times);
                let (mut wire, mut plain) = (Vec::new(), Vec::new());
                deflater.deflate(&message, &mut wire);
                prop_assert_eq!(inflater.inflate(&wire, message.len(), &mut plain), Ok(()));
                prop_assert_eq!(plain, message);
            }
        }

        #[test]
        fn any_bytes_inflate_or_do_not_and_never_to_more_than_may_be(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            most in 0_usize..1_000,
        ) {
            if let Ok(plain) = inflated(&bytes, most) {
                prop_assert!(plain.len() <= most);
            }
        }
    }
}
