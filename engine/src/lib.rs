//! The engine of dtm: a checked program, state and reality become a plan, and the plan is carried out.
//!
//! Flow: [`plan::build`] (graph, read, diff) → [`plan::Plan`] → [`execute::run`] (ready queue, plugin calls,
//! journal). State is reached through [`state::StateStore`], plugins through [`plugin::PluginCalls`]. The engine
//! prints nothing: it emits [`event::Event`]s.

pub mod address;
pub mod archive;
pub mod clock;
pub mod conformance;
pub mod difference;
pub mod event;
pub mod execute;
pub mod graph;
pub mod names;
pub mod plan;
pub mod plugin;
pub mod project;
pub mod secret;
#[cfg(feature = "sops")]
pub mod sops;
pub mod state;
pub mod stop;
mod tasks;
#[cfg(test)]
mod testing;
pub mod workspace;

pub use dtm_plugin::protocol::{Fields, PlannedFile};
pub use dtm_plugin::{in_words, reason};

/// The hash of bytes: SHA-256, hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
