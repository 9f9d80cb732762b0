//! Reads releases: the metadata of Helm's records says which ones changed, and only those are read whole.

use super::objects::{Applied, LABEL, changed, endpoints, is_same, of_manifest};
use super::{Release, id, named, unreadable};
use crate::chart::plain;
use crate::interface::release::Outputs;
use crate::interface::{Drift, Status};
use crate::storage::{Record, Revision, newest, record};
use crate::values::{observed, same};
use dtm_cluster::{Cluster, Live, Name};
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{self, Value};
use dtm_plugin::{Failure, Object, Observed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is recorded of a release.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Private {
    /// The version of the record that Helm wrote last.
    version: String,
    /// Its objects as they were applied.
    objects: Vec<Applied>,
    /// The operations that were begun since. One that is recorded here and did not complete was interrupted: while this state is
    /// locked, nothing else runs it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    begun: Vec<String>,
}

impl Private {
    fn of(value: &Value) -> Option<Private> {
        serde_json::from_value(value.clone()).ok()
    }
    fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
    /// Nothing is recorded of a release whose first operation did not complete.
    fn is_first(&self) -> bool {
        self.version.is_empty()
    }
}

/// What is recorded before an operation is begun.
pub(super) fn with_begun(private: &Value, operation: &str) -> Value {
    let mut private = Private::of(private).unwrap_or_default();
    if !private.begun.iter().any(|known| known == operation) {
        private.begun.push(operation.into());
    }
    private.value()
}

/// Whether the operation that made a revision was begun by this state.
pub(super) fn was_begun(private: &Value, revision: &Revision) -> bool {
    let operation = revision.operation.as_ref();
    operation.is_some_and(|operation| Private::of(private).unwrap_or_default().begun.contains(operation))
}

type Seen = Result<Option<Observed<Release>>, Failure>;

/// Reads many releases.
pub(super) async fn all(cluster: &Cluster, objects: Vec<Object<Release>>) -> Vec<Seen> {
    let namespaces: BTreeSet<String> = objects.iter().map(|object| named(&object.id).0.to_string()).collect();
    let mut revisions: BTreeMap<String, Revision> = BTreeMap::new();
    let mut failed: BTreeMap<String, Failure> = BTreeMap::new();
    for namespace in namespaces {
        match newest(cluster, Some(&namespace)).await.map_err(unreadable(&namespace)) {
            Ok(all) => revisions.extend(all.into_values().map(|r| (id(&r.namespace, &r.name), r))),
            Err(failure) => _ = failed.insert(namespace, failure),
        }
    }
    // The objects of all releases are read together.
    let names = objects
        .iter()
        .filter(|object| object.inputs.drift == Drift::Objects && revisions.contains_key(&object.id))
        .filter_map(|object| Private::of(&object.private))
        .flat_map(|private| private.objects.into_iter().map(|applied| applied.name));
    let live = cluster.live(names.collect::<Vec<_>>(), LABEL).await;
    let mut out = vec![];
    for object in objects {
        let namespace = named(&object.id).0.to_string();
        out.push(match (failed.get(&namespace), revisions.get(&object.id)) {
            (Some(failure), _) => Err(failure.clone()),
            (None, None) => Ok(None),
            (None, Some(revision)) => match &live {
                Ok(live) => one(cluster, object, revision, live).await,
                Err(failure) => Err(failure.clone()),
            },
        });
    }
    out
}

async fn one(cluster: &Cluster, object: Object<Release>, revision: &Revision, live: &Live) -> Seen {
    if revision.status == "uninstalled" {
        return Ok(None);
    }
    let private = Private::of(&object.private);
    let begun = private.as_ref().map(|private| private.begun.clone()).unwrap_or_default();
    let recorded = private.filter(|private| !private.is_first());
    let known = recorded.as_ref().filter(|private| private.version == revision.version);
    let outputs: Option<Outputs> = serde_json::from_value(Value::Object(object.outputs.clone())).ok();
    if let (Some(private), Some(mut outputs)) = (known, outputs) {
        let by_objects = object.inputs.drift == Drift::Objects;
        let touched = by_objects && private.objects.iter().any(|applied| !is_same(applied, live));
        if by_objects && !touched {
            (outputs.endpoints, outputs.url) = addresses(&private.objects, live);
        }
        if !touched {
            let drift = broken(revision, None).into_iter().collect();
            return Ok(Some(Observed { outputs, inputs: Fields::new(), drift, private: object.private }));
        }
    }
    let failure = unreadable(&revision.namespace);
    let Some(record) = record(cluster, revision).await.map_err(failure)? else { return Ok(None) };
    let (namespace, _) = named(&object.id);
    let wanted = of_manifest(cluster, record.manifest(), namespace).await;
    let wanted = wanted
        .map_err(|why| Failure::clean(format!("the manifest of `{}` cannot be read: {why}", object.id)))?;
    let names: Vec<Name> = wanted.iter().map(|(own, _)| own.clone()).collect();
    let live = cluster.live(names, LABEL).await?;
    let mut drift: Vec<String> = broken(revision, Some(&record)).into_iter().collect();
    // What was recorded is what dtm wrote: without a record, nothing was written by it.
    if recorded.is_some() && object.inputs.drift == Drift::Objects {
        drift.extend(changed(&wanted, &live, namespace));
    }
    let inputs = inputs(&object, &record, known.is_none() && recorded.is_some(), &mut drift);
    let digest = object.outputs.get("chart_digest").and_then(Value::as_str).unwrap_or_default();
    let outputs = outputs_of(revision, &record, digest, &wanted, &live);
    // While something differs, what is recorded stays: the next look must find it again.
    let private = match recorded {
        Some(old) if !drift.is_empty() || !inputs.is_empty() => old,
        _ => Private { version: revision.version.clone(), objects: applied(&wanted, &live), begun },
    };
    Ok(Some(Observed { outputs, inputs, drift, private: private.value() }))
}

/// The objects that are there, as they are recorded.
fn applied(wanted: &[(Name, Value)], live: &Live) -> Vec<Applied> {
    let there = wanted.iter().filter_map(|(own, _)| Some((own, dtm_cluster::found(live, own)?)));
    there.map(|(own, object)| Applied::of(own, object)).collect()
}

/// What says that the last operation did not end well.
fn broken(revision: &Revision, record: Option<&Record>) -> Option<String> {
    let number = revision.number;
    match &*revision.status {
        "failed" => Some(format!("revision {number} failed")),
        "uninstalling" => Some("its deletion did not complete".into()),
        _ if revision.is_pending() => {
            Some(format!("revision {number} did not complete: it is {}", revision.status))
        }
        _ => {
            let said = record.map(Record::description).unwrap_or_default();
            let back = said
                .strip_prefix("Rollback to ")
                .filter(|_| revision.operation.is_none() || record.is_some());
            back.map(|to| format!("it was rolled back to revision {to}"))
        }
    }
}

/// The inputs as they are there: those that can be told from Helm's record.
fn inputs(object: &Object<Release>, record: &Record, was_written: bool, drift: &mut Vec<String>) -> Fields {
    let mut out = Fields::new();
    let (values, wanted) = (record.values(), object.inputs.plain_values());
    if !same(&values, &wanted) {
        out.insert("values".into(), observed(&values, &object.inputs.values));
    }
    let version = plain(record.chart_version());
    let recorded = object.inputs.version.as_deref().map(plain);
    if object.inputs.chart.is_empty() {
        // Nothing is known of it but its name: it is imported.
        out.insert("chart".into(), record.chart().into());
        out.insert("version".into(), version.into());
    } else if recorded.is_some_and(|recorded| recorded != version) {
        out.insert("version".into(), version.into());
    } else if was_written {
        let before = object.outputs.get("chart_version").and_then(Value::as_str).map(plain);
        if let Some(before) = before.filter(|before| recorded.is_none() && *before != version) {
            drift.push(format!("version {version} of the chart is installed, not {before}"));
        }
    }
    out
}

fn addresses(applied: &[Applied], live: &Live) -> (Vec<crate::interface::Endpoints>, Option<String>) {
    let names: Vec<Name> = applied.iter().map(|applied| applied.name.clone()).collect();
    let all = endpoints(&names, live);
    let url = all.iter().find_map(|endpoint| endpoint.url.clone());
    (all, url)
}

fn outputs_of(
    revision: &Revision,
    record: &Record,
    digest: &str,
    wanted: &[(Name, Value)],
    live: &Live,
) -> Outputs {
    let (endpoints, url) = addresses(&applied(wanted, live), live);
    Outputs {
        chart_version: record.chart_version().into(),
        app_version: record.app_version(),
        chart_digest: digest.into(),
        revision: revision.number,
        status: match &*revision.status {
            "deployed" | "superseded" => Status::Deployed,
            "uninstalling" => Status::Uninstalling,
            _ if revision.is_pending() => Status::Pending,
            _ => Status::Failed,
        },
        url,
        endpoints,
    }
}

/// A release that was just deployed: its outputs, and what is recorded of it.
///
/// # Errors
/// When its record or its objects cannot be read.
pub(super) async fn deployed(
    cluster: &Cluster,
    revision: &Revision,
    digest: &str,
) -> Result<(Outputs, Value), Failure> {
    let failure = unreadable(&revision.namespace);
    let Some(record) = record(cluster, revision).await.map_err(failure)? else {
        return Err(Failure::unknown(format!("the record of `{}` was deleted meanwhile", revision.name)));
    };
    let wanted = of_manifest(cluster, record.manifest(), &revision.namespace).await;
    let wanted = wanted.map_err(|why| {
        Failure::unknown(format!("the manifest of `{}` cannot be read: {why}", revision.name))
    })?;
    let live = cluster.live(wanted.iter().map(|(own, _)| own.clone()).collect::<Vec<_>>(), LABEL).await?;
    let private =
        Private { version: revision.version.clone(), objects: applied(&wanted, &live), begun: vec![] };
    Ok((outputs_of(revision, &record, digest, &wanted, &live), private.value()))
}
