//! Whole-process benchmarks: the rows of the engine's and language's speed tables, on graphs of `core.Value`.
//! `cargo bench -p dtm-tests`; `-- --quick` for a first look.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dtm_tests::bench::{Graph, Project};
use std::path::Path;

fn dtm() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_dtm-under-test"))
}

fn checks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    group.sample_size(20);
    for (name, tools) in [("1,000 lines", 250), ("10,000 layered tools", 10_000), ("50,000 lines", 12_500)] {
        let project = Project::new(dtm(), Graph::Layered, tools);
        group.bench_function(name, |b| b.iter(|| project.run(&["check", "-q"])));
    }
    group.finish();
}

fn plans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    let project = Project::new(dtm(), Graph::Layered, 10_000);
    group.bench_function("10,000 new layered", |b| b.iter(|| project.run(&["plan", "-q"])));
    let project = Project::new(dtm(), Graph::Wide, 10_000);
    project.run(&["apply", "-y", "-q"]);
    group.bench_function("10,000 unchanged wide", |b| b.iter(|| project.run(&["plan", "-q"])));
    group.finish();
}

fn applies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply and destroy");
    group.sample_size(10);
    for (name, graph, tools) in [
        ("1,000 layered", Graph::Layered, 1_000),
        ("1,000 wide", Graph::Wide, 1_000),
        ("10,000 wide", Graph::Wide, 10_000),
    ] {
        group.bench_function(format!("apply {name}"), |b| {
            b.iter_batched(
                || Project::new(dtm(), graph, tools),
                |p| {
                    p.run(&["apply", "-y", "-q"]);
                    p
                },
                BatchSize::PerIteration,
            );
        });
        let applied = || {
            let project = Project::new(dtm(), graph, tools);
            project.run(&["apply", "-y", "-q"]);
            project
        };
        group.bench_function(format!("destroy {name}"), |b| {
            b.iter_batched(
                applied,
                |p| {
                    p.run(&["destroy", "-y", "-q"]);
                    p
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// 2 s is what the things themselves take.
fn waits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply, --parallelism 100");
    group.sample_size(10);
    group.bench_function("1,000 things of 0.2 s", |b| {
        b.iter_batched(
            || Project::slow(dtm(), 1_000),
            |p| {
                p.run(&["apply", "-y", "-q", "--parallelism", "100"]);
                p
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn version(criterion: &mut Criterion) {
    let project = Project::new(dtm(), Graph::Wide, 1);
    criterion.bench_function("version", |b| b.iter(|| project.run(&["version"])));
}

criterion_group!(benches, checks, plans, applies, waits, version);
criterion_main!(benches);
