//! The only way in which the language reaches files.

use crate::frontend::Frontend;
use crate::sealed::{Plain, Sealed, Unopened};
use crate::source::Symbol;
use std::sync::Arc;

/// Gives the checker and evaluator what they read. Paths are relative to the project's root, with `/`, and
/// normalized: they begin with as many `../` as they need, up to the workspace root. An implementation refuses what
/// leads outside of the workspace, links included.
pub trait Loader: Send + Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// The reason, for a person: not there, not readable, outside the workspace.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// The names of the files in a folder, in order, for an import of several; hidden ones are left out.
    ///
    /// # Errors
    /// The reason, for a person, as of [`Loader::read`].
    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let _ = folder;
        Err("folders are not read here".into())
    }
    /// The interface file of a plugin that is shipped with dtm, with its version.
    fn shipped(&self, plugin: &str) -> Option<Shipped>;
    /// The names of the shipped plugins.
    fn shipped_names(&self) -> Vec<Symbol>;
    /// A module of the standard library: the part after `std/`.
    fn std_module(&self, path: &str) -> Option<Symbol>;
    /// The path of the project's root from the workspace root; empty where they are the same folder.
    fn home(&self) -> &str {
        ""
    }
    /// The encrypted values of a file of secrets, in order, of which the loader has the keys.
    ///
    /// # Errors
    /// No key fits, or the file is not what was encrypted.
    fn open_sealed(&self, file: &Sealed) -> Result<Vec<Plain>, Unopened> {
        let _ = file;
        Err(Unopened::NoKey(vec![]))
    }
    /// What extends the language.
    fn extensions(&self) -> &'static Extensions {
        &Extensions::NONE
    }
    /// How to show the path of a file to a person.
    fn shown(&self, path: &str) -> String {
        path.to_string()
    }
}

/// What extends the language from outside.
pub struct Extensions {
    /// The languages besides `.dts` whose files are modules of a program.
    pub frontends: &'static [&'static dyn Frontend],
    /// The backends of the state that `settings` may name, each with its interface: `settings { ... }` in it declares its options.
    pub backends: fn() -> Vec<(&'static str, &'static str)>,
}

impl Extensions {
    /// Nothing.
    pub const NONE: Extensions = Extensions { frontends: &[], backends: Vec::new };
}

/// A shipped plugin's interface.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// The text of the interface file.
    pub text: Symbol,
    /// The plugin's version.
    pub version: Symbol,
    /// Whether only the interface is there: the plugin is not implemented yet.
    pub interface_only: bool,
}

/// A loader around another one, which reads files in its own way; what is shipped stays the same.
pub struct Around<F> {
    inner: Arc<dyn Loader>,
    read: F,
}

impl<F: Fn(&dyn Loader, &str) -> Result<Vec<u8>, String> + Send + Sync + 'static> Around<F> {
    /// `read` is given the loader inside.
    pub fn loader(inner: Arc<dyn Loader>, read: F) -> Arc<dyn Loader> {
        Arc::new(Around { inner, read })
    }
}

impl<F: Fn(&dyn Loader, &str) -> Result<Vec<u8>, String> + Send + Sync> Loader for Around<F> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        (self.read)(&*self.inner, path)
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        self.inner.shipped(plugin)
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        self.inner.shipped_names()
    }
    fn std_module(&self, path: &str) -> Option<Symbol> {
        self.inner.std_module(path)
    }
    fn home(&self) -> &str {
        self.inner.home()
    }
    fn open_sealed(&self, file: &Sealed) -> Result<Vec<Plain>, Unopened> {
        self.inner.open_sealed(file)
    }
    fn extensions(&self) -> &'static Extensions {
        self.inner.extensions()
    }
    fn shown(&self, path: &str) -> String {
        self.inner.shown(path)
    }
}

/// Joins a path to the folder of the module that names it. `home` is [`Loader::home`]: a path may lead up to the
/// workspace root, and a file has one name however it is reached.
///
/// ```
/// use dtm_lang::loader::join;
/// assert_eq!(join("", "a/b.dts", "../c.dts").unwrap(), "c.dts");
/// assert_eq!(join("one", "main.dts", "../shared/site.dts").unwrap(), "../shared/site.dts");
/// assert_eq!(join("one", "../shared/site.dts", "../one/x.dts").unwrap(), "x.dts");
/// assert!(join("one", "main.dts", "../../x.dts").is_err());
/// ```
///
/// # Errors
/// When it leads outside of the workspace.
pub fn join(home: &str, from: &str, path: &str) -> Result<String, String> {
    if path.starts_with('/') {
        return Err(format!("`{path}` is absolute: a path is relative to the file that contains it"));
    }
    if path.contains(':') {
        return Err(format!("`{path}` is not a path relative to the file that contains it"));
    }
    let mut parts: Vec<&str> = folders(home).collect();
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(format!("`{path}` leads outside the workspace"));
                }
            }
            part => parts.push(part),
        }
    }
    Ok(from_home(home, &parts))
}

/// A path from the project's root as one from the workspace root.
pub fn to_workspace(home: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folders(home).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|p| !p.is_empty())
}

/// A path from the workspace root as one from the project's root.
fn from_home(home: &str, parts: &[&str]) -> String {
    let home: Vec<&str> = folders(home).collect();
    let shared = home.iter().zip(parts).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", home.len() - shared);
    up.chain(parts[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}
