//! Encrypted connections: whatever comes, both sides bear it, keep no more than a pad, and do the same however it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::torrent::InfoHash;
use protocols::torrent::wire::mse::{Accepting, Dialling, Encryption};

const HASH: InfoHash = InfoHash::new([7; 20]);

fn cut(pieces: &[&[u8]]) -> (Vec<u8>, Vec<bool>) {
    let (mut number, mut out) = (1, Vec::new());
    let mut random = || {
        number = u64::wrapping_mul(number, 0x5851_f42d_4c95_7f2d) + 1;
        number
    };
    let mut accepting = Accepting::new(Encryption::Allow, &mut random);
    let mut dialling = Dialling::new(HASH, Encryption::Allow, b"first", &mut random, &mut out);
    let mut came_of_it = [false; 2];
    for piece in pieces {
        let accepted = accepting.handle(piece, [HASH].into_iter(), &mut random, &mut out);
        came_of_it[0] |= accepted.is_err();
        came_of_it[1] |= dialling.handle(piece, &mut out).is_err();
    }
    assert!(out.len() <= 2 * (96 + 512) + 200);
    (out, came_of_it.to_vec())
}

fuzz_target!(|parts: (usize, Vec<u8>)| {
    let (at, bytes) = parts;
    let (front, back) = bytes.split_at(at.min(bytes.len()));
    let (whole, in_two) = (cut(&[&bytes]), cut(&[front, back]));
    assert_eq!(whole.1, in_two.1);
});
