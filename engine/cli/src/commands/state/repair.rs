//! `dtm state recover`, `resolve`, `rekey`, `unlock`: what helps after an accident.

use super::agreed;
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::{Opened, state_at, state_to_change};
use crate::store::{guard, holder};
use crate::terminal::Terminal;
use crate::view::count;
use dtm_engine::secret::Key;
use dtm_engine::state::place::Store;
use dtm_engine::state::{Leased, Record, StateError, Status};
use dtm_lang::Code;
use dtm_lang::shell::word;
use std::time::Duration;

pub(super) fn recover(global: &Global, terminal: &Terminal, file: &FileArg) -> Result<Exit, Failure> {
    let Opened { around, store, place, selected, guessed: _, project } = state_at(global, file)?.chosen()?;
    let name = project.as_ref().map(|p| p.file.clone()).unwrap_or_default();
    if !store.has_pieces()? {
        guard(&around, &name, &place, &store, selected).map_err(|failure| {
            if failure.diagnostics.iter().all(|d| d.code != Code::E0803) {
                return failure;
            }
            let gone = Failure::new(Code::E0803, "the whole state is missing, including its backups");
            gone.help("restore it from your own backup, or start a new one: `dtm apply --new-state`")
        })?;
    }
    match store.load() {
        Ok(_) if store.has_remains()? || !store.has_pieces()? => {
            terminal.note("The state is intact: there is nothing to recover.");
            return Ok(Exit::Done);
        }
        Ok(_) | Err(StateError::Corrupt { .. } | StateError::Missing { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let (state, behind) = store.recover(&holder("state recover"), global.lock_timeout)?;
    terminal.note(&format!(
        "Recovered the state as of serial {}: {}.",
        state.serial,
        count(state.tools.len(), "tool")
    ));
    if behind > 0 {
        terminal.note(&format!(
            "{} after the damaged part could not be used: objects that were created then may exist without being in the state.",
            count(behind, "record")
        ));
    }
    terminal.note("The damaged files are kept beside it. `dtm plan` shows what differs from reality.");
    Ok(Exit::Done)
}

pub(super) fn resolve(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    tool: &str,
    id: Option<&str>,
) -> Result<Exit, Failure> {
    let (_, store, _) = state_to_change(global, file)?;
    if !store.has_remains()? {
        return Err(Failure::new(Code::E0606, format!("no tool `{tool}` is in the state")));
    }
    if id.is_some_and(|id| id.trim().is_empty()) {
        return Err(Failure::new(Code::E0901, "an id cannot be empty")
            .help(format!("if nothing exists: `dtm state resolve {} --none`", word(tool)))
            .usage());
    }
    let session = store.lock(holder("state resolve"), global.lock_timeout)?;
    let state = session.loaded().state.clone();
    let (addr, entry) = crate::commands::show::find(&state, tool)?;
    let (addr, mut entry) = (addr.clone(), entry.clone());
    if !entry.status.is_open() {
        return Err(Failure::new(
            Code::E0606,
            format!("no operation of `{tool}` was interrupted: the last one ended"),
        ));
    }
    let record = match (id, entry.retired.pop()) {
        (Some(id), retired) => {
            entry.retired.extend(retired);
            entry.id = Some(id.to_string());
            // What the plugin kept of its interruption holds no longer: a person has looked.
            entry.private = serde_json::Value::Null;
            entry.status = Status::Broken;
            Record::Put { addr, entry: entry.into() }
        }
        // The replaced object is still the only one.
        (None, Some(old)) => {
            entry.id = Some(old.id);
            (entry.inputs, entry.outputs, entry.private) = (old.inputs, old.outputs, old.private);
            entry.status = Status::Ok;
            Record::Put { addr, entry: entry.into() }
        }
        (None, None) => Record::Remove { addr },
    };
    crate::commands::run::record(&crate::commands::run::runtime()?, session, vec![record])?;
    terminal.note(&match id {
        Some(id) => format!("`{tool}` is `{id}` now; the next apply reads it and brings it up to date."),
        None => format!(
            "Recorded: `{tool}` does not exist. The next apply creates it if the program declares it."
        ),
    });
    Ok(Exit::Done)
}

pub(super) fn rekey(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    lost: bool,
) -> Result<Exit, Failure> {
    let (around, store, _) = state_to_change(global, file)?;
    if !store.has_remains()? {
        return Err(Failure::new(Code::E0606, "there is no state to rekey"));
    }
    let new = around.env.get("DTM_STATE_NEW_KEY").filter(|k| !k.is_empty());
    let key = match new {
        Some(text) => Some(Key::given(text)),
        None if around.env.get("DTM_STATE_KEY").is_some_and(|k| !k.is_empty()) && !lost => {
            let failure = Failure::new(
                Code::E0805,
                "the state is sealed with `DTM_STATE_KEY`, and no other key is given",
            );
            return Err(
                failure.help("set `DTM_STATE_NEW_KEY` to the new key, and `DTM_STATE_KEY` to it afterwards")
            );
        }
        None => None,
    };
    let dropped = store.rekey(&holder("state rekey"), global.lock_timeout, key, lost)?;
    terminal.note(&match (lost, new.is_some()) {
        (true, _) => {
            format!("{} dropped. The next apply sets them again.", count(dropped, "secret"))
        }
        (false, true) => {
            "Sealed with the key of `DTM_STATE_NEW_KEY`: set `DTM_STATE_KEY` to it from now on.".to_string()
        }
        (false, false) => "Sealed with a new key, which is kept where the old one was.".to_string(),
    });
    Ok(Exit::Done)
}

pub(super) fn unlock(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    yes: bool,
    gone: bool,
) -> Result<Exit, Failure> {
    let (_, store, _) = state_to_change(global, file)?;
    if !store.has_remains()? {
        terminal.note("There is no state.");
        return Ok(Exit::Done);
    }
    if let Some(leased) = store.leased() {
        return unlock_on_server(terminal, &store, leased, yes, gone);
    }
    match store.lock(holder("state unlock"), Duration::ZERO) {
        Ok(_) => {
            terminal.note("The state is not locked.");
            Ok(Exit::Done)
        }
        Err(error @ StateError::Locked(_)) => Err(Failure::from(error)
            .help("the operating system releases it when they end: end that process if it hangs")),
        Err(e) => Err(e.into()),
    }
}

fn unlock_on_server(
    terminal: &Terminal,
    store: &Store,
    leased: &dyn Leased,
    yes: bool,
    gone: bool,
) -> Result<Exit, Failure> {
    let by = holder("state unlock");
    match store.holder()? {
        Some(other) => {
            terminal.note(&format!("The state is locked by {other}."));
            let question = "Release the lock? That run will no longer be able to write to the state.";
            if !agreed(terminal, yes, question, "dtm state unlock -y") {
                return Ok(Exit::Failed);
            }
            leased.unlock(&by)?;
            terminal.note("The lock was released.");
        }
        None => terminal.note("The state is not locked."),
    }
    let left = leased.may_run()?;
    match (left.is_empty(), gone) {
        (true, _) => {}
        (false, true) => {
            leased.nobody_runs(&by)?;
            terminal.note("The next run does not wait for its operations.");
        }
        (false, false) => {
            left.iter().for_each(|h| terminal.note(&format!("Operations of {h} may still be running.")));
            terminal.note("Runs that need the same objects wait until their deadline. If they have certainly ended: `dtm state unlock --gone`.");
        }
    }
    Ok(Exit::Done)
}
