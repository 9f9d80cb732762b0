//! The objects of a manifest as they are sent: named, labelled, in the order in which they are applied.

use crate::interface::manifest::Inputs;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtm_cluster::{Cluster, Name, Resource, kind, name, namespace};
use dtm_plugin::Failure;
use dtm_plugin::serde_json::{Map, Value, json};
use dtm_plugin::wire::plain;

/// The label that says to which manifest an object belongs.
pub(crate) const LABEL: &str = "dtm.dev/manifest";
/// The label that says in which namespace that manifest is.
pub(crate) const HOME: &str = "dtm.dev/manifest-namespace";

/// So many bytes are in one object at most: the server takes no more.
const LARGEST: usize = 1 << 20;

/// What the server adds to an object, which nobody sets.
const ADDED: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "selfLink",
    "uid",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// A manifest: its name and its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Group {
    pub(crate) fn of(inputs: &Inputs) -> Group {
        Group { name: inputs.name.clone(), namespace: inputs.namespace.clone() }
    }
    /// As the id of a tool.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
    /// From the id of a tool.
    pub(crate) fn named(id: &str) -> Option<Group> {
        let (namespace, name) = id.split_once('/')?;
        Some(Group { name: name.into(), namespace: namespace.into() })
    }
    /// From the labels of an object.
    pub(crate) fn labelled(object: &Value) -> Option<Group> {
        let label = |wanted: &str| {
            dtm_cluster::labels(object).find(|(name, _)| *name == wanted).map(|(_, v)| v.to_string())
        };
        Some(Group { name: label(LABEL)?, namespace: label(HOME)? })
    }
}

/// An object as it is applied.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its place in the input `objects`.
    pub(crate) index: usize,
    /// Its name; its namespace is that of the manifest if it sets none, and is dropped later if its kind has none.
    pub(crate) name: Name,
    /// What is sent.
    pub(crate) object: Value,
}

impl Item {
    /// When it is applied: namespaces first, then what defines kinds and rights, what others refer to, the rest, and last what
    /// may refuse others.
    pub(crate) fn class(&self) -> u8 {
        class(&self.name)
    }
    /// The kind of the object on the cluster. An object of the cluster loses its namespace.
    pub(crate) async fn resource(&mut self, cluster: &Cluster) -> Result<Resource, Failure> {
        let found = cluster.resource(&self.name.api_version, &self.name.kind).await;
        let found = found.map_err(|fault| fault.failure("the kinds of the cluster cannot be read"))?;
        let Some(resource) = found else {
            let why = cluster.unknown_kind(&self.name.api_version, &self.name.kind).await;
            return Err(Failure::clean(why).input("objects"));
        };
        if !resource.namespaced {
            self.name.namespace.clear();
            if let Some(metadata) = self.object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("namespace");
            }
        }
        Ok(resource)
    }
}

pub(crate) fn class(name: &Name) -> u8 {
    match &*name.kind {
        "Namespace" => 0,
        "CustomResourceDefinition" | "ClusterRole" => 1,
        "ServiceAccount"
        | "Secret"
        | "ConfigMap"
        | "Role"
        | "RoleBinding"
        | "ClusterRoleBinding"
        | "PersistentVolume"
        | "PersistentVolumeClaim"
        | "StorageClass"
        | "PriorityClass"
        | "RuntimeClass"
        | "IngressClass"
        | "LimitRange"
        | "ResourceQuota"
        | "NetworkPolicy" => 2,
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" | "APIService" => 4,
        _ => 3,
    }
}

/// The objects of the input `objects`, ready to be sent.
///
/// # Errors
/// When one is no object of Kubernetes, is named twice, or is too large.
pub(crate) fn items(objects: &[Value], group: &Group) -> Result<Vec<Item>, Failure> {
    let mut out: Vec<Item> = vec![];
    for (index, written) in objects.iter().enumerate() {
        let refused = |why: String| Failure::clean(format!("object {}: {why}", index + 1)).input("objects");
        let mut object = without_nulls(plain(written));
        if object.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"))
            && object.get("items").is_some()
        {
            return Err(refused("a list is not an object: write its items in `objects`".into()));
        }
        for field in ["apiVersion", "kind"] {
            if object.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(refused(format!("it has no `{field}`")));
            }
        }
        if name(&object).is_empty() {
            return Err(refused(match object.pointer("/metadata/generateName") {
                Some(_) => "`generateName` makes another object each time: write `metadata.name`".into(),
                None => "it has no `metadata.name`".into(),
            }));
        }
        clean(&mut object);
        if namespace(&object).is_empty() {
            object["metadata"]["namespace"] = group.namespace.clone().into();
        }
        label(&mut object, group);
        let size = object.to_string().len();
        if size > LARGEST {
            return Err(refused(format!("it has {size} bytes; the cluster takes at most {LARGEST}")));
        }
        let item = Item { index, name: Name::of(&object), object };
        if let Some(other) = out.iter().find(|other| other.name.is(&item.name)) {
            return Err(refused(format!("{} is the same object as object {}", item.name, other.index + 1)));
        }
        out.push(item);
    }
    out.sort_by_key(Item::class);
    Ok(out)
}

/// A value without the fields that are null: what is not set is not owned.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, v)| !v.is_null());
            Value::Object(fields.map(|(k, v)| (k, without_nulls(v))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf,
    }
}

/// Removes what the server adds, and writes `stringData` as `data`: removed keys of it would stay otherwise.
fn clean(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        ADDED.iter().for_each(|added| _ = metadata.remove(*added));
    }
    if kind(object) == "Secret"
        && let Some(Value::Object(texts)) =
            object.as_object_mut().and_then(|fields| fields.remove("stringData"))
    {
        let data = &mut object["data"];
        if !data.is_object() {
            *data = Value::Object(Map::new());
        }
        for (key, text) in texts {
            data[key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
        }
    }
}

fn label(object: &mut Value, group: &Group) {
    let labels = &mut object["metadata"]["labels"];
    if !labels.is_object() {
        *labels = json!({});
    }
    labels[LABEL] = group.name.clone().into();
    labels[HOME] = group.namespace.clone().into();
}

/// Whether a text is a value of a label, as the name of a manifest must be.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: char| c.is_ascii_alphanumeric();
    (1..=63).contains(&text.len()) && text.chars().all(inner) && text.starts_with(end) && text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Group {
        Group { name: "shop".into(), namespace: "prod".into() }
    }

    #[test]
    fn objects_are_sent_labelled_in_order_and_without_what_the_server_adds() {
        let objects = [
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c", "uid": "1", "annotations": { "a": null } },
                "status": {} }),
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" } }),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "namespace": "other" },
                "data": { "a": "eA==" }, "stringData": { "b": "y" } }),
        ];
        let items = items(&objects, &group()).expect("objects");
        assert_eq!(items.iter().map(|i| i.index).collect::<Vec<_>>(), [1, 0, 2]);
        assert_eq!(
            items[1].object,
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c", "annotations": {}, "namespace": "prod",
                "labels": { LABEL: "shop", HOME: "prod" } } })
        );
        assert_eq!(items[2].object["data"], json!({ "a": "eA==", "b": "eQ==" }));
        assert_eq!(items[2].name.to_string(), "Secret/s in other");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let told = |objects: &[Value]| match items(objects, &group()) {
            Err(failure) => format!("{failure:?}"),
            Ok(items) => panic!("{items:?}"),
        };
        assert!(told(&[json!({ "kind": "Pod" })]).contains("object 1: it has no `apiVersion`"));
        assert!(
            told(&[json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {} })])
                .contains("it has no `metadata.name`")
        );
        let pod =
            |version: &str| json!({ "apiVersion": version, "kind": "Ingress", "metadata": { "name": "a" } });
        assert!(
            told(&[pod("networking.k8s.io/v1"), pod("networking.k8s.io/v1beta1")])
                .contains("object 2: Ingress/a in prod is the same object as object 1")
        );
        let large = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "x": "y".repeat(LARGEST) } });
        assert!(told(&[large]).contains("the cluster takes at most 1048576"));
        let list = json!({ "apiVersion": "v1", "kind": "PodList", "items": [] });
        assert!(told(&[list]).contains("a list is not an object"));
    }

    #[test]
    fn a_name_must_fit_a_label() {
        for good in ["a", "shop-1", "A.b_c"] {
            assert!(is_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a/b", &"x".repeat(64)] {
            assert!(!is_label(bad), "{bad}");
        }
    }
}
