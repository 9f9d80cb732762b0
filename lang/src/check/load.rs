//! Modules: a file is read, parsed, and those that it imports with it.

use super::{Checker, Def, EXPRESSION, Module};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::frontend::{self, Text};
use crate::index::ModuleId;
use crate::loader::join;
use crate::maps::HashMap;
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, DeclKind};
use crate::types::Type;
use std::sync::Arc;

/// A file larger than this is refused.
const MAX_FILE: usize = 64 << 20;

impl Checker<'_> {
    /// Loads a module and those it imports; gives its id.
    pub(super) fn load(
        &mut self,
        path: &str,
        from: Option<Span>,
        way: &mut Vec<(String, Span)>,
    ) -> Option<ModuleId> {
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
                        "pass the root file: `dtm plan FILE`, or create a project with `dtm new quickstart DIR`",
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

    pub(super) fn text(&self, path: &str) -> Result<String, String> {
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

    pub(super) fn add_module(&mut self, path: &str, text: &str, library: bool) -> ModuleId {
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
                self.front.used.get_or_insert_with(|| (front, Diagnostics::default())).1.append(read);
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
                self.error(
                    Code::E0109,
                    decl.span,
                    "the edition is allowed only on the first line",
                    "not here",
                );
            }
        }
    }

    pub(super) fn import(&mut self, module: ModuleId, import: &ast::Import, way: &mut Vec<(String, Span)>) {
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
                self.diags.push(
                    d.note("only imported data is given a type: what a module defines is already typed"),
                );
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
}
