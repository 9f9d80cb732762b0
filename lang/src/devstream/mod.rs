//! DevStream's configurations in YAML, of every version, read as a program.
//!
//! ```text
//! text ──mask──> YAML with places ──sections──> Model ──apps become tools──> tools with options ──> syntax tree
//! ```
//!
//! `[[ ]]` and `${{ tool.instance.outputs.key }}` are masked at equal length before the YAML is read, so that every place stays
//! true and no value can change the structure. `[[ ]]` becomes an expression; `${{ }}` stays a text, of which it is known to which
//! tool it refers. The syntax tree is that of a `.dts` module whose places
//! are in the YAML, so checking, evaluation and diagnostics are those of every program.

mod apps;
mod build;
mod mask;
mod model;
mod options;
mod program;
mod template;
mod tools;
mod values;

use crate::diag::Diagnostics;
use crate::eval::NoOutputs;
use crate::program::Program;
use crate::source::FileId;
use crate::syntax::ast;
use crate::value::Value;

/// The value of a program that was read of YAML: its tools as DevStream would have them, apps expanded.
pub const TOOLS: &str = "tools";

/// Stands for all the YAML files of a folder and of those below it: what a loader reads of it is a line for each, in the order
/// of their names.
pub const FOLDER: &str = "*.yaml";

/// Whether a file is one of DevStream's, by its name.
pub fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// The tools of a program that was read of YAML, a list of objects with `name`, `instanceID`, `dependsOn` and `options`; and what
/// is wrong with their values.
pub fn tools(program: &Program) -> (Option<Value>, Diagnostics) {
    let (values, problems) = program.outputs(&NoOutputs);
    (values.into_iter().find(|(name, _)| **name == *TOOLS).map(|(_, value)| value), problems)
}

/// Whether what stands at a key is a secret, which DevStream had no word for.
pub fn is_secret(key: &str) -> bool {
    const SECRET: [&str; 8] = [
        "token",
        "password",
        "securityvalue",
        "apikey",
        "sshprivatekey",
        "secret_key",
        "secretkey",
        "apitoken",
    ];
    SECRET.contains(&&*key.to_lowercase())
}

/// Reads a configuration as a module. `other` reads a file that it names, by the path from this one.
pub(crate) fn module<'r>(
    (path, file): (&str, FileId),
    text: &str,
    other: &'r mut model::OtherFile<'r>,
    diags: &mut Diagnostics,
) -> ast::Module {
    match model::read((path, file), text, other, diags) {
        Some(model) => program::module(&model, file),
        None => program::empty(file),
    }
}
