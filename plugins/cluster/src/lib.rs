//! What the plugins for Kubernetes share. [`Cluster`] is a connection with the kinds that its server knows; objects are JSON
//! values, as the server sends them. [`owned`] says which fields of an object are ours and what they hold, [`ready`] whether it
//! is ready, [`report`] why it is not.

mod cluster;
mod fault;
mod live;
mod names;
mod objects;
pub mod owned;
pub mod ready;
pub mod report;
mod resources;
mod settings;
mod settle;

pub use cluster::{Cluster, place};
pub use fault::{Cause, Fault};
pub use live::{Live, found};
pub use names::{Name, api_version, kind, labels, metadata, name, namespace, uid};
pub use objects::Apply;
pub use resources::Resource;
pub use settings::Settings;
pub use settle::Settled;

/// The name under which dtm owns fields.
pub const MANAGER: &str = "dtm";
