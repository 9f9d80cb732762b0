//! `dtm output [NAME]`: the outputs of the last apply.

use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::state_of;
use crate::terminal::Terminal;
use crate::view::paper::Paper;
use crate::view::{summary, value};
use clap::Args;
use dtm_lang::wire::plain;
use dtm_lang::{Code, Diagnostic};
use serde_json::Value;
use std::path::PathBuf;

/// The arguments of `dtm output`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm output\n  dtm output url            a string is written without quotes\n  dtm output --json\n  dtm output password --reveal"
)]
pub struct OutputArgs {
    /// The output to show; by default, all.
    name: Option<String>,
    /// Shows a secret.
    #[arg(long, requires = "name")]
    reveal: bool,
    /// The program [default: main.dts].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &OutputArgs) -> Result<Exit, Failure> {
    let (_, store, _) = state_of(global, &FileArg::of(args.file.clone()))?;
    let outputs = store.load()?.state.outputs;
    let Some(name) = &args.name else {
        match terminal.json {
            true => terminal.line(&Value::Object(value::masked_fields(&outputs))),
            false if outputs.is_empty() => terminal.out("There are no outputs.\n"),
            false => terminal.out(&summary::outputs(&outputs, Paper::of(terminal))),
        }
        return Ok(Exit::Done);
    };
    let Some(found) = outputs.get(name) else {
        let d = Diagnostic::new(Code::E0606, format!("no output `{name}` is in the state"));
        return Err(Failure::of(d.nearest(name, outputs.keys().map(|k| &**k))));
    };
    let shown = if args.reveal { plain(found) } else { value::masked(found) };
    match (&shown, terminal.json) {
        (_, true) => terminal.line(&shown),
        (Value::String(s), false) => terminal.raw(&format!("{s}\n")),
        (other, false) => terminal.out(&format!("{}\n", value::text(other))),
    }
    Ok(Exit::Done)
}
