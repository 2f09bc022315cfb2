//! A node of a chat network, and others that say anything at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/chat/steps.rs"]
mod steps;

fuzz_target!(|steps: Vec<(u8, u8, u8)>| {
    steps::play(steps).unwrap_or_else(|wrong| panic!("{wrong}"));
});
