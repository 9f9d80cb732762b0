//! `dtm version`

use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;
use clap::Args;

/// The arguments of `dtm version`.
#[derive(Args)]
#[command(after_help = "Example:\n  dtm version")]
pub struct Version {}

pub(crate) fn run(terminal: &Terminal) -> Result<Exit, Failure> {
    if terminal.json {
        terminal.line(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }));
    } else {
        terminal.out(concat!("dtm ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    Ok(Exit::Done)
}
