//! Values as a person reads them: the syntax of the language, secrets masked.

use dtm_engine::difference::quoted;
use dtm_lang::value::quote;
use dtm_lang::wire::{TAG, tag, unescape};
use serde_json::{Map, Value, json};

/// What stands for a value that is not known yet.
pub const UNKNOWN: &str = "(known after apply)";
/// What stands for a secret.
pub const SECRET: &str = "(secret)";

/// A value in full.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(s) => quoted(s, false),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::Object(m) => match tag(m) {
            Some("unknown") => UNKNOWN.into(),
            Some(_) => SECRET.into(),
            _ if m.is_empty() => "{}".into(),
            _ => {
                let fields = m.iter().map(|(k, v)| format!("{} = {}", key(k), text(v)));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
        },
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other.to_string(),
    }
}

/// A key of a record or a map.
pub fn key(key: &str) -> String {
    let key = unescape(key);
    let plain = key.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !key.starts_with(|c: char| c.is_ascii_digit());
    if plain && !key.is_empty() { key.into() } else { quote(key) }
}

/// A value for machines: what is secret is left out of its tag.
pub fn masked(value: &Value) -> Value {
    match value {
        Value::Object(m) if tag(m).is_some_and(|t| t != "unknown") => json!({ TAG: "secret" }),
        Value::Object(m) => Value::Object(masked_fields(m)),
        Value::Array(items) => Value::Array(items.iter().map(masked).collect()),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf.clone(),
    }
}

/// As [`masked`], for fields.
pub fn masked_fields(fields: &Map<String, Value>) -> Map<String, Value> {
    fields.iter().map(|(k, v)| (k.clone(), masked(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtm_lang::wire::{secret, unknown};

    #[test]
    fn secrets_and_unknowns_never_show_what_they_hold() {
        let value = json!({ "a": secret(json!("hunter2")), "b": [unknown()], "$$c": 1 });
        assert_eq!(text(&value), "{ a = (secret), b = [(known after apply)], \"$c\" = 1 }");
        assert!(!masked(&value).to_string().contains("hunter2"));
    }
}
