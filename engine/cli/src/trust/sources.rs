//! What a project makes dtm run while it plans.
//!
//! | source | what is hashed |
//! |---|---|
//! | a plugin by path, of the program or recorded in the state | its path, its content, the interface beside it |
//! | the `read` of a `core.Exec` in the state, or of one that is adopted | the command, its folder, environment and input |
//! | a template that git fetches | its address |
//! | a credential helper that the project selects | the command and its environment |
//! | the program of `--params-from` | the command |
//!
//! A plugin's content counts because `git pull` may change it under a trusted name. Files that a trusted program
//! loads by itself are not checked: trust covers what dtm starts.

use dtm_engine::Fields;
use dtm_engine::plan::known_in_state;
use dtm_engine::project::Surroundings;
use dtm_engine::secret::{public, with_secrets_of};
use dtm_engine::state::place::Place;
use dtm_engine::state::{Entry, State};
use dtm_lang::shell::word;
use dtm_lang::wire::{has_unknown, reveal, to_wire};
use dtm_lang::{Program, Symbol};
use serde_json::{Value, json};
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

/// Something that would run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// What it is, in one line.
    pub headline: String,
    /// What would run.
    pub lines: Vec<String>,
    hash: String,
    by: String,
}

impl Source {
    fn new(kind: &str, headline: String, lines: Vec<String>, text: &str) -> Source {
        let hash = dtm_engine::hash(format!("{kind}\0{text}").as_bytes());
        Source { headline, lines, hash, by: "dtm trust".into() }
    }
    /// The program of `--params-from`. A user may have pasted it from anywhere, so it needs trust, too.
    pub fn of_params(command: &str) -> Source {
        let lines = command.lines().map(String::from).collect();
        let by = format!("dtm trust --params-from {}", word(command));
        Source { by, ..Source::new("params", "the program of `--params-from`".into(), lines, command) }
    }
    /// What to type to trust it.
    pub fn by(&self) -> &str {
        &self.by
    }
    /// The hash of its text.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// The credential helpers that opening a state would run.
pub fn of_place(around: &Surroundings, place: &Place) -> Vec<Source> {
    let helpers = place.helpers(&around.root, &around.env);
    let source = |h: dtm_engine::state::helpers::Helper| {
        let text = json!([h.command, h.env]).to_string();
        let names: Vec<&str> = h.env.iter().map(|(name, _)| &**name).collect();
        let mut lines = vec![h.command.join(" ")];
        if !names.is_empty() {
            lines.push(format!("with the variables {}", names.join(", ")));
        }
        Source::new("helper", format!("the credential helper of {}", h.place), lines, &text)
    };
    helpers.into_iter().map(source).collect()
}

/// What planning, reading or listing with this program and this state would run.
pub fn of_run(around: &Surroundings, program: Option<&Program>, state: &State) -> Vec<Source> {
    let mut found: BTreeMap<String, Source> = BTreeMap::new();
    let mut add = |source: Source| _ = found.entry(source.hash.clone()).or_insert(source);
    for (name, used) in program.iter().flat_map(|p| p.plugins()) {
        if let (Some(path), false) = (&used.path, used.interface_only) {
            by_path(around, name, path).into_iter().for_each(&mut add);
        }
    }
    let known = LazyCell::new(|| program.map(|p| known_in_state(p, state)));
    let adopted: BTreeSet<Symbol> = program.iter().flat_map(|p| p.adopts()).map(|(addr, ..)| addr).collect();
    let inputs = |addr: &str| -> Option<Fields> {
        let (program, known) = (program?, known.as_ref()?);
        let (values, _) = program.inputs(program.find(addr)?, &known.of(program));
        Some(values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect())
    };
    for (addr, entry) in &state.tools {
        if let Some(path) = &entry.plugin.path {
            by_path(around, &entry.plugin.name, path).into_iter().for_each(&mut add);
            continue;
        }
        let recorded = &entry.inputs;
        if is_exec(entry) {
            // As the plan reads it: what is recorded, with the secrets that are configured now.
            let read = inputs(addr).map(|configured| with_secrets_of(recorded, &configured));
            exec(addr, read.as_ref().unwrap_or(recorded)).into_iter().for_each(&mut add);
            exec(addr, recorded).into_iter().for_each(&mut add);
        }
        template(recorded).into_iter().for_each(&mut add);
    }
    for instance in program.iter().flat_map(|p| p.instances()) {
        let shipped =
            |name: &str| program.and_then(|p| p.plugins().get(name)).is_some_and(|used| used.path.is_none());
        if !shipped(&instance.plugin) {
            continue;
        }
        match &*instance.kind.name {
            "Exec" if instance.existing || adopted.contains(&*instance.addr) => {
                let fields = inputs(&instance.addr).unwrap_or_default();
                exec(&instance.addr, &fields).into_iter().for_each(&mut add);
            }
            "Scaffold" => {
                template(&inputs(&instance.addr).unwrap_or_default()).into_iter().for_each(&mut add);
            }
            _ => {}
        }
    }
    let mut all: Vec<Source> = found.into_values().collect();
    all.sort();
    all
}

/// A command that an entry of the state makes a plan run.
pub fn of_entry(addr: &str, entry: &Entry) -> Option<Source> {
    if is_exec(entry) { exec(addr, &entry.inputs) } else { None }
}

fn is_exec(entry: &Entry) -> bool {
    entry.plugin.path.is_none() && entry.kind == "Exec"
}

fn by_path(around: &Surroundings, name: &str, path: &str) -> Option<Source> {
    let file = around.root.join(path);
    // A missing file cannot run.
    let content = dtm_engine::hash(&std::fs::read(&file).ok()?);
    let beside = std::fs::read(file.with_extension("dts")).map(|text| dtm_engine::hash(&text));
    let text = json!([path, content, beside.unwrap_or_default()]).to_string();
    let headline = format!("the plugin `{name}` of the project: `{path}`");
    Some(Source::new("plugin", headline, vec![file.display().to_string()], &text))
}

/// The command with which a `core.Exec` reads its object.
fn exec(addr: &str, inputs: &Fields) -> Option<Source> {
    let read = inputs.get("read").filter(|v| !v.is_null())?;
    let is_set = |v: &&Value| !v.is_null() && **v != json!({});
    let part = |name: &str| inputs.get(name).filter(is_set).map(reveal);
    let text = json!([reveal(read), part("dir"), part("env"), part("stdin")]).to_string();
    if [Some(read), inputs.get("env"), inputs.get("stdin")].into_iter().flatten().any(has_unknown) {
        return None;
    }
    let mut lines = vec![words(&public(read))];
    if let Some(dir) = inputs.get("dir").filter(is_set).and_then(Value::as_str) {
        lines.push(format!("in the folder `{dir}`"));
    }
    if let Some(env) = inputs.get("env").filter(is_set).and_then(Value::as_object) {
        let names: Vec<&str> = env.keys().map(|k| &**k).collect();
        lines.push(format!("with the variables {}", names.join(", ")));
    }
    if part("stdin").is_some() {
        lines.push("with something on its standard input".into());
    }
    Some(Source::new("exec", format!("the command `read` of `{addr}`"), lines, &text))
}

fn words(command: &Value) -> String {
    match command {
        Value::Array(items) => {
            let word = |v: &Value| v.as_str().map_or_else(|| "(secret)".into(), dtm_lang::value::quote);
            format!("[{}]", items.iter().map(word).collect::<Vec<_>>().join(", "))
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            other.to_string()
        }
    }
}

/// A template that git fetches, by address.
fn template(inputs: &Fields) -> Option<Source> {
    let text = inputs.get("template")?.as_str()?;
    let ssh = text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    if !text.contains("://") && !ssh {
        return None;
    }
    Some(Source::new("template", format!("git, to fetch the template `{text}`"), vec![], text))
}
