//! `dtm show [TOOL]`: what is in state.

use super::devstream_compat::{self, Shown};
use crate::complete;
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::state_of;
use crate::terminal::Terminal;
use crate::view::paper::Paper;
use crate::view::summary::fields;
use crate::view::value::masked;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use dtm_engine::Fields;
use dtm_engine::address::{self, ToolAddr, typed};
use dtm_engine::difference::visible;
use dtm_engine::secret::Redactor;
use dtm_engine::state::{Entry, State, Status};
use dtm_lang::{Code, Diagnostic};
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments of `dtm show`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm show\n  dtm show 'repo[\"cart\"]'\n  dtm show repo             a family with all its members\n  dtm show readme --json"
)]
pub struct Show {
    /// A tool, a family or a component; without it, everything.
    #[arg(add = ArgValueCandidates::new(complete::state))]
    tool: Option<String>,
    #[command(flatten)]
    shown: Shown,
    /// The program [default: main.dts].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Show) -> Result<Exit, Failure> {
    // As DevStream had it; a tool of that name is shown by `dtm state show`.
    match args.tool.as_deref() {
        Some("config") => return devstream_compat::config(terminal, &args.shown),
        Some("status") => return devstream_compat::status(global, terminal, args.file.clone(), &args.shown),
        _ if args.shown.any() => {
            return Err(Failure::new(
                Code::E0901,
                "this option works only with `show config` and `show status`",
            )
            .usage());
        }
        _ => {}
    }
    let (around, store, _) = state_of(global, &FileArg::of(args.file.clone()))?;
    let state = store.load()?.state;
    tools(terminal, &state, args.tool.as_deref(), &around.redactor)
}

/// Shows one tool or all of them.
pub(super) fn tools(
    terminal: &Terminal,
    state: &State,
    tool: Option<&str>,
    redactor: &Redactor,
) -> Result<Exit, Failure> {
    // A secret that came back in an output is one there too.
    let hide = |mut entry: Entry| {
        entry.inputs = redactor.tagged(entry.inputs);
        entry.outputs = redactor.tagged(entry.outputs);
        entry.private = redactor.tag(entry.private);
        entry.id = entry.id.map(|id| redactor.mask(&id));
        for retired in &mut entry.retired {
            retired.id = redactor.mask(&retired.id);
            retired.inputs = redactor.tagged(std::mem::take(&mut retired.inputs));
            retired.outputs = redactor.tagged(std::mem::take(&mut retired.outputs));
            retired.private = redactor.tag(std::mem::take(&mut retired.private));
        }
        entry
    };
    let chosen = match tool {
        Some(tool) => named(state, tool)?,
        None => state.tools.iter().collect(),
    };
    let tools: Vec<(&ToolAddr, Entry)> =
        chosen.into_iter().map(|(a, e)| (a, hide(Entry::clone(e)))).collect();
    // One tool is one value; a family is a list of them, even of one member.
    if let (Some(tool), [(addr, entry)], true) = (tool, &*tools, terminal.json)
        && ***addr == *typed(tool)
    {
        terminal.line(&json(addr, entry));
        return Ok(Exit::Done);
    }
    if terminal.json {
        terminal.line(&Value::Array(tools.iter().map(|(a, e)| json(a, e)).collect()));
    } else if tools.is_empty() {
        terminal.out("The state is empty.\n");
    } else {
        let all: Vec<String> = tools.iter().map(|(a, e)| text(a, e, terminal)).collect();
        terminal.page(&all.join("\n"));
    }
    Ok(Exit::Done)
}

/// The entry of one tool.
pub(super) fn find<'s>(state: &'s State, tool: &str) -> Result<(&'s ToolAddr, &'s Entry), Failure> {
    let found = state.tools.get_key_value(&*typed(tool)).map(|(addr, entry)| (addr, &**entry));
    found.ok_or_else(|| unknown(state, tool))
}

/// The entries that an address names: of a tool, a family or a component.
pub(super) fn named<'s>(
    state: &'s State,
    tool: &str,
) -> Result<Vec<(&'s ToolAddr, &'s Arc<Entry>)>, Failure> {
    match address::named(&state.tools, &typed(tool)) {
        none if none.is_empty() => Err(unknown(state, tool)),
        these => Ok(these),
    }
}

fn unknown(state: &State, tool: &str) -> Failure {
    let d = Diagnostic::new(Code::E0606, format!("no tool `{tool}` is in the state"));
    let names = address::names(state.tools.keys().map(|addr| &**addr));
    Failure::of(d.nearest(tool, names))
}

fn json(addr: &str, entry: &Entry) -> Value {
    let mut value = masked(&serde_json::to_value(entry).unwrap_or(Value::Null));
    value["address"] = addr.into();
    value
}

fn text(addr: &str, entry: &Entry, terminal: &Terminal) -> String {
    let style = terminal.style;
    let mut out = format!("{}: {}.{}", style.bold(&visible(addr)), entry.plugin.name, entry.kind);
    if entry.status != Status::Ok {
        let _ = write!(out, "  {}", style.red(&format!("({})", entry.status.name())));
    }
    out.push('\n');
    if let Some(id) = &entry.id {
        let _ = writeln!(out, "  id = {}", dtm_lang::value::quote(id));
    }
    let mut part = |what: &str, values: &Fields| {
        if !values.is_empty() {
            let _ = writeln!(out, "  {}", style.dim(what));
        }
        let mut paper: Paper = Paper::of(terminal);
        fields(&mut paper, 4, values);
        out += &paper.out;
    };
    part("inputs", &entry.inputs);
    part("outputs", &entry.outputs);
    if !entry.deps.is_empty() {
        let _ = writeln!(out, "  {} {}", style.dim("after"), visible(&entry.deps.join(", ")));
    }
    for retired in &entry.retired {
        let id = dtm_lang::value::quote(&retired.id);
        let _ = writeln!(out, "  {} {id}", style.dim("replaced, has yet to be deleted:"));
        if !retired.deps.is_empty() {
            let _ = writeln!(out, "    {} {}", style.dim("after"), visible(&retired.deps.join(", ")));
        }
    }
    out
}
