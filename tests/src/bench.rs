//! Projects for benchmarks: graphs of `core.Value`, the same work as Terraform's `terraform_data`.

use crate::sandbox::Sandbox;
use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;

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
            _ => format!("\"{i}\""),
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

    /// Runs dtm in it.
    ///
    /// # Panics
    /// When that fails.
    pub fn run(&self, args: &[&str]) {
        let status = self.sandbox.dtm().args(args).stdout(Stdio::null()).status().expect("dtm starts");
        assert!(status.success(), "dtm {args:?}: {status}");
    }
}
