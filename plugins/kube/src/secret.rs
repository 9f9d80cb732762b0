//! `kube.Secret`

use crate::cluster;
use crate::interface::secret::{Inputs, Outputs};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtm_cluster::{Apply, Fault, Name, Resource, uid};
use dtm_plugin::protocol::{Fields, Method};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Secret as Hidden, wire};
use std::collections::BTreeMap;

pub(crate) struct Secret;

fn resource() -> Resource {
    Resource::built_in("v1", "Secret", "secrets")
}

fn id(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

fn named(id: &str) -> Name {
    let (namespace, name) = id.split_once('/').unwrap_or(("default", id));
    Name { api_version: "v1".into(), kind: "Secret".into(), namespace: namespace.into(), name: name.into() }
}

fn cannot(name: &Name, doing: &'static str) -> impl Fn(Fault) -> Failure {
    let what = format!("the secret `{}` in `{}` cannot be {doing}", name.name, name.namespace);
    move |fault| match (fault.code(), fault.about()) {
        (404, "namespaces") => {
            Failure::clean(format!("{what}: its namespace does not exist")).input("namespace")
        }
        _ => fault.failure(&what),
    }
}

/// The values of a secret that are text.
fn values(there: &Value) -> BTreeMap<String, Hidden<String>> {
    let data = there.get("data").and_then(Value::as_object);
    let decoded = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let values =
        data.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), decoded(value.as_str()?)?)));
    values.map(|(key, value)| (key, Hidden(value))).collect()
}

fn outputs(there: &Value) -> Outputs {
    Outputs { values: values(there), uid: uid(there).into() }
}

async fn write(ctx: &Ctx, inputs: &Inputs, ours: bool) -> Result<Change<Secret>, Failure> {
    let cluster = cluster(ctx).await?;
    let name = named(&id(&inputs.namespace, &inputs.name));
    let data: BTreeMap<&String, String> =
        inputs.data.iter().map(|(key, value)| (key, STANDARD.encode(&value.0))).collect();
    let mut object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": inputs.r#type, "data": data,
        "metadata": { "name": inputs.name, "namespace": inputs.namespace },
    });
    let there = cluster.get(&resource(), &name.namespace, &name.name).await.map_err(cannot(&name, "read"))?;
    if let Some(there) = &there {
        let recreated = there.get("type").and_then(Value::as_str) != Some(&inputs.r#type)
            || there.get("immutable") == Some(&Value::Bool(true));
        if recreated && ours {
            // A type cannot be changed, and what is immutable cannot either: nothing is lost by a new one.
            cluster.delete(&resource(), &name, uid(there), false).await.map_err(cannot(&name, "deleted"))?;
        } else {
            object["metadata"]["uid"] = uid(there).into();
        }
    }
    let how = Apply { force: true, dry_run: false };
    let made = cluster.apply(&resource(), &object, how).await.map_err(cannot(&name, "applied"))?;
    Ok(Change { id: id(&inputs.namespace, &inputs.name), outputs: outputs(&made), private: Value::Null })
}

impl Kind for Secret {
    const NAME: &'static str = "Secret";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        let data = inputs.get("data").and_then(Value::as_object);
        let is_key = |key: &str| {
            (1..=253).contains(&key.len())
                && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        match data.into_iter().flatten().find(|(key, _)| !key.starts_with('$') && !is_key(key)) {
            Some((key, _)) => Err(Failure::clean(format!(
                "`{key}` is not a key of a secret: letters, digits, `-`, `_` and `.`"
            ))
            .input("data")),
            None => Ok(()),
        }
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let name = named(&object.id);
        let cluster = cluster(ctx).await?;
        let there =
            cluster.get(&resource(), &name.namespace, &name.name).await.map_err(cannot(&name, "read"))?;
        let Some(there) = there else { return Ok(None) };
        // Keys that others add are theirs.
        let data: Fields = values(&there)
            .into_iter()
            .filter(|(key, _)| object.inputs.data.is_empty() || object.inputs.data.contains_key(key))
            .map(|(key, value)| (wire::escape(&key), wire::secret(json!(value.0))))
            .collect();
        let inputs = Fields::from_iter([
            ("type".to_string(), there.get("type").cloned().unwrap_or_default()),
            ("data".to_string(), Value::Object(data)),
        ]);
        Ok(Some(Observed { outputs: outputs(&there), inputs, drift: vec![], private: object.private }))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = named(&id(text("namespace"), text("name")));
        let there = cluster(ctx).await?.get(&resource(), &name.namespace, &name.name).await;
        let there = there.map_err(cannot(&name, "read"))?;
        Ok(there.map(|_| id(&name.namespace, &name.name)).into_iter().collect())
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs, false).await
    }

    async fn update(ctx: &Ctx, _: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs, true).await
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let name = named(&object.id);
        let cluster = cluster(ctx).await?;
        let there =
            cluster.get(&resource(), &name.namespace, &name.name).await.map_err(cannot(&name, "read"))?;
        let recorded = object.outputs.get("uid").and_then(Value::as_str);
        let ours = there.filter(|there| recorded.is_none_or(|recorded| recorded == uid(there)));
        if let Some(there) = ours {
            cluster.delete(&resource(), &name, uid(&there), false).await.map_err(cannot(&name, "deleted"))?;
        }
        Ok(())
    }
}
