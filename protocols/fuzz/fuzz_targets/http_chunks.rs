//! Chunked bodies: any bytes are one, or the beginning of one, or are refused; the same however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::http::BodyLimits;
use protocols::http::wire::{Chunks, Piece, Refusal};

/// The body, how much of the input is behind it, and whether it is over.
fn read(bytes: &[u8], cut: usize) -> Result<(Vec<u8>, usize, bool), Refusal> {
    let mut chunks = Chunks::new(&BodyLimits::default());
    let (mut body, mut left) = (Vec::new(), bytes.len());
    for mut part in bytes.chunks(cut) {
        loop {
            let before = part.len();
            let piece = chunks.next(&mut part)?;
            left -= before - part.len();
            match piece {
                Piece::Data(data) => body.extend_from_slice(data),
                Piece::NotYet => break,
                Piece::End => return Ok((body, left, true)),
            }
        }
    }
    Ok((body, left, false))
}

fuzz_target!(|bytes: &[u8]| {
    if let [cut, bytes @ ..] = bytes {
        let whole = read(bytes, bytes.len().max(1));
        assert_eq!(read(bytes, usize::from(*cut).max(1)), whole);
        if let Ok((body, _, _)) = whole {
            assert!(body.len() <= bytes.len());
        }
    }
});
