//! Upgrades the records of an earlier version of a plugin to the installed version: ids, inputs, outputs and private data, of
//! each object and of replaced objects that are still to be deleted. The plan and the next write use the upgraded form.

use super::reads::ask_plugin;
use crate::Fields;
use crate::plugin::{PluginCalls, Settings};
use crate::state::Entry;
use dtm_plugin::protocol::Method;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The four things that `upgrade` gets and returns.
struct Recorded<'a> {
    id: Option<&'a mut String>,
    inputs: &'a mut Fields,
    outputs: &'a mut Fields,
    private: &'a mut Json,
}

/// Brings an entry into the form of its plugin's version; one of the same version stays as it is.
pub(super) async fn upgrade(plugins: &dyn PluginCalls, settings: &Settings, entry: &mut Arc<Entry>) {
    let plugin = &*entry.plugin.name.clone();
    if plugins.usable(plugin).is_err() {
        return;
    }
    let Ok(manifest) = plugins.manifest(plugin).await else { return };
    if manifest.version == entry.plugin.version || !manifest.can(Method::Upgrade, &entry.kind) {
        return;
    }
    let entry = Arc::make_mut(entry);
    let (kind, from) = (entry.kind.clone(), entry.plugin.version.clone());
    let Entry { id, inputs, outputs, private, retired, .. } = entry;
    let mut all = vec![Recorded { id: id.as_mut(), inputs, outputs, private }];
    all.extend(retired.iter_mut().map(|r| Recorded {
        id: Some(&mut r.id),
        inputs: &mut r.inputs,
        outputs: &mut r.outputs,
        private: &mut r.private,
    }));
    for recorded in all {
        let params = json!({
            "kind": kind, "from": from, "id": recorded.id.as_deref().cloned().unwrap_or_default(),
            "inputs": recorded.inputs, "outputs": recorded.outputs, "private": recorded.private,
        });
        let answer = ask_plugin(plugins, plugin, settings, Method::Upgrade, &kind, params).await;
        let Some(Ok(answer)) = answer else { return };
        let fields = |name: &str| answer.get(name).and_then(Json::as_object).cloned();
        fields("inputs").into_iter().for_each(|f| *recorded.inputs = f);
        fields("outputs").into_iter().for_each(|f| *recorded.outputs = f);
        answer.get("private").cloned().into_iter().for_each(|p| *recorded.private = p);
        let now = answer.get("id").and_then(Json::as_str).filter(|id| !id.is_empty());
        if let (Some(id), Some(now)) = (recorded.id, now) {
            *id = now.to_string();
        }
    }
    Arc::make_mut(&mut entry.plugin).version = manifest.version;
}
