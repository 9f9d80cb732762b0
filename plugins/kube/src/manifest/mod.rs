//! `kube.Manifest`: objects that belong together, applied server-side.

mod apply;
mod group;
mod observe;
mod preview;
mod record;
mod waiting;

use crate::cluster;
use crate::interface::manifest::{Inputs, Outputs};
use apply::{Run, delete, partial};
use dtm_cluster::{Cluster, Live, Name};
use dtm_plugin::protocol::{Fields, Listed, Method, Preview};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::wire::has_unknown;
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};
use group::{Group, is_label, items};
use observe::{compare, groups, selector, uids};
use record::{Applied, begun, is_adopted, private, recorded};
use std::collections::BTreeSet;
use waiting::Patience;

pub(crate) struct Manifest;

/// The manifest that an object is: by its id, whatever its inputs say.
fn group_of(object: &Object<Manifest>) -> Group {
    Group::named(&object.id).unwrap_or_else(|| Group::of(&object.inputs))
}

/// The objects of a tool that are expected: those that are recorded, or, where nothing is, those of its inputs.
fn expected(object: &Object<Manifest>, group: &Group) -> Result<Vec<Name>, Failure> {
    match recorded(&object.private) {
        Some(applied) => Ok(applied.iter().map(|applied| applied.name.clone()).collect()),
        None => Ok(items(&object.inputs.objects, group)?.into_iter().map(|item| item.name).collect()),
    }
}

async fn observed(
    cluster: &Cluster,
    object: Object<Manifest>,
    there: &Live,
) -> Result<Option<Observed<Manifest>>, Failure> {
    let group = group_of(&object);
    let applied = recorded(&object.private).unwrap_or_default();
    let wanted = items(&object.inputs.objects, &group)?;
    let seen =
        compare(cluster, (&object.inputs.objects, wanted), &applied, there, &object.inputs.ignore).await?;
    if seen.found.is_empty() && !(object.inputs.objects.is_empty() && object.private != Value::Null) {
        return Ok(None);
    }
    let outputs =
        Outputs { uids: uids(seen.found.iter().map(|(_, there)| there), &group), ready: seen.ready };
    let inputs = Fields::from_iter([("objects".to_string(), Value::Array(seen.objects))]);
    let there = seen.found.iter().map(|(_, there)| there);
    let private = match object.private.is_null() {
        true => {
            begun(&there.filter(|there| Group::labelled(there).as_ref() == Some(&group)).collect::<Vec<_>>())
        }
        false => object.private,
    };
    Ok(Some(Observed { outputs, inputs, drift: vec![], private }))
}

/// Applies what is wanted, prunes what is not, and waits.
async fn write(
    ctx: &Ctx,
    inputs: &Inputs,
    group: &Group,
    (known, adopts): (Vec<Applied>, bool),
) -> Result<Change<Manifest>, Failure> {
    let cluster = cluster(ctx).await?;
    let run = Run { ctx, cluster: &cluster, inputs, group, recorded: &known, adopts };
    let (done, failed) = run.apply(items(&inputs.objects, group)?).await;
    let names: Vec<Name> = done.iter().map(|(applied, _)| applied.name.clone()).collect();
    // What an earlier run applied and this one did not reach is still there.
    let mut inventory: Vec<Applied> = done.iter().map(|(applied, _)| applied.clone()).collect();
    inventory.extend(known.iter().filter(|old| !names.iter().any(|name| name.is(&old.name))).cloned());
    if let Some(failure) = failed {
        return Err(partial(group, &inventory, failure));
    }
    ctx.checkpoint(&group.id(), private(&inventory));
    let ready = match inputs.wait {
        true => Patience::new(ctx, &cluster, group).all_ready(&names).await,
        false => Ok(()),
    };
    ready.map_err(|failure| partial(group, &inventory, failure))?;
    let left = run.prune(&names).await.map_err(|failure| partial(group, &inventory, failure))?;
    if !left.is_empty() {
        ctx.warn(&format!("no longer in the program, and left as they are: {}", left.join(", ")));
    }
    let there = cluster.live(names.iter().cloned(), &selector(Some(group))).await?;
    let is_ready = |object: &Value| {
        dtm_cluster::ready::status(object, std::time::Duration::MAX) == dtm_cluster::ready::Status::Ready
    };
    Ok(Change {
        id: group.id(),
        outputs: Outputs {
            uids: uids(done.iter().map(|(_, object)| object), group),
            ready: there.values().all(is_ready),
        },
        private: private(&done.into_iter().map(|(applied, _)| applied).collect::<Vec<_>>()),
    })
}

impl Kind for Manifest {
    const NAME: &'static str = "Manifest";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] =
        &[Method::Validate, Method::ReadMany, Method::FindMany, Method::Preview, Method::List];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        let text = |name: &str| inputs.get(name).and_then(Value::as_str);
        for field in ["name", "namespace"] {
            if let Some(text) = text(field).filter(|text| !is_label(text)) {
                return Err(Failure::clean(format!(
                    "`{text}` is not a name on Kubernetes: up to 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends"
                ))
                .input(field));
            }
        }
        let Some(objects) = inputs.get("objects").and_then(Value::as_array) else { return Ok(()) };
        // What is not known yet is checked when it is.
        let known: Vec<Value> = objects.iter().filter(|object| !has_unknown(object)).cloned().collect();
        let group = Group {
            name: text("name").unwrap_or("x").into(),
            namespace: text("namespace").unwrap_or("default").into(),
        };
        items(&known, &group).map(|_| ())
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        Self::read_many(ctx, vec![object]).await.pop().unwrap_or(Ok(None))
    }

    async fn read_many(
        ctx: &Ctx,
        objects: Vec<Object<Self>>,
    ) -> Vec<Result<Option<Observed<Self>>, Failure>> {
        let all = async {
            let cluster = cluster(ctx).await?;
            let mut names: BTreeSet<Name> = BTreeSet::new();
            for object in &objects {
                let group = group_of(object);
                // A record that is no manifest is an error of its own, below.
                let expected = expected(object, &group).unwrap_or_default();
                names.extend(resolved(&cluster, expected).await?);
            }
            let there = cluster.live(names, &selector(None)).await?;
            Ok::<_, Failure>((cluster, there))
        };
        match all.await {
            Ok((cluster, there)) => {
                let mut out = vec![];
                for object in objects {
                    out.push(observed(&cluster, object, &there).await);
                }
                out
            }
            Err(failure) => objects.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn find_many(ctx: &Ctx, keys: Vec<Fields>) -> Vec<Result<Vec<String>, Failure>> {
        let found = async { groups(&*cluster(ctx).await?, None).await }.await;
        let id = |key: &Fields| {
            let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
            Group { name: text("name"), namespace: text("namespace") }.id()
        };
        let ids = |key: &Fields, all: &[Group]| {
            let wanted = id(key);
            all.iter().map(Group::id).filter(|id| *id == wanted).collect::<Vec<_>>()
        };
        match found {
            Ok(all) => keys.iter().map(|key| Ok(ids(key, &all))).collect(),
            Err(failure) => keys.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        Self::find_many(ctx, vec![key]).await.pop().unwrap_or_else(|| Ok(vec![]))
    }

    async fn list(ctx: &Ctx, within: Fields) -> Result<Vec<Listed>, Failure> {
        let namespace = within.get("namespace").and_then(Value::as_str);
        let all = groups(&*cluster(ctx).await?, namespace).await?;
        let key = |group: &Group| {
            Fields::from_iter([
                ("name".into(), json!(group.name)),
                ("namespace".into(), json!(group.namespace)),
            ])
        };
        Ok(all.iter().map(|group| Listed { id: group.id(), key: key(group) }).collect())
    }

    async fn preview(ctx: &Ctx, prior: Option<Object<Self>>, inputs: Inputs) -> Result<Preview, Failure> {
        let adopts = prior.as_ref().is_some_and(|prior| is_adopted(&prior.private));
        let known = prior.and_then(|prior| recorded(&prior.private)).unwrap_or_default();
        let notes =
            preview::notes(&*cluster(ctx).await?, &inputs, &Group::of(&inputs), (&known, adopts)).await?;
        Ok(Preview { notes, ..Preview::default() })
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs, &Group::of(&inputs), (vec![], false)).await
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let known = (recorded(&object.private).unwrap_or_default(), is_adopted(&object.private));
        write(ctx, &inputs, &Group::of(&inputs), known).await
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let cluster = cluster(ctx).await?;
        let group = group_of(&object);
        let going = match recorded(&object.private) {
            Some(applied) => applied,
            // Begun and never recorded: what carries the labels of this manifest. What was adopted belongs to it without them.
            None => {
                let names = resolved(&cluster, expected(&object, &group)?).await?;
                let there = cluster.live(names, &selector(Some(&group))).await?;
                let adopted = is_adopted(&object.private);
                let ours = |there: &&Value| match Group::labelled(there) {
                    Some(other) => other == group,
                    None => adopted,
                };
                there.values().filter(ours).map(Applied::of).collect()
            }
        };
        delete(ctx, &cluster, &group, going).await
    }
}

/// Names as the cluster has them: an object of the cluster is in no namespace.
async fn resolved(cluster: &Cluster, names: Vec<Name>) -> Result<Vec<Name>, Failure> {
    let mut out = vec![];
    for mut name in names {
        let found = cluster.resource(&name.api_version, &name.kind).await;
        let found = found.map_err(|fault| fault.failure("the kinds of the cluster cannot be read"))?;
        if found.is_some_and(|resource| !resource.namespaced) {
            name.namespace.clear();
        }
        out.push(name);
    }
    Ok(out)
}
