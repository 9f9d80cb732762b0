//! An interface file as Rust types, at build time: a module for each kind with `Inputs` and `Outputs`, a
//! `Settings` struct, and the interface's text and hash. A field that is missing, misspelt or of another type
//! does not compile. A record is a struct, a union of records an enum with the field that tells them apart as its tag, a union of
//! literals an enum of words.

mod types;

use dtm_lang::diag::render::{Format, render};
use dtm_lang::interface::Plugin;
use dtm_lang::types::{FieldType, RecordType};
use std::fmt::Write;
use types::Types;

/// Reads `interface` (a path from the package's folder) and writes `interface.rs` into `OUT_DIR`. Call it from
/// `build.rs`; include the result with `include!(concat!(env!("OUT_DIR"), "/interface.rs"))`.
///
/// # Errors
/// The rendered diagnostics of a wrong interface, or why a file could not be read or written.
pub fn generate(interface: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(interface).map_err(|e| format!("cannot read `{interface}`: {e}"))?;
    let out =
        std::env::var("OUT_DIR").map_err(|_| "OUT_DIR is not set: call this from build.rs".to_string())?;
    let code = rust_types(interface, &text)?;
    let path = std::path::Path::new(&out).join("interface.rs");
    std::fs::write(&path, code).map_err(|e| format!("cannot write `{}`: {e}", path.display()))
}

/// The Rust code of an interface.
///
/// # Errors
/// The rendered diagnostics of a wrong interface.
pub fn rust_types(path: &str, text: &str) -> Result<String, String> {
    let (plugin, sources, diags) = dtm_lang::read_interface(path, text);
    let shown: String = diags.iter().map(|d| render(d, &sources, Format::Human, false)).collect();
    match plugin {
        Some(plugin) if !diags.has_errors() => Ok(code(&plugin, text)),
        _ => Err(shown),
    }
}

fn code(plugin: &Plugin, text: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "/// The text of the interface file.\npub const TEXT: &str = {text:?};");
    let _ = writeln!(out, "/// Its SHA-256, in hexadecimal.\npub const HASH: &str = {:?};", &*plugin.hash);
    let mut types = Types::default();
    let _ = writeln!(out, "/// The settings of the plugin.");
    out += &record(&mut types, "Settings", &plugin.settings, false, &|_| false);
    for (name, kind) in &plugin.kinds {
        let _ = writeln!(out, "/// `{}`\npub mod {} {{", kind.path(), snake(name));
        let inputs = kind.input_record();
        out += "/// What is wanted.\n";
        let once = |name: &str| kind.inputs.get(name).is_some_and(|i| i.write_only);
        out += &record(&mut types, "Inputs", &inputs, true, &once);
        let outputs = kind.outputs.iter();
        let outputs = outputs.map(|(n, o)| (n.clone(), FieldType::plain(o.ty.clone()))).collect();
        out += "/// What is known after it is made.\n";
        out += &record(&mut types, "Outputs", &RecordType::new(outputs, false), true, &|_| false);
        out += "}\n";
    }
    out + &types.code
}

/// A struct of the plugin, or of a kind in whose module it is.
fn record(
    types: &mut Types,
    name: &str,
    record: &RecordType,
    inside: bool,
    write_only: &dyn Fn(&str) -> bool,
) -> String {
    let fields = types.fields(record, name, inside, write_only);
    format!(
        "#[derive(Clone, Debug, ::dtm_plugin::serde::Serialize, ::dtm_plugin::serde::Deserialize)]\n\
         #[serde(crate = \"::dtm_plugin::serde\")]\npub struct {name} {{\n{fields}}}\n"
    )
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
