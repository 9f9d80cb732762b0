//! `kube.Object`: an object of others, for `existing`.

use crate::cluster;
use crate::interface::object::{Inputs, Outputs};
use dtm_plugin::protocol::{Fields, Method};
use dtm_plugin::serde_json::{Value, from_value};
use dtm_plugin::{Change, Ctx, Failure, Kind, Observed, wire};

pub(crate) struct Object;

fn shown(inputs: &Inputs) -> String {
    match &*inputs.namespace {
        "" => format!("{}/{}", inputs.kind, inputs.name),
        namespace => format!("{}/{} in {namespace}", inputs.kind, inputs.name),
    }
}

/// The object; `None` where the server says that it does not exist.
async fn there(ctx: &Ctx, inputs: &Inputs) -> Result<Option<Value>, Failure> {
    let cluster = cluster(ctx).await?;
    let what = shown(inputs);
    let resource = cluster.resource(&inputs.api_version, &inputs.kind).await;
    let Some(resource) = resource.map_err(|fault| fault.failure(&format!("{what} cannot be read")))? else {
        let why = cluster.unknown_kind(&inputs.api_version, &inputs.kind).await;
        return Err(Failure::clean(why).input("kind"));
    };
    if resource.namespaced && inputs.namespace.is_empty() {
        return Err(Failure::clean(format!("{what} is in a namespace: set `namespace`")).input("namespace"));
    }
    let there = cluster.get(&resource, &inputs.namespace, &inputs.name).await;
    there.map_err(|fault| fault.failure(&format!("{what} cannot be read")))
}

/// An object as an output, in which no key is taken for a tag.
fn escaped(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (wire::escape(&name), escaped(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(escaped).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn only_read() -> Failure {
    Failure::clean(
        "a `kube.Object` is only read: write `existing` in place of `tool`, or create the object with `kube.Manifest`",
    )
}

impl Kind for Object {
    const NAME: &'static str = "Object";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate, Method::Preview];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        match inputs.get("kind").and_then(Value::as_str) {
            Some("Secret") => {
                Err(Failure::clean("the values of a secret are secret: read it as a `kube.Secret`")
                    .input("kind"))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn read(ctx: &Ctx, object: dtm_plugin::Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let there = there(ctx, &object.inputs).await?;
        Ok(there.map(|mut object| {
            // Who wrote which field is of use to nobody here.
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
            let outputs = Outputs { object: escaped(object) };
            Observed { outputs, inputs: Fields::new(), drift: vec![], private: Value::Null }
        }))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        Self::validate(&key)?;
        let inputs: Inputs = from_value(Value::Object(key))
            .map_err(|e| Failure::clean(format!("the key cannot be read: {e}")))?;
        Ok(there(ctx, &inputs).await?.map(|_| shown(&inputs)).into_iter().collect())
    }

    async fn preview(
        _: &Ctx,
        _: Option<dtm_plugin::Object<Self>>,
        _: Inputs,
    ) -> Result<dtm_plugin::protocol::Preview, Failure> {
        Err(only_read())
    }

    async fn create(_: &Ctx, _: Inputs) -> Result<Change<Self>, Failure> {
        Err(only_read())
    }

    async fn update(_: &Ctx, _: dtm_plugin::Object<Self>, _: Inputs) -> Result<Change<Self>, Failure> {
        Err(only_read())
    }

    async fn delete(_: &Ctx, _: dtm_plugin::Object<Self>) -> Result<(), Failure> {
        Ok(())
    }
}
