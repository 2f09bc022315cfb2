//! WebSocket frames: any bytes are messages or a violation, the same however they are cut, and never more than
//! the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::websocket::wire::{Context, Decoder, Inflater, Rules, Scratch};
use protocols::websocket::{Limits, Role, Violation};
use reactor::Input;

/// What comes of the stream, as text; the first two bytes say who sends and where it is cut.
fn hear<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    sender: Role,
    limits: &Limits,
) -> (Vec<String>, Option<Violation>) {
    let rules = Rules { sender, deflate: true, limits };
    let (mut scratch, mut inflater) = (Scratch::default(), Inflater::new(Context::Fresh));
    let mut decoder = Decoder::default();
    let (mut kept, mut heard) = (Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut input = Input::new(&kept);
        loop {
            match decoder.next(&mut input, &rules, &mut scratch, &mut inflater) {
                Ok(Some(event)) => heard.push(format!("{event:?}")),
                Ok(None) => break,
                Err(violation) => return (heard, Some(violation)),
            }
        }
        assert!(input.len() < 14 + 125);
        kept = input.to_vec();
    }
    (heard, None)
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, size, stream @ ..] = bytes else { return };
    let sender = if choice % 2 == 0 { Role::Client } else { Role::Server };
    let limits =
        Limits { frame: 1_000, message: 2_000, inflated: 4_000, fragments: 20, ..Limits::default() };
    let whole = hear([stream], sender, &limits);
    let cut = hear(stream.chunks(usize::from(*size).max(1)), sender, &limits);
    assert_eq!(whole, cut);
});
