//! Messages of a BitTorrent peer out of a stream: in one piece and cut in two, the same. And what extensions say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::torrent::wire::extension::{Extensions, Metadata, Pex};
use protocols::torrent::wire::message::{Bounds, Decoder, Malformed, Message};
use reactor::Input;

const BOUNDS: Bounds = Bounds { bitfield: 32, block: 64, extended: 200 };

fn cut(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, Malformed> {
    let (mut decoder, mut kept, mut told) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut input = Input::new(&kept);
        while let Some(message) = decoder.next(&mut input, &BOUNDS)? {
            if let Message::Extended { payload, .. } = message {
                let _ = (Extensions::read(payload), Metadata::read(payload), Pex::read(payload));
            }
            let mut written = Vec::new();
            message.write(&mut written);
            told.push(written);
        }
        assert!(input.len() < 5);
        kept = input.to_vec();
    }
    Ok(told)
}

fuzz_target!(|parts: (usize, Vec<u8>)| {
    let (at, bytes) = parts;
    let (front, back) = bytes.split_at(at.min(bytes.len()));
    assert_eq!(cut(&[front, back]), cut(&[&bytes]));
});
