//! What follows from the actions together: create-first spreads, the steps are put in order.

use super::build::Builder;
use super::steps::{make_certain, schedule};
use super::{Action, Node};
use crate::address::ToolAddr;
use dtm_lang::{Code, Diagnostic};
use std::collections::HashMap;

/// Whether a replacement keeps the natural key, so that old and new cannot stand beside each other.
pub(super) fn keeps_key(node: &Node) -> bool {
    let Some(kind) = &node.kind else { return false };
    kind.key_inputs().next().is_some()
        && !node.changes.iter().any(|c| kind.key_inputs().any(|k| **k == *c.name))
}

impl Builder<'_> {
    /// What is created first while its dependency is deleted first would lose it: create-first spreads to every
    /// dependency that is replaced too. Whether that is impossible somewhere, which is a problem of the plan.
    fn create_first_spreads(&mut self) -> bool {
        let index: HashMap<ToolAddr, usize> =
            self.plan.nodes.iter().enumerate().map(|(i, n)| (n.addr.clone(), i)).collect();
        let first = |n: &Node| n.action == Action::Replace { create_first: true };
        let mut impossible = false;
        let mut stack: Vec<usize> =
            (0..self.plan.nodes.len()).filter(|i| first(&self.plan.nodes[*i])).collect();
        while let Some(at) = stack.pop() {
            let deps = self.plan.nodes[at].deps.clone();
            for dep in deps.iter().filter_map(|d| index.get(d).copied()) {
                if self.plan.nodes[dep].action != (Action::Replace { create_first: false }) {
                    continue;
                }
                let (this, other) = (&self.plan.nodes[at], &self.plan.nodes[dep]);
                if keeps_key(other) {
                    let headline = format!(
                        "`{}` is replaced create-first, but `{}`, on which it depends, cannot be",
                        this.addr, other.addr
                    );
                    let mut diagnostic = Diagnostic::new(Code::E0608, headline).tool(this.addr.clone());
                    if let Some(id) = this.instance {
                        diagnostic = diagnostic.at(self.program.instance(id).span, "replaced create-first");
                    }
                    if let Some(id) = other.instance {
                        diagnostic = diagnostic.also(
                            self.program.instance(id).span,
                            "replaced in the same plan, and keeps its key",
                        );
                    }
                    self.problem(
                        diagnostic
                            .help("remove `replace = \"create-first\"` from one, or change one at a time"),
                    );
                    impossible = true;
                    continue;
                }
                self.plan.nodes[dep].action = Action::Replace { create_first: true };
                stack.push(dep);
            }
        }
        impossible
    }

    /// The steps, their order and the waves.
    pub(super) fn finish(&mut self) {
        let impossible = self.create_first_spreads();
        make_certain(&mut self.plan.nodes);
        match schedule(&self.plan.nodes) {
            Ok(schedule) => {
                self.plan.waves = schedule.waves(self.plan.nodes.len());
                self.plan.schedule = schedule;
            }
            // What cannot be replaced create-first waits for what it makes wait: that was said.
            Err(_) if impossible => self.plan.waves = vec![0; self.plan.nodes.len()],
            Err(cycle) => {
                let names: Vec<String> =
                    cycle.iter().map(|n| format!("`{}`", self.plan.nodes[*n].addr)).collect();
                let d = Diagnostic::new(
                    Code::E0501,
                    format!("these changes wait for each other: {}", names.join(" → ")),
                );
                self.problem(
                    d.note("dependencies recorded in the state count as well as those of the program"),
                );
                self.plan.waves = vec![0; self.plan.nodes.len()];
            }
        }
        self.plan.diagnostics.sort();
    }
}
