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
use crate::frontend::{self, Frontend, Text};
use crate::hir::{Expr, ExprKind, Hir};
use crate::index::{
    ComponentId, DataId, DefaultId, FunctionId, Id, IdVec, LetId, ModuleId, ParamId, RefinementId, Slot,
    ToolId, TypeId,
};
use crate::loader::{Loader, join};
use crate::maps::HashMap;
use crate::source::{FileId, Sources, Span, Symbol};
use crate::syntax::ast::{self, DeclKind};
use crate::types::Type;
use std::sync::Arc;

/// A file larger than this is refused.
pub const MAX_FILE: usize = 64 << 20;

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
    let checker = Checker { lenient: true, ..Checker::new(loader, None) };
    let (checked, _, diags) = run(Some(root), None, checker);
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
    run(Some(root), None, Checker { lenient: true, ..Checker::new(loader, Some(Facts::default())) })
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
    if !checker.diags.has_errors() {
        let mut seen = checker.facts.as_ref().map(|_| vec![]);
        checker.diags.append(phase::phases(&checker.hir, &checker.sources, &mut seen));
        if let Some(facts) = &mut checker.facts {
            facts.deferred = seen.unwrap_or_default();
        }
    }
    let mut is_valid = !checker.diags.has_errors();
    if let Some((front, read)) = checker.front.take() {
        is_valid &= !read.has_errors();
        checker.diags = front.settle(read, checker.diags, !checker.lenient, &checker.sources);
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

/// A variable of a comprehension, lambda or family.
struct Local {
    name: Symbol,
    span: Span,
    slot: Slot,
    ty: Type,
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
    /// Defaults whose expression is to be checked: module, expression, type, position in `hir.defaults`.
    defaults: Vec<(ModuleId, ast::Expr, Type, DefaultId, bool)>,
    /// How many of them are checked.
    checked_defaults: usize,
    /// Names of tools, params and outputs, unique across the program.
    unique: HashMap<(Option<ComponentId>, &'static str, Symbol), Span>,
    plugins: HashMap<Symbol, Option<usize>>,
    /// The modules that their interfaces are.
    interfaces: HashMap<Symbol, ModuleId>,
    requirements: HashMap<Symbol, (Symbol, Span)>,
    data_types: IdVec<DataId, Type>,
    scope: Vec<Local>,
    narrowed: Vec<(String, Type)>,
    slots: usize,
    /// Whether an interface is being checked, where `tool_name()` is known.
    interface: bool,
    components: IdVec<ComponentId, component::ComponentState>,
    fns: IdVec<FunctionId, function::FnState>,
    refinements: IdVec<RefinementId, RefinementState>,
    /// How many of them are checked.
    checked_refinements: usize,
    /// The function whose body is being checked.
    function: Option<FunctionId>,
    /// Whether a test is being checked, where `plan` is known.
    in_test: bool,
    /// The plugins whose interfaces are being read.
    reading: Vec<Symbol>,
    /// The front end that read files of the program, and what it reported.
    front: Option<(&'static dyn Frontend, Diagnostics)>,
    /// Whether what a front end passes over is a warning.
    lenient: bool,
    /// Whether lists of strings are commands where the checker is.
    commands: bool,
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
            defaults: vec![],
            checked_defaults: 0,
            unique: HashMap::default(),
            plugins: HashMap::default(),
            interfaces: HashMap::default(),
            requirements: HashMap::default(),
            data_types: IdVec::default(),
            scope: vec![],
            narrowed: vec![],
            slots: 0,
            interface: false,
            components: IdVec::default(),
            fns: IdVec::default(),
            refinements: IdVec::default(),
            checked_refinements: 0,
            function: None,
            in_test: false,
            reading: vec![],
            front: None,
            lenient: false,
            commands: false,
        }
    }
}

impl Checker<'_> {
    fn error(&mut self, code: Code, span: Span, headline: impl Into<String>, label: impl Into<String>) {
        self.diags.push(Diagnostic::new(code, headline).at(span, label));
    }

    /// Loads a module and those it imports; gives its number.
    fn load(&mut self, path: &str, from: Option<Span>, way: &mut Vec<(String, Span)>) -> Option<ModuleId> {
        if let Some(at) = way.iter().position(|(p, _)| p == path) {
            let mut names: Vec<String> = way[at..].iter().map(|(p, _)| format!("`{p}`")).collect();
            names.push(format!("`{path}`"));
            let span = from.unwrap_or_default();
            self.error(
                Code::E0207,
                span,
                match &*names {
                    [this, _] => format!("{this} imports itself"),
                    _ => format!("these modules import each other: {}", names.join(" → ")),
                },
                "closes the cycle",
            );
            return None;
        }
        if let Some(id) = self.by_path.get(path) {
            return Some(*id);
        }
        let text = match self.text(path) {
            Ok(text) => text,
            Err(why) => {
                let d = Diagnostic::new(Code::E0206, format!("cannot read `{path}`: {why}"));
                self.diags.push(match from {
                    Some(span) => d.at(span, "imported here"),
                    None => d.help(
                        "name the configuration: `dtm plan FILE`, or make one with `dtm new quickstart DIR`",
                    ),
                });
                return None;
            }
        };
        let id = self.add_module(path, &text, path.starts_with("std/"));
        way.push((path.to_string(), from.unwrap_or_default()));
        let ast = self.modules[id].ast.clone();
        for decl in &ast.decls {
            if let DeclKind::Import(import) = &decl.kind {
                self.import(id, import, way);
            }
        }
        way.pop();
        Some(id)
    }

    fn text(&self, path: &str) -> Result<String, String> {
        let text = match path.strip_prefix("std/") {
            Some(std) => {
                return self
                    .loader
                    .std_module(std)
                    .map(|t| t.to_string())
                    .ok_or_else(|| "the standard library has no such module".into());
            }
            None => self.loader.read(path)?,
        };
        if text.len() > MAX_FILE {
            return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
        }
        String::from_utf8(text)
            .map_err(|e| format!("it is not UTF-8: byte {} does not fit", e.utf8_error().valid_up_to()))
    }

    fn add_module(&mut self, path: &str, text: &str, library: bool) -> ModuleId {
        let inside = !(path.starts_with("std/") || path.starts_with('<'));
        let shown = if inside { self.loader.shown(path) } else { path.to_string() };
        let file = self.sources.add_shown(path, shown, text);
        let ast = Arc::new(match frontend::of(self.loader.extensions().frontends, path) {
            Some(front) => {
                let mut read = Diagnostics::default();
                let (loader, sources) = (self.loader, &mut self.sources);
                let mut other = |name: &str| {
                    let other = join(loader.home(), path, name)?;
                    let text =
                        String::from_utf8(loader.read(&other)?).map_err(|_| "it is not UTF-8".to_string())?;
                    Ok((sources.add_shown(&*other, loader.shown(&other), &*text), text))
                };
                let module = front.module(Text { path, file, text }, &mut other, &mut read);
                self.front.get_or_insert_with(|| (front, Diagnostics::default())).1.append(read);
                crate::syntax::hidden::in_data(file, text, &mut self.diags);
                module
            }
            None => crate::syntax::parse(file, text, &mut self.diags),
        });
        self.deprecations(&ast.decls);
        self.edition(file, &ast);
        let id = self.modules.push(Module {
            file,
            path: path.to_string(),
            ast,
            values: HashMap::default(),
            types: HashMap::default(),
            components: HashMap::default(),
            library,
            inside: None,
            component: None,
        });
        self.by_path.insert(path.to_string(), id);
        id
    }

    fn edition(&mut self, file: FileId, ast: &ast::Module) {
        match ast.decls.first().map(|d| &d.kind) {
            Some(DeclKind::Edition(_, text)) if &**text == "1" => {}
            Some(DeclKind::Edition(span, text)) => {
                let d = Diagnostic::new(Code::E0108, format!("edition {text} is not known"));
                self.diags.push(d.at(*span, "this dtm knows edition 1").fix("write `1`", *span, "1"));
            }
            _ if &*self.sources.file(file).path == EXPRESSION => {}
            // It is there, and what follows it cannot be read.
            Some(DeclKind::Broken { .. }) if self.sources.file(file).text.trim_start().starts_with("dts") => {
            }
            _ => {
                let span = Span::new(file, 0, 0);
                let d = Diagnostic::new(Code::W0101, "the edition line is missing").at(span, "before this");
                let d = d.note(
                    "editors know a file of dtm by its first line: other `.dts` files are device trees",
                );
                self.diags.push(d.help("begin the file with `dts 1`").fix("add `dts 1`", span, "dts 1\n\n"));
            }
        }
        for decl in ast.decls.iter().skip(1) {
            if let DeclKind::Edition(..) = decl.kind {
                self.error(Code::E0109, decl.span, "the edition stands on the first line only", "not here");
            }
        }
    }

    fn import(&mut self, module: ModuleId, import: &ast::Import, way: &mut Vec<(String, Span)>) {
        let span = import.path_span;
        if import.path.is_empty() {
            // Reported by the parser.
            return import.name.iter().for_each(|name| self.define(module, name, Def::Error));
        }
        if import.path.contains("://") {
            let d = Diagnostic::new(Code::E0206, "imports from the network are not part of the language");
            self.diags.push(d.at(span, "an address").note("a program reads only what is in its workspace"));
            return;
        }
        let path = match import.path.strip_prefix("std/") {
            Some(_) => Ok(import.path.to_string()),
            None => join(self.loader.home(), &self.modules[module].path, &import.path),
        };
        let path = match path {
            Ok(path) => path,
            Err(why) => {
                let d = Diagnostic::new(Code::E0206, format!("`{}` cannot be imported", import.path));
                let d = d.at(span, why);
                let help = "to share files between projects, put an empty `dtm.toml` in the folder that holds all of them";
                let note = "the workspace root is the nearest folder with `dtm.toml`, else `.git`, else the project's folder";
                self.diags.push(if import.path.starts_with('/') { d } else { d.note(note).help(help) });
                return;
            }
        };
        if path.ends_with(".dts") || path.starts_with("std/") {
            if let Some(ty) = &import.ty {
                let d = Diagnostic::new(Code::E0206, "a module has no type").at(ty.span, "a type");
                self.diags.push(d.note("imported data has one: what a module defines has types of its own"));
            }
            let loaded = self.load(&path, Some(span), way);
            if let Some(name) = &import.name {
                let def = loaded.map_or(Def::Error, Def::Module);
                self.define(module, name, def);
            }
        } else if let Some(name) = &import.name {
            self.hir.data.push(crate::value::Value::error());
            let def = Def::Data(self.data_types.push(Type::Error));
            self.define(module, name, def);
        } else {
            self.error(Code::E0206, span, "imported data needs a name", "write `as name: T` after it");
        }
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

    fn new_slot(&mut self) -> Slot {
        self.slots += 1;
        Slot::from_index(self.slots - 1)
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
        let scope = std::mem::take(&mut self.scope);
        let narrowed = std::mem::take(&mut self.narrowed);
        // Each has variables of its own: a number beyond them would cost at every evaluation.
        let slots = std::mem::take(&mut self.slots);
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
        self.scope = scope;
        self.narrowed = narrowed;
        self.slots = slots;
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
        while self.checked_defaults < self.defaults.len() {
            let (module, expr, ty, slot, interface) = self.defaults[self.checked_defaults].clone();
            self.checked_defaults += 1;
            self.interface = interface;
            self.slots = 0;
            self.hir.defaults[slot] = self.check_expr(module, &expr, &ty, None);
            self.interface = false;
        }
        self.late_refinements();
        if self.checked_defaults < self.defaults.len() {
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
