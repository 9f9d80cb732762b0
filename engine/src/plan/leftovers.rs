//! Objects that were replaced and still exist: which of them a plan deletes, and what changed on them outside of dtm. They take
//! part in everything that protects an object: they are read, shown, counted, and looked at again right before they are deleted.

use super::diff::drifted;
use super::reads::{Seen, ToRead, read_all};
use super::{Action, Node, Reason};
use crate::Fields;
use crate::address::ToolAddr;
use crate::plugin::PluginCalls;
use crate::state::{Entry, Retired};
use dtm_lang::shell::word;
use dtm_lang::value::quote;
use dtm_lang::wire::has_unknown;
use dtm_lang::{Code, Diagnostic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A replaced object that a plan deletes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Its id.
    pub id: String,
    /// Whether it does not exist any more, so that only its record goes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// The inputs that changed outside of dtm, as they are there; none where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Fields>,
}

impl Leftover {
    /// Whether it was changed outside of dtm.
    pub fn is_changed(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| !seen.is_empty())
    }
}

impl Retired {
    /// The replaced object as one of the tool.
    pub(crate) fn as_entry(&self, of: &Entry) -> Entry {
        Entry {
            id: Some(self.id.clone()),
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            private: self.private.clone(),
            deps: self.deps.clone(),
            retired: vec![],
            ..of.clone()
        }
    }
}

/// What tools that are left out use, as they are recorded: a replaced object among it stays.
pub(super) fn used_by_left_out(nodes: &[Node]) -> BTreeSet<&ToolAddr> {
    let left_out = nodes.iter().filter(|n| n.reason == Reason::LeftOut);
    left_out.flat_map(|n| n.prior.iter().flat_map(|prior| prior.uses())).collect()
}

/// Finds out what becomes of the replaced objects of each tool; with `read`, by looking at them.
pub(super) async fn find(nodes: &mut [Node], plugins: &Arc<dyn PluginCalls>, read: bool) -> Vec<Diagnostic> {
    let used = used_by_left_out(nodes);
    let deletes = |n: &Node| {
        !matches!(n.action, Action::Forget) && n.reason != Reason::LeftOut && !used.contains(&n.addr)
    };
    let with: Vec<usize> = (0..nodes.len())
        .filter(|i| nodes[*i].prior.as_ref().is_some_and(|p| !p.retired.is_empty()) && deletes(&nodes[*i]))
        .collect();
    let name = |i: usize, n: usize| ToolAddr::from(&*format!("{i} {n}"));
    let mut wanted = vec![];
    for i in &with {
        let node = &nodes[*i];
        let Some(prior) = node.prior.as_ref() else { continue };
        let readable = plugins.usable(&node.plugin).is_ok() && !node.settings.values().any(has_unknown);
        let these = prior.retired.iter().enumerate().filter(|_| read && readable);
        wanted.extend(these.map(|(n, old)| ToRead {
            addr: name(*i, n),
            plugin: node.plugin.clone(),
            settings: node.settings.clone(),
            entry: old.as_entry(prior).into(),
        }));
    }
    let mut seen = read_all(plugins, wanted).await;
    let mut problems = vec![];
    for i in with {
        let node = &nodes[i];
        let (Some(prior), Some(kind)) = (node.prior.clone(), node.kind.clone()) else { continue };
        let mut found = vec![];
        for (n, old) in prior.retired.iter().enumerate() {
            let mut left = Leftover { id: old.id.clone(), absent: false, seen: None };
            match seen.remove(&*name(i, n)) {
                Some(Seen::Absent) => left.absent = true,
                Some(Seen::Object(object)) => {
                    left.seen = Some(drifted(&kind, &old.inputs, &object.inputs, &[]))
                }
                Some(Seen::Failed(why)) => {
                    let why = plugins.redactor().mask(&why);
                    let headline = format!(
                        "the replaced object {} of `{}` could not be read: {why}",
                        quote(&old.id),
                        node.addr
                    );
                    let d = Diagnostic::new(Code::E0607, headline).tool(node.addr.clone());
                    problems.push(d.help(format!(
                        "to delete it without looking at it, add `--no-read`; to leave all objects of the tool: `dtm state rm {}`",
                        word(&node.addr)
                    )));
                }
                None => {}
            }
            found.push(left);
        }
        nodes[i].leftovers = found;
    }
    problems
}
