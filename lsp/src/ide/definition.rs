//! Where a name is declared, and where it is used.

use super::{at, use_at};
use crate::world::Analysis;
use dtm_lang::source::{FileId, Span};

/// Where the name at a byte is declared.
pub fn definition(analysis: &Analysis, file: FileId, offset: u32) -> Option<Span> {
    if let Some(found) = use_at(&analysis.facts, file, offset) {
        return found.definition;
    }
    analysis.facts.definitions.iter().map(|d| d.at).find(|s| at(*s, file, offset))
}

/// Every place where the name at a byte is used; with `declaration` the one where it is declared too.
pub fn references(analysis: &Analysis, file: FileId, offset: u32, declaration: bool) -> Vec<Span> {
    let Some(target) = definition(analysis, file, offset) else { return vec![] };
    let mut all: Vec<Span> =
        analysis.facts.uses.iter().filter(|u| u.definition == Some(target)).map(|u| u.at).collect();
    if declaration && target.start < target.end {
        all.push(target);
    }
    all.sort_by_key(|s| (s.file, s.start, s.end));
    all.dedup();
    all
}
