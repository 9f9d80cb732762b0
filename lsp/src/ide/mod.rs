//! What an editor asks, as pure functions: an analysis and a byte in, plain values out. No type of the protocol is known
//! here; a feature is one file here, one method of the server, one line of its capabilities.

pub mod completion;
mod definition;
mod fixes;
mod format;
mod hover;
mod symbols;

pub use completion::{Item, Request, items, request};
pub use definition::{definition, references};
pub use fixes::{Action, fixes};
pub use format::{Replacement, format};
pub use hover::{Hover, hover};
pub use symbols::{Symbol, symbols};

use dtm_lang::source::{FileId, Span};
use dtm_lang::{Facts, Use};

/// Whether a place is at a byte; the end of a name belongs to it.
fn at(span: Span, file: FileId, offset: u32) -> bool {
    span.file == file && span.start <= offset && offset <= span.end && span.start < span.end
}

/// The name at a byte, the shortest where several are.
fn use_at(facts: &Facts, file: FileId, offset: u32) -> Option<&Use> {
    facts.uses.iter().filter(|u| at(u.at, file, offset)).min_by_key(|u| u.at.end - u.at.start)
}
