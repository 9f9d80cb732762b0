//! State and records as they are written: secrets sealed, and the key named.

use super::{Record, State, StateError};
use crate::secret::{Key, Redactor};
use serde_json::{Value, json};

fn unsealable() -> StateError {
    StateError::Closed("a secret could not be sealed".into())
}

/// A state as it is written: secrets sealed, and the key named if there are any.
pub(super) fn sealed_state(
    state: &State,
    key: Option<&Key>,
    redactor: &Redactor,
) -> Result<State, StateError> {
    let mut value = state.to_json();
    value["key"] = json!(key.map(Key::id));
    if let Some(key) = key {
        redactor.seal(&mut value, key).map_err(|_| unsealable())?;
    }
    serde_json::from_value(value).map_err(|e| StateError::Closed(e.to_string()))
}

/// Records as they are written. `key` is asked for when a record holds a secret; before the first one, a record names the
/// key, unless it is `known`.
pub(super) fn sealed_records(
    records: &[Record],
    redactor: &Redactor,
    known: &mut bool,
    mut key: impl FnMut() -> Result<Key, StateError>,
) -> Result<Vec<Value>, StateError> {
    let mut out = vec![];
    for record in records {
        let mut value = serde_json::to_value(record).map_err(|e| StateError::Closed(e.to_string()))?;
        if redactor.needs_key(&value) {
            let key = key()?;
            if !*known {
                *known = true;
                out.push(json!({ "record": "key", "id": key.id() }));
            }
            redactor.seal(&mut value, &key).map_err(|_| unsealable())?;
        }
        out.push(value);
    }
    Ok(out)
}
