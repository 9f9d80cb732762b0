//! Why an object is not ready, as far as its pods and events say: what a person would look up with `kubectl describe` and
//! `kubectl logs`.

use crate::cluster::Cluster;
use crate::fault::Fault;
use crate::names::{kind, name, namespace, uid};
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

/// Reasons of warnings that say what the state of a container or a condition says.
const TOLD: [&str; 6] =
    ["BackOff", "Failed", "FailedScheduling", "Unhealthy", "BackoffLimitExceeded", "InspectFailed"];

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
            .filter(|e| !TOLD.contains(&&*text(e, "/reason")))
            .map(|e| {
                let when = [
                    text(e, "/lastTimestamp"),
                    text(e, "/eventTime"),
                    text(e, "/metadata/creationTimestamp"),
                ];
                let when = when.into_iter().find(|time| !time.is_empty()).unwrap_or_default();
                (when, format!("{}: {}", text(e, "/reason"), text(e, "/message").trim()))
            })
            .collect();
        own.sort();
        own.drain(..own.len().saturating_sub(EVENTS));
        own.into_iter().map(|(_, line)| line).collect()
    }

    /// What the last probe of a container's readiness said.
    async fn probe(&self, pod: &Value, container: &str) -> Option<String> {
        let events = self.list(&Resource::built_in("v1", "Event", "events"), Some(namespace(pod)), "").await;
        let events = events.unwrap_or_default();
        let text = |event: &Value, pointer: &str| {
            event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string()
        };
        let path = format!("spec.containers{{{container}}}");
        let mut said: Vec<(String, String)> = events
            .iter()
            .filter(|e| text(e, "/reason") == "Unhealthy" && text(e, "/involvedObject/uid") == uid(pod))
            .filter(|e| text(e, "/involvedObject/fieldPath") == path)
            .map(|e| (text(e, "/lastTimestamp"), text(e, "/message")))
            .collect();
        said.sort();
        said.pop().map(|(_, message)| message.trim().to_string())
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
    /// What keeps it from running: ``the image `app:2` does not exist in its registry (ImagePullBackOff)``.
    fn reason(&self) -> String {
        let (reason, message) =
            (self.text("/state/waiting/reason"), self.text("/state/waiting/message").trim());
        let ended = self.ended();
        match reason {
            "" if self.status.pointer("/state/running").is_some() => match &*ended {
                "" => "it runs, but is not ready".into(),
                ended => format!("it runs again, but is not ready: {ended}"),
            },
            "" if ended.is_empty() => "it does not run".into(),
            "" => ended,
            "ErrImagePull" | "ImagePullBackOff" => format!("{} ({reason})", self.image(message)),
            "InvalidImageName" => {
                format!("`{}` is not the name of an image ({reason})", self.text("/image"))
            }
            // The message says how long the kubelet waits, and which pod it is; why it does not start is in how it ended.
            "CrashLoopBackOff" => match started(self.text("/lastState/terminated/message")) {
                Some(why) => why,
                None => format!("it crashes repeatedly: {ended} ({reason})"),
            },
            _ => match started(message) {
                Some(why) => why,
                None if message.is_empty() => reason.to_string(),
                None => format!("{message} ({reason})"),
            },
        }
    }
    /// Why its image cannot be pulled.
    fn image(&self, message: &str) -> String {
        let image = self.text("/image");
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        if says(&["not found", "manifest unknown"]) {
            return format!("the image `{image}` does not exist in its registry");
        }
        if says(&["nauthorized", "authentication required", "denied", "403"]) {
            return format!(
                "the registry does not give the image `{image}`: it needs the credentials of `imagePullSecrets`"
            );
        }
        // The last cause comes last; before its first one, there is no reason at all.
        match message.rsplit_once(": ").map(|(_, cause)| cause.trim()) {
            Some(cause) if !cause.is_empty() => format!("the image `{image}` cannot be pulled: {cause}"),
            _ => format!("the image `{image}` cannot be pulled"),
        }
    }
    /// How it ended, now or the last time.
    fn ended(&self) -> String {
        let ended = ["/state/terminated", "/lastState/terminated"]
            .into_iter()
            .find(|p| self.status.pointer(p).is_some());
        let Some(ended) = ended else { return String::new() };
        let code = self.status.pointer(&format!("{ended}/exitCode")).and_then(Value::as_i64).unwrap_or(0);
        let times = match self.restarts {
            0 => String::new(),
            1 => ", restarted once".into(),
            times => format!(", restarted {times} times"),
        };
        match self.text(&format!("{ended}/reason")) {
            "OOMKilled" => format!("it ran out of memory and was killed{times}"),
            _ => format!("it exited with code {code}{times}"),
        }
    }
}

/// Why a container cannot be started: a runtime repeats what each of its parts says.
fn started(message: &str) -> Option<String> {
    let program = message.split_once("exec: \"")?.1.split('"').next()?;
    Some(match message {
        m if m.contains("no such file") || m.contains("not found in $PATH") => {
            format!("the program `{program}` does not exist in the image")
        }
        m if m.contains("permission denied") => format!("the program `{program}` is not executable"),
        m => format!("the program `{program}` cannot be started: {}", m.rsplit(": ").next().unwrap_or(m)),
    })
}

/// What a scheduler says, without what it says of preemption.
fn scheduled(message: &str) -> &str {
    let end = [" no new claims to deallocate", " preemption: "]
        .into_iter()
        .filter_map(|words| message.find(words))
        .min();
    message[..end.unwrap_or(message.len())].trim_end_matches([',', '.', ' '])
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

/// Why pods will not become ready by themselves: an image that cannot be pulled, a container that crashes repeatedly.
pub fn stuck(pods: &[Value]) -> Option<String> {
    pods.iter().filter(|pod| !is_ready(pod)).find_map(|pod| {
        unready(pod).iter().find_map(|container| {
            let reason = container.text("/state/waiting/reason");
            let crashes = reason == "CrashLoopBackOff" && container.restarts >= CRASHES;
            (crashes || STUCK.contains(&reason)).then(|| container.reason())
        })
    })
}

/// What a person needs to find the cause: the pods that are not ready, and why, the last lines of their logs, and other warnings.
/// What `told` says already is not repeated. Several lines; empty where nothing more is known.
pub async fn report(cluster: &Cluster, object: &Value, told: &str) -> String {
    let mut out = String::new();
    let pods = cluster.pods_of(object).await.unwrap_or_default();
    if let Some(("True", _, message)) = ready::condition(object, "ReplicaFailure") {
        let _ = writeln!(out, "  {message}");
    }
    for warning in cluster.warnings(object).await.iter().filter(|warning| !told.contains(&***warning)) {
        let _ = writeln!(out, "  {warning}");
    }
    let bad: Vec<&Value> = pods.iter().filter(|pod| !is_ready(pod)).collect();
    for pod in bad.iter().take(PODS) {
        let before = out.len();
        if let Some(("False", _, message)) = ready::condition(pod, "PodScheduled") {
            let _ = writeln!(out, "  pod {}: it is not scheduled: {}", name(pod), scheduled(message));
        }
        for container in unready(pod) {
            cluster.container(&mut out, pod, &container, told).await;
        }
        for warning in cluster.warnings(pod).await {
            let _ = writeln!(out, "  pod {}: {warning}", name(pod));
        }
        if out.len() == before {
            let _ = writeln!(out, "  pod {}: {}", name(pod), phase(pod));
        }
    }
    if bad.len() > PODS {
        let _ = writeln!(out, "  and {} more pods are not ready", bad.len() - PODS);
    }
    out
}

impl Cluster {
    /// What is known of a container.
    async fn container(&self, out: &mut String, pod: &Value, container: &Container<'_>, told: &str) {
        let reason = container.reason();
        let probed = match container.status.pointer("/state/running").is_some() {
            true => self.probe(pod, container.name).await,
            false => None,
        };
        let reason = match probed {
            Some(probe) => format!("{reason}: {probe}"),
            None => reason,
        };
        let place = format!("  pod {}, container `{}`", name(pod), container.name);
        let _ = match told.contains(&*reason) {
            true => writeln!(out, "{place}"),
            false => writeln!(out, "{place}: {reason}"),
        };
        let log = match self.log(pod, container.name, container.restarts > 0).await {
            Some(log) => Some(log),
            None => self.log(pod, container.name, false).await,
        };
        for line in log.iter().flat_map(|log| log.lines()) {
            let _ = writeln!(out, "    | {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(container: Value) -> Value {
        json!({ "kind": "Pod", "metadata": { "name": "web-1" }, "status": { "phase": "Pending", "containerStatuses": [container] } })
    }

    fn waiting(reason: &str, message: &str) -> Value {
        pod(json!({ "name": "app", "image": "r.dev/app:2", "ready": false, "restartCount": 2,
            "state": { "waiting": { "reason": reason, "message": message } },
            "lastState": { "terminated": { "exitCode": 3, "reason": "Error" } } }))
    }

    #[test]
    fn what_does_not_pass_by_itself_is_told_in_words() {
        let image = "failed to pull and unpack image: failed to resolve reference \"r.dev/app:2\": ";
        for (reason, message, told) in [
            ("ErrImagePull", "", None),
            ("ContainerCreating", "", None),
            (
                "ImagePullBackOff",
                &*format!("{image}r.dev/app:2: not found"),
                Some("the image `r.dev/app:2` does not exist in its registry (ImagePullBackOff)"),
            ),
            (
                "ImagePullBackOff",
                &*format!("{image}401 Unauthorized"),
                Some(
                    "the registry does not give the image `r.dev/app:2`: it needs the credentials of `imagePullSecrets` (ImagePullBackOff)",
                ),
            ),
            (
                "ImagePullBackOff",
                &*format!("{image}dial tcp: connection refused"),
                Some("the image `r.dev/app:2` cannot be pulled: connection refused (ImagePullBackOff)"),
            ),
            (
                "InvalidImageName",
                "couldn't parse",
                Some("`r.dev/app:2` is not the name of an image (InvalidImageName)"),
            ),
            (
                "CreateContainerConfigError",
                "secret \"login\" not found",
                Some("secret \"login\" not found (CreateContainerConfigError)"),
            ),
            (
                "RunContainerError",
                "runc create failed: exec: \"/bin/web\": stat /bin/web: no such file or directory: unknown",
                Some("the program `/bin/web` does not exist in the image"),
            ),
            (
                "CrashLoopBackOff",
                "back-off 10s restarting",
                Some("it crashes repeatedly: it exited with code 3, restarted 2 times (CrashLoopBackOff)"),
            ),
        ] {
            assert_eq!(stuck(&[waiting(reason, message)]).as_deref(), told, "{reason}: {message}");
        }
        // One restart may pass.
        let once = pod(
            json!({ "name": "app", "ready": false, "restartCount": 1, "state": { "waiting": { "reason": "CrashLoopBackOff" } } }),
        );
        assert_eq!(stuck(&[once]), None);
    }

    #[test]
    fn a_pod_that_ran_out_of_memory_says_so() {
        let killed =
            pod(json!({ "name": "app", "ready": false, "restartCount": 1, "state": { "running": {} },
            "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }));
        let reasons: Vec<String> = unready(&killed).iter().map(Container::reason).collect();
        assert_eq!(
            reasons,
            ["it runs again, but is not ready: it ran out of memory and was killed, restarted once"]
        );
    }

    #[test]
    fn what_a_scheduler_says_of_preemption_is_left_out() {
        let said = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available.";
        assert_eq!(scheduled(said), "0/1 nodes are available: 1 Insufficient cpu");
        assert_eq!(scheduled("0/1 nodes are available."), "0/1 nodes are available");
    }
}
