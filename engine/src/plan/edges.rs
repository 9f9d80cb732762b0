//! The edges of execution, and what follows from them: order, waves, cycles, create-first.

use super::build::Builder;
use super::{Action, Node};
use crate::graph::Graph;
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
    /// dependency that is replaced too.
    fn create_first_spreads(&mut self) {
        let index: HashMap<String, usize> =
            self.plan.nodes.iter().enumerate().map(|(i, n)| (n.addr.clone(), i)).collect();
        let first = |n: &Node| n.action == Action::Replace { create_first: true };
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
                        "`{}` is replaced create-first, which `{}` cannot be, on which it depends",
                        this.addr, other.addr
                    );
                    let mut d = Diagnostic::new(Code::E0608, headline).tool(this.addr.clone());
                    if let Some(id) = this.instance {
                        d = d.at(self.program.instance(id).span, "replaced create-first");
                    }
                    if let Some(id) = other.instance {
                        d = d.also(
                            self.program.instance(id).span,
                            "replaced in the same plan, and keeps its key",
                        );
                    }
                    self.problem(
                        d.help("take `replace = \"create-first\"` off one, or change one at a time"),
                    );
                    continue;
                }
                self.plan.nodes[dep].action = Action::Replace { create_first: true };
                stack.push(dep);
            }
        }
    }

    /// The edges of execution, the order and the waves.
    pub(super) fn finish(&mut self) {
        self.create_first_spreads();
        let nodes = &self.plan.nodes;
        let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (&*n.addr, i)).collect();
        let mut graph = Graph::new(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            if node.instance.is_some() {
                for dep in node.deps.iter().filter_map(|d| index.get(&**d)) {
                    graph.add_new(*dep, i);
                }
            }
            let stored = node.prior.iter().flat_map(|p| p.deps.iter());
            for dep in stored.filter_map(|d| index.get(&**d).copied()) {
                let target = &nodes[dep].action;
                let deletes = node.action == Action::Delete;
                let goes = matches!(target, Action::Delete);
                let replaced =
                    matches!(target, Action::Replace { create_first: false }) && !nodes[dep].conditional;
                // Deletes come in reverse of the stored dependencies; updates let go of what is removed.
                if deletes && (goes || replaced) || goes && node.instance.is_some() {
                    graph.add(i, dep);
                }
            }
        }
        match graph.order() {
            Ok(order) => {
                self.plan.waves = graph.waves(&order);
                self.plan.order = order;
            }
            Err(cycle) => {
                let names: Vec<String> = cycle.iter().map(|n| format!("`{}`", nodes[*n].addr)).collect();
                let d = Diagnostic::new(
                    Code::E0501,
                    format!("these changes wait for each other: {}", names.join(" → ")),
                );
                self.problem(d.note("dependencies that are in state count as well as those of the program"));
                self.plan.waves = vec![0; self.plan.nodes.len()];
                self.plan.order = (0..self.plan.nodes.len()).collect();
            }
        }
        self.plan.graph = graph;
        self.plan.diagnostics.sort();
    }
}
