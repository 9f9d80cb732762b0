//! Other languages whose files are modules of a program.
//!
//! A front end turns the text of a file into the syntax tree of a `.dts` module, with places in that file; checking, evaluation
//! and diagnostics are those of every program. Which front ends there are is up to the `Loader`.

use crate::diag::{CODES, Code, Diagnostics};
use crate::source::{FileId, Sources};
use crate::syntax::ast;

/// A file that a front end reads.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// The path, relative to the project's root.
    pub path: &'a str,
    /// The file, for spans.
    pub file: FileId,
    /// The whole text.
    pub text: &'a str,
}

/// Reads another file that a text names, by its path from that text: adds it to the sources, and returns it with its text.
pub type Other<'a> = dyn FnMut(&str) -> Result<(FileId, String), String> + 'a;

/// A language whose files are modules of a program.
pub trait Frontend: Send + Sync {
    /// The codes of its diagnostics.
    fn codes(&self) -> &'static [Code];

    /// Whether it reads a file, by its path.
    fn reads(&self, path: &str) -> bool;

    /// A name for all files in a folder and below it that this front end reads, if it supports one. Reading that name from a loader
    /// returns their paths, one per line, in order.
    fn folder(&self) -> Option<&'static str> {
        None
    }

    /// Whether a file is a program for sure, where others of the same name are not: an editor says nothing of those.
    fn is_program(&self, text: &str) -> bool {
        let _ = text;
        true
    }

    /// Reads a file as a module. What cannot be read is reported, and the rest is returned.
    fn module(&self, text: Text<'_>, other: &mut Other<'_>, diags: &mut Diagnostics) -> ast::Module;

    /// The diagnostics of a program with such files: those of [`Frontend::module`] and those of the checker, each problem once.
    /// A program that is only checked may have warnings where a plan has errors.
    fn settle(&self, read: Diagnostics, checked: Diagnostics, strict: bool, sources: &Sources)
    -> Diagnostics;
}

/// The front end that reads a file, if it is not a `.dts` file.
pub(crate) fn of<'f>(frontends: &[&'f dyn Frontend], path: &str) -> Option<&'f dyn Frontend> {
    let builtin = path.starts_with("std/") || path.starts_with('<');
    frontends.iter().copied().find(|f| !builtin && f.reads(path))
}

/// The codes of `.dts` and of front ends, in the order of their ids, errors first.
pub fn codes(frontends: &[&dyn Frontend]) -> Vec<Code> {
    let mut all: Vec<Code> = CODES.to_vec();
    all.extend(frontends.iter().flat_map(|f| f.codes()));
    all.sort();
    all
}
