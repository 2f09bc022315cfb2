//! A text of JSON-RPC: a message, a batch or an error, and never more than JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::rpc::Dialect;
use protocols::rpc::wire::{Message, Text, read};

fuzz_target!(|bytes: &[u8]| {
    for dialect in [Dialect::Two, Dialect::One] {
        let Ok(text) = read(bytes, dialect, 8) else {
            continue;
        };
        match text {
            Text::One(Message::Request { id, params, .. }) => {
                let is_opened = |it: &[u8]| it.starts_with(b"{") || it.starts_with(b"[");
                assert!(!id.is_some_and(is_opened) && params.is_none_or(is_opened));
            }
            Text::One(_) => {}
            Text::Batch(members) => {
                for member in members {
                    let _ = Message::read(member, dialect, 8).expect("it is JSON");
                }
            }
        }
    }
});
