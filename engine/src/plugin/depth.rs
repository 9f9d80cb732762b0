//! How deep values of a message may be nested: each input, output, private value and partial value by itself, so that whatever
//! is put around it (a message, a record, a state, a plan file) stays below what a reader of JSON accepts.

use dtm_plugin::protocol::{ErrorData, MAX_DEPTH, Object, RpcError, deeper_than};
use serde_json::Value;

/// A request is sent as long as a plugin can parse it: an older dtm may have recorded values deeper than the limit.
const SENT: usize = 118;

/// The first value of a message that is nested deeper than a limit: where it is.
fn too_deep(message: &Value, limit: usize) -> Option<String> {
    match message {
        Value::Array(all) => all.iter().find_map(|one| too_deep(one, limit)),
        Value::Object(map) => map.iter().find_map(|(name, value)| match (&**name, value) {
            ("inputs" | "outputs" | "key" | "prior" | "settings", Value::Object(fields)) => {
                let deep = fields.iter().find(|(_, value)| deeper_than(value, limit))?;
                Some(format!("`{}` of its {}", deep.0, told(name)))
            }
            ("private" | "partial", value) => {
                deeper_than(value, limit).then(|| format!("the `{name}` value of the plugin"))
            }
            ("object" | "objects" | "results" | "data" | "calls", value) => too_deep(value, limit),
            (_, value) => deeper_than(value, limit).then(|| format!("`{name}`")),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn told(name: &str) -> &str {
    match name {
        "prior" => "recorded inputs",
        "key" => "key inputs",
        other => other,
    }
}

/// Whether an answer may be recorded; otherwise the error that replaces it. A created object is kept by its id.
pub(super) fn answer(answer: Result<Value, RpcError>) -> Result<Value, RpcError> {
    let error = |place: String, object: Option<Object>| {
        let message = format!("{place} is nested more than {MAX_DEPTH} levels deep, in the plugin's answer");
        let class = match object {
            Some(_) => dtm_plugin::protocol::Class::FailedPartial,
            None => dtm_plugin::protocol::Class::FailedClean,
        };
        RpcError {
            code: -32603,
            message,
            data: Box::new(ErrorData { class, object, ..ErrorData::default() }),
        }
    };
    match answer {
        Ok(value) => match too_deep(&value, MAX_DEPTH) {
            None => Ok(value),
            Some(place) => {
                let id = value.get("id").and_then(Value::as_str).unwrap_or("");
                let made = (!id.is_empty()).then(|| Object { id: id.into(), ..Object::default() });
                Err(error(place, made))
            }
        },
        Err(mut failed) => {
            let object = failed.data.object.take();
            failed.data.object = object.map(|o| {
                let deep = serde_json::to_value(&o).is_ok_and(|v| too_deep(&v, MAX_DEPTH).is_some());
                if deep { Object { id: o.id, ..Object::default() } } else { o }
            });
            Err(failed)
        }
    }
}

/// Whether a request can be read by a plugin.
///
/// # Errors
/// What is nested too deep.
pub(super) fn request(params: &Value) -> Result<(), String> {
    match too_deep(params, SENT) {
        None => Ok(()),
        Some(place) => Err(format!(
            "{place} is nested more than {SENT} levels deep, which no plugin can read; values may have {MAX_DEPTH} levels"
        )),
    }
}

/// Whether a partial value may be recorded.
pub(super) fn is_recordable(partial: &Value) -> bool {
    !deeper_than(partial, MAX_DEPTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!(["x"]), |inner, _| json!([inner]))
    }

    #[test]
    fn every_part_of_an_answer_is_looked_at() {
        for part in ["outputs", "inputs"] {
            let with = |levels| Ok(json!({ "id": "a", part: { "v": nested(levels) } }));
            assert!(answer(with(MAX_DEPTH)).is_ok(), "{part}");
            let error = answer(with(MAX_DEPTH + 1)).expect_err("too deep");
            assert_eq!(
                error.message,
                format!("`v` of its {part} is nested more than 64 levels deep, in the plugin's answer")
            );
            assert_eq!(error.data.object.map(|o| o.id).as_deref(), Some("a"), "its id is kept");
        }
        assert!(answer(Ok(json!({ "id": "a", "private": nested(MAX_DEPTH + 1) }))).is_err());
        assert!(answer(Ok(json!([{ "object": { "outputs": { "v": nested(MAX_DEPTH + 1) } } }]))).is_err());
        assert!(
            answer(Ok(json!({ "objects": [{ "id": "a", "key": { "v": nested(MAX_DEPTH + 1) } }] }))).is_err()
        );
        assert!(answer(Ok(json!({ "ids": nested(MAX_DEPTH + 1) }))).is_err());
        assert!(answer(Ok(json!([{ "object": { "outputs": { "v": nested(MAX_DEPTH) } } }]))).is_ok());
    }

    #[test]
    fn what_failed_keeps_its_id_only() {
        let object = Object { id: "a".into(), private: nested(MAX_DEPTH + 1), ..Object::default() };
        let data = Box::new(ErrorData { object: Some(object), ..ErrorData::default() });
        let failed = answer(Err(RpcError { code: 1, message: "no".into(), data })).expect_err("an error");
        assert_eq!(failed.data.object, Some(Object { id: "a".into(), ..Object::default() }));
    }
}
