//! What the schemas of a chart (`values.schema.json`) say of values. Helm checks the same, but only when it installs.

use crate::values::merged;
use crate::yaml;
use dtm_plugin::serde_json::{self, Value, json};
use std::collections::BTreeMap;

/// So many wrong values are told.
const TOLD: usize = 10;

/// What is wrong with values, a line each: of a chart with these files, which include those of its subcharts below `charts/`.
pub(super) fn wrong(files: &BTreeMap<String, Vec<u8>>, values: &Value) -> Vec<String> {
    let mut out = vec![];
    check(files, "", values, "", &mut out);
    out.truncate(TOLD);
    out
}

fn check(files: &BTreeMap<String, Vec<u8>>, folder: &str, values: &Value, at: &str, out: &mut Vec<String>) {
    let text = |name: &str| files.get(&format!("{folder}{name}")).map(|bytes| String::from_utf8_lossy(bytes));
    let defaults: Value =
        text("values.yaml").and_then(|text| yaml::read(&text).ok()).unwrap_or_else(|| json!({}));
    let whole = merged(&defaults, values);
    let schema = text("values.schema.json").and_then(|text| serde_json::from_str::<Value>(&text).ok());
    // A schema that refers to others on the network, or that is none, is left to Helm.
    if let Some(validator) = schema.and_then(|schema| jsonschema::validator_for(&schema).ok()) {
        for error in validator.iter_errors(&whole) {
            let place = path(error.instance_path().as_str(), at);
            // The message of a value holds the value, which may be secret: only its kind is said.
            out.push(format!("{place}: {}", masked(&error)));
        }
    }
    for (name, below) in subcharts(files, folder) {
        let own = whole.get(&name).cloned().unwrap_or_else(|| json!({}));
        if own.get("enabled") == Some(&Value::Bool(false)) {
            continue;
        }
        let mut own = if own.is_object() { own } else { json!({}) };
        if let (Some(own), Some(global)) = (own.as_object_mut(), whole.get("global")) {
            own.entry("global").or_insert_with(|| global.clone());
        }
        check(files, &below, &own, &format!("{at}{name}."), out);
    }
}

/// The subcharts of a chart: the name of their values, and their folder.
fn subcharts(files: &BTreeMap<String, Vec<u8>>, folder: &str) -> Vec<(String, String)> {
    let read = |path: &str| -> Option<Value> { yaml::read(&String::from_utf8_lossy(files.get(path)?)).ok() };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(String::from);
    let chart = read(&format!("{folder}Chart.yaml")).unwrap_or_default();
    let dependencies = chart.get("dependencies").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut out = vec![];
    for path in files.keys() {
        let Some(below) = path.strip_prefix(&format!("{folder}charts/")) else { continue };
        let Some(inner) = below.strip_suffix("/Chart.yaml").filter(|inner| !inner.contains('/')) else {
            continue;
        };
        let Some(name) = read(path).and_then(|chart| text(&chart, "name")) else { continue };
        let known = dependencies.iter().filter(|d| text(d, "name").as_deref() == Some(&*name));
        let mut names: Vec<String> = known.filter_map(|d| text(d, "alias")).collect();
        if names.is_empty() {
            names.push(name);
        }
        out.extend(names.into_iter().map(|name| (name, format!("{folder}charts/{inner}/"))));
    }
    out
}

/// A JSON pointer as a path into the values: `/image/tag` is `image.tag`.
fn path(pointer: &str, at: &str) -> String {
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    match (steps.is_empty(), at.trim_end_matches('.')) {
        (true, "") => "the values".into(),
        (true, at) => format!("`{at}`"),
        (false, _) => format!("`{at}{}`", steps.join(".")),
    }
}

/// What a schema says, without the value that it is about.
fn masked(error: &jsonschema::ValidationError<'_>) -> String {
    let said = error.masked_with("the value").to_string();
    said.replace("\"", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        files.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn values_are_checked_over_the_defaults_and_in_subcharts() {
        let schema = r#"{ "type": "object", "required": ["image"], "properties": { "replicas": { "type": "integer", "minimum": 1 }, "size": { "enum": ["small", "large"] } } }"#;
        let files = files(&[
            (
                "Chart.yaml",
                "name: shop\nversion: 1.0.0\ndependencies:\n- { name: db, version: 1.0.0, alias: store }\n",
            ),
            ("values.yaml", "image: nginx\n"),
            ("values.schema.json", schema),
            ("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
            ("charts/db/values.schema.json", r#"{ "properties": { "port": { "type": "integer" } } }"#),
        ]);
        assert_eq!(wrong(&files, &json!({ "replicas": 2, "store": { "port": 1 } })), Vec::<String>::new());
        let told = wrong(&files, &json!({ "replicas": "two", "image": null, "store": { "port": "x" } }));
        assert_eq!(
            told,
            [
                "the values: `image` is a required property",
                "`replicas`: the value is not of type `integer`",
                "`store.port`: the value is not of type `integer`"
            ]
        );
        assert_eq!(
            wrong(&files, &json!({ "replicas": 0 })),
            ["`replicas`: the value is less than the minimum of 1"]
        );
        assert_eq!(
            wrong(&files, &json!({ "store": { "enabled": false, "port": "x" } })),
            Vec::<String>::new()
        );
    }
}
