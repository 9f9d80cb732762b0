//! The values of a chart: compared as Helm keeps them, and with secrets kept secret.

use dtm_plugin::serde_json::{Map, Value};
use dtm_plugin::wire;

/// Integers beyond this lose digits in Helm, which reads every number as a double.
const LARGEST: u64 = 1 << 53;

/// Whether two values are the same to Helm: `1` is `1.0`, and a field that is null is no field.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    let fields = |m: &Map<String, Value>| m.values().filter(|v| !v.is_null()).count();
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            fields(a) == fields(b)
                && a.iter().filter(|(_, v)| !v.is_null()).all(|(k, v)| b.get(k).is_some_and(|o| same(v, o)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// The path to an integer that Helm would round.
pub(crate) fn rounded(value: &Value) -> Option<String> {
    let at = |step: String, inner: &Value| rounded(inner).map(|rest| step + &rest);
    match value {
        Value::Object(m) => m.iter().find_map(|(k, v)| at(format!(".{k}"), v)),
        Value::Array(items) => items.iter().enumerate().find_map(|(i, v)| at(format!("[{i}]"), v)),
        Value::Number(n) => {
            let size = n.as_u64().or_else(|| n.as_i64().map(i64::unsigned_abs));
            size.is_some_and(|n| n > LARGEST).then(String::new)
        }
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// Values of a release as an input: what the program keeps secret is secret, and so is what the program does not have and is
/// called as secrets are.
pub(crate) fn observed(live: &Value, recorded: &Value) -> Value {
    if wire::is_secret(recorded) {
        return wire::secret(live.clone());
    }
    match live {
        Value::Object(m) => {
            let field = |(name, value): (&String, &Value)| {
                let (name, known) = (wire::escape(name), recorded.get(wire::escape(name)));
                let value = match known {
                    Some(known) => observed(value, known),
                    None if is_secret(&name) => wire::mark_secret(observed(value, &Value::Null)),
                    None => observed(value, &Value::Null),
                };
                (name, value)
            };
            Value::Object(m.iter().map(field).collect())
        }
        Value::Array(items) => {
            let known = |i: usize| recorded.get(i).unwrap_or(&Value::Null);
            Value::Array(items.iter().enumerate().map(|(i, v)| observed(v, known(i))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => live.clone(),
    }
}

/// Whether a field is called as secrets are.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace(['-', '_'], "");
    let words = ["password", "passwd", "secret", "token", "privatekey", "apikey", "accesskey", "credential"];
    words.iter().any(|word| name.contains(word))
}

/// The defaults of a chart under values, as Helm merges them: records field by field, and null removes a default.
pub(crate) fn merged(defaults: &Value, values: &Value) -> Value {
    match (defaults, values) {
        (Value::Object(below), Value::Object(above)) => {
            let mut out = below.clone();
            for (name, value) in above {
                match (value, below.get(name)) {
                    (Value::Null, _) => _ = out.remove(name),
                    (value, Some(default)) => _ = out.insert(name.clone(), merged(default, value)),
                    (value, None) => _ = out.insert(name.clone(), value.clone()),
                }
            }
            Value::Object(out)
        }
        (default, Value::Null) => default.clone(),
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtm_plugin::serde_json::json;

    #[test]
    fn values_are_the_same_as_helm_keeps_them() {
        assert!(same(&json!({ "a": 1, "b": null }), &json!({ "a": 1.0 })));
        assert!(same(&json!({ "a": { "b": [1, "x"] } }), &json!({ "a": { "b": [1, "x"] } })));
        assert!(!same(&json!({ "a": 1 }), &json!({ "a": "1" })));
        assert!(!same(&json!({ "a": 1 }), &json!({ "b": 1 })));
        assert!(!same(&json!([1]), &json!([1, 2])));
    }

    #[test]
    fn integers_that_would_be_rounded_are_found() {
        assert_eq!(rounded(&json!({ "a": [1, { "b": 9007199254740993u64 }] })).as_deref(), Some(".a[1].b"));
        assert_eq!(rounded(&json!({ "a": -9007199254740993i64 })).as_deref(), Some(".a"));
        assert_eq!(rounded(&json!({ "a": 9007199254740992u64, "b": 1.5 })), None);
    }

    #[test]
    fn secrets_of_the_program_and_what_is_called_so_stay_secret() {
        let recorded = json!({ "db": { "pass": wire::secret(json!("old")), "user": "u" } });
        let live = json!({ "db": { "pass": "new", "user": "v" }, "adminPassword": "x", "auth": { "api-key": { "$a": "y" } } });
        let seen = observed(&live, &recorded);
        assert_eq!(seen["db"]["pass"], wire::secret(json!("new")));
        assert_eq!(seen["db"]["user"], json!("v"));
        assert_eq!(seen["adminPassword"], wire::secret(json!("x")));
        assert_eq!(seen["auth"]["api-key"]["$$a"], wire::secret(json!("y")));
        assert!(same(&wire::plain(&seen), &live));
    }

    #[test]
    fn values_are_put_over_the_defaults_of_the_chart() {
        let defaults = json!({ "a": { "x": 1, "y": 2 }, "list": [1, 2], "gone": true });
        let values = json!({ "a": { "y": 3 }, "list": [], "gone": null, "new": 1 });
        assert_eq!(merged(&defaults, &values), json!({ "a": { "x": 1, "y": 3 }, "list": [], "new": 1 }));
    }
}
