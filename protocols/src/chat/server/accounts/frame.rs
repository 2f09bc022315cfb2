//! Changes that are kept together or not at all: numbered, with their length and a checksum.
//!
//! ```text
//!   @ 42 71 9c0ffee1              number, bytes that follow, CRC-32 of both and of those bytes
//!   nick Ann ann|away
//!   topic #lobby 1764000200 Ann Welcome, all of you
//! ```
//!
//! A crash can only harm the last frame, since a frame is begun when the one before it is on the disk.
//! So what is behind the last whole frame is what a crash has left, unless a whole frame with a higher
//! number comes later: then something else has damaged what somebody was told was kept.

use crc32fast::Hasher;

/// Appends a frame.
pub(super) fn write(out: &mut Vec<u8>, number: u64, payload: &[u8]) {
    let head = format!("{number} {}", payload.len());
    let sum = checksum(&head, payload);
    out.extend_from_slice(format!("@ {head} {sum:08x}\n").as_bytes());
    out.extend_from_slice(payload);
}

/// A frame that was found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) payload: &'a [u8],
    /// Bytes of all of it.
    pub(super) length: usize,
}

/// Reads the frame at the front; `None` if there is no whole one.
pub(super) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let head = read_head(bytes)?;
    let payload = bytes[head.length..].get(..head.payload)?;
    let is_whole = format!("{:08x}", checksum(head.summed, payload)) == head.sum;
    let length = head.length + head.payload;
    is_whole.then_some(Frame { number: head.number, payload, length })
}

/// Whether a whole frame with at least this number comes later: one that was begun when whatever is
/// at the front was on the disk.
///
/// It begins a line, or where the damaged one says it ends. Not anywhere: people choose what topics
/// say, and one that looks like a frame should not be able to keep a server from starting.
pub(super) fn is_followed_by(bytes: &[u8], number: u64) -> bool {
    let lines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let next = read_head(bytes).and_then(|head| head.length.checked_add(head.payload));
    next.into_iter()
        .chain(lines)
        .any(|at| bytes.get(at..).and_then(read).is_some_and(|frame| frame.number >= number))
}

/// The first line of a frame.
struct Head<'a> {
    number: u64,
    /// Bytes that follow the line.
    payload: usize,
    /// Number and length, as they are part of the checksum.
    summed: &'a str,
    sum: &'a str,
    /// Bytes of the line, with its end.
    length: usize,
}

fn read_head(bytes: &[u8]) -> Option<Head<'_>> {
    // Two numbers of twenty digits and a checksum are shorter than that.
    let end = bytes.iter().take(64).position(|&byte| byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?.strip_prefix("@ ")?;
    let (summed, sum) = line.rsplit_once(' ')?;
    let (number, payload) = summed.split_once(' ')?;
    let (number, payload) = (number.parse().ok()?, payload.parse().ok()?);
    Some(Head { number, payload, summed, sum, length: end + 1 })
}

fn checksum(head: &str, payload: &[u8]) -> u32 {
    let mut sum = Hasher::new();
    sum.update(head.as_bytes());
    sum.update(b"\n");
    sum.update(payload);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(number: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, number, payload);
        out
    }

    #[test]
    fn a_frame_is_read_back_and_what_follows_is_left() {
        let bytes = [&frame(7, b"nick a b\n")[..], b"@ 8"].concat();
        let read = read(&bytes).expect("it is whole");
        assert_eq!((read.number, read.payload), (7, &b"nick a b\n"[..]));
        assert_eq!(&bytes[read.length..], b"@ 8");
    }

    #[test]
    fn a_frame_cut_or_changed_anywhere_is_none() {
        let whole = frame(7, b"nick a b\n");
        for at in 0..whole.len() {
            assert_eq!(read(&whole[..at]), None, "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(read(&changed), None, "changed at {at}");
        }
    }

    #[test]
    fn a_topic_that_looks_like_a_frame_is_not_one() {
        let forged = String::from_utf8(frame(9, b"")).expect("text");
        let torn = format!("@ 7 500 00000000\ntopic #a 1 ann {forged}");
        assert!(!is_followed_by(torn.as_bytes(), 8));
    }

    #[test]
    fn a_later_frame_is_found_behind_damage() {
        let bytes = [b"damage\n", &frame(8, b"drop a\n")[..]].concat();
        assert!(is_followed_by(&bytes, 8));
        assert!(!is_followed_by(&bytes, 9));
        assert!(!is_followed_by(&bytes[..bytes.len() - 1], 8));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = (read(&bytes), is_followed_by(&bytes, 0));
        }
    }
}
