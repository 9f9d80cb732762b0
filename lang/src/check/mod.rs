//! Trees to a checked program ([`Hir`]): modules are loaded, names resolved, types checked in both directions.
//!
//! Order: load all modules; declare every name; read interfaces and types; then check every body. A `let`
//! without a written type is checked when first needed; meeting one under way is a cycle. Nothing is evaluated
//! here, and broken input still gives a program with [`ExprKind::Error`] in the broken places.

mod access;
mod component;
mod data;
mod decl;
mod deprecated;
mod expr;
mod facts;
mod function;
mod habit;
mod higher;
mod interface;
mod literal;
mod load;
mod matches;
mod narrow;
mod operators;
mod phase;
mod test;
mod tool;
mod ty;

pub use facts::{CURSOR, Cursor, Definition, Facts, Named, Use};
pub use interface::{interface_hash, read_interface};

use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::frontend::Frontend;
use crate::hir::{Expr, ExprKind, Hir};
use crate::index::{
    ComponentId, DataId, DefaultId, FunctionId, Id, IdVec, LetId, ModuleId, ParamId, RefinementId, Slot,
    ToolId, TypeId,
};
use crate::loader::Loader;
use crate::maps::HashMap;
use crate::source::{FileId, Sources, Span, Symbol};
use crate::syntax::ast::{self, DeclKind};
use crate::types::Type;
use std::sync::Arc;

/// What checking gives.
pub struct Checked {
    /// The program.
    pub hir: Hir,
    /// Its files.
    pub sources: Sources,
    /// Whether it has no error: not even one that a front end made a warning of.
    pub(crate) is_valid: bool,
    /// What was read of them, which the program needs no more.
    pub(crate) syntax: Vec<Arc<ast::Module>>,
}

/// Checks the program of a root file.
pub fn check(root: &str, loader: &dyn Loader) -> (Checked, Diagnostics) {
    let (checked, _, diags) = run(Some(root), None, Checker::new(loader, None));
    (checked, diags)
}

/// As [`check`]; in the file of a front end, what it passes over without an error is a warning.
pub fn check_leniently(root: &str, loader: &dyn Loader) -> (Checked, Diagnostics) {
    let (checked, _, diags) = run(Some(root), None, Checker::new(loader, None).leniently());
    (checked, diags)
}

/// Checks a text inside of a program's root file, or by itself: what it declares sees what that declares.
pub fn check_inside(root: Option<&str>, text: &str, loader: &dyn Loader) -> (Checked, Facts, Diagnostics) {
    run(root, Some(text), Checker::new(loader, Some(Facts::default())))
}

/// The name of the file that stands for a text inside of a program.
pub const EXPRESSION: &str = "<expression>";

/// Checks the program of a root file, and keeps what an editor wants to know.
pub fn check_for_editor(root: &str, loader: &dyn Loader) -> (Checked, Facts, Diagnostics) {
    // Nobody has asked for a plan yet.
    run(Some(root), None, Checker::new(loader, Some(Facts::default())).leniently())
}

fn run(root: Option<&str>, inner: Option<&str>, mut checker: Checker<'_>) -> (Checked, Facts, Diagnostics) {
    match root {
        Some(root) => _ = checker.load(root, None, &mut vec![]),
        None => _ = checker.add_module("<nothing>", "dts 1\n", false),
    }
    if let Some(text) = inner {
        let outer = checker.modules.ids().next();
        let id = checker.add_module(EXPRESSION, text, false);
        checker.modules[id].inside = outer;
        let ast = checker.modules[id].ast.clone();
        for decl in &ast.decls {
            if let DeclKind::Import(import) = &decl.kind {
                checker.import(id, import, &mut vec![]);
            }
        }
    }
    checker.declare_all();
    checker.bodies();
    checker.inherit_configurations();
    if !checker.diags.has_errors() {
        let mut seen = checker.facts.as_ref().map(|_| vec![]);
        checker.diags.append(phase::phases(&checker.hir, &checker.sources, &mut seen));
        if let Some(facts) = &mut checker.facts {
            facts.deferred = seen.unwrap_or_default();
        }
    }
    let mut is_valid = !checker.diags.has_errors();
    if let Some((front, read)) = checker.front.used.take() {
        is_valid &= !read.has_errors();
        checker.diags = front.settle(read, checker.diags, !checker.front.lenient, &checker.sources);
    }
    checker.diags.sort();
    let facts = checker.facts.unwrap_or_default();
    let syntax = checker.modules.into_iter().map(|m| m.ast).collect();
    (Checked { hir: checker.hir, sources: checker.sources, is_valid, syntax }, facts, checker.diags)
}

/// What a name of the value name space stands for.
#[derive(Clone, Debug)]
enum Def {
    Let(LetId),
    Param(ParamId),
    Tool(ToolId),
    Fn(FunctionId),
    /// An `in` of a component: which, and the position of the `in`.
    In(ComponentId, usize),
    Module(ModuleId),
    Data(DataId),
    /// Already reported.
    Error,
}

struct Module {
    file: FileId,
    path: String,
    ast: Arc<ast::Module>,
    values: HashMap<Symbol, (Def, Span)>,
    types: HashMap<Symbol, TypeId>,
    components: HashMap<Symbol, ComponentId>,
    /// Whether it belongs to the standard library or an interface.
    library: bool,
    /// The module that this one is inside of, whose names it sees.
    inside: Option<ModuleId>,
    /// The component whose body it is.
    component: Option<ComponentId>,
}

enum Lazy<T> {
    Todo,
    Busy,
    Done(T),
}

struct LetState {
    module: ModuleId,
    name: ast::Name,
    /// The declaration, by its place in the module's tree.
    decl: usize,
    state: Lazy<Type>,
}

struct TypeState {
    module: ModuleId,
    name: Symbol,
    span: Span,
    ty: ast::TypeExpr,
    state: Lazy<Type>,
}

/// A condition of a type that is still to be checked.
#[derive(Clone)]
struct RefinementState {
    module: ModuleId,
    /// What `self` is.
    base: Type,
    cond: ast::Expr,
    message: Option<ast::Expr>,
}

/// The default of a field or input that is still to be checked.
#[derive(Clone)]
struct DefaultState {
    id: DefaultId,
    module: ModuleId,
    value: ast::Expr,
    ty: Type,
    /// Whether it is of an interface.
    in_interface: bool,
}

/// A variable of a comprehension, lambda or family.
struct Local {
    name: Symbol,
    span: Span,
    slot: Slot,
    ty: Type,
}

/// The body that is being checked: its variables, and what is known of them. A `let` that is checked on the way has a
/// body of its own.
#[derive(Default)]
struct Body {
    /// The variables in scope, the innermost last.
    scope: Vec<Local>,
    /// Paths of names and fields, with the types that tests have narrowed them to.
    narrowed: Vec<(String, Type)>,
    /// How many slots its variables take.
    slots: usize,
}

impl Body {
    fn clear(&mut self) {
        self.scope.clear();
        self.narrowed.clear();
        self.slots = 0;
    }

    /// A slot for a new variable.
    fn new_slot(&mut self) -> Slot {
        self.slots += 1;
        Slot::from_index(self.slots - 1)
    }
}

/// What surrounds the body that is being checked. It holds for a `let` that is checked on the way, too.
#[derive(Default)]
struct Context {
    /// Whether it is in an interface, where `tool_name()` is known.
    in_interface: bool,
    /// Whether it is in a test, where `plan` is known.
    in_test: bool,
    /// Whether lists of strings are commands there.
    in_commands: bool,
    /// The function that it is in.
    function: Option<FunctionId>,
}

/// What is checked when everything is declared.
#[derive(Default)]
struct Late {
    defaults: Vec<DefaultState>,
    /// How many of them are checked.
    checked_defaults: usize,
    /// The conditions of types.
    refinements: IdVec<RefinementId, RefinementState>,
    /// How many of them are checked.
    checked_refinements: usize,
}

/// The plugins that the program uses.
#[derive(Default)]
struct Plugins {
    /// By name, their place in [`Hir::plugins`]; nothing for one that cannot be used.
    known: HashMap<Symbol, Option<usize>>,
    /// The modules that their interfaces are.
    interfaces: HashMap<Symbol, ModuleId>,
    /// What `plugins { ... }` says of each, and where.
    requirements: HashMap<Symbol, (Symbol, Span)>,
    /// Those whose interfaces are being read.
    reading: Vec<Symbol>,
}

/// The front end that reads files of the program, if there is one.
#[derive(Default)]
struct Front {
    /// It, and what it has reported.
    used: Option<(&'static dyn Frontend, Diagnostics)>,
    /// Whether what it passes over is a warning.
    lenient: bool,
}

struct Checker<'a> {
    /// Kept for an editor only.
    facts: Option<Facts>,
    loader: &'a dyn Loader,
    sources: Sources,
    diags: Diagnostics,
    hir: Hir,
    modules: IdVec<ModuleId, Module>,
    by_path: HashMap<String, ModuleId>,
    /// By the name where it is declared.
    deprecated: HashMap<Span, deprecated::Deprecation>,
    lets: IdVec<LetId, LetState>,
    /// The `let`s that are being checked, each with the place that reads it.
    under_way: Vec<(LetId, Span)>,
    types: IdVec<TypeId, TypeState>,
    /// The types of imported data.
    data_types: IdVec<DataId, Type>,
    components: IdVec<ComponentId, component::ComponentState>,
    fns: IdVec<FunctionId, function::FnState>,
    /// Names of tools, params and outputs, unique across the program.
    unique: HashMap<(Option<ComponentId>, &'static str, Symbol), Span>,
    body: Body,
    context: Context,
    late: Late,
    plugins: Plugins,
    front: Front,
}

impl<'a> Checker<'a> {
    fn new(loader: &'a dyn Loader, facts: Option<Facts>) -> Self {
        Checker {
            facts,
            loader,
            sources: Sources::default(),
            diags: Diagnostics::default(),
            hir: Hir::default(),
            modules: IdVec::default(),
            by_path: HashMap::default(),
            deprecated: HashMap::default(),
            lets: IdVec::default(),
            under_way: vec![],
            types: IdVec::default(),
            data_types: IdVec::default(),
            components: IdVec::default(),
            fns: IdVec::default(),
            unique: HashMap::default(),
            body: Body::default(),
            context: Context::default(),
            late: Late::default(),
            plugins: Plugins::default(),
            front: Front::default(),
        }
    }

    /// What a front end passes over is a warning.
    fn leniently(mut self) -> Self {
        self.front.lenient = true;
        self
    }
}

impl Checker<'_> {
    fn error(&mut self, code: Code, span: Span, headline: impl Into<String>, label: impl Into<String>) {
        self.diags.push(Diagnostic::new(code, headline).at(span, label));
    }

    fn define(&mut self, module: ModuleId, name: &ast::Name, def: Def) {
        if let Some((_, first)) = self.modules[module].values.get(&name.text) {
            let d = Diagnostic::new(Code::E0202, format!("`{}` is defined twice", name.text));
            self.diags.push(d.at(name.span, "again here").also(*first, "first here"));
            return;
        }
        self.modules[module].values.insert(name.text.clone(), (def, name.span));
    }

    fn define_unique(&mut self, what: &'static str, name: &ast::Name) -> bool {
        self.define_unique_in(None, what, name)
    }

    /// Names are unique in the program, those of tools inside a component in that.
    fn define_unique_in(&mut self, home: Option<ComponentId>, what: &'static str, name: &ast::Name) -> bool {
        match self.unique.get(&(home, what, name.text.clone())) {
            Some(first) => {
                let d = Diagnostic::new(Code::E0202, format!("the {what} `{}` is defined twice", name.text));
                self.diags.push(d.at(name.span, "again here").also(*first, "first here"));
                false
            }
            None => {
                self.unique.insert((home, what, name.text.clone()), name.span);
                true
            }
        }
    }

    /// What a name of the value name space stands for in a module, and where it is declared.
    fn value(&self, module: ModuleId, name: &str) -> Option<(Def, Span)> {
        let mut m = module;
        loop {
            if let Some(found) = self.modules[m].values.get(name) {
                return Some(found.clone());
            }
            m = self.modules[m].inside?;
        }
    }

    /// All names of the value name space of a module, in order.
    fn value_names(&self, module: ModuleId) -> Vec<Symbol> {
        let mut all: Vec<Symbol> = self.modules[module].values.keys().cloned().collect();
        if let Some(outer) = self.modules[module].inside {
            all.extend(self.value_names(outer));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The checked body and type of a `let`.
    fn let_type(&mut self, id: LetId, at: Span) -> Type {
        match &self.lets[id].state {
            Lazy::Done(ty) => return ty.clone(),
            Lazy::Busy => {
                let name = self.lets[id].name.clone();
                let mut d =
                    Diagnostic::new(Code::E0404, format!("`{}` is defined in terms of itself", name.text))
                        .at(at, "read here while it is computed")
                        .also(name.span, "defined here");
                let from = self.under_way.iter().position(|(l, _)| *l == id).map_or(usize::MAX, |at| at + 1);
                for (_, step) in self.under_way.iter().skip(from).take(8) {
                    d = d.also(*step, "through this");
                }
                self.diags.push(d);
                return Type::Error;
            }
            Lazy::Todo => self.lets[id].state = Lazy::Busy,
        }
        self.under_way.push((id, at));
        let module = self.lets[id].module;
        let ast = self.modules[module].ast.clone();
        let DeclKind::Let { ty: annotation, value, .. } = &ast.decls[self.lets[id].decl].kind else {
            return Type::Error;
        };
        // Each has variables of its own: a number beyond them would cost at every evaluation.
        let outer = std::mem::take(&mut self.body);
        let (expr, ty) = stacker::maybe_grow(64 << 10, 1 << 20, || match annotation {
            Some(written) => {
                let ty = self.resolve_type(module, written);
                let expr = self.check_expr(module, value, &ty, Some(written.span));
                (expr, ty.unrefined())
            }
            None => {
                let (expr, ty) = self.infer(module, value);
                (expr, ty)
            }
        });
        self.under_way.pop();
        self.body = outer;
        self.hir.lets[id].ty = ty.clone();
        self.hir.lets[id].expr = expr;
        self.lets[id].state = Lazy::Done(ty.clone());
        ty
    }

    /// Checks every body that was only declared.
    fn bodies(&mut self) {
        for id in self.lets.ids() {
            let at = self.lets[id].name.span;
            self.let_type(id, at);
        }
        for id in self.types.ids() {
            let at = self.types[id].span;
            self.type_of(id, at);
        }
        self.functions();
        self.late_defaults();
        for module in self.modules.ids() {
            let body = self.modules[module].component.is_some();
            if !self.modules[module].library || body || self.modules[module].path.starts_with("std/") {
                self.check_decls(module);
            }
        }
        self.late_defaults();
        self.closed_components();
    }

    /// Checks the defaults that were met since the last time.
    fn late_defaults(&mut self) {
        while self.late.checked_defaults < self.late.defaults.len() {
            let DefaultState { id, module, value, ty, in_interface } =
                self.late.defaults[self.late.checked_defaults].clone();
            self.late.checked_defaults += 1;
            self.context.in_interface = in_interface;
            self.body.slots = 0;
            self.hir.defaults[id] = self.check_expr(module, &value, &ty, None);
            self.context.in_interface = false;
        }
        self.late_refinements();
        if self.late.checked_defaults < self.late.defaults.len() {
            self.late_defaults();
        }
    }
}

/// Makes a node.
fn node(span: Span, kind: ExprKind) -> Expr {
    Expr::new(span, kind)
}

/// Names of declared things, for the nearest one.
fn names<T>(map: &HashMap<Symbol, T>) -> Vec<&str> {
    let mut all: Vec<&str> = map.keys().map(|k| &**k).collect();
    all.sort_unstable();
    all
}
