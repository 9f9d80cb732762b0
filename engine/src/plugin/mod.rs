//! Plugins: found (`locate`), run in processes of their own (`process`, [`host`]), called ([`PluginCalls`]).

mod answer;
mod calls;
mod depth;
mod descendants;
#[cfg(test)]
pub(crate) mod double;
pub mod host;
pub mod incoming;
mod library;
mod locate;
mod pool;
pub(crate) mod process;
mod worker;

pub use answer::conforms;
pub use calls::{Pending, PluginCalls, Request};
pub use locate::{Located, Locations, installed_interface, shipped_names};
pub use pool::{CallError, GRACE, LONGEST_PAUSE, Plugins, Settings, Spec};
