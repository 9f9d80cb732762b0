//! What exists and is to become a tool: found by its natural key.

use super::Known;
use super::reads::find;
use super::recover::natural_key;
use crate::Fields;
use crate::plugin::{Plugins, Settings};
use dtm_lang::Program;
use dtm_lang::wire::to_wire;
use serde_json::Value;

/// The ids of the objects that the natural key of a tool of the program names.
///
/// # Errors
/// When the program has no such tool, or its plugin gives no answer.
pub async fn ids_by_key(program: &Program, addr: &str, plugins: &Plugins) -> Result<Vec<String>, String> {
    let id = program.find(addr).ok_or_else(|| format!("`{addr}` is not in the program"))?;
    let (instance, known) = (program.instance(id), Known::default());
    let (values, _) = program.inputs(id, &known.of(program));
    let desired: Fields = values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
    let settings = match instance.config.map(|c| to_wire(&program.configuration(c, &known.of(program)).0)) {
        Some(Value::Object(settings)) => settings,
        _ => Settings::new(),
    };
    let key = natural_key(&instance.kind, &desired);
    let found = find(plugins, &instance.plugin, &settings, &instance.kind.name, key, "import").await;
    found.map_err(|e| plugins.redactor().mask(&e.to_string()))
}
