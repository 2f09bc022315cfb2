//! `cargo bench -p benches --bench codecs`: what it costs to find a message in bytes, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::codecs::group());
}

criterion_group!(group, run);
criterion_main!(group);
