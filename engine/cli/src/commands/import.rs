//! `dtm import KIND KEY`: writes the `.dts` for what already exists, with the `adopt` that takes it over.
//!
//! The tool is first written with its key and with placeholders, adopted in a plan of its own, and then written again with
//! what its plugin has seen.

use super::list::discover;
use super::run::{planning_events, runtime};
use crate::complete;
use crate::exit::{Exit, Failure, reason};
use crate::files;
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::terminal::Terminal;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use dtm_engine::plan::{Action, BuildOptions, Node, Plan, Selection, build, ids_by_key};
use dtm_engine::state::{Entry, State};
use dtm_lang::interface::{Input, Kind};
use dtm_lang::shell::command;
use dtm_lang::types::{FieldType, Type};
use dtm_lang::value::quote;
use dtm_lang::wire::{from_wire, has_secret};
use dtm_lang::{Code, Diagnostic, Diagnostics, FileId, Symbol};
use std::fmt::Write;
use std::path::PathBuf;

/// Stands for a text that the plugin may not tell.
const UNTOLD: &str = "what-dtm-was-not-told";

/// The arguments of `dtm import`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm import core.File notes.md\n  dtm import core.File path=notes.md --as notes --write\n  dtm import core.File --all path=docs --write   everything in docs that is not managed yet\n\nThe declarations are shown, or appended to the program with --write. Then `dtm plan` shows what differs, and `dtm apply` adopts the objects."
)]
pub struct Import {
    /// A kind of a plugin, such as `core.File`.
    #[arg(add = ArgValueCandidates::new(complete::kinds))]
    kind: String,
    /// The object: its key (`notes.md` or `path=notes.md`), or its id if the kind has no key. With --all, where to look.
    #[arg(required_unless_present = "all", value_name = "KEY")]
    which: Vec<String>,
    /// Imports every object that is neither in the state nor in the program.
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// The name of the tool [default: from the key].
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Appends the declarations to the program.
    #[arg(short = 'w', long)]
    write: bool,
    /// The program [default: main.dts].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Import) -> Result<Exit, Failure> {
    let file = FileArg::of(args.file.clone());
    if args.all {
        return all(global, terminal, &file, args);
    }
    let project = Project::open_valid(global, terminal, &file)?;
    let kind = kind_of(&project, &args.kind)?;
    let (key, id) = which(&kind, args)?;
    let taken =
        |name: &str| project.program.instances().iter().any(|i| i.addr.split('[').next() == Some(name));
    let name = match &args.name {
        Some(name) if taken(name) => {
            return Err(Failure::new(Code::E0604, format!("`{name}` is in the program already"))
                .help("give it another name with `--as`"));
        }
        Some(name) => name.clone(),
        None => name_from(args.which.last().map_or("", String::as_str), &kind, &taken),
    };
    if !dtm_lang::syntax::is_address(&name) || name.contains(['[', '/']) {
        return Err(Failure::new(Code::E0606, format!("`{name}` is not the name of a tool"))
            .help("give one with `--as`"));
    }
    let store = project.store(global, terminal, false)?;
    let state = project.load(terminal, &store)?.state;
    let id = match id {
        Some(id) => id,
        None => {
            let drafted = with(global, &file, &draft(&name, &args.kind, &kind, &key)?)?;
            found(terminal, &drafted, &state, &name, args)?
        }
    };
    if project.is_own(&id) {
        let headline = format!("{} is a file of this program, and cannot be one of its tools", quote(&id));
        return Err(Failure::new(Code::E0604, headline));
    }
    if let Some(addr) = address_of(&state, &args.kind, &id) {
        let mv = command(["dtm", "state", "mv", addr, &*name]);
        return Err(Failure::new(Code::E0604, format!("{} is in state already, as `{addr}`", quote(&id)))
            .help(format!("there is nothing to import; to give the tool another name, rename it in the program and run `{mv}`")));
    }
    let text = source_of(global, terminal, &file, &state, (&args.kind, &kind), &Wanted { name, key, id })?;
    if !args.write {
        terminal.raw(&text);
        return Ok(Exit::Done);
    }
    append(terminal, &project, &text)?;
    Ok(Exit::Done)
}

/// Everything of a kind that dtm does not manage yet.
fn all(global: &Global, terminal: &Terminal, file: &FileArg, args: &Import) -> Result<Exit, Failure> {
    let found = discover(global, terminal, file, &args.kind, &args.which)?;
    let mut texts = vec![];
    let exit = found.sources(global, terminal, file, &mut |text| texts.push(text.to_string()))?;
    match texts.is_empty() {
        true => terminal.note(&format!("There are no new objects of `{}` to import.", args.kind)),
        false if args.write => append(terminal, &found.project, &texts.join("\n"))?,
        false => terminal.out(&texts.join("\n")),
    }
    Ok(exit)
}

/// Writes declarations at the end of the configuration.
fn append(terminal: &Terminal, project: &Project, text: &str) -> Result<(), Failure> {
    let path = project.around.root.join(&project.file);
    let failed = |e: std::io::Error| {
        Failure::new(Code::E0903, format!("cannot write `{}`: {}", project.file, reason(&e)))
    };
    let before = std::fs::read_to_string(&path).map_err(failed)?;
    let gap = if before.ends_with('\n') { "\n" } else { "\n\n" };
    files::replace(&path, format!("{before}{gap}{text}").as_bytes()).map_err(failed)?;
    let (plan, apply) = (project.command("plan"), project.command("apply"));
    terminal
        .note(&format!("Written to `{}`. `{plan}` shows what differs, `{apply}` adopts it.", project.file));
    Ok(())
}

pub(super) fn kind_of(project: &Project, path: &str) -> Result<std::sync::Arc<Kind>, Failure> {
    let found = path.split_once('.').and_then(|(plugin, kind)| project.kind(plugin, kind));
    found.ok_or_else(|| {
        let plugins = project.program.plugins();
        let all: Vec<String> = plugins
            .iter()
            .flat_map(|(name, p)| p.plugin.kinds.keys().map(move |k| format!("{name}.{k}")))
            .collect();
        let d = Diagnostic::new(Code::E0606, format!("no kind `{path}` is known"));
        let d = d.nearest(path, all.iter().map(|k| &**k));
        let plugin = path.split('.').next().unwrap_or_default();
        let of_plugin: Vec<&str> =
            all.iter().map(|k| &**k).filter(|k| k.split('.').next() == Some(plugin)).collect();
        Failure::of(match (d.help.is_empty(), &*of_plugin) {
            (true, []) => d.help(format!(
                "write a kind as `PLUGIN.KIND`, such as `{}`",
                all.first().map_or("core.File", |k| k)
            )),
            (true, kinds) => d.help(format!("`{plugin}` has the kinds `{}`", kinds.join("`, `"))),
            (false, _) => d,
        })
    })
}

/// The address of an object in state.
pub(super) fn address_of<'s>(state: &'s State, kind: &str, id: &str) -> Option<&'s str> {
    let of_kind = |e: &Entry| format!("{}.{}", e.plugin.name, e.kind) == kind;
    let mut all = state.tools.iter();
    all.find(|(_, e)| e.id.as_deref() == Some(id) && of_kind(e)).map(|(addr, _)| &**addr)
}

/// An object that is to become a tool.
pub(super) struct Wanted {
    /// The name of the tool.
    pub(super) name: String,
    /// Its key, as source or as text.
    pub(super) key: Vec<(String, String)>,
    /// Its id.
    pub(super) id: String,
}

/// The `.dts` of an object, by the plan that would adopt it.
pub(super) fn source_of(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    state: &State,
    (path, kind): (&str, &Kind),
    Wanted { name, key, id }: &Wanted,
) -> Result<String, Failure> {
    let draft = draft(name, path, kind, key)?;
    let adopted = with(global, file, &format!("adopt {name} = {}\n\n{draft}", quote(id)))?;
    let plan = planned(terminal, &adopted, state, name)?;
    let node = plan.nodes.iter().find(|n| n.addr == *name && n.action == Action::Adopt).ok_or_else(|| {
        Failure::new(Code::E0704, format!("`{name}` could not be planned; this is a bug in dtm"))
    })?;
    let seen = node.prior.iter().flat_map(|p| &p.inputs);
    if let Some((input, _)) =
        seen.into_iter().find(|(_, v)| v.as_str().is_some_and(|text| text.contains('\0')))
    {
        let headline =
            format!("{}: `{input}` holds bytes that are not text, which a program cannot contain", quote(id));
        return Err(Failure::new(Code::E0607, headline));
    }
    Ok(written(node, path, kind, key, id))
}

/// Inputs that are a natural key, or else an id.
type Which = (Vec<(String, String)>, Option<String>);

/// The key that names the object, as inputs; or its id.
fn which(kind: &Kind, args: &Import) -> Result<Which, Failure> {
    let keys: Vec<&str> = kind.key_inputs().map(|k| &**k).collect();
    let pairs: Option<Vec<(String, String)>> = args
        .which
        .iter()
        .map(|w| w.split_once('=').filter(|(n, _)| kind.inputs.contains_key(*n)))
        .map(|p| p.map(|(n, v)| (n.to_string(), v.to_string())))
        .collect();
    let plain = |(n, v): (String, String)| match is_text(&kind.inputs[&*n].field.ty) && n == "path" {
        true => (n, plain_path(&v)),
        false => (n, v),
    };
    for (name, value) in pairs.iter().flatten() {
        check_value(kind, name, value)?;
    }
    let pairs = pairs.map(|all| all.into_iter().map(plain).collect::<Vec<_>>());
    match (&*keys, pairs, &*args.which) {
        ([], _, [id]) => Ok((vec![], Some(id.clone()))),
        (_, Some(pairs), _) if keys.iter().all(|k| pairs.iter().any(|(n, _)| n == k)) => Ok((pairs, None)),
        ([key], None, [value]) if is_text(&kind.inputs[*key].field.ty) => {
            Ok((vec![plain((key.to_string(), value.clone()))], None))
        }
        ([key], None, several) if several.len() > 1 && is_text(&kind.inputs[*key].field.ty) => {
            let headline =
                format!("`dtm import` imports one object at a time, but {} are named", several.len());
            Err(Failure::new(Code::E0901, headline)
                .help(format!("name one: `{}`", command(["dtm", "import", &*args.kind, &several[0]])))
                .usage())
        }
        _ => {
            let list: Vec<String> = keys.iter().map(|k| example(kind, k)).collect();
            let headline = format!("the arguments do not identify a `{}`", args.kind);
            Err(Failure::new(Code::E0901, headline)
                .help(format!("name it by its key: `dtm import {} {}`", args.kind, list.join(" ")))
                .usage())
        }
    }
}

/// An input of a key as it is written on a command line: `path=...`, `destination='{ host = "folder", path = "..." }'`.
pub(super) fn example(kind: &Kind, name: &str) -> String {
    match kind.inputs.get(name).and_then(|input| record_in(&input.field.ty)) {
        Some(record) => format!("{name}='{record}'"),
        None => format!("{name}=..."),
    }
}

/// The record that a type describes, or the first one of several, with what has to be given.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others hold no record")]
fn record_in(ty: &Type) -> Option<String> {
    match ty {
        Type::Record(record) => {
            let given = record.fields.iter().filter(|(_, field)| !field.may_be_absent());
            let field = |(name, field): (&Symbol, &FieldType)| match &field.ty {
                Type::Lit(literal) => format!("{name} = {literal}"),
                ty if is_text(ty) => format!("{name} = \"...\""),
                _ => format!("{name} = ..."),
            };
            Some(format!("{{ {} }}", given.map(field).collect::<Vec<_>>().join(", ")))
        }
        Type::Union(members) => members.iter().find_map(record_in),
        Type::Secret(inner) => record_in(inner),
        Type::Refined(refined) => record_in(&refined.base),
        _ => None,
    }
}

/// Refuses a word where a record is expected.
///
/// # Errors
/// It says how the value is written.
pub(super) fn check_value(kind: &Kind, name: &str, value: &str) -> Result<(), Failure> {
    let is_record = kind.inputs.get(name).is_some_and(|input| record_in(&input.field.ty).is_some());
    if !is_record || value.trim_start().starts_with('{') {
        return Ok(());
    }
    Err(Failure::new(Code::E0901, format!("`{name}` is a record, not `{value}`"))
        .help(format!("write it as in a program: `{}`", example(kind, name)))
        .usage())
}

/// A path in the only spelling that plugins accept, so that a file has one id: without `.`, and `..` only where it begins.
fn plain_path(text: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => _ = parts.pop(),
            _ => parts.push(part),
        }
    }
    let root = if text.starts_with('/') { "/" } else { "" };
    match &*parts {
        [] => text.into(),
        parts => format!("{root}{}", parts.join("/")),
    }
}

/// A name for a tool, from the last part of its key.
pub(super) fn name_from(key: &str, kind: &Kind, taken: &dyn Fn(&str) -> bool) -> String {
    let value = key.rsplit('=').next().unwrap_or(key);
    let last = value.trim_end_matches(['/', '"', '}', ' ']).rsplit(['/', ':', '"']).next().unwrap_or(value);
    let stem = last.trim_start_matches('.').split('.').next().unwrap_or(last);
    let mut name: String =
        stem.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !dtm_lang::syntax::is_address(&name) {
        name = kind.name.to_lowercase();
    }
    let free = |n: &String| !taken(n);
    std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}_{n}"))).find(free).unwrap_or(name)
}

/// The tool with its key, and with something for every other input that has to be given.
pub(super) fn draft(
    name: &str,
    path: &str,
    kind: &Kind,
    key: &[(String, String)],
) -> Result<String, Failure> {
    let mut out = format!("tool {name}: {path} {{\n");
    for (input, i) in &kind.inputs {
        let given = key.iter().find(|(n, _)| **n == **input).map(|(_, v)| source(&i.field.ty, v));
        let value = match given {
            Some(value) => value,
            None if i.field.default.is_some() || i.field.ty.is_nullable() => continue,
            None => placeholder(&i.field.ty).ok_or_else(|| {
                let headline = format!("`{input}` of `{path}` must be set");
                Failure::new(Code::E0901, headline).help(format!("pass it: `{input}=...`"))
            })?,
        };
        let _ = writeln!(out, "  {input} = {value}");
    }
    Ok(out + "}\n")
}

/// A value from the command line as source: a text as it is, anything else as a literal.
pub(super) fn source(ty: &Type, value: &str) -> String {
    match is_text(ty) {
        true if !value.starts_with('"') => quote(value),
        _ => value.to_string(),
    }
}

pub(super) fn placeholder(ty: &Type) -> Option<String> {
    Some(match ty {
        Type::Any | Type::Null => "null".into(),
        Type::Bool => "false".into(),
        Type::Int => "0".into(),
        Type::Float => "0.0".into(),
        Type::String => quote(UNTOLD),
        Type::Duration => "1s".into(),
        Type::Size => "1B".into(),
        Type::List(_) => "[]".into(),
        Type::Map(_) => "{}".into(),
        Type::Lit(_) => ty.to_string(),
        Type::Secret(inner) => placeholder(inner)?,
        Type::Refined(refined) => placeholder(&refined.base)?,
        Type::Union(members) => members.iter().find_map(placeholder)?,
        Type::Record(record) => {
            let needed = record.fields.iter().filter(|(_, f)| f.default.is_none() && !f.ty.is_nullable());
            let fields: Option<Vec<String>> =
                needed.map(|(n, f)| Some(format!("{n} = {}", placeholder(&f.ty)?))).collect();
            format!("{{ {} }}", fields?.join(", "))
        }
        Type::Tool(_) | Type::Var(_) | Type::Error => return None,
    })
}

/// The configuration with something more at its end.
pub(super) fn with(global: &Global, file: &FileArg, more: &str) -> Result<Project, Failure> {
    let (project, diagnostics) = Project::with_more(global, file, more)?;
    match diagnostics.has_errors() {
        true => Err(Failure::all(diagnostics, project.program.sources())),
        false => Ok(project),
    }
}

/// The id of the one object that has the key.
fn found(
    terminal: &Terminal,
    drafted: &Project,
    state: &State,
    name: &str,
    args: &Import,
) -> Result<String, Failure> {
    let events = planning_events(terminal);
    let ids = runtime()?.block_on(async {
        let plugins = drafted.plugins(state, None, events)?;
        Ok::<_, Failure>(ids_by_key(&drafted.program, name, &*plugins).await)
    });
    let shown = args.which.join(" ");
    let ids =
        ids?.map_err(|why| Failure::new(Code::E0607, format!("`{shown}` could not be searched for: {why}")))?;
    match &*ids {
        [id] => Ok(id.clone()),
        [] => Err(Failure::new(Code::E0606, format!("there is no `{}` with the key `{shown}`", args.kind))),
        many => {
            let list: Vec<String> = many.iter().map(|id| quote(id)).collect();
            Err(Failure::new(Code::E0607, format!("several have the key `{shown}`: {}", list.join(", "))))
        }
    }
}

/// The plan of the adopted tool alone.
fn planned(terminal: &Terminal, project: &Project, state: &State, name: &str) -> Result<Plan, Failure> {
    let options = BuildOptions {
        selection: Selection { only: vec![name.to_string()], ..Selection::default() },
        ..BuildOptions::default()
    };
    let events = planning_events(terminal);
    let plan = runtime()?.block_on(async {
        let plugins = project.plugins(state, None, events.clone())?;
        Ok::<_, Failure>(build(&project.program, state, &plugins, &options, &events).await)
    })?;
    let mut own = Diagnostics::default();
    plan.diagnostics.iter().filter(|d| d.tool.as_deref() == Some(name)).for_each(|d| own.push(d.clone()));
    match own.has_errors() {
        true => Err(Failure::all(own, project.program.sources())),
        false => Ok(plan),
    }
}

/// The tool as a person would have written it.
fn written(node: &Node, path: &str, kind: &Kind, key: &[(String, String)], id: &str) -> String {
    let seen = node.prior.as_ref().map(|p| &p.inputs);
    let mut params = String::new();
    let mut body = String::new();
    for (input, i) in &kind.inputs {
        let value = seen.and_then(|s| s.get(&**input));
        let differs = node.changes.iter().any(|c| *c.name == **input);
        let is_key = key.iter().any(|(n, _)| **n == **input);
        let needed = i.field.default.is_none() && !i.field.ty.is_nullable();
        if !(is_key || needed || differs) {
            continue;
        }
        match value.filter(|_| is_key || differs || !is_placeholder(i, value)) {
            // A secret does not stand in a program.
            Some(v) if has_secret(v) || is_secret(&i.field.ty) => {
                let param = format!("{}_{input}", node.addr);
                let _ = writeln!(params, "param {param}: {}\n", i.field.ty);
                let _ = writeln!(body, "  {input} = {param}");
            }
            Some(v) => match from_wire(v, &i.field.ty) {
                Ok(value) => _ = writeln!(body, "  {input} = {}", dtm_lang::print::print(&value, 96)),
                Err(_) => {
                    _ = writeln!(body, "  // `{input}`, {}, is not what the interface says", i.field.ty)
                }
            },
            None => _ = writeln!(body, "  // `{input}`, {}, could not be read: give it", i.field.ty),
        }
    }
    // What has a key is found by it, on every machine.
    let id = if key.is_empty() { format!(" = {}", quote(id)) } else { String::new() };
    let text = format!("{params}adopt {}{id}\n\ntool {}: {path} {{\n{body}}}\n", node.addr, node.addr);
    dtm_lang::syntax::format::format(FileId(0), &format!("dts 1\n\n{text}"))
        .0
        .and_then(|t| Some(t.strip_prefix("dts 1\n\n")?.to_string()))
        .unwrap_or(text)
}

/// Whether what is of a type is secret as a whole.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are not secret as a whole")]
fn is_secret(ty: &Type) -> bool {
    match ty {
        Type::Secret(_) => true,
        Type::Union(members) => members.iter().all(|m| matches!(m, Type::Null | Type::Secret(_))),
        _ => false,
    }
}

/// Whether a type is written as text without quotes on the command line.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are written as in a program")]
fn is_text(ty: &Type) -> bool {
    match ty {
        Type::String => true,
        Type::Secret(inner) => is_text(inner),
        Type::Refined(refined) => is_text(&refined.base),
        _ => false,
    }
}

/// Whether a value is only what stood in the draft.
fn is_placeholder(input: &Input, value: Option<&serde_json::Value>) -> bool {
    let drafted = placeholder(&input.field.ty);
    value.is_some_and(|v| {
        let shown = from_wire(v, &input.field.ty).map(|v| dtm_lang::print::on_one_line(&v));
        shown.ok() == drafted
    })
}
