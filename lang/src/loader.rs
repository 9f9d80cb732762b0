//! The only way in which the language reaches files.

use crate::source::Symbol;
use std::sync::Arc;

/// Gives the checker and evaluator what they read. Paths are relative to the project's root, with `/`, and
/// normalized; an implementation refuses what leads outside, links included.
pub trait Loader: Send + Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// The reason, for a person: not there, not readable, outside the project.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// The interface file of a plugin that is shipped with dtm, with its version.
    fn shipped(&self, plugin: &str) -> Option<Shipped>;
    /// The names of the shipped plugins.
    fn shipped_names(&self) -> Vec<Symbol>;
    /// A module of the standard library: the part after `std/`.
    fn std_module(&self, path: &str) -> Option<Symbol>;
    /// How to show the path of a file to a person.
    fn shown(&self, path: &str) -> String {
        path.to_string()
    }
}

/// A shipped plugin's interface.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// The text of the interface file.
    pub text: Symbol,
    /// The plugin's version.
    pub version: Symbol,
    /// Whether only the interface is there: the plugin is still to come.
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
    fn shown(&self, path: &str) -> String {
        self.inner.shown(path)
    }
}

/// Joins a path to the folder of the module that names it.
///
/// # Errors
/// When it leads outside the project's root.
pub fn join(from: &str, path: &str) -> Result<String, String> {
    if path.starts_with('/') || path.contains(':') {
        return Err("paths are relative to the file that names them".into());
    }
    let mut parts: Vec<&str> = from.split('/').filter(|p| !p.is_empty()).collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err("it leads outside the project's root, the folder of the root file".into());
                }
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}
