//! Git repositories for plugins, by the `git` program, always with argument lists. It exports no plugin: `scm` and others link it.
//!
//! ```text
//! destination  ->  store (in place of a repository here, or a copy of the branch of a remote one)  ->  commit  ->  publish
//!                                                                            template  ->  files --^
//! ```
//!
//! Invariants: nothing is ever force-pushed or created a second time; a commit reaches the branch as a whole or not at all;
//! reading runs no code of a repository or a template (`own`).

pub mod destination;
pub mod git;
pub mod managed;
pub mod names;
pub mod own;
pub mod place;
pub mod store;
pub mod template;
