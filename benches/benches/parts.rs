//! `cargo bench -p benches --bench parts`: what the loop's slots and queues cost, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::parts::group());
}

criterion_group!(group, run);
criterion_main!(group);
