//! `cargo bench -p benches --bench datagrams`: what a datagram costs, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::datagrams::group());
}

criterion_group!(group, run);
criterion_main!(group);
