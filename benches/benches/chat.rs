//! `cargo bench -p benches --bench chat`: what a delivery of a chat server costs, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::chat::group());
}

criterion_group!(group, run);
criterion_main!(group);
