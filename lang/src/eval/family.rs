//! Tools to instances: families by key, conditional tools. Made once, when first asked for.

use super::{Busy, Evaluator, Family, Instance, ROOT, Scope, elements, show};
use crate::budget;
use crate::diag::{Code, Diagnostic};
use crate::index::{Slot, ToolId};
use crate::maps::HashMap;
use crate::source::{Span, Symbol};
use crate::value::{Data, InstanceId, Marks, ScopeId, Unknown, Value, union};
use std::sync::Arc;

impl Evaluator<'_, '_> {
    /// The instances of a tool, made when first asked for.
    pub(crate) fn family(&mut self, id: ToolId, span: Span) -> Arc<Family> {
        let hir = self.cx.hir;
        let scope = if hir.tools[id].home.is_some() { self.scope } else { ROOT };
        if self.is_over() {
            return Arc::default();
        }
        if let Some(family) = self.world.families.get(scope, id) {
            return family.clone();
        }
        let mut family = Family::default();
        let name = hir.tools[id].name.clone();
        self.guarded(Busy::Tool(scope, id), span, &name, |ev| {
            (ev.current, ev.scope) = (None, scope);
            family = ev.expand(id);
            Value::null()
        });
        let family = Arc::new(family);
        self.world.families.insert(scope, id, family.clone());
        family
    }

    fn expand(&mut self, id: ToolId) -> Family {
        let hir = self.cx.hir;
        let tool = &hir.tools[id];
        let mut family = Family::default();
        let Some(each) = &tool.each else {
            if let Some(marks) = self.exists(id, &mut family) {
                family.single = Some(self.add(id, None, vec![], marks));
            }
            return family;
        };
        let iter = self.eval(&each.iter);
        if let Data::Unknown(u) = iter.data {
            match u {
                Unknown::Deferred(origin) => {
                    _ = self.deferred_structure(each.iter.span, origin, "which tools there are")
                }
                Unknown::Unset => family.open = true,
            }
            return family;
        }
        let mut first: HashMap<Symbol, String> = HashMap::default();
        for (position, item) in elements(&iter).unwrap_or_default() {
            if self.is_over() {
                break;
            }
            let item = item.marked(&iter.marks).inside(&iter);
            let locals: Vec<(Slot, Value)> = match each.vars.as_slice() {
                [one] => vec![(*one, item.clone())],
                [a, b] => vec![(*a, position.clone()), (*b, item.clone())],
                _ => vec![],
            };
            for (slot, value) in &locals {
                self.set(*slot, value.clone());
            }
            let key = match &each.by {
                Some(by) => self.eval(by),
                None if matches!((&iter.data, &item.data), (Data::List(_), Data::String(_))) => item.clone(),
                None => position,
            };
            let span = each.by.as_ref().map_or(each.iter.span, |b| b.span);
            let name = match &key.data {
                Data::String(name) => name.clone(),
                Data::Unknown(Unknown::Deferred(origin)) => {
                    self.deferred_structure(span, *origin, "the key of a tool");
                    continue;
                }
                Data::Unknown(Unknown::Unset) => {
                    family.open = true;
                    continue;
                }
                Data::Null
                | Data::Bool(_)
                | Data::Int(_)
                | Data::Float(_)
                | Data::Duration(_)
                | Data::Size(_)
                | Data::List(_)
                | Data::Map(_)
                | Data::Tool(_)
                | Data::Component(_)
                | Data::Error => continue,
            };
            let shown = show(&item);
            if let Some(other) = first.get(&name) {
                let d = Diagnostic::new(
                    Code::E0405,
                    format!("two of these tools have the key {}", crate::text::quoted(&name)),
                );
                let d = d
                    .at(span, "produces it twice")
                    .note(format!("first: {other}"))
                    .note(format!("second: {shown}"));
                self.diags.push(d);
                continue;
            }
            first.insert(name.clone(), shown);
            if let Some(marks) = self.exists(id, &mut family) {
                let header = union(&union(&iter.marks, &key.marks), &marks);
                let member = self.add(id, Some(name.clone()), locals, header);
                family.members.insert(name, member);
            }
        }
        family
    }

    /// Judges a tool's `if`; gives its marks when the tool is there.
    fn exists(&mut self, id: ToolId, family: &mut Family) -> Option<Marks> {
        let hir = self.cx.hir;
        let Some(cond) = &hir.tools[id].cond else { return Some(None) };
        let value = self.eval(cond);
        match value.data {
            Data::Bool(true) => Some(value.marks),
            Data::Bool(false) => None,
            Data::Unknown(Unknown::Deferred(origin)) => {
                self.deferred_structure(cond.span, origin, "whether a tool exists");
                None
            }
            Data::Unknown(Unknown::Unset) => {
                family.open = true;
                Some(None)
            }
            Data::Null
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => None,
        }
    }

    fn add(&mut self, tool: ToolId, key: Option<Symbol>, locals: Vec<(Slot, Value)>, marks: Marks) -> Data {
        let hir = self.cx.hir;
        let name = &hir.tools[tool].name;
        if self.world.instances.len() + self.world.scopes.len() > budget::INSTANCES {
            let headline = format!("this program has more than {} tools and components", budget::INSTANCES);
            self.overrun(Diagnostic::new(Code::E0417, headline).at(hir.tools[tool].span, "one of these"));
            return Data::Error;
        }
        budget::work(20);
        let scope = self.scope;
        let outer = &self.world.scopes[scope.0 as usize];
        let within = if scope == ROOT { String::new() } else { format!("{}/", outer.addr) };
        let addr: Symbol = match &key {
            Some(key) => format!("{within}{name}[{}]", crate::text::quote(key)).into(),
            None if within.is_empty() => name.clone(),
            None => format!("{within}{name}").into(),
        };
        let marks = union(&marks, &outer.marks);
        if hir.tools[tool].component.is_some() {
            let name = self.joined(scope, tool, key.as_ref()).into();
            self.world.scopes.push(Scope { tool, outer: scope, addr, name, locals, marks });
            return Data::Component(ScopeId(self.world.scopes.len() as u32 - 1));
        }
        self.world.instances.push(Instance { tool, scope, addr, key, locals, marks });
        Data::Tool(InstanceId(self.world.instances.len() as u32 - 1))
    }

    /// The address of an instance as a name: its parts joined by `-`.
    pub(super) fn joined(&self, scope: ScopeId, tool: ToolId, key: Option<&Symbol>) -> String {
        let outer = (scope != ROOT).then(|| &*self.world.scopes[scope.0 as usize].name);
        let parts = [outer, Some(&*self.cx.hir.tools[tool].name), key.map(|k| &**k)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("-")
    }
}
