//! The growth rate t(2n)/t(n) of every step from 1,000 to 64,000 tools, printed as a table; 2 is linear.
//! `cargo bench -p dtm-tests --bench growth`

use dtm_tests::bench::{Graph, Project};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

fn timed(project: &Project, args: &[&str]) -> Duration {
    let started = Instant::now();
    project.run(args);
    started.elapsed()
}

fn main() {
    // `cargo test` and `cargo bench --no-run` pass flags of their own; a name filter is not needed here.
    let mut out = std::io::stdout();
    for graph in [Graph::Wide, Graph::Layered] {
        let _ = writeln!(
            out,
            "\n{graph:?}      {}",
            ["check", "plan", "apply", "plan again", "destroy"].map(|s| format!("{s:>18}")).concat()
        );
        let mut before: Option<[Duration; 5]> = None;
        for tools in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000] {
            // The best of three: the machine may be busy with other things.
            let mut best = [Duration::MAX; 5];
            for _ in 0..3 {
                let p = Project::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")), graph, tools);
                let steps: [&[&str]; 5] = [
                    &["check", "-q"],
                    &["plan", "-q"],
                    &["apply", "-y", "-q"],
                    &["plan", "-q"],
                    &["destroy", "-y", "-q"],
                ];
                for (i, args) in steps.iter().enumerate() {
                    best[i] = best[i].min(timed(&p, args));
                }
            }
            let cell = |i: usize| {
                let ms = best[i].as_secs_f64() * 1000.0;
                let ratio = before
                    .map(|b| format!(" x{:.2}", best[i].as_secs_f64() / b[i].as_secs_f64()))
                    .unwrap_or_default();
                format!("{:>18}", format!("{ms:.0} ms{ratio}"))
            };
            let _ = writeln!(out, "{tools:>8} {}", (0..5).map(cell).collect::<String>());
            before = Some(best);
        }
    }
}
