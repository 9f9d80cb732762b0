//! Templates: where they come from, and the files they hold.

mod render;
mod source;

pub(crate) use render::render;
pub(crate) use source::{Source, parse};

use dtm_plugin::{Ctx, Failure};
use std::sync::Arc;

/// A file of a template, before it is rendered.
#[derive(Clone, Debug)]
pub(crate) struct TemplateFile {
    /// From the template's own folder, with `/`.
    pub(crate) path: String,
    /// `100644`, `100755` or `120000`.
    pub(crate) mode: &'static str,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// What a template holds.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) files: Arc<Vec<TemplateFile>>,
}

/// A file of a template may be that large, in bytes.
pub(crate) const LARGEST: u64 = 100 << 20;
/// All of them together.
pub(crate) const LARGEST_TOTAL: u64 = 1 << 30;

/// Reads a template.
///
/// # Errors
/// When it cannot be had, or a file of it cannot be in a repository.
pub(crate) fn load(ctx: &Ctx, source: &Source) -> Result<Template, Failure> {
    source::load(ctx, source)
}

/// An error of the input `template`.
pub(crate) fn bad(why: impl Into<String>) -> Failure {
    Failure::clean(why).input("template")
}
