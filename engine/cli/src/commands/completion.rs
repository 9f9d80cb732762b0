//! `dtm completion SHELL`

use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// The arguments of `dtm completion`.
#[derive(Args)]
#[command(after_help = "Example:\n  dtm completion bash > ~/.local/share/bash-completion/completions/dtm")]
pub struct Completion {
    /// The shell.
    pub shell: Shell,
}

pub(super) fn run(terminal: &Terminal, args: &Completion) -> Result<Exit, Failure> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "dtm", &mut script);
    terminal.out(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
