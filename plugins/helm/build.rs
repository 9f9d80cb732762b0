//! The interface as Rust types.
#![allow(clippy::print_stdout)]

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=helm.dts");
    dtm_plugin_build::generate("helm.dts")
}
