//! The fixes of diagnostics, as an editor offers them.

use crate::world::Analysis;
use dtm_lang::source::{FileId, Span};

/// Something that can be done at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// What it does, beginning with a verb.
    pub title: String,
    /// The position of the diagnostic that it mends, in [`Analysis::diagnostics`].
    pub diagnostic: usize,
    /// The edits: place and replacement.
    pub edits: Vec<(Span, String)>,
    /// Whether it may be done without a look.
    pub safe: bool,
}

/// What mends the problems that touch a range of bytes.
pub fn fixes(analysis: &Analysis, file: FileId, start: u32, end: u32) -> Vec<Action> {
    let touched = analysis.diagnostics.iter().enumerate().filter(|(_, d)| {
        d.primary.as_ref().is_some_and(|p| p.span.file == file && p.span.start <= end && start <= p.span.end)
    });
    touched
        .flat_map(|(diagnostic, d)| {
            d.fixes.iter().map(move |fix| Action {
                title: fix.title.clone(),
                diagnostic,
                edits: fix.edits.clone(),
                safe: fix.safe,
            })
        })
        .collect()
}
