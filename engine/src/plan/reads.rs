//! Reading reality: every tool in state, in batches, at the same time.

use super::place::behind;
use crate::Fields;
use crate::address::ToolAddr;
use crate::names::{KindName, PluginName};
use crate::plugin::{CallError, PluginCalls, Request, Settings};
use crate::secret::sendable;
use crate::state::Entry;
use crate::tasks::Tasks;
use dtm_plugin::protocol::{Call, FindResult, Method, Preview, ReadResult, RpcError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How many tools one message reads, and how many messages are under way.
const BATCH: usize = 100;
const AT_ONCE: usize = 16;

/// How many `find` are under way.
const FINDS_AT_ONCE: usize = 64;

/// How long a read may take.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// What reading a tool gave.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Absent,
    Object(Box<dtm_plugin::protocol::Object>),
    Failed(String),
}

/// One tool to be read.
pub(super) struct ToRead {
    pub(super) addr: ToolAddr,
    pub(super) plugin: PluginName,
    pub(super) settings: Settings,
    pub(super) entry: Arc<Entry>,
}

fn call(entry: &Entry) -> Call {
    Call {
        kind: entry.kind.to_string(),
        id: entry.id.clone().unwrap_or_default(),
        inputs: sendable(&entry.inputs),
        outputs: entry.outputs.clone(),
        private: entry.private.clone(),
        ..Call::default()
    }
}

/// Reads them all.
pub(super) async fn read_all(plugins: &Arc<dyn PluginCalls>, tools: Vec<ToRead>) -> HashMap<ToolAddr, Seen> {
    let mut groups: BTreeMap<(PluginName, String), Vec<ToRead>> = BTreeMap::new();
    for tool in tools {
        let settings =
            serde_json::to_string(&(&tool.settings, behind(&tool.entry.place))).unwrap_or_default();
        let key = (tool.plugin.clone(), settings);
        groups.entry(key).or_default().push(tool);
    }
    let mut batches = vec![];
    for ((plugin, _), group) in groups {
        let mut group = group.into_iter().peekable();
        while group.peek().is_some() {
            batches.push((plugin.clone(), group.by_ref().take(BATCH).collect::<Vec<_>>()));
        }
    }
    let mut seen = HashMap::new();
    let mut running = Tasks::new();
    let mut waiting = batches.into_iter();
    loop {
        while running.len() < AT_ONCE
            && let Some((plugin, batch)) = waiting.next()
        {
            let plugins = plugins.clone();
            let addrs: Vec<ToolAddr> = batch.iter().map(|t| t.addr.clone()).collect();
            running.spawn(addrs, async move { read_batch(&*plugins, &plugin, batch).await });
        }
        match running.next().await {
            Some((_, Ok(results))) => seen.extend(results),
            // What was not read is not taken for what was recorded.
            Some((addrs, Err(why))) => seen.extend(addrs.into_iter().map(|a| (a, Seen::Failed(why.into())))),
            None => return seen,
        }
    }
}

async fn read_batch(plugins: &dyn PluginCalls, plugin: &str, batch: Vec<ToRead>) -> Vec<(ToolAddr, Seen)> {
    let calls: Vec<Call> = batch.iter().map(|t| call(&t.entry)).collect();
    let Some(settings) = batch.first().map(|t| t.settings.clone()) else { return vec![] };
    let params = json!({ "calls": calls });
    let (settings, deadline) = (&settings, READ_TIMEOUT);
    let place = batch.first().and_then(|t| behind(&t.entry.place)).map(String::from);
    let place = place.as_deref();
    let request =
        Request { plugin, settings, method: Method::ReadMany, params, deadline, alone: false, place };
    let answer = plugins.call(request).await;
    let results: Result<Vec<ReadResult>, CallError> = answer.and_then(|value| {
        serde_json::from_value(value)
            .map_err(|e| CallError::Lost(format!("its answer to `read_many` cannot be read: {e}")))
    });
    match results {
        Ok(results) if results.len() == batch.len() => {
            batch.into_iter().zip(results).map(|(t, r)| (t.addr, from_wire(r))).collect()
        }
        // A hanging read is not waited for again; which one hangs is unknown.
        Err(why @ CallError::TimedOut(_)) if batch.len() > 1 => {
            let why = match batch.len() - 1 {
                1 => format!("{why}, nor did another one that was read with it"),
                others => format!("{why}, nor did {others} others that were read with it"),
            };
            batch.into_iter().map(|t| (t.addr, Seen::Failed(why.clone()))).collect()
        }
        Err(why @ CallError::TimedOut(_)) => {
            batch.into_iter().map(|t| (t.addr, Seen::Failed(why.to_string()))).collect()
        }
        // A batch that fails as a whole is read one by one, so that the culprit is known.
        _ => {
            let mut out = vec![];
            for tool in batch {
                let seen = read_alone(plugins, plugin, &tool.settings, &tool.entry).await;
                out.push((tool.addr, seen));
            }
            out
        }
    }
}

fn from_wire(result: ReadResult) -> Seen {
    match result {
        ReadResult::Absent => Seen::Absent,
        ReadResult::Object(object) => Seen::Object(object),
        ReadResult::Failed(error) => Seen::Failed(error.message),
    }
}

/// Reads one tool, beside whatever else its plugin does.
pub(crate) async fn read_one(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    entry: &Entry,
) -> Seen {
    read(plugins, plugin, settings, entry, false).await
}

/// Reads one tool while nothing else runs in its plugin: if the process is lost meanwhile, this read is the cause.
pub(crate) async fn read_alone(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    entry: &Entry,
) -> Seen {
    read(plugins, plugin, settings, entry, true).await
}

async fn read(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    entry: &Entry,
    alone: bool,
) -> Seen {
    let params = serde_json::to_value(call(entry)).unwrap_or(Value::Null);
    let (deadline, place) = (READ_TIMEOUT, behind(&entry.place));
    let request = Request { plugin, settings, method: Method::Read, params, deadline, alone, place };
    match plugins.call(request).await {
        Ok(value) => match serde_json::from_value(value) {
            Ok(result) => from_wire(result),
            Err(e) => Seen::Failed(format!("the plugin's answer cannot be read: {e}")),
        },
        Err(e) => Seen::Failed(e.to_string()),
    }
}

/// An optional question: `None` when the plugin does not answer it for this kind, or the process was lost.
pub(crate) async fn ask_plugin(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    method: Method,
    kind: &str,
    params: Value,
) -> Option<Result<Value, RpcError>> {
    let manifest = plugins.manifest(plugin).await.ok()?;
    if !manifest.can(method, kind) {
        return None;
    }
    match plugins
        .call(Request { plugin, settings, method, params, deadline: READ_TIMEOUT, alone: false, place: None })
        .await
    {
        Ok(answer) => Some(Ok(answer)),
        Err(CallError::Failed(error)) => Some(Err(error)),
        Err(_) => None,
    }
}

/// One `find` of many.
pub(super) struct ToFind {
    /// The tool, by its position in the plan.
    pub(super) node: usize,
    pub(super) plugin: PluginName,
    pub(super) settings: Settings,
    pub(super) kind: KindName,
    pub(super) key: Fields,
    pub(super) op: String,
}

/// Finds them all: together where the plugin answers many keys of a kind at once, otherwise one by one. The answers come in the
/// order of the plan.
pub(super) async fn find_all(
    plugins: &Arc<dyn PluginCalls>,
    wanted: Vec<ToFind>,
) -> Vec<(usize, Result<Vec<String>, CallError>)> {
    let mut groups: BTreeMap<(PluginName, KindName, String), Vec<ToFind>> = BTreeMap::new();
    for find in wanted {
        let settings = serde_json::to_string(&find.settings).unwrap_or_default();
        groups.entry((find.plugin.clone(), find.kind.clone(), settings)).or_default().push(find);
    }
    let mut batches: Vec<Vec<ToFind>> = vec![];
    for ((plugin, kind, _), group) in groups {
        let manifest = plugins.manifest(&plugin).await;
        let at_once = match manifest.is_ok_and(|m| m.can(Method::FindMany, &kind)) {
            true => BATCH,
            false => 1,
        };
        let mut group = group.into_iter().peekable();
        while group.peek().is_some() {
            batches.push(group.by_ref().take(at_once).collect());
        }
    }
    let mut found = vec![];
    let mut running = Tasks::new();
    let mut waiting = batches.into_iter();
    loop {
        while running.len() < FINDS_AT_ONCE
            && let Some(batch) = waiting.next()
        {
            let plugins = plugins.clone();
            let nodes: Vec<usize> = batch.iter().map(|find| find.node).collect();
            running.spawn(nodes, async move { find_batch(&*plugins, batch).await });
        }
        match running.next().await {
            Some((nodes, Ok(results))) => found.extend(nodes.into_iter().zip(results)),
            Some((nodes, Err(why))) => {
                found.extend(nodes.into_iter().map(|node| (node, Err(CallError::Unusable(why.into())))));
            }
            None => break,
        }
    }
    found.sort_by_key(|(node, _)| *node);
    found
}

/// The answers for a batch, in its order.
async fn find_batch(plugins: &dyn PluginCalls, batch: Vec<ToFind>) -> Vec<Result<Vec<String>, CallError>> {
    let mut results = vec![];
    if let [one] = &*batch {
        results.push(find(plugins, &one.plugin, &one.settings, &one.kind, one.key.clone(), &one.op).await);
        return results;
    }
    let Some(first) = batch.first() else { return results };
    let call = |find: &ToFind| Call {
        kind: find.kind.to_string(),
        inputs: find.key.clone(),
        op: find.op.clone(),
        ..Call::default()
    };
    let params = json!({ "calls": batch.iter().map(call).collect::<Vec<_>>() });
    let (plugin, settings) = (&*first.plugin, &first.settings);
    let (method, deadline) = (Method::FindMany, READ_TIMEOUT);
    let request = Request { plugin, settings, method, params, deadline, alone: false, place: None };
    let answers = plugins.call(request).await.and_then(|value| {
        serde_json::from_value::<Vec<FindResult>>(value)
            .map_err(|_| CallError::Unusable("the plugin's answer to `find_many` cannot be read".into()))
    });
    match answers {
        Ok(answers) if answers.len() == batch.len() => answers
            .into_iter()
            .map(|answer| match answer {
                FindResult::Ids(ids) => Ok(ids),
                FindResult::Failed(error) => Err(CallError::Failed(error)),
            })
            .collect(),
        // A batch that fails as a whole is asked one by one, so that the culprit is known.
        Ok(_) | Err(CallError::Failed(_) | CallError::Lost(_) | CallError::Unusable(_)) => {
            for one in &batch {
                let key = one.key.clone();
                results.push(find(plugins, &one.plugin, &one.settings, &one.kind, key, &one.op).await);
            }
            results
        }
        Err(CallError::TimedOut(after)) => batch.iter().map(|_| Err(CallError::TimedOut(after))).collect(),
    }
}

/// Inputs in the plugin's canonical form.
pub(crate) struct Normalized {
    /// The inputs; unchanged if the plugin does not answer.
    pub(crate) inputs: Fields,
    /// Why the plugin could not ask the target for what completes them.
    pub(crate) failed: Option<RpcError>,
}

/// Inputs in the plugin's canonical form, so that one object has one identity.
pub(crate) async fn normalized(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    kind: &str,
    inputs: Fields,
    prior: Option<&Entry>,
) -> Normalized {
    let mut params = json!({ "kind": kind, "inputs": inputs });
    if let Some(prior) = prior {
        params["id"] = prior.id.clone().unwrap_or_default().into();
        params["prior"] = sendable(&prior.inputs).into();
        params["private"] = prior.private.clone();
    }
    match ask_plugin(plugins, plugin, settings, Method::Normalize, kind, params).await {
        Some(Ok(answer)) => {
            let inputs = answer.get("inputs").and_then(Value::as_object).cloned().unwrap_or(inputs);
            Normalized { inputs, failed: None }
        }
        Some(Err(failed)) => Normalized { inputs, failed: Some(failed) },
        None => Normalized { inputs, failed: None },
    }
}

/// What the target says of a change before it is made; `None` when the plugin does not ask it. `Err` with a class other than
/// `failed_clean` means that it cannot be said now.
pub(super) async fn preview(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    kind: &str,
    prior: Option<&Entry>,
    inputs: &Fields,
) -> Option<Result<Preview, RpcError>> {
    // Most plugins have no server to ask, and inputs may be large.
    if !plugins.manifest(plugin).await.ok()?.can(Method::Preview, kind) {
        return None;
    }
    let mut params = json!({ "kind": kind, "inputs": inputs });
    if let Some(prior) = prior {
        params["id"] = prior.id.clone().unwrap_or_default().into();
        params["prior"] = sendable(&prior.inputs).into();
        params["outputs"] = prior.outputs.clone().into();
        params["private"] = prior.private.clone();
    }
    let answer = ask_plugin(plugins, plugin, settings, Method::Preview, kind, params).await?;
    Some(answer.map(|value| serde_json::from_value(value).unwrap_or_default()))
}

/// What a plugin says of an update: outputs that are known beforehand, and reasons to replace the object instead.
pub(crate) async fn plan_of(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    prior: &Entry,
    inputs: &Fields,
) -> (Fields, Vec<String>) {
    let params = json!({
        "kind": prior.kind, "id": prior.id, "prior": sendable(&prior.inputs), "inputs": inputs,
        "outputs": prior.outputs, "private": prior.private,
    });
    let answer = ask_plugin(plugins, plugin, settings, Method::Plan, &prior.kind, params).await;
    let Some(Ok(answer)) = answer else { return (Fields::new(), vec![]) };
    let outputs = answer.get("outputs").and_then(Value::as_object).cloned().unwrap_or_default();
    let reasons = answer.get("replace").and_then(Value::as_array).into_iter().flatten();
    (outputs, reasons.filter_map(Value::as_str).map(String::from).collect())
}

/// The ids of objects that have a natural key.
pub(crate) async fn find(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    kind: &str,
    key: Fields,
    op: &str,
) -> Result<Vec<String>, CallError> {
    let call = Call { kind: kind.into(), inputs: key, op: op.into(), ..Call::default() };
    let params = serde_json::to_value(call).unwrap_or(Value::Null);
    let value = plugins
        .call(Request {
            plugin,
            settings,
            method: Method::Find,
            params,
            deadline: READ_TIMEOUT,
            alone: false,
            place: None,
        })
        .await?;
    let ids = value.get("ids").cloned().unwrap_or(Value::Null);
    serde_json::from_value(ids)
        .map_err(|_| CallError::Unusable("the plugin's answer to `find` cannot be read".into()))
}
