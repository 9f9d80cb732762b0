//! The builtins that take `x => ...`. What the function gives decides, so where that is not known, nothing is.

use super::Evaluator;
use crate::builtin::Higher;
use crate::hir::Expr;
use crate::index::Slot;
use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::value::{Data, Value, order, union};
use std::cmp::Ordering;

impl Evaluator<'_, '_> {
    pub(super) fn higher(
        &mut self,
        what: Higher,
        items: &Expr,
        slot: Slot,
        body: &Expr,
        span: Span,
    ) -> Value {
        let list = self.eval(items);
        let elements = match &list.data {
            Data::List(elements) => elements.clone(),
            Data::Unknown(u) => {
                let marks = self.whole_marks(&list, span);
                return Value { marks, secret: list.has_secret(), ..Value::plain(Data::Unknown(*u)) };
            }
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => return Value::error(),
        };
        let (mut keys, mut marks, mut unknown) = (vec![], list.marks.clone(), None);
        for element in elements.iter() {
            if self.is_over() {
                return Value::error();
            }
            self.set(slot, element.clone().marked(&list.marks));
            let key = self.eval(body);
            marks = union(&marks, &key.marks);
            match key.data {
                Data::Error => return key,
                Data::Unknown(u) => unknown = unknown.or(Some(u)),
                Data::Null
                | Data::Bool(_)
                | Data::Int(_)
                | Data::Float(_)
                | Data::String(_)
                | Data::Duration(_)
                | Data::Size(_)
                | Data::List(_)
                | Data::Map(_)
                | Data::Tool(_)
                | Data::Component(_) => {}
            }
            keys.push(key);
        }
        if let Some(u) = unknown {
            let parts = elements.iter().cloned().chain(keys).collect();
            return self.deferred_whole(u, marks, parts, span);
        }
        let pairs = keys.into_iter().zip(elements.iter().cloned());
        let value = match what {
            Higher::SortBy => {
                let mut pairs: Vec<(Value, Value)> = pairs.collect();
                pairs.sort_by(|a, b| order(&a.0, &b.0).unwrap_or(Ordering::Equal));
                Value::list(pairs.into_iter().map(|(_, element)| element).collect())
            }
            Higher::GroupBy => {
                let mut groups: IndexMap<Symbol, Vec<Value>> = IndexMap::default();
                for (key, element) in pairs {
                    let Some(key) = key.as_str() else { return Value::error() };
                    groups.entry(key.clone()).or_default().push(element);
                }
                Value::map(groups.into_iter().map(|(k, v)| (k, Value::list(v))).collect())
            }
            Higher::Find => {
                let mut pairs = pairs;
                let found = pairs.find(|(key, _)| matches!(key.data, Data::Bool(true)));
                found.map_or_else(Value::null, |(_, element)| element)
            }
        };
        value.marked(&marks)
    }
}
