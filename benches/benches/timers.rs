//! `cargo bench -p benches --bench timers`: what timers cost, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::timers::group());
}

criterion_group!(group, run);
criterion_main!(group);
