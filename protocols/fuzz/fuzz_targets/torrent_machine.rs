//! A torrent's machine, and peers that say anything at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/torrent/steps.rs"]
mod steps;

fuzz_target!(|steps: Vec<(u8, u8, u8)>| {
    steps::play(steps).unwrap_or_else(|wrong| panic!("{wrong}"));
});
