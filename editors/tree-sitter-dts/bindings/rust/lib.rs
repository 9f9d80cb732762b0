//! The tree-sitter grammar of `.dts` for programs in Rust: the parser that `tree-sitter generate` made of `grammar.js`.

#![allow(unsafe_code)]

use tree_sitter_language::LanguageFn;

unsafe extern "C" {
    fn tree_sitter_dts() -> *const ();
}

/// The grammar, for `tree_sitter::Parser::set_language`.
// SAFETY: the generated function takes nothing and gives a pointer to constant tables.
pub const LANGUAGE: LanguageFn = unsafe { LanguageFn::from_raw(tree_sitter_dts) };

/// The query by which an editor highlights.
pub const HIGHLIGHTS: &str = include_str!("../../queries/highlights.scm");
