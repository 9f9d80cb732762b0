//! What is embedded in dtm. [`EXAMPLES`] are tested like everything else and are what `dtm new` writes; [`MODULES`] are
//! imported as `std/NAME`; [`INTERFACES`] are those of plugins that are still to come: programs that use them check and plan; [`GUIDE`]
//! are the pages that `dtm help` shows.

/// An example, which is also a starter.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in one line: the first documentation comment of its `main.dts`.
    pub title: &'static str,
    /// Path and text of each file.
    pub files: &'static [(&'static str, &'static str)],
}

/// A page of the guide.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The part of the manual that it belongs to.
    pub part: &'static str,
    /// Its name, as in `dtm help guide NAME`.
    pub name: &'static str,
    /// The page, in Markdown.
    pub text: &'static str,
}

impl Page {
    /// The page of this name.
    pub fn named(name: &str) -> Option<&'static Page> {
        GUIDE.iter().find(|page| page.name == name)
    }
    /// Its title: the first heading.
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }
}

include!(concat!(env!("OUT_DIR"), "/examples.rs"));

/// The text of a module of the standard library.
pub fn module(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// The interface of a plugin that is not implemented yet.
pub fn interface(plugin: &str) -> Option<&'static str> {
    INTERFACES.iter().find(|(n, _)| *n == plugin).map(|(_, text)| *text)
}
