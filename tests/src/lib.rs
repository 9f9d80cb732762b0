//! The harness: Markdown suites ([`suite`], [`stage`]), the sandbox in which commands run ([`sandbox`]).
//!
//! A suite reads as a chapter of the manual. Headings name tests, prose explains, fenced blocks are files and
//! expected outputs; which outputs stand in a section decides what is run:
//!
//! | block | what it is |
//! |---|---|
//! | `dts [name]`, `yaml name`, `json name`, `toml name`, `csv name`, `text name` | a file (`main.dts` without a name); a later block of the same name replaces it |
//! | `// error: [E0301] "part"` at the end of a line of `dts` | exactly this diagnostic begins on this line |
//! | `diagnostics` | what `dtm check` shows |
//! | `value` | the program's outputs as JSON |
//! | `tokens`, `ast` | what lexer and parser make of `main.dts` |
//! | `formatted` | `dtm fmt` of `main.dts` |
//! | `fixed` | `main.dts` after all fixes of its diagnostics |
//! | `graph`, `plan`, `apply`, `state` | what these commands show |
//! | `console` | a transcript: `$ command`, its output, `--- stderr ---`, `[exit n]` |
//!
//! A section with files and no outputs is checked: every diagnostic must be matched, every comment used.
//! `DTM_BLESS=1` writes what was found into the suite; read it before you commit it.

pub mod bench;
pub mod contract;
pub mod git_http;
mod leaks;
pub mod lsp;
pub mod plugins;
pub mod sandbox;
pub mod services;
pub mod stage;
pub mod suite;
