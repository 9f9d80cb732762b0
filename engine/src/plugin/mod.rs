//! Plugins: found (`locate`), run in processes of their own (`process`, [`host`]), called ([`Plugins`]).

pub mod host;
mod library;
mod locate;
mod pool;
mod process;

pub use locate::{Located, Locations, installed_interface, shipped_names};
pub use pool::{CallError, GRACE, Plugins, Settings, Spec};
