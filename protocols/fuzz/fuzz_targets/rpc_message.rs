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
                assert!(id.is_none_or(|id| !id.starts_with(['{', '['])));
                assert!(params.is_none_or(|it| it.starts_with(['{', '['])));
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
