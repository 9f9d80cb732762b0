//! Why an object is not ready, as far as its pods and events say: what a person would look up with `kubectl describe` and
//! `kubectl logs`.

use crate::cluster::Cluster;
use crate::fault::Fault;
use crate::names::{Name, kind, name, namespace, uid};
use crate::ready;
use crate::resources::Resource;
use serde_json::Value;
use std::fmt::Write;

/// So many warnings are shown, the newest.
const EVENTS: usize = 5;
/// So many lines of a log are shown, the last.
const LINES: u32 = 20;
/// So many pods are described.
const PODS: usize = 3;
/// After so many restarts, a container that crashes is taken to crash again.
const CRASHES: i64 = 2;

/// Reasons for which a container waits and will go on waiting.
const STUCK: [&str; 5] = [
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

fn pods() -> Resource {
    Resource::built_in("v1", "Pod", "pods")
}

impl Cluster {
    /// The pods of an object: itself, or those that its selector chooses.
    pub async fn pods_of(&self, object: &Value) -> Result<Vec<Value>, Fault> {
        if kind(object) == "Pod" {
            return Ok(vec![object.clone()]);
        }
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let pairs = labels
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
        let selector: Vec<String> = match kind(object) {
            "Job" => vec![format!("batch.kubernetes.io/job-name={}", name(object))],
            _ => pairs.collect(),
        };
        if selector.is_empty() {
            return Ok(vec![]);
        }
        self.list(&pods(), Some(namespace(object)), &selector.join(",")).await
    }

    /// The last warnings about an object, the oldest first.
    async fn warnings(&self, about: &Value) -> Vec<String> {
        let events = self
            .list(&Resource::built_in("v1", "Event", "events"), Some(namespace(about)), "")
            .await
            .unwrap_or_default();
        let text = |event: &Value, pointer: &str| {
            event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string()
        };
        let mut own: Vec<(String, String)> = events
            .iter()
            .filter(|e| text(e, "/type") == "Warning" && text(e, "/involvedObject/uid") == uid(about))
            // The state of the container says it.
            .filter(|e| text(e, "/reason") != "BackOff")
            .map(|e| {
                let times = e.get("count").and_then(Value::as_i64).filter(|n| *n > 1);
                let times = times.map(|n| format!(" ({n} times)")).unwrap_or_default();
                let when = [
                    text(e, "/lastTimestamp"),
                    text(e, "/eventTime"),
                    text(e, "/metadata/creationTimestamp"),
                ];
                let when = when.into_iter().find(|time| !time.is_empty()).unwrap_or_default();
                (when, format!("{}: {}{times}", text(e, "/reason"), text(e, "/message").trim()))
            })
            .collect();
        own.sort();
        own.drain(..own.len().saturating_sub(EVENTS));
        own.into_iter().map(|(_, line)| line).collect()
    }

    /// The last lines of a container's log: of the run before, if it was restarted.
    async fn log(&self, pod: &Value, container: &str, previous: bool) -> Option<String> {
        let path = pods().path(Some(namespace(pod)));
        let address =
            format!("{path}/{}/log?container={container}&tailLines={LINES}&previous={previous}", name(pod));
        let request = http::Request::get(address).body(vec![]).ok()?;
        let log = self.client.request_text(request).await.ok()?;
        (!log.trim().is_empty()).then_some(log)
    }
}

/// A container of a pod that is not ready.
struct Container<'p> {
    name: &'p str,
    restarts: i64,
    status: &'p Value,
}

impl Container<'_> {
    fn text(&self, pointer: &str) -> &str {
        self.status.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
    /// What keeps it from running: `ImagePullBackOff: Back-off pulling image "app:2"`.
    fn reason(&self) -> String {
        let ended = self.ended();
        let ended = if ended.is_empty() { String::new() } else { format!("; it {ended}") };
        match self.text("/state/waiting/reason") {
            "" if self.status.pointer("/state/running").is_some() => {
                format!("it runs, but is not ready{ended}")
            }
            "" => format!("it does not run{ended}"),
            // The message says how long the kubelet waits, and which pod it is.
            "CrashLoopBackOff" => format!("it crashes again and again{ended} (CrashLoopBackOff)"),
            reason => match self.text("/state/waiting/message") {
                "" => format!("{reason}{ended}"),
                message => format!("{reason}: {}{ended}", message.trim()),
            },
        }
    }
    /// How it ended, now or the last time.
    fn ended(&self) -> String {
        let ended = ["/state/terminated", "/lastState/terminated"]
            .into_iter()
            .find(|p| self.status.pointer(p).is_some());
        let Some(ended) = ended else { return String::new() };
        let code = self.status.pointer(&format!("{ended}/exitCode")).and_then(Value::as_i64).unwrap_or(0);
        let times =
            if self.restarts > 0 { format!(", restarted {} times", self.restarts) } else { String::new() };
        match self.text(&format!("{ended}/reason")) {
            "OOMKilled" => format!("was killed because it ran out of memory (exit code {code}{times})"),
            _ => format!("exited with code {code}{times}"),
        }
    }
}

/// The containers of a pod that are not ready, those that run before the others first.
fn unready(pod: &Value) -> Vec<Container<'_>> {
    let of =
        |list: &str| pod.pointer(&format!("/status/{list}")).and_then(Value::as_array).into_iter().flatten();
    let init = of("initContainerStatuses")
        .filter(|c| c.pointer("/state/terminated/exitCode") != Some(&Value::from(0)));
    let init = init.filter(|c| c.get("started") != Some(&Value::Bool(true)));
    let own = of("containerStatuses").filter(|c| c.get("ready") != Some(&Value::Bool(true)));
    init.chain(own)
        .map(|status| Container {
            name: status.get("name").and_then(Value::as_str).unwrap_or_default(),
            restarts: status.get("restartCount").and_then(Value::as_i64).unwrap_or(0),
            status,
        })
        .collect()
}

fn is_ready(pod: &Value) -> bool {
    ready::condition(pod, "Ready").is_some_and(|(status, ..)| status == "True") || phase(pod) == "Succeeded"
}

fn phase(pod: &Value) -> &str {
    pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

/// How long a pod may be [`stuck`] before it is given up: a rollout replaces a bad pod, and an image may be pushed late.
pub const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// Why pods will not become ready by themselves: an image that cannot be pulled, a container that crashes again and again.
pub fn stuck(pods: &[Value]) -> Option<String> {
    pods.iter().filter(|pod| !is_ready(pod)).find_map(|pod| {
        unready(pod).iter().find_map(|container| {
            let reason = container.text("/state/waiting/reason");
            let crashes = reason == "CrashLoopBackOff" && container.restarts >= CRASHES;
            (crashes || STUCK.contains(&reason)).then(|| {
                format!("container `{}` of pod {}: {}", container.name, name(pod), container.reason())
            })
        })
    })
}

/// What a person needs to find the cause: the pods that are not ready, why, the last warnings, the last lines of their logs.
/// Several lines; empty where nothing more is known.
pub async fn report(cluster: &Cluster, object: &Value) -> String {
    let mut out = String::new();
    let pods = cluster.pods_of(object).await.unwrap_or_default();
    for warning in cluster.warnings(object).await {
        let _ = writeln!(out, "  {}: {warning}", Name::of(object));
    }
    let bad: Vec<&Value> = pods.iter().filter(|pod| !is_ready(pod)).collect();
    for pod in bad.iter().take(PODS) {
        let _ = writeln!(
            out,
            "  pod {} is {}",
            name(pod),
            if phase(pod).is_empty() { "not scheduled" } else { phase(pod) }
        );
        if let Some(("False", reason, message)) = ready::condition(pod, "PodScheduled") {
            let _ = writeln!(out, "    {reason}: {message}");
        }
        for container in unready(pod) {
            let _ = writeln!(out, "    container `{}`: {}", container.name, container.reason());
            let log = match cluster.log(pod, container.name, container.restarts > 0).await {
                Some(log) => Some(log),
                None => cluster.log(pod, container.name, false).await,
            };
            for line in log.iter().flat_map(|log| log.lines()) {
                let _ = writeln!(out, "      | {line}");
            }
        }
        for warning in cluster.warnings(pod).await {
            let _ = writeln!(out, "    {warning}");
        }
    }
    if bad.len() > PODS {
        let _ = writeln!(out, "  and {} more pods are not ready", bad.len() - PODS);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(container: Value) -> Value {
        json!({ "kind": "Pod", "metadata": { "name": "web-1" }, "status": { "phase": "Pending", "containerStatuses": [container] } })
    }

    #[test]
    fn a_crash_loop_and_a_missing_image_do_not_pass_by_themselves() {
        let crash = |restarts: i64| {
            pod(json!({ "name": "app", "ready": false, "restartCount": restarts,
                "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } },
                "lastState": { "terminated": { "exitCode": 3, "reason": "Error" } } }))
        };
        assert_eq!(stuck(&[crash(1)]), None);
        assert_eq!(
            stuck(&[crash(2)]).as_deref(),
            Some(
                "container `app` of pod web-1: it crashes again and again; it exited with code 3, restarted 2 times (CrashLoopBackOff)"
            )
        );
        let pull = json!({ "name": "app", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image \"no\"" } } });
        assert!(
            stuck(&[pod(pull)])
                .is_some_and(|why| why.ends_with("ImagePullBackOff: Back-off pulling image \"no\""))
        );
        let starting = json!({ "name": "app", "ready": false, "restartCount": 0, "state": { "waiting": { "reason": "ContainerCreating" } } });
        assert_eq!(stuck(&[pod(starting)]), None);
    }

    #[test]
    fn a_pod_that_ran_out_of_memory_says_so() {
        let killed =
            pod(json!({ "name": "app", "ready": false, "restartCount": 1, "state": { "running": {} },
            "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }));
        let reasons: Vec<String> = unready(&killed).iter().map(Container::reason).collect();
        assert_eq!(
            reasons,
            [
                "it runs, but is not ready; it was killed because it ran out of memory (exit code 137, restarted 1 times)"
            ]
        );
    }
}
