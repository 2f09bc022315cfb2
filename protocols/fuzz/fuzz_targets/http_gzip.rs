//! Compressed bodies: any bytes become others within the limits, or are refused; what is compressed becomes itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::http::InflateLimits;
use protocols::http::wire::{Gunzip, NotInflated, gzip};

fn inflate(mut bytes: &[u8], limits: &InflateLimits) -> Result<Vec<u8>, NotInflated> {
    let (mut gunzip, mut out) = (Gunzip::new(limits), Vec::new());
    while !bytes.is_empty() {
        out.extend(gunzip.next(&mut bytes)?);
    }
    gunzip.finish().map(|()| out)
}

fuzz_target!(|bytes: &[u8]| {
    let limits = InflateLimits { free: 100_000, ratio: 50 };
    if let Ok(out) = inflate(bytes, &limits) {
        assert!(out.len() as u64 <= limits.free.max(limits.ratio * bytes.len() as u64));
    }
    assert_eq!(inflate(&gzip(bytes), &InflateLimits::default()).as_deref(), Ok(bytes));
});
