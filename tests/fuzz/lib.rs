//! What the fuzz targets share: programs from bytes, and the loader that serves them.

use dtm_lang::{Loader, Shipped, Symbol};

/// A project of one root file and what is shipped; a second file and a data file come after separators.
pub struct Files(Vec<(&'static str, String)>);

/// The line that begins the next file of a project.
pub const NEXT: &str = "\n%%%%\n";

impl Files {
    /// The root file, a module `lib.dts` and data `data.yaml`, as far as they are there.
    pub fn of(text: &str) -> Files {
        let names = ["main.dts", "lib.dts", "data.yaml"];
        Files(names.into_iter().zip(text.splitn(3, NEXT)).map(|(n, t)| (n, t.to_string())).collect())
    }
}

impl Loader for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.clone().into_bytes()).ok_or_else(|| "there is no such file".into())
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        let text = match plugin {
            "core" => include_str!("../../plugins/core/core.dts"),
            "scm" => include_str!("../../plugins/scm/scm.dts"),
            other => dtm_stdlib::interface(other)?,
        };
        Some(Shipped { text: text.into(), version: "0.1.0".into(), interface_only: true })
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        ["core", "scm"].map(Symbol::from).to_vec()
    }
    fn std_module(&self, name: &str) -> Option<Symbol> {
        dtm_stdlib::module(name).map(Symbol::from)
    }
}

/// Bytes as text, if they are any.
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|t| t.len() <= 64 << 10)
}
