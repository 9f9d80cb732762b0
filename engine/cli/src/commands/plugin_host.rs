//! `dtm plugin-host FILE`: the process of one plugin.

use clap::Args;
use std::path::PathBuf;

/// The arguments of `dtm plugin-host`.
#[derive(Args)]
pub struct PluginHost {
    /// A library or an executable.
    pub file: PathBuf,
    /// Load the library in this process: what a host starts for it.
    #[arg(long, hide = true)]
    pub worker: bool,
}

/// Runs the host and ends the process at once: a plugin's own exit handlers are not run.
pub fn run(host: &PluginHost) -> ! {
    use dtm_engine::plugin::host::{exit, run, work};
    exit(if host.worker { work(&host.file) } else { run(&host.file) })
}
