//! `dtm state mv`, `rm`, `pull`, `push`: changes by hand. The state before is kept as a snapshot, so that each can be undone.

use super::{agreed, as_of};
use crate::commands::show::named;
use crate::exit::{Exit, Failure, reason};
use crate::options::{FileArg, Global};
use crate::project::state_to_change;
use crate::source::unreadable;
use crate::store::enter;
use crate::terminal::Terminal;
use crate::view::count;
use dtm_engine::address::ToolAddr;
use dtm_engine::address::typed;
use dtm_engine::graph::Graph;
use dtm_engine::state::Serial;
use dtm_engine::state::place::Store;
use dtm_engine::state::{Entry, FORMAT, Policy, Record, Session, State, StateError, has_sealed};
use dtm_lang::shell::word;
use dtm_lang::{Code, Diagnostic};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// The state under lock, once it is kept as a snapshot.
fn kept(
    global: &Global,
    terminal: &Terminal,
    doing: &str,
    store: &Store,
) -> Result<Box<dyn Session>, Failure> {
    let mut session = enter(global, doing, store)?;
    let loaded = session.loaded().clone();
    loaded.notices.iter().for_each(|n| terminal.note(&format!("note: {n}")));
    let newest = store.history()?.first().map(|w| w.serial);
    if !loaded.is_new && newest != Some(loaded.state.serial) {
        session.snapshot(&loaded.state)?;
    }
    Ok(session)
}

/// A tool that cannot be beside one of this address: the same, one whose family or component it would be, or a member of it.
fn clash<'s>(state: &'s State, moving: &BTreeSet<ToolAddr>, to: &str) -> Option<&'s ToolAddr> {
    let ends = to.char_indices().filter(|(_, c)| ['[', '/'].contains(c)).map(|(i, _)| i).chain([to.len()]);
    let above = ends.filter_map(|end| state.tools.get_key_value(&to[..end])).map(|(addr, _)| addr);
    let below = state.tools.range(ToolAddr::from(to)..).map(|(addr, _)| addr);
    let below =
        below.take_while(|addr| addr.starts_with(to)).filter(|addr| addr[to.len()..].starts_with(['[', '/']));
    above.chain(below).find(|addr| !moving.contains(*addr))
}

/// Writes records, and the snapshot after them; then says what was done.
fn write(
    terminal: &Terminal,
    session: &mut dyn Session,
    records: Vec<Record>,
    told: &[String],
) -> Result<(), Failure> {
    let mut state = session.loaded().state.clone();
    let before = state.serial;
    state.serial = session.append(&records)?;
    records.into_iter().for_each(|r| state.apply(r));
    session.snapshot(&state)?;
    told.iter().for_each(|t| terminal.note(t));
    undo(terminal, before);
    Ok(())
}

fn undo(terminal: &Terminal, before: Serial) {
    terminal.note(&format!("To undo it: `dtm state push --at {before}`."));
}

/// A state that is there.
fn there(global: &Global, file: &FileArg) -> Result<Store, Failure> {
    let (_, store, _) = state_to_change(global, file)?;
    match store.has_remains()? {
        true => Ok(store),
        false => Err(Failure::new(Code::E0606, "there is no state: nothing was applied yet")),
    }
}

pub(super) fn mv(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    from: &str,
    to: &str,
) -> Result<Exit, Failure> {
    let store = there(global, file)?;
    let mut session = kept(global, terminal, "state mv", &store)?;
    let state = &session.loaded().state;
    let (from, to) = (typed(from), typed(to));
    let (from, to) = (from.as_str(), to.as_str());
    let members: Vec<&str> = named(state, from)?.into_iter().map(|(addr, _)| &addr[from.len()..]).collect();
    if from == to {
        terminal.note("It has that address already.");
        return Ok(Exit::Done);
    }
    let moving: BTreeSet<ToolAddr> = members.iter().map(|rest| format!("{from}{rest}").into()).collect();
    let (mut records, mut told) = (vec![], vec![]);
    for rest in members {
        let (from, to) = (format!("{from}{rest}"), format!("{to}{rest}"));
        if let Some(other) = clash(state, &moving, &to) {
            return Err(Failure::new(Code::E0606, format!("`{other}` is another tool in the state"))
                .help(format!("to remove that one from the state first: `dtm state rm {}`", word(other))));
        }
        if !dtm_lang::syntax::is_address(&to) {
            return Err(Failure::new(Code::E0606, format!("`{to}` is not the address of a tool"))
                .help("write it as `dtm state list` does: `site`, `site[\"eu\"]`, `shop/site`"));
        }
        told.push(format!("`{from}` is `{to}` now."));
        records.push(Record::Move { from: from.into(), to: to.into() });
    }
    write(terminal, &mut *session, records, &told)?;
    Ok(Exit::Done)
}

pub(super) fn rm(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    tools: &[String],
) -> Result<Exit, Failure> {
    let store = there(global, file)?;
    let mut session = kept(global, terminal, "state rm", &store)?;
    let state = session.loaded().state.clone();
    let mut gone = BTreeMap::new();
    for tool in tools {
        gone.extend(named(&state, tool)?.into_iter().map(|(addr, entry)| (addr.clone(), entry)));
    }
    let tell = |(addr, entry): (&ToolAddr, &&Arc<Entry>)| {
        let id = entry.id.as_deref().map(|id| format!(", id {}", dtm_lang::value::quote(id)));
        let (kind, id) = (format!("{}.{}", entry.plugin.name, entry.kind), id.unwrap_or_default());
        format!("`{addr}` ({kind}{id}) is no longer in the state; the object stays as it is.")
    };
    let mut told: Vec<String> = gone.iter().map(tell).collect();
    for (addr, entry) in gone.iter().filter(|(_, entry)| !entry.retired.is_empty()) {
        let ids: Vec<String> = entry.retired.iter().map(|r| dtm_lang::value::quote(&r.id)).collect();
        let (what, stay) = if ids.len() == 1 { ("object", "stays") } else { ("objects", "stay") };
        told.push(format!(
            "warning: the replaced {what} of `{addr}` {stay} as well, and nothing deletes {}: {}",
            if ids.len() == 1 { "it" } else { "them" },
            ids.join(", ")
        ));
    }
    let records = gone.into_keys().map(|addr| Record::Remove { addr }).collect();
    write(terminal, &mut *session, records, &told)?;
    Ok(Exit::Done)
}

pub(super) fn pull(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    at: Option<Serial>,
) -> Result<Exit, Failure> {
    let store = there(global, file)?;
    let sealed = store.seal(&as_of(&store, at)?)?;
    let text = match terminal.json {
        true => sealed.to_json().to_string(),
        false => format!("{:#}", sealed.to_json()),
    };
    terminal.raw(&format!("{text}\n"));
    Ok(Exit::Done)
}

/// What is to be put in the place of the state.
pub(super) struct Wanted<'a> {
    pub(super) file: Option<&'a Path>,
    pub(super) at: Option<Serial>,
    pub(super) force: bool,
    pub(super) yes: bool,
}

pub(super) fn push(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    wanted: &Wanted<'_>,
) -> Result<Exit, Failure> {
    let (_, store, _) = state_to_change(global, file)?;
    let new = match wanted.file {
        Some(path) => read(path)?,
        None => as_of(&store, wanted.at)?,
    };
    // A backup may begin a state of its own lineage again where there is none.
    let policy = Policy { lineage: Some(new.lineage.clone()), even_moved: false };
    let store = store.with_policy(policy);
    let begins = !store.has_remains()?;
    let old = store.load()?.state;
    fits(&old, &new, begins || wanted.force || wanted.file.is_none())?;
    let new = store.open(new)?;
    let changes = changes(&old, &new);
    if !begins && changes.is_empty() && old.outputs == new.outputs && old.root == new.root {
        terminal.note("It is identical to the state: nothing to do.");
        return Ok(Exit::Done);
    }
    if !terminal.quiet && !terminal.json {
        changes.iter().for_each(|c| terminal.out(&format!("  {c}\n")));
    }
    if !agreed(terminal, wanted.yes, "Replace the state with it?", "dtm state push -y ...") {
        return Ok(Exit::Failed);
    }
    let mut session = kept(global, terminal, "state push", &store)?;
    let now = session.loaded().state.clone();
    if now.serial != old.serial {
        return Err(changed(now.serial, old.serial));
    }
    let tools = count(new.tools.len(), "tool");
    let serial = session.replace(&State { moved_to: None, ..new })?;
    terminal.note(&format!("The state has {tools} now, at serial {serial}."));
    if !begins {
        undo(terminal, now.serial);
    }
    Ok(Exit::Done)
}

/// A state that was pulled.
fn read(path: &Path) -> Result<State, Failure> {
    let mut bytes = vec![];
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut bytes).map(drop),
        _ => std::fs::read(path).map(|b| bytes = b),
    };
    read.map_err(|e| unreadable(path, &reason(&e)))?;
    let no_state = |why: String| {
        Failure::new(Code::E0810, format!("`{}` is not a state: {why}", path.display()))
            .help("pass a file that `dtm state pull` wrote")
    };
    if bytes.is_empty() {
        return Err(no_state("it is empty".into()));
    }
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| no_state(e.to_string()))?;
    let format =
        value.get("format").and_then(Value::as_u64).ok_or_else(|| no_state("it names no format".into()))?;
    if format > u64::from(FORMAT) {
        return Err(StateError::NewerFormat { found: format as u32, known: FORMAT }.into());
    }
    let state: State = serde_json::from_value(value).map_err(|e| no_state(e.to_string()))?;
    let state = State { format: FORMAT, ..state };
    match contradiction(&state) {
        Some(why) => {
            Err(Failure::new(Code::E0810, format!("`{}` contradicts itself: {why}", path.display()))
                .help("correct it, and push it again"))
        }
        None => Ok(state),
    }
}

/// What cannot be in a state that dtm has written.
fn contradiction(state: &State) -> Option<String> {
    // A serial is counted up by one, for a few lifetimes at most.
    if state.serial.0 > 1 << 48 {
        return Some(format!("the serial {} is none", state.serial));
    }
    if state.key.is_none() && has_sealed(state) {
        return Some("it holds sealed secrets, and names no key".into());
    }
    let mut objects = BTreeMap::new();
    for (addr, entry) in &state.tools {
        if !dtm_lang::syntax::is_address(addr) {
            return Some(format!("`{addr}` is not the address of a tool"));
        }
        let object = (&entry.plugin.name, &entry.kind, &entry.place, &entry.id);
        let key = entry.id.as_ref().map(|_| format!("{object:?}"));
        if let Some(other) = key.and_then(|key| objects.insert(key, addr)) {
            return Some(format!("`{other}` and `{addr}` are the same object"));
        }
        if entry.id.is_none() && !entry.status.is_open() {
            return Some(format!("`{addr}` has no id, and nothing of it is open"));
        }
        if let Some(dep) = entry.deps.iter().find(|d| !state.tools.contains_key(*d)) {
            return Some(format!("`{addr}` depends on `{dep}`, which is not in it"));
        }
    }
    circle(state).map(|addr| format!("`{addr}` depends on itself through other tools"))
}

/// A tool that depends on itself.
fn circle(state: &State) -> Option<ToolAddr> {
    let index: BTreeMap<&ToolAddr, usize> = state.tools.keys().enumerate().map(|(i, a)| (a, i)).collect();
    let mut graph = Graph::new(index.len());
    for (addr, entry) in &state.tools {
        if entry.deps.contains(addr) {
            return Some(addr.clone());
        }
        entry.deps.iter().for_each(|d| graph.add(index[d], index[addr]));
    }
    graph.order().err().and_then(|cycle| state.tools.keys().nth(*cycle.iter().min()?).cloned())
}

/// Refuses a state of another lineage, and one that others have gone on from.
fn fits(old: &State, new: &State, whatever_serial: bool) -> Result<(), Failure> {
    if old.lineage != new.lineage {
        let headline =
            format!("it is another state: its lineage is {}, and here is {}", new.lineage, old.lineage);
        return Err(Failure::new(Code::E0810, headline)
            .help("push it where it comes from, or where there is no state yet"));
    }
    match new.serial < old.serial && !whatever_serial {
        true => Err(changed(old.serial, new.serial)),
        false => Ok(()),
    }
}

fn changed(now: Serial, then: Serial) -> Failure {
    let headline =
        format!("the state has changed since: it is at serial {now}, and this one is of serial {then}");
    let d = Diagnostic::new(Code::E0810, headline);
    Failure::of(d.help("pull it again, or replace the state with this one anyway: `--force`"))
}

/// What differs between two states, a line for each tool.
fn changes(old: &State, new: &State) -> Vec<String> {
    let all: BTreeSet<&ToolAddr> = old.tools.keys().chain(new.tools.keys()).collect();
    let lines = all.into_iter().filter_map(|addr| match (old.tools.get(addr), new.tools.get(addr)) {
        (None, Some(_)) => Some(format!("+ {addr}")),
        (Some(_), None) => Some(format!("- {addr}")),
        (Some(a), Some(b)) if a != b => Some(format!("~ {addr}")),
        _ => None,
    });
    lines.collect()
}
