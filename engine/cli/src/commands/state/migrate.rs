//! `dtm state migrate`: moves a state to where the settings say now.
//!
//! ```text
//! 1. the new place gets a copy of the same lineage that says "it is in the old place": nobody goes on with it
//! 2. the old place says "moved to the new place"
//! 3. the copy says nothing any more: from here on it is the state
//!
//! Interrupted, it is done again, from the step that is missing. At no moment two states can be gone on with.
//! ```

use super::agreed;
use crate::copies::Copied;
use crate::exit::{Exit, Failure, reason};
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::store::{enter, open_store};
use crate::terminal::Terminal;
use crate::view::count;
use dtm_engine::state::Policy;
use dtm_engine::state::backend::{Backends, Used};
use dtm_engine::state::place::Place;
use dtm_engine::state::{Record, State, StateError};
use dtm_lang::{Code, Diagnostic, Purpose};
use std::path::Path;

pub(super) fn run(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    from: Option<&str>,
    yes: bool,
) -> Result<Exit, Failure> {
    let (project, diagnostics) = Project::open(global, file, Purpose::Plan)?;
    if diagnostics.has_errors() {
        return Err(Failure::all(diagnostics, project.program.sources()));
    }
    let (root, to) = (&project.around.root, project.place()?);
    let used =
        source(&Backends::load(root).of(root, &project.file), from, project.program.param_selects_state())?;
    if same(root, &used.place(), &to) {
        terminal.note(&format!("The state is in `{to}` already."));
        return Ok(Exit::Done);
    }
    let named = &*project.named;
    Copied { global, terminal, around: &project.around, place: &used.place(), named }.settle()?;
    let policy = |lineage: Option<String>| Policy { lineage, even_moved: true };
    let old = open_store(&project.around, &used.place())?.with_policy(policy(None));
    if !old.has_remains()? {
        let marker = root.join(".dtm/backend");
        return Err(StateError::Missing { marker, lineage: used.lineage }.into());
    }
    let state = old.load()?.state;
    if let Some(now) = &state.moved_to
        && *now != to.to_string()
    {
        return Err(StateError::Moved { from: used.place().to_string(), to: now.clone() }.into());
    }
    let question = format!(
        "Move the state ({}, serial {}) from `{}` to `{to}`?",
        count(state.tools.len(), "tool"),
        state.serial,
        used.place()
    );
    if !agreed(terminal, yes, &question, "dtm state migrate -y") {
        return Ok(Exit::Failed);
    }
    let new = open_store(&project.around, &to)?.with_policy(policy(Some(used.lineage.clone())));
    let mut leaves = enter(global, "state migrate", &old)?;
    let state = leaves.loaded().state.clone();
    let mut enters = enter(global, "state migrate", &new)?;
    let copy = enters.loaded().state.clone();
    let copies = state.moved_to.is_none() && takes(&copy, &state, &to)?;
    if copies {
        enters.replace(&State { moved_to: Some(used.place().to_string()), key: None, ..state.clone() })?;
    }
    if state.moved_to.is_none() {
        leaves.append(&[Record::Moved { to: to.to_string() }])?;
    }
    // What was copied by now, or had been by a run that was interrupted before this.
    if copies || copy.moved_to.is_some() {
        enters.replace(&State { moved_to: None, key: None, ..state.clone() })?;
    }
    enters.take_notices().iter().for_each(|n| terminal.note(&format!("note: {n}")));
    let now = Used::new(&to, &state.lineage, (root, &project.file));
    let remembered = Backends::load(root).remember(root, now);
    remembered
        .map_err(|e| Failure::new(Code::E0806, format!("cannot write `.dtm/backend`: {}", reason(&e))))?;
    terminal.note(&format!(
        "The state is in `{to}` now, with {}. What was in `{}` stays there, marked as moved.",
        count(state.tools.len(), "tool"),
        used.place()
    ));
    Ok(Exit::Done)
}

/// Whether two places are one, however they are written.
fn same(root: &Path, left: &Place, right: &Place) -> bool {
    match (left.folder(), right.folder()) {
        (Some(left), Some(right)) => {
            let real = |p: &str| root.join(p).canonicalize().unwrap_or_else(|_| root.join(p));
            real(left) == real(right)
        }
        _ => left == right,
    }
}

/// Where the state comes from.
fn source(backends: &Backends, from: Option<&str>, selected: bool) -> Result<Used, Failure> {
    let known = || backends.all().map(|u| format!("`{}`", u.place())).collect::<Vec<_>>().join(", ");
    match from {
        Some(place) => backends.at(place).cloned().ok_or_else(|| {
            let d = Diagnostic::new(Code::E0808, format!("this project has used no state in `{place}`"));
            Failure::of(d.help(format!("it has used {}", known())))
        }),
        None if selected => {
            let d = Diagnostic::new(
                Code::E0808,
                "a param selects the state, so it is not clear which one is to move",
            );
            Err(Failure::of(d.help(format!("name it: `--from PLACE`, one of {}", known()))))
        }
        None => backends.last().cloned().ok_or_else(|| {
            Failure::new(Code::E0808, "this project has used no state so far: there is nothing to move")
        }),
    }
}

/// Whether the new place takes the state; it does not need to where an interrupted run has copied it already.
fn takes(there: &State, state: &State, to: &Place) -> Result<bool, Failure> {
    let refuse = |headline: String| Err(Failure::new(Code::E0810, headline));
    if there.lineage != state.lineage {
        return refuse(format!("there is another state in `{to}`, of lineage {}", there.lineage));
    }
    if there.moved_to.is_some() || there.tools.is_empty() && there.serial <= state.serial {
        return Ok(true);
    }
    match there.serial > state.serial {
        true => Ok(false),
        false => {
            let headline =
                format!("an earlier move has copied the state to `{to}`, and the original was changed since");
            let d = Diagnostic::new(Code::E0810, headline);
            Err(Failure::of(
                d.help(format!("if the copy in `{to}` is not needed, remove it, and move the state again")),
            ))
        }
    }
}
