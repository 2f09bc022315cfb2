//! A text of JSON-RPC: a message, a batch or an error, and never more than JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::rpc::Dialect;
use protocols::rpc::wire::{Message, Text, is_deeper, read};

fuzz_target!(|bytes: &[u8]| {
    for dialect in [Dialect::Two, Dialect::One] {
        let Ok(text) = read(bytes, dialect) else {
            continue;
        };
        let json = std::str::from_utf8(bytes).expect("it was read");
        let _ = is_deeper(json, 8);
        match text {
            Text::One(Message::Request { id, params, .. }) => {
                assert!(id.is_none_or(|id| !id.starts_with(['{', '['])));
                assert!(params.is_none_or(|it| it.get().starts_with(['{', '['])));
            }
            Text::One(_) => {}
            Text::Batch(members) => {
                for member in members {
                    let _ = Message::read(member.get(), dialect).expect("it is JSON");
                }
            }
        }
    }
});
