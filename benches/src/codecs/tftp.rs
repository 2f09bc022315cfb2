//! TFTP's datagrams, as a transfer sends them: blocks of a file.

use std::hint::black_box;
use std::rc::Rc;

use protocols::transfer::tftp::Packet;

use super::Codec;

const BLOCKS: u16 = 200;
/// Opcode, block number, and 512 bytes (RFC 1350, 5).
const DATAGRAM: usize = 4 + 512;

pub(super) fn codec() -> Codec {
    Codec {
        name: "tftp",
        text: text(),
        messages: usize::from(BLOCKS),
        decoders: vec![("std", std), ("reactor", ours)],
    }
}

fn text() -> Rc<[u8]> {
    let datagram = |block: u16| {
        let [high, low] = block.to_be_bytes();
        let mut bytes = vec![b'x'; DATAGRAM];
        bytes[..4].copy_from_slice(&[0, 3, high, low]);
        bytes
    };
    (1..=BLOCKS).flat_map(datagram).collect()
}

/// The opcode and the number of the block: no other packets, and no errors.
fn std(text: &[u8]) -> usize {
    let block = |datagram: &[u8]| match datagram {
        [0, 3, high, low, ..] => Some(black_box(u16::from_be_bytes([*high, *low]))),
        _ => None,
    };
    text.chunks(DATAGRAM).filter_map(block).count()
}

fn ours(text: &[u8]) -> usize {
    text.chunks(DATAGRAM).filter_map(|datagram| Packet::parse(datagram).ok()).map(black_box).count()
}
