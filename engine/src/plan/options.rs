//! What changes in a tool beside its inputs, and in the outputs of the program: a plan shows that too, because the end of a
//! protection or another address in an output matters as much as an input.

use super::diff::equal;
use super::{Action, Change, Node, OutputChange};
use crate::Fields;
use crate::address::ToolAddr;
use dtm_lang::Instance;
use dtm_lang::interface::Kind;
use dtm_lang::value::duration_text;
use dtm_lang::wire::{has_unknown, reveal};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// The name under which a plan shows dependencies that change.
pub const DEPENDENCIES: &str = "dependencies";

/// The options, the configuration and the dependencies of a tool that differ from what is recorded.
pub(super) fn options(node: &Node, instance: &Instance, using: Option<&str>) -> Vec<Change> {
    let recorded = matches!(node.action, Action::Update | Action::Read | Action::Replace { .. });
    let Some(prior) = node.prior.as_ref().filter(|_| recorded) else { return vec![] };
    let with = |protect: bool, timeout: Option<i64>| json!({ "protect": protect, "timeout": timeout.map(duration_text) });
    let names = |deps: &[ToolAddr]| json!(deps.iter().collect::<BTreeSet<_>>());
    let all = [
        (
            "with",
            with(prior.protect, prior.timeout),
            with(instance.options.protect, instance.options.timeout),
        ),
        ("using", json!(prior.using), json!(using)),
        (DEPENDENCIES, names(&prior.deps), names(&node.deps)),
    ];
    let differ = all.into_iter().filter(|(_, before, after)| before != after);
    differ.map(|(name, before, after)| change(name, before, after)).collect()
}

/// The outputs of an object that are not what is recorded. What the plugin did not give this time does not count, and what says
/// where the project is (`@local`) is another value in every checkout, and no change of the object.
pub(crate) fn outputs(kind: &Kind, stored: &Fields, observed: &Fields) -> Vec<Change> {
    let local = |name: &str| kind.outputs.get(name).is_some_and(|output| output.local);
    let recorded = |name: &str| stored.get(name).unwrap_or(&Json::Null);
    let all = observed.iter().filter(|(name, _)| !local(name));
    all.filter(|(name, value)| !equal(&reveal(value), &reveal(recorded(name))))
        .map(|(name, value)| Change { drift: true, ..change(name, recorded(name).clone(), value.clone()) })
        .collect()
}

fn change(name: &str, before: Json, after: Json) -> Change {
    Change { name: name.into(), before, after, replaces: false, drift: false }
}

/// The outputs of a program that differ from those in state; `whole` when every tool is planned. `acts` when anything is done,
/// so that an output that is not known yet may become another one.
pub(super) fn of_program(before: &Fields, after: &Fields, whole: bool, acts: bool) -> Vec<OutputChange> {
    let mut changes = vec![];
    for (name, value) in after {
        let recorded = before.get(name);
        let differs = match has_unknown(value) {
            // With the rest left out, it becomes known only if something is done.
            true => whole || acts,
            false => recorded != Some(value),
        };
        if differs {
            let (before, after) = (recorded.cloned(), Some(value.clone()));
            changes.push(OutputChange { name: name.clone(), before, after });
        }
    }
    for (name, value) in before.iter().filter(|(name, _)| whole && !after.contains_key(*name)) {
        changes.push(OutputChange { name: name.clone(), before: Some(value.clone()), after: None });
    }
    changes
}
