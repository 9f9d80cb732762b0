//! The checked program: names resolved, conversions made explicit, nothing left to look up by text. The checker
//! (`check`) makes it from the trees of all modules; the evaluator (`eval`) runs it.

use crate::builtin::{Builtin, Higher};
use crate::index::{
    AssertId, ComponentId, ConfigureId, DataId, DefaultId, FunctionId, IdVec, LetId, ModuleId, ParamId,
    RefinementId, Slot, ToolId,
};
use crate::interface::{Kind, Plugin};
use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::syntax::ast::BinaryOp;
use crate::types::Type;
use crate::value::Value;
use std::sync::Arc;

/// A checked program.
#[derive(Clone, Debug, Default)]
pub struct Hir {
    /// All `let`s of all modules.
    pub lets: IdVec<LetId, Let>,
    /// All `fn`s.
    pub fns: IdVec<FunctionId, Function>,
    /// All `param`s.
    pub params: IdVec<ParamId, Param>,
    /// All `tool`s, those inside components too.
    pub tools: IdVec<ToolId, Tool>,
    /// All `component`s.
    pub components: IdVec<ComponentId, Component>,
    /// All `output`s.
    pub outputs: Vec<Output>,
    /// All `assert`s.
    pub asserts: IdVec<AssertId, Assert>,
    /// All `test`s.
    pub tests: Vec<Test>,
    /// Imported data.
    pub data: IdVec<DataId, Value>,
    /// Conditions of types.
    pub refinements: IdVec<RefinementId, Refinement>,
    /// Values of imported data that a condition concerns: the condition, the value, where it stands.
    pub refined_data: Vec<(RefinementId, Value, Span)>,
    /// What to say of imported files that could not be opened, where their values are needed.
    pub unopened: Vec<crate::diag::Diagnostic>,
    /// Defaults of fields and inputs.
    pub defaults: IdVec<DefaultId, Expr>,
    /// The backend of the state, and where it is named.
    pub backend: Option<(Symbol, Span)>,
    /// `settings`, by name.
    pub settings: IndexMap<Symbol, Expr>,
    /// Plugins by the name they have in the program.
    pub plugins: IndexMap<Symbol, PluginUse>,
    /// `configure`.
    pub configures: IdVec<ConfigureId, Configure>,
    /// `moved`: from, to, where.
    pub moved: Vec<(Symbol, Symbol, Span)>,
    /// `forget`.
    pub forgets: Vec<(Symbol, Span)>,
    /// `adopt`.
    pub adopts: Vec<(Symbol, Option<Expr>, Span)>,
}

impl Hir {
    /// Goes through all expressions.
    pub fn for_each(&self, look: &mut dyn FnMut(&Expr)) {
        let tools = self.tools.iter().flat_map(|t| {
            let with = [&t.with().protect, &t.with().timeout, &t.with().retries, &t.with().read];
            let each = t.each.iter().flat_map(|e| std::iter::once(&e.iter).chain(&e.by));
            each.chain(&t.cond)
                .chain(t.inputs.values())
                .chain(with.into_iter().flatten())
                .chain(&t.with().after)
        });
        let outs = self.components.iter().flat_map(|c| c.outs.values());
        let asserts = self.asserts.iter().flat_map(|a| [&a.cond, &a.message]);
        let params = self.params.iter().filter_map(|p| p.default.as_ref());
        let all = self.lets.iter().map(|l| &l.expr).chain(self.fns.iter().map(|f| &f.body)).chain(params);
        let all = all.chain(tools).chain(outs).chain(asserts).chain(&self.defaults);
        let all = all.chain(self.outputs.iter().map(|o| &o.expr)).chain(self.settings.values());
        all.chain(self.configures.iter().map(|c| &c.settings)).for_each(|e| e.for_each(look));
    }
}

/// A plugin that the program uses.
#[derive(Clone, Debug)]
pub struct PluginUse {
    /// Its interface.
    pub plugin: Arc<Plugin>,
    /// Where the plugin itself is: `None` if shipped, or a path from the project's root.
    pub path: Option<Symbol>,
    /// Whether only the interface was given, so that nothing can be applied.
    pub interface_only: bool,
}

/// A `let`.
#[derive(Clone, Debug)]
pub struct Let {
    /// Its name.
    pub name: Symbol,
    /// Where its name stands.
    pub span: Span,
    /// The component that it stands in.
    pub home: Option<ComponentId>,
    /// Its type.
    pub ty: Type,
    /// Its value.
    pub expr: Expr,
}

/// A `component`: its `in`s and `out`s are those of the kind that it is.
#[derive(Clone, Debug, Default)]
pub struct Component {
    /// Its name.
    pub name: Symbol,
    /// The values of its `out`s, in the order of the kind's outputs.
    pub outs: IndexMap<Symbol, Expr>,
    /// Its tools.
    pub tools: Vec<ToolId>,
    /// Its `let`s.
    pub lets: Vec<LetId>,
    /// Its `assert`s.
    pub asserts: Vec<AssertId>,
}

/// A `fn`.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: Symbol,
    /// The slots of its parameters.
    pub params: Vec<Slot>,
    /// Its body, of the type of its result.
    pub body: Expr,
}

/// The condition of a `T where cond else "message"`.
#[derive(Clone, Debug)]
pub struct Refinement {
    /// The slot of `self`.
    pub slot: Slot,
    /// The condition.
    pub cond: Expr,
    /// What to say when it does not hold.
    pub message: Option<Expr>,
}

/// A `param`.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Symbol,
    /// Where its name stands.
    pub span: Span,
    /// Its type.
    pub ty: Type,
    /// Its default.
    pub default: Option<Expr>,
    /// Its documentation.
    pub doc: Option<Symbol>,
}

/// A `tool`.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: Symbol,
    /// Where its name stands.
    pub span: Span,
    /// The component that it stands in.
    pub home: Option<ComponentId>,
    /// Whether it is `existing`: somebody else's, of which only the natural key is given.
    pub existing: bool,
    /// The component that it is an instance of.
    pub component: Option<ComponentId>,
    /// The name of its plugin in this program; empty for a component.
    pub plugin: Symbol,
    /// Its kind.
    pub kind: Arc<Kind>,
    /// `[x in xs by key]`
    pub each: Option<Each>,
    /// `if cond`
    pub cond: Option<Expr>,
    /// Its inputs, all of them, defaults too.
    pub inputs: IndexMap<Symbol, Expr>,
    /// Its options, if it has any: few tools of many do.
    pub with: Option<Box<With>>,
}

impl Tool {
    /// The options of `with`.
    pub fn with(&self) -> &With {
        static NONE: With = With {
            after: vec![],
            protect: None,
            ignore: vec![],
            create_first: false,
            timeout: None,
            retries: None,
            read: None,
            using: None,
        };
        self.with.as_deref().unwrap_or(&NONE)
    }
}

/// The `with` options of a tool.
#[derive(Clone, Debug, Default)]
pub struct With {
    /// Tools, families or lists of them.
    pub after: Vec<Expr>,
    /// `protect`
    pub protect: Option<Expr>,
    /// `ignore`: paths of inputs.
    pub ignore: Vec<Symbol>,
    /// `replace = "create-first"`
    pub create_first: bool,
    /// `timeout`
    pub timeout: Option<Expr>,
    /// `retries`
    pub retries: Option<Expr>,
    /// `read = false`
    pub read: Option<Expr>,
    /// `using = name`
    pub using: Option<Symbol>,
}

/// `[x in xs by key]`, `[k, v in m]`, `[i, x in xs by key]`
#[derive(Clone, Debug)]
pub struct Each {
    /// What is gone through.
    pub iter: Expr,
    /// The slots of one or two variables.
    pub vars: Vec<Slot>,
    /// The key; without it the string or the map's key.
    pub by: Option<Expr>,
}

/// `output`
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: Symbol,
    /// Where its name stands.
    pub span: Span,
    /// Its type.
    pub ty: Type,
    /// Its value.
    pub expr: Expr,
}

/// `assert`
#[derive(Clone, Debug)]
pub struct Assert {
    /// The condition.
    pub cond: Expr,
    /// The message, a string.
    pub message: Expr,
    /// Where it stands.
    pub span: Span,
    /// The component that it stands in.
    pub home: Option<ComponentId>,
}

/// `test`
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name.
    pub name: Symbol,
    /// Where that stands.
    pub name_span: Span,
    /// All of it.
    pub span: Span,
    /// Its module.
    pub module: ModuleId,
    /// Params and what they are.
    pub given: IndexMap<ParamId, Expr>,
    /// What is put in place.
    pub mocks: Vec<Mock>,
    /// What must hold.
    pub asserts: Vec<TestAssert>,
}

/// `mock target = value`
#[derive(Clone, Debug)]
pub struct Mock {
    /// What is put in place, and the value.
    pub of: MockOf,
    /// Where the target stands.
    pub span: Span,
}

/// What a test can put in place.
#[derive(Clone, Debug)]
pub enum MockOf {
    /// An output of a tool, or an `out` of a component: the tool, the name, the value.
    Output(Expr, Symbol, Expr),
    /// Imported data.
    Data(DataId, Expr),
    /// A variable of the environment.
    Env(Symbol, Expr),
}

/// `assert` in a test.
#[derive(Clone, Debug)]
pub struct TestAssert {
    /// The condition.
    pub cond: Expr,
    /// What to say when it does not hold.
    pub message: Option<Expr>,
}

/// `configure`
#[derive(Clone, Debug)]
pub struct Configure {
    /// The plugin's name in the program.
    pub plugin: Symbol,
    /// `as name`
    pub name: Option<Symbol>,
    /// The settings.
    pub settings: Expr,
    /// Where it stands.
    pub span: Span,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Box<ExprKind>,
}

impl Expr {
    /// Makes one.
    pub fn new(span: Span, kind: ExprKind) -> Self {
        Expr { span, kind: Box::new(kind) }
    }
    /// The place of an error.
    pub fn error(span: Span) -> Self {
        Expr::new(span, ExprKind::Error)
    }
    /// Goes through this one and all inside.
    pub fn for_each(&self, look: &mut dyn FnMut(&Expr)) {
        look(self);
        for part in self.parts() {
            stacker::maybe_grow(64 << 10, 1 << 20, || part.for_each(look));
        }
    }
    /// The expressions directly inside this one.
    pub fn parts(&self) -> Vec<&Expr> {
        use ExprKind as H;
        fn clause(clause: &Clause) -> impl Iterator<Item = &Expr> {
            std::iter::once(&clause.iter).chain(&clause.filter)
        }
        match &*self.kind {
            H::Const(_) | H::Local(_) | H::Let(_) | H::In(_) | H::Param(_) | H::Data(_) => vec![],
            H::Default(_) | H::Tool(_) | H::Plan | H::Error => vec![],
            H::Port { base, .. } | H::Field { base, .. } => vec![base],
            H::Not(e) | H::Neg(e) | H::Convert(e, _) | H::Cast(e, _) => vec![e],
            H::Index { base: a, index: b, .. } | H::And(a, b) | H::Or(a, b) | H::Coalesce(a, b) => vec![a, b],
            H::Binary(_, a, b) | H::Order(a, b) | H::Higher { items: a, body: b, .. } => vec![a, b],
            H::Record(fields) => fields.iter().map(|(_, e)| e).collect(),
            H::Map(entries) => {
                fn entry(entry: &MapEntry) -> Vec<&Expr> {
                    match entry {
                        MapEntry::Entry(key, value) => vec![key, value],
                        MapEntry::Spread(base) => vec![base],
                    }
                }
                entries.iter().flat_map(entry).collect()
            }
            H::List(items) => items.iter().map(|(e, _)| e).collect(),
            H::ListComp { body, clause: c } => std::iter::once(body).chain(clause(c)).collect(),
            H::MapComp { key, value, clause: c } => [key, value].into_iter().chain(clause(c)).collect(),
            H::If(choice) => vec![&choice.cond, &choice.then, &choice.other],
            H::Match { subject, arms } => {
                std::iter::once(subject).chain(arms.iter().map(|(_, e)| e)).collect()
            }
            H::Interp(parts) | H::Call(_, parts) | H::CallFn(_, parts) => parts.iter().collect(),
        }
    }
}

const _: () = assert!(size_of::<ExprKind>() <= 64);

/// What an expression is. A program has many, so large variants are boxed.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum ExprKind {
    Const(Value),
    /// A variable of a comprehension, lambda or family.
    Local(Slot),
    Let(LetId),
    /// An `in` of the component that the expression stands in, by its position.
    In(usize),
    Param(ParamId),
    Data(DataId),
    /// The default of a field or input.
    Default(DefaultId),
    /// A tool: one instance, a family as a map, or an absent one as null.
    Tool(ToolId),
    /// An output of an instance, or else what the program knows of it: an input, a port of a component.
    Port {
        base: Expr,
        name: Symbol,
        output: bool,
        safe: bool,
    },
    Field {
        base: Expr,
        name: Symbol,
        safe: bool,
    },
    Index {
        base: Expr,
        index: Expr,
        safe: bool,
    },
    Record(Vec<(Symbol, Expr)>),
    Map(Vec<MapEntry>),
    List(Vec<(Expr, bool)>),
    ListComp {
        body: Expr,
        clause: Box<Clause>,
    },
    MapComp {
        key: Expr,
        value: Expr,
        clause: Box<Clause>,
    },
    If(Box<Choice>),
    /// The first arm whose type the subject is; `None` takes everything.
    Match {
        subject: Expr,
        arms: Vec<(Option<Arc<Type>>, Expr)>,
    },
    And(Expr, Expr),
    Or(Expr, Expr),
    Coalesce(Expr, Expr),
    Not(Expr),
    Neg(Expr),
    Binary(BinaryOp, Expr, Expr),
    Interp(Vec<Expr>),
    Call(&'static Builtin, Vec<Expr>),
    /// A function of the program, with a value for each parameter.
    CallFn(FunctionId, Vec<Expr>),
    /// In a test: the plan, a map by address.
    Plan,
    /// In a test: whether any tool of the second comes after any of the first.
    Order(Expr, Expr),
    /// A builtin that takes `x => body`: the list, and the slot of `x`.
    Higher {
        what: Higher,
        items: Expr,
        slot: Slot,
        body: Expr,
    },
    /// Defaults filled, ints widened, secrets marked.
    Convert(Expr, Arc<Type>),
    /// `as T`: checked when evaluated.
    Cast(Expr, Arc<Type>),
    Error,
}

/// `if cond then a else b`
#[derive(Clone, Debug)]
pub struct Choice {
    /// The condition.
    pub cond: Expr,
    /// The value where it holds.
    pub then: Expr,
    /// The value where it does not.
    pub other: Expr,
}

/// An entry of a map literal.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum MapEntry {
    Entry(Expr, Expr),
    Spread(Expr),
}

/// `for x in xs if c`
#[derive(Clone, Debug)]
pub struct Clause {
    /// The slots of one or two variables.
    pub vars: Vec<Slot>,
    /// What is gone through.
    pub iter: Expr,
    /// Which elements are taken.
    pub filter: Option<Expr>,
}
