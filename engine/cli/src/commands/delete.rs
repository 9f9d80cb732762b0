//! `dtm delete TOOL...`: removes tools and what depends on them.

use super::run::{RunArgs, can_ask};
use crate::complete;
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::state_of;
use crate::terminal::Terminal;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use dtm_engine::address::typed;
use dtm_engine::plan::Reality;
use dtm_lang::Code;
use std::path::PathBuf;

/// The arguments of `dtm delete`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm delete readme\n  dtm delete -y 'repo[\"cart\"]'\n  dtm delete              shows what is in state and asks"
)]
pub struct Delete {
    /// Tools, families or components, as `dtm state list` shows them.
    #[arg(value_name = "TOOL", add = ArgValueCandidates::new(complete::state))]
    tools: Vec<String>,
    /// The program [default: main.dts].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Does not look at the objects before they are deleted.
    #[arg(long)]
    no_read: bool,
    #[command(flatten)]
    run: RunArgs,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Delete) -> Result<Exit, Failure> {
    let file = FileArg::of(args.file.clone());
    let mut tools = args.tools.clone();
    if tools.is_empty() {
        let (_, store, _) = state_of(global, &file)?;
        let state = store.load()?.state;
        let list: Vec<String> = state.tools.keys().map(|k| format!("  {k}\n")).collect();
        terminal.out(&list.concat());
        if args.run.yes {
            return Err(Failure::new(Code::E0901, "`dtm delete -y` needs the tools to delete")
                .help("name them, or use `dtm destroy`")
                .usage());
        }
        can_ask(&args.run, "delete")?;
        terminal.out("Which ones (separated by blanks)? ");
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        tools = answer.split_whitespace().map(String::from).collect();
        if tools.is_empty() {
            terminal.note("Nothing was changed.");
            return Ok(Exit::Failed);
        }
    }
    let tools: Vec<String> = tools.iter().map(|tool| typed(tool)).collect();
    let reality = if args.no_read { Reality::Recorded } else { Reality::Read };
    super::destroy::remove(global, terminal, &file, &args.run, Some(&tools), (false, reality))
}
