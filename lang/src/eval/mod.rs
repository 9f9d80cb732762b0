//! Expressions to values. Each `let` and each input of each instance is evaluated once, on demand; meeting one
//! under way is a cycle. An operand that is not known makes the result unknown, with all its marks; a known `if`
//! takes one branch, an unknown one the marks of both.
//!
//! ```text
//! "${org}/${repo.name}"    org known, repo.name deferred  ->  Unknown, marked with `repo`
//! ```
//!
//! The evaluator runs again when outputs have become known: what it computes then never has more marks than
//! the first time, so the graph stands.

mod call;
mod choice;
mod collections;
mod family;
mod fit;
mod higher;
mod limits;
mod mocks;
mod ops;
mod refine;
mod scope;
mod source;

use crate::budget::{self, Refused, Spent};
use crate::maps::{HashMap, HashSet, IndexMap};
use collections::Each;
pub(crate) use fit::leaks;
pub(crate) use mocks::Mocks;
pub use ops::order;
pub(crate) use scope::{PerScope, ROOT, Scope};

use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::hir::{Expr, ExprKind as H, Hir};
use crate::index::{Id, IdVec, LetId, ParamId, Slot, ToolId};
use crate::loader::Loader;
use crate::source::{Sources, Span, Symbol};
use crate::syntax::ast::BinaryOp;
use crate::types::Type;
use crate::value::{Data, InstanceId, Marks, Origin, ScopeId, Unknown, Value, union};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep evaluation may go: what goes deeper is a function, a default or a condition that needs itself.
pub(crate) const DEPTH: usize = 20_000;

/// Where outputs come from: the state while planning, finished operations while applying.
pub trait Outputs {
    /// The value of an output, if it is known now.
    fn output(&self, instance: InstanceId, name: &str) -> Option<Value>;
}

/// No output is known.
pub struct NoOutputs;

impl Outputs for NoOutputs {
    fn output(&self, _: InstanceId, _: &str) -> Option<Value> {
        None
    }
}

/// One instance of a tool as the evaluator knows it.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) tool: ToolId,
    /// The instance of a component that it stands in.
    pub(crate) scope: ScopeId,
    pub(crate) addr: Symbol,
    pub(crate) key: Option<Symbol>,
    pub(crate) locals: Vec<(Slot, Value)>,
    /// Marks of the header: they are edges of the instance.
    pub(crate) marks: Marks,
}

/// The instances of one `tool`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// [`Data::Tool`] or [`Data::Component`].
    pub(crate) members: IndexMap<Symbol, Data>,
    /// The only instance of a tool without `[...]`.
    pub(crate) single: Option<Data>,
    /// Whether a param without a value decides how many there are.
    pub(crate) open: bool,
}

/// What stays from one evaluation to the next.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) instances: Vec<Instance>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) families: PerScope<ToolId, Arc<Family>>,
    /// `let`s that do not depend on outputs.
    lets: PerScope<LetId, Value>,
    /// Whether an `any` input of the instance holds a secret.
    any_secret: HashMap<InstanceId, bool>,
    /// The branches that were taken, for a test.
    pub(crate) taken: HashSet<Span>,
}

/// What an evaluation reads.
pub(crate) struct Context<'p> {
    pub(crate) hir: &'p Hir,
    pub(crate) sources: &'p Sources,
    pub(crate) params: &'p IdVec<ParamId, Value>,
    pub(crate) env: &'p dyn Fn(&str) -> Option<String>,
    pub(crate) loader: &'p dyn Loader,
    pub(crate) outputs: &'p dyn Outputs,
    /// What a test puts in place.
    pub(crate) mocks: &'p Mocks,
    /// Whether a missing environment variable is an error.
    pub(crate) strict: bool,
    /// Whether a param that is not given has its default.
    pub(crate) use_defaults: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Busy {
    Let(ScopeId, LetId),
    Input(InstanceId, usize),
    In(ScopeId, usize),
    Out(ScopeId, usize),
    Tool(ScopeId, ToolId),
    Param(ParamId),
}

pub(crate) struct Evaluator<'p, 'w> {
    pub(crate) cx: Context<'p>,
    pub(crate) world: &'w mut World,
    pub(crate) diags: Diagnostics,
    /// Whether this is the first evaluation, which makes the instances.
    building: bool,
    lets: PerScope<LetId, Value>,
    inputs: HashMap<(InstanceId, usize), Value>,
    /// The mark of each instance where it was read last: a list of the outputs of a family repeats it for every reader.
    read_at: HashMap<InstanceId, (Span, Marks)>,
    ins: HashMap<(ScopeId, usize), Value>,
    outs: HashMap<(ScopeId, usize), Value>,
    params: HashMap<ParamId, Value>,
    busy: Vec<(Busy, Span)>,
    locals: Vec<Value>,
    current: Option<InstanceId>,
    /// The instance of a component that is being evaluated in.
    pub(crate) scope: ScopeId,
    /// What is brought to a type at the moment.
    pub(crate) place: Option<Span>,
    /// The calls of functions that are under way.
    calls: Vec<Span>,
    /// The counters when it began.
    began: Spent,
    /// How large all inputs and outputs are together so far.
    inputs_weigh: u64,
    over_budget: bool,
    depth: usize,
    /// Whether what is evaluated may turn out not to be needed: its errors are not reported now.
    quiet: bool,
}

impl<'p, 'w> Evaluator<'p, 'w> {
    pub(crate) fn new(cx: Context<'p>, world: &'w mut World, building: bool) -> Self {
        if world.scopes.is_empty() {
            world.scopes.push(Scope::default());
        }
        // What was refused before is none of this evaluator's.
        _ = budget::refused();
        Evaluator {
            cx,
            world,
            diags: Diagnostics::default(),
            building,
            lets: PerScope::default(),
            inputs: HashMap::default(),
            read_at: HashMap::default(),
            ins: HashMap::default(),
            outs: HashMap::default(),
            params: HashMap::default(),
            busy: vec![],
            locals: vec![],
            current: None,
            scope: ROOT,
            place: None,
            calls: vec![],
            began: budget::spent(),
            inputs_weigh: 0,
            over_budget: false,
            depth: 0,
            quiet: false,
        }
    }

    fn fail(
        &mut self,
        code: Code,
        span: Span,
        headline: impl Into<String>,
        label: impl Into<String>,
    ) -> Value {
        let mut d = Diagnostic::new(code, headline).at(span, label);
        if let Some(call) = self.calls.last() {
            d = d.also(*call, "called from here");
        }
        if let Some(addr) = self.place_of() {
            d = d.tool(addr);
        }
        self.report(d);
        Value::error()
    }

    /// The address of the instance whose value is being computed, or of that of a component.
    fn place_of(&self) -> Option<Symbol> {
        match self.current {
            Some(id) => Some(self.world.instances[id.0 as usize].addr.clone()),
            None if self.scope != ROOT => Some(self.world.scopes[self.scope.0 as usize].addr.clone()),
            None => None,
        }
    }

    fn report(&mut self, d: Diagnostic) {
        if !self.quiet {
            self.diags.push(d);
        }
    }

    /// Evaluates what a deferred choice may take or not: only for what it reads.
    fn eval_maybe(&mut self, e: &Expr) -> Value {
        let value = self.eval_quietly(e);
        if value.is_error() { Value::plain(Data::Unknown(Unknown::Unset)) } else { value }
    }

    /// Runs `work` under a guard against cycles, with locals of its own.
    fn guarded(
        &mut self,
        what: Busy,
        span: Span,
        name: &str,
        work: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        if let Some(at) = self.busy.iter().position(|(b, _)| *b == what) {
            let way: Vec<(Busy, Span)> = self.busy[at..].to_vec();
            let mut d = Diagnostic::new(Code::E0404, format!("`{name}` depends on itself"))
                .at(span, "read here, which closes the cycle");
            for (_, step) in way.iter().skip(1).take(8) {
                d = d.also(*step, "through this");
            }
            self.diags.push(d);
            return Value::error();
        }
        self.busy.push((what, span));
        let locals = std::mem::take(&mut self.locals);
        let (current, scope) = (self.current, self.scope);
        // What is kept is evaluated once, and its errors are its own.
        let quiet = std::mem::replace(&mut self.quiet, false);
        let calls = std::mem::take(&mut self.calls);
        let value = stacker::maybe_grow(128 << 10, 1 << 20, || work(self));
        self.quiet = quiet;
        self.calls = calls;
        (self.current, self.scope) = (current, scope);
        self.locals = locals;
        self.busy.pop();
        value
    }

    pub(crate) fn eval(&mut self, e: &Expr) -> Value {
        budget::work(1);
        if self.exhausted(e.span) {
            return Value::error();
        }
        if self.depth > DEPTH {
            self.overrun(
                Diagnostic::new(Code::E0409, "infinite recursion").at(e.span, "this value depends on itself"),
            );
            return Value::error();
        }
        self.depth += 1;
        let mut value = stacker::maybe_grow(64 << 10, 1 << 20, || self.eval_here(e));
        self.depth -= 1;
        if let Some(why) = budget::refused() {
            self.too_large(why, e.span);
            return Value::error();
        }
        if self.exhausted(e.span) {
            return Value::error();
        }
        if value.origin == Origin::Open && matches!(value.data, Data::String(_)) {
            value.origin = Origin::File(e.span.file);
        }
        value
    }

    fn eval_here(&mut self, e: &Expr) -> Value {
        let span = e.span;
        match &*e.kind {
            H::Error => Value::error(),
            H::Const(v) => v.clone(),
            H::Local(slot) => self.locals.get(slot.index()).cloned().unwrap_or_else(Value::error),
            H::Let(id) => self.let_value(*id, span),
            H::In(at) => self.in_value(self.scope, *at, span),
            H::Param(id) => self.param(*id, span),
            H::Data(id) => self.cx.mocks.data.get(id).unwrap_or(&self.cx.hir.data[*id]).clone(),
            H::Default(id) => {
                let hir = self.cx.hir;
                let locals = std::mem::take(&mut self.locals);
                let value = self.within(ROOT, |ev| ev.eval(&hir.defaults[*id]));
                self.locals = locals;
                value
            }
            H::Tool(id) => self.tool_value(*id, span),
            H::Port { base, name, output, safe: _ } => {
                let base = self.eval(base);
                match base.data {
                    Data::Tool(id) => self.port(id, name, *output, span).marked(&base.marks),
                    Data::Component(id) => self.component_port(id, name, span).marked(&base.marks),
                    Data::Null => base,
                    Data::Unknown(_) => base,
                    _ => Value::error(),
                }
            }
            H::Field { base, name, safe: _ } => {
                let base = self.eval(base);
                match &base.data {
                    Data::Map(m) => {
                        m.get(name).cloned().unwrap_or_else(Value::null).marked(&base.marks).inside(&base)
                    }
                    Data::Null | Data::Unknown(_) => base,
                    _ => Value::error(),
                }
            }
            H::Index { base, index, .. } => self.index(base, index, span),
            H::Record(fields) => {
                let mut out = IndexMap::with_capacity_and_hasher(fields.len(), Default::default());
                for (name, value) in fields {
                    let value = self.eval(value);
                    out.insert(name.clone(), value);
                }
                Value::map(out)
            }
            H::Map(entries) => self.map(entries, span),
            H::List(items) => {
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
                    Some(u) => self.deferred_whole(u, marks, out, span),
                    None => Value::list(out).marked(&marks),
                }
            }
            H::ListComp { body, clause } => {
                let mut out = vec![];
                let done = self.each(clause, &mut |ev| {
                    let value = ev.eval(body);
                    out.push(value);
                    None
                });
                match done {
                    Each::Stop(value) => value,
                    Each::Whole(marks) => Value::list(out).marked(&marks),
                    Each::Deferred(u, marks) => self.deferred_whole(u, marks, out, span),
                }
            }
            H::MapComp { key, value, clause } => {
                let mut out: IndexMap<Symbol, Value> = IndexMap::default();
                let mut all = vec![];
                let done = self.each(clause, &mut |ev| {
                    let k = ev.eval(key);
                    let v = ev.eval(value);
                    all.push(v.clone());
                    ev.insert(&mut out, k, v, key.span)
                });
                match done {
                    Each::Stop(value) => value,
                    Each::Whole(marks) => Value::map(out).marked(&marks),
                    Each::Deferred(u, marks) => self.deferred_whole(u, marks, all, span),
                }
            }
            H::If { cond, then, other } => {
                let c = self.eval(cond);
                match c.data {
                    Data::Bool(b) => {
                        let branch = if b { then } else { other };
                        self.took(branch);
                        let value = self.eval(branch).marked(&c.marks);
                        if c.secret { value.into_secret() } else { value }
                    }
                    Data::Unknown(u) => {
                        let (a, b) = (self.eval_maybe(then), self.eval_maybe(other));
                        let (left, right) =
                            (self.whole_marks(&a, then.span), self.whole_marks(&b, other.span));
                        let marks = union(&c.marks, &union(&left, &right));
                        let secret = c.secret || a.has_secret() || b.has_secret();
                        Value { marks, secret, ..Value::plain(Data::Unknown(u)) }
                    }
                    _ => Value::error(),
                }
            }
            H::CallFn(id, args) => self.call_fn(*id, args, span),
            H::Match { subject, arms } => self.choose(subject, arms),
            H::And(a, b) | H::Or(a, b) => {
                let stop = matches!(&*e.kind, H::Or(..));
                let a = self.eval(a);
                match a.data {
                    Data::Bool(x) if x == stop => a,
                    Data::Bool(_) => {
                        let b = self.eval(b).marked(&a.marks);
                        if a.secret { b.into_secret() } else { b }
                    }
                    Data::Unknown(_) => {
                        let b = self.eval_maybe(b);
                        Value { secret: a.secret || b.secret, ..a }.marked(&b.marks)
                    }
                    _ => Value::error(),
                }
            }
            H::Coalesce(a, b) => {
                let a = self.eval(a);
                match a.data {
                    Data::Null => self.eval(b).marked(&a.marks),
                    Data::Unknown(_) => {
                        let b = self.eval_maybe(b);
                        let marks = self.whole_marks(&b, span);
                        Value { secret: a.secret || b.has_secret(), ..a }.marked(&marks)
                    }
                    _ => a,
                }
            }
            H::Not(a) => {
                let a = self.eval(a);
                match a.data {
                    Data::Bool(b) => Value { data: Data::Bool(!b), ..a },
                    Data::Unknown(_) => a,
                    _ => Value::error(),
                }
            }
            H::Neg(a) => {
                let a = self.eval(a);
                let data = match a.data {
                    Data::Int(i) => i.checked_neg().map(Data::Int),
                    Data::Duration(i) => i.checked_neg().map(Data::Duration),
                    Data::Size(i) => i.checked_neg().map(Data::Size),
                    Data::Float(f) => Some(Data::Float(-f)),
                    Data::Unknown(_) => return a,
                    _ => return Value::error(),
                };
                match data {
                    Some(data) => Value { data, ..a },
                    None => {
                        self.fail(Code::E0401, span, "this number is too large", "its negative does not fit")
                    }
                }
            }
            H::Binary(BinaryOp::In, a, b)
                if matches!(&*b.kind, H::Binary(BinaryOp::Range | BinaryOp::RangeEq, ..)) =>
            {
                let H::Binary(kind, from, to) = &*b.kind else { return Value::error() };
                let values = [self.eval(a), self.eval(from), self.eval(to)];
                ops::combine(&values, |v| match (&v[0].data, &v[1].data, &v[2].data) {
                    (Data::Int(x), Data::Int(a), Data::Int(b)) => {
                        Data::Bool(x >= a && if *kind == BinaryOp::Range { x < b } else { x <= b })
                    }
                    _ => Data::Error,
                })
            }
            H::Binary(op, a, b) => {
                let (a, b) = (self.eval(a), self.eval(b));
                self.binary(*op, a, b, span)
            }
            H::Interp(parts) => {
                let values: Vec<Value> = parts.iter().map(|p| self.eval(p)).collect();
                let length = values.iter().map(|v| v.as_str().map_or(32, |text| text.len())).sum();
                if let Err(why) = budget::text(length) {
                    return self.fail(Code::E0417, span, why, "joined here");
                }
                let joined = ops::combine(&values, |v| {
                    let mut text = String::with_capacity(length);
                    for part in v {
                        match part.as_str() {
                            Some(string) => text += string,
                            None => text += &part.text().unwrap_or_default(),
                        }
                    }
                    Data::String(text.into())
                });
                // Long texts are work too: a few lines that double each other would take all the memory.
                budget::work(length as u64 / 8);
                joined
            }
            H::Plan => self.cx.mocks.plan.clone(),
            H::Order(a, b) => self.order(a, b),
            H::Call(builtin, args) => self.call(builtin, args, None, span),
            H::Higher { what, items, slot, body } => self.higher(*what, items, *slot, body, span),
            H::Convert(inner, ty) => {
                let value = self.eval(inner);
                self.place = Some(span);
                match self.fit(value, ty, "") {
                    Ok(value) => value,
                    Err(why) => {
                        self.fail(Code::E0411, span, format!("this value does not fit: {why}"), "here")
                    }
                }
            }
            H::Cast(inner, ty) => {
                // What is decoded takes its type as imported data does.
                let value = match &*inner.kind {
                    H::Call(builtin, args) if crate::data::Format::of_builtin(builtin.name).is_some() => {
                        self.call(builtin, args, Some(ty), inner.span)
                    }
                    _ => self.eval(inner),
                };
                let (secret, plain) = (value.has_secret(), value.clone());
                self.place = Some(span);
                match self.fit(value, ty, "the value") {
                    Ok(value) => value,
                    Err(_) if secret && self.fit(plain.exposed(), &ty.exposed(), "").is_ok() => {
                        let d = Diagnostic::new(Code::E0304, "a secret would become readable here");
                        let d = d.at(span, format!("holds a secret, and is to be `{ty}`"));
                        self.report(d.help("say in the type which of it is secret: `secret string`"));
                        Value::error()
                    }
                    Err(_) if secret => self.fail(
                        Code::E0411,
                        span,
                        format!("(secret) is not of type `{ty}`"),
                        "converted here",
                    ),
                    Err(why) => self.fail(
                        Code::E0411,
                        span,
                        format!("this is not of type `{ty}`: {why}"),
                        "converted here",
                    ),
                }
            }
        }
    }

    fn let_value(&mut self, id: LetId, span: Span) -> Value {
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

    /// A deferred value where structure is decided.
    pub(crate) fn deferred_structure(&mut self, span: Span, origin: Span, what: &str) -> Value {
        let output = self.cx.sources.text(origin).to_string();
        let d = Diagnostic::new(Code::E0308, format!("{what} must be known when planning"))
            .at(span, "decided here")
            .note("what is known after apply decides values, never which tools there are");
        let d = if origin == span { d } else { d.also(origin, format!("`{output}` is known after apply")) };
        self.diags.push(d);
        Value::error()
    }

    fn set(&mut self, slot: Slot, value: Value) {
        if self.locals.len() <= slot.index() {
            self.locals.resize_with(slot.index() + 1, Value::null);
        }
        self.locals[slot.index()] = value;
    }

    fn index(&mut self, base: &Expr, index: &Expr, span: Span) -> Value {
        let key = self.eval(index);
        if let (H::Tool(id), Data::String(name)) = (&*base.kind, &key.data) {
            let family = self.family(*id, base.span);
            return match family.members.get(name) {
                Some(member) => Value::plain(member.clone()).marked(&key.marks),
                None if family.open => Value::plain(Data::Unknown(Unknown::Unset)),
                None => {
                    let known: Vec<String> = family.members.keys().map(|k| k.to_string()).collect();
                    self.missing_key(name, known.iter().map(|k| &**k), index.span)
                }
            };
        }
        let base = self.eval(base);
        if base.is_error() || key.is_error() {
            return Value::error();
        }
        let marks = union(&base.marks, &key.marks);
        match (&base.data, &key.data) {
            (Data::Null, _) => base,
            (Data::Unknown(u), _) => Value { marks, secret: base.secret, ..Value::plain(Data::Unknown(*u)) },
            (_, Data::Unknown(u)) => {
                let marks = union(&marks, &self.whole_marks(&base, span));
                Value { marks, secret: base.has_secret(), ..Value::plain(Data::Unknown(*u)) }
            }
            (Data::Map(m), Data::String(k)) => match m.get(k) {
                Some(v) => v.clone().marked(&marks).inside(&base),
                None => self.missing_key(k, m.keys().map(|k| &**k), index.span),
            },
            (Data::List(l), Data::Int(i)) => match usize::try_from(*i).ok().and_then(|i| l.get(i)) {
                Some(v) => v.clone().marked(&marks).inside(&base),
                None => {
                    let headline = format!("there is no element {i} in a list of {}", l.len());
                    self.fail(Code::E0406, span, headline, "counted from 0")
                }
            },
            _ => Value::error(),
        }
    }

    fn missing_key<'k>(&mut self, key: &str, known: impl Iterator<Item = &'k str>, span: Span) -> Value {
        let d = Diagnostic::new(Code::E0406, format!("there is no key {}", crate::value::quoted(key)))
            .at(span, "not in this map")
            .help("use `get(m, key)` where it may be absent");
        let near = crate::diag::nearest(key, known);
        let d = match near {
            Some(near) => d.note(format!("the nearest key is {}", crate::value::quoted(&near))),
            None => d,
        };
        self.report(d);
        Value::error()
    }

    /// The value that a tool's name stands for.
    fn tool_value(&mut self, id: ToolId, span: Span) -> Value {
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

    /// An output of an instance, or else an input.
    fn port(&mut self, id: InstanceId, name: &Symbol, output: bool, span: Span) -> Value {
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
                mark_all(value, &mark).of_project()
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

/// Marks a value and everything inside: an output is read as a whole.
fn mark_all(value: Value, mark: &Marks) -> Value {
    value.marked(mark)
}

/// The elements of a value: position or key, and the element.
fn elements(v: &Value) -> Option<Vec<(Value, Value)>> {
    match &v.data {
        Data::List(items) => Some(
            items.iter().enumerate().map(|(i, v)| (Value::plain(Data::Int(i as i64)), v.clone())).collect(),
        ),
        Data::Map(items) => Some(items.iter().map(|(k, v)| (Value::string(k.clone()), v.clone())).collect()),
        _ => None,
    }
}

/// A value in a message, on one line, secrets masked.
pub(crate) fn show(v: &Value) -> String {
    crate::print::shortened(v, 80)
}
