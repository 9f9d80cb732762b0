//! `dtm completion SHELL`: a script by which the shell asks dtm itself for completions.

use crate::complete::VARIABLE;
use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;
use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;
use dtm_lang::Code;

/// The arguments of `dtm completion`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm completion bash > ~/.local/share/bash-completion/completions/dtm\n  dtm completion zsh > ~/.zfunc/_dtm\n  dtm completion fish > ~/.config/fish/completions/dtm.fish\n\nIt also completes addresses, params, starters, kinds and codes, without running any project code."
)]
pub struct Completion {
    /// The shell.
    pub shell: Shell,
}

pub(crate) fn run(terminal: &Terminal, args: &Completion) -> Result<Exit, Failure> {
    let mut script = vec![];
    let shells = Shells::builtins();
    let written = shells
        .completer(&args.shell.to_string())
        .map(|shell| shell.write_registration(VARIABLE, "dtm", "dtm", "dtm", &mut script));
    if !matches!(written, Some(Ok(()))) {
        let headline = format!("there is no completion script for {}", args.shell);
        return Err(Failure::new(Code::E0901, headline).usage());
    }
    terminal.raw(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
