//! The language of dtm: text to tokens, to syntax, to a checked program, to values. Pure: files, the standard
//! library and interfaces come through [`loader::Loader`], the environment and params in [`Inputs`].

mod budget;
pub mod builtin;
mod check;
pub mod data;
mod depth;
pub mod diag;
pub mod encode;
mod environment;
mod eval;
pub mod frontend;
pub mod hir;
pub mod index;
mod inputs;
pub mod interface;
pub mod loader;
pub mod maps;
mod params;
pub mod print;
pub mod program;
pub mod sealed;
pub mod shell;
pub mod source;
pub mod syntax;
pub mod testing;
mod text;
pub mod types;
pub mod value;
pub mod wire;

pub use check::{CURSOR, Cursor, Definition, Facts, Named, Use};
pub use check::{
    Checked, EXPRESSION, check, check_for_editor, check_inside, check_leniently, interface_hash,
    read_interface,
};
pub use data::{read_data, same_json, toml_keys};
pub use depth::{MAX_DEPTH, depth, too_deep};
pub use diag::{Code, Diagnostic, Diagnostics, Severity};
pub use environment::Environment;
pub use eval::{NoOutputs, Outputs};
pub use frontend::Frontend;
pub use inputs::{Given, Inputs, Origin, Purpose};
pub use loader::{Loader, Shipped};
pub use program::{Instance, Options, Program};
pub use source::{FileId, Sources, Span, Symbol};
pub use value::{InstanceId, Value};
