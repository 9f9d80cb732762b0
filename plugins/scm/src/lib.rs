//! The plugin `scm`: git repositories and what is in them, with the library `dtm-git`.

mod file;
mod repo;
mod scaffold;

/// Types of the interface file `scm.dts`.
#[allow(missing_docs)]
pub mod interface {
    include!(concat!(env!("OUT_DIR"), "/interface.rs"));
}

dtm_plugin::export_plugin! {
    name: "scm",
    interface: interface::HASH,
    settings: interface::Settings,
    kinds: [repo::Repo, scaffold::Scaffold, file::File]
}
