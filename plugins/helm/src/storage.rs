//! Helm's own records: a Secret for each revision of a release, labelled `owner=helm`, in which `release` is JSON, compressed by
//! gzip and encoded in base64 (as a whole once more, as every value of a Secret is).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtm_cluster::{Cluster, Fault, Resource, labels, metadata, name};
use dtm_plugin::serde_json::{self, Value, json};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// The label that holds the key of the operation that made a revision.
pub(crate) const OPERATION: &str = "dtm.dev/operation";
/// The label that holds how many seconds that operation had.
pub(crate) const SECONDS: &str = "dtm.dev/seconds";

/// A revision as the metadata of its Secret says it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Revision {
    /// The namespace of the release.
    pub(crate) namespace: String,
    /// The name of the release.
    pub(crate) name: String,
    /// The name of the Secret.
    pub(crate) secret: String,
    /// Which revision.
    pub(crate) number: i64,
    /// `deployed`, `failed`, `pending-upgrade`.
    pub(crate) status: String,
    /// Changes with every write.
    pub(crate) version: String,
    /// The key of the operation that made it, where dtm did.
    pub(crate) operation: Option<String>,
    /// How many seconds that operation had.
    pub(crate) seconds: Option<u64>,
}

impl Revision {
    fn of(secret: &Value) -> Option<Revision> {
        let all: BTreeMap<&str, &str> = labels(secret).collect();
        Some(Revision {
            namespace: dtm_cluster::namespace(secret).into(),
            name: all.get("name")?.to_string(),
            secret: name(secret).into(),
            number: all.get("version")?.parse().ok()?,
            status: all.get("status")?.to_string(),
            version: metadata(secret).get("resourceVersion")?.as_str()?.into(),
            operation: all.get(OPERATION).map(|key| key.to_string()),
            seconds: all.get(SECONDS).and_then(|seconds| seconds.parse().ok()),
        })
    }
    /// Whether an operation is under way, or ended without a word.
    pub(crate) fn is_pending(&self) -> bool {
        self.status.starts_with("pending-")
    }
}

fn secrets() -> Resource {
    Resource::built_in("v1", "Secret", "secrets")
}

/// The newest revision of each release, by namespace and name: of one namespace, or of all.
pub(crate) async fn newest(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<BTreeMap<(String, String), Revision>, Fault> {
    let mut out: BTreeMap<(String, String), Revision> = BTreeMap::new();
    for revision in
        cluster.list_metadata(&secrets(), namespace, "owner=helm").await?.iter().filter_map(Revision::of)
    {
        let key = (revision.namespace.clone(), revision.name.clone());
        if out.get(&key).is_none_or(|known| known.number < revision.number) {
            out.insert(key, revision);
        }
    }
    Ok(out)
}

/// The newest revision of one release.
pub(crate) async fn newest_of(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<Revision>, Fault> {
    let selector = format!("owner=helm,name={name}");
    let listed = cluster.list_metadata(&secrets(), Some(namespace), &selector).await?;
    Ok(listed.iter().filter_map(Revision::of).max_by_key(|revision| revision.number))
}

/// What Helm recorded of a revision.
#[derive(Clone, Debug)]
pub(crate) struct Record(pub(crate) Value);

impl Record {
    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
    /// The values that were given.
    pub(crate) fn values(&self) -> Value {
        self.0.get("config").filter(|values| !values.is_null()).cloned().unwrap_or_else(|| json!({}))
    }
    /// The name of the chart.
    pub(crate) fn chart(&self) -> &str {
        self.text("/chart/metadata/name")
    }
    /// The version of the chart.
    pub(crate) fn chart_version(&self) -> &str {
        self.text("/chart/metadata/version")
    }
    /// The version of the application.
    pub(crate) fn app_version(&self) -> String {
        match self.0.pointer("/chart/metadata/appVersion") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }
    /// What was done last: `Upgrade complete`, `Rollback to 3`.
    pub(crate) fn description(&self) -> &str {
        self.text("/info/description")
    }
    /// When that was, as RFC 3339.
    pub(crate) fn deployed_at(&self) -> &str {
        self.text("/info/last_deployed")
    }
    /// Whether it was applied server-side, which Helm 4 does.
    pub(crate) fn is_server_side(&self) -> bool {
        self.text("/apply_method") == "ssa"
    }
    /// The objects of the release, as YAML.
    pub(crate) fn manifest(&self) -> &str {
        self.text("/manifest")
    }
}

/// Reads the record of a revision; `None` where it no longer exists.
///
/// # Errors
/// When the Secret cannot be read, or is not one of Helm.
pub(crate) async fn record(cluster: &Cluster, revision: &Revision) -> Result<Option<Record>, Fault> {
    let Some(secret) = cluster.get(&secrets(), &revision.namespace, &revision.secret).await? else {
        return Ok(None);
    };
    let data = secret.pointer("/data/release").and_then(Value::as_str).unwrap_or_default();
    match decode(data) {
        Some(record) => Ok(Some(Record(record))),
        None => Err(Fault::NotSent(format!(
            "the Secret `{}` in `{}` is not a record of Helm",
            revision.secret, revision.namespace
        ))),
    }
}

/// Marks an operation that did not end as failed, as Helm does at a signal: it may be upgraded then. Nothing is written if
/// something else has changed the record since.
pub(crate) async fn mark_failed(
    cluster: &Cluster,
    revision: &Revision,
    record: &Record,
) -> Result<(), Fault> {
    let mut failed = record.0.clone();
    failed["info"]["status"] = "failed".into();
    failed["info"]["description"] = "interrupted; marked as failed by dtm".into();
    let patch = json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": revision.version },
        { "op": "replace", "path": "/data/release", "value": encode(&failed) },
        { "op": "replace", "path": "/metadata/labels/status", "value": "failed" },
    ]);
    cluster.patch(&secrets(), &revision.namespace, &revision.secret, &patch).await.map(|_| ())
}

fn decode(data: &str) -> Option<Value> {
    let inner = STANDARD.decode(data).ok()?;
    let bytes = STANDARD.decode(inner).ok()?;
    let mut json = vec![];
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => _ = GzDecoder::new(&*bytes).read_to_end(&mut json).ok()?,
        false => json = bytes,
    }
    serde_json::from_slice(&json).ok()
}

fn encode(record: &Value) -> String {
    let mut gzip = GzEncoder::new(vec![], Compression::best());
    let _ = gzip.write_all(&serde_json::to_vec(record).unwrap_or_default());
    STANDARD.encode(STANDARD.encode(gzip.finish().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let record = json!({ "name": "shop", "config": { "a": 1 }, "info": { "status": "deployed" } });
        assert_eq!(decode(&encode(&record)), Some(record));
        assert_eq!(decode("no base64"), None);
        // An old release is not compressed.
        assert_eq!(decode(&STANDARD.encode(STANDARD.encode("{}"))), Some(json!({})));
    }

    #[test]
    fn a_revision_is_read_from_its_labels() {
        let secret = json!({ "metadata": {
            "name": "sh.helm.release.v1.shop.v12", "namespace": "web", "resourceVersion": "7",
            "labels": { "owner": "helm", "name": "shop", "version": "12", "status": "pending-upgrade", OPERATION: "key" },
        } });
        let revision = Revision::of(&secret).expect("a revision");
        assert_eq!((revision.number, &*revision.name, revision.is_pending()), (12, "shop", true));
        assert_eq!(revision.operation.as_deref(), Some("key"));
        assert_eq!(Revision::of(&json!({ "metadata": { "labels": { "owner": "helm" } } })), None);
    }
}
