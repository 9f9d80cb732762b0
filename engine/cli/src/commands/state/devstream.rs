//! `dtm state import --devstream`: what DevStream made becomes known, without touching it or the file that it is noted in.

use crate::exit::{Exit, Failure, reason};
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::source::unreadable;
use crate::store::guard;
use crate::terminal::Terminal;
use crate::view::count;
use dtm_devstream as devstream;
use dtm_engine::address::ToolAddr;
use dtm_engine::project::FileLoader;
use dtm_engine::state::{Entry, OpKey, PluginRef, Record, Status, now};
use dtm_lang::interface::Recover;
use dtm_lang::loader::Around;
use dtm_lang::wire::{tag, to_wire};
use dtm_lang::{
    Diagnostic, Diagnostics, Inputs, InstanceId, NoOutputs, Program, Purpose, Severity, Sources, Span,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The name that the state has as a configuration.
const MADE: &str = "devstream-state.yaml";

/// Imports a state file of DevStream's. What is in it is put into ours as begun and not known to have ended: the next plan looks for
/// each by its key, and takes over what it finds.
pub(in crate::commands) fn import(
    global: &Global,
    terminal: &Terminal,
    config: &FileArg,
    file: &Path,
) -> Result<Exit, Failure> {
    let made = program(file)?;
    let project = Project::open_valid(global, terminal, config)?;
    let store = project.store(global, terminal, false)?;
    guard(&project.around, &project.file, &project.place()?, &store, project.program.param_selects_state())?;
    let mut session = project.lock(global, terminal, "state import", &store, false)?;
    let mut state = session.loaded().state.clone();
    let mut records = vec![Record::Root { root: project.file.clone() }];
    let (mut known, mut unplanned, mut told) = (0, vec![], vec![]);
    let addresses = addresses(&project.program, &made, &mut unplanned);
    for (number, instance) in made.instances().iter().enumerate() {
        let id = InstanceId(number as u32);
        let addr = &addresses[&id];
        if state.tools.contains_key(addr) {
            known += 1;
            continue;
        }
        if !matches!(instance.kind.recover, Recover::Key) {
            told.push(format!("`{}` is left out: its plugin is unknown", instance.addr));
            continue;
        }
        let interface = made.plugins().get(&instance.plugin).map(|p| p.plugin.hash.to_string());
        let inputs = made.inputs(id, &NoOutputs).0;
        let entry = Entry {
            plugin: PluginRef {
                name: (&instance.plugin).into(),
                interface: interface.unwrap_or_default(),
                ..PluginRef::default()
            }
            .into(),
            kind: (&instance.kind.name).into(),
            place: Default::default(),
            using: None,
            id: None,
            inputs: inputs.iter().map(|(name, value)| (name.to_string(), to_wire(value))).collect(),
            outputs: Default::default(),
            private: Default::default(),
            deps: instance.edges.keys().filter_map(|dep| addresses.get(dep).cloned()).collect(),
            protect: false,
            timeout: None,
            status: Status::Imported,
            op: OpKey::fresh(),
            // What is found by its key is what DevStream made.
            absent_before: true,
            retired: vec![],
            time: now(),
        };
        records.push(Record::Begin { addr: addr.clone(), entry: entry.into() });
    }
    let imported = records.len() - 1;
    if imported > 0 {
        state.serial = session.append(&records)?;
        records.into_iter().for_each(|r| state.apply(r));
        session.snapshot(&state)?;
    }
    told.iter().for_each(|t| terminal.note(&format!("note: {t}")));
    for addr in &unplanned {
        terminal.note(&format!("note: `{addr}` is not a tool of `{}`: an apply deletes it", project.file));
    }
    if known > 0 {
        terminal.note(&format!("{} in state already.", count(known, "tool")));
    }
    terminal.note(&format!("Imported {}. `{}` was only read.", count(imported, "tool"), file.display()));
    if imported > 0 {
        terminal.note(&format!(
            "The next plan looks for each of them and adopts it: `{}`.",
            project.command("plan")
        ));
    }
    Ok(Exit::Done)
}

/// What DevStream made, as a program.
pub(in crate::commands) fn program(file: &Path) -> Result<Program, Failure> {
    let bytes = std::fs::read(file).map_err(|e| unreadable(file, &reason(&e)))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(file, "it is not UTF-8"))?;
    let mut sources = Sources::default();
    let id = sources.add(file.display().to_string(), text.as_str());
    let yaml = devstream::state(id, &text).map_err(|d| Failure::all(d, &Arc::new(sources)))?;
    let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
    let inner = Arc::new(FileLoader::new(folder, String::new(), &crate::EXTENSIONS));
    let loader = Around::loader(inner, move |inner, path| match path {
        MADE => Ok(yaml.clone().into_bytes()),
        _ => inner.read(path),
    });
    let (program, problems) = Program::load(MADE, loader, &Inputs::default(), Purpose::Plan);
    if problems.has_errors() {
        return Err(in_state(&problems, &program, &text, file));
    }
    Ok(program)
}

/// A value without its secrets, which are no part of what something is.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(fields) if tag(fields).is_some() => Value::Null,
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .map(|(name, v)| (name.clone(), without_secrets(v)))
                .filter(|(_, v)| !v.is_null());
            kept.collect()
        }
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf.clone(),
    }
}

/// Problems of what was made of a state, at the entries of the state that they are of.
fn in_state(problems: &Diagnostics, program: &Program, text: &str, file: &Path) -> Failure {
    let mut sources = Sources::default();
    let id = sources.add(file.display().to_string(), text);
    let mut out = Diagnostics::default();
    for d in problems.iter().filter(|d| d.severity() == Severity::Error) {
        let made =
            d.primary.as_ref().map(|p| (&program.sources().file(p.span.file).text, p.span.start as usize));
        let before = made.and_then(|(made, at)| made.get(..at)).unwrap_or_default();
        let last =
            |key: &str| before.rsplit_once(&format!("\"{key}\": \""))?.1.split_once('"').map(|(v, _)| v);
        let entry = last("name").zip(last("instanceID")).map(|(name, instance)| format!("{name}_{instance}"));
        let at = entry.and_then(|entry| Some((text.find(&format!("{entry}:"))?, entry.len())));
        let (begin, length) = at.unwrap_or_default();
        let span = Span::new(id, begin as u32, (begin + length) as u32);
        out.push(Diagnostic::new(d.code, d.headline.clone()).at(span, "in the options of this tool"));
    }
    Failure::all(out, &Arc::new(sources))
        .help(format!("correct the options in `{}` as the plugin had them", file.display()))
}

/// The address of each tool in the configuration: of the one with the same key, or else the one that it would have.
fn addresses(
    program: &Program,
    made: &Program,
    unplanned: &mut Vec<String>,
) -> BTreeMap<InstanceId, ToolAddr> {
    let key = |p: &Program, number: usize| {
        let instance = &p.instances()[number];
        let inputs = p.inputs(InstanceId(number as u32), &NoOutputs).0;
        let keys = instance.kind.inputs.iter().filter(|(_, input)| input.key);
        let keys: Vec<_> =
            keys.map(|(name, _)| inputs.get(name).map(|v| without_secrets(&to_wire(v)))).collect();
        format!("{}.{} {}", instance.plugin, instance.kind.name, Value::from_iter(keys))
    };
    let planned: BTreeMap<String, &str> =
        (0..program.instances().len()).map(|n| (key(program, n), &*program.instances()[n].addr)).collect();
    let mut found = BTreeMap::new();
    for number in 0..made.instances().len() {
        let own = &made.instances()[number].addr;
        let addr = match planned.get(&key(made, number)) {
            Some(addr) => ToolAddr::from(*addr),
            None => {
                if program.find(own).is_none() {
                    unplanned.push(own.to_string());
                }
                ToolAddr::from(own)
            }
        };
        found.insert(InstanceId(number as u32), addr);
    }
    found
}
