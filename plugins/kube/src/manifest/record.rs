//! What is recorded of each object: which one it is, and what our fields of it held.

use dtm_cluster::{Name, owned, uid};
use dtm_plugin::serde_json::{self, Value, json};
use serde::{Deserialize, Serialize};

/// An object that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// Which object it is.
    #[serde(flatten)]
    pub(crate) name: Name,
    /// Its UID.
    pub(crate) uid: String,
    /// What our fields of it held when it was applied.
    pub(crate) digest: String,
}

impl Applied {
    /// Of an object as the server has it.
    pub(crate) fn of(object: &Value) -> Applied {
        Applied { name: Name::of(object), uid: uid(object).into(), digest: owned::digest(object) }
    }
}

/// What was recorded; `None` of a manifest that was adopted, or of which only the beginning is known.
pub(crate) fn recorded(private: &Value) -> Option<Vec<Applied>> {
    serde_json::from_value(private.get("objects")?.clone()).ok()
}

/// Whether a manifest was adopted and not applied since: its objects are taken over.
pub(crate) fn is_adopted(private: &Value) -> bool {
    private.get("adopted") == Some(&Value::Bool(true))
}

/// As it is recorded of a manifest of which nothing is: the objects that carry its labels were applied by a run that did not end;
/// without any, it is adopted.
pub(crate) fn begun(there: &[&Value]) -> Value {
    match there {
        [] => json!({ "adopted": true }),
        there => private(&there.iter().map(|object| Applied::of(object)).collect::<Vec<_>>()),
    }
}

/// As it is recorded.
pub(crate) fn private(objects: &[Applied]) -> Value {
    json!({ "objects": objects })
}
