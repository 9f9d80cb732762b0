//! An interface file as Rust types, at build time: a module for each kind with `Inputs` and `Outputs`, a
//! `Settings` struct, and the interface's text and hash. A field that is missing, misspelt or of another type
//! does not compile.

use dtm_lang::diag::render::{Format, render};
use dtm_lang::interface::Plugin;
use dtm_lang::types::{Lit, RecordType, Type};
use std::fmt::Write;

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
    let _ = writeln!(out, "/// The settings of the plugin.");
    out += &record("Settings", &plugin.settings, &|_| false);
    for (name, kind) in &plugin.kinds {
        let _ = writeln!(out, "/// `{}`\npub mod {} {{", kind.path(), snake(name));
        let inputs = kind.input_record();
        out += "/// What is wanted.\n";
        let once = |name: &str| kind.inputs.get(name).is_some_and(|i| i.write_only);
        out += &record("Inputs", &inputs, &once);
        let outputs = kind.outputs.iter();
        let outputs =
            outputs.map(|(n, o)| (n.clone(), dtm_lang::types::FieldType::plain(o.ty.clone()))).collect();
        out += "/// What is known after it is made.\n";
        out += &record("Outputs", &RecordType::new(outputs, false), &|_| false);
        out += "}\n";
    }
    out
}

/// A struct. What is write-only is absent from what was recorded, and so optional.
fn record(name: &str, record: &RecordType, write_only: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::from(
        "#[derive(Clone, Debug, ::dtm_plugin::serde::Serialize, ::dtm_plugin::serde::Deserialize)]\n",
    );
    out += "#[serde(crate = \"::dtm_plugin::serde\")]\n";
    let _ = writeln!(out, "pub struct {name} {{");
    for (field, ty) in &record.fields {
        let doc = ty.doc.as_deref().unwrap_or("See the interface.");
        doc.lines().for_each(|line| _ = writeln!(out, "/// {line}"));
        let optional = write_only(field) && !ty.ty.is_nullable();
        // What is null is not on the wire.
        if ty.ty.is_nullable() || optional || matches!(ty.ty, Type::Any) {
            out += "#[serde(default)]\n";
        }
        let rust = if optional { format!("Option<{}>", rust(&ty.ty)) } else { rust(&ty.ty) };
        let _ = writeln!(out, "pub r#{field}: {rust},");
    }
    out + "}\n"
}

fn rust(ty: &Type) -> String {
    match ty {
        Type::Bool | Type::Lit(Lit::Bool(_)) => "bool".into(),
        Type::Int | Type::Lit(Lit::Int(_)) => "i64".into(),
        Type::Float => "f64".into(),
        Type::String | Type::Lit(Lit::String(_)) => "String".into(),
        Type::Duration => "::dtm_plugin::Nanoseconds".into(),
        Type::Size => "::dtm_plugin::Size".into(),
        Type::List(t) => format!("Vec<{}>", rust(t)),
        Type::Map(t) => format!("std::collections::BTreeMap<String, {}>", rust(t)),
        Type::Secret(t) => format!("::dtm_plugin::Secret<{}>", rust(t)),
        Type::Refined(r) => rust(&r.base),
        Type::Union(_) if ty.is_nullable() => format!("Option<{}>", rust(&ty.non_null())),
        Type::Union(m) if m.iter().all(|t| matches!(t, Type::Lit(Lit::String(_)))) => "String".into(),
        _ => "::dtm_plugin::serde_json::Value".into(),
    }
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
