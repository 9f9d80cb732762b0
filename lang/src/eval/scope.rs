//! Components at evaluation: each instance is a scope, in which the `let`s and tools of the body mean its own. The
//! program itself is the outermost scope.
//!
//! ```text
//! tool svc[s in ["cart", "shop"]]: Service { ... }     scopes `svc["cart"]`, `svc["shop"]`
//!                                                      their tools: `svc["cart"]/repo`, ...
//! ```

use super::{Busy, Evaluator};
use crate::index::{Id, Slot, ToolId};
use crate::maps::HashMap;
use crate::source::{Span, Symbol};
use crate::value::{Data, InstanceId, Marks, ScopeId, Value};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

/// The program: what stands in no component.
pub(crate) const ROOT: ScopeId = ScopeId(0);

/// An instance of a component.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The tool that it is.
    pub(crate) tool: ToolId,
    /// The scope that this tool stands in.
    pub(crate) outer: ScopeId,
    /// Its address.
    pub(crate) addr: Symbol,
    /// Its address as a name, its parts joined by `-`.
    pub(crate) name: Symbol,
    /// The variables of its header.
    pub(crate) locals: Vec<(Slot, Value)>,
    /// Marks of its header, and of those around it.
    pub(crate) marks: Marks,
}

/// What is kept for each scope: for the program itself in a row, for components by number.
#[derive(Debug)]
pub(crate) struct PerScope<I, T> {
    root: Vec<Option<T>>,
    inner: HashMap<(ScopeId, I), T>,
}

impl<I, T> Default for PerScope<I, T> {
    fn default() -> Self {
        PerScope { root: vec![], inner: HashMap::default() }
    }
}

impl<I: Id + Eq + Hash, T> PerScope<I, T> {
    pub(crate) fn get(&self, scope: ScopeId, id: I) -> Option<&T> {
        match scope {
            ROOT => self.root.get(id.index())?.as_ref(),
            _ => self.inner.get(&(scope, id)),
        }
    }
    pub(crate) fn insert(&mut self, scope: ScopeId, id: I, value: T) {
        if scope != ROOT {
            self.inner.insert((scope, id), value);
            return;
        }
        if self.root.len() <= id.index() {
            self.root.resize_with(id.index() + 1, || None);
        }
        self.root[id.index()] = Some(value);
    }
}

impl Evaluator<'_, '_> {
    /// Evaluates in another scope.
    pub(crate) fn within<T>(&mut self, scope: ScopeId, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.scope, scope);
        let result = work(self);
        self.scope = before;
        result
    }

    /// Where the tool stands that a scope is: its scope, with the variables of its header.
    pub(crate) fn enter_header(&mut self, scope: ScopeId) {
        let Scope { outer, locals, .. } = self.world.scopes[scope.0 as usize].clone();
        self.scope = outer;
        self.current = None;
        for (slot, value) in locals {
            self.set(slot, value);
        }
    }

    /// An `out` of an instance of a component, or else an `in`.
    pub(crate) fn component_port(&mut self, scope: ScopeId, name: &Symbol, span: Span) -> Value {
        if let Some(value) = self.cx.mocks.outs.get(&(scope, name.clone())) {
            return value.clone();
        }
        let hir = self.cx.hir;
        let tool = &hir.tools[self.world.scopes[scope.0 as usize].tool];
        let component = tool.component.map(|id| &hir.components[id]);
        let Some((at, _, expr)) = component.and_then(|c| c.outs.get_full(name)) else {
            return match tool.kind.inputs.get_index_of(name) {
                Some(at) => self.in_value(scope, at, span),
                None => Value::error(),
            };
        };
        if let Some(value) = self.outs.get(&(scope, at)) {
            return value.clone();
        }
        let shown = format!("{}.{name}", self.world.scopes[scope.0 as usize].addr);
        let value = self.guarded(Busy::Out(scope, at), span, &shown, |ev| {
            (ev.scope, ev.current) = (scope, None);
            let value = ev.eval(expr);
            match ev.no_leak(&value, &tool.kind.outputs[name].ty, expr.span) {
                true => Value::error(),
                false => value,
            }
        });
        self.outs.insert((scope, at), value.clone());
        value
    }

    /// An `in` of a scope, given where the component is used.
    pub(crate) fn in_value(&mut self, scope: ScopeId, at: usize, span: Span) -> Value {
        if let Some(value) = self.ins.get(&(scope, at)) {
            return value.clone();
        }
        let hir = self.cx.hir;
        let Scope { tool, addr, .. } = &self.world.scopes[scope.0 as usize];
        let Some((name, expr)) = hir.tools[*tool].inputs.get_index(at) else { return Value::error() };
        let shown = format!("{addr}.{name}");
        let ty = &hir.tools[*tool].kind.inputs[name].field.ty;
        let value = self.guarded(Busy::In(scope, at), span, &shown, |ev| {
            ev.enter_header(scope);
            let value = ev.eval(expr);
            if ev.no_leak(&value, ty, expr.span) { Value::error() } else { value }
        });
        self.ins.insert((scope, at), value.clone());
        value
    }

    /// Every instance inside a value, those inside of components too.
    pub(crate) fn tools_in(&mut self, value: &Value, found: &mut Vec<InstanceId>) {
        if !value.sum().tools {
            return;
        }
        crate::budget::work(1);
        match &value.data {
            Data::Tool(id) => found.push(*id),
            Data::Component(scope) => self.tools_of(*scope, found),
            Data::List(items) => items.iter().for_each(|v| self.tools_in(v, found)),
            Data::Map(items) => items.values().for_each(|v| self.tools_in(v, found)),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::Unknown(_)
            | Data::Error => {}
        }
    }

    /// Every instance of a scope, made if it is not there yet, those of the components inside too.
    pub(crate) fn tools_of(&mut self, scope: ScopeId, found: &mut Vec<InstanceId>) {
        if self.exhausted(self.cx.hir.tools[self.world.scopes[scope.0 as usize].tool].span) {
            return;
        }
        let hir = self.cx.hir;
        let component = hir.tools[self.world.scopes[scope.0 as usize].tool].component;
        for id in component.iter().flat_map(|id| &hir.components[*id].tools) {
            let family = self.within(scope, |ev| ev.family(*id, hir.tools[*id].span));
            for member in family.members.values().chain(&family.single) {
                self.tools_in(&Value::plain(member.clone()), found);
            }
        }
    }

    /// All that a value may lead to: its marks, and the tools inside it.
    pub(crate) fn whole_marks(&mut self, value: &Value, span: Span) -> Marks {
        let mut all = BTreeMap::new();
        value.collect_marks(&mut all);
        let mut tools = vec![];
        self.tools_in(value, &mut tools);
        tools.into_iter().for_each(|id| _ = all.entry(id).or_insert(span));
        (!all.is_empty()).then(|| Arc::new(all))
    }
}
