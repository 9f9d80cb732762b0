//! Plugins: found (`locate`), run in processes of their own (`process`, [`host`]), called ([`Plugins`]).

mod answer;
mod depth;
mod descendants;
pub mod host;
pub mod incoming;
mod library;
mod locate;
mod pool;
pub(crate) mod process;
mod worker;

pub use answer::conforms;
pub use locate::{Located, Locations, installed_interface, shipped_names};
pub use pool::{CallError, GRACE, LONGEST_PAUSE, Plugins, Settings, Spec};
