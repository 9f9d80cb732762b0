//! Whether an object is ready, by the rules of kstatus (sigs.k8s.io/cli-utils): first whether its controller has seen the newest
//! version of it, then what its kind says of itself. It differs where kstatus ends too early or never: a Job is ready only when
//! it is complete, what is paused or suspended on purpose is not waited for, and neither is a claim that is bound when it is
//! first used.

use crate::names::{api_version, group, kind, metadata};
use serde_json::Value;
use std::time::Duration;

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Ready.
    Ready,
    /// Not yet, for this reason.
    Waiting(String),
    /// It will not become ready by itself, for this reason.
    Failed(String),
    /// It is being deleted.
    Terminating,
}

use Status::{Failed, Ready, Terminating, Waiting};

/// How long an object of a custom kind may have no status before that says nothing.
const FIRST: Duration = Duration::from_secs(2);

/// How far an object is; `age` is how long it has been watched.
pub fn status(object: &Value, age: Duration) -> Status {
    if metadata(object).get("deletionTimestamp").is_some() {
        return Terminating;
    }
    let generation = metadata(object).get("generation").and_then(Value::as_i64);
    // Some controllers write it as text, which says nothing.
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if let (Some(generation), Some(observed)) = (generation, observed)
        && observed < generation
    {
        return Waiting("its controller has not seen the change yet".into());
    }
    let group = group(api_version(object));
    match (group, kind(object)) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "ReplicaSet") => replicas(object, "readyReplicas"),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => match phase(object) {
            "Lost" => Failed("its volume is lost".into()),
            _ => Ready,
        },
        ("", "Namespace") => match phase(object) {
            "Active" | "" => Ready,
            phase => Waiting(format!("it is {phase}")),
        },
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => by_condition(object, "Available", true),
        _ => other(object, group, age),
    }
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn phase(object: &Value) -> &str {
    object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

/// A condition of an object: its status, its reason, its message.
pub fn condition<'v>(object: &'v Value, name: &str) -> Option<(&'v str, &'v str, &'v str)> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    let found = all.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(name))?;
    let text = |field: &str| found.get(field).and_then(Value::as_str).unwrap_or_default();
    Some((text("status"), text("reason"), text("message")))
}

/// A reason and a message as one text.
fn because(reason: &str, message: &str) -> String {
    match (reason, message) {
        ("", "") => "it does not say why".into(),
        (reason, "") => reason.into(),
        ("", message) => message.into(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// Ready as soon as a condition is true; without it, as `needed` says.
fn by_condition(object: &Value, name: &str, needed: bool) -> Status {
    match condition(object, name) {
        Some(("True", ..)) => Ready,
        Some((_, reason, message)) => Waiting(because(reason, message)),
        None if needed => Waiting(format!("it has no condition `{name}` yet")),
        None => Ready,
    }
}

fn deployment(object: &Value) -> Status {
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Ready;
    }
    if let Some((_, "ProgressDeadlineExceeded", message)) = condition(object, "Progressing") {
        return Failed(because("ProgressDeadlineExceeded", message));
    }
    if object.pointer("/status/observedGeneration").is_none() {
        return Waiting("its controller has not seen it yet".into());
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let now = |name: &str| number(object, &format!("/status/{name}")).unwrap_or(0);
    let (all, updated, available) = (now("replicas"), now("updatedReplicas"), now("availableReplicas"));
    match () {
        () if updated < wanted => Waiting(format!("{updated} of {wanted} replicas are updated")),
        () if all > updated => Waiting(format!("{} old replicas are still running", all - updated)),
        () if available < wanted => Waiting(format!("{available} of {wanted} replicas are available")),
        () => by_condition(object, "Available", wanted > 0),
    }
}

fn replicas(object: &Value, ready: &str) -> Status {
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let now = number(object, &format!("/status/{ready}")).unwrap_or(0);
    if now < wanted { Waiting(format!("{now} of {wanted} replicas are ready")) } else { Ready }
}

fn stateful_set(object: &Value) -> Status {
    let strategy = object.pointer("/spec/updateStrategy/type").and_then(Value::as_str);
    if object.pointer("/status/observedGeneration").is_none() {
        return Waiting("its controller has not seen it yet".into());
    }
    let ready = replicas(object, "readyReplicas");
    // Its pods are updated when somebody deletes them.
    if ready != Ready || strategy == Some("OnDelete") {
        return ready;
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let updated = number(object, "/status/updatedReplicas").unwrap_or(0);
    let revision = |name: &str| object.pointer(&format!("/status/{name}"));
    if partition > 0 {
        let wanted = (wanted - partition).max(0);
        return if updated < wanted {
            Waiting(format!("{updated} of {wanted} replicas are updated"))
        } else {
            Ready
        };
    }
    if revision("currentRevision") != revision("updateRevision") && updated < wanted {
        return Waiting(format!("{updated} of {wanted} replicas are updated"));
    }
    Ready
}

fn daemon_set(object: &Value) -> Status {
    if object.pointer("/status/observedGeneration").is_none() {
        return Waiting("its controller has not seen it yet".into());
    }
    let now = |name: &str| number(object, &format!("/status/{name}")).unwrap_or(0);
    let wanted = now("desiredNumberScheduled");
    for (name, what) in
        [("updatedNumberScheduled", "updated"), ("numberAvailable", "available"), ("numberReady", "ready")]
    {
        let counts = what != "updated"
            || object.pointer("/spec/updateStrategy/type").and_then(Value::as_str) != Some("OnDelete");
        if counts && now(name) < wanted {
            return Waiting(format!("{} of {wanted} pods are {what}", now(name)));
        }
    }
    Ready
}

fn job(object: &Value) -> Status {
    if object.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Ready;
    }
    if let Some(("True", reason, message)) = condition(object, "Failed") {
        return Failed(because(reason, message));
    }
    match condition(object, "Complete") {
        Some(("True", ..)) => Ready,
        _ => {
            let now = |name: &str| number(object, &format!("/status/{name}")).unwrap_or(0);
            Waiting(format!("{} pods are running, {} failed", now("active"), now("failed")))
        }
    }
}

fn pod(object: &Value) -> Status {
    match phase(object) {
        "Succeeded" => Ready,
        "Failed" => {
            let text = |name: &str| {
                object.pointer(&format!("/status/{name}")).and_then(Value::as_str).unwrap_or_default()
            };
            Failed(because(text("reason"), text("message")))
        }
        "Running" => by_condition(object, "Ready", true),
        _ => match condition(object, "PodScheduled") {
            Some(("False", reason, message)) => Waiting(because(reason, message)),
            _ => Waiting("it has not started yet".into()),
        },
    }
}

fn definition(object: &Value) -> Status {
    if let Some(("False", reason, message)) = condition(object, "NamesAccepted") {
        return Failed(because(reason, message));
    }
    by_condition(object, "Established", true)
}

/// What is known of objects of any kind: the conditions that controllers agree on.
fn other(object: &Value, group: &str, age: Duration) -> Status {
    let is_custom = group.contains('.') && !group.ends_with(".k8s.io");
    if is_custom && object.get("status").is_none() && age < FIRST {
        return Waiting("its controller has not seen it yet".into());
    }
    if let Some(("True", reason, message)) = condition(object, "Stalled") {
        return Failed(because(reason, message));
    }
    if let Some(("True", reason, message)) = condition(object, "Reconciling") {
        return Waiting(because(reason, message));
    }
    by_condition(object, "Ready", false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(object: Value) -> String {
        match status(&object, Duration::from_secs(9)) {
            Ready => "ready".into(),
            Waiting(why) => format!("waiting: {why}"),
            Failed(why) => format!("failed: {why}"),
            Terminating => "terminating".into(),
        }
    }

    fn deployment(spec: Value, status: Value) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "generation": 2 }, "spec": spec, "status": status })
    }

    #[test]
    fn a_deployment_is_ready_when_its_newest_version_is_available() {
        let available = json!([{ "type": "Available", "status": "True" }]);
        let full = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "conditions": available });
        let with = |name: &str, value: Value| {
            let mut status = full.clone();
            status[name] = value;
            told(deployment(json!({ "replicas": 2 }), status))
        };
        assert_eq!(told(deployment(json!({ "replicas": 2 }), full.clone())), "ready");
        assert_eq!(
            with("observedGeneration", json!(1)),
            "waiting: its controller has not seen the change yet"
        );
        assert_eq!(
            with("observedGeneration", json!("1")),
            "ready",
            "a generation that is not a number is ignored"
        );
        assert_eq!(with("updatedReplicas", json!(1)), "waiting: 1 of 2 replicas are updated");
        assert_eq!(with("replicas", json!(3)), "waiting: 1 old replicas are still running");
        assert_eq!(with("availableReplicas", json!(0)), "waiting: 0 of 2 replicas are available");
        let late = json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late" }]);
        assert_eq!(with("conditions", late), "failed: ProgressDeadlineExceeded: late");
        assert_eq!(told(deployment(json!({ "paused": true }), json!({}))), "ready");
        assert_eq!(told(deployment(json!({}), json!({}))), "waiting: its controller has not seen it yet");
    }

    #[test]
    fn a_job_is_ready_only_when_it_is_complete() {
        let job = |status: Value| {
            told(json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "status": status }))
        };
        assert_eq!(job(json!({ "active": 1 })), "waiting: 1 pods are running, 0 failed");
        assert_eq!(job(json!({ "conditions": [{ "type": "Complete", "status": "True" }] })), "ready");
        let failed = json!([{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "twice" }]);
        assert_eq!(job(json!({ "conditions": failed })), "failed: BackoffLimitExceeded: twice");
    }

    #[test]
    fn a_custom_object_gets_two_seconds_for_its_first_status() {
        let custom = json!({ "apiVersion": "acme.dev/v1", "kind": "Site", "metadata": { "generation": 1 } });
        assert!(matches!(status(&custom, Duration::ZERO), Waiting(_)));
        assert_eq!(status(&custom, Duration::from_secs(3)), Ready);
        let built_in = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {} });
        assert_eq!(status(&built_in, Duration::ZERO), Ready);
        let mut stalled = custom.clone();
        stalled["status"] =
            json!({ "conditions": [{ "type": "Stalled", "status": "True", "reason": "NoAccess" }] });
        assert_eq!(told(stalled), "failed: NoAccess");
        let mut not_ready = custom;
        not_ready["status"] =
            json!({ "conditions": [{ "type": "Ready", "status": "False", "message": "later" }] });
        assert_eq!(told(not_ready), "waiting: later");
    }

    #[test]
    fn what_is_deleted_is_terminating_and_a_definition_needs_its_names() {
        assert_eq!(
            told(json!({ "kind": "Pod", "metadata": { "deletionTimestamp": "2030-01-01T00:00:00Z" } })),
            "terminating"
        );
        let definition = |conditions: Value| {
            told(
                json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {},
                "status": { "conditions": conditions } }),
            )
        };
        assert_eq!(definition(json!([])), "waiting: it has no condition `Established` yet");
        assert_eq!(definition(json!([{ "type": "Established", "status": "True" }])), "ready");
        let taken = json!([{ "type": "NamesAccepted", "status": "False", "reason": "PluralConflict", "message": "taken" }]);
        assert_eq!(definition(taken), "failed: PluralConflict: taken");
    }
}
