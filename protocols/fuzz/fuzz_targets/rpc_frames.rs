//! Texts of JSON-RPC out of a stream: in one piece and cut in two, the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::rpc::Framing;
use protocols::rpc::wire::{Frame, Framer};
use reactor::Input;

const CEILING: usize = 64;

fn cut(framing: Framing, pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    let (mut framer, mut kept, mut texts) = (Framer::new(framing, CEILING), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut input = Input::new(&kept);
        loop {
            match framer.next(&mut input) {
                Frame::Whole(text) => {
                    assert!(text.len() <= CEILING);
                    texts.push(Some(text.to_vec()));
                }
                Frame::TooLong => texts.push(None),
                Frame::Partial => break,
                Frame::Broken(_) => {
                    texts.push(None);
                    return texts;
                }
            }
        }
        kept = input.to_vec();
    }
    texts
}

fuzz_target!(|parts: (usize, Vec<u8>)| {
    let (at, bytes) = parts;
    let (front, back) = bytes.split_at(at.min(bytes.len()));
    for framing in [Framing::Lines, Framing::ContentLength, Framing::Bare] {
        assert_eq!(cut(framing, &[front, back]), cut(framing, &[&bytes]));
    }
});
