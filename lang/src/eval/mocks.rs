//! What a test puts in place of what is outside, and what it can ask of the plan.

use super::{Evaluator, Outputs};
use crate::hir::Expr;
use crate::index::DataId;
use crate::maps::HashMap;
use crate::source::Symbol;
use crate::value::{Data, InstanceId, ScopeId, Value};
use std::collections::BTreeSet;

/// What stands in place of the outside; nothing, but in a test.
#[derive(Debug)]
pub(crate) struct Mocks {
    /// Imported data.
    pub(crate) data: HashMap<DataId, Value>,
    /// `out`s of components.
    pub(crate) outs: HashMap<(ScopeId, Symbol), Value>,
    /// Outputs of tools.
    pub(crate) outputs: HashMap<(InstanceId, Symbol), Value>,
    /// Whether the branches that are taken are kept.
    pub(crate) covering: bool,
    /// The plan, by address.
    pub(crate) plan: Value,
    /// What each instance waits for directly.
    pub(crate) edges: Vec<Vec<InstanceId>>,
}

impl Default for Mocks {
    fn default() -> Self {
        let plan = Value::map(Default::default());
        Mocks {
            data: HashMap::default(),
            outs: HashMap::default(),
            outputs: HashMap::default(),
            covering: false,
            plan,
            edges: vec![],
        }
    }
}

impl Outputs for Mocks {
    fn output(&self, instance: InstanceId, name: &str) -> Option<Value> {
        self.outputs.get(&(instance, name.into())).cloned()
    }
}

impl Evaluator<'_, '_> {
    /// Keeps that a branch was taken.
    pub(super) fn took(&mut self, branch: &Expr) {
        if self.cx.mocks.covering {
            self.world.taken.insert(branch.span);
        }
    }

    /// Evaluates what may not be right: without a word.
    pub(crate) fn eval_quietly(&mut self, expr: &Expr) -> Value {
        let before = std::mem::replace(&mut self.quiet, true);
        let value = self.eval(expr);
        self.quiet = before;
        value
    }

    /// Whether any tool of `b` comes after any of `a`, directly or not.
    pub(super) fn order(&mut self, first: &Expr, second: &Expr) -> Value {
        let (first, second) = (self.eval(first), self.eval(second));
        let (mut before, mut after) = (vec![], vec![]);
        self.tools_in(&first, &mut before);
        self.tools_in(&second, &mut after);
        let mut seen: BTreeSet<InstanceId> = BTreeSet::new();
        while let Some(id) = after.pop() {
            for next in self.cx.mocks.edges.get(id.0 as usize).into_iter().flatten() {
                if seen.insert(*next) {
                    after.push(*next);
                }
            }
        }
        Value::plain(Data::Bool(before.iter().any(|id| seen.contains(id))))
    }
}
