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

mod access;
mod call;
mod choice;
mod collections;
mod convert;
mod family;
mod fit;
mod higher;
mod limits;
mod mocks;
mod ops;
mod read;
mod refine;
mod scope;
mod source;

use crate::budget::{self, Spent};
use crate::maps::{HashMap, HashSet, IndexMap};
pub(crate) use fit::leaks;
pub(crate) use mocks::Mocks;
pub(crate) use scope::{PerScope, ROOT, Scope};

use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::hir::{Expr, ExprKind as H, Hir};
use crate::index::{Id, IdVec, LetId, ParamId, Slot, ToolId};
use crate::loader::Loader;
use crate::source::{Sources, Span, Symbol};
use crate::syntax::ast::BinaryOp;
use crate::value::{Data, InstanceId, Marks, Origin, ScopeId, Value};
use std::sync::Arc;

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

    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.quiet {
            self.diags.push(diagnostic);
        }
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

    pub(crate) fn eval(&mut self, expr: &Expr) -> Value {
        budget::work(1);
        if self.exhausted(expr.span) {
            return Value::error();
        }
        if self.depth > budget::NESTED {
            self.overrun(
                Diagnostic::new(Code::E0409, "infinite recursion")
                    .at(expr.span, "this value depends on itself"),
            );
            return Value::error();
        }
        self.depth += 1;
        let mut value = stacker::maybe_grow(64 << 10, 1 << 20, || self.eval_here(expr));
        self.depth -= 1;
        if let Some(why) = budget::refused() {
            self.too_large(why, expr.span);
            return Value::error();
        }
        if self.exhausted(expr.span) {
            return Value::error();
        }
        if value.origin == Origin::Open && matches!(value.data, Data::String(_)) {
            value.origin = Origin::File(expr.span.file);
        }
        value
    }

    fn eval_here(&mut self, expr: &Expr) -> Value {
        let span = expr.span;
        match &*expr.kind {
            H::Error => Value::error(),
            H::Const(value) => value.clone(),
            H::Local(slot) => self.locals.get(slot.index()).cloned().unwrap_or_else(Value::error),
            H::Let(id) => self.let_value(*id, span),
            H::In(at) => self.in_value(self.scope, *at, span),
            H::Param(id) => self.param(*id, span),
            H::Data(id) => self.cx.mocks.data.get(id).unwrap_or(&self.cx.hir.data[*id]).clone(),
            H::Default(id) => self.default_value(*id),
            H::Tool(id) => self.tool_value(*id, span),
            H::Port { base, name, output, safe: _ } => self.port(base, name, *output, span),
            H::Field { base, name, safe: _ } => self.field(base, name),
            H::Index { base, index, safe: _ } => self.index(base, index, span),
            H::Record(fields) => self.record(fields),
            H::Map(entries) => self.map(entries, span),
            H::List(items) => self.list(items, span),
            H::ListComp { body, clause } => self.list_comprehension(body, clause, span),
            H::MapComp { key, value, clause } => self.map_comprehension(key, value, clause, span),
            H::If(choice) => self.branch(choice),
            H::Match { subject, arms } => self.choose(subject, arms),
            H::And(left, right) => self.logical(left, right, false),
            H::Or(left, right) => self.logical(left, right, true),
            H::Coalesce(left, right) => self.coalesce(left, right, span),
            H::Not(operand) => self.not(operand),
            H::Neg(operand) => self.negate(operand, span),
            H::Binary(BinaryOp::In, item, range)
                if let H::Binary(kind @ (BinaryOp::Range | BinaryOp::RangeEq), from, to) = &*range.kind =>
            {
                self.is_in_range(item, from, to, *kind == BinaryOp::RangeEq)
            }
            H::Binary(op, left, right) => {
                let (left, right) = (self.eval(left), self.eval(right));
                self.binary(*op, left, right, span)
            }
            H::Interp(parts) => self.interpolate(parts, span),
            H::Plan => self.cx.mocks.plan.clone(),
            H::Order(first, second) => self.order(first, second),
            H::Call(builtin, args) => self.call(builtin, args, None, span),
            H::CallFn(id, args) => self.call_fn(*id, args, span),
            H::Higher { what, items, slot, body } => self.higher(*what, items, *slot, body, span),
            H::Convert(inner, ty) => self.convert(inner, ty, span),
            H::Cast(inner, ty) => self.cast(inner, ty, span),
        }
    }

    /// A deferred value where structure is decided.
    pub(crate) fn deferred_structure(&mut self, span: Span, origin: Span, what: &str) -> Value {
        let output = self.cx.sources.text(origin).to_string();
        let d = Diagnostic::new(Code::E0308, format!("{what} must be known when planning"))
            .at(span, "decided here")
            .note("a value that is known only after apply cannot decide which tools exist");
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
}

/// The elements of a value: position or key, and the element.
fn elements(value: &Value) -> Option<Vec<(Value, Value)>> {
    match &value.data {
        Data::List(items) => Some(
            items
                .iter()
                .enumerate()
                .map(|(i, value)| (Value::plain(Data::Int(i as i64)), value.clone()))
                .collect(),
        ),
        Data::Map(items) => {
            Some(items.iter().map(|(k, value)| (Value::string(k.clone()), value.clone())).collect())
        }
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

/// A value in a message, on one line, secrets masked.
pub(crate) fn show(value: &Value) -> String {
    crate::print::shortened(value, 80)
}
