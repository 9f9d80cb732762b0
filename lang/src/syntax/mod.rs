//! Text to tree: [`lexer`] → `layout` → [`parse`], and back: [`mod@format`].

pub mod ast;
pub mod format;
pub(crate) mod hidden;
mod layout;
pub mod lexer;
mod literal;
mod parse;
pub mod token;

pub use layout::MAX_DEPTH;
pub use literal::{duration, duration_text, go_duration_text, size, size_text};
pub use parse::{is_address, parse, parse_literal};
