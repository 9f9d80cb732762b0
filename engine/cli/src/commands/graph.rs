//! `dtm graph`: what depends on what, as text, DOT, Mermaid or JSON. Touches nothing.

use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::terminal::Terminal;
use clap::{Args, ValueEnum};
use dtm_lang::value::quote;
use dtm_lang::{InstanceId, Program, Purpose};
use serde_json::json;
use std::fmt::Write;

/// The form of a graph.
#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// By wave, each tool with its dependencies.
    Text,
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
    /// For machines.
    Json,
}

/// The arguments of `dtm graph`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm graph\n  dtm graph --as dot | dot -Tsvg > graph.svg\n  dtm graph --as mermaid"
)]
pub struct GraphArgs {
    #[command(flatten)]
    file: FileArg,
    /// The form.
    #[arg(long = "as", value_name = "FORM", default_value = "text")]
    form: Form,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &GraphArgs) -> Result<Exit, Failure> {
    let (project, diagnostics) = Project::open(global, &args.file, Purpose::Check)?;
    if diagnostics.has_errors() {
        return Err(Failure::all(diagnostics, project.program.sources()));
    }
    let program = &project.program;
    let form = if terminal.json { Form::Json } else { args.form };
    let waves = dtm_engine::plan::waves(program).map_err(|d| Failure::all((*d).into(), program.sources()))?;
    terminal.raw(&match form {
        Form::Text => text(program, &waves),
        Form::Dot => dot(program),
        Form::Mermaid => mermaid(program),
        Form::Json => as_json(program, &waves),
    });
    Ok(Exit::Done)
}

fn tools(program: &Program) -> impl Iterator<Item = (usize, &dtm_lang::Instance)> {
    program.instances().iter().enumerate()
}

fn before<'p>(program: &'p Program, instance: &'p dtm_lang::Instance) -> Vec<&'p str> {
    instance.edges.keys().map(|id: &InstanceId| &*program.instance(*id).addr).collect()
}

fn text(program: &Program, waves: &[usize]) -> String {
    let mut out = String::new();
    for wave in 0..=waves.iter().copied().max().unwrap_or(0) {
        let mut lines: Vec<String> = tools(program)
            .filter(|(i, _)| waves.get(*i) == Some(&wave))
            .map(|(_, t)| match before(program, t).join(", ") {
                after if after.is_empty() => format!("  {}\n", t.addr),
                after => format!("  {}  after {after}\n", t.addr),
            })
            .collect();
        lines.sort();
        if !lines.is_empty() {
            let _ = write!(out, "wave {}\n{}", wave + 1, lines.concat());
        }
    }
    out
}

fn dot(program: &Program) -> String {
    let mut out = String::from("digraph dtm {\n  rankdir = LR\n  node [shape = box]\n");
    for (_, t) in tools(program) {
        let _ = writeln!(
            out,
            "  {} [label = {}]",
            quote(&t.addr),
            quote(&format!("{}\n{}", t.addr, t.kind.path()))
        );
        before(program, t).iter().for_each(|b| _ = writeln!(out, "  {} -> {}", quote(b), quote(&t.addr)));
    }
    out + "}\n"
}

fn mermaid(program: &Program) -> String {
    let mut out = String::from("graph LR\n");
    for (i, t) in tools(program) {
        let _ = writeln!(out, "  t{i}[\"{}\"]", t.addr.replace('"', "#quot;"));
    }
    for (i, t) in tools(program) {
        t.edges.keys().for_each(|b| _ = writeln!(out, "  t{} --> t{i}", b.0));
    }
    out
}

fn as_json(program: &Program, waves: &[usize]) -> String {
    let nodes: Vec<_> = tools(program)
        .map(|(i, t)| json!({ "address": &*t.addr, "kind": t.kind.path(), "wave": waves.get(i).map(|w| w + 1), "after": before(program, t) }))
        .collect();
    format!("{}\n", json!({ "format": crate::view::json::FORMAT, "tools": nodes }))
}
