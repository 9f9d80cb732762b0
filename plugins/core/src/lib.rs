//! The plugin `core`: one file for each family of kinds.

mod directory;
mod file;
mod password;
mod path;
mod value;

/// Types of the interface file `core.dts`.
#[allow(missing_docs)]
pub mod interface {
    include!(concat!(env!("OUT_DIR"), "/interface.rs"));
}

dtm_plugin::export_plugin! {
    name: "core",
    interface: interface::HASH,
    settings: interface::Settings,
    kinds: [file::File, file::SecretFile, directory::Directory, value::Value, password::Password]
}
