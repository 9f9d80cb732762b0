//! `component`: a kind made of tools. What is outside of it comes in through its `in`s, so that it means the same
//! wherever it is used; its body is a module inside its module, checked once, and made of instances by evaluation.
//!
//! ```text
//! component Service { in name: string; tool repo: scm.Repository { ... }; out url: string = repo.url }
//! tool cart: Service { name = "cart" }       the tool `cart/repo`; `cart.url` is an edge to it
//! ```

use super::interface::FoundKind;
use super::{Checker, Def, Lazy, Module};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Component, Expr, ExprKind as H};
use crate::index::{ComponentId, DefaultId, FunctionId, Id, IdVec, LetId, ModuleId};
use crate::interface::{Input, Kind, Output, Recover};
use crate::maps::{HashMap, IndexMap};
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, Decl, DeclKind};
use crate::types::{FieldType, Type};
use std::hash::Hash;
use std::sync::Arc;

/// A component as the checker knows it.
pub(super) struct ComponentState {
    /// The module that it stands in.
    module: ModuleId,
    /// The module that its body is.
    body: ModuleId,
    pub(super) name: ast::Name,
    doc: Option<Symbol>,
    kind: Lazy<Arc<Kind>>,
    /// The components that its tools are instances of.
    pub(super) uses: Vec<(ComponentId, Span)>,
}

/// The `in` or `out` that was meant by a declaration that a component cannot hold.
fn meant(decl: &Decl, name: &ast::Name, ty: Option<&ast::TypeExpr>, value: Option<&ast::Expr>) -> ast::Field {
    ast::Field {
        name: name.clone(),
        doc: decl.doc.clone(),
        annotations: vec![],
        ty: ty.cloned(),
        value: value.cloned(),
        span: decl.span,
    }
}

impl Checker<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what a component does not name is refused in it")]
    pub(super) fn declare_component(&mut self, module: ModuleId, decl: &Decl) {
        let DeclKind::Component { name, body } = &decl.kind else { return };
        let (id, inner) = (self.components.next_id(), self.modules.next_id());
        let mut kept = vec![];
        for decl in body {
            match &decl.kind {
                DeclKind::In(_) | DeclKind::Out(_) | DeclKind::Let { .. } | DeclKind::Tool(_) => {
                    kept.push(decl.clone())
                }
                DeclKind::Assert { .. } | DeclKind::Existing { .. } | DeclKind::Broken { .. } => {
                    kept.push(decl.clone())
                }
                DeclKind::Param { name, ty, default } => {
                    let d = Diagnostic::new(Code::E0109, "a component has no params of its own");
                    let d = d.at(decl.span, "inside a component").help(format!(
                        "declare it as an input, `in {}: T`, and pass it where the component is used",
                        name.text
                    ));
                    self.diags.push(d);
                    // It is taken for what was meant, so that its name is known from here on.
                    let field = meant(decl, name, Some(ty), default.as_ref());
                    kept.push(Decl { kind: DeclKind::In(field), ..decl.clone() });
                }
                DeclKind::Output { name, ty, value } => {
                    let d = Diagnostic::new(Code::E0109, "a component declares its outputs with `out`");
                    self.diags.push(
                        d.at(decl.span, "an output of the program")
                            .help(format!("write `out {}: T = ...`", name.text)),
                    );
                    if ty.is_some() {
                        let field = meant(decl, name, ty.as_ref(), Some(value));
                        kept.push(Decl { kind: DeclKind::Out(field), ..decl.clone() });
                    }
                }
                _ => {
                    let span = Span { end: decl.span.end.min(decl.span.start + 200), ..decl.span };
                    let d = Diagnostic::new(Code::E0109, "this is not allowed in a component")
                        .at(span, "not here");
                    self.diags.push(
                        d.note("a component holds `in`, `out`, `let`, `tool`, `existing` and `assert`"),
                    );
                }
            }
        }
        let ast = ast::Module { decls: kept, comments: vec![] };
        let outer = &self.modules[module];
        let body = Module {
            file: outer.file,
            path: outer.path.clone(),
            ast: Arc::new(ast),
            values: HashMap::default(),
            types: HashMap::default(),
            components: HashMap::default(),
            library: outer.library,
            inside: Some(module),
            component: Some(id),
        };
        self.modules.push(body);
        self.components.push(ComponentState {
            module,
            body: inner,
            name: name.clone(),
            doc: decl.doc.clone(),
            kind: Lazy::Todo,
            uses: vec![],
        });
        self.hir.components.push(Component { name: name.text.clone(), ..Component::default() });
        self.define_type(module, name, None, |names| _ = names.components.insert(name.text.clone(), id));
    }

    /// The component whose body a module is.
    pub(super) fn home(&self, module: ModuleId) -> Option<ComponentId> {
        self.modules[module].component
    }

    /// Whether both are one file: a component is part of its module.
    pub(super) fn same_module(&self, left: ModuleId, right: ModuleId) -> bool {
        let outer = |module: ModuleId| self.modules[module].inside.unwrap_or(module);
        outer(left) == outer(right)
    }

    /// Declares what stands in a component. Ports are read with the kind.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all but ports and names is declared as elsewhere")]
    pub(super) fn declare_inside(&mut self, module: ModuleId, component: ComponentId, decl: &Decl) -> bool {
        match &decl.kind {
            DeclKind::In(field) => {
                let kind = self.component_kind(component);
                if let Some(at) = kind.inputs.get_index_of(&field.name.text)
                    && kind.inputs[at].field.span == Some(field.name.span)
                {
                    self.define(module, &field.name, Def::In(component, at));
                }
                false
            }
            DeclKind::Out(_) => {
                self.component_kind(component);
                false
            }
            DeclKind::Let { .. } => {
                self.hir.components[component].lets.push(self.lets.next_id());
                true
            }
            _ => true,
        }
    }

    /// The component that a path names: nothing if it names none, an error if it has been reported.
    pub(super) fn component_of(
        &mut self,
        module: ModuleId,
        path: &ast::Path,
    ) -> Result<Option<FoundKind>, ()> {
        let (home, name) = match path.parts.as_slice() {
            [name] => (module, name),
            [from, name] => match self.value(module, &from.text) {
                Some((Def::Module(home), _)) => (home, name),
                Some((Def::Error, _)) => return Err(()),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let mut at = home;
        let found = loop {
            match (self.modules[at].components.get(&name.text), self.modules[at].inside) {
                (Some(id), _) => break Some(*id),
                (None, Some(outer)) => at = outer,
                (None, None) => break None,
            }
        };
        let Some(id) = found else {
            return if path.parts.len() == 2 { self.no_component(home, name) } else { Ok(None) };
        };
        if !self.same_module(home, module) && name.text.starts_with('_') {
            let headline = format!("`{}` is private to its module", name.text);
            self.error(Code::E0210, name.span, headline, "begins with `_`");
            return Err(());
        }
        let kind = self.component_kind(id);
        let (declared, doc) = (self.components[id].name.span, self.components[id].doc.clone());
        self.note_use(name.span, Some(declared), "component", || kind.path(), || doc);
        Ok(Some(FoundKind { plugin: "".into(), kind, component: Some(id) }))
    }

    fn no_component(&mut self, home: ModuleId, name: &ast::Name) -> Result<Option<FoundKind>, ()> {
        let headline = format!("`{}` has no component `{}`", self.modules[home].path, name.text);
        let d = Diagnostic::new(Code::E0205, headline).at(name.span, "unknown component");
        let known = self.component_names(home);
        self.diags.push(d.nearest(&name.text, known.iter().map(|n| &**n)));
        Err(())
    }

    /// The components of a module, in order.
    pub(super) fn component_names(&self, module: ModuleId) -> Vec<Symbol> {
        let outer = self.modules[module].inside.unwrap_or(module);
        let mut all: Vec<Symbol> = self.modules[outer].components.keys().cloned().collect();
        all.sort_unstable();
        all
    }

    pub(super) fn in_type(&self, component: ComponentId, at: usize) -> Type {
        match &self.components[component].kind {
            Lazy::Done(kind) => kind.inputs[at].field.ty.clone(),
            Lazy::Todo | Lazy::Busy => Type::Error,
        }
    }

    /// The kind that a component is: its ports, without what is inside.
    pub(super) fn component_kind(&mut self, id: ComponentId) -> Arc<Kind> {
        let state = &self.components[id];
        let mut kind = Kind {
            plugin: "".into(),
            name: state.name.text.clone(),
            doc: state.doc.clone(),
            object: None,
            keeps_changed: false,
            recover: Recover::Ask,
            recover_when: IndexMap::default(),
            timeouts: IndexMap::default(),
            inputs: IndexMap::default(),
            outputs: IndexMap::default(),
            span: state.name.span,
        };
        match &state.kind {
            Lazy::Done(kind) => return kind.clone(),
            Lazy::Busy => {
                let headline = format!("the component `{}` needs a tool of its own kind", kind.name);
                let d = Diagnostic::new(Code::E0404, headline).at(kind.span, "needs itself");
                self.diags.push(d);
                return Arc::new(kind);
            }
            Lazy::Todo => self.components[id].kind = Lazy::Busy,
        }
        let (module, body) = (self.components[id].module, self.components[id].body);
        let ast = self.modules[body].ast.clone();
        for decl in &ast.decls {
            let (DeclKind::In(field) | DeclKind::Out(field)) = &decl.kind else { continue };
            let name = &field.name;
            for a in decl.annotations.iter().filter(|a| !matches!(&*a.name.text, "deprecated" | "since")) {
                self.unknown_annotation(a, &["deprecated", "since"]);
            }
            let first = kind.inputs.get(&name.text).and_then(|i| i.field.span);
            if let Some(first) = first.or_else(|| kind.outputs.get(&name.text).map(|o| o.span)) {
                let headline = format!(
                    "the component `{}` declares two inputs or outputs named `{}`",
                    kind.name, name.text
                );
                let d = Diagnostic::new(Code::E0202, headline).at(name.span, "again here");
                self.diags.push(d.also(first, "first here"));
                continue;
            }
            let ty = match &field.ty {
                Some(written) => self.resolve_type(module, written),
                None => {
                    let d = Diagnostic::new(
                        Code::E0102,
                        format!("the input or output `{}` needs a type", name.text),
                    );
                    self.diags
                        .push(d.at(name.span, "the type is missing").help("write `: T` after the name"));
                    Type::Error
                }
            };
            let doc = decl.doc.clone();
            self.note_definition(
                name.span,
                if let DeclKind::In(_) = decl.kind { "in" } else { "out" },
                || ty.to_string(),
                doc.clone(),
            );
            if let DeclKind::In(_) = decl.kind {
                let default = field.value.as_ref().map(|v| self.later_default(module, v, &ty));
                let field = FieldType { ty, default, span: Some(name.span), doc };
                let input = Input {
                    field,
                    key: false,
                    immutable: false,
                    write_only: false,
                    same: None,
                    source: None,
                };
                kind.inputs.insert(name.text.clone(), input);
            } else {
                if field.value.is_none() {
                    let d = Diagnostic::new(Code::E0102, format!("the `out` `{}` has no value", name.text));
                    self.diags
                        .push(d.at(name.span, "the value is missing").help("write `out name: T = ...`"));
                }
                let out = Output { ty, stable: false, once: false, local: false, doc, span: name.span };
                kind.outputs.insert(name.text.clone(), out);
            }
        }
        let kind = Arc::new(kind);
        let (span, doc) = (self.components[id].name.span, kind.doc.clone());
        self.note_definition(span, "component", || kind.path(), doc);
        self.components[id].kind = Lazy::Done(kind.clone());
        kind
    }

    /// The value of an `out`.
    pub(super) fn check_out(&mut self, module: ModuleId, field: &ast::Field) {
        let (Some(component), Some(value)) = (self.home(module), &field.value) else { return };
        let kind = self.component_kind(component);
        let Some(out) = kind.outputs.get(&field.name.text).filter(|o| o.span == field.name.span) else {
            return;
        };
        let expr = self.check_expr(module, value, &out.ty, field.ty.as_ref().map(|t| t.span));
        self.hir.components[component].outs.insert(field.name.text.clone(), expr);
    }

    /// Components contain no instance of themselves, and read nothing from outside but through their `in`s.
    pub(super) fn closed_components(&mut self) {
        self.no_nesting_in_itself();
        let mut outside =
            Outside { lets: HashMap::default(), fns: HashMap::default(), defaults: HashMap::default() };
        let mut found = vec![];
        let hir = &self.hir;
        let mut look = |e: &Expr| outside.find(hir, e, &mut |at, what| found.push((at, what)));
        for component in &hir.components {
            component.outs.values().for_each(&mut look);
        }
        hir.lets.iter().filter(|l| l.home.is_some()).for_each(|l| look(&l.expr));
        for a in hir.asserts.iter().filter(|a| a.home.is_some()) {
            look(&a.cond);
            look(&a.message);
        }
        for tool in hir.tools.iter().filter(|t| t.home.is_some()) {
            tool.inputs.values().for_each(&mut look);
            tool.cond.iter().for_each(&mut look);
            tool.each.iter().flat_map(|e| std::iter::once(&e.iter).chain(&e.by)).for_each(&mut look);
            let with = tool.with();
            let options = [&with.protect, &with.timeout, &with.retries, &with.read];
            options.into_iter().flatten().chain(&with.after).for_each(&mut look);
        }
        for state in &self.components {
            let Lazy::Done(kind) = &state.kind else { continue };
            for slot in kind.inputs.values().filter_map(|i| i.field.default) {
                look(&hir.defaults[slot]);
            }
        }
        for (at, (read, by, place)) in found {
            let text = self.sources.text(at).to_string();
            let d = Diagnostic::new(Code::E0215, format!("a component cannot read {}", said(read, by)));
            let d = d.at(at, "from outside of the component");
            let d = if place == at { d } else { d.also(place, "through this") };
            let name = text.rsplit('.').next().unwrap_or(&text).to_string();
            self.diags.push(d.help(format!(
                "declare it as an input, `in {name}: T`, and pass it where the component is used"
            )));
        }
    }

    fn no_nesting_in_itself(&mut self) {
        let uses: IdVec<ComponentId, Vec<(ComponentId, Span)>> =
            self.components.iter().map(|c| c.uses.clone()).collect();
        for way in super::function::cycles(&uses) {
            let name = |id: ComponentId| self.components[id].name.text.clone();
            let (alone, together) =
                ("the component %s contains itself", "these components contain each other");
            let d = super::function::cycle(&way, name, alone, together);
            self.diags.push(d.help("take the inner one in as `tool<...>`, or describe it with data"));
        }
    }
}

/// What of the program an expression reads, which a component may not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Param,
    Tool,
}

/// By what it is read.
#[derive(Clone, Copy)]
enum By {
    Itself,
    Let,
    Function,
}

/// What is read, by what, and where.
type Found = (Read, By, Span);

/// What a message says of it.
fn said(read: Read, by: By) -> &'static str {
    match (by, read) {
        (By::Itself, Read::Param) => "a param",
        (By::Itself, Read::Tool) => "a tool of the program",
        (By::Let, Read::Param) => "a `let` that reads a param",
        (By::Let, Read::Tool) => "a `let` that reads a tool",
        (By::Function, Read::Param) => "a function that reads a param",
        (By::Function, Read::Tool) => "a function that reads a tool",
    }
}

/// Finds params and tools of the program that an expression reads, by way of `let`s, functions and defaults as well.
struct Outside {
    lets: HashMap<LetId, Option<Found>>,
    fns: HashMap<FunctionId, Option<Found>>,
    defaults: HashMap<DefaultId, Option<Found>>,
}

impl Outside {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `eval_here` handles all"
    )]
    fn find(&mut self, hir: &crate::hir::Hir, expr: &Expr, found: &mut dyn FnMut(Span, Found)) {
        let here = match &*expr.kind {
            H::Param(_) => Some((Read::Param, By::Itself, expr.span)),
            H::Tool(id) if hir.tools[*id].home.is_none() => Some((Read::Tool, By::Itself, expr.span)),
            H::Let(id) if hir.lets[*id].home.is_none() => self
                .first(hir, |o| &mut o.lets, *id, &hir.lets[*id].expr)
                .map(|(read, _, at)| (read, By::Let, at)),
            H::CallFn(id, _) => self
                .first(hir, |o| &mut o.fns, *id, &hir.fns[*id].body)
                .map(|(read, _, at)| (read, By::Function, at)),
            H::Default(id) => self.first(hir, |o| &mut o.defaults, *id, &hir.defaults[*id]),
            _ => None,
        };
        if let Some(here) = here {
            found(expr.span, here);
        }
        for part in expr.parts() {
            stacker::maybe_grow(64 << 10, 1 << 20, || self.find(hir, part, found));
        }
    }

    /// The first that a body reads; each is looked at once.
    fn first<I: Id + Eq + Hash>(
        &mut self,
        hir: &crate::hir::Hir,
        of: impl Fn(&mut Self) -> &mut HashMap<I, Option<Found>>,
        id: I,
        body: &Expr,
    ) -> Option<Found> {
        if let Some(known) = of(self).get(&id) {
            return *known;
        }
        // Meeting it again is a cycle, which is reported elsewhere.
        of(self).insert(id, None);
        let mut first = None;
        self.find(hir, body, &mut |_, (read, _, at)| first = first.or(Some((read, By::Itself, at))));
        of(self).insert(id, first);
        first
    }
}
