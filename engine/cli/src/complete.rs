//! Completes words for a shell: addresses, params, starters, codes, kinds. Reads the configuration and a
//! state in files; starts no plugin, contacts no server, and prints nothing else.

use crate::EXTENSIONS;
use crate::options::FileArg;
use crate::project::Project;
use crate::source::at;
use crate::suggest::is_visible;
use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use dtm_engine::address::names;
use dtm_engine::project::{FileLoader, shipped_kind};
use dtm_lang::frontend;
use dtm_lang::{Loader, Purpose};
use dtm_stdlib::EXAMPLES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The variable by which a shell asks.
pub const VARIABLE: &str = "DTM_COMPLETE";

/// Answers a shell that asks for completions of a command line, and ends; returns for every other run.
pub fn answer(command: fn() -> Command) {
    CompleteEnv::with_factory(|| without_hidden(command())).var(VARIABLE).bin("dtm").complete();
}

/// A command line whose hidden parts cannot be completed: clap offers them where nothing else fits.
fn without_hidden(command: Command) -> Command {
    /// No shell passes a NUL, so nothing that is typed begins like this.
    fn unreachable(name: &str) -> &'static str {
        format!("\0{name}").leak()
    }
    let command = command.mut_args(|argument| {
        let argument = match argument.get_long().filter(|_| argument.is_hide_set()).map(unreachable) {
            Some(long) => argument.long(long),
            None => argument,
        };
        match argument.get_visible_aliases() {
            Some(aliases) if !aliases.is_empty() => argument,
            _ => argument.alias(None),
        }
    });
    command.mut_subcommands(|inner| match inner.is_hide_set() {
        true => {
            let name = unreachable(inner.get_name());
            inner.name(name)
        }
        false => without_hidden(inner),
    })
}

type Candidates = Vec<CompletionCandidate>;

fn candidates(all: impl IntoIterator<Item = impl Into<String>>) -> Candidates {
    all.into_iter().map(|text| CompletionCandidate::new(text.into())).collect()
}

/// The configuration that the words typed so far name.
fn typed_file() -> FileArg {
    let words: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
    let after = |names: &[&str]| {
        let place = words.iter().position(|word| names.contains(&&**word))?;
        words.get(place + 1).filter(|word| !word.is_empty()).map(PathBuf::from)
    };
    if let Some(directory) = after(&["-C"]) {
        // Where there is no such directory, nothing is found from here either.
        let _ = std::env::set_current_dir(directory);
    }
    let is_file = |word: &&String| word.ends_with(".dts") && std::path::Path::new(word).is_file();
    let file = after(&["-f", "--file", "--config-file"]);
    FileArg::of(file.or_else(|| words.iter().skip(1).find(is_file).map(PathBuf::from)))
}

fn opened() -> Option<Project> {
    Project::bare(&typed_file(), Purpose::Check).ok().map(|(project, _)| project)
}

fn in_program(project: &Project) -> Vec<String> {
    project.program.instances().iter().map(|i| i.addr.to_string()).collect()
}

/// The addresses in a state in files: a server is not asked for a completion.
fn in_state(project: &Project) -> Vec<String> {
    let Some(place) = project.place().ok().filter(|place| place.folder().is_some()) else { return vec![] };
    let Ok(around) = at(project.around.root.clone()) else { return vec![] };
    let loaded = around.store(&place).ok().and_then(|store| store.load().ok());
    loaded.map(|l| l.state.tools.keys().map(|addr| addr.to_string()).collect()).unwrap_or_default()
}

fn addresses(of: &[fn(&Project) -> Vec<String>]) -> Candidates {
    let Some(project) = opened() else { return vec![] };
    let all: BTreeSet<String> = of.iter().flat_map(|these| these(&project)).collect();
    candidates(names(all.iter().map(|addr| &**addr)))
}

/// Tools, families and components in the state.
pub fn state() -> Candidates {
    addresses(&[in_state])
}

/// Tools, families and components of the program.
pub fn program() -> Candidates {
    addresses(&[in_program])
}

/// Tools, families and components of the program and in the state.
pub fn both() -> Candidates {
    addresses(&[in_program, in_state])
}

/// The params of the program, as `--set` takes them. A secret is not for a command line.
pub fn params() -> Candidates {
    let Some(project) = opened() else { return vec![] };
    let params = project.program.hir().params.iter().filter(|p| !p.ty.has_secret());
    params
        .map(|p| {
            let help = p
                .doc
                .as_deref()
                .and_then(|d| d.lines().next())
                .map_or_else(|| p.ty.to_string(), String::from);
            CompletionCandidate::new(format!("{}=", p.name)).help(Some(help.into()))
        })
        .collect()
}

/// The environments that have a file of params, as `--env` takes them.
pub fn environments() -> Candidates {
    let Some(project) = opened() else { return vec![] };
    candidates(crate::params::environments(&project.around.root.join("params")))
}

/// The starters of `dtm new`.
pub fn starters() -> Candidates {
    EXAMPLES.iter().map(|e| CompletionCandidate::new(e.name).help(Some(e.title.into()))).collect()
}

/// The codes of diagnostics.
pub fn codes() -> Candidates {
    let title = |page: &'static str| page.lines().next().unwrap_or("").trim_start_matches("# ");
    frontend::codes(EXTENSIONS.frontends)
        .iter()
        .map(|code| {
            let title = title(code.page());
            let title = title.strip_prefix(code.id()).unwrap_or(title).trim_start_matches([':', ' ']);
            CompletionCandidate::new(code.id()).help(Some(title.into()))
        })
        .collect()
}

/// The kinds of the plugins of the program, and of those that are shipped.
pub fn kinds() -> Candidates {
    let mut kinds: BTreeMap<String, Option<String>> = BTreeMap::new();
    let first = |doc: Option<&str>| doc.and_then(|d| d.lines().next()).map(String::from);
    if let Some(project) = opened() {
        for (name, used) in project.program.plugins() {
            for (kind, of) in &used.plugin.kinds {
                kinds.insert(format!("{name}.{kind}"), first(of.doc.as_deref()));
            }
        }
    }
    let loader = FileLoader::new(std::env::current_dir().unwrap_or_default(), String::new(), &EXTENSIONS);
    for name in loader.shipped_names() {
        let Some(shipped) = loader.shipped(&name) else { continue };
        for kind in dtm_lang::read_interface(&name, &shipped.text).0.iter().flat_map(|p| p.kinds.keys()) {
            let doc = shipped_kind(&name, kind).and_then(|k| first(k.doc.as_deref()));
            kinds.entry(format!("{name}.{kind}")).or_insert(doc);
        }
    }
    kinds.into_iter().map(|(kind, doc)| CompletionCandidate::new(kind).help(doc.map(Into::into))).collect()
}

/// What `dtm help` has a page for.
pub fn pages(command: &Command, topics: &[&str], guide: &[dtm_stdlib::Page]) -> Candidates {
    let commands = command.get_subcommands().filter(|c| is_visible(c)).map(|c| c.get_name().to_string());
    candidates(
        commands.chain(topics.iter().copied().chain(guide.iter().map(|page| page.name)).map(String::from)),
    )
}
