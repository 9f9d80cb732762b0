//! Paths of files to read. In an input marked `@source`, a path is relative to the module that contains it; a plugin gets it
//! relative to the project's root, the same in every checkout.
//!
//! ```text
//! ../shared/site.dts:  component Site { tool code: scm.Scaffold { template = "./template" } }
//! main.dts:            tool site: Site { }         the plugin gets "../shared/template"
//! ```
//!
//! A string carries its [`Origin`], as values carry marks: through `let`, ports of components, fields,
//! elements, `if`, `match` and functions that pass it on unchanged. An expression that builds a new string is its origin.

use super::Evaluator;
use crate::interface::Source;
use crate::value::{Data, Origin, Value};

impl Evaluator<'_, '_> {
    /// The value of a `@source` input, its paths as those from the project's root.
    pub(super) fn sourced(&self, value: Value, source: Source) -> Value {
        let made = match (&value.data, value.origin) {
            (_, Origin::Project) => return value,
            (Data::String(text), Origin::File(file)) if is_path(text, source) => {
                let path = &self.cx.sources.file(file).path;
                match self.folder(path) {
                    "" => return value.of_project(),
                    folder => Value::plain(Data::String(below(folder, text).into())),
                }
            }
            (Data::List(items), _) => {
                Value::list(items.iter().map(|v| self.sourced(v.clone(), source)).collect())
            }
            (Data::Map(items), _) => {
                Value::map(items.iter().map(|(k, v)| (k.clone(), self.sourced(v.clone(), source))).collect())
            }
            _ => return value.of_project(),
        };
        Value { data: made.data, ..value }.of_project()
    }

    /// The folder of a module, relative to the project's root. Builtin modules have none, and paths in the file of a front end are
    /// relative to the project.
    fn folder<'p>(&self, path: &'p str) -> &'p str {
        let read = crate::frontend::of(self.cx.loader.extensions().frontends, path).is_some();
        match read || path.starts_with('<') || path.starts_with("std/") {
            true => "",
            false => path.rsplit_once('/').map_or("", |(folder, _)| folder),
        }
    }
}

/// Whether a text is a relative path, and not an address or a name.
fn is_path(text: &str, source: Source) -> bool {
    let dotted = matches!(text, "." | "..") || text.starts_with("./") || text.starts_with("../");
    let first = text.split('/').next().unwrap_or("");
    match source {
        Source::Dotted => dotted,
        Source::Any => dotted || !(text.is_empty() || text.starts_with('/') || first.contains(':')),
    }
}

/// A path from a folder as one from where the folder is. It begins with `./` or `../`, so that it stays a path.
fn below(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    let mut rest = path;
    loop {
        let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
        // Two slashes are a mark of the plugin's own.
        if after.starts_with('/') || !matches!(first, "." | "..") {
            break;
        }
        if first == ".." {
            match parts.last() {
                Some(&"..") | None => parts.push(".."),
                Some(_) => _ = parts.pop(),
            }
        }
        rest = after;
    }
    let dot = if parts.first() == Some(&"..") { None } else { Some(".") };
    let rest = Some(rest).filter(|rest| !rest.is_empty());
    dot.into_iter().chain(parts).chain(rest).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::{Source, below, is_path};

    #[test]
    fn a_path_stays_one_below_any_folder() {
        for (folder, path, expected) in [
            ("a", "x", "./a/x"),
            ("a", "./x", "./a/x"),
            ("a", "../x", "./x"),
            ("a", "..", "."),
            ("a/b", ".", "./a/b"),
            ("a/b", "../../../x", "../x"),
            ("../s", "./x//part", "../s/x//part"),
            ("../s", ".//part", "../s/.//part"),
            ("../s", "../t/x", "../t/x"),
            ("..", "x/../y", "../x/../y"),
        ] {
            assert_eq!(below(folder, path), expected, "{path} in {folder}");
        }
    }

    #[test]
    fn an_address_or_a_name_is_no_path() {
        for text in ["https://x/y.git#v1", "git@host:x.git#v1", "/abs", "", "oci://x"] {
            assert!(!is_path(text, Source::Any), "{text}");
            assert!(!is_path(text, Source::Dotted), "{text}");
        }
        assert!(is_path("templates/go", Source::Any));
        assert!(!is_path("bitnami/redis", Source::Dotted));
        assert!(is_path("../charts/x", Source::Dotted));
        assert!(is_path("./a:b", Source::Any));
    }
}
