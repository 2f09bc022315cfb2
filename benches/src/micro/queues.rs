//! What waits to be sent, on its way in and out: bytes that are shared, and bytes that are copied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use super::{Microbenchmark, rival};
use crate::outbox::{Outbox, Spares};

/// Bytes of a message.
const SIZE: usize = 64;

/// Pieces of one vectored write.
const MOST: usize = 64;

/// Messages that wait together.
const DEPTHS: [usize; 2] = [1, 16];

/// The message that is shared.
static MESSAGE: [u8; SIZE] = [b'q'; SIZE];

/// Messages that are queued by reference, and messages that are copied into the queue; they leave in one write.
pub fn all() -> Vec<Microbenchmark> {
    let of = |depth| {
        let named = |how, rivals| {
            let name = format!("{depth} {how} messages in and out");
            Microbenchmark { name, unit: "message", rivals }
        };
        let shared = vec![
            rival("vec-deque", move || deque_of_shared(depth)),
            rival("reactor", move || outbox_of_shared(depth)),
        ];
        let copied = vec![
            rival("vec-deque", move || deque_of_copies(depth)),
            rival("reactor", move || outbox_of_copies(depth)),
            rival("bytes-mut", move || buffer_of_copies(depth)),
        ];
        [named("shared", shared), named("copied", copied)]
    };
    DEPTHS.into_iter().flat_map(of).collect()
}

/// Rounds of so many messages each, at least as many messages as asked for: bytes that were sent in all.
fn rounds(depth: usize, mut round: impl FnMut() -> usize) -> impl FnMut(u64) -> u64 {
    move |units| (0..units.div_ceil(depth as u64)).map(|_| round() as u64).sum()
}

/// What a vectored write would be told.
fn length_of(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

fn deque_of_shared(depth: usize) -> impl FnMut(u64) -> u64 {
    let (mut queue, message) = (VecDeque::new(), Bytes::copy_from_slice(&MESSAGE));
    rounds(depth, move || {
        queue.extend((0..depth).map(|_| message.clone()));
        let sent = match queue.make_contiguous() {
            [only] => length_of(&[IoSlice::new(only)]),
            all => {
                let mut slices = [IoSlice::new(&[]); MOST];
                for (slice, bytes) in slices.iter_mut().zip(all) {
                    *slice = IoSlice::new(bytes);
                }
                length_of(&slices)
            }
        };
        queue.clear();
        sent
    })
}

fn outbox_of_shared(depth: usize) -> impl FnMut(u64) -> u64 {
    let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
    let message = Bytes::copy_from_slice(&MESSAGE);
    rounds(depth, move || {
        for _ in 0..depth {
            outbox.push(message.clone(), &mut spares);
        }
        send(&mut outbox, &mut spares)
    })
}

fn deque_of_copies(depth: usize) -> impl FnMut(u64) -> u64 {
    let mut queue = VecDeque::new();
    rounds(depth, move || {
        for _ in 0..depth {
            queue.extend(&MESSAGE);
        }
        let (front, back) = queue.as_slices();
        let sent = length_of(&[IoSlice::new(front), IoSlice::new(back)]);
        queue.clear();
        sent
    })
}

fn outbox_of_copies(depth: usize) -> impl FnMut(u64) -> u64 {
    let (mut outbox, mut spares) = (Outbox::default(), Spares::default());
    rounds(depth, move || {
        for _ in 0..depth {
            outbox.push_copy(&MESSAGE, &mut spares);
        }
        send(&mut outbox, &mut spares)
    })
}

fn buffer_of_copies(depth: usize) -> impl FnMut(u64) -> u64 {
    let mut buffer = BytesMut::new();
    rounds(depth, move || {
        for _ in 0..depth {
            buffer.extend_from_slice(&MESSAGE);
        }
        let length = length_of(&[IoSlice::new(&buffer)]);
        buffer.advance(length);
        length
    })
}

/// All of it at once, as the kernel nearly always takes it.
fn send(outbox: &mut Outbox, spares: &mut Spares) -> usize {
    let length = match outbox.only() {
        Some(bytes) => length_of(&[IoSlice::new(bytes)]),
        None => {
            let mut slices = [IoSlice::new(&[]); MOST];
            let count = outbox.slices(&mut slices);
            length_of(&slices[..count])
        }
    };
    outbox.advance(length, spares);
    length
}
