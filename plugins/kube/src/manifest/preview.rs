//! What the cluster says of a manifest before it is applied: a dry run of each object.

use super::group::{Group, Item, items};
use super::observe::{is_ignored, short};
use super::record::Applied;
use crate::interface::manifest::Inputs;
use dtm_cluster::owned::Step;
use dtm_cluster::{Apply, Cluster, Name, Resource};
use dtm_plugin::Failure;
use dtm_plugin::serde_json::Value;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use std::collections::BTreeSet;

/// What a reader of the plan should know.
///
/// # Errors
/// A mistake in the objects, or an object that this manifest did not create.
pub(crate) async fn notes(
    cluster: &Cluster,
    inputs: &Inputs,
    group: &Group,
    (known, adopts): (&[Applied], bool),
) -> Result<Vec<String>, Failure> {
    let wanted = items(&inputs.objects, group)?;
    let tries: Vec<BoxFuture<'_, Result<Option<String>, Failure>>> = wanted
        .iter()
        .map(|item| {
            let is_new = !adopts && !known.iter().any(|old| old.name.is(&item.name));
            tried(cluster, item.clone(), group, is_new).boxed()
        })
        .collect();
    let mut notes = vec![];
    for told in join_all(tries).await {
        notes.extend(told?);
    }
    notes.extend(scaled(cluster, &wanted, inputs, group).await);
    let stale = known.iter().filter(|old| !wanted.iter().any(|item| item.name.is(&old.name)));
    let kept =
        |old: &&Applied| matches!(&*old.name.kind, "Namespace" | "CustomResourceDefinition") || !inputs.prune;
    notes.extend(stale.filter(kept).map(|old| format!("{} is left as it is", short(&old.name, group))));
    Ok(notes)
}

/// What a dry run says of an object: a mistake in it, or a note.
async fn tried(
    cluster: &Cluster,
    mut item: Item,
    group: &Group,
    is_new: bool,
) -> Result<Option<String>, Failure> {
    let Ok(resource) = item.resource(cluster).await else {
        let what = short(&item.name, group);
        return Ok(Some(format!(
            "{what}: checked when it is applied, as the cluster does not have its kind yet"
        )));
    };
    let what = short(&item.name, group);
    if is_new && let Ok(Some(there)) = cluster.get(&resource, &item.name.namespace, &item.name.name).await {
        refused(&there, &item.name, group)?;
    }
    match cluster.apply(&resource, &item.object, Apply { force: true, dry_run: true }).await {
        Ok(_) => Ok(None),
        // It may come in the same run.
        Err(fault) if fault.about() == "namespaces" && fault.code() == 404 => Ok(None),
        // Strict validation of unknown fields, and of values.
        Err(fault) if matches!(fault.code(), 400 | 500) => Err(fault.failure(&what).input("objects")),
        Err(fault) if fault.code() == 422 => Ok(Some(format!("{what}: {}", fault.message()))),
        Err(fault) => Ok(Some(format!("{what}: checked when it is applied: {}", fault.explained()))),
    }
}

/// Refuses an object that this manifest did not create.
///
/// # Errors
/// When it is of another manifest, or of none.
pub(crate) fn refused(there: &Value, name: &Name, group: &Group) -> Result<(), Failure> {
    let what = short(name, group);
    let why = match Group::labelled(there) {
        Some(own) if own == *group => return Ok(()),
        Some(other) => format!(
            "{what} belongs to another manifest, `{}` in `{}`: an object is in one manifest",
            other.name, other.namespace
        ),
        None => format!(
            "{what} already exists, and this manifest did not create it: take the objects over with `adopt`, or choose another name"
        ),
    };
    Err(Failure::clean(why).input("objects"))
}

/// The autoscalers that set the replicas of objects whose replicas the program sets as well.
async fn scaled(cluster: &Cluster, wanted: &[Item], inputs: &Inputs, group: &Group) -> Vec<String> {
    let replicas = [Step::Field("spec".into()), Step::Field("replicas".into())];
    let sets = |item: &&Item| {
        item.object.pointer("/spec/replicas").is_some() && !is_ignored(&inputs.ignore, &item.name, &replicas)
    };
    let fixed: Vec<&Item> = wanted.iter().filter(sets).collect();
    let autoscalers =
        Resource::built_in("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers");
    let namespaces: BTreeSet<&str> = fixed.iter().map(|item| &*item.name.namespace).collect();
    let mut notes = vec![];
    for namespace in namespaces {
        // Where they cannot be seen, the plan goes without the note.
        for autoscaler in cluster.list(&autoscalers, Some(namespace), "").await.unwrap_or_default() {
            let target = |field: &str| {
                autoscaler.pointer(&format!("/spec/scaleTargetRef/{field}")).and_then(Value::as_str)
            };
            let scales = |item: &&&Item| {
                item.name.namespace == namespace
                    && target("kind") == Some(&*item.name.kind)
                    && target("name") == Some(&*item.name.name)
            };
            notes.extend(fixed.iter().find(scales).map(|item| {
                format!(
                    "the autoscaler `{}` sets the replicas of {}: list `spec.replicas` in `ignore`",
                    dtm_cluster::name(&autoscaler),
                    short(&item.name, group)
                )
            }));
        }
    }
    notes
}
