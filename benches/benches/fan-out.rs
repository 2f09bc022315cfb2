//! `cargo bench -p benches --bench fan-out`: what a delivery costs, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::fan_out::group());
}

criterion_group!(group, run);
criterion_main!(group);
