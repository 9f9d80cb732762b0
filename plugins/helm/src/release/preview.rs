//! What would come of a change: helm renders the chart, the server is asked about every object, and nothing is changed.

use super::Inputs;
use super::apply::{Run, check};
use super::failure::{clean, missing_kinds, said};
use super::objects::{endpoint, of_manifest};
use crate::cluster;
use crate::interface::Endpoints;
use crate::program::Helm;
use dtm_cluster::{Apply, Cluster, Fault, Name};
use dtm_plugin::protocol::{Fields, Preview};
use dtm_plugin::serde_json::{self, Value};
use dtm_plugin::{Ctx, Failure};
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::stream::iter;

/// What helm renders is not longer than this.
const LONGEST: usize = 64 << 20;
/// How many objects the server is asked about at a time.
const AT_A_TIME: usize = 16;

/// What would come of a change.
///
/// # Errors
/// When the chart cannot be had, the values do not fit it, or helm or the server refuses it.
pub(super) async fn preview(ctx: &Ctx, exists: bool, inputs: &Inputs) -> Result<Preview, Failure> {
    let values = inputs.plain_values();
    check(&values)?;
    let archive = inputs.chart().fetch(ctx).await?;
    archive.check(&values)?;
    let helm = Helm::of(ctx)?;
    let run = Run { ctx, inputs, helm: &helm, archive: &archive };
    let ended = run.helm(if exists { "upgrade" } else { "install" }, &values, |program| {
        let program = program.args(["--dry-run=server", "--output", "json"]).keep(LONGEST);
        if inputs.take_ownership { program.arg("--take-ownership") } else { program }
    })?;
    let mut notes = vec![];
    if archive.metadata.deprecated {
        notes.push(format!("the chart `{}` is deprecated", archive.metadata.name));
    }
    if ended.is_success() {
        let rendered: Value = serde_json::from_slice(&ended.stdout).unwrap_or_default();
        let manifest = rendered.get("manifest").and_then(Value::as_str).unwrap_or_default();
        let cluster = cluster(ctx).await?;
        let id = inputs.id();
        let objects = of_manifest(&cluster, manifest, &inputs.namespace).await;
        let objects =
            objects.map_err(|why| Failure::clean(format!("`{id}`: the chart does not give YAML: {why}")))?;
        let mut outputs = Fields::from_iter([
            ("chart_version".to_string(), archive.metadata.version.clone().into()),
            ("chart_digest".to_string(), archive.digest().into()),
        ]);
        outputs.extend(internal(&objects));
        refused(&cluster, &id, objects).await?;
        return Ok(Preview { notes, outputs, ..Preview::default() });
    }
    let said = said(&ended);
    let missing = missing_kinds(&said);
    if missing.is_empty() || missing.iter().any(|kind| kind.is_built_in()) {
        return Err(clean(&inputs.id(), &said));
    }
    // Its definition may be in the chart, or in a tool of the same run.
    notes.extend(missing.iter().map(|kind| {
        format!(
            "the cluster does not have the kind `{}` in `{}` yet: checked when it is applied",
            kind.name, kind.version
        )
    }));
    Ok(Preview { notes, ..Preview::default() })
}

/// The addresses, where all of them are inside the cluster: others are chosen by the cluster.
fn internal(objects: &[(Name, Value)]) -> Fields {
    let is_balancer = |object: &Value| {
        object.pointer("/spec/type").and_then(Value::as_str).is_some_and(|kind| kind == "LoadBalancer")
    };
    if objects
        .iter()
        .any(|(own, object)| own.kind == "Ingress" || own.kind == "Service" && is_balancer(object))
    {
        return Fields::new();
    }
    let endpoints: Vec<Endpoints> = objects
        .iter()
        .filter(|(own, _)| own.kind == "Service")
        .filter_map(|(own, o)| endpoint(own, o))
        .collect();
    let endpoints = serde_json::to_value(endpoints).unwrap_or_default();
    Fields::from_iter([("endpoints".to_string(), endpoints), ("url".to_string(), Value::Null)])
}

/// Refuses objects that the server would refuse.
async fn refused(cluster: &Cluster, id: &str, objects: Vec<(Name, Value)>) -> Result<(), Failure> {
    // Boxed, as the compiler does not see through futures that borrow in a stream.
    let tries: Vec<_> = objects.into_iter().map(|(own, object)| one(cluster, own, object).boxed()).collect();
    let said: Vec<String> = iter(tries).buffered(AT_A_TIME).filter_map(std::future::ready).collect().await;
    match &*said {
        [] => Ok(()),
        said => Err(Failure::clean(format!("`{id}`: {}", said.join("\n")))),
    }
}

/// What the server says of an object, where helm would fail at it after it has changed others.
async fn one(cluster: &Cluster, own: Name, mut object: Value) -> Option<String> {
    let resource = cluster.resource(&own.api_version, &own.kind).await.ok()??;
    if resource.namespaced {
        object["metadata"]["namespace"] = own.namespace.clone().into();
    }
    let dry_run = Apply { force: true, dry_run: true };
    let fault = cluster.apply(&resource, &object, dry_run).await.err()?;
    let is_new = || async { matches!(cluster.get(&resource, &own.namespace, &own.name).await, Ok(None)) };
    let is_final = match fault.code() {
        // Helm merges what exists in another way than this dry run: only what no merge changes is certain.
        422 => {
            fault.message().contains("immutable") || fault.message().contains("updates to") || is_new().await
        }
        400 | 403 => is_denied(&fault),
        _ => false,
    };
    is_final.then(|| format!("{}/{}: {}", own.kind, own.name, fault.explained()))
}

/// Whether a policy or a quota refuses it: a dry run needs other rights than helm, so what is said of rights is not certain.
fn is_denied(fault: &Fault) -> bool {
    ["denied the request", "exceeded quota"].iter().any(|words| fault.message().contains(words))
}
