//! What exists and is to become a tool: found by its natural key.

use super::Known;
use super::reads::{ask_plugin, find};
use super::recover::natural_key;
use crate::Fields;
use crate::plugin::{PluginCalls, Settings};
use crate::secret::public;
use dtm_lang::wire::{has_unknown, to_wire};
use dtm_lang::{Instance, Program};
use dtm_plugin::protocol::{Call, Listed, Method};
use serde_json::Value;
use std::collections::HashMap;

/// The settings of the configuration that a tool uses, as far as they are known.
fn settings(program: &Program, instance: &Instance) -> Settings {
    let known = Known::default();
    match instance.config.map(|c| to_wire(&program.configuration(c, &known.of(program)).0)) {
        Some(Value::Object(settings)) => settings,
        _ => Settings::new(),
    }
}

/// What is there of the kind of a tool of the program, whoever made it, where these inputs say.
///
/// # Errors
/// When the program has no such tool, or its plugin cannot list this kind, or gives no answer.
pub async fn listed(
    program: &Program,
    addr: &str,
    within: Fields,
    plugins: &dyn PluginCalls,
) -> Result<Vec<Listed>, String> {
    let id = program.find(addr).ok_or_else(|| format!("`{addr}` is not in the program"))?;
    let instance = program.instance(id);
    let (plugin, kind) = (&instance.plugin, &instance.kind.name);
    let call = Call { kind: kind.to_string(), inputs: within, ..Call::default() };
    let params = serde_json::to_value(call).unwrap_or(Value::Null);
    let asked = ask_plugin(plugins, plugin, &settings(program, instance), Method::List, kind, params).await;
    let answer = asked
        .ok_or_else(|| format!("the plugin `{plugin}` does not support listing objects of this kind"))?;
    let value = answer.map_err(|e| plugins.redactor().mask(&e.message))?;
    let objects = value.get("objects").cloned().unwrap_or(Value::Null);
    serde_json::from_value(objects).map_err(|e| format!("the plugin's answer cannot be read: {e}"))
}

/// The tools of a program of one kind, by what they are: their natural keys, and the ids that they adopt.
pub struct Owners {
    keys: HashMap<String, String>,
    ids: HashMap<String, String>,
}

impl Owners {
    /// Of a kind such as `core.File`.
    pub fn of(program: &Program, path: &str) -> Owners {
        let known = Known::default();
        let is_kind = |i: &&Instance| !i.existing && format!("{}.{}", i.plugin, i.kind.name) == path;
        let mut keys = HashMap::new();
        for instance in program.instances().iter().filter(is_kind) {
            let Some(id) = program.find(&instance.addr) else { continue };
            let (values, _) = program.inputs(id, &known.of(program));
            let inputs: Fields = values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
            let key = natural_key(&instance.kind, &inputs);
            if !key.is_empty() && !key.values().any(has_unknown) {
                keys.insert(comparable(key), instance.addr.to_string());
            }
        }
        let kind_of =
            |addr: &str| program.find(addr).map(|id| program.instance(id)).is_some_and(|i| is_kind(&i));
        let adopts = program.adopts().into_iter().filter(|(addr, ..)| kind_of(addr));
        let ids = adopts.filter_map(|(addr, id, _)| Some((id?.to_string(), addr.to_string()))).collect();
        Owners { keys, ids }
    }

    /// The address of the tool that an object is.
    pub fn of_object(&self, id: &str, key: &Fields) -> Option<String> {
        let by_key = || self.keys.get(&comparable(key.clone()));
        self.ids.get(id).or_else(by_key).cloned()
    }
}

/// A key as text: whatever the order of its fields, and without its secrets.
fn comparable(key: Fields) -> String {
    let mut fields: Vec<(String, String)> =
        key.iter().map(|(n, v)| (n.clone(), sorted(&public(v)).to_string())).collect();
    fields.sort();
    format!("{fields:?}")
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n.clone(), sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other.clone(),
    }
}

/// The ids of the objects that the natural key of a tool of the program names.
///
/// # Errors
/// When the program has no such tool, or its plugin gives no answer.
pub async fn ids_by_key(
    program: &Program,
    addr: &str,
    plugins: &dyn PluginCalls,
) -> Result<Vec<String>, String> {
    let id = program.find(addr).ok_or_else(|| format!("`{addr}` is not in the program"))?;
    let (instance, known) = (program.instance(id), Known::default());
    let (values, _) = program.inputs(id, &known.of(program));
    let desired: Fields = values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
    let settings = settings(program, instance);
    let key = natural_key(&instance.kind, &desired);
    let found = find(plugins, &instance.plugin, &settings, &instance.kind.name, key, "import").await;
    found.map_err(|e| plugins.redactor().mask(&e.to_string()))
}
