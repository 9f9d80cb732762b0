//! Plugins: what `plugins { }` requires, and interface files read by the same parser and checker.

use super::{Checker, Def};
use crate::diag::{Code, Diagnostic};
use crate::hir::PluginUse;
use crate::index::{ComponentId, ModuleId};
use crate::interface::{Input, Kind, Output, Plugin, Recover, Same, Source};
use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, Annotation, Decl, DeclKind, ExprKind as A};
use crate::types::{FieldType, Lit, RecordType, Type};
use sha2::Digest;
use std::sync::Arc;

/// The hash of an interface file, as the manifest of its plugin gives it.
pub fn interface_hash(text: &str) -> String {
    sha2::Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads one interface file by itself: for plugin builds and tools.
pub fn read_interface(
    path: &str,
    text: &str,
) -> (Option<Arc<Plugin>>, crate::source::Sources, crate::diag::Diagnostics) {
    struct Nothing;
    impl crate::loader::Loader for Nothing {
        fn read(&self, _: &str) -> Result<Vec<u8>, String> {
            Ok(b"dts 1\n".to_vec())
        }
        fn shipped(&self, _: &str) -> Option<crate::loader::Shipped> {
            None
        }
        fn shipped_names(&self) -> Vec<Symbol> {
            vec![]
        }
        fn std_module(&self, _: &str) -> Option<Symbol> {
            None
        }
    }
    let loader = Nothing;
    let mut checker = Checker::new(&loader, None);
    checker.plugins.reading = vec![path.rsplit('/').next().unwrap_or(path).trim_end_matches(".dts").into()];
    let plugin = checker.interface(path, text);
    checker.bodies();
    checker.diags.sort();
    (plugin, checker.sources, checker.diags)
}

impl Checker<'_> {
    pub(super) fn requirements(&mut self, fields: &[ast::Field]) {
        for field in fields {
            let text = field.value.as_ref().and_then(super::ty::text_of);
            let Some(text) = text else {
                let d = Diagnostic::new(Code::E0301, "a plugin is required by a string that is written out");
                self.diags.push(
                    d.at(field.span, "no string").help("a version, `\"1.2\"`, or a path, `\"./libown.so\"`"),
                );
                continue;
            };
            let span = field.value.as_ref().map_or(field.span, |v| v.span);
            if self.plugins.requirements.insert(field.name.text.clone(), (text, span)).is_some() {
                self.error(
                    Code::E0202,
                    field.name.span,
                    format!("the plugin `{}` is required twice", field.name.text),
                    "again here",
                );
            }
        }
        // What would have to be fetched is missed where it is used.
        for field in fields {
            let remote = |(text, _): &(Symbol, Span)| is_remote(text);
            if !self.plugins.requirements.get(&field.name.text).is_some_and(remote) {
                self.plugin(&field.name);
            }
        }
    }

    /// Whether a name is that of a plugin, required or shipped.
    pub(super) fn is_plugin(&self, name: &str) -> bool {
        self.plugins.requirements.contains_key(name) || self.loader.shipped(name).is_some()
    }

    /// The kinds of a name, of every plugin that is shipped or that the program names: `core.File`.
    fn kinds_called(&self, name: &str) -> Vec<String> {
        let used = self.hir.plugins.values().map(|used| used.plugin.clone());
        let shipped = self.loader.shipped_names().into_iter().filter_map(|plugin| {
            let shipped = self.loader.shipped(&plugin)?;
            read_interface(&format!("{plugin}.dts"), &shipped.text).0
        });
        let called = used.chain(shipped).filter_map(|plugin| Some(plugin.kinds.get(name)?.path()));
        called.collect::<std::collections::BTreeSet<String>>().into_iter().collect()
    }

    /// The plugin of a name, read when first used.
    pub(super) fn plugin(&mut self, name: &ast::Name) -> Option<usize> {
        if let Some(known) = self.plugins.known.get(&name.text) {
            return *known;
        }
        // An interface that names its own plugin must not be read again.
        self.plugins.known.insert(name.text.clone(), None);
        self.plugins.reading.push(name.text.clone());
        let found = self.find_plugin(name);
        self.plugins.reading.pop();
        self.plugins.known.insert(name.text.clone(), found);
        found
    }

    fn find_plugin(&mut self, name: &ast::Name) -> Option<usize> {
        let required = self.plugins.requirements.get(&name.text).cloned();
        let (interface_path, text, path, interface_only) = match required {
            Some((text, span)) if is_remote(&text) => {
                let d = Diagnostic::new(
                    Code::E0701,
                    "plugins cannot be fetched from a registry or address in this version",
                );
                self.diags.push(
                    d.at(name.span, "used here")
                        .also(span, "a remote source")
                        .help("give the path of a plugin that is on this machine: `\"./libown.so\"`"),
                );
                return None;
            }
            Some((text, span)) if text.contains('/') || text.contains('\\') || text.ends_with(".dts") => {
                let root = self.modules[ModuleId::ROOT].path.clone();
                let path = match crate::loader::join(self.loader.home(), &root, &text) {
                    Ok(path) => path,
                    Err(why) => {
                        self.error(
                            Code::E0702,
                            span,
                            format!("the plugin `{}` cannot be loaded: {why}", name.text),
                            "this path",
                        );
                        return None;
                    }
                };
                let only = path.ends_with(".dts");
                let interface = if only { path.clone() } else { interface_beside(&path) };
                match self.text(&interface) {
                    Ok(text) => (interface, text, Some(Symbol::from(path)), only),
                    Err(why) => {
                        let d = Diagnostic::new(
                            Code::E0702,
                            format!("cannot read the interface `{interface}`: {why}"),
                        );
                        self.diags.push(d.at(span, "of this plugin").note(
                            "a library or program has its interface beside it: `libown.dts` by `libown.so`",
                        ));
                        return None;
                    }
                }
            }
            required => {
                let Some(shipped) = self.loader.shipped(&name.text) else {
                    let names = self.loader.shipped_names();
                    let d = Diagnostic::new(Code::E0204, format!("unknown plugin `{}`", name.text))
                        .at(name.span, "unknown plugin");
                    let d = d.nearest(&name.text, names.iter().map(|n| &**n));
                    self.diags
                        .push(d.note("plugins that are not shipped with dtm are named in `plugins { ... }`"));
                    return None;
                };
                if let Some((text, span)) = required {
                    self.shipped_version(name, &text, &shipped.version, span);
                }
                let path = format!("<{}>/{}.dts", name.text, name.text);
                (path, shipped.text.to_string(), None, shipped.interface_only)
            }
        };
        let module = self.modules.next_id();
        let plugin = self.interface(&interface_path, &text)?;
        self.plugins.interfaces.insert(name.text.clone(), module);
        self.hir.plugins.insert(name.text.clone(), PluginUse { plugin, path, interface_only });
        Some(self.hir.plugins.len() - 1)
    }

    fn shipped_version(&mut self, name: &ast::Name, wanted: &str, version: &str, span: Span) {
        match (semver::VersionReq::parse(wanted), semver::Version::parse(version)) {
            (Ok(req), Ok(v)) if req.matches(&v) => {}
            (Ok(_), Ok(_)) => {
                let d = Diagnostic::new(
                    Code::E0211,
                    format!("`{}` is shipped in version {version}, which `{wanted}` excludes", name.text),
                );
                self.diags.push(d.at(span, "does not fit").fix(
                    format!("write `{version}`"),
                    span,
                    format!("\"{version}\""),
                ));
            }
            _ => {
                let d = Diagnostic::new(Code::E0211, format!("`{wanted}` is neither a version nor a path"))
                    .at(span, "not understood");
                self.diags.push(d.help("write a version, `\"1.2\"`, or a path that begins with `./`"));
            }
        }
    }

    pub(super) fn interface(&mut self, path: &str, text: &str) -> Option<Arc<Plugin>> {
        let module = self.add_module(path, text, true);
        let ast = self.modules[module].ast.clone();
        for decl in &ast.decls {
            if let DeclKind::Type { name, ty } = &decl.kind {
                let id = self.types.push(super::TypeState {
                    module,
                    name: name.text.clone(),
                    span: name.span,
                    ty: ty.clone(),
                    state: super::Lazy::Todo,
                });
                self.modules[module].types.insert(name.text.clone(), id);
            }
        }
        let before = std::mem::replace(&mut self.context.in_interface, true);
        let plugin = self.interface_body(module, &ast, text);
        self.context.in_interface = before;
        plugin
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what an interface does not name is refused in it")]
    fn interface_body(&mut self, module: ModuleId, ast: &ast::Module, text: &str) -> Option<Arc<Plugin>> {
        let header = ast
            .decls
            .iter()
            .find_map(|d| if let DeclKind::Plugin(name) = &d.kind { Some((d, name)) } else { None });
        let Some((decl, name)) = header else {
            let span = Span::new(self.modules[module].file, 0, 0);
            let d = Diagnostic::new(Code::E0212, "this file is not the interface of a plugin")
                .at(span, "no `plugin NAME` in it");
            self.diags.push(d);
            return None;
        };
        let mut plugin = Plugin {
            name: name.text.clone(),
            hash: interface_hash(text).into(),
            settings: Arc::new(RecordType::default()),
            setting_keys: vec![],
            configured_by: None,
            env: vec![],
            limit: None,
            kinds: IndexMap::default(),
            span: name.span,
        };
        for annotation in &decl.annotations {
            match &*annotation.name.text {
                "env" => plugin.env.extend(annotation.args.iter().filter_map(|arg| word(&arg.value))),
                "limit" => match annotation.args.first().map(|arg| &*arg.value.kind) {
                    Some(A::Int(n)) if *n > 0 && annotation.args.len() == 1 => plugin.limit = usize::try_from(*n).ok(),
                    _ => self.error(
                        Code::E0213,
                        annotation.name.span,
                        "`@limit` says how many operations of the plugin may run at the same time, as `@limit(4)`",
                        "needs a number of at least 1",
                    ),
                },
                "configured_by" => match annotation.args.first().and_then(|arg| word(&arg.value)) {
                    Some(name) if annotation.args.len() == 1 => plugin.configured_by = Some(name),
                    _ => self.error(
                        Code::E0213,
                        annotation.name.span,
                        "`@configured_by` names the plugin whose configuration this one takes, as `@configured_by(kube)`",
                        "needs the name of a plugin",
                    ),
                },
                _ => self.unknown_annotation(annotation, &["env", "limit", "configured_by"]),
            }
        }
        for decl in &ast.decls {
            match &decl.kind {
                DeclKind::Settings(fields) => {
                    let mut out = IndexMap::default();
                    for field in fields {
                        let ty = field.ty.as_ref().map_or(Type::Error, |t| self.resolve_type(module, t));
                        let default = field.value.as_ref().map(|v| self.later_default(module, v, &ty));
                        let name = field.name.text.clone();
                        for annotation in &field.annotations {
                            match &*annotation.name.text {
                                "key" => plugin.setting_keys.push(name.clone()),
                                "since" | "deprecated" => {}
                                _ => self.unknown_annotation(annotation, &["key", "since", "deprecated"]),
                            }
                        }
                        out.insert(
                            name,
                            FieldType { ty, default, span: Some(field.name.span), doc: field.doc.clone() },
                        );
                    }
                    plugin.settings = Arc::new(RecordType::new(out, false));
                }
                DeclKind::Kind { name: kind, ports } => {
                    let read = self.kind_decl(module, &name.text, kind, decl, ports);
                    if plugin.kinds.insert(kind.text.clone(), Arc::new(read)).is_some() {
                        self.error(
                            Code::E0202,
                            kind.span,
                            format!("the kind `{}` is defined twice", kind.text),
                            "again here",
                        );
                    }
                }
                DeclKind::Edition(..) | DeclKind::Plugin(_) | DeclKind::Type { .. } => {}
                _ => self.error(Code::E0109, decl.span, "this is not allowed in an interface", "not here"),
            }
        }
        self.shared_objects(ast, &plugin);
        Some(Arc::new(plugin))
    }

    /// Objects of kinds with the same `@object` are identified by their natural keys, so the keys must have the same names.
    fn shared_objects(&mut self, ast: &ast::Module, plugin: &Plugin) {
        let mut first: IndexMap<Symbol, (Arc<Kind>, Span)> = IndexMap::default();
        for decl in &ast.decls {
            let DeclKind::Kind { name, .. } = &decl.kind else { continue };
            let Some(kind) = plugin.kinds.get(&name.text).filter(|k| k.span == name.span) else { continue };
            let annotation = decl.annotations.iter().find(|a| &*a.name.text == "object");
            let (Some(object), Some(annotation)) = (&kind.object, annotation) else { continue };
            let names = |kind: &Kind| {
                let names: Vec<String> = kind.key_inputs().map(|n| format!("`{n}`")).collect();
                names.join(", ")
            };
            if kind.key_inputs().next().is_none() {
                let headline = format!("the kind `{}` has an `@object`, but no `@key` input", kind.name);
                self.error(Code::E0213, annotation.span, headline, "needs a natural key");
                continue;
            }
            let Some((other, at)) = first.get(object) else {
                first.insert(object.clone(), (kind.clone(), annotation.span));
                continue;
            };
            let mut keys = [names(kind), names(other)];
            keys.iter_mut().for_each(|k| {
                let mut sorted: Vec<&str> = k.split(", ").collect();
                sorted.sort_unstable();
                *k = sorted.join(", ");
            });
            if keys[0] != keys[1] {
                let headline = format!("kinds with `@object(\"{object}\")` have different natural keys");
                let d = Diagnostic::new(Code::E0213, headline);
                let d = d.at(annotation.span, format!("the key of `{}` is {}", kind.name, keys[0]));
                self.diags.push(d.also(*at, format!("the key of `{}` is {}", other.name, keys[1])));
            }
        }
    }

    /// The further arguments of `@recover`: `rerun = repeatable`, `read = read`.
    fn recover_when(&mut self, annotation: &Annotation, ports: &[Decl], kind: &mut Kind) {
        for arg in annotation.args.iter().skip(1) {
            let way = arg.name.as_ref().and_then(|n| recovery(&n.text));
            let input = word(&arg.value).filter(|input| {
                ports.iter().any(|p| matches!(&p.kind, DeclKind::In(field) if *field.name.text == **input))
            });
            match (way, input) {
                (Some(way), Some(input)) => _ = kind.recover_when.insert(input, way),
                _ => self.error(
                    Code::E0213,
                    arg.value.span,
                    "another way to recover is written `rerun = INPUT`, with an input of this kind",
                    "not valid",
                ),
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a kind holds ports only")]
    fn kind_decl(
        &mut self,
        module: ModuleId,
        plugin: &Symbol,
        name: &ast::Name,
        decl: &Decl,
        ports: &[Decl],
    ) -> Kind {
        let mut kind = Kind {
            plugin: plugin.clone(),
            name: name.text.clone(),
            doc: decl.doc.clone(),
            object: None,
            keeps_changed: false,
            recover: Recover::Ask,
            recover_when: IndexMap::default(),
            timeouts: IndexMap::default(),
            inputs: IndexMap::default(),
            outputs: IndexMap::default(),
            span: name.span,
        };
        for annotation in &decl.annotations {
            match (&*annotation.name.text, annotation.args.first().and_then(|x| word(&x.value)).as_deref()) {
                ("recover", Some(way)) if recovery(way).is_some() => {
                    kind.recover = recovery(way).unwrap_or(Recover::Ask);
                    self.recover_when(annotation, ports, &mut kind);
                }
                ("timeout", _) => {
                    for arg in &annotation.args {
                        match (&arg.name, &*arg.value.kind) {
                            (Some(verb), A::Duration(ns)) => _ = kind.timeouts.insert(verb.text.clone(), *ns),
                            _ => self.error(
                                Code::E0213,
                                arg.value.span,
                                "a timeout is written `verb = 10m`",
                                "not valid",
                            ),
                        }
                    }
                }
                ("object", Some(object)) if !object.is_empty() && annotation.args.len() == 1 => {
                    kind.object = Some(object.into());
                }
                ("object", _) => self.error(
                    Code::E0213,
                    annotation.span,
                    "`@object` takes the name of what the kind manages, as `@object(\"file\")`",
                    "needs one name",
                ),
                ("keep", Some("changed")) if annotation.args.len() == 1 => kind.keeps_changed = true,
                ("keep", _) => self.error(
                    Code::E0213,
                    annotation.span,
                    "`@keep` takes `changed`: deleting leaves what was changed outside of dtm",
                    "needs `changed`",
                ),
                ("since" | "deprecated", _) => {}
                ("recover", _) => self.error(
                    Code::E0213,
                    annotation.span,
                    "`@recover` takes op, key, rerun, read or ask",
                    "none of them",
                ),
                _ => self.unknown_annotation(
                    annotation,
                    &["recover", "timeout", "object", "keep", "since", "deprecated"],
                ),
            }
        }
        for port in ports {
            match &port.kind {
                DeclKind::In(field) => {
                    let input = self.input(module, port, field);
                    let name = &field.name;
                    let first = kind.inputs.get(&name.text).and_then(|i| i.field.span);
                    let first = first.or_else(|| kind.outputs.get(&name.text).map(|o| o.span));
                    if let Some(first) = first {
                        let headline = format!(
                            "the kind `{}` declares two inputs or outputs named `{}`",
                            kind.name, name.text
                        );
                        let d = Diagnostic::new(Code::E0202, headline).at(name.span, "again here");
                        self.diags.push(d.also(first, "first here"));
                    }
                    kind.inputs.insert(field.name.text.clone(), input);
                }
                DeclKind::Out(field) => {
                    let ty = field.ty.as_ref().map_or(Type::Error, |t| self.resolve_type(module, t));
                    let mut out = Output {
                        ty,
                        stable: false,
                        once: false,
                        local: false,
                        doc: port.doc.clone(),
                        span: field.name.span,
                    };
                    for annotation in &port.annotations {
                        match &*annotation.name.text {
                            "stable" => out.stable = true,
                            "once" => out.once = true,
                            "local" => out.local = true,
                            "since" | "deprecated" => {}
                            _ => self.unknown_annotation(
                                annotation,
                                &["stable", "once", "local", "since", "deprecated"],
                            ),
                        }
                    }
                    if kind.inputs.contains_key(&field.name.text)
                        || kind.outputs.contains_key(&field.name.text)
                    {
                        let headline = format!("`{}` is already an input or output", field.name.text);
                        self.error(
                            Code::E0202,
                            field.name.span,
                            headline,
                            "an input and an output need different names",
                        );
                    }
                    kind.outputs.insert(field.name.text.clone(), out);
                }
                _ => self.error(Code::E0109, port.span, "a kind holds `in` and `out` only", "not here"),
            }
        }
        kind
    }

    fn input(&mut self, module: ModuleId, port: &Decl, field: &ast::Field) -> Input {
        let ty = field.ty.as_ref().map_or(Type::Error, |t| self.resolve_type(module, t));
        let default = field.value.as_ref().map(|v| self.later_default(module, v, &ty));
        let field_type = FieldType { ty, default, span: Some(field.name.span), doc: port.doc.clone() };
        let mut input = Input {
            field: field_type,
            key: false,
            immutable: false,
            write_only: false,
            same: None,
            source: None,
        };
        for annotation in &port.annotations {
            match (&*annotation.name.text, annotation.args.first().and_then(|x| word(&x.value)).as_deref()) {
                ("key", _) => input.key = true,
                ("immutable", _) => input.immutable = true,
                ("write_only", _) => input.write_only = true,
                ("same", Some("set")) => input.same = Some(Same::Set),
                ("same", Some("case")) => input.same = Some(Same::Case),
                ("same", Some("json")) => input.same = Some(Same::Json),
                ("same", Some("trim")) => input.same = Some(Same::Trim),
                ("same", Some("default")) => input.same = Some(Same::Default),
                ("same", _) => self.error(
                    Code::E0213,
                    annotation.span,
                    "`@same` takes set, case, json, trim or default",
                    "none of them",
                ),
                ("source", way @ (None | Some("dotted")))
                    if annotation.args.len() == usize::from(way.is_some()) =>
                {
                    if may_hold_text(&input.field.ty) {
                        input.source = Some(if way.is_some() { Source::Dotted } else { Source::Any });
                    } else {
                        let headline =
                            format!("`@source` is for paths, and `{}` holds no string", input.field.ty);
                        self.error(Code::E0213, annotation.span, headline, "not for this type");
                    }
                }
                ("source", _) => self.error(
                    Code::E0213,
                    annotation.span,
                    "`@source` takes nothing, or `dotted`",
                    "neither of them",
                ),
                ("since" | "deprecated", _) => {}
                _ => self.unknown_annotation(
                    annotation,
                    &["key", "immutable", "write_only", "same", "source", "since", "deprecated"],
                ),
            }
        }
        input
    }

    pub(super) fn unknown_annotation(&mut self, annotation: &Annotation, known: &[&str]) {
        let d = Diagnostic::new(Code::E0213, format!("unknown annotation `@{}`", annotation.name.text));
        self.diags.push(
            d.at(annotation.name.span, "unknown annotation")
                .nearest(&annotation.name.text, known.iter().copied()),
        );
    }

    /// The kind of a path: `plugin.Kind`, or a component of this module or an imported one.
    pub(super) fn kind(&mut self, module: ModuleId, path: &ast::Path) -> Option<FoundKind> {
        match self.component_of(module, path) {
            Ok(Some(found)) => return Some(found),
            Ok(None) => {}
            Err(()) => return None,
        }
        let [plugin, kind] = path.parts.as_slice() else {
            let headline = format!("`{}` is not a kind", self.sources.text(path.span));
            let diagnostic =
                Diagnostic::new(Code::E0205, headline).at(path.span, "a kind is written `plugin.Kind`");
            let known = self.component_names(module);
            self.diags.push(match path.parts.as_slice() {
                [name] => match self.kinds_called(&name.text) {
                    kinds if kinds.is_empty() => diagnostic.nearest(&name.text, known.iter().map(|n| &**n)),
                    kinds => kinds.into_iter().fold(diagnostic, |diagnostic, kind| {
                        let help = format!("write `{kind}`");
                        diagnostic.help(help.clone()).guess(help, path.span, kind)
                    }),
                },
                _ => diagnostic,
            });
            return None;
        };
        if self.plugins.reading.contains(&plugin.text) {
            self.reserved(
                path.span,
                "a reference of an interface to a kind of its own plugin",
                "references between kinds",
            );
            return None;
        }
        let id = self.plugin(plugin)?;
        let found = self.hir.plugins[id].plugin.clone();
        match found.kinds.get(&kind.text) {
            Some(declared) => {
                self.note_use(plugin.span, Some(found.span), "plugin", || found.name.to_string(), || None);
                self.note_use(
                    kind.span,
                    Some(declared.span),
                    "kind",
                    || declared.path(),
                    || declared.doc.clone(),
                );
                Some(FoundKind { plugin: plugin.text.clone(), kind: declared.clone(), component: None })
            }
            None => {
                let diagnostic = Diagnostic::new(
                    Code::E0205,
                    format!("the plugin `{}` has no kind `{}`", plugin.text, kind.text),
                );
                let diagnostic = diagnostic
                    .at(kind.span, "unknown kind")
                    .nearest(&kind.text, found.kinds.keys().map(|declared| &**declared));
                let known: Vec<String> = found.kinds.keys().map(|declared| format!("`{declared}`")).collect();
                self.diags.push(diagnostic.note(format!("its kinds: {}", known.join(", "))));
                None
            }
        }
    }

    /// A name that stands for nothing because its declaration is broken.
    pub(super) fn define_broken(&mut self, module: ModuleId, name: &ast::Name) {
        self.define(module, name, Def::Error);
    }
}

/// Whether a requirement names a registry or an address.
fn is_remote(text: &str) -> bool {
    ["oci://", "https://", "http://"].iter().any(|scheme| text.starts_with(scheme))
}

/// What stands after the `:` of a tool.
pub(super) struct FoundKind {
    /// The name of the plugin in this program, empty for a component.
    pub(super) plugin: Symbol,
    /// The kind; a component has one as well.
    pub(super) kind: Arc<Kind>,
    /// The component.
    pub(super) component: Option<ComponentId>,
}

/// `libown.dts` beside `libown.so`.
fn interface_beside(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(f, n)| (f, n));
    let stem = name.rsplit_once('.').map_or(name, |(s, _)| s);
    if folder.is_empty() { format!("{stem}.dts") } else { format!("{folder}/{stem}.dts") }
}

/// A name or a plain text.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `infer_here` handles all"
)]
pub(super) fn word(expr: &ast::Expr) -> Option<Symbol> {
    match &*expr.kind {
        A::Name(n) => Some(n.clone()),
        A::Str(parts) => super::ty::plain_text(parts),
        _ => None,
    }
}

/// Whether a string can be in a value of a type.
fn may_hold_text(ty: &Type) -> bool {
    match ty {
        Type::String | Type::Any | Type::Error | Type::Var(_) | Type::Lit(Lit::String(_)) => true,
        Type::Secret(t) | Type::List(t) | Type::Map(t) => may_hold_text(t),
        Type::Refined(r) => may_hold_text(&r.base),
        Type::Union(members) => members.iter().any(may_hold_text),
        Type::Record(r) => r.open || r.fields.values().any(|f| may_hold_text(&f.ty)),
        Type::Null | Type::Bool | Type::Int | Type::Float | Type::Duration | Type::Size => false,
        Type::Lit(Lit::Bool(_) | Lit::Int(_)) | Type::Tool(_) => false,
    }
}

/// A way to resolve an interrupted operation, by its name in `@recover`.
fn recovery(name: &str) -> Option<Recover> {
    Some(match name {
        "op" => Recover::Op,
        "key" => Recover::Key,
        "rerun" => Recover::Rerun,
        "read" => Recover::Read,
        "ask" => Recover::Ask,
        _ => return None,
    })
}
