//! `cargo bench -p benches --bench connect`: what a connection costs, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::connect::group());
}

criterion_group!(group, run);
criterion_main!(group);
