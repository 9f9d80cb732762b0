//! Installing, upgrading and uninstalling a release.

use super::failure::{clean, is_timeout, said};
use super::observe::{was_begun, with_begun};
use super::watch::Watched;
use super::{Inputs, Release, id, observe, unreadable};
use crate::chart::Archive;
use crate::cluster;
use crate::interface::OnFailure;
use crate::program::{Handed, Helm};
use crate::storage::{OPERATION, Revision, SECONDS, mark_failed, newest_of, record};
use crate::values::rounded;
use dtm_cluster::{Apply, Cluster};
use dtm_plugin::process::{Ended, Program};
use dtm_plugin::serde_json::{self, Value};
use dtm_plugin::{Change, Ctx, Failure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long before the deadline of an operation `helm` times out on its own, which leaves it time to record the failure.
const BEFORE: Duration = Duration::from_secs(10);
/// For how long an operation of another program is taken to be under way, where it does not say.
const UNDER_WAY: Duration = Duration::from_secs(300);

/// Refuses values that helm would change.
///
/// # Errors
/// With the place of the value.
pub(super) fn check(values: &Value) -> Result<(), Failure> {
    if !values.is_object() && !values.is_null() {
        return Err(Failure::clean("`values` is not a record").input("values"));
    }
    match rounded(values) {
        Some(path) => Err(Failure::clean(format!(
            "`values{path}` is an integer beyond 2^53, which helm would round: write it as a string"
        ))
        .input("values")),
        None => Ok(()),
    }
}

/// One run of `helm install` or `helm upgrade`.
pub(super) struct Run<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) inputs: &'a Inputs,
    pub(super) helm: &'a Helm,
    pub(super) archive: &'a Archive,
}

impl Run<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(super) fn helm(
        &self,
        verb: &str,
        values: &Value,
        more: impl Fn(Program) -> Program,
    ) -> Result<Ended, Failure> {
        let chart = Handed::new("chart.tgz", self.archive.bytes())?;
        let program = self.helm.command(verb, &self.inputs.namespace);
        let program = program.arg(&self.inputs.name).arg(chart.path()).args(["--values", "-"]);
        let program = more(program).stdin(serde_json::to_vec(values).unwrap_or_default());
        program.run(self.ctx).map_err(|e| e.failure(&self.inputs.id()))
    }

    /// Rolls an upgrade back that helm took to be complete.
    fn rollback(&self, why: &str) -> Failure {
        let id = self.inputs.id();
        let program = self.helm.command("rollback", &self.inputs.namespace).arg(&self.inputs.name);
        match program.run(self.ctx) {
            Ok(ended) if ended.is_success() => Failure::clean(format!("`{id}` was rolled back: {why}")),
            Ok(ended) => Failure::partial(
                id.clone(),
                format!("`{id}` could not be rolled back: {}\n{why}", said(&ended)),
            ),
            Err(error) => error.failure(&id),
        }
    }

    /// The flags of a change.
    fn flags(&self, program: Program, upgrades: bool, is_server_side: bool, seconds: u64) -> Program {
        let inputs = self.inputs;
        let labels = format!("{OPERATION}={},{SECONDS}={seconds}", self.ctx.op);
        let mut program = program.args(["--labels", &labels, "--timeout", &format!("{seconds}s")]);
        let mut flag = |is_set: bool, name: &str| {
            if is_set {
                program = std::mem::replace(&mut program, Program::new("helm")).arg(name);
            }
        };
        flag(upgrades, "--reset-values");
        flag(upgrades, &format!("--history-max={}", inputs.history));
        flag(!upgrades && inputs.create_namespace, "--create-namespace");
        flag(inputs.wait, self.helm.wait());
        flag(inputs.wait_for_jobs, "--wait-for-jobs");
        flag(inputs.take_ownership, "--take-ownership");
        flag(upgrades && inputs.on_failure == OnFailure::Rollback, self.helm.rollback_on_failure());
        // As it was applied last time, so that fields that others took are taken back.
        flag(upgrades && self.helm.is_four() && is_server_side, "--force-conflicts");
        program
    }
}

/// Installs a release, or upgrades it.
///
/// # Errors
/// When it does not become what is wanted, with what is there in spite of it.
pub(super) async fn deploy(
    ctx: &Ctx,
    inputs: &Inputs,
    recorded: Option<&Value>,
) -> Result<Change<Release>, Failure> {
    let (namespace, name, id) = (&*inputs.namespace, &*inputs.name, inputs.id());
    let values = inputs.plain_values();
    check(&values)?;
    let helm = Helm::of(ctx)?;
    let archive = inputs.chart().fetch(ctx).await?;
    let cluster = cluster(ctx).await?;
    let look = || async { newest_of(&cluster, namespace, name).await.map_err(unreadable(namespace)) };
    let mut before = look().await?.filter(|revision| revision.status != "uninstalled");
    if recorded.is_some() && before.as_ref().is_some_and(|revision| revision.status == "uninstalling") {
        // A deletion that did not complete: what is left goes first.
        uninstall(ctx, namespace, name).await?;
        before = None;
    }
    let is_ours = recorded.is_some();
    let recorded = recorded.unwrap_or(&Value::Null);
    let is_last = |revision: &Revision| revision.operation.as_deref() == Some(&*ctx.op);
    let begun = before.as_ref().is_some_and(|revision| is_last(revision) || was_begun(recorded, revision));
    if let Some(revision) =
        before.as_ref().filter(|revision| is_last(revision) && revision.status == "deployed")
    {
        return done(&cluster, revision, &archive).await;
    }
    let mut is_server_side = false;
    if let Some(revision) = &before {
        if !is_ours && !begun {
            return Err(Failure::clean(format!(
                "there is a release `{name}` in `{namespace}` already: take it over with `adopt`, or choose another name"
            ))
            .input("name"));
        }
        let known = record(&cluster, revision).await.map_err(unreadable(namespace))?;
        is_server_side = known.as_ref().is_some_and(|known| known.is_server_side());
        if let Some(known) = known.filter(|_| revision.is_pending()) {
            let is_over = begun || is_over(revision, known.deployed_at());
            if !is_over {
                return Err(busy(revision, known.deployed_at()));
            }
            let marked = mark_failed(&cluster, revision, &known).await;
            marked.map_err(|fault| {
                fault.failure(&format!("the interrupted operation on `{id}` cannot be ended"))
            })?;
        }
    }
    if !ctx.checkpoint(&id, with_begun(recorded, &ctx.op)) {
        return Err(Failure::clean(format!("that `{id}` is about to change cannot be recorded")));
    }
    let upgrades = before.is_some();
    if upgrades && inputs.upgrade_crds {
        definitions(&cluster, &archive).await?;
    }
    let seconds = ctx.deadline.map_or(UNDER_WAY, |deadline| {
        deadline.saturating_duration_since(Instant::now()).saturating_sub(BEFORE).max(Duration::from_secs(1))
    });
    let run = Run { ctx, inputs, helm: &helm, archive: &archive };
    let watched = Watched { ctx, cluster: &cluster, namespace, name };
    let stop = Arc::new(AtomicBool::new(false));
    let ended = AtomicBool::new(false);
    let runtime = tokio::runtime::Handle::current();
    let (result, noticed) = std::thread::scope(|scope| {
        let watcher = inputs.wait.then(|| scope.spawn(|| runtime.block_on(watched.watch(&ended, &stop))));
        let result = run.helm(if upgrades { "upgrade" } else { "install" }, &values, |program| {
            run.flags(program, upgrades, is_server_side, seconds.as_secs()).stop_when(stop.clone())
        });
        ended.store(true, Ordering::Relaxed);
        (result, watcher.and_then(|watcher| watcher.join().ok()).unwrap_or_default())
    });
    let result = result?;
    let after = look().await?;
    let ours = after.as_ref().filter(|revision| revision.operation.as_deref() == Some(&*ctx.op));
    let mut noticed = noticed;
    if let Some(revision) = ours.filter(|revision| result.is_success() && revision.status == "deployed") {
        noticed.hopeless = if inputs.wait { watched.settle().await } else { None };
        let Some(why) = &noticed.hopeless else { return done(&cluster, revision, &archive).await };
        if upgrades && inputs.on_failure == OnFailure::Rollback {
            return Err(run.rollback(why));
        }
    }
    let said = said(&result);
    // An upgrade that was rolled back is a revision of the operation before.
    let rolled_back =
        upgrades && inputs.on_failure == OnFailure::Rollback && after != before && ours.is_none();
    let unready = match (&noticed.hopeless, rolled_back) {
        // What it waited for is no longer there.
        (None, true) if is_timeout(&said) && !noticed.waiting.is_empty() => Some(noticed.waiting.join("\n")),
        (None, false) if is_timeout(&said) => watched.unready().await,
        _ => None,
    };
    let why = noticed.hopeless.or(unready).unwrap_or_else(|| said.clone());
    let Some(revision) = ours else {
        return Err(match rolled_back {
            true => Failure::clean(format!("`{id}` was rolled back: {why}")),
            false => clean(&id, &said),
        });
    };
    if !upgrades && inputs.on_failure == OnFailure::Uninstall {
        uninstall(ctx, namespace, name).await?;
        return Err(Failure::clean(format!("`{id}` was uninstalled again: {why}")));
    }
    let private = observe::deployed(&cluster, revision, archive.digest()).await;
    let failure = Failure::partial(id.clone(), format!("`{id}`: {why}"));
    Err(match private {
        Ok((_, private)) => failure.private(with_begun(&private, &ctx.op)),
        Err(_) => failure,
    })
}

async fn done(cluster: &Cluster, revision: &Revision, archive: &Archive) -> Result<Change<Release>, Failure> {
    let id = id(&revision.namespace, &revision.name);
    let (outputs, private) = observe::deployed(cluster, revision, archive.digest()).await?;
    Ok(Change { id, outputs, private })
}

/// Whether the operation that made a pending revision has had its time.
fn is_over(revision: &Revision, begun: &str) -> bool {
    let limit = revision.seconds.map_or(UNDER_WAY, Duration::from_secs);
    age(begun).is_none_or(|age| age > limit)
}

/// How long ago a time was, as Helm writes it: `2026-11-30T10:20:30.123456789Z`, also with an offset.
fn age(time: &str) -> Option<Duration> {
    let then: jiff::Timestamp = time.parse().ok()?;
    Duration::try_from(jiff::Timestamp::now().duration_since(then)).ok()
}

fn busy(revision: &Revision, since: &str) -> Failure {
    let (name, namespace, number) = (&revision.name, &revision.namespace, revision.number);
    let since = since.split('.').next().unwrap_or_default().replace('T', " ");
    Failure::clean(format!(
        "another operation on the release `{name}` is under way ({}, since {since}): wait for it; if nothing runs any more, delete the record that it left behind: `kubectl delete secret {} -n {namespace}` (revision {number})",
        revision.status, revision.secret
    ))
}

/// Applies the custom resource definitions of a chart.
async fn definitions(cluster: &Cluster, archive: &Archive) -> Result<(), Failure> {
    for object in archive.definitions()? {
        let name = dtm_cluster::name(&object).to_string();
        let what = format!("the definition `{name}` cannot be upgraded");
        let unreachable = |fault: dtm_cluster::Fault| fault.failure(&what);
        let found = cluster
            .resource("apiextensions.k8s.io/v1", "CustomResourceDefinition")
            .await
            .map_err(unreachable)?;
        let Some(resource) = found else { return Ok(()) };
        let there = cluster.get(&resource, "", &name).await.map_err(unreachable)?;
        if let Some(version) = there.as_ref().and_then(|there| dropped(there, &object)) {
            return Err(Failure::clean(format!(
                "{what}: objects are stored in its version `{version}`, which the new one drops: migrate them first, or set `upgrade_crds = false`"
            ))
            .input("upgrade_crds"));
        }
        cluster
            .apply(&resource, &object, Apply { force: true, dry_run: false })
            .await
            .map_err(unreachable)?;
    }
    Ok(())
}

/// A version that objects are stored in, and that a new definition does not have.
fn dropped(there: &Value, new: &Value) -> Option<String> {
    let stored = there.pointer("/status/storedVersions").and_then(Value::as_array)?;
    let versions = new.pointer("/spec/versions").and_then(Value::as_array)?;
    let has =
        |version: &&str| versions.iter().any(|v| v.get("name").and_then(Value::as_str) == Some(version));
    stored.iter().filter_map(Value::as_str).find(|version| !has(version)).map(String::from)
}

/// Uninstalls a release; one that does not exist is uninstalled.
///
/// # Errors
/// When helm cannot, or what it deletes does not go.
pub(super) async fn uninstall(ctx: &Ctx, namespace: &str, name: &str) -> Result<(), Failure> {
    let cluster = cluster(ctx).await?;
    if newest_of(&cluster, namespace, name).await.map_err(unreadable(namespace))?.is_none() {
        return Ok(());
    }
    let helm = Helm::of(ctx)?;
    let left = ctx
        .deadline
        .map(|deadline| deadline.saturating_duration_since(Instant::now()).saturating_sub(BEFORE));
    let seconds = left.map_or(UNDER_WAY, |left| left.max(Duration::from_secs(1))).as_secs();
    let program = helm.command("uninstall", namespace).args([name, "--ignore-not-found", "--wait"]);
    let ended = program.arg("--timeout").arg(format!("{seconds}s")).run(ctx).map_err(|e| e.failure(name))?;
    match ended.is_success() {
        true => Ok(()),
        false => Err(Failure::partial(
            id(namespace, name),
            format!("`{name}` was not uninstalled: {}", said(&ended)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtm_plugin::serde_json::json;

    #[test]
    fn a_definition_that_drops_a_stored_version_is_found() {
        let there = json!({ "status": { "storedVersions": ["v1alpha1", "v1"] } });
        let new = |names: &[&str]| json!({ "spec": { "versions": names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() } });
        assert_eq!(dropped(&there, &new(&["v1"])).as_deref(), Some("v1alpha1"));
        assert_eq!(dropped(&there, &new(&["v1alpha1", "v1", "v2"])), None);
    }

    #[test]
    fn values_that_helm_would_change_are_refused() {
        assert!(check(&json!({ "a": 1 })).is_ok());
        assert!(check(&json!([1])).is_err());
        let failure = check(&json!({ "id": 9007199254740993u64 })).expect_err("too large");
        assert!(failure.message().starts_with("`values.id` is an integer beyond 2^53"));
    }
}
