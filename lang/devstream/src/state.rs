//! The file in which DevStream kept its state, as a configuration: each entry is a tool with the options that it was made with.

use super::model::{entries, get, start};
use dtm_lang::data::{Node, NodeKind, yaml_documents};
use dtm_lang::diag::{Diagnostic, Diagnostics};
use dtm_lang::source::{FileId, Span};
use dtm_lang::value::Data;
use serde_json::{Value, json};

/// What DevStream made, as a configuration in its YAML that has the same tools in the order of their keys; options are as they were
/// when it made them, variables and references filled in. What it is and what it gave (`resourceStatus`) says nothing that a plugin
/// of ours could use.
///
/// # Errors
/// Where it is not a state of DevStream's; an empty file is the state of nothing.
pub fn state(file: FileId, text: &str) -> Result<String, Diagnostics> {
    let documents = yaml_documents(file, text).map_err(|d| Diagnostics::from(*d))?;
    let mut tools: Vec<Value> = vec![];
    let mut problems = Diagnostics::default();
    for document in
        documents.iter().filter(|d| !matches!(&d.kind, NodeKind::Scalar(v) if matches!(v.data, Data::Null)))
    {
        let wrong = |at: Span, why: &str| {
            let d = Diagnostic::new(crate::codes::E0140, "this is not a DevStream state").at(at, why);
            d.note("it is a map of `PLUGIN_INSTANCE` to what DevStream created")
        };
        if !matches!(document.kind, NodeKind::Map(_)) {
            problems.push(wrong(start(document), "no map"));
        }
        for (key, at, entry) in entries(document) {
            let of = |names: [&str; 2]| names.iter().find_map(|name| get(entry, name)).map(plain);
            let (Some(name), Some(instance)) = (of(["name", "name"]), of(["instanceID", "instanceid"]))
            else {
                problems.push(wrong(*at, &format!("`{key}` has no `name` or no `instanceID`")));
                continue;
            };
            let after = of(["dependsOn", "dependson"]).filter(|v| !v.is_null()).unwrap_or_else(|| json!([]));
            let options = of(["options", "options"]).filter(|v| !v.is_null()).unwrap_or_else(|| json!({}));
            tools.push(
                json!({ "name": name, "instanceID": instance, "dependsOn": after, "options": options }),
            );
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    // A tool that is gone is waited for no longer.
    let keys: Vec<String> = tools.iter().map(key).collect();
    for tool in &mut tools {
        if let Some(Value::Array(after)) = tool.get_mut("dependsOn") {
            after.retain(|dep| dep.as_str().is_some_and(|dep| keys.iter().any(|key| key == dep)));
        }
    }
    let whole = json!({ "config": { "state": { "backend": "local" } }, "tools": tools });
    // What looks like a variable in it is none any more. Lists in lists stand on lines of their own.
    Ok(format!("{whole:#}\n").replace("[[", "[\\u005b").replace("${{", "$\\u007b{"))
}

/// The file in which DevStream kept the state of a configuration, by the path from its folder; nothing where it was kept on a
/// server.
pub fn state_file(text: &str) -> Option<String> {
    let documents = yaml_documents(FileId(0), &super::mask::mask(text).0).ok()?;
    let state =
        documents.iter().find_map(|d| get(d, "config").map_or(Some(d), Some).and_then(|d| get(d, "state")));
    let text = |node: &Node| if let NodeKind::Scalar(value) = &node.kind { value.text() } else { None };
    let Some(state) = state else { return Some(DEFAULT.into()) };
    let backend = get(state, "backend").and_then(text).unwrap_or_default();
    let named = get(state, "options").and_then(|o| get(o, "stateFile")).and_then(text);
    backend.eq_ignore_ascii_case("local").then(|| named.unwrap_or_else(|| DEFAULT.into()))
}

/// Which versions of DevStream a configuration was written for, by its shape.
pub fn written_for(text: &str) -> &'static str {
    let documents = yaml_documents(FileId(0), &super::mask::mask(text).0).unwrap_or_default();
    let has = |keys: &[&str]| documents.iter().any(|d| keys.iter().any(|key| get(d, key).is_some()));
    let tools = documents.iter().find_map(|d| get(d, "tools"));
    let first = match tools.map(|tools| &tools.kind) {
        Some(NodeKind::Seq(items)) => items.first(),
        _ => None,
    };
    let plugin = first.and_then(|tool| get(tool, "plugin"));
    match (has(&["config", "apps", "pipelineTemplates"]), has(&["state", "varFile", "toolFile", "pluginDir"]))
    {
        (true, _) => "v0.10 or later",
        (_, true) => "v0.5 to v0.9",
        _ if plugin.is_some_and(|p| !entries(p).is_empty()) => "v0.0.2 to v0.3.1",
        _ if plugin.is_some() => "v0.3.2 to v0.4",
        _ if first
            .is_some_and(|tool| get(tool, "instanceID").is_none() && get(tool, "version").is_some()) =>
        {
            "v0.0.1"
        }
        _ => "v0.5 or later",
    }
}

/// The name that the file had where none was given.
const DEFAULT: &str = "devstream.state";

fn key(tool: &Value) -> String {
    let of = |name: &str| tool[name].as_str().unwrap_or_default().to_string();
    format!("{}.{}", of("name"), of("instanceID"))
}

fn plain(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(value) => dtm_lang::wire::plain_json(value),
        NodeKind::Seq(items) => items.iter().map(plain).collect(),
        NodeKind::Map(entries) => {
            entries.iter().map(|(key, _, value)| (key.to_string(), plain(value))).collect()
        }
    }
}
