//! Templates: where they come from, and the files they hold.

mod archive;
mod render;
mod source;

pub use render::render;
pub use source::{Source, exists, parse};

use crate::store::Mode;
use dtm_plugin::{Ctx, Failure};
use std::io::Read;
use std::path::{Component, Path};
use std::sync::Arc;

/// A file of a template, before it is rendered.
#[derive(Clone, Debug)]
pub struct TemplateFile {
    /// From the template's own folder, with `/`.
    pub path: String,
    /// What kind of file.
    pub mode: Mode,
    /// What it holds; for a link, its target.
    pub bytes: Arc<Vec<u8>>,
}

/// What a template holds.
#[derive(Clone, Debug)]
pub struct Template {
    /// The files, by path.
    pub files: Arc<Vec<TemplateFile>>,
}

/// A file of a template may be that large, in bytes, before and after it is rendered.
pub const LARGEST: u64 = 100 << 20;
/// All of them together.
const LARGEST_TOTAL: u64 = 1 << 30;

/// How much was extracted from a template so far.
#[derive(Default)]
struct Limits {
    bytes: u64,
    entries: usize,
}

impl Limits {
    /// Files, folders and everything else that an archive lists.
    const ENTRIES: usize = 100_000;

    fn too_large() -> String {
        format!("the template is larger than {} MiB", LARGEST_TOTAL >> 20)
    }

    /// How much a stream of entries may have, with their headers and padding.
    fn stream(&self) -> u64 {
        LARGEST_TOTAL + Self::ENTRIES as u64 * 1024
    }

    /// Counts an entry.
    fn entry(&mut self) -> Result<(), Failure> {
        self.entries += 1;
        match self.entries > Self::ENTRIES {
            true => Err(bad(format!("the template has more than {} entries", Self::ENTRIES))),
            false => Ok(()),
        }
    }

    /// Counts the bytes of a file.
    fn file(&mut self, name: &str, size: u64) -> Result<(), Failure> {
        if size > LARGEST {
            let most = LARGEST >> 20;
            return Err(bad(format!(
                "`{name}` has more than {most} MiB, which a file of a template may have at most"
            )));
        }
        self.bytes += size;
        match self.bytes > LARGEST_TOTAL {
            true => Err(bad(Self::too_large())),
            false => Ok(()),
        }
    }

    /// Reads a file, and counts what comes out. The inner error is that of reading.
    fn read(&mut self, name: &str, input: &mut impl Read) -> Result<std::io::Result<Vec<u8>>, Failure> {
        let mut bytes = vec![];
        if let Err(e) = input.take(LARGEST + 1).read_to_end(&mut bytes) {
            return Ok(Err(e));
        }
        self.file(name, bytes.len() as u64)?;
        Ok(Ok(bytes))
    }
}

/// A template of these files.
fn whole(mut files: Vec<TemplateFile>) -> Result<Template, Failure> {
    if files.is_empty() {
        return Err(bad("the template holds no file"));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Template { files: Arc::new(files) })
}

/// Whether a link's target, by its text alone, leaves the folder that it is in.
fn leads_out(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count() as i64 - 1;
    for part in target.components() {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return true,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Reads a template.
///
/// # Errors
/// When it cannot be had, or a file of it cannot be in a repository.
pub fn load(ctx: &Ctx, source: &Source) -> Result<Template, Failure> {
    source::load(ctx, source)
}

/// An error of the input `template`.
pub fn bad(why: impl Into<String>) -> Failure {
    Failure::clean(why).input("template")
}
