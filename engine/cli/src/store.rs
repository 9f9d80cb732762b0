//! The store of a state, opened for a command: what it makes dtm run is trusted, and it is the one that the project used.

use crate::exit::Failure;
use crate::options::Global;
use crate::trust;
use dtm_engine::event::Events;
use dtm_engine::plugin::PluginCalls;
use dtm_engine::project::Surroundings;
use dtm_engine::state::backend::Backends;
use dtm_engine::state::place::{Place, Store};
use dtm_engine::state::{Holder, Session, State, StateError, now};
use dtm_lang::{Code, Program};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The plugins of a program and of what is in state, once the user trusts what they make run.
///
/// # Errors
/// When the project is not trusted.
pub fn trusted_plugins(
    around: &Surroundings,
    program: Option<&Program>,
    state: &State,
    lock: Option<OwnedFd>,
    events: Events,
) -> Result<Arc<dyn PluginCalls>, Failure> {
    trust::admit(around, trust::of_run(around, program, state))?;
    Ok(around.plugins(program, state, lock, events))
}

/// The store of a place, once the user trusts the credential helpers that it makes run.
///
/// # Errors
/// When the project is not trusted, or the store cannot be opened.
pub fn open_store(around: &Surroundings, place: &Place) -> Result<Store, Failure> {
    trust::admit(around, trust::of_place(around, place))?;
    Ok(around.store(place)?)
}

/// Who works on a state.
pub fn holder(doing: &str) -> Holder {
    let user =
        ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Holder {
        who: format!("{user}@{host}"),
        pid: std::process::id(),
        since: now(),
        doing: doing.into(),
        machine: Holder::this_machine(),
    }
}

/// Takes the lock.
///
/// # Errors
/// When it is held, or the state cannot be read.
pub fn enter(global: &Global, doing: &str, store: &Store) -> Result<Box<dyn Session>, Failure> {
    store.lock(holder(doing), global.lock_timeout).map_err(|e| match (&e, store.leased()) {
        (StateError::Locked(_), Some(_)) => {
            Failure::from(e).help("if that run has certainly ended, release the lock: `dtm state unlock`")
        }
        _ => e.into(),
    })
}

/// A state that was used and is gone, and a new one in the place of another, are errors.
///
/// # Errors
/// When this is so, or a server gives no answer.
pub fn guard(
    around: &Surroundings,
    file: &str,
    place: &Place,
    store: &Store,
    selected: bool,
) -> Result<(), Failure> {
    let root = &*around.root;
    if store.has_remains()? {
        return Ok(());
    }
    let backends = Backends::load(root);
    let path = place.to_string();
    if let Some(used) = backends.at(&path) {
        let marker = root.join(".dtm/backend");
        return Err(StateError::Missing { marker, lineage: used.lineage.clone() }.into());
    }
    // Another root file in the same folder has a state of its own, which is nothing to move here.
    let backends = if file.is_empty() { backends } else { backends.of(root, file) };
    match backends.last() {
        Some(used) if !selected => {
            let headline =
                format!("this project kept its state in `{}`, and there is none in `{path}`", used.path);
            let failure = Failure::new(Code::E0808, headline);
            Err(failure
                .help("move the state: `dtm state migrate`, or restore the setting")
                .help("to start with an empty state: `--new-state`"))
        }
        _ => Ok(()),
    }
}
