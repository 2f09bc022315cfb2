//! The groups of measurements, run by criterion: `cargo bench -p benches` all of them,
//! `cargo bench -p benches -- '^echo,'` those whose names begin so.
//!
//! With BENCH_TEN_THOUSAND in the environment it measures ten thousand connections as well.

use std::time::Duration;

use benches::work::{Case, Contender, Group};
use benches::{Result, groups};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

/// Short, as there are many of them; the report takes longer, and turns.
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURING: Duration = Duration::from_millis(1500);
const SAMPLES: usize = 10;

criterion_group!(all, run);
criterion_main!(all);

/// Runs every case of every group, its contenders one after the other.
fn run(criterion: &mut Criterion) {
    for group in groups::all() {
        for case in &group.cases {
            run_case(criterion, &group, case);
        }
    }
}

fn run_case(criterion: &mut Criterion, group: &Group, case: &Case) {
    let mut benchmarks = criterion.benchmark_group(format!("{}, {}", group.name, case.name));
    benchmarks
        .sampling_mode(SamplingMode::Flat)
        .sample_size(SAMPLES)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASURING)
        .throughput(Throughput::Elements(1));
    for contender in &case.contenders {
        run_contender(&mut benchmarks, case, contender);
    }
    benchmarks.finish();
}

/// The contender starts when criterion first asks for it: it may have been told to leave it out.
fn run_contender(
    benchmarks: &mut BenchmarkGroup<'_, WallTime>,
    case: &Case,
    contender: &Contender,
) {
    let mut work = None;
    benchmarks.bench_function(&contender.name, |bencher| {
        bencher.iter_custom(|units| {
            let work = work.get_or_insert_with(|| or_panic(contender.start()));
            or_panic(work.run(units)).scaled(case.clock, units)
        });
    });
}

/// Criterion knows no benchmark that fails.
fn or_panic<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
