//! `core.Value`: it lives in state only, so reading it answers from what is recorded.

use crate::interface::value;
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{Value as Json, from_value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};

pub(crate) struct Value;

/// A UUID derived from the operation key, which is one already, so that running again gives the same.
fn id_of(op: &str) -> String {
    let hash = <sha2::Sha256 as sha2::Digest>::digest(op.as_bytes());
    let hex: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

impl Kind for Value {
    const NAME: &'static str = "Value";
    type Inputs = value::Inputs;
    type Outputs = value::Outputs;

    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let mut outputs = object.outputs;
        outputs.entry("result").or_insert(Json::Null);
        outputs.entry("id").or_insert_with(|| json!(object.id));
        let outputs = from_value(Json::Object(outputs)).map_err(|e| Failure::clean(e.to_string()))?;
        Ok(Some(Observed { outputs, inputs: Fields::new(), drift: vec![], private: object.private }))
    }
    async fn create(ctx: &Ctx, inputs: value::Inputs) -> Result<Change<Self>, Failure> {
        let id = id_of(&ctx.op);
        Ok(Change {
            outputs: value::Outputs { result: inputs.value, id: id.clone() },
            id,
            private: Json::Null,
        })
    }
    async fn update(_: &Ctx, object: Object<Self>, inputs: value::Inputs) -> Result<Change<Self>, Failure> {
        let outputs = value::Outputs { result: inputs.value, id: object.id.clone() };
        Ok(Change { outputs, id: object.id, private: object.private })
    }
    async fn delete(_: &Ctx, _: Object<Self>) -> Result<(), Failure> {
        Ok(())
    }
}
