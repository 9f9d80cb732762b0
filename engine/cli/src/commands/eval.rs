//! `dtm eval EXPRESSION`: computes an expression inside of a configuration.

use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::params::inputs;
use crate::scratch::Scratch;
use crate::source::{Source, source};
use crate::terminal::Terminal;
use crate::view::value::{SECRET, masked};
use clap::{Args, ValueEnum};
use dtm_devstream as devstream;
use dtm_lang::print::print;
use dtm_lang::value::Data;
use dtm_lang::wire::{plain, tag, to_wire};
use dtm_lang::{Code, Diagnostic, Purpose};
use serde_json::Value;
use std::path::PathBuf;

/// The arguments of `dtm eval`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm eval '1h30m * 2'\n  dtm eval 'keys(repo)' --set env=prod\n  dtm eval 'repo[\"cart\"].url' --json\n  dtm eval --type services\n  dtm eval --as devstream config.yaml --json\n\nOutputs of tools come from the state; those that do not exist yet show as (known after apply). A secret is never shown. Without a configuration, the expression is evaluated on its own."
)]
pub struct Eval {
    /// The expression; `-` reads it from standard input. With `--as`, the file.
    #[arg(value_name = "EXPRESSION", allow_hyphen_values = true)]
    expression: String,
    /// Shows the tools that a DevStream configuration describes, with apps expanded.
    #[arg(long = "as", value_name = "FORM", conflicts_with_all = ["file", "ty"])]
    form: Option<Form>,
    /// Shows secrets too; only with `--as`.
    #[arg(long, requires = "form")]
    reveal: bool,
    /// The program [default: main.dts, if it exists].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Shows the type in place of the value.
    #[arg(long = "type")]
    ty: bool,
}

/// What a configuration may be shown as.
#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// An object with the `tools` that DevStream would have made of it.
    Devstream,
}

/// The tools of a configuration in DevStream's YAML.
fn tools(global: &Global, terminal: &Terminal, args: &Eval) -> Result<Exit, Failure> {
    let file = FileArg::of(Some(PathBuf::from(&args.expression)));
    let Source { name, loader, .. } = source(&file)?;
    if !devstream::is_yaml(&name) {
        let headline = format!("`{name}` is not a DevStream configuration");
        return Err(Failure::new(Code::E0901, headline)
            .help("name a `.yaml` file, or a folder of them")
            .usage());
    }
    let (value, program, diagnostics) =
        devstream::tools(&name, loader, &inputs(global, &file)?, Purpose::Plan);
    terminal.diagnostics(&diagnostics, program.sources());
    let Some(value) = value.filter(|v| !diagnostics.has_errors() && v.is_known()) else {
        return Ok(Exit::Failed);
    };
    let value = to_wire(&value);
    let shown = if args.reveal { plain(&value) } else { plain(&hidden(&masked(&value))) };
    let shown = serde_json::json!({ (devstream::TOOLS): shown });
    match terminal.json {
        true => terminal.line(&shown),
        false => terminal.out(&format!("{shown:#}\n")),
    }
    Ok(Exit::Done)
}

/// What DevStream had no word for: secrets among options, by their names, and what comes from the environment.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Object(fields) if tag(fields).is_some() => SECRET.into(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let is_secret =
                    devstream::is_secret(key) && value.as_str().is_some_and(|text| !text.is_empty());
                (key.clone(), if is_secret { SECRET.into() } else { hidden(value) })
            };
            fields.iter().map(field).collect()
        }
        Value::Array(items) => items.iter().map(hidden).collect(),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf.clone(),
    }
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Eval) -> Result<Exit, Failure> {
    if args.form.is_some() {
        return tools(global, terminal, args);
    }
    let expression = match args.expression.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(|e| {
            Failure::of(Diagnostic::new(Code::E0903, format!("cannot read standard input: {e}")))
        })?,
        given => given.to_string(),
    };
    let scratch = Scratch::open(global, args.file.clone())?;
    let computed = scratch.compute("", expression.trim());
    terminal.diagnostics(&computed.diagnostics, &computed.sources);
    let Some((ty, value)) = computed.found.filter(|(_, v)| !v.is_error()) else { return Ok(Exit::Failed) };
    match (args.ty, terminal.json) {
        (true, true) => terminal.line(&ty.to_string().into()),
        (true, false) => terminal.out(&format!("{ty}\n")),
        (false, true) => terminal.line(&masked(&to_wire(&value))),
        (false, false) => match (&value.data, value.secret) {
            // A text of its own is wanted as it is, as `dtm output NAME` gives it.
            (Data::String(text), false) => terminal.raw(&format!("{text}\n")),
            _ => terminal.out(&format!("{}\n", print(&value, terminal.width()))),
        },
    }
    Ok(Exit::Done)
}
