//! `dtm list KIND`: what exists of a kind, whoever made it, and the `.dts` for what is not managed yet.

use super::import::{Wanted, address_of, draft, kind_of, name_from, source, source_of, with};
use super::run::{planning_events, runtime};
use crate::args::{Cli, FileArg};
use crate::exit::{Exit, Failure};
use crate::project::Project;
use crate::terminal::Terminal;
use clap::Args;
use dtm_engine::Fields;
use dtm_engine::plan::listed;
use dtm_lang::Code;
use dtm_lang::interface::Kind;
use dtm_lang::print::on_one_line;
use dtm_lang::wire::{from_wire, to_wire};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The name of the tool that asks.
const ASKS: &str = "dtm_list";

/// The arguments of `dtm list`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm list core.File path=docs\n  dtm list core.File path=docs --dts >> main.dts\n  dtm list scm.Repo destination='{ host = \"folder\", path = \"repos\" }'\n\nWhat is written with --dts is taken over by the next `dtm apply`; `dtm import KIND KEY` writes one of them."
)]
pub struct List {
    /// A kind of a plugin: `core.File`; or `plugins`, for what there is of those.
    kind: String,
    /// Where to look, by inputs of its key: `path=docs`.
    #[arg(value_name = "NAME=VALUE")]
    within: Vec<String>,
    /// Writes the `.dts` for what is not in state yet.
    #[arg(long)]
    dts: bool,
    /// The configuration [default: main.dts].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(cli: &Cli, terminal: &Terminal, args: &List) -> Result<Exit, Failure> {
    if args.kind == "plugins" && args.within.is_empty() {
        return super::habits::plugins(terminal);
    }
    let file = FileArg::of(args.file.clone());
    let project = Project::sound(cli, terminal, &file)?;
    let kind = kind_of(&project, &args.kind)?;
    let within = within(&kind, args)?;
    let store = project.store(cli, terminal, false)?;
    let state = project.load(terminal, &store)?.state;
    let asking = with(cli, &file, &draft(ASKS, &args.kind, &kind, &within)?)?;
    let (inputs, _) = asking
        .program
        .find(ASKS)
        .map_or_else(Default::default, |id| asking.program.inputs(id, &dtm_lang::NoOutputs));
    let given = |name: &str| within.iter().any(|(n, _)| n == name);
    let given: Fields =
        inputs.iter().filter(|(n, _)| given(n)).map(|(n, v)| (n.to_string(), to_wire(v))).collect();
    let events = planning_events(terminal);
    let found = runtime()?.block_on(async {
        let plugins = asking.plugins(&state, None, events);
        listed(&asking.program, ASKS, given, &plugins).await
    });
    let found = found.map_err(|why| {
        Failure::new(Code::E0607, format!("what there is of `{}` could not be listed: {why}", args.kind))
    })?;
    let key = |fields: &Fields| -> Vec<(String, String)> {
        let shown = |name: &str, value: &Value| {
            let ty = &kind.inputs.get(name)?.field.ty;
            from_wire(value, ty).ok().map(|v| on_one_line(&v))
        };
        fields.iter().filter_map(|(n, v)| Some((n.clone(), shown(n, v)?))).collect()
    };
    let mut taken: BTreeSet<String> = project
        .program
        .instances()
        .iter()
        .filter_map(|i| i.addr.split('[').next().map(String::from))
        .collect();
    let mut failed = false;
    // What the program itself is made of is nobody's tool.
    for object in found.iter().filter(|o| !project.is_own(&o.id)) {
        let (key, address) = (key(&object.key), address_of(&state, &args.kind, &object.id));
        if terminal.json {
            terminal.line(&json!({ "id": object.id, "key": object.key, "address": address }));
            continue;
        }
        let words: Vec<String> = key.iter().map(|(n, v)| format!("{n}={v}")).collect();
        match (args.dts, address) {
            (true, Some(_)) => {}
            (true, None) => {
                let from = key.last().map_or(&*object.id, |(_, v)| v);
                let name = name_from(from.trim_matches('"'), &kind, &|name| taken.contains(name));
                taken.insert(name.clone());
                let wanted = Wanted { name, key, id: object.id.clone() };
                match source_of(cli, terminal, &file, &state, (&args.kind, &kind), &wanted) {
                    Ok(text) => terminal.out(&format!("\n{text}")),
                    // One that cannot be written is no reason to leave the others.
                    Err(failure) => {
                        failed = true;
                        let why = failure.diagnostics.iter().next().map(|d| d.headline.clone());
                        terminal.note(&format!("not written: {}", why.unwrap_or_default()));
                    }
                }
            }
            (false, Some(address)) => {
                terminal.out(&format!(
                    "{}  {}\n",
                    words.join(" "),
                    terminal.style.dim(&format!("({address})"))
                ));
            }
            (false, None) => terminal.out(&format!("{}\n", words.join(" "))),
        }
    }
    if found.is_empty() {
        terminal.note(&format!("There is nothing of `{}` there.", args.kind));
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Where to look, as inputs in source.
fn within(kind: &Kind, args: &List) -> Result<Vec<(String, String)>, Failure> {
    let keys: Vec<&str> = kind.key_inputs().map(|k| &**k).collect();
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').filter(|(name, _)| keys.contains(name))?;
        Some((name.to_string(), source(&kind.inputs[name].field.ty, value)))
    };
    args.within
        .iter()
        .map(|word| {
            pair(word).ok_or_else(|| {
                let known: Vec<String> = keys.iter().map(|k| format!("`{k}=...`")).collect();
                Failure::new(Code::E0901, format!("`{word}` does not say where to look"))
                    .help(format!("name an input of the key: {}", known.join(", ")))
                    .usage()
            })
        })
        .collect()
}
