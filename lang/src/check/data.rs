//! Imports of data: read, checked against the written type, kept as values.

use super::{Checker, Def};
use crate::data::{Contents, Sealing};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::index::ModuleId;
use crate::loader::join;
use crate::syntax::ast;
use crate::types::Type;

impl Checker<'_> {
    /// What is wrong with an import whose path says neither that it is a module nor which form of data it is.
    fn without_extension(&self, written: &str, path: &str) -> Diagnostic {
        let diagnostic = |headline: String| Diagnostic::new(Code::E0206, headline);
        let ending = [".dts", ".yaml", ".yml", ".json", ".toml", ".csv"]
            .into_iter()
            .find(|ending| self.loader.read(&format!("{path}{ending}")).is_ok());
        match ending {
            Some(ending) => {
                diagnostic(format!("`{written}` has no known extension: did you mean `{written}{ending}`?"))
            }
            None if self.loader.read(path).is_err_and(|why| why == "it is a directory") => {
                diagnostic(format!("`{written}` is a folder: import a file in it"))
            }
            None => diagnostic(format!("`{written}` has no known extension")),
        }
    }

    pub(super) fn import_data(&mut self, module: ModuleId, import: &ast::Import) {
        let Some(name) = &import.name else { return };
        let Some((Def::Data(id), _)) = self.modules[module].values.get(&name.text).cloned() else { return };
        let Ok(path) = join(self.loader.home(), &self.modules[module].path, &import.path) else { return };
        if crate::data::Format::of_path(&path).is_none() {
            let d = self.without_extension(&import.path, &path).at(import.path_span, "imported here");
            return self.diags.push(
                d.note("a module ends in `.dts`, data in `.yaml`, `.yml`, `.json`, `.toml` or `.csv`"),
            );
        }
        let (ty, declared) = match &import.ty {
            Some(written) => (self.resolve_type(module, written), Some(written.span)),
            None => (Type::Any, None),
        };
        self.data_types[id] = ty.unrefined();
        let text = match self.text(&path) {
            Ok(text) => text,
            Err(why) => {
                let headline = format!("cannot read `{path}`: {why}");
                return self.error(Code::E0206, import.path_span, headline, "imported here");
            }
        };
        let file = self.sources.add_shown(path.as_str(), self.loader.shown(&path), text.as_str());
        let shown = self.loader.shown(&path);
        let mut problems = Diagnostics::default();
        let contents = crate::data::read(file, (&path, &shown), &text, self.loader, &mut problems);
        let ty = match contents.as_ref().map(|c| &c.sealing) {
            Some(Sealing::None) | None => ty,
            // Every value of an encrypted file is secret.
            Some(Sealing::Opened | Sealing::Unset(_)) => {
                let tree = contents.as_ref().map(|c| &c.tree).filter(|_| import.ty.is_none());
                tree.map_or(ty, crate::data::sops::structure).secret()
            }
        };
        let known = contents.is_some() || import.ty.is_some();
        self.data_types[id] = if known { ty.unrefined() } else { Type::Error };
        let at = crate::source::Span::new(file, 0, 0);
        self.note_use(import.path_span, Some(at), "data", || ty.to_string(), || None);
        self.note_use(name.span, Some(at), "data", || ty.to_string(), || None);
        if let Some(Contents { tree, sealing }) = contents {
            if let Sealing::Unset(d) = sealing {
                self.hir.unopened.push(*d);
            }
            crate::data::refined(&tree, &ty, &mut self.hir.refined_data);
            self.hir.data[id] = crate::data::typed(&tree, &ty, declared, &mut problems);
        }
        self.diags.append_of(problems, ty.has_secret());
    }
}
