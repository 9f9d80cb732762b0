//! Fixes carried out: the texts of files after the edits that diagnostics offer.

use super::{Diagnostics, Fix};
use crate::source::{FileId, Sources, Span};
use std::collections::BTreeMap;

/// Which fixes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that say what was meant, whatever it was.
    Safe,
    /// Guesses too: the nearest name.
    All,
}

/// The new texts of the files that change, by the first fix of each diagnostic; edits that meet another one are left for the
/// next time.
pub fn fixed(diagnostics: &Diagnostics, sources: &Sources, which: Which) -> BTreeMap<FileId, String> {
    let wanted = |fix: &&Fix| which == Which::All || fix.safe;
    let mut edits: Vec<(Span, String)> = diagnostics
        .iter()
        .filter_map(|d| d.fixes.iter().find(wanted))
        .flat_map(|fix| fix.edits.clone())
        .collect();
    edits.sort();
    edits.dedup();
    let mut texts: BTreeMap<FileId, String> = BTreeMap::new();
    let mut before: BTreeMap<FileId, usize> = BTreeMap::new();
    for (span, with) in edits.iter().rev() {
        let text = texts.entry(span.file).or_insert_with(|| sources.file(span.file).text.to_string());
        let next = before.entry(span.file).or_insert(usize::MAX);
        if span.range().end <= *next && text.get(span.range()).is_some() {
            text.replace_range(span.range(), with);
            *next = span.range().start;
        }
    }
    texts
}
