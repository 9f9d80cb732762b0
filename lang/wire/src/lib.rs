//! What JSON does not have, as plugins, states and plans write it. This is the only place that knows the tag.
//!
//! ```text
//! {"$dtm": "secret", "v": "hunter2"}       a secret
//! {"$dtm": "unknown"}                      known only after apply
//! {"$dtm": "sealed", "v": "..."}           a secret in a state, encrypted
//! {"$$dtm": 1}                             a user's key that begins with `$`: its `$` is doubled
//! ```
//!
//! Both the language and the SDK of plugins depend on this crate, so it depends on nothing but `serde_json`.

#![expect(clippy::wildcard_enum_match_arm, reason = "what else JSON has is of one kind here")]

use serde_json::{Map, Value};

/// The key that marks a tagged object.
pub const TAG: &str = "$dtm";

/// A secret that holds `value`.
pub fn secret(value: Value) -> Value {
    let mut secret = tagged("secret", 2);
    secret["v"] = value;
    secret
}

/// A value that is known only after apply.
pub fn unknown() -> Value {
    tagged("unknown", 1)
}

/// An object with a tag and room for so many fields: a plan has many, and a map takes room for three at once.
fn tagged(tag: &str, fields: usize) -> Value {
    let mut object = Map::with_capacity(fields);
    object.insert(TAG.into(), tag.into());
    Value::Object(object)
}

/// The tag of a tagged object.
pub fn tag(object: &Map<String, Value>) -> Option<&str> {
    object.get(TAG).and_then(Value::as_str)
}

/// What a tagged object holds.
pub fn held(object: &Map<String, Value>) -> Option<&Value> {
    tag(object).and_then(|_| object.get("v"))
}

/// Whether a value is a secret as a whole.
pub fn is_secret(value: &Value) -> bool {
    value.as_object().and_then(tag) == Some("secret")
}

/// Whether a value is unknown as a whole; a secret may be around it.
pub fn is_unknown(value: &Value) -> bool {
    match value {
        Value::Object(m) => match tag(m) {
            Some("unknown") => true,
            Some("secret") => m.get("v").is_some_and(is_unknown),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a value contains an unknown.
pub fn has_unknown(value: &Value) -> bool {
    match value {
        Value::Object(m) => tag(m) == Some("unknown") || m.values().any(has_unknown),
        Value::Array(items) => items.iter().any(has_unknown),
        _ => false,
    }
}

/// Whether a value contains a secret, sealed or not.
pub fn has_secret(value: &Value) -> bool {
    match value {
        Value::Object(m) => {
            tag(m).is_some_and(|t| t == "secret" || t == "sealed") || m.values().any(has_secret)
        }
        Value::Array(items) => items.iter().any(has_secret),
        _ => false,
    }
}

/// Makes every leaf a secret.
pub fn mark_secret(value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Array(items) => Value::Array(items.into_iter().map(mark_secret).collect()),
        Value::Object(m) if tag(&m).is_some() => Value::Object(m),
        Value::Object(m) => Value::Object(m.into_iter().map(|(k, v)| (k, mark_secret(v))).collect()),
        leaf => secret(leaf),
    }
}

/// Removes the tags of secrets, and keeps what they hold.
pub fn reveal(value: &Value) -> Value {
    match value {
        Value::Object(m) if tag(m) == Some("secret") => m.get("v").map_or(Value::Null, reveal),
        Value::Object(m) => Value::Object(m.iter().map(|(k, v)| (k.clone(), reveal(v))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(reveal).collect()),
        leaf => leaf.clone(),
    }
}

/// Ordinary JSON: without the tags of secrets, and with every key as the user wrote it.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Object(m) if tag(m) == Some("secret") => m.get("v").map_or(Value::Null, plain),
        Value::Object(m) => Value::Object(m.iter().map(|(k, v)| (unescape(k).into(), plain(v))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        leaf => leaf.clone(),
    }
}

/// A user's key as it is written: a `$` that it begins with is doubled.
pub fn escape(key: &str) -> String {
    if key.starts_with('$') { format!("${key}") } else { key.to_string() }
}

/// A written key as the user wrote it.
pub fn unescape(key: &str) -> &str {
    key.strip_prefix('$').filter(|k| k.starts_with('$')).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_of_a_user_is_never_a_tag() {
        let user = json!({ escape(TAG): "secret", "v": 1 });
        assert_eq!(user.as_object().and_then(tag), None);
        assert!(!has_secret(&user));
        assert_eq!(plain(&user), json!({ "$dtm": "secret", "v": 1 }));
        for key in ["a", "$", "$a", "$$a", ""] {
            assert_eq!(unescape(&escape(key)), key);
        }
    }

    #[test]
    fn a_secret_is_found_revealed_and_not_marked_twice() {
        let value = json!({ "a": [secret(json!("x")), 1], "b": unknown() });
        assert!(has_secret(&value) && has_unknown(&value) && !is_unknown(&value));
        assert_eq!(reveal(&value)["a"], json!(["x", 1]));
        assert_eq!(mark_secret(value.clone())["a"], json!([secret(json!("x")), secret(json!(1))]));
        assert_eq!(mark_secret(value)["b"], unknown());
        assert!(is_unknown(&secret(unknown())));
    }
}
