//! What exists and is to become a tool: found by its natural key.

use super::Known;
use super::reads::{ask_plugin, find};
use super::recover::natural_key;
use crate::Fields;
use crate::plugin::{Plugins, Settings};
use dtm_lang::wire::to_wire;
use dtm_lang::{Instance, Program};
use dtm_plugin::protocol::{Call, Listed};
use serde_json::Value;

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
    plugins: &Plugins,
) -> Result<Vec<Listed>, String> {
    let id = program.find(addr).ok_or_else(|| format!("`{addr}` is not in the program"))?;
    let instance = program.instance(id);
    let (plugin, kind) = (&instance.plugin, &instance.kind.name);
    let call = Call { kind: kind.to_string(), inputs: within, ..Call::default() };
    let params = serde_json::to_value(call).unwrap_or(Value::Null);
    let asked = ask_plugin(plugins, plugin, &settings(program, instance), "list", kind, params).await;
    let answer =
        asked.ok_or_else(|| format!("the plugin `{plugin}` cannot list what there is of this kind"))?;
    let value = answer.map_err(|e| plugins.redactor().mask(&e.message))?;
    let objects = value.get("objects").cloned().unwrap_or(Value::Null);
    serde_json::from_value(objects).map_err(|e| format!("the plugin's answer cannot be read: {e}"))
}

/// The ids of the objects that the natural key of a tool of the program names.
///
/// # Errors
/// When the program has no such tool, or its plugin gives no answer.
pub async fn ids_by_key(program: &Program, addr: &str, plugins: &Plugins) -> Result<Vec<String>, String> {
    let id = program.find(addr).ok_or_else(|| format!("`{addr}` is not in the program"))?;
    let (instance, known) = (program.instance(id), Known::default());
    let (values, _) = program.inputs(id, &known.of(program));
    let desired: Fields = values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
    let settings = settings(program, instance);
    let key = natural_key(&instance.kind, &desired);
    let found = find(plugins, &instance.plugin, &settings, &instance.kind.name, key, "import").await;
    found.map_err(|e| plugins.redactor().mask(&e.to_string()))
}
