//! `dtm list KIND`: the existing objects of a kind, whoever created them, and the `.dts` of the unmanaged ones.

use super::import::{
    Wanted, address_of, check_value, draft, example, kind_of, name_from, source, source_of, with,
};
use super::run::{planning_events, runtime};
use crate::complete;
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::terminal::Terminal;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use dtm_engine::Fields;
use dtm_engine::plan::{Listed, Owners, listed};
use dtm_engine::state::State;
use dtm_lang::interface::Kind;
use dtm_lang::print::on_one_line;
use dtm_lang::wire::{from_wire, to_wire};
use dtm_lang::{Code, Symbol};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The name of the tool that asks.
const ASKS: &str = "dtm_list";

/// The arguments of `dtm list`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm list core.File path=docs\n  dtm list core.File path=docs --dts >> main.dts\n  dtm list scm.Repo destination='{ host = \"folder\", path = \"repos\" }'\n\nThe next `dtm apply` adopts what --dts writes; `dtm import KIND KEY` writes one of them."
)]
pub struct List {
    /// A kind of a plugin, such as `core.File`; or `plugins`, to list the plugins.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    kind: String,
    /// Where to look, by inputs of its key: `path=docs`.
    #[arg(value_name = "NAME=VALUE")]
    within: Vec<String>,
    /// Prints the `.dts` for objects that are in neither the state nor the program.
    #[arg(long)]
    dts: bool,
    /// The program [default: main.dts].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &List) -> Result<Exit, Failure> {
    if args.kind == "plugins" && args.within.is_empty() {
        return super::devstream_compat::plugins(terminal);
    }
    let file = FileArg::of(args.file.clone());
    let found = discover(global, terminal, &file, &args.kind, &args.within)?;
    let mut exit = Exit::Done;
    if args.dts && !terminal.json {
        let mut out = |text: &str| terminal.out(&format!("\n{text}"));
        exit = found.sources(global, terminal, &file, &mut out)?;
    } else {
        for object in &found.objects {
            if terminal.json {
                let (id, key) = (&object.listed.id, &object.listed.key);
                terminal.line(&json!({ "id": id, "key": key, "address": object.address }));
                continue;
            }
            let words: Vec<String> = object.key.iter().map(|(n, v)| format!("{n}={v}")).collect();
            let note = object.address.as_ref().map(|addr| match object.in_state {
                true => terminal.style.dim(&format!("  ({addr})")),
                false => terminal.style.dim(&format!("  ({addr}, not applied yet)")),
            });
            terminal.out(&format!("{}{}\n", words.join(" "), note.unwrap_or_default()));
        }
    }
    if found.objects.is_empty() {
        terminal.note(&format!("There are no objects of `{}` there.", args.kind));
    }
    Ok(exit)
}

/// An object that a plugin lists.
pub(super) struct Object {
    listed: Listed,
    /// Its key, as source.
    key: Vec<(String, String)>,
    /// The tool that it is, in the state or in the program.
    address: Option<String>,
    in_state: bool,
}

/// What exists of a kind.
pub(super) struct Discovered {
    /// The configuration.
    pub(super) project: Project,
    kind: Arc<Kind>,
    path: String,
    state: State,
    objects: Vec<Object>,
}

/// Asks a plugin what exists of a kind.
pub(super) fn discover(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    path: &str,
    words: &[String],
) -> Result<Discovered, Failure> {
    let project = Project::open_valid(global, terminal, file)?;
    let kind = kind_of(&project, path)?;
    let within = within(&kind, words)?;
    let unsaid = |name: &&Symbol| {
        example(&kind, name) != format!("{name}=...") && !within.iter().any(|(n, _)| n == &***name)
    };
    let unsaid = kind.key_inputs().find(unsaid);
    let store = project.store(global, terminal, false)?;
    let state = project.load(terminal, &store)?.state;
    let asking = with(global, file, &draft(ASKS, path, &kind, &within)?)?;
    let (inputs, _) = asking
        .program
        .find(ASKS)
        .map_or_else(Default::default, |id| asking.program.inputs(id, &dtm_lang::NoOutputs));
    let given = |name: &str| within.iter().any(|(n, _)| n == name);
    let given: Fields =
        inputs.iter().filter(|(n, _)| given(n)).map(|(n, v)| (n.to_string(), to_wire(v))).collect();
    let events = planning_events(terminal);
    let found = runtime()?.block_on(async {
        let plugins = asking.plugins(&state, None, events)?;
        Ok::<_, Failure>(listed(&asking.program, ASKS, given, &*plugins).await)
    });
    let found = found?.map_err(|why| {
        let failure =
            Failure::new(Code::E0607, format!("the objects of `{path}` could not be listed: {why}"));
        match unsaid {
            Some(name) => {
                failure.help(format!("say where to look: `dtm list {path} {}`", example(&kind, name)))
            }
            None => failure,
        }
    })?;
    let key = |fields: &Fields| -> Vec<(String, String)> {
        let shown = |name: &str, value: &Value| {
            let ty = &kind.inputs.get(name)?.field.ty;
            from_wire(value, ty).ok().map(|v| on_one_line(&v))
        };
        fields.iter().filter_map(|(n, v)| Some((n.clone(), shown(n, v)?))).collect()
    };
    let owners = Owners::of(&project.program, path);
    // The files of the program itself are not its tools.
    let objects = found.into_iter().filter(|o| !project.is_own(&o.id)).map(|listed| {
        let in_state = address_of(&state, path, &listed.id).map(String::from);
        let address = in_state.clone().or_else(|| owners.of_object(&listed.id, &listed.key));
        Object { key: key(&listed.key), in_state: in_state.is_some(), address, listed }
    });
    let objects = objects.collect();
    Ok(Discovered { kind, path: path.to_string(), state, objects, project })
}

impl Discovered {
    /// The `.dts` of every object that neither the state nor the program has.
    pub(super) fn sources(
        &self,
        global: &Global,
        terminal: &Terminal,
        file: &FileArg,
        out: &mut dyn FnMut(&str),
    ) -> Result<Exit, Failure> {
        let instances = self.project.program.instances().iter();
        let mut taken: BTreeSet<String> =
            instances.filter_map(|i| i.addr.split(['[', '/']).next().map(String::from)).collect();
        let mut exit = Exit::Done;
        for object in self.objects.iter().filter(|o| o.address.is_none()) {
            let (key, id) = (object.key.clone(), object.listed.id.clone());
            let from = key.last().map_or(&*id, |(_, v)| v);
            let name = name_from(from.trim_matches('"'), &self.kind, &|name| taken.contains(name));
            taken.insert(name.clone());
            let wanted = Wanted { name, key, id };
            match source_of(global, terminal, file, &self.state, (&self.path, &self.kind), &wanted) {
                Ok(text) => out(&text),
                // One that cannot be written does not stop the others.
                Err(failure) => {
                    exit = Exit::Failed;
                    let why = failure.diagnostics.iter().next().map(|d| d.headline.clone());
                    terminal.note(&format!("not written: {}", why.unwrap_or_default()));
                }
            }
        }
        Ok(exit)
    }
}

/// Where to look, as inputs in source.
fn within(kind: &Kind, words: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let keys: Vec<&str> = kind.key_inputs().map(|k| &**k).collect();
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').filter(|(name, _)| keys.contains(name))?;
        Some((name.to_string(), source(&kind.inputs[name].field.ty, value)))
    };
    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
        check_value(kind, name, value)?;
    }
    words
        .iter()
        .map(|word| {
            pair(word).ok_or_else(|| {
                let known: Vec<String> = keys.iter().map(|k| format!("`{}`", example(kind, k))).collect();
                Failure::new(Code::E0901, format!("`{word}` does not say where to look"))
                    .help(format!("name an input of the key: {}", known.join(", ")))
                    .usage()
            })
        })
        .collect()
}
