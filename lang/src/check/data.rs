//! Imports of data: read, checked against the written type, kept as values.

use super::{Checker, Def};
use crate::data::{Contents, Sealing};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::index::{DataId, ModuleId};
use crate::loader::join;
use crate::source::Span;
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
        if let Some((folder, pattern)) = several(&path) {
            return self.import_several(id, import, (folder, pattern), &ty, declared);
        }
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
        let at = Span::new(file, 0, 0);
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

    /// An import of the files whose names fit a pattern: one list of all that they hold, in the order of their names.
    fn import_several(
        &mut self,
        id: DataId,
        import: &ast::Import,
        (folder, pattern): (&str, &str),
        ty: &Type,
        declared: Option<Span>,
    ) {
        let failed =
            |headline: String| Diagnostic::new(Code::E0206, headline).at(import.path_span, "imported here");
        let names = match self.loader.list(folder) {
            Ok(names) => names,
            Err(why) => {
                return self
                    .diags
                    .push(failed(format!("cannot read the folder of `{}`: {why}", import.path)));
            }
        };
        let below = |name: &String| if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let paths: Vec<String> = names.iter().filter(|name| fits(name, pattern)).map(below).collect();
        if paths.is_empty() {
            return self.diags.push(failed(format!("no file matches `{}`", import.path)));
        }
        let (mut items, mut problems, mut is_secret, mut is_complete) =
            (vec![], Diagnostics::default(), false, true);
        let mut first = None;
        for path in paths {
            let text = match self.text(&path) {
                Ok(text) => text,
                Err(why) => {
                    self.diags.push(failed(format!("cannot read `{path}`: {why}")));
                    is_complete = false;
                    continue;
                }
            };
            let shown = self.loader.shown(&path);
            let file = self.sources.add_shown(path.as_str(), shown.clone(), text.as_str());
            let at = *first.get_or_insert(Span::new(file, 0, 0));
            self.note_use(import.path_span, Some(at), "data", || ty.to_string(), || None);
            match crate::data::read(file, (&path, &shown), &text, self.loader, &mut problems) {
                Some(Contents { tree, sealing }) => {
                    is_secret |= !matches!(sealing, Sealing::None);
                    if let Sealing::Unset(d) = sealing {
                        self.hir.unopened.push(*d);
                    }
                    items.extend(crate::data::elements(file, &path, &text, tree));
                }
                None => is_complete = false,
            }
        }
        let ty = if is_secret { ty.clone().secret() } else { ty.clone() };
        self.data_types[id] = ty.unrefined();
        if let (true, Some(at)) = (is_complete, first) {
            let tree = crate::data::Node::new(at, crate::data::NodeKind::Seq(items));
            crate::data::refined(&tree, &ty, &mut self.hir.refined_data);
            self.hir.data[id] = crate::data::typed(&tree, &ty, declared, &mut problems);
        }
        self.diags.append_of(problems, ty.has_secret());
    }
}

/// The folder and the pattern of an import of several files: `k8s` and `*.yaml`.
fn several(path: &str) -> Option<(&str, &str)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    name.contains('*').then_some((folder, name))
}

/// Whether a name fits a pattern, in which each `*` stands for any text.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| fits(&name[at..], rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert_eq!(several("k8s/*.yaml"), Some(("k8s", "*.yaml")));
        assert_eq!(several("*.yaml"), Some(("", "*.yaml")));
        assert_eq!(several("k8s/a.yaml"), None);
        assert!(
            fits("a.yaml", "*.yaml") && fits("web-1.yaml", "web-*.yaml") && fits("a-b-c.yaml", "a*c.yaml")
        );
        assert!(!fits("a.yml", "*.yaml") && !fits("web.yaml", "web-*.yaml"));
    }
}
