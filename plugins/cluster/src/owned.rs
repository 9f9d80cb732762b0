//! The fields of an object that are ours, by its `managedFields`, and what they hold.
//!
//! The server keeps for each manager which fields it applied (`fieldsV1`): `f:NAME` is a field, `k:{KEYS}` the element of a list
//! with these keys, `v:VALUE` an element of a set, `i:N` one by its position, `.` the element itself. What others own, and what
//! the server adds, is in no part of it, so that its changes are not ours.

use crate::MANAGER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// One step of the way to a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A field of a record.
    Field(String),
    /// The element of a list that has these fields.
    Keyed(Map<String, Value>),
    /// The element of a set.
    Element(Value),
    /// An element by its position.
    At(usize),
}

/// A field that is ours: the way to it, and what it holds; nothing where it is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// From the object to the field.
    pub path: Vec<Step>,
    /// What it holds.
    pub value: Option<Value>,
}

/// The way to a field as a person writes it: `spec.containers[name=web].image`.
pub fn shown(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Field(name) => match (name.contains('.'), out.is_empty()) {
                (true, _) => out += &format!("[{name}]"),
                (false, true) => out += name,
                (false, false) => out += &format!(".{name}"),
            },
            Step::Keyed(keys) => {
                let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), String::from);
                let keys: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
                out += &format!("[{}]", keys.join(","));
            }
            Step::Element(value) => out += &format!("[{value}]"),
            Step::At(index) => out += &format!("[{index}]"),
        }
    }
    out
}

/// The fields that a manager applied, as the server keeps them; `None` where it applied none.
pub fn fields_of<'v>(object: &'v Value, manager: &str) -> Option<&'v Value> {
    let entries = crate::names::metadata(object).get("managedFields")?.as_array()?;
    let own = entries.iter().find(|entry| {
        let is = |name: &str, value: &str| entry.get(name).and_then(Value::as_str) == Some(value);
        is("manager", manager) && is("operation", "Apply") && entry.get("subresource").is_none_or(|s| s == "")
    });
    own?.get("fieldsV1")
}

/// The fields that managers set by whatever means, each with what it holds.
pub fn of_managers(object: &Value, is_one: impl Fn(&str) -> bool) -> Vec<Owned> {
    let entries = crate::names::metadata(object).get("managedFields").and_then(Value::as_array);
    let text =
        |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let mut out = vec![];
    for entry in entries.into_iter().flatten() {
        if is_one(&text(entry, "manager")) && text(entry, "subresource").is_empty() {
            collect(entry.get("fieldsV1").unwrap_or(&Value::Null), &mut vec![], object, &mut out);
        }
    }
    out
}

/// Our fields of an object, in the order of the server, each with what it holds.
pub fn of(object: &Value) -> Vec<Owned> {
    let mut out = vec![];
    if let Some(fields) = fields_of(object, MANAGER) {
        collect(fields, &mut vec![], object, &mut out);
    }
    out
}

fn collect(fields: &Value, path: &mut Vec<Step>, object: &Value, out: &mut Vec<Owned>) {
    let Some(inner) = fields.as_object() else { return };
    let below: Vec<(Step, &Value)> =
        inner.iter().filter_map(|(name, fields)| Some((step(name)?, fields))).collect();
    if below.is_empty() {
        return out.push(Owned { path: path.clone(), value: at(object, path).cloned() });
    }
    for (step, fields) in below {
        path.push(step);
        collect(fields, path, object, out);
        path.pop();
    }
}

fn step(name: &str) -> Option<Step> {
    let (kind, rest) = name.split_once(':')?;
    match kind {
        "f" => Some(Step::Field(rest.into())),
        "k" => serde_json::from_str(rest).ok().map(Step::Keyed),
        "v" => serde_json::from_str(rest).ok().map(Step::Element),
        "i" => rest.parse().ok().map(Step::At),
        _ => None,
    }
}

/// What an object has at the end of a way.
pub fn at<'v>(object: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Keyed(keys) => value.as_array()?.iter().find(|item| has(item, keys)),
        Step::Element(element) => value.as_array()?.iter().find(|item| *item == element),
        Step::At(index) => value.get(index),
    })
}

/// The place at the end of a way, which is made where only its last field is missing.
pub fn at_mut<'v>(object: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(object, |value, step| match step {
        Step::Field(name) => Some(value.as_object_mut()?.entry(name.clone()).or_insert(Value::Null)),
        Step::Keyed(keys) => value.as_array_mut()?.iter_mut().find(|item| has(item, keys)),
        Step::Element(element) => value.as_array_mut()?.iter_mut().find(|item| *item == element),
        Step::At(index) => value.get_mut(index),
    })
}

/// Whether an element of a list is the one with these keys. What an element leaves out has the server's default there, which is
/// not known: it is no contradiction.
fn has(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(key, value)| item.get(key).is_none_or(|own| own == value))
        && keys.keys().any(|key| item.get(key).is_some())
}

/// A digest of our fields and what they hold, as 64 hexadecimal digits; equal as long as nobody changed one of them. A change of
/// who else owns a field leaves it equal.
pub fn digest(object: &Value) -> String {
    digest_of(&of(object))
}

/// A digest of fields and what they hold, as [`digest`] makes it.
pub fn digest_of(fields: &[Owned]) -> String {
    let mut lines: Vec<String> = fields
        .iter()
        .map(|field| {
            format!("{}={}", shown(&field.path), field.value.as_ref().map(canonical).unwrap_or_default())
        })
        .collect();
    lines.sort();
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value with the fields of its records in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), canonical(v))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// The fields that differ between what an object is to be and what it is: `wanted` is the answer to a dry run with our fields.
pub fn differences(wanted: &Value, live: &Value) -> Vec<(Vec<Step>, Option<Value>)> {
    let ours = of(wanted).into_iter();
    ours.filter_map(|field| {
        let there = at(live, &field.path);
        (there != field.value.as_ref()).then(|| (field.path, there.cloned()))
    })
    .collect()
}

/// The leaves of what was written that are not the same there, with what is there; lists of records are compared by their names.
pub fn unlike(written: &Value, there: &Value) -> Vec<(Vec<Step>, Option<Value>)> {
    compare(written, there, &mut vec![])
}

fn compare(written: &Value, there: &Value, path: &mut Vec<Step>) -> Vec<(Vec<Step>, Option<Value>)> {
    match (written, there) {
        (Value::Object(fields), Value::Object(_)) => {
            let mut out = vec![];
            for (name, value) in fields {
                path.push(Step::Field(name.clone()));
                out.extend(compare(value, there.get(name).unwrap_or(&Value::Null), path));
                path.pop();
            }
            out
        }
        (Value::Array(items), Value::Array(others))
            if items.iter().all(|item| item.get("name").is_some()) =>
        {
            let mut out = vec![];
            for item in items {
                let keys = Map::from_iter([("name".to_string(), item["name"].clone())]);
                let other = others.iter().find(|other| other.get("name") == item.get("name"));
                path.push(Step::Keyed(keys));
                out.extend(compare(item, other.unwrap_or(&Value::Null), path));
                path.pop();
            }
            out
        }
        (written, there) if written == there => vec![],
        (_, Value::Null) => vec![(path.clone(), None)],
        (_, there) => vec![(path.clone(), Some(there.clone()))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(image: &str, foreign: &str) -> Value {
        json!({
            "metadata": {
                "name": "web", "annotations": { "a.b/c": "1", "other": foreign },
                "managedFields": [
                    { "manager": "other", "operation": "Update", "fieldsV1": { "f:metadata": { "f:annotations": { "f:other": {} } } } },
                    { "manager": "dtm", "operation": "Apply", "fieldsV1": {
                        "f:metadata": { "f:annotations": { "f:a.b/c": {} }, "f:finalizers": { "v:\"x\"": {} } },
                        "f:spec": { "f:containers": { "k:{\"name\":\"web\"}": { ".": {}, "f:name": {}, "f:image": {} } } },
                    } },
                ],
                "finalizers": ["x", "y"],
            },
            "spec": { "containers": [{ "name": "side", "image": "s" }, { "name": "web", "image": image, "pullPolicy": "Always" }] },
        })
    }

    #[test]
    fn only_our_fields_are_ours() {
        let fields: Vec<String> = of(&object("nginx", "2"))
            .iter()
            .map(|field| format!("{} {}", shown(&field.path), field.value.clone().unwrap_or_default()))
            .collect();
        assert_eq!(
            fields,
            [
                "metadata.annotations[a.b/c] \"1\"",
                "metadata.finalizers[\"x\"] \"x\"",
                "spec.containers[name=web].name \"web\"",
                "spec.containers[name=web].image \"nginx\"",
            ]
        );
    }

    #[test]
    fn a_digest_changes_with_our_fields_and_no_others() {
        let before = digest(&object("nginx", "2"));
        assert_eq!(before, digest(&object("nginx", "3")));
        assert_ne!(before, digest(&object("apache", "2")));
        let differ = differences(&object("nginx", "2"), &object("apache", "3"));
        assert_eq!(differ.len(), 1);
        assert_eq!(shown(&differ[0].0), "spec.containers[name=web].image");
        assert_eq!(differ[0].1, Some(json!("apache")));
    }

    #[test]
    fn an_element_is_found_by_its_keys_although_it_leaves_defaults_out() {
        let ports = json!({ "ports": [{ "port": 80 }, { "port": 90, "protocol": "UDP" }] });
        let keys = |text: &str| match serde_json::from_str(text) {
            Ok(Value::Object(keys)) => keys,
            other => panic!("{other:?}"),
        };
        let path = |text: &str| [Step::Field("ports".into()), Step::Keyed(keys(text))];
        assert_eq!(at(&ports, &path(r#"{"port":80,"protocol":"TCP"}"#)), Some(&json!({ "port": 80 })));
        assert_eq!(at(&ports, &path(r#"{"port":90,"protocol":"TCP"}"#)), None);
    }

    #[test]
    fn without_a_dry_run_what_was_written_is_compared() {
        let written = json!({ "spec": { "a": 1, "list": [{ "name": "x", "v": 1 }], "gone": 2 } });
        let there = json!({ "spec": { "a": 2, "list": [{ "name": "y" }, { "name": "x", "v": 3, "added": true }], "added": 1 } });
        let differ: Vec<String> = unlike(&written, &there).iter().map(|(path, _)| shown(path)).collect();
        assert_eq!(differ, ["spec.a", "spec.list[name=x].v", "spec.gone"]);
    }
}
