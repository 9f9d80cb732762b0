//! Inputs that a plugin refuses: offline, in its answer to `validate`, or when it is asked for the files that a tool writes.

use super::build::Builder;
use super::identity::AT_ONCE;
use super::reads::ask_plugin;
use super::{Action, Node};
use crate::address::ToolAddr;
use crate::tasks::Tasks;
use dtm_lang::wire::{has_unknown, mark_secret};
use dtm_lang::{Code, Diagnostic};
use dtm_plugin::protocol::{Class, ErrorData, Method, RpcError};
use serde_json::{Value as Json, json};
use std::collections::{BTreeSet, HashMap};

/// Hides addresses with a password in a refused value: the plan that is shown below the error must not repeat them.
fn hide_passwords(value: &mut Json) {
    match value {
        Json::String(text) => {
            let Some((scheme, rest)) = text.split_once("://") else { return };
            let user = rest.split('/').next().unwrap_or(rest).rsplit_once('@').map(|(user, _)| user);
            // What is before the host of SSH is a name, unless it has a password too.
            if user.is_some_and(|user| scheme != "ssh" || user.contains(':')) {
                *value = mark_secret(value.take());
            }
        }
        Json::Array(items) => items.iter_mut().for_each(hide_passwords),
        Json::Object(fields) => fields.values_mut().for_each(hide_passwords),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

impl Builder<'_> {
    /// What plugins say of the inputs of tools that are to be made or changed, offline.
    pub(super) async fn validate(&mut self) {
        let mut running = Tasks::new();
        let wanted: Vec<usize> = (0..self.plan.nodes.len())
            .filter(|i| {
                let node = &self.plan.nodes[*i];
                matches!(node.action, Action::Create | Action::Update | Action::Replace { .. })
                    && !node.settings.values().any(has_unknown)
                    && !self.refused.contains(&node.addr)
                    && self.plugins.usable(&node.plugin).is_ok()
            })
            .collect();
        let (mut problems, mut at_fault) = (vec![], vec![]);
        let mut waiting = wanted.into_iter();
        loop {
            while running.len() < AT_ONCE
                && let Some(i) = waiting.next()
            {
                let node = &self.plan.nodes[i];
                let (plugins, plugin, settings) =
                    (self.plugins.clone(), node.plugin.clone(), node.settings.clone());
                let kind = node.kind.as_ref().map(|k| k.name.to_string()).unwrap_or_default();
                let params = json!({ "kind": kind, "inputs": node.desired });
                running.spawn(i, async move {
                    ask_plugin(&*plugins, &plugin, &settings, Method::Validate, &kind, params).await
                });
            }
            let Some((i, answer)) = running.next().await else { break };
            let (message, data) = match answer {
                Ok(Some(Err(refused))) => (refused.message, refused.data),
                Ok(Some(Ok(_)) | None) => continue,
                Err(why) => (format!("its inputs could not be checked: {why}"), Box::default()),
            };
            let node = &self.plan.nodes[i];
            if data.class != Class::Retryable || !self.waits_for_another_plugin(node) {
                problems.push((i, self.refusal(node, &message, &data)));
                at_fault.extend(data.input.map(|input| (i, input)));
            }
        }
        problems.sort_by_key(|(i, _)| *i);
        // Nothing more is asked about what is refused.
        self.conflicts.extend(problems.iter().map(|(i, _)| self.plan.nodes[*i].addr.clone()));
        problems.into_iter().for_each(|(_, d)| self.problem(d));
        for (i, input) in at_fault {
            let node = &mut self.plan.nodes[i];
            let changes = node.changes.iter_mut().filter(|change| change.name == input);
            let values = changes.flat_map(|change| [&mut change.before, &mut change.after]);
            values.chain(node.desired.get_mut(&input)).for_each(hide_passwords);
        }
    }

    /// Reports an invalid input that is discovered only when a tool's files are listed, such as a broken template.
    pub(super) fn cannot_list_files(&mut self, node: &Node, refused: &RpcError) {
        if refused.data.input.is_some() && !self.waits_for_another_plugin(node) {
            self.cannot_be(node, refused);
        }
    }

    /// Reports that a plugin refuses what a tool wants.
    pub(super) fn cannot_be(&mut self, node: &Node, refused: &RpcError) {
        let d = self.refusal(node, &refused.message, &refused.data);
        self.refused.insert(node.addr.clone());
        self.problem(d);
    }

    fn refusal(&self, node: &Node, message: &str, data: &ErrorData) -> Diagnostic {
        let headline = format!("`{}`: {}", node.addr, self.plugins.redactor().mask(message));
        let d = Diagnostic::new(Code::E0613, headline).tool(node.addr.clone());
        let Some(id) = node.instance else { return d };
        let input = data.input.as_deref().and_then(|name| self.program.input_span(id, name));
        d.at(input.unwrap_or(self.program.instance(id).span), "refused by the plugin")
    }

    /// Whether a tool of another plugin that this one depends on is not applied yet: it may create what is missing, such as
    /// the folder of a template.
    pub(super) fn waits_for_another_plugin(&self, node: &Node) -> bool {
        self.waits_for(node, &|dependency| dependency.plugin != node.plugin)
    }

    /// Whether any tool that this one depends on is not applied yet.
    pub(super) fn waits(&self, node: &Node) -> bool {
        self.waits_for(node, &|_| true)
    }

    fn waits_for(&self, node: &Node, counts: &dyn Fn(&Node) -> bool) -> bool {
        let nodes: HashMap<&ToolAddr, &Node> = self.plan.nodes.iter().map(|n| (&n.addr, n)).collect();
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![node]);
        while let Some(next) = waiting.pop() {
            for dependency in next.deps.iter().filter_map(|addr| nodes.get(addr)) {
                if dependency.action != Action::NoOp && counts(dependency) {
                    return true;
                }
                if seen.insert(&dependency.addr) {
                    waiting.push(dependency);
                }
            }
        }
        false
    }
}
