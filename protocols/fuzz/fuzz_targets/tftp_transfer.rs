//! One side of a transfer, and a peer that sends anything at any time: no panic, no more in answer than a
//! window, and no byte of a file that has not come in order.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use protocols::transfer::tftp::{Bounds, Event, Options, Patience, Transfer};

const BOUNDS: Bounds = Bounds { block_size: 64, window: 8, window_bytes: 512 };

fuzz_target!(|data: &[u8]| {
    let Some((&role, mut rest)) = data.split_first() else { return };
    let mut now = Instant::now();
    let asked = Options { window: Some(4), block_size: Some(16), ..Options::default() };
    let (granted, terms) = asked.grant(&BOUNDS, None);
    let patience = Patience::default();
    let mut transfer = match role % 4 {
        0 => Transfer::ask_to_read(vec![0, 1], asked, patience, now),
        1 => Transfer::ask_to_write(vec![0, 2], asked, patience, now),
        2 => Transfer::send(&terms, &granted, patience, now),
        _ => Transfer::receive(&terms, &granted, patience, now),
    };
    let mut blocks = 0_u32;
    while let Some((&length, behind)) = rest.split_first() {
        let (packet, behind) = behind.split_at(behind.len().min(usize::from(length % 32)));
        rest = behind;
        if let Event::Block { is_last: true, .. } = transfer.handle_packet(packet, now) {
            transfer.handle_stored(now);
        }
        now += Duration::from_millis(u64::from(length) * 8);
        let _ = transfer.handle_timeout(now);
        while let Some(wanted) = transfer.wanted() {
            blocks += 1;
            transfer.handle_block(vec![7; if blocks % 50 == 0 { 0 } else { wanted }]);
        }
        let mut out = Vec::new();
        let sent = std::iter::from_fn(|| transfer.poll_packet(now, &mut out).then(|| out.clear()));
        assert!(sent.count() <= 1 + usize::from(terms.window));
    }
});
