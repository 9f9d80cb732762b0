//! From a checked program to its instances: tools are expanded, values evaluated, and all that must be known when planning
//! is checked to be known.

use super::instance::{Configured, instance};
use super::{Instance, Program};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::eval::{Evaluator, NoOutputs, ROOT};
use crate::hir::{Assert, Expr, ExprKind as H, Hir};
use crate::index::AssertId;
use crate::source::Span;
use crate::value::{Data, InstanceId, ScopeId, Unknown, Value};
use std::collections::BTreeMap;

impl Program {
    /// Makes the instances and the asserts; gives what is wrong with the values.
    pub(super) fn build(&mut self) -> Diagnostics {
        let hir = self.hir.clone();
        let ((instances, asserts), diags) = self.with_evaluator(&NoOutputs, true, |ev| {
            ev.refined_data();
            expand_tools(ev, &hir);
            lets_of_program(ev, &hir);
            let mut asserts: Vec<(AssertId, ScopeId)> =
                hir.asserts.ids().filter(|id| hir.asserts[*id].home.is_none()).map(|id| (id, ROOT)).collect();
            for scope in (1..ev.world.scopes.len() as u32).map(ScopeId) {
                asserts.extend(component(ev, &hir, scope));
            }
            let configured: Configured = hir
                .configures
                .iter()
                .map(|configure| {
                    let mut marks = BTreeMap::new();
                    ev.eval(&configure.settings).collect_marks(&mut marks);
                    marks
                })
                .collect();
            let count = ev.world.instances.len() as u32;
            let instances: Vec<Instance> =
                (0..count).map(|id| instance(ev, &hir, InstanceId(id), &configured)).collect();
            outputs_and_settings(ev, &hir);
            judge(&hir, &asserts, ev);
            (instances, asserts)
        });
        (self.instances, self.asserts) = (instances, asserts);
        diags
    }
}

/// Makes the instances of all tools, those inside of a component where it stands.
fn expand_tools(ev: &mut Evaluator<'_, '_>, hir: &Hir) {
    for id in hir.tools.ids().filter(|id| hir.tools[*id].home.is_none()) {
        let family = ev.family(id, hir.tools[id].span);
        for member in family.members.values().chain(&family.single) {
            ev.tools_in(&Value::plain(member.clone()), &mut vec![]);
        }
    }
}

/// Evaluates the `let`s that stand in no component, needed or not.
pub(super) fn lets_of_program(ev: &mut Evaluator<'_, '_>, hir: &Hir) {
    for id in hir.lets.ids().filter(|id| hir.lets[*id].home.is_none()) {
        ev.eval(&Expr::new(hir.lets[id].span, H::Let(id)));
    }
}

/// Evaluates what leaves the program, and the settings, which must be known.
fn outputs_and_settings(ev: &mut Evaluator<'_, '_>, hir: &Hir) {
    for output in &hir.outputs {
        let value = ev.eval(&output.expr);
        ev.leaves(&value, output.expr.span);
        ev.no_leak(&value, &output.ty, output.expr.span);
    }
    for (name, expr) in &hir.settings {
        let value = ev.eval(expr);
        if let Some(origin) = deferred(&value) {
            ev.deferred_structure(expr.span, origin, &format!("the setting `{name}`"));
        }
    }
}

/// Evaluates the `let`s of an instance of a component.
pub(super) fn lets(ev: &mut Evaluator<'_, '_>, hir: &Hir, scope: ScopeId) {
    let component = hir.tools[ev.world.scopes[scope.0 as usize].tool].component;
    for id in component.iter().flat_map(|id| &hir.components[*id].lets) {
        ev.within(scope, |ev| ev.eval(&Expr::new(hir.lets[*id].span, H::Let(*id))));
    }
}

/// Evaluates everything in an instance of a component, whether or not it is needed, and returns its asserts.
fn component(ev: &mut Evaluator<'_, '_>, hir: &Hir, scope: ScopeId) -> Vec<(AssertId, ScopeId)> {
    let tool = &hir.tools[ev.world.scopes[scope.0 as usize].tool];
    let Some(component) = tool.component.map(|id| &hir.components[id]) else { return vec![] };
    if let Some(using) = &tool.with().using
        && !hir.configures.iter().any(|c| c.name.as_ref() == Some(using))
    {
        let d = Diagnostic::new(Code::E0201, format!("unknown configuration `{using}`"));
        ev.diags.push(d.at(tool.span, "this component uses it"));
    }
    for (at, given) in tool.inputs.values().enumerate() {
        ev.in_value(scope, at, given.span);
    }
    lets(ev, hir, scope);
    for (name, out) in &component.outs {
        ev.component_port(scope, name, out.span);
    }
    component.asserts.iter().map(|id| (*id, scope)).collect()
}

/// The output that makes a value, or anything inside it, known only after apply.
pub(super) fn deferred(value: &Value) -> Option<Span> {
    if value.is_known() {
        return None;
    }
    match &value.data {
        Data::Unknown(Unknown::Deferred(origin)) => Some(*origin),
        Data::Map(m) => m.values().find_map(deferred),
        Data::List(l) => l.iter().find_map(deferred),
        Data::Null
        | Data::Bool(_)
        | Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_)
        | Data::Error => None,
    }
}

/// Reports the asserts that do not hold.
pub(super) fn judge(hir: &Hir, asserts: &[(AssertId, ScopeId)], ev: &mut Evaluator<'_, '_>) {
    for (id, scope) in asserts {
        ev.within(*scope, |ev| judge_one(&hir.asserts[*id], ev));
    }
}

fn judge_one(assert: &Assert, ev: &mut Evaluator<'_, '_>) {
    if let Data::Bool(false) = ev.eval(&assert.cond).data {
        let message =
            if let H::Error = &*assert.message.kind { Value::null() } else { ev.eval(&assert.message) };
        let headline = match message.as_str() {
            Some(_) if message.secret => "(secret)".to_string(),
            Some(text) if !text.is_empty() => text.to_string(),
            _ => "an assertion does not hold".to_string(),
        };
        let d = Diagnostic::new(Code::E0403, headline).at(assert.span, "this is false");
        ev.diags.push(match ev.scope {
            ROOT => d,
            scope => d.tool(ev.world.scopes[scope.0 as usize].addr.clone()),
        });
    }
}
