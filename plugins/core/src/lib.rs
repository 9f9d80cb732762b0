//! The plugin `core`: one file for each family of kinds.

mod command;
mod directory;
mod exec;
mod file;
mod password;
mod path;
mod value;
mod wait;

/// Types of the interface file `core.dts`.
#[allow(missing_docs)]
pub mod interface {
    include!(concat!(env!("OUT_DIR"), "/interface.rs"));
}

dtm_plugin::export_plugin! {
    name: "core",
    interface: interface::HASH,
    settings: interface::Settings,
    kinds: [
        file::File,
        file::SecretFile,
        directory::Directory,
        exec::Exec,
        value::Value,
        wait::Wait,
        password::Password
    ]
}
