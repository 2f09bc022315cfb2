//! Masks: what a client does to its bytes so that no proxy takes them for HTTP (RFC 6455, 5.3).

/// What a short message is unmasked into, with a header of two bytes the longest there is.
pub(in crate::websocket) type Room = [[u8; 32]; 4];

/// The key of one frame, as far as it has been used.
///
/// ```
/// use protocols::websocket::wire::Mask;
///
/// let mut bytes = *b"hello, world";
/// let mut mask = Mask::new([1, 2, 3, 4]);
/// // In as many pieces as one likes: the key goes on where it was.
/// mask.apply(&mut bytes[..5]);
/// mask.apply(&mut bytes[5..]);
/// Mask::new([1, 2, 3, 4]).apply(&mut bytes);
/// assert_eq!(&bytes, b"hello, world");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// The key as a number whose lowest byte is the next to be used.
    key: u32,
}

impl Mask {
    /// What a server's frames have: none. Applying it changes nothing.
    pub const NONE: Self = Self { key: 0 };

    /// A key of which nothing has been used.
    #[must_use]
    pub fn new(key: [u8; 4]) -> Self {
        Self { key: u32::from_le_bytes(key) }
    }

    /// Copies what fits, masked or unmasked.
    #[inline]
    pub(super) fn copy<'t>(mut self, from: &[u8], to: &'t mut Room) -> &'t [u8] {
        let (blocks, rest) = from.as_chunks::<32>();
        for (to, block) in to.iter_mut().zip(blocks) {
            for (to, four) in to.as_chunks_mut().0.iter_mut().zip(block.as_chunks().0) {
                *to = (u32::from_le_bytes(*four) ^ self.key).to_le_bytes();
            }
        }
        if let (false, Some(to)) = (rest.is_empty(), to.get_mut(blocks.len())) {
            to[..rest.len()].copy_from_slice(rest);
            self.apply(to);
        }
        let to = to.as_flattened();
        to.get(..from.len()).unwrap_or(to)
    }

    /// Masks what is plain, and unmasks what is masked.
    ///
    /// Eight bytes at a time, of which compilers make what the widest registers of a machine hold.
    #[inline]
    pub fn apply(&mut self, bytes: &mut [u8]) {
        if self.key == 0 {
            return;
        }
        let wide = u64::from(self.key) << 32 | u64::from(self.key);
        let (eights, rest) = bytes.as_chunks_mut::<8>();
        for eight in eights {
            *eight = (u64::from_le_bytes(*eight) ^ wide).to_le_bytes();
        }
        if !rest.is_empty() {
            for (byte, key) in rest.iter_mut().zip(wide.to_le_bytes()) {
                *byte ^= key;
            }
            self.key = self.key.rotate_right(8 * (rest.len() % 4) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6455, 5.7: a masked text message "Hello".
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        Mask::new([0x37, 0xfa, 0x21, 0x3d]).apply(&mut bytes);
        assert_eq!(&bytes, b"Hello");
    }

    proptest! {
        #[test]
        fn it_is_the_byte_by_byte_definition_however_it_is_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            key: [u8; 4],
            cut in 0_usize..100,
        ) {
            let expected: Vec<u8> =
                bytes.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let mut room = Room::default();
            prop_assert_eq!(Mask::new(key).copy(&bytes, &mut room), &expected);
            let mut bytes = bytes;
            let cut = cut.min(bytes.len());
            let (front, back) = bytes.split_at_mut(cut);
            let mut mask = Mask::new(key);
            mask.apply(front);
            mask.apply(back);
            prop_assert_eq!(bytes, expected);
        }
    }
}
