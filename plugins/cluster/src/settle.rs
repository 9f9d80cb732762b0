//! Whether pods stay ready. A container without a readiness probe is ready as soon as it runs, even if it crashes a moment later:
//! an object that has such pods is taken to be ready when they have run for a while.

use crate::cluster::Cluster;
use crate::fault::Fault;
use crate::names::{kind, metadata, uid};
use crate::ready;
use jiff::Timestamp;
use serde_json::Value;
use std::time::{Duration, Instant};

/// For how long they must have run.
const WHILE: Duration = Duration::from_secs(3);
/// Those that have run for longer need not be looked at. The clocks of this machine and of the cluster may differ by less.
const OLD: Duration = Duration::from_secs(60);

/// A container without a readiness probe that was started a moment ago: its pod, its name, and how often it was restarted.
type Young = (String, String, i64);

/// What was seen of the pods, and since when it is the same.
#[derive(Default)]
pub struct Settled(Option<(Instant, Vec<Young>)>);

impl Settled {
    /// Whether the pods of ready objects stay ready: `false` means to look again soon.
    ///
    /// # Errors
    /// When the pods cannot be listed.
    pub async fn look(&mut self, cluster: &Cluster, objects: &[&Value]) -> Result<bool, Fault> {
        let mut young = vec![];
        for object in objects.iter().filter(|object| runs(object)) {
            young.extend(cluster.pods_of(object).await?.iter().flat_map(|pod| of_pod(pod, Timestamp::now())));
        }
        young.sort();
        if young.is_empty() {
            return Ok(true);
        }
        match &self.0 {
            Some((since, known)) if *known == young => Ok(since.elapsed() >= WHILE),
            Some(_) | None => {
                self.0 = Some((Instant::now(), young));
                Ok(false)
            }
        }
    }

    /// Something is not ready: what was seen no longer counts.
    pub fn reset(&mut self) {
        self.0 = None;
    }
}

/// Whether an object has pods that keep running.
fn runs(object: &Value) -> bool {
    matches!(kind(object), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod")
}

fn of_pod(pod: &Value, now: Timestamp) -> Vec<Young> {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") || metadata(pod).get("deletionTimestamp").is_some() {
        return vec![];
    }
    if ready::condition(pod, "Ready").is_none_or(|(status, ..)| status != "True") {
        // It crashed just now, and its object will say so in a moment.
        return vec![(uid(pod).to_string(), String::new(), 0)];
    }
    let list = |pointer: &str| pod.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string()
    };
    let is_probed = |name: &str| {
        list("/spec/containers").any(|c| text(c, "/name") == name && c.get("readinessProbe").is_some())
    };
    let is_old = |status: &Value| {
        let started = text(status, "/state/running/startedAt").parse::<Timestamp>();
        started.is_ok_and(|started| {
            Duration::try_from(now.duration_since(started)).is_ok_and(|running| running > OLD)
        })
    };
    list("/status/containerStatuses")
        .filter(|status| !is_probed(&text(status, "/name")) && !is_old(status))
        .map(|status| {
            let restarts = status.get("restartCount").and_then(Value::as_i64).unwrap_or(0);
            (uid(pod).to_string(), text(status, "/name"), restarts)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_young_containers_without_a_probe_are_looked_at() {
        let now: Timestamp = "2030-01-02T03:04:05Z".parse().expect("a time");
        let pod = |started: &str, ready: &str, probe: Value| {
            let mut container = json!({ "name": "web" });
            if !probe.is_null() {
                container["readinessProbe"] = probe;
            }
            json!({
                "metadata": { "uid": "1" }, "spec": { "containers": [container] },
                "status": { "conditions": [{ "type": "Ready", "status": ready }], "containerStatuses": [
                    { "name": "web", "restartCount": 2, "state": { "running": { "startedAt": started } } }] },
            })
        };
        let young = ("1".to_string(), "web".to_string(), 2);
        assert_eq!(
            of_pod(&pod("2030-01-02T03:04:04Z", "True", Value::Null), now),
            std::slice::from_ref(&young)
        );
        // The clock of the cluster is ahead.
        assert_eq!(of_pod(&pod("2030-01-02T03:04:45Z", "True", Value::Null), now), [young]);
        assert_eq!(of_pod(&pod("2030-01-02T03:02:04Z", "True", Value::Null), now), []);
        let crashed = of_pod(&pod("2030-01-02T03:04:04Z", "False", Value::Null), now);
        assert_eq!(crashed, [("1".to_string(), String::new(), 0)]);
        assert_eq!(of_pod(&pod("2030-01-02T03:04:04Z", "True", json!({ "httpGet": {} })), now), []);
    }
}
