//! permessage-deflate: any bytes inflate or do not, never to more than may be, and what is deflated inflates to
//! itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::websocket::wire::{Context, Deflater, Inflater};

const MOST: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let [choice, bytes @ ..] = bytes else { return };
    let mut out = Vec::new();
    let mut inflater = Inflater::new(Context::Fresh);
    if inflater.inflate(bytes, MOST, &mut out).is_ok() {
        assert!(out.len() <= MOST);
    }
    // Whatever that was, the next message is somebody else's.
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    Deflater::new(Context::Fresh, choice % 16, u32::from(choice / 16)).deflate(bytes, &mut wire);
    assert_eq!(inflater.inflate(&wire, bytes.len(), &mut plain), Ok(()));
    assert_eq!(plain, bytes);
});
