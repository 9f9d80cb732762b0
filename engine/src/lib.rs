//! The engine of dtm: a checked program, state and reality become a plan, and the plan is carried out.
//!
//! Flow: [`plan::build`] (graph, read, diff) → [`plan::Plan`] → [`execute::run`] (ready queue, plugin calls,
//! journal). State is reached through [`state::StateStore`], plugins through [`plugin::Plugins`]. The engine
//! prints nothing: it emits [`event::Event`]s.

pub mod conformance;
pub mod event;
pub mod execute;
pub mod graph;
pub mod plan;
pub mod plugin;
pub mod project;
pub mod secret;
pub mod state;

pub use dtm_plugin::protocol::Fields;
