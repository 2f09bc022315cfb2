//! `cargo bench -p benches --bench echo`: what an echo costs, beside the peers.
//!
//! With BENCH_TEN_THOUSAND in the environment it measures ten thousand connections as well.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::echo::group());
}

criterion_group!(group, run);
criterion_main!(group);
