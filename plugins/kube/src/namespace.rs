//! `kube.Namespace`

use crate::cluster;
use crate::interface::namespace::{Inputs, Outputs};
use crate::patience::gone;
use dtm_cluster::{Apply, Cluster, Fault, Name, Resource, labels, metadata, name, uid};
use dtm_plugin::protocol::{Fields, Listed, Method};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};
use std::collections::BTreeMap;

pub(crate) struct Namespace;

/// What Kubernetes itself puts into every namespace.
const GIVEN: [(&str, &str); 2] = [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")];
/// So many objects are named that keep a namespace from being deleted.
const NAMED: usize = 5;

fn resource() -> Resource {
    Resource::built_in("v1", "Namespace", "namespaces")
}

fn cannot<'a>(name: &'a str, doing: &'a str) -> impl Fn(Fault) -> Failure + 'a {
    move |fault| fault.failure(&format!("the namespace `{name}` cannot be {doing}"))
}

async fn write(ctx: &Ctx, inputs: &Inputs) -> Result<Change<Namespace>, Failure> {
    let cluster = cluster(ctx).await?;
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": inputs.name, "labels": inputs.labels } });
    let how = Apply { force: true, dry_run: false };
    let there = cluster.apply(&resource(), &object, how).await.map_err(cannot(&inputs.name, "applied"))?;
    Ok(Change { id: inputs.name.clone(), outputs: Outputs { uid: uid(&there).into() }, private: Value::Null })
}

/// The objects in a namespace that Kubernetes did not put there. Those of dtm count too: a state may be kept there, and what this
/// program manages is deleted before its namespace.
async fn content(cluster: &Cluster, namespace: &str) -> Result<Vec<Name>, Failure> {
    let kinds = cluster.listable().await.map_err(cannot(namespace, "looked into"))?;
    let lists = kinds.iter().filter(|kind| kind.namespaced && kind.kind != "Event").map(|kind| async move {
        match cluster.list_metadata(kind, Some(namespace), "").await {
            Ok(listed) => Ok(listed),
            Err(fault) if matches!(fault.code(), 404 | 405) => Ok(vec![]),
            Err(fault) => Err(fault),
        }
    });
    let mut out = vec![];
    for listed in futures_util::future::join_all(lists).await {
        let all = listed.map_err(cannot(namespace, "looked into"))?;
        let own = all.iter().filter(|object| {
            let name = Name::of(object);
            let owner = metadata(object)
                .get("ownerReferences")
                .and_then(Value::as_array)
                .is_some_and(|o| !o.is_empty());
            !owner && !GIVEN.contains(&(&*name.kind, &*name.name))
        });
        out.extend(own.map(Name::of));
    }
    Ok(out)
}

impl Kind for Namespace {
    const NAME: &'static str = "Namespace";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate, Method::ReadMany, Method::List];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        let is_name = |text: &str| {
            let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            (1..=63).contains(&text.len())
                && text.chars().all(inner)
                && !text.starts_with('-')
                && !text.ends_with('-')
        };
        match inputs.get("name").and_then(Value::as_str) {
            Some(text) if !is_name(text) => Err(Failure::clean(format!(
                "`{text}` is not the name of a namespace: up to 63 lowercase letters, digits and `-`, not at an end"
            ))
            .input("name")),
            Some(_) | None => Ok(()),
        }
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        Self::read_many(ctx, vec![object]).await.pop().unwrap_or(Ok(None))
    }

    async fn read_many(
        ctx: &Ctx,
        objects: Vec<Object<Self>>,
    ) -> Vec<Result<Option<Observed<Self>>, Failure>> {
        let there = async {
            let cluster = cluster(ctx).await?;
            let listed = match cluster.list_metadata(&resource(), None, "").await {
                Ok(listed) => listed,
                Err(fault) if fault.code() == 403 => {
                    let mut out = vec![];
                    for object in &objects {
                        let got = cluster.get(&resource(), "", &object.id).await;
                        out.extend(got.map_err(cannot(&object.id, "read"))?);
                    }
                    out
                }
                Err(fault) => return Err(fault.failure("the namespaces cannot be read")),
            };
            Ok(listed
                .into_iter()
                .map(|object| (name(&object).to_string(), object))
                .collect::<BTreeMap<_, _>>())
        }
        .await;
        let one = |object: Object<Self>, all: &BTreeMap<String, Value>| {
            let there = all.get(&object.id)?;
            // Labels of others are theirs; one of ours that is missing, or was changed, is told.
            let own: BTreeMap<&str, &str> =
                labels(there).filter(|(label, _)| object.inputs.labels.contains_key(*label)).collect();
            let inputs = Fields::from_iter([("labels".to_string(), json!(own))]);
            Some(Observed {
                outputs: Outputs { uid: uid(there).into() },
                inputs,
                drift: vec![],
                private: object.private,
            })
        };
        match there {
            Ok(all) => objects.into_iter().map(|object| Ok(one(object, &all))).collect(),
            Err(failure) => objects.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let wanted = key.get("name").and_then(Value::as_str).unwrap_or_default();
        let there = cluster(ctx).await?.get(&resource(), "", wanted).await.map_err(cannot(wanted, "read"))?;
        Ok(there.map(|_| wanted.to_string()).into_iter().collect())
    }

    async fn list(ctx: &Ctx, _: Fields) -> Result<Vec<Listed>, Failure> {
        let all = cluster(ctx).await?.list_metadata(&resource(), None, "").await;
        let all = all.map_err(|fault| fault.failure("the namespaces cannot be read"))?;
        let own = all.iter().map(name).filter(|name| !name.starts_with("kube-") && *name != "default");
        let key = |name: &str| Fields::from_iter([("name".to_string(), json!(name))]);
        Ok(own.map(|name| Listed { id: name.into(), key: key(name) }).collect())
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs).await
    }

    async fn update(ctx: &Ctx, _: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs).await
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let cluster = cluster(ctx).await?;
        let namespace = object.id;
        let Some(there) =
            cluster.get(&resource(), "", &namespace).await.map_err(cannot(&namespace, "read"))?
        else {
            return Ok(());
        };
        let recorded = object.outputs.get("uid").and_then(Value::as_str);
        if recorded.is_some_and(|recorded| recorded != uid(&there)) {
            return Ok(());
        }
        if !object.inputs.force_delete {
            let left = content(&cluster, &namespace).await?;
            let named: Vec<String> =
                left.iter().take(NAMED).map(|name| format!("{}/{}", name.kind, name.name)).collect();
            if !left.is_empty() {
                let more = if left.len() > NAMED {
                    format!(" and {} more", left.len() - NAMED)
                } else {
                    String::new()
                };
                return Err(Failure::clean(format!(
                    "the namespace `{namespace}` still holds objects: {}{more}; to delete them too, set `force_delete = true` and apply first",
                    named.join(", ")
                )));
            }
        }
        let this = Name {
            api_version: "v1".into(),
            kind: "Namespace".into(),
            namespace: String::new(),
            name: namespace.clone(),
        };
        cluster
            .delete(&resource(), &this, uid(&there), false)
            .await
            .map_err(cannot(&namespace, "deleted"))?;
        gone(ctx, &cluster, &resource(), &this, uid(&there)).await
    }
}
