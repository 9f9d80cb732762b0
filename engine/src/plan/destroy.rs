//! The plan that removes what is in state: all of it, or some tools and what depends on them.

use super::build::see_what_goes;
use super::leftovers;
use super::reads::{Seen, ToRead, read_all};
use super::recover::{Found, resolve};
use super::steps::schedule;
use super::upgrade::upgrade;
use super::{Action, Node, Plan, Reason};
use crate::address::{ToolAddr, named, names};
use crate::plugin::{PluginCalls, Settings};
use crate::state::{Entry, OpKey, State, Status};
use dtm_lang::interface::Kind;
use dtm_lang::shell::{command, word};
use dtm_lang::{Code, Diagnostic};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether objects are read before they are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reality {
    /// Every object is read, so that changes made outside are shown.
    Read,
    /// The state is assumed to be current.
    Recorded,
}

/// Reads what is about to be deleted: what is gone already is only dropped from the state, and what was changed outside is shown.
/// Nothing is deleted that could not be looked at, except what an interrupted operation left: nobody knows whether that is there.
async fn look(plan: &mut Plan, plugins: &Arc<dyn PluginCalls>) {
    // Where something is wrong already, it cannot be read in the right place.
    let wrong: BTreeSet<&str> = plan.diagnostics.iter().filter_map(|d| d.tool.as_deref()).collect();
    let wanted = plan.nodes.iter().filter(|n| n.action == Action::Delete && n.kind.is_some());
    let wanted = wanted.filter(|n| !wrong.contains(&*n.addr));
    let wanted = wanted.filter_map(|n| {
        let prior = n.prior.as_ref().filter(|p| p.id.is_some() && plugins.usable(&n.plugin).is_ok())?;
        Some(ToRead {
            addr: n.addr.clone(),
            plugin: n.plugin.clone(),
            settings: n.settings.clone(),
            entry: prior.clone(),
        })
    });
    let mut seen = read_all(plugins, wanted.collect()).await;
    for node in &mut plan.nodes {
        let (Some(kind), Some(found)) = (node.kind.clone(), seen.remove(&node.addr)) else { continue };
        match found {
            Seen::Absent if node.prior.as_ref().is_some_and(|p| p.retired.is_empty()) => {
                node.action = Action::Forget;
                node.reason = Reason::AlreadyGone;
            }
            Seen::Object(object) => see_what_goes(node, &kind, &object.inputs),
            Seen::Failed(why) if node.prior.as_ref().is_some_and(|p| !p.status.is_open()) => {
                let why = plugins.redactor().mask(&why);
                let d = Diagnostic::new(Code::E0607, format!("`{}` could not be read: {why}", node.addr));
                plan.diagnostics.push(d.tool(node.addr.clone()).help(format!(
                    "to delete it without looking at it, add `--no-read`; to leave it as it is: `dtm state rm {}`",
                    word(&node.addr)
                )));
            }
            Seen::Absent | Seen::Failed(_) => {}
        }
    }
}

/// The settings of the plugin of a tool in state, by its address and its entry.
pub type SettingsOf<'a> = dyn Fn(&str, &Entry) -> Result<Settings, Box<Diagnostic>> + 'a;

/// Plans the deletion of `only` (all when `None`) and of everything that depends on them. An address names a tool, a
/// family or a component.
pub async fn destroy(
    state: &State,
    only: Option<&[String]>,
    kinds: &dyn Fn(&str, &str) -> Option<Arc<Kind>>,
    settings: &SettingsOf<'_>,
    plugins: &Arc<dyn PluginCalls>,
    reality: Reality,
) -> Plan {
    let mut plan = Plan::default();
    let mut chosen: BTreeSet<&ToolAddr> = match only {
        None => state.tools.keys().collect(),
        Some(names) => names.iter().flat_map(|n| named(&state.tools, n)).map(|(addr, _)| addr).collect(),
    };
    for missing in only.into_iter().flatten().filter(|n| named(&state.tools, n).is_empty()) {
        let d = Diagnostic::new(Code::E0606, format!("no tool `{missing}` is in the state"));
        plan.diagnostics.push(d.nearest(missing, names(state.tools.keys().map(|k| &**k))));
    }
    loop {
        let more: Vec<&ToolAddr> = state
            .tools
            .iter()
            .filter(|(k, e)| !chosen.contains(k) && e.deps.iter().any(|d| chosen.contains(d)))
            .map(|(k, _)| k)
            .collect();
        if more.is_empty() {
            break;
        }
        chosen.extend(more);
    }
    // An object that was replaced and is still there may use what its tool does not use any more.
    for (addr, entry) in state.tools.iter().filter(|(k, _)| !chosen.contains(k)) {
        let used = entry.retired.iter().flat_map(|r| &r.deps).find(|d| chosen.contains(d));
        let Some(used) = used else { continue };
        let headline =
            format!("`{used}` is used by an object that was replaced as `{addr}` and still exists");
        let d = Diagnostic::new(Code::E0617, headline).tool(used.clone());
        plan.diagnostics.push(d.help(format!(
            "`dtm apply` deletes the replaced object; `{}` deletes everything of `{addr}`",
            command(["dtm", "delete", &**addr])
        )));
    }
    for addr in &chosen {
        let mut entry = state.tools[*addr].clone();
        let settings = settings(addr, &entry).unwrap_or_else(|d| {
            plan.diagnostics.push(*d);
            Settings::new()
        });
        upgrade(&**plugins, &settings, &mut entry).await;
        let entry = &entry;
        if entry.protect {
            let d = Diagnostic::new(Code::E0602, format!("`{addr}` is protected and would be deleted"))
                .tool((*addr).clone());
            plan.diagnostics.push(d.help("remove `protect = true` from it and apply that first"));
        }
        let kind = kinds(&entry.plugin.name, &entry.kind).or_else(|| {
            let path = entry.plugin.path.as_ref()?;
            plugins.interface_beside(path)?.kinds.get(&*entry.kind).cloned()
        });
        let plugin = &entry.plugin.name;
        if let (Err(why), _) | (_, (None, why)) =
            (plugins.usable(plugin), (kind.as_ref(), "its kind is not known".to_string()))
        {
            let headline =
                format!("`{addr}` cannot be deleted, because its plugin `{plugin}` cannot be used: {why}");
            let d = Diagnostic::new(Code::E0609, headline).tool((*addr).clone());
            plan.diagnostics
                .push(d.help(format!("restore the plugin, or keep the object: `forget {addr}` and apply")));
        }
        let mut prior = entry.clone();
        let (mut action, mut reason) = (Action::Delete, Reason::Destroyed);
        // What an interrupted create made is found before it is forgotten.
        if let (None, true, Some(kind)) = (&entry.id, entry.status.is_open(), &kind) {
            match resolve(&**plugins, plugin, &settings, kind, addr, entry, None).await {
                Found::Nothing => (action, reason) = (Action::Forget, Reason::NeverCreated),
                Found::Object(found, _) => prior = found.into(),
                Found::Ask(d) => plan.diagnostics.push(d),
            }
        }
        plan.nodes.push(Node {
            addr: (*addr).clone(),
            action,
            reason,
            conditional: false,
            instance: None,
            plugin: entry.plugin.name.clone(),
            kind,
            using: entry.using.clone(),
            settings,
            place: entry.place.clone(),
            prior: Some(prior),
            desired: Default::default(),
            planned: Default::default(),
            changes: vec![],
            options: vec![],
            outputs: vec![],
            drift: vec![],
            notes: vec![],
            op: if entry.status == Status::Deleting { entry.op.clone() } else { OpKey::fresh() },
            absent_before: false,
            forced: false,
            seen: None,
            after: vec![],
            leftovers: vec![],
            deps: entry.deps.clone(),
        });
    }
    if reality == Reality::Read {
        look(&mut plan, plugins).await;
    }
    let found = leftovers::find(&mut plan.nodes, plugins, reality == Reality::Read).await;
    found.into_iter().for_each(|d| plan.diagnostics.push(d));
    match schedule(&plan.nodes) {
        Ok(schedule) => {
            plan.waves = schedule.waves(plan.nodes.len());
            plan.schedule = schedule;
        }
        Err(cycle) => {
            let names: Vec<&str> = cycle.iter().map(|n| &*plan.nodes[*n].addr).collect();
            let d = Diagnostic::new(
                Code::E0501,
                format!("tools in the state depend on each other: {}", names.join(" → ")),
            );
            plan.diagnostics.push(d);
        }
    }
    plan.outputs_changed = only.is_none() && !state.outputs.is_empty();
    plan
}
