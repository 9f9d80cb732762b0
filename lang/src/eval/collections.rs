//! Records, maps, lists and comprehensions: keys are known, elements may not be.

use super::{Evaluator, elements};
use crate::budget::{self, Refused};
use crate::diag::Code;
use crate::hir::{Clause, Expr, MapEntry};
use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::value::{Data, Marks, Unknown, Value, union};

impl Evaluator<'_, '_> {
    /// A record literal.
    pub(super) fn record(&mut self, fields: &[(Symbol, Expr)]) -> Value {
        let mut out = IndexMap::with_capacity_and_hasher(fields.len(), Default::default());
        for (name, value) in fields {
            let value = self.eval(value);
            out.insert(name.clone(), value);
        }
        Value::map(out)
    }

    /// A list literal; what is spread may be a list, or a map, of which the values are taken.
    pub(super) fn list(&mut self, items: &[(Expr, bool)], span: Span) -> Value {
        let mut out = Vec::with_capacity(items.len());
        let (mut marks, mut unknown) = (None, None);
        for (item, spread) in items {
            let value = self.eval(item);
            match (&value.data, spread) {
                (_, false) => out.push(value),
                (Data::Unknown(u), true) => {
                    unknown = unknown.or(Some(*u));
                    out.push(value);
                }
                (Data::List(inner), true) if out.len() + inner.len() > budget::LARGEST as usize => {
                    self.too_large(Refused::Large, span);
                    return Value::error();
                }
                (Data::List(inner), true) => {
                    marks = union(&marks, &value.marks);
                    out.extend(inner.iter().map(|v| v.clone().marked(&value.marks).inside(&value)));
                }
                (Data::Map(inner), true) => {
                    out.extend(inner.values().map(|v| v.clone().marked(&value.marks)));
                }
                _ => return value,
            }
        }
        match unknown {
            Some(unknown) => self.deferred_whole(unknown, marks, out, span),
            None => Value::list(out).marked(&marks),
        }
    }

    /// `[body for x in xs if c]`
    pub(super) fn list_comprehension(&mut self, body: &Expr, clause: &Clause, span: Span) -> Value {
        let mut out = vec![];
        let done = self.each(clause, &mut |ev| {
            let value = ev.eval(body);
            out.push(value);
            None
        });
        match done {
            Each::Stop(value) => value,
            Each::Whole(marks) => Value::list(out).marked(&marks),
            Each::Deferred(unknown, marks) => self.deferred_whole(unknown, marks, out, span),
        }
    }

    /// `{ [key] = value for x in xs if c }`
    pub(super) fn map_comprehension(
        &mut self,
        key: &Expr,
        value: &Expr,
        clause: &Clause,
        span: Span,
    ) -> Value {
        let mut out: IndexMap<Symbol, Value> = IndexMap::default();
        let mut all = vec![];
        let done = self.each(clause, &mut |ev| {
            let name = ev.eval(key);
            let value = ev.eval(value);
            all.push(value.clone());
            ev.insert(&mut out, name, value, key.span)
        });
        match done {
            Each::Stop(value) => value,
            Each::Whole(marks) => Value::map(out).marked(&marks),
            Each::Deferred(unknown, marks) => self.deferred_whole(unknown, marks, all, span),
        }
    }

    /// A map literal.
    pub(super) fn map(&mut self, entries: &[MapEntry], span: Span) -> Value {
        let mut out = IndexMap::default();
        let (mut marks, mut unknown) = (None, None);
        let mut written: crate::maps::HashSet<Symbol> = Default::default();
        for entry in entries {
            if out.len() as u64 > budget::LARGEST {
                self.too_large(Refused::Large, span);
                return Value::error();
            }
            match entry {
                MapEntry::Entry(key, value) => {
                    let k = self.eval(key);
                    let v = self.eval(value);
                    // Later fields win over spreads, in their place, but not over what is written out.
                    if let Some(name) = k.as_str()
                        && written.insert(name.clone())
                    {
                        out.insert(name.clone(), v);
                        continue;
                    }
                    if let Some(stop) = self.insert(&mut out, k, v, key.span) {
                        return stop;
                    }
                }
                MapEntry::Spread(base) => {
                    let base = self.eval(base);
                    match &base.data {
                        Data::Map(m) => {
                            budget::work(m.len() as u64);
                            for (k, v) in m.iter() {
                                out.insert(k.clone(), v.clone().marked(&base.marks).inside(&base));
                            }
                        }
                        Data::Null => {}
                        Data::Unknown(u) => {
                            unknown = unknown.or(Some(*u));
                            marks = union(&marks, &base.marks);
                        }
                        Data::Bool(_)
                        | Data::Int(_)
                        | Data::Float(_)
                        | Data::String(_)
                        | Data::Duration(_)
                        | Data::Size(_)
                        | Data::List(_)
                        | Data::Tool(_)
                        | Data::Component(_)
                        | Data::Error => return base,
                    }
                }
            }
        }
        match unknown {
            Some(u) => self.deferred_whole(u, marks, out.into_values().collect(), span),
            None => Value::map(out),
        }
    }

    /// Adds an entry; gives the value to stop with when the key is unknown, wrong or taken.
    pub(super) fn insert(
        &mut self,
        out: &mut IndexMap<Symbol, Value>,
        key: Value,
        value: Value,
        span: Span,
    ) -> Option<Value> {
        match &key.data {
            Data::String(name) => {
                if out.contains_key(name) {
                    let headline = format!("duplicate key {}", crate::text::quoted(name));
                    return Some(self.fail(Code::E0405, span, headline, "gives it again"));
                }
                out.insert(name.clone(), value);
                None
            }
            Data::Unknown(Unknown::Deferred(origin)) => Some(self.deferred_structure(span, *origin, "a key")),
            Data::Unknown(Unknown::Unset) => Some(key),
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
            | Data::Error => Some(Value::error()),
        }
    }

    /// Goes through the elements of a clause; `body` may stop it with a value. Where it is not known which elements
    /// there are or are taken, the body is evaluated all the same, so that what it reads is an edge.
    pub(super) fn each(&mut self, clause: &Clause, body: &mut dyn FnMut(&mut Self) -> Option<Value>) -> Each {
        let iter = self.eval(&clause.iter);
        let mut marks = None;
        let mut unknown = None;
        let items = match (elements(&iter), &iter.data) {
            (Some(items), _) => items,
            (None, Data::Unknown(u)) => {
                unknown = Some(*u);
                marks = iter.marks.clone();
                vec![(
                    Value::plain(Data::Unknown(*u)),
                    Value { secret: iter.secret, ..Value::plain(Data::Unknown(*u)) },
                )]
            }
            _ => return Each::Stop(Value::error()),
        };
        for (first, item) in items {
            if self.is_over() {
                return Each::Stop(Value::error());
            }
            let item = item.marked(&iter.marks).inside(&iter);
            match clause.vars.as_slice() {
                [one] => self.set(*one, item),
                [a, b] => {
                    self.set(*a, first);
                    self.set(*b, item);
                }
                _ => {}
            }
            if let Some(filter) = &clause.filter {
                let keep = self.eval(filter);
                marks = union(&marks, &keep.marks);
                match keep.data {
                    Data::Bool(true) => {}
                    Data::Bool(false) => continue,
                    Data::Unknown(u) => unknown = unknown.or(Some(u)),
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
                    | Data::Error => return Each::Stop(Value::error()),
                }
            }
            let before = self.quiet;
            self.quiet |= unknown.is_some();
            let stop = body(self);
            self.quiet = before;
            match stop {
                Some(stop) if unknown.is_none() => return Each::Stop(stop),
                _ => {}
            }
        }
        match unknown {
            Some(u) => Each::Deferred(u, marks),
            None => Each::Whole(marks),
        }
    }
}

/// How going through a clause ended.
pub(super) enum Each {
    /// With this value.
    Stop(Value),
    /// All elements were gone through; these marks decided which.
    Whole(Marks),
    /// Which elements there are, or which are taken, is not known.
    Deferred(Unknown, Marks),
}

impl Evaluator<'_, '_> {
    /// The value of a comprehension of which it is not known what it holds.
    pub(super) fn deferred_whole(
        &mut self,
        unknown: Unknown,
        marks: Marks,
        parts: Vec<Value>,
        span: Span,
    ) -> Value {
        let marks = parts.iter().fold(marks, |m, v| union(&m, &self.whole_marks(v, span)));
        Value { marks, secret: parts.iter().any(Value::has_secret), ..Value::plain(Data::Unknown(unknown)) }
    }
}
