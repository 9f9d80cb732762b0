//! `kube.Wait`: waits for an object that something else creates, and touches nothing.

use crate::cluster;
use crate::interface::wait::{Inputs, Outputs};
use crate::interface::{Target, Until};
use crate::patience::{AGAIN, Pauses, is_over};
use dtm_cluster::Settled;
use dtm_cluster::ready::{Status, condition, status};
use dtm_cluster::report::report;
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Nanoseconds, Object, Observed};
use std::time::{Duration, Instant};

pub(crate) struct Wait;

/// How far an object is from what is waited for.
enum Seen {
    Reached,
    NotYet(String),
    Never(String),
}

fn shown(target: &Target) -> String {
    match &*target.namespace {
        "" => format!("{}/{}", target.kind, target.name),
        namespace => format!("{}/{} in {namespace}", target.kind, target.name),
    }
}

/// The value of a field, by a path as `status.loadBalancer.ingress[0].ip`.
fn field<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    let steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty());
    steps.into_iter().try_fold(object, |value, step| match step.parse::<usize>() {
        Ok(index) if value.is_array() => value.get(index),
        Ok(_) | Err(_) => value.get(step),
    })
}

fn looked(there: Option<&Value>, until: &Until, age: Duration) -> Seen {
    let deleted = matches!(until, Until::Text(word) | Until::Text2(word) if word == "deleted");
    let Some(object) = there else {
        return if deleted { Seen::Reached } else { Seen::NotYet("it does not exist yet".into()) };
    };
    match until {
        _ if deleted => Seen::NotYet("it still exists".into()),
        Until::Text(_) | Until::Text2(_) => match status(object, age) {
            Status::Ready => Seen::Reached,
            Status::Waiting(why) => Seen::NotYet(why),
            Status::Failed(why) => Seen::Never(why),
            Status::Terminating => Seen::NotYet("it is being deleted".into()),
        },
        Until::Record(wanted) => match condition(object, &wanted.condition) {
            Some(("True", ..)) => Seen::Reached,
            Some((_, reason, message)) => {
                Seen::NotYet(format!("`{}` is not true: {reason} {message}", wanted.condition))
            }
            None => Seen::NotYet(format!("it has no condition `{}` yet", wanted.condition)),
        },
        Until::Record2(wanted) => match field(object, &wanted.path) {
            Some(value) if *value == dtm_plugin::wire::plain(&wanted.value) => Seen::Reached,
            Some(value) => Seen::NotYet(format!("`{}` is {value}", wanted.path)),
            None => Seen::NotYet(format!("it has no `{}` yet", wanted.path)),
        },
    }
}

async fn wait(ctx: &Ctx, inputs: &Inputs) -> Result<Change<Wait>, Failure> {
    let cluster = cluster(ctx).await?;
    let (target, begun) = (&inputs.target, Instant::now());
    let what = shown(target);
    let (mut pauses, mut settled) = (Pauses::default(), Settled::default());
    loop {
        let resource = cluster.resource(&target.api_version, &target.kind).await;
        let resource = resource.map_err(|fault| fault.failure("the kinds of the cluster cannot be read"))?;
        let there = match &resource {
            Some(resource) => cluster.get(resource, &target.namespace, &target.name).await,
            None => Ok(None),
        };
        let there =
            there.map_err(|fault| fault.failure(&format!("{what} cannot be read")).input("target"))?;
        let why = match looked(there.as_ref(), &inputs.until, begun.elapsed()) {
            Seen::Reached => {
                let objects: Vec<&Value> = match &inputs.until {
                    Until::Text(_) | Until::Text2(_) => there.iter().collect(),
                    Until::Record(_) | Until::Record2(_) => vec![],
                };
                if !settled.look(&cluster, &objects).await.unwrap_or(true) && !is_over(ctx) {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                let waited = Nanoseconds(i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
                return Ok(Change { id: what, outputs: Outputs { waited }, private: Value::Null });
            }
            Seen::NotYet(why) if is_over(ctx) => format!("not in time: {why}"),
            Seen::NotYet(why) => {
                ctx.progress(format!("{what}: {why}"));
                pauses.next().await;
                continue;
            }
            Seen::Never(why) => why,
        };
        let more = match &there {
            Some(object) => report(&cluster, object, &why).await,
            None => String::new(),
        };
        return Err(Failure::clean(format!("{what}: {why}\n{more}").trim_end().to_string()).input("target"));
    }
}

impl Kind for Wait {
    const NAME: &'static str = "Wait";
    type Inputs = Inputs;
    type Outputs = Outputs;

    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        // It was reached once. What happens to the object afterwards is not the concern of this tool.
        let waited = object.outputs.get("waited").cloned().unwrap_or(json!("0ns"));
        let outputs = dtm_plugin::serde_json::from_value(json!({ "waited": waited }));
        let outputs =
            outputs.map_err(|e| Failure::clean(format!("the recorded outputs cannot be read: {e}")))?;
        Ok(Some(Observed { outputs, inputs: Fields::new(), drift: vec![], private: object.private }))
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        wait(ctx, &inputs).await
    }

    async fn update(ctx: &Ctx, _: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        wait(ctx, &inputs).await
    }

    async fn delete(_: &Ctx, _: Object<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_path() {
        let object = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] } } });
        assert_eq!(field(&object, "status.loadBalancer.ingress[0].ip"), Some(&json!("1.2.3.4")));
        assert_eq!(field(&object, "status.loadBalancer.ingress[1].ip"), None);
        assert_eq!(field(&object, "status.nothing"), None);
    }

    #[test]
    fn what_is_waited_for_is_reached_or_not() {
        let told = |there: Option<Value>, until: &str| {
            let until: Until = dtm_plugin::serde_json::from_str(until).expect("something to wait for");
            match looked(there.as_ref(), &until, Duration::from_secs(9)) {
                Seen::Reached => "reached".to_string(),
                Seen::NotYet(why) | Seen::Never(why) => why,
            }
        };
        let pod = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": {}, "status": { "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "x" }] } });
        assert_eq!(told(None, "\"ready\""), "it does not exist yet");
        assert_eq!(told(None, "\"deleted\""), "reached");
        assert_eq!(told(Some(pod.clone()), "\"ready\""), "ContainersNotReady: x");
        assert_eq!(told(Some(pod.clone()), "\"deleted\""), "it still exists");
        assert_eq!(
            told(Some(pod.clone()), r#"{"condition":"Initialized"}"#),
            "it has no condition `Initialized` yet"
        );
        assert_eq!(told(Some(pod), r#"{"path":"status.phase","value":"Running"}"#), "reached");
    }
}
