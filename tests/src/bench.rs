//! Projects for benchmarks: graphs of `core.Value`, the same work as Terraform's `terraform_data`.

use crate::plugins::build_c;
use crate::sandbox::Sandbox;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The shape of a graph.
#[derive(Clone, Copy, Debug)]
pub enum Graph {
    /// No edges.
    Wide,
    /// Layers of 100, each tool with three references into the layer before.
    Layered,
}

/// A program of so many tools.
pub fn program(graph: Graph, tools: usize) -> String {
    let mut out = String::from("dts 1\n\n");
    for i in 0..tools {
        let value = match graph {
            Graph::Layered if i >= 100 => {
                let layer = (i / 100 - 1) * 100;
                let refs = (0..3).map(|k| format!("t{}.id", layer + (i * 7 + k * 13) % 100));
                format!("[{}]", refs.collect::<Vec<_>>().join(", "))
            }
            Graph::Wide | Graph::Layered => format!("\"{i}\""),
        };
        let _ = writeln!(out, "tool t{i}: core.Value {{\n  value = {value}\n}}\n");
    }
    out
}

/// A project with such a program.
pub struct Project {
    sandbox: Sandbox,
}

impl Project {
    /// Writes it into a temporary directory.
    pub fn new(dtm: &Path, graph: Graph, tools: usize) -> Project {
        let sandbox = Sandbox::new(dtm);
        sandbox.write("main.dts", program(graph, tools));
        Project { sandbox }
    }

    /// So many things that take 0.2 s each, of a plugin in C.
    ///
    /// # Panics
    /// When there is no C compiler.
    pub fn slow(dtm: &Path, tools: usize) -> Project {
        let sandbox = Sandbox::new(dtm);
        build_c(&sandbox, "faulty", &[]);
        sandbox.write(
            "main.dts",
            format!("dts 1\n\nplugins {{ faulty = \"./libfaulty.so\" }}\n\ntool t[n in 0..{tools} by \"${{n}}\"]: faulty.Thing {{ name = \"t${{n}}\", fault = \"slow\" }}\n"),
        );
        Project { sandbox }
    }

    /// Runs dtm in it.
    ///
    /// # Panics
    /// When that fails.
    pub fn run(&self, args: &[&str]) {
        let status = self.sandbox.dtm().args(args).stdout(Stdio::null()).status().expect("dtm starts");
        assert!(status.success(), "dtm {args:?}: {status}");
    }
}

/// The best of five: the machine may be busy with other things.
pub fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    (0..5)
        .map(|_| {
            let started = Instant::now();
            std::hint::black_box(work());
            started.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// Wall time and peak memory, in MB, of a command of dtm as a process, in a folder.
///
/// # Panics
/// When it cannot be started.
pub fn process_in(folder: &Path, dtm: &Path, command: &str) -> (Duration, u64) {
    // The kernel tells the peak of a process that is still there; a shell that waits can read it.
    let script = format!(
        "\"$0\" {command} >/dev/null 2>&1 & pid=$!; peak=0; while kill -0 $pid 2>/dev/null; do now=$(awk '/VmHWM/ {{print $2}}' /proc/$pid/status 2>/dev/null); [ \"${{now:-0}}\" -gt $peak ] && peak=$now; done; echo $peak"
    );
    let out =
        Command::new("sh").arg("-c").arg(script).arg(dtm).current_dir(folder).output().expect("it runs");
    let peak = String::from_utf8_lossy(&out.stdout).trim().parse::<u64>().unwrap_or(0);
    let args: Vec<&str> = command.split(' ').collect();
    let took = best(|| Command::new(dtm).args(&args).current_dir(folder).output());
    (took, peak / 1024)
}
