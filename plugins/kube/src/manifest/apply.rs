//! Applying the objects of a manifest, and deleting those that it no longer has.

use super::group::{Group, Item, class};
use super::observe::{short, without_ignored};
use super::preview::refused;
use super::record::{Applied, private};
use super::waiting::Patience;
use crate::interface::Recreate;
use crate::interface::manifest::Inputs;
use crate::patience::gone;
use dtm_cluster::owned::{self, shown};
use dtm_cluster::{Apply, Cause, Cluster, Fault, MANAGER, Name, Resource, uid};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Ctx, Failure};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use std::time::Duration;

/// So many objects are applied at the same time.
const AT_ONCE: usize = 10;
/// How long the kinds of a definition take to be served after it is established.
const SERVED: Duration = Duration::from_secs(10);

/// A run that applies a manifest.
pub(crate) struct Run<'a> {
    pub(crate) ctx: &'a Ctx,
    pub(crate) cluster: &'a Cluster,
    pub(crate) inputs: &'a Inputs,
    pub(crate) group: &'a Group,
    /// What is recorded; empty where the manifest is created.
    pub(crate) recorded: &'a [Applied],
    /// Whether objects of others are taken over.
    pub(crate) adopts: bool,
}

impl Run<'_> {
    /// Applies objects, class by class; gives what was applied, and why it ended early.
    pub(crate) async fn apply(&self, items: Vec<Item>) -> (Vec<(Applied, Value)>, Option<Failure>) {
        let mut done: Vec<(Applied, Value)> = vec![];
        if let Err(failure) = self.namespace(&items).await {
            return (done, Some(failure));
        }
        for of_class in items.chunk_by(|a, b| a.class() == b.class()) {
            let work: Vec<BoxFuture<'_, Result<Value, Failure>>> =
                of_class.iter().map(|item| self.one(item.clone()).boxed()).collect();
            let results = together(work).await;
            let mut failed = None;
            for result in results {
                match result {
                    Ok(object) => done.push((Applied::of(&object), object)),
                    Err(failure) => failed = failed.or(Some(failure)),
                }
            }
            if failed.is_some() {
                return (done, failed);
            }
            if of_class.first().is_some_and(|item| item.class() == 1) {
                let new: Vec<Value> = done.iter().map(|(_, object)| object.clone()).collect();
                let definitions = new.iter().filter(|o| dtm_cluster::kind(o) == "CustomResourceDefinition");
                let names: Vec<Name> = definitions.map(Name::of).collect();
                if let Err(failure) =
                    Patience::new(self.ctx, self.cluster, self.group).all_ready(&names).await
                {
                    return (done, Some(failure));
                }
            }
            self.ctx.progress(format!("{} of {} objects applied", done.len(), items.len()));
            if self.ctx.is_cancelled() {
                return (done, Some(Failure::clean("stopped")));
            }
        }
        (done, None)
    }

    /// Creates the manifest's namespace, if objects are in it and it does not exist.
    async fn namespace(&self, items: &[Item]) -> Result<(), Failure> {
        let home = &self.group.namespace;
        let made = items.iter().any(|i| i.name.kind == "Namespace" && i.name.name == *home);
        if made || home == "default" || !items.iter().any(|item| item.name.namespace == *home) {
            return Ok(());
        }
        match self.cluster.ensure_namespace(home, &json!({})).await {
            Ok(_) => Ok(()),
            // Whoever may not look at namespaces may still work in one.
            Err(fault) if fault.code() == 403 => Ok(()),
            Err(fault) => Err(fault.failure(&format!("the namespace `{home}` cannot be created"))),
        }
    }

    async fn one(&self, mut item: Item) -> Result<Value, Failure> {
        let resource = self.served(&mut item).await?;
        let what = short(&item.name, self.group);
        let cannot = |fault: Fault| fault.failure(&format!("{what} cannot be applied")).input("objects");
        let mut tries = 0;
        loop {
            tries += 1;
            let there = match self.cluster.get(&resource, &item.name.namespace, &item.name.name).await {
                Ok(there) => there,
                // Whoever may not read may still apply.
                Err(fault) if fault.code() == 403 => None,
                Err(fault) => return Err(cannot(fault)),
            };
            if let Some(there) = &there {
                self.is_ours(&item.name, there)?;
                if dtm_cluster::metadata(there).get("deletionTimestamp").is_some() {
                    gone(self.ctx, self.cluster, &resource, &item.name, uid(there)).await?;
                    continue;
                }
                if self.adopts {
                    self.take_over(&resource, &item.name, there).await.map_err(cannot)?;
                }
            }
            let mut object = match &there {
                Some(there) => without_ignored(&item.object, there, &item.name, &self.inputs.ignore),
                None => item.object.clone(),
            };
            if let Some(there) = &there {
                object["metadata"]["uid"] = uid(there).into();
            }
            let force = self.inputs.force || self.adopts;
            let fault = match self.cluster.apply(&resource, &object, Apply { force, dry_run: false }).await {
                Ok(applied) => return Ok(applied),
                Err(fault) => fault,
            };
            match (fault.code(), &there) {
                (409, Some(there)) if is_conflict(&fault) => {
                    let force = Apply { force: true, dry_run: false };
                    let conflicts =
                        self.conflicts(&resource, &object, there, &fault).await.map_err(cannot)?;
                    if conflicts.is_empty() {
                        return self.cluster.apply(&resource, &object, force).await.map_err(cannot);
                    }
                    return Err(Failure::clean(format!(
                        "{what} has fields that others have set differently:\n{}\nremove them from the program, list them in `ignore`, or take them over with `force = true`",
                        conflicts.join("\n")
                    ))
                    .input("objects"));
                }
                // It was created, deleted or replaced in the meantime.
                (409, _) if tries < 3 => continue,
                (422, Some(there)) if immutable(&fault) => {
                    self.recreate(&resource, &item, there, &fault).await?;
                }
                (404, _) if fault.about() == "namespaces" => {
                    let namespace = &item.name.namespace;
                    return Err(Failure::clean(format!(
                        "{what}: the namespace `{namespace}` does not exist: create it with `kube.Namespace`, or as an object of this manifest"
                    ))
                    .input("objects"));
                }
                (403, _) if fault.causes().iter().any(|cause| cause.reason == "NamespaceTerminating") => {
                    self.ctx.progress(format!("waiting for the namespace of {what} to be deleted"));
                    Patience::new(self.ctx, self.cluster, self.group).pause(Duration::from_secs(1)).await.map_err(|()| {
                        let namespace = &item.name.namespace;
                        Failure::clean(format!("{what}: the namespace `{namespace}` is still being deleted: `kubectl get namespace {namespace} -o yaml` says what it waits for"))
                    })?;
                    tries = 0;
                }
                _ => return Err(cannot(fault)),
            }
        }
    }

    /// The kind of an object, as soon as it is served: its definition may have been applied just now.
    async fn served(&self, item: &mut Item) -> Result<Resource, Failure> {
        let begun = std::time::Instant::now();
        loop {
            let failure = match item.resource(self.cluster).await {
                Ok(resource) => return Ok(resource),
                Err(failure) => failure,
            };
            let defined = self.inputs.objects.iter().any(|object| {
                let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
                text("/kind") == Some("CustomResourceDefinition")
                    && text("/spec/names/kind") == Some(&*item.name.kind)
            });
            if !defined || begun.elapsed() > SERVED || self.ctx.is_cancelled() {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Refuses an object that this manifest did not create.
    fn is_ours(&self, name: &Name, there: &Value) -> Result<(), Failure> {
        let known = self.recorded.iter().any(|applied| applied.name.is(name));
        if self.adopts || known {
            return Ok(());
        }
        refused(there, name, self.group)
    }

    /// Makes fields that `kubectl apply` set ours, as if dtm had applied them: those that the program drops are removed then.
    async fn take_over(&self, resource: &Resource, name: &Name, there: &Value) -> Result<(), Fault> {
        const KUBECTL: [&str; 2] = ["kubectl-client-side-apply", "kubectl"];
        if owned::fields_of(there, MANAGER).is_some() {
            return Ok(());
        }
        let entries = dtm_cluster::metadata(there).get("managedFields").and_then(Value::as_array);
        let by_kubectl = |entry: &Value| {
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
            KUBECTL.contains(&text("manager")) && text("subresource").is_empty()
        };
        let Some(index) = entries.and_then(|entries| entries.iter().position(by_kubectl)) else {
            return Ok(());
        };
        let version = dtm_cluster::metadata(there).get("resourceVersion").cloned().unwrap_or_default();
        let at = |field: &str| format!("/metadata/managedFields/{index}/{field}");
        let patch = json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
            { "op": "replace", "path": at("manager"), "value": MANAGER },
            { "op": "replace", "path": at("operation"), "value": "Apply" },
        ]);
        match self.cluster.patch(resource, &name.namespace, &name.name, &patch).await {
            Ok(_) => Ok(()),
            // Changed in the meantime: what kubectl set and the program drops stays, and nothing else is lost.
            Err(fault) if matches!(fault.code(), 409 | 422) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// The fields in conflict that really differ: who set them, to what, and what the program wants.
    async fn conflicts(
        &self,
        resource: &Resource,
        object: &Value,
        there: &Value,
        fault: &Fault,
    ) -> Result<Vec<String>, Fault> {
        let would = self.cluster.apply(resource, object, Apply { force: true, dry_run: true }).await?;
        let secret = dtm_cluster::kind(object) == "Secret";
        let plain = |value: Option<&Value>| match (value, secret) {
            (_, true) => "(secret)".to_string(),
            (Some(value), false) => value.to_string(),
            (None, false) => "nothing".to_string(),
        };
        let differ = owned::differences(&would, there);
        let causes = fault.causes();
        let who = |path: &str| {
            let cause = causes.iter().find(|cause| same_field(&cause.field, path));
            cause.and_then(|cause| cause.message.split('"').nth(1)).unwrap_or("another manager").to_string()
        };
        let told = |(path, live): &(Vec<owned::Step>, Option<Value>)| {
            let field = shown(path);
            let wanted = owned::at(&would, path);
            let (who, live, wanted) = (who(&field), plain(live.as_ref()), plain(wanted));
            let conflicts = causes.iter().any(|cause| same_field(&cause.field, &field));
            conflicts.then(|| format!("  {field}: `{who}` has set {live}, the program wants {wanted}"))
        };
        Ok(differ.iter().filter_map(told).collect())
    }

    /// Deletes an object of which a field cannot be changed, so that it is created again, where that is allowed.
    async fn recreate(
        &self,
        resource: &Resource,
        item: &Item,
        there: &Value,
        fault: &Fault,
    ) -> Result<(), Failure> {
        let what = short(&item.name, self.group);
        let fields: Vec<String> = fault.causes().iter().map(|cause| format!("`{}`", cause.field)).collect();
        let fields = if fields.is_empty() { "a field".to_string() } else { fields.join(", ") };
        let harmless = is_harmless(&item.name.kind, there, &fault.causes());
        let allowed = match self.inputs.recreate {
            Recreate::All => true,
            Recreate::Harmless => harmless,
            Recreate::Never => false,
        };
        if !allowed {
            let help = match (self.inputs.recreate, keeps_data(&item.name.kind)) {
                (Recreate::Never, _) => "`recreate = \"never\"` forbids to delete and create it",
                (_, true) => {
                    "deleting it would delete data: to delete and create it all the same, set `recreate = \"all\"`"
                }
                (_, false) => "to delete and create it, set `recreate = \"all\"`",
            };
            let said = fault.message();
            return Err(Failure::clean(format!("{what}: {fields} cannot be changed; {help}\n{said}"))
                .input("objects"));
        }
        // The pods of a StatefulSet go on while there is none.
        let orphan = item.name.kind == "StatefulSet";
        self.ctx.warn(&format!("{what}: {fields} cannot be changed, so it is deleted and created again"));
        let cannot = |fault: Fault| fault.failure(&format!("{what} cannot be deleted"));
        self.cluster.delete(resource, &item.name, uid(there), orphan).await.map_err(cannot)?;
        gone(self.ctx, self.cluster, resource, &item.name, uid(there)).await
    }

    /// Deletes what is recorded and no longer in the program, in reverse order; gives what was kept.
    pub(crate) async fn prune(&self, kept: &[Name]) -> Result<Vec<String>, Failure> {
        let stale = self.recorded.iter().filter(|applied| !kept.iter().any(|name| name.is(&applied.name)));
        let mut left = vec![];
        let mut going = vec![];
        for applied in stale {
            match &*applied.name.kind {
                _ if !self.inputs.prune => left.push(short(&applied.name, self.group)),
                // Everything in it would be deleted too.
                "Namespace" | "CustomResourceDefinition" => left.push(short(&applied.name, self.group)),
                _ => going.push(applied.clone()),
            }
        }
        delete(self.ctx, self.cluster, self.group, going).await?;
        Ok(left)
    }
}

/// Deletes recorded objects, in the reverse of the order in which they were applied, and waits until they no longer exist. An object with
/// another UID, or of another manifest, is left alone.
pub(crate) async fn delete(
    ctx: &Ctx,
    cluster: &Cluster,
    group: &Group,
    mut going: Vec<Applied>,
) -> Result<(), Failure> {
    going.sort_by_key(|applied| std::cmp::Reverse(class(&applied.name)));
    for of_class in going.chunk_by(|a, b| class(&a.name) == class(&b.name)) {
        let work: Vec<BoxFuture<'_, Result<(), Failure>>> =
            of_class.iter().map(|applied| delete_one(ctx, cluster, group, applied).boxed()).collect();
        together(work).await.into_iter().collect::<Result<Vec<()>, Failure>>()?;
    }
    Ok(())
}

async fn delete_one(ctx: &Ctx, cluster: &Cluster, group: &Group, applied: &Applied) -> Result<(), Failure> {
    let name = applied.name.clone();
    let cannot = |fault: Fault| fault.failure(&format!("{} cannot be deleted", short(&name, group)));
    let Some(resource) = cluster.resource(&name.api_version, &name.kind).await.map_err(cannot)? else {
        return Ok(());
    };
    let there = cluster.get(&resource, &name.namespace, &name.name).await.map_err(cannot)?;
    let ours = there.filter(|there| uid(there) == applied.uid);
    if ours.is_none_or(|there| Group::labelled(&there).is_some_and(|other| other != *group)) {
        return Ok(());
    }
    match cluster.delete(&resource, &name, &applied.uid, false).await.map_err(cannot)? {
        true => gone(ctx, cluster, &resource, &name, &applied.uid).await,
        false => Ok(()),
    }
}

/// Does work on several objects at the same time; the results are in its order.
async fn together<T>(work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    futures_util::stream::iter(work).buffered(AT_ONCE).collect().await
}

/// A failure after something was applied: it is recorded.
pub(crate) fn partial(group: &Group, done: &[Applied], failure: Failure) -> Failure {
    match done {
        [] => failure,
        done => Failure::partial(group.id(), failure.message()).private(private(done)),
    }
}

fn is_conflict(fault: &Fault) -> bool {
    fault.causes().iter().any(|cause| cause.reason == "FieldManagerConflict")
}

/// Whether a field is the one that a conflict names: `.spec.template.spec.containers[name="a"].image`.
fn same_field(cause: &str, path: &str) -> bool {
    let plain = |text: &str| text.replace('"', "").trim_start_matches('.').to_string();
    plain(cause) == plain(path) || plain(path).starts_with(&format!("{}.", plain(cause)))
}

/// Whether the server refuses a change because a field cannot be changed.
fn immutable(fault: &Fault) -> bool {
    let said = |cause: &Cause| {
        let message = cause.message.to_lowercase();
        matches!(&*cause.reason, "FieldValueInvalid" | "FieldValueForbidden")
            && [
                "immutable",
                "forbidden",
                "may not change",
                "cannot be changed",
                "cannot change",
                "not be changed",
            ]
            .iter()
            .any(|word| message.contains(word))
    };
    let causes = fault.causes();
    !causes.is_empty() && causes.iter().all(said)
}

/// Whether nothing is lost when an object is deleted and created again.
fn is_harmless(kind: &str, there: &Value, causes: &[Cause]) -> bool {
    match kind {
        "Job" | "RoleBinding" | "ClusterRoleBinding" | "StatefulSet" => true,
        "ConfigMap" | "Secret" => {
            there.get("immutable") == Some(&Value::Bool(true))
                || causes.iter().all(|cause| cause.field == "type")
        }
        _ => false,
    }
}

/// Whether data goes with an object.
fn keeps_data(kind: &str) -> bool {
    matches!(kind, "PersistentVolumeClaim" | "PersistentVolume" | "Namespace" | "CustomResourceDefinition")
}
