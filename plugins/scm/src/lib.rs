//! The plugin `scm`: git repositories by the `git` program, always with argument lists.
//!
//! ```text
//! destination  ->  store (a bare repository, or a copy of the branch of a remote one)  ->  commit  ->  publish
//!                                                                  template  ->  files --^
//! ```
//!
//! Invariant: nothing is ever force-pushed or made anew; a commit reaches the branch as a whole or not at all.

mod destination;
mod file;
mod git;
mod ours;
mod place;
mod repo;
mod scaffold;
mod store;
mod template;

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
