//! What names stand for: `let`s, params and defaults, tools and what is read of them.

use super::{Busy, Evaluator, Instance, ROOT};
use crate::diag::Code;
use crate::hir::Expr;
use crate::index::{DefaultId, LetId, ParamId, ToolId};
use crate::source::{Span, Symbol};
use crate::types::Type;
use crate::value::{Data, InstanceId, Marks, Unknown, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Evaluator<'_, '_> {
    /// The value of a `let`, evaluated once for each scope.
    pub(super) fn let_value(&mut self, id: LetId, span: Span) -> Value {
        let hir = self.cx.hir;
        let def = &hir.lets[id];
        let scope = if def.home.is_some() { self.scope } else { ROOT };
        if let Some(value) = self.world.lets.get(scope, id).or_else(|| self.lets.get(scope, id)) {
            return value.clone();
        }
        let value = self.guarded(Busy::Let(scope, id), span, &def.name, |ev| {
            (ev.current, ev.scope) = (None, scope);
            let value = ev.eval(&def.expr);
            if ev.no_leak(&value, &def.ty, def.expr.span) { Value::error() } else { value }
        });
        if self.building && value.is_known() {
            self.world.lets.insert(scope, id, value.clone());
        } else {
            self.lets.insert(scope, id, value.clone());
        }
        value
    }

    /// The value of a param, from outside or by its default.
    pub(crate) fn param(&mut self, id: ParamId, span: Span) -> Value {
        if let Some(value) = self.cx.params.get(id)
            && !matches!(value.data, Data::Unknown(_))
        {
            return value.clone();
        }
        if let Some(value) = self.params.get(&id) {
            return value.clone();
        }
        let hir = self.cx.hir;
        let def = &hir.params[id];
        let value = match &def.default {
            Some(default) if self.cx.use_defaults => {
                self.guarded(Busy::Param(id), span, &def.name, |ev| ev.within(ROOT, |ev| ev.eval(default)))
            }
            _ => Value { secret: def.ty.has_secret(), ..Value::plain(Data::Unknown(Unknown::Unset)) },
        };
        self.params.insert(id, value.clone());
        value
    }

    /// The default of a field or input, which sees no variables of the place that needs it.
    pub(super) fn default_value(&mut self, id: DefaultId) -> Value {
        let hir = self.cx.hir;
        let locals = std::mem::take(&mut self.locals);
        let value = self.within(ROOT, |ev| ev.eval(&hir.defaults[id]));
        self.locals = locals;
        value
    }

    /// The value of a tool's name.
    pub(super) fn tool_value(&mut self, id: ToolId, span: Span) -> Value {
        let family = self.family(id, span);
        let hir = self.cx.hir;
        if hir.tools[id].each.is_none() {
            return match &family.single {
                Some(member) => Value::plain(member.clone()),
                None => Value::null(),
            };
        }
        if family.open {
            return Value::plain(Data::Unknown(Unknown::Unset));
        }
        let members = family.members.iter().map(|(k, member)| (k.clone(), Value::plain(member.clone())));
        Value::map(members.collect())
    }

    /// An output or input of the tool or component that an expression refers to.
    pub(super) fn port(&mut self, base: &Expr, name: &Symbol, output: bool, span: Span) -> Value {
        let base = self.eval(base);
        match base.data {
            Data::Tool(id) => self.tool_port(id, name, output, span).marked(&base.marks),
            Data::Component(id) => self.component_port(id, name, span).marked(&base.marks),
            Data::Null | Data::Unknown(_) => base,
            Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Error => Value::error(),
        }
    }

    /// An output of an instance, or else an input.
    fn tool_port(&mut self, id: InstanceId, name: &Symbol, output: bool, span: Span) -> Value {
        let mark = match self.read_at.get(&id) {
            Some((at, mark)) if *at == span => mark.clone(),
            _ => {
                let mark: Marks = Some(Arc::new(BTreeMap::from([(id, span)])));
                self.read_at.insert(id, (span, mark.clone()));
                mark
            }
        };
        let hir = self.cx.hir;
        let kind = &hir.tools[self.world.instances[id.0 as usize].tool].kind;
        if !output {
            return self.input(id, name, span).marked(&mark).of_project();
        }
        let ty = &kind.outputs[name].ty;
        let secret = ty.has_secret() || matches!(ty, Type::Any) && self.any_secret(id);
        match self.cx.outputs.output(id, name) {
            Some(value) => {
                let value = if secret { value.into_secret() } else { value };
                // An output is read as a whole.
                value.marked(&mark).of_project()
            }
            None => Value { marks: mark, secret, ..Value::plain(Data::Unknown(Unknown::Deferred(span))) },
        }
    }

    /// Whether a secret went into an `any` input, so that it may come out of any `any` output.
    fn any_secret(&mut self, id: InstanceId) -> bool {
        if let Some(known) = self.world.any_secret.get(&id) {
            return *known;
        }
        let hir = self.cx.hir;
        let tool = &hir.tools[self.world.instances[id.0 as usize].tool];
        let names: Vec<Symbol> = tool
            .kind
            .inputs
            .iter()
            .filter(|(n, i)| matches!(i.field.ty, Type::Any) && tool.inputs.contains_key(*n))
            .map(|(n, _)| n.clone())
            .collect();
        // An input that is being computed reads itself through this output: the cycle is found by the graph.
        let under_way = |ev: &Self, n: &Symbol| {
            let at = tool.inputs.get_index_of(n);
            at.is_some_and(|at| ev.busy.iter().any(|(b, _)| *b == Busy::Input(id, at)))
        };
        if names.iter().any(|n| under_way(self, n)) {
            return false;
        }
        let found = names.iter().any(|n| self.input(id, n, tool.span).has_secret());
        self.world.any_secret.insert(id, found);
        found
    }

    /// One input of an instance.
    pub(crate) fn input(&mut self, id: InstanceId, name: &Symbol, span: Span) -> Value {
        let hir = self.cx.hir;
        let tool = self.world.instances[id.0 as usize].tool;
        let Some((at, _, expr)) = hir.tools[tool].inputs.get_full(name) else {
            if hir.tools[tool].existing {
                let addr = &self.world.instances[id.0 as usize].addr;
                let headline = format!("`{addr}` is managed elsewhere: its input `{name}` is not known");
                return self.fail(Code::E0303, span, headline, "not part of its key");
            }
            return Value::error();
        };
        if let Some(value) = self.inputs.get(&(id, at)) {
            return value.clone();
        }
        let shown = self.world.instances[id.0 as usize].addr.clone();
        let value = self.guarded(Busy::Input(id, at), span, &format!("{shown}.{name}"), |ev| {
            ev.enter(id);
            let value = ev.eval(expr);
            match hir.tools[tool].kind.inputs.get(name).and_then(|input| input.source) {
                Some(source) => ev.sourced(value, source),
                None => value,
            }
        });
        self.inputs.insert((id, at), value.clone());
        value
    }

    /// Brings the variables of an instance into scope.
    pub(crate) fn enter(&mut self, id: InstanceId) {
        self.current = Some(id);
        let Instance { locals, scope, .. } = self.world.instances[id.0 as usize].clone();
        self.scope = scope;
        for (slot, value) in locals {
            self.set(slot, value);
        }
    }
}
