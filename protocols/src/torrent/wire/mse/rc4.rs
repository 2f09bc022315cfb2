//! RC4: old, and broken as a cipher for secrets. Here it only has to look like chance.

use std::fmt;

/// Bytes that are dropped at the beginning, since they tell much of the key.
const DROPPED: usize = 1_024;

/// One direction of a connection: what was enciphered with a key is deciphered by the same.
pub struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// A stream of this key, behind the bytes that are dropped.
    #[must_use]
    pub fn new(key: &[u8; 20]) -> Self {
        let mut rc4 = Self::with_key(key);
        rc4.apply(&mut [0; DROPPED]);
        rc4
    }

    fn with_key(key: &[u8]) -> Self {
        let mut state: [u8; 256] = std::array::from_fn(|at| at as u8);
        let mut j = 0_u8;
        for (i, key) in (0..=u8::MAX).zip(key.iter().cycle()) {
            j = j.wrapping_add(state[usize::from(i)]).wrapping_add(*key);
            state.swap(usize::from(i), usize::from(j));
        }
        Self { state, i: 0, j: 0 }
    }

    /// Enciphers, or deciphers, the next bytes of the stream.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        // Each byte waits for the one before: what it waits for is kept out of memory.
        let Self { state, i, j } = self;
        let (mut at, mut other) = (*i, *j);
        for byte in bytes {
            at = at.wrapping_add(1);
            let a = state[usize::from(at)];
            other = other.wrapping_add(a);
            let b = state[usize::from(other)];
            state[usize::from(at)] = b;
            state[usize::from(other)] = a;
            *byte ^= state[usize::from(a.wrapping_add(b))];
        }
        (*i, *j) = (at, other);
    }
}

impl fmt::Debug for Rc4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rc4").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_rfc_6229() {
        // Keys of 40 and 128 bits, at the beginning and at byte 1,024.
        for (key, first, later) in [
            (&[1, 2, 3, 4, 5][..], 0xb239_6305_f03d_c027, 0x30ab_bcc7_c20b_0160),
            (
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
                0x9ac7_cc9a_609d_1ef7,
                0xbdf0_324e_6083_dcc6,
            ),
        ] {
            let mut rc4 = Rc4::with_key(key);
            let mut stream = [0; DROPPED + 8];
            rc4.apply(&mut stream);
            assert_eq!(stream[..8], u64::to_be_bytes(first));
            assert_eq!(stream[DROPPED..], u64::to_be_bytes(later));
        }
    }
}
