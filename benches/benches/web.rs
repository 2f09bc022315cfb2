//! `cargo bench -p benches --bench web`: what a request of a web server costs, beside the peers.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn run(criterion: &mut Criterion) {
    support::run(criterion, &benches::groups::web::group());
}

criterion_group!(group, run);
criterion_main!(group);
