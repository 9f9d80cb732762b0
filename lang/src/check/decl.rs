//! Declarations: first every name, then every body.

use super::interface::read_interface;
use super::{Checker, Def, Lazy, LetState, TypeState};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Assert, Configure, Expr, Let, Output, Param};
use crate::index::ModuleId;
use crate::maps::{HashSet, IndexMap};
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, Decl, DeclKind, ExprKind as A};
use crate::types::{FieldType, RecordType, Type, fits};
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn declare_all(&mut self) {
        // Interfaces that are read on the way are modules too, and declare their own names.
        let files = self.modules.ids();
        for module in files.clone() {
            let ast = self.modules[module].ast.clone();
            for decl in &ast.decls {
                self.declare_types(module, decl);
                self.declare_component(module, decl);
            }
        }
        let modules = self.modules.ids();
        let mut done = HashSet::default();
        for module in files.clone() {
            self.import_types(module, &mut done);
        }
        for module in modules.clone() {
            let ast = self.modules[module].ast.clone();
            for decl in &ast.decls {
                if let DeclKind::Plugins(fields) = &decl.kind
                    && module == ModuleId::ROOT
                {
                    self.requirements(fields);
                }
            }
        }
        let decls = modules.clone().flat_map(|module| &self.modules[module].ast.decls);
        self.hir.tools.reserve_exact(decls.filter(|decl| matches!(decl.kind, DeclKind::Tool(_))).count());
        for module in modules.clone() {
            let ast = self.modules[module].ast.clone();
            for (at, decl) in ast.decls.iter().enumerate() {
                self.declare_values(module, at, decl);
            }
        }
        // Names first, then what an import takes out of another module, which has taken its own before.
        let mut done = HashSet::default();
        for module in files.clone() {
            self.import_all(module, &mut done);
        }
    }

    /// The types and components that a module takes out of others, before anything is said with them.
    fn import_types(&mut self, module: ModuleId, done: &mut HashSet<ModuleId>) {
        if !done.insert(module) {
            return;
        }
        let ast = self.modules[module].ast.clone();
        for decl in &ast.decls {
            let DeclKind::Import(import) = &decl.kind else { continue };
            let Some(from) = self.imported(module, import) else { continue };
            stacker::maybe_grow(64 << 10, 1 << 20, || self.import_types(from, done));
            for name in import.names.iter().flatten().filter(|n| !n.text.starts_with('_')) {
                if let Some(id) = self.modules[from].types.get(&name.text).copied() {
                    let first = self.modules[module].types.get(&name.text).map(|old| self.types[*old].span);
                    self.define_type(module, name, first, |names| {
                        _ = names.types.insert(name.text.clone(), id)
                    });
                }
                if let Some(id) = self.modules[from].components.get(&name.text).copied() {
                    self.define_type(module, name, None, |names| {
                        _ = names.components.insert(name.text.clone(), id)
                    });
                }
            }
        }
    }

    /// Defines a type or component, which have one name space.
    pub(super) fn define_type(
        &mut self,
        module: ModuleId,
        name: &ast::Name,
        first: Option<Span>,
        insert: impl FnOnce(&mut super::Module),
    ) {
        let type_span = self.modules[module].types.get(&name.text).map(|id| self.types[*id].span);
        let component =
            self.modules[module].components.get(&name.text).map(|id| self.components[*id].name.span);
        if let Some(first) = first.or(type_span).or(component) {
            let d = Diagnostic::new(Code::E0202, format!("the type `{}` is defined twice", name.text));
            return self.diags.push(d.at(name.span, "again here").also(first, "first here"));
        }
        insert(&mut self.modules[module]);
    }

    /// What a module's imports bring, those of the modules that it imports first.
    fn import_all(&mut self, module: ModuleId, done: &mut HashSet<ModuleId>) {
        if !done.insert(module) {
            return;
        }
        let ast = self.modules[module].ast.clone();
        for decl in &ast.decls {
            let DeclKind::Import(import) = &decl.kind else { continue };
            if let Some(from) = self.imported(module, import) {
                let file = Span::new(self.modules[from].file, 0, 0);
                self.note_use(import.path_span, Some(file), "module", || import.path.to_string(), || None);
                stacker::maybe_grow(64 << 10, 1 << 20, || self.import_all(from, done));
            }
            self.import_names(module, import);
            self.import_data(module, import);
        }
    }

    /// The module that an import names, if it could be loaded.
    fn imported(&self, module: ModuleId, import: &ast::Import) -> Option<ModuleId> {
        let path = match import.path.strip_prefix("std/") {
            Some(_) => import.path.to_string(),
            None => crate::loader::join(self.loader.home(), &self.modules[module].path, &import.path).ok()?,
        };
        self.by_path.get(&path).copied()
    }

    fn declare_types(&mut self, module: ModuleId, decl: &Decl) {
        if let DeclKind::Broken { is_type: true, name: Some(name) } = &decl.kind {
            self.broken_type(module, name);
        }
        let DeclKind::Type { name, ty } = &decl.kind else { return };
        let id = self.types.push(TypeState {
            module,
            name: name.text.clone(),
            span: name.span,
            ty: ty.clone(),
            state: Lazy::Todo,
        });
        self.define_type(module, name, None, |names| _ = names.types.insert(name.text.clone(), id));
    }

    /// Makes the name of a type known that could not be read.
    fn broken_type(&mut self, module: ModuleId, name: &ast::Name) {
        let ty = ast::TypeExpr { span: name.span, kind: Box::new(ast::TypeKind::Error) };
        let state = Lazy::Done(Type::Error);
        let id = self.types.push(TypeState { module, name: name.text.clone(), span: name.span, ty, state });
        self.modules[module].types.entry(name.text.clone()).or_insert(id);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what declares no value is no matter of this pass")]
    fn declare_values(&mut self, module: ModuleId, at: usize, decl: &Decl) {
        let library = self.modules[module].library && self.modules[module].component.is_none();
        let root = module == ModuleId::ROOT;
        if let Some(component) = self.modules[module].component
            && !self.declare_inside(module, component, decl)
        {
            return;
        }
        for a in decl.annotations.iter().filter(|a| !matches!(&*a.name.text, "deprecated" | "since")) {
            self.unknown_annotation(a, &["deprecated", "since"]);
        }
        match &decl.kind {
            DeclKind::Let { name, value, .. } => {
                let id = self.lets.push(LetState { module, name: name.clone(), decl: at, state: Lazy::Todo });
                let (name_text, span) = (name.text.clone(), name.span);
                self.hir.lets.push(Let {
                    name: name_text,
                    span,
                    home: self.home(module),
                    ty: Type::Error,
                    expr: Expr::error(value.span),
                });
                self.define(module, name, Def::Let(id));
            }
            DeclKind::Param { name, ty, .. } => {
                if library {
                    return self.misplaced(decl.span, "a param", "modules of the standard library");
                }
                let ty = self.resolve_type(module, ty);
                if self.define_unique("param", name) {
                    let (text, span) = (name.text.clone(), name.span);
                    let id = self.hir.params.push(Param {
                        name: text,
                        span,
                        ty,
                        default: None,
                        doc: decl.doc.clone(),
                    });
                    self.define(module, name, Def::Param(id));
                }
            }
            DeclKind::Tool(tool) => {
                if library {
                    return self.misplaced(decl.span, "a tool", "modules of the standard library");
                }
                self.declare_tool(module, tool, false);
            }
            DeclKind::Fn { name, params, result, body } => {
                self.declare_fn(module, name, params, result, body, decl.doc.clone());
            }
            DeclKind::Existing { name, kind, keys } => {
                if library {
                    return self.misplaced(decl.span, "`existing`", "modules of the standard library");
                }
                self.declare_tool(module, &found(name, kind, keys), true);
            }
            DeclKind::Settings(_) | DeclKind::Plugins(_) | DeclKind::Configure { .. } if !root => {
                self.misplaced(decl.span, "this", "modules other than the root file");
            }
            DeclKind::Plugin(_) | DeclKind::Kind { .. } => {
                self.misplaced(decl.span, "this", "files that are not interfaces")
            }
            DeclKind::In(_) | DeclKind::Out(_) => {
                self.misplaced(decl.span, "a port", "places outside of a kind or component")
            }
            DeclKind::Broken { is_type: false, name: Some(name) }
                if !self.modules[module].values.contains_key(&name.text) =>
            {
                self.define(module, name, Def::Error);
            }
            DeclKind::Given(e) | DeclKind::Mock(e, _) => {
                self.misplaced(e.span, "this", "places outside of a test")
            }
            _ => {}
        }
    }

    fn misplaced(&mut self, span: Span, what: &str, place: &str) {
        let at = Span { end: span.end.min(span.start + 200), ..span };
        self.error(Code::E0109, at, format!("{what} is not allowed in {place}"), "not here");
    }

    fn import_names(&mut self, module: ModuleId, import: &ast::Import) {
        let Some(list) = &import.names else { return };
        let Some(from) = self.imported(module, import) else {
            // The import has failed already: its names are no errors of their own.
            for name in list {
                if !self.modules[module].values.contains_key(&name.text) {
                    self.define(module, name, Def::Error);
                }
                self.broken_type(module, name);
            }
            return;
        };
        for name in list {
            if name.text.starts_with('_') {
                self.error(
                    Code::E0210,
                    name.span,
                    format!("`{}` is private to its module", name.text),
                    "begins with `_`",
                );
                continue;
            }
            let value = self.modules[from].values.get(&name.text).map(|(d, _)| d.clone());
            let source = &self.modules[from];
            let named = source.types.contains_key(&name.text) || source.components.contains_key(&name.text);
            if value.is_none() && !named {
                let known: Vec<String> =
                    super::names(&self.modules[from].values).into_iter().map(String::from).collect();
                let d = Diagnostic::new(
                    Code::E0201,
                    format!("`{}` defines no `{}`", self.modules[from].path, name.text),
                )
                .at(name.span, "unknown name");
                self.diags.push(d.nearest(&name.text, known.iter().map(|k| &**k)));
            }
            if let Some(def) = value {
                self.define(module, name, def);
            }
        }
    }

    /// The bodies of the declarations of one module.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what has no body is no matter of this pass")]
    pub(super) fn check_decls(&mut self, module: ModuleId) {
        let ast = self.modules[module].ast.clone();
        for decl in &ast.decls {
            self.body.clear();
            self.note_declaration(module, decl);
            match &decl.kind {
                DeclKind::Param { name, ty, default: Some(default) } => {
                    let Some(id) = self.hir.params.position(|p| p.span == name.span) else { continue };
                    let expected = self.hir.params[id].ty.clone();
                    let checked = self.check_expr(module, default, &expected, Some(ty.span));
                    self.hir.params[id].default = Some(checked);
                }
                DeclKind::Tool(tool) => self.check_tool(module, tool),
                DeclKind::Existing { name, kind, keys } => self.check_tool(module, &found(name, kind, keys)),
                DeclKind::Out(field) => self.check_out(module, field),
                DeclKind::Test { name, body } => self.check_test(module, name, body, decl.span),
                DeclKind::Output { name, ty, value } => {
                    if !self.define_unique("output", name) {
                        continue;
                    }
                    let (expr, found) = match ty {
                        Some(written) => {
                            let ty = self.resolve_type(module, written);
                            (self.check_expr(module, value, &ty, Some(written.span)), ty.unrefined())
                        }
                        None => self.infer(module, value),
                    };
                    if found.has_tool() {
                        let d =
                            Diagnostic::new(Code::E0320, format!("an output is data, and this is `{found}`"));
                        self.diags.push(
                            d.at(value.span, "a tool is not data").help("name one of its outputs: `.id`"),
                        );
                    }
                    self.hir.outputs.push(Output {
                        name: name.text.clone(),
                        span: name.span,
                        ty: found,
                        expr,
                    });
                }
                DeclKind::Assert { cond, message } => {
                    let (checked, _) = self.condition(module, cond);
                    let message = if let A::Null = &*message.kind {
                        Expr::error(message.span)
                    } else {
                        let (expr, ty) = self.infer(module, message);
                        if !fits(&ty.reveal().0, &Type::String) {
                            self.error(
                                Code::E0301,
                                message.span,
                                format!("expected `string`, found `{ty}`"),
                                "the message",
                            );
                        }
                        expr
                    };
                    let home = self.home(module);
                    if let Some(home) = home {
                        self.hir.components[home].asserts.push(self.hir.asserts.next_id());
                    }
                    self.hir.asserts.push(Assert { cond: checked, message, span: cond.span, home });
                }
                DeclKind::Moved(a, b) => {
                    self.hir.moved.push((a.text.clone(), b.text.clone(), a.span.to(b.span)))
                }
                DeclKind::Forget(a) => self.hir.forgets.push((a.text.clone(), a.span)),
                DeclKind::Adopt(a, id) => {
                    let id = id.as_ref().map(|id| self.check_expr(module, id, &Type::String, None));
                    self.hir.adopts.push((a.text.clone(), id, a.span));
                }
                DeclKind::Settings(fields) if module == ModuleId::ROOT => self.settings(module, fields),
                DeclKind::Configure { plugin, name, settings } if module == ModuleId::ROOT => {
                    self.configure(module, plugin, name.as_ref(), settings, decl.span);
                }
                _ => {}
            }
        }
    }

    /// Keeps for an editor what a declaration declares.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are noted where they are declared")]
    fn note_declaration(&mut self, module: ModuleId, decl: &Decl) {
        if self.facts.is_none() {
            return;
        }
        let (name, what) = match &decl.kind {
            DeclKind::Param { name, .. } => (name, "param"),
            DeclKind::Let { name, .. } => (name, "let"),
            DeclKind::Tool(tool) => (&tool.name, "tool"),
            DeclKind::Existing { name, .. } => (name, "existing"),
            DeclKind::Type { name, .. } => (name, "type"),
            DeclKind::Output { name, .. } => (name, "output"),
            _ => return,
        };
        let ty = match self.modules[module].values.get(&name.text).map(|(d, _)| d.clone()) {
            Some(Def::Let(id)) if what == "let" => self.hir.lets[id].ty.to_string(),
            Some(Def::Param(id)) if what == "param" => self.hir.params[id].ty.to_string(),
            Some(Def::Tool(id)) if matches!(what, "tool" | "existing") => self.tool_type(id).to_string(),
            _ => match self.modules[module].types.get(&name.text).copied() {
                Some(id) if what == "type" => self.type_of(id, name.span).to_string(),
                _ => String::new(),
            },
        };
        self.note_definition(name.span, what, || ty, decl.doc.clone());
    }

    /// A number that is written out is at least 1.
    fn at_least_one(&mut self, value: &ast::Expr) {
        let wrong = matches!(&*value.kind, A::Int(..1) | A::Unary(ast::UnaryOp::Neg, _));
        if wrong {
            self.error(Code::E0301, value.span, "expected a number of at least 1", "less than 1");
        }
    }

    /// Limits that are written out are of plugins that are known.
    fn limits(&mut self, module: ModuleId, value: &ast::Expr) {
        let A::Record(entries) = &*value.kind else { return };
        let mut known = self.loader.shipped_names();
        let declared = self.modules[module].ast.clone();
        for decl in &declared.decls {
            if let DeclKind::Plugins(fields) = &decl.kind {
                known.extend(fields.iter().map(|f| f.name.text.clone()));
            }
        }
        for entry in entries {
            let ast::Entry::Field { name, value: Some(value), .. } = entry else { continue };
            if !known.contains(&name.text) {
                let d = Diagnostic::new(Code::E0204, format!("unknown plugin `{}`", name.text));
                self.diags
                    .push(d.at(name.span, "unknown plugin").nearest(&name.text, known.iter().map(|k| &**k)));
            }
            self.at_least_one(value);
        }
    }

    fn settings(&mut self, module: ModuleId, fields: &[ast::Field]) {
        const KNOWN: [&str; 4] = ["state", "parallelism", "timeout", "limits"];
        for field in fields {
            let name = &field.name;
            let Some(value) = &field.value else {
                let d = Diagnostic::new(Code::E0102, "a setting is given with `=`");
                self.diags.push(d.at(field.span, "this gives a type"));
                continue;
            };
            let checked = match (&*name.text, &*value.kind) {
                ("state", A::Construct { name: backend, record }) => self.backend(module, backend, record),
                ("state", _) => {
                    let d = Diagnostic::new(Code::E0301, "`state` names a backend")
                        .at(value.span, "not a backend");
                    self.diags.push(d.help("write `state = local { path = \".dtm/state\" }`"));
                    continue;
                }
                ("parallelism", _) => {
                    self.at_least_one(value);
                    self.check_expr(module, value, &Type::Int, None)
                }
                ("timeout", _) => self.check_expr(module, value, &Type::Duration, None),
                ("limits", _) => {
                    self.limits(module, value);
                    self.check_expr(module, value, &Type::Map(Arc::new(Type::Int)), None)
                }
                (other, _) => {
                    let d = Diagnostic::new(Code::E0303, format!("unknown setting `{other}`"))
                        .at(name.span, "unknown setting");
                    self.diags.push(d.nearest(other, KNOWN).note(format!("known: {}", KNOWN.join(", "))));
                    continue;
                }
            };
            if self.hir.settings.insert(name.text.clone(), checked).is_some() {
                self.error(
                    Code::E0312,
                    name.span,
                    format!("the setting `{}` is written twice", name.text),
                    "again here",
                );
            }
        }
    }

    fn backend(&mut self, module: ModuleId, backend: &ast::Name, record: &ast::Expr) -> Expr {
        let known = (self.loader.extensions().backends)();
        let Some((name, text)) = known.iter().find(|(name, _)| *name == &*backend.text) else {
            let d = Diagnostic::new(Code::E0303, format!("unknown backend `{}`", backend.text))
                .at(backend.span, "unknown backend");
            self.diags.push(d.nearest(&backend.text, known.into_iter().map(|(name, _)| name)));
            return Expr::error(record.span);
        };
        let declared = read_interface(&format!("{name}.dts"), text).0;
        // Its places are in a file of its own, which a diagnostic does not show.
        let fields = declared.iter().flat_map(|plugin| &plugin.settings.fields);
        let option =
            |field: &FieldType| FieldType { doc: field.doc.clone(), ..FieldType::plain(field.ty.clone()) };
        let fields: IndexMap<Symbol, FieldType> =
            fields.map(|(name, field)| (name.clone(), option(field))).collect();
        self.hir.backend = Some((backend.text.clone(), backend.span));
        self.check_expr(module, record, &Type::record(fields), Some(backend.span))
    }

    fn configure(
        &mut self,
        module: ModuleId,
        plugin: &ast::Name,
        name: Option<&ast::Name>,
        settings: &ast::Expr,
        span: Span,
    ) {
        let Some(id) = self.plugin(plugin) else { return };
        let ty: Arc<RecordType> = self.hir.plugins[id].plugin.settings.clone();
        let declared = self.hir.plugins[id].plugin.span;
        let settings = self.check_expr(module, settings, &Type::Record(ty), Some(declared));
        let name_text = name.map(|n| n.text.clone());
        if self.hir.configures.iter().any(|c| c.plugin == plugin.text && c.name == name_text) {
            let headline = format!("the plugin `{}` is configured twice under one name", plugin.text);
            return self.error(Code::E0202, name.map_or(plugin.span, |n| n.span), headline, "again here");
        }
        self.hir.configures.push(Configure { plugin: plugin.text.clone(), name: name_text, settings, span });
    }

    /// Gives plugins that have no configuration of their own that of the plugin that their interface names, under each of its
    /// names: tools for one cluster need one `configure`.
    pub(super) fn inherit_configurations(&mut self) {
        let plugins = self.hir.plugins.iter().map(|(name, used)| (name, &used.plugin));
        let heirs: Vec<(Symbol, Symbol)> = plugins
            .clone()
            .filter_map(|(name, plugin)| {
                let from = plugin.configured_by.as_ref()?;
                let (base, from) = plugins.clone().find(|(_, base)| base.name == *from)?;
                let fits =
                    plugin.settings.fields.keys().all(|field| from.settings.fields.contains_key(field));
                fits.then(|| (name.clone(), base.clone()))
            })
            .collect();
        for (heir, base) in heirs {
            if self.hir.configures.iter().any(|c| c.plugin == heir) {
                continue;
            }
            let inherited: Vec<Configure> =
                self.hir.configures.iter().filter(|c| c.plugin == base).cloned().collect();
            inherited
                .into_iter()
                .for_each(|c| _ = self.hir.configures.push(Configure { plugin: heir.clone(), ..c }));
        }
    }
}

/// `existing name: Kind { keys }` as the tool that it is to everything but the engine.
fn found(name: &ast::Name, kind: &ast::Path, keys: &ast::Expr) -> ast::Tool {
    ast::Tool {
        name: name.clone(),
        each: None,
        kind: kind.clone(),
        cond: None,
        inputs: keys.clone(),
        with: None,
    }
}
