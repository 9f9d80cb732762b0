//! `dtm plugin-host FILE`: the process of one plugin.

use clap::Args;
use std::path::PathBuf;

/// The arguments of `dtm plugin-host`.
#[derive(Args)]
pub struct PluginHost {
    /// A library or an executable.
    pub file: PathBuf,
}

/// Runs the host and ends the process at once: a plugin's own exit handlers are not run.
pub fn run(host: &PluginHost) -> ! {
    dtm_engine::plugin::host::exit(dtm_engine::plugin::host::run(&host.file))
}
