//! `dtm eval EXPRESSION`: computes an expression inside of a configuration.

use crate::args::Cli;
use crate::desk::Desk;
use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;
use crate::view::value::masked;
use clap::Args;
use dtm_lang::print::print;
use dtm_lang::value::Data;
use dtm_lang::wire::to_wire;
use dtm_lang::{Code, Diagnostic};
use std::path::PathBuf;

/// The arguments of `dtm eval`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm eval '1h30m * 2'\n  dtm eval 'keys(repo)' --set env=prod\n  dtm eval 'repo[\"cart\"].url' --json\n  dtm eval --type services\n\nOutputs of tools are what the state says; what is not there yet shows as (known after apply). A secret\nis never shown. Without a configuration the expression stands alone."
)]
pub struct Eval {
    /// The expression; `-` reads it from standard input.
    #[arg(value_name = "EXPRESSION", allow_hyphen_values = true)]
    expression: String,
    /// The configuration [default: main.dts, if it is there].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Shows the type in place of the value.
    #[arg(long = "type")]
    ty: bool,
}

pub(super) fn run(cli: &Cli, terminal: &Terminal, args: &Eval) -> Result<Exit, Failure> {
    let expression = match args.expression.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(|e| {
            Failure::of(Diagnostic::new(Code::E0903, format!("cannot read standard input: {e}")))
        })?,
        given => given.to_string(),
    };
    let desk = Desk::open(cli, args.file.clone())?;
    let computed = desk.compute("", expression.trim());
    terminal.diagnostics(&computed.diagnostics, &computed.sources);
    let Some((ty, value)) = computed.found.filter(|(_, v)| !v.is_error()) else { return Ok(Exit::Failed) };
    match (args.ty, terminal.json) {
        (true, true) => terminal.line(&ty.to_string().into()),
        (true, false) => terminal.out(&format!("{ty}\n")),
        (false, true) => terminal.line(&masked(&to_wire(&value))),
        (false, false) => match &value.data {
            // A text of its own is wanted as it is, as `dtm output NAME` gives it.
            Data::String(text) if !value.secret => terminal.out(&format!("{text}\n")),
            _ => terminal.out(&format!("{}\n", print(&value, terminal.width()))),
        },
    }
    Ok(Exit::Done)
}
