//! The plugin `scm`: git repositories by the `git` program, always with argument lists.
//!
//! ```text
//! destination  ->  store (in place of a repository here, or a copy of the branch of a remote one)  ->  commit  ->  publish
//!                                                                            template  ->  files --^
//! ```
//!
//! Invariants: nothing is ever force-pushed or created a second time; a commit reaches the branch as a whole or not at all;
//! reading runs no code of a repository or a template (`own`).

mod destination;
mod file;
mod git;
mod managed;
mod names;
mod own;
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
