//! The plugins that are shipped: every folder of `plugins` with an interface of its name. Their interfaces are embedded, with the
//! versions of their packages.
#![allow(clippy::print_stdout)]

use std::fmt::Write;
use std::path::Path;

fn main() -> Result<(), String> {
    // As cargo runs it, not as it was compiled: a target directory may be shared by several checkouts.
    let engine = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?;
    let plugins = Path::new(&engine).join("../plugins");
    println!("cargo::rerun-if-changed={}", plugins.display());
    let entries = std::fs::read_dir(&plugins).map_err(|e| format!("{}: {e}", plugins.display()))?;
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut code = String::from("&[\n");
    for folder in folders {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let interface = folder.join(format!("{name}.dts"));
        if !interface.is_file() {
            continue;
        }
        let manifest = folder.join("Cargo.toml");
        for file in [&interface, &manifest] {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        let version = version(&manifest)?;
        _ = writeln!(code, "({name:?}, include_str!({interface:?}), {version:?}),");
    }
    code += "]\n";
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let path = Path::new(&out).join("shipped.rs");
    std::fs::write(&path, code).map_err(|e| format!("{}: {e}", path.display()))
}

/// The version in the manifest of a package; that of the workspace, which is the engine's too, where it has none of its own.
fn version(manifest: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    let own = text.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    Ok(own.unwrap_or(env!("CARGO_PKG_VERSION")).to_string())
}
