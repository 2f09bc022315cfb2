//! NATS out of a stream, both ways: in one piece and cut in two, the same; what is read means the same when it is written
//! anew. And what is inside of it: headers, `INFO`, complaints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::nats::wire::{Bounds, Decoder, Malformed, Op, ServerError, ServerInfo, subject};

const BOUNDS: Bounds = Bounds { line: 128, info: 512, payload: 300 };

fn cut(pieces: &[&[u8]]) -> (Vec<u8>, Option<Malformed>) {
    let (mut decoder, mut told) = (Decoder::new(BOUNDS), Vec::new());
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.next(&mut input) {
                Ok(Some(op)) => {
                    look_into(&op);
                    op.write(&mut told);
                }
                Ok(None) => break,
                Err(malformed) => return (told, Some(malformed)),
            }
        }
        assert!(input.is_empty());
    }
    (told, None)
}

fn look_into(op: &Op<'_>) {
    match op {
        Op::Info(json) => drop(ServerInfo::read(json)),
        Op::Err(text) => drop(ServerError::read(text)),
        Op::Msg(delivery) => {
            if let Some(headers) = delivery.headers {
                let _ = (headers.status(), headers.iter().count());
            }
            if let Ok(text) = std::str::from_utf8(delivery.subject)
                && subject::check(text).is_ok()
            {
                assert!(subject::matches(text, text) && subject::matches(">", text));
            }
        }
        _ => {}
    }
}

fuzz_target!(|parts: (usize, Vec<u8>)| {
    let (at, bytes) = parts;
    let (front, back) = bytes.split_at(at.min(bytes.len()));
    let (told, error) = cut(&[&bytes]);
    assert_eq!(cut(&[front, back]), (told.clone(), error));
    // A complaint in quotes has them twice when it is written: that is all that may change.
    if !told.windows(4).any(|word| word == b"-ERR") {
        assert_eq!(cut(&[&told]).0, told);
    }
});
