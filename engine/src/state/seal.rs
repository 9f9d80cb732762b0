//! State and records as they are written: secrets sealed, and the key named. What may hold a secret is a value of the program
//! or of a plugin, or an id; names (addresses, kinds, plugins) never do, even where a secret is the same word.

use super::{Entry, Record, State, StateError, Status};
use crate::secret::{Key, Redactor, SealError, drop_sealed, holds_sealed, open};
use serde_json::Value;
use std::sync::Arc;

/// How an id begins that is sealed: an id is a text, so what it is sealed into is one too. No plugin may give such an id.
const SEALED: &str = "\0sealed:";

fn unsealable() -> StateError {
    StateError::Closed("a secret could not be sealed".into())
}

impl Entry {
    /// Every value of the program or of the plugin.
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        let retired = self.retired.iter();
        let retired = retired.flat_map(|r| r.inputs.values().chain(r.outputs.values()).chain([&r.private]));
        let own = self.place.values().chain(self.inputs.values()).chain(self.outputs.values());
        own.chain([&self.private]).chain(retired)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        let retired = self.retired.iter_mut();
        let retired =
            retired.flat_map(|r| r.inputs.values_mut().chain(r.outputs.values_mut()).chain([&mut r.private]));
        let own = self.place.values_mut().chain(self.inputs.values_mut()).chain(self.outputs.values_mut());
        own.chain([&mut self.private]).chain(retired)
    }

    fn ids(&self) -> impl Iterator<Item = &String> {
        self.id.iter().chain(self.retired.iter().map(|r| &r.id))
    }

    fn ids_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.id.iter_mut().chain(self.retired.iter_mut().map(|r| &mut r.id))
    }

    /// Whether anything inside is sealed.
    fn has_sealed(&self) -> bool {
        self.values().any(holds_sealed) || self.ids().any(|id| id.starts_with(SEALED))
    }

    /// Whether anything inside must be sealed.
    fn needs_key(&self, redactor: &Redactor) -> bool {
        self.values().any(|v| redactor.needs_key(v)) || self.ids().any(|id| redactor.holds_secret(id))
    }

    /// Seals what must be.
    pub(super) fn seal(&mut self, key: &Key, redactor: &Redactor) -> Result<(), SealError> {
        self.values_mut().try_for_each(|v| redactor.seal(v, key))?;
        self.ids_mut().try_for_each(|id| seal_id(id, key, redactor))
    }

    fn open(&mut self, key: &Key) -> Result<(), SealError> {
        self.values_mut().try_for_each(|v| open(v, key))?;
        self.ids_mut().try_for_each(|id| open_id(id, key))
    }
}

fn seal_id(id: &mut String, key: &Key, redactor: &Redactor) -> Result<(), SealError> {
    let mut value = Value::String(std::mem::take(id));
    redactor.seal(&mut value, key)?;
    *id = match value {
        Value::String(clear) => clear,
        sealed @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            format!("{SEALED}{}", sealed["v"].as_str().ok_or(SealError)?)
        }
    };
    Ok(())
}

fn open_id(id: &mut String, key: &Key) -> Result<(), SealError> {
    let Some(sealed) = id.strip_prefix(SEALED) else { return Ok(()) };
    let mut value = serde_json::json!({ dtm_lang::wire::TAG: "sealed", "plain": true, "v": sealed });
    open(&mut value, key)?;
    *id = value.as_str().ok_or(SealError)?.to_string();
    Ok(())
}

impl Record {
    fn needs_key(&self, redactor: &Redactor) -> bool {
        match self {
            Record::Begin { entry, .. } | Record::Put { entry, .. } => entry.needs_key(redactor),
            Record::Checkpoint { id, partial, .. } => {
                redactor.holds_secret(id) || redactor.needs_key(partial)
            }
            Record::Outputs { outputs } => outputs.values().any(|v| redactor.needs_key(v)),
            Record::Remove { .. }
            | Record::Move { .. }
            | Record::Root { .. }
            | Record::Consumed(_)
            | Record::Moved { .. }
            | Record::Key { .. } => false,
        }
    }

    fn seal(&mut self, key: &Key, redactor: &Redactor) -> Result<(), SealError> {
        match self {
            Record::Begin { entry, .. } | Record::Put { entry, .. } => {
                Arc::make_mut(entry).seal(key, redactor)
            }
            Record::Checkpoint { id, partial, .. } => {
                redactor.seal(partial, key)?;
                seal_id(id, key, redactor)
            }
            Record::Outputs { outputs } => outputs.values_mut().try_for_each(|v| redactor.seal(v, key)),
            Record::Remove { .. }
            | Record::Move { .. }
            | Record::Root { .. }
            | Record::Consumed(_)
            | Record::Moved { .. }
            | Record::Key { .. } => Ok(()),
        }
    }

    /// Opens what is sealed.
    pub(super) fn open(&mut self, key: &Key) -> Result<(), SealError> {
        match self {
            Record::Begin { entry, .. } | Record::Put { entry, .. } => Arc::make_mut(entry).open(key),
            Record::Checkpoint { id, partial, .. } => {
                open(partial, key)?;
                open_id(id, key)
            }
            Record::Outputs { outputs } => outputs.values_mut().try_for_each(|v| open(v, key)),
            Record::Remove { .. }
            | Record::Move { .. }
            | Record::Root { .. }
            | Record::Consumed(_)
            | Record::Moved { .. }
            | Record::Key { .. } => Ok(()),
        }
    }
}

/// Whether anything in a state must be sealed.
pub(super) fn needs_key(state: &State, redactor: &Redactor) -> bool {
    state.outputs.values().any(|v| redactor.needs_key(v))
        || state.tools.values().any(|e| e.needs_key(redactor))
}

/// A state as it may lie anywhere: secrets sealed, and the key named if there is one.
pub(super) fn sealed_state(
    state: &State,
    key: Option<&Key>,
    redactor: &Redactor,
) -> Result<State, StateError> {
    let mut state = State { key: key.map(Key::id), ..state.clone() };
    let Some(key) = key else { return Ok(state) };
    let outputs = state.outputs.values_mut().try_for_each(|v| redactor.seal(v, key));
    let mut open = state.tools.values_mut().filter(|e| e.needs_key(redactor));
    let tools = outputs.and_then(|()| open.try_for_each(|e| Arc::make_mut(e).seal(key, redactor)));
    tools.map(|()| state).map_err(|_| unsealable())
}

/// A state with its secrets opened, and known to the redactor.
///
/// # Errors
/// When one does not open.
pub(super) fn open_state(mut sealed: State, key: &Key, redactor: &Redactor) -> Result<State, StateError> {
    let fail = |_| StateError::Key { wanted: key.id(), given: "a secret does not open with it".into() };
    for value in sealed.outputs.values_mut() {
        open(value, key).map_err(fail)?;
        redactor.learn(value);
    }
    for entry in sealed.tools.values_mut() {
        if entry.has_sealed() {
            Arc::make_mut(entry).open(key).map_err(fail)?;
        }
        entry.values().for_each(|v| redactor.learn(v));
    }
    Ok(sealed)
}

/// A state without what is sealed in it, and how much that was. An empty text stands in the place of each secret; a tool whose
/// id is lost is looked for by its key, as one whose create was interrupted.
pub(super) fn without_sealed(mut sealed: State) -> (State, usize) {
    let mut count = 0;
    sealed.outputs.values_mut().for_each(|v| drop_sealed(v, &mut count));
    for entry in sealed.tools.values_mut().filter(|e| e.has_sealed()).map(Arc::make_mut) {
        entry.values_mut().for_each(|v| drop_sealed(v, &mut count));
        let before = entry.retired.len();
        entry.retired.retain(|r| !r.id.starts_with(SEALED));
        count += before - entry.retired.len();
        if entry.id.take_if(|id| id.starts_with(SEALED)).is_some() {
            count += 1;
            (entry.status, entry.absent_before) = (Status::Creating, true);
        }
    }
    (State { key: None, ..sealed }, count)
}

/// Whether anything in it is sealed.
pub fn has_sealed(state: &State) -> bool {
    state.outputs.values().any(holds_sealed) || state.tools.values().any(|e| e.has_sealed())
}

/// Records as they are written. `key` is asked for when a record holds a secret; before the first one, a record names the
/// key, unless it is `known`.
pub(super) fn sealed_records(
    records: &[Record],
    redactor: &Redactor,
    known: &mut bool,
    mut key: impl FnMut() -> Result<Key, StateError>,
) -> Result<Vec<u8>, StateError> {
    let mut out = vec![];
    for record in records {
        let mut record = record.clone();
        if record.needs_key(redactor) {
            let key = key()?;
            if !*known {
                *known = true;
                out.push(Record::Key { id: key.id() });
            }
            record.seal(&key, redactor).map_err(|_| unsealable())?;
        }
        out.push(record);
    }
    serde_json::to_vec(&out).map_err(|e| StateError::Closed(e.to_string()))
}
