//! `cargo bench -p benches --bench messages`: what a message from another thread costs, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::messages::group());
}

criterion_group!(group, run);
criterion_main!(group);
