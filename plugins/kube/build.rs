//! The interface as Rust types.
#![allow(clippy::print_stdout)]

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=kube.dts");
    dtm_plugin_build::generate("kube.dts")
}
