//! Reads the objects of a manifest, and finds the fields that others have changed.

use super::group::{Group, HOME, Item, LABEL};
use super::record::Applied;
use crate::interface::Ignore;
use dtm_cluster::owned::{Step, at_mut, differences, shown, unlike};
use dtm_cluster::{Apply, Cluster, Live, Name, found, ready, uid};
use dtm_plugin::Failure;
use dtm_plugin::serde_json::{Map, Value};
use dtm_plugin::wire;
use std::collections::BTreeMap;
use std::time::Duration;

/// The label that finds the objects of a manifest, or of all.
pub(crate) fn selector(group: Option<&Group>) -> String {
    match group {
        Some(group) => format!("{LABEL}={},{HOME}={}", group.name, group.namespace),
        None => LABEL.to_string(),
    }
}

/// The objects of a manifest as they are on the cluster.
pub(crate) struct Seen {
    /// The input `objects` as it is there.
    pub(crate) objects: Vec<Value>,
    /// The objects that are there, as they were recorded.
    pub(crate) found: Vec<(Applied, Value)>,
    /// Whether everything that is there is ready.
    pub(crate) ready: bool,
}

/// Compares objects with what is recorded: an equal digest says that nobody touched our fields; otherwise the server is asked what
/// it would make of what was applied, and the fields that differ are taken from what is there.
///
/// # Errors
/// When the server cannot be asked.
pub(crate) async fn compare(
    cluster: &Cluster,
    (written, items): (&[Value], Vec<Item>),
    recorded: &[Applied],
    live: &Live,
    ignore: &[Ignore],
) -> Result<Seen, Failure> {
    let mut objects: Vec<Option<Value>> = written.iter().cloned().map(Some).collect();
    let mut seen = Seen { objects: vec![], found: vec![], ready: true };
    for mut item in items {
        let resource = item.resource(cluster).await;
        let Some(there) = found(live, &item.name) else {
            objects[item.index] = None;
            continue;
        };
        seen.ready &= ready::status(there, Duration::MAX) == ready::Status::Ready;
        let applied = recorded.iter().find(|applied| applied.name.is(&item.name));
        let now = Applied::of(there);
        if applied.is_none_or(|applied| *applied != now) {
            let changed = changes(cluster, resource, &item, there).await;
            if let Some(object) = &mut objects[item.index] {
                let kept = |path: &[Step]| is_ignored(ignore, &item.name, path);
                changed
                    .iter()
                    .filter(|(path, _)| !kept(path))
                    .for_each(|(path, value)| put(object, path, value.as_ref()));
            }
        }
        seen.found.push((applied.cloned().unwrap_or(now), there.clone()));
    }
    seen.objects = objects.into_iter().flatten().collect();
    Ok(seen)
}

/// The fields of an object that are not as they were applied, with what they hold.
async fn changes(
    cluster: &Cluster,
    resource: Result<dtm_cluster::Resource, Failure>,
    item: &Item,
    there: &Value,
) -> Vec<(Vec<Step>, Option<Value>)> {
    let dry_run = Apply { force: true, dry_run: true };
    let would = match &resource {
        Ok(resource) => cluster.apply(resource, &item.object, dry_run).await.ok(),
        Err(_) => None,
    };
    match would {
        Some(would) => differences(&would, there),
        // A webhook that refuses dry runs: what was written is compared as it is.
        None => unlike(&item.object, there),
    }
}

/// Writes what is there into the object as it was written. What was secret stays so.
fn put(object: &mut Value, path: &[Step], there: Option<&Value>) {
    let is_secret =
        dtm_cluster::kind(object) == "Secret" && matches!(path.first(), Some(Step::Field(f)) if f == "data");
    let escaped: Vec<Step> = path
        .iter()
        .map(|step| match step {
            Step::Field(name) => Step::Field(wire::escape(name)),
            Step::Keyed(_) | Step::Element(_) | Step::At(_) => step.clone(),
        })
        .collect();
    if let Some((Step::Field(last), parents)) = escaped.split_last() {
        // A record that the program leaves out, such as the labels.
        let mut way = vec![];
        for step in parents {
            way.push(step.clone());
            if let Some(parent @ Value::Null) = at_mut(object, &way) {
                *parent = Value::Object(Map::new());
            }
        }
        if there.is_none() {
            if let Some(Value::Object(fields)) = at_mut(object, parents)
                && fields.remove(last).is_none()
            {
                fields.insert(last.clone(), Value::Null);
            }
            return;
        }
    }
    let value = there.cloned().unwrap_or(Value::Null);
    match at_mut(object, &escaped) {
        Some(place) => {
            *place = if is_secret || wire::has_secret(place) { wire::secret(value) } else { value }
        }
        // The element is gone from a list that the program writes: its last part that is there says so.
        None => {
            if let Some((_, parents)) = escaped.split_last() {
                put_missing(object, parents);
            }
        }
    }
}

/// Removes the element of a list to which a way leads.
fn put_missing(object: &mut Value, path: &[Step]) {
    let Some((last, parents)) = path.split_last() else { return };
    let Some(list) = at_mut(object, parents).and_then(Value::as_array_mut) else { return };
    list.retain(|item| match last {
        Step::Keyed(keys) => !keys.iter().all(|(key, value)| item.get(key).is_none_or(|own| own == value)),
        Step::Element(element) => item != element,
        Step::Field(_) | Step::At(_) => true,
    });
}

/// Whether a field is left alone.
pub(crate) fn is_ignored(ignore: &[Ignore], name: &Name, path: &[Step]) -> bool {
    let (short, path) = (format!("{}/{}", name.kind, name.name), shown(path));
    ignore.iter().any(|ignored| {
        let target = ignored.target == "*" || ignored.target == short;
        let rest = path.strip_prefix(&*ignored.path);
        target && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// The object as it is applied over what is there: fields that are left alone keep what they hold.
pub(crate) fn without_ignored(object: &Value, there: &Value, name: &Name, ignore: &[Ignore]) -> Value {
    let mut out = object.clone();
    if ignore.is_empty() {
        return out;
    }
    let mut leaves = vec![];
    collect(object, &mut vec![], &mut leaves);
    for path in leaves.iter().filter(|path| is_ignored(ignore, name, path)) {
        if let (Some(place), Some(held)) = (at_mut(&mut out, path), dtm_cluster::owned::at(there, path)) {
            *place = held.clone();
        }
    }
    out
}

/// The ways to the leaves of a value.
fn collect(value: &Value, path: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                path.push(Step::Field(name.clone()));
                collect(value, path, out);
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                path.push(match item.get("name") {
                    Some(name) => Step::Keyed(Map::from_iter([("name".into(), name.clone())])),
                    None => Step::At(index),
                });
                collect(item, path, out);
                path.pop();
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Array(_) => {
            out.push(path.clone());
        }
    }
}

/// The manifests that have an object of these names, by their labels.
pub(crate) async fn groups(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<Group>, Failure> {
    let kinds =
        cluster.listable().await.map_err(|fault| fault.failure("the kinds of the cluster cannot be read"))?;
    let lists = kinds.iter().map(|resource| async move {
        match cluster.list_metadata(resource, None, LABEL).await {
            Ok(listed) => Ok(listed),
            // What may not be seen, or what its server does not answer for, is not ours either.
            Err(fault) if matches!(fault.code(), 403 | 404 | 405 | 503) => Ok(vec![]),
            Err(fault) => {
                Err(fault.failure(&format!("the objects of kind `{}` cannot be read", resource.kind)))
            }
        }
    });
    let mut out = vec![];
    for listed in futures_util::future::join_all(lists).await {
        out.extend(listed?.iter().filter_map(Group::labelled));
    }
    out.retain(|group| namespace.is_none_or(|wanted| group.namespace == wanted));
    out.sort();
    out.dedup();
    Ok(out)
}

/// The name of an object in messages and outputs: `Deployment/web`, with its namespace where that is not the manifest's.
pub(crate) fn short(object: &Name, group: &Group) -> String {
    let plain = format!("{}/{}", object.kind, object.name);
    match object.namespace.is_empty() || object.namespace == group.namespace {
        true => plain,
        false => format!("{}/{plain}", object.namespace),
    }
}

/// The UIDs of objects by their names.
pub(crate) fn uids<'v>(objects: impl Iterator<Item = &'v Value>, group: &Group) -> BTreeMap<String, String> {
    objects.map(|object| (short(&Name::of(object), group), uid(object).to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtm_plugin::serde_json::json;

    fn field(names: &[&str]) -> Vec<Step> {
        names.iter().map(|name| Step::Field((*name).into())).collect()
    }

    #[test]
    fn what_is_there_is_written_into_the_object_of_the_program() {
        let mut object = json!({ "kind": "Deployment", "spec": { "replicas": 1, "containers": [{ "name": "a", "image": "x" }] } });
        put(&mut object, &field(&["spec", "replicas"]), Some(&json!(3)));
        let keyed = Step::Keyed(Map::from_iter([("name".to_string(), json!("a"))]));
        let mut image = field(&["spec", "containers"]);
        image.extend([keyed, Step::Field("image".into())]);
        put(&mut object, &image, Some(&json!("y")));
        put(&mut object, &field(&["metadata", "labels", "app"]), Some(&json!("z")));
        assert_eq!(
            object,
            json!({ "kind": "Deployment", "spec": { "replicas": 3, "containers": [{ "name": "a", "image": "y" }] },
                "metadata": { "labels": { "app": "z" } } })
        );
        put(&mut object, &field(&["spec", "replicas"]), None);
        assert_eq!(object["spec"].get("replicas"), None);
    }

    #[test]
    fn data_of_a_secret_stays_secret() {
        let mut object = json!({ "kind": "Secret", "stringData": { "a": "x" } });
        put(&mut object, &field(&["data", "a"]), Some(&json!("eQ==")));
        assert!(wire::is_secret(&object["data"]["a"]));
    }

    #[test]
    fn ignored_fields_keep_what_they_hold() {
        let ignore = [Ignore { target: "Deployment/web".into(), path: "spec.replicas".into() }];
        let name = Name {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "n".into(),
            name: "web".into(),
        };
        assert!(is_ignored(&ignore, &name, &field(&["spec", "replicas"])));
        assert!(!is_ignored(&ignore, &name, &field(&["spec", "replicasOfOld"])));
        let written = json!({ "spec": { "replicas": 1, "paused": false } });
        let there = json!({ "spec": { "replicas": 5, "paused": true } });
        assert_eq!(
            without_ignored(&written, &there, &name, &ignore),
            json!({ "spec": { "replicas": 5, "paused": false } })
        );
    }
}
