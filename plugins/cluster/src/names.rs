//! What an object, which is a JSON value, is called.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which object it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// `v1`, `apps/v1`
    pub api_version: String,
    /// `Deployment`
    pub kind: String,
    /// Its namespace; empty for an object of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Name {
    /// The name of an object that has one.
    pub fn of(object: &Value) -> Name {
        Name {
            api_version: api_version(object).into(),
            kind: kind(object).into(),
            namespace: namespace(object).into(),
            name: name(object).into(),
        }
    }
    /// Whether it is the same object, by whichever version of its kind.
    pub fn is(&self, other: &Name) -> bool {
        // The names differ first: a list of objects is searched with this.
        (&self.name, &self.kind, &self.namespace) == (&other.name, &other.kind, &other.namespace)
            && group(&self.api_version) == group(&other.api_version)
    }
}

/// The group of a version; empty for the core.
pub(crate) fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{}/{} in {namespace}", self.kind, self.name),
        }
    }
}

/// The text at a place of an object; empty where there is none.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The version of an object's kind; empty where it has none.
pub fn api_version(object: &Value) -> &str {
    text(object, "/apiVersion")
}
/// The kind of an object; empty where it has none.
pub fn kind(object: &Value) -> &str {
    text(object, "/kind")
}
/// The name of an object; empty where it has none.
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}
/// The namespace of an object; empty where it has none.
pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}
/// The UID of an object; empty where it has none.
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}
/// The metadata of an object.
pub fn metadata(object: &Value) -> &Value {
    object.get("metadata").unwrap_or(&Value::Null)
}
/// The labels of an object by name.
pub fn labels(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    let labels = metadata(object).get("labels").and_then(Value::as_object);
    labels.into_iter().flatten().filter_map(|(name, value)| Some((&**name, value.as_str()?)))
}
