//! `dtm check`: parses, resolves, type-checks, evaluates what is known. Touches nothing.

use crate::args::{Cli, FileArg};
use crate::exit::{Exit, Failure};
use crate::project::Project;
use crate::terminal::Terminal;
use crate::view::count;
use clap::Args;
use dtm_lang::Purpose;
use dtm_lang::diag::render::{Format, render};

/// The arguments of `dtm check`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm check\n  dtm check --format short main.dts\n  dtm check --set env=prod --json"
)]
pub struct Check {
    #[command(flatten)]
    file: FileArg,
}

pub(super) fn run(cli: &Cli, terminal: &Terminal, args: &Check) -> Result<Exit, Failure> {
    let (project, mut diagnostics) = Project::open(cli, &args.file, Purpose::Check)?;
    if !diagnostics.has_errors()
        && let Err(cycle) = dtm_engine::plan::waves(&project.program)
    {
        diagnostics.push(*cycle);
    }
    let color = terminal.format == Format::Human && terminal.style.is_on();
    let shown: String =
        diagnostics.iter().map(|d| render(d, project.program.sources(), terminal.format, color)).collect();
    terminal.out(&shown);
    let (errors, warnings) = diagnostics.counts();
    if terminal.format == Format::Human && !terminal.quiet {
        let tools = count(project.program.instances().len(), "tool");
        terminal.out(&match (errors, warnings) {
            (0, 0) => format!("No errors: {tools}.\n"),
            (0, _) => format!("No errors, {}: {tools}.\n", count(warnings, "warning")),
            (_, 0) => format!("{}.\n", count(errors, "error")),
            _ => format!("{}, {}.\n", count(errors, "error"), count(warnings, "warning")),
        });
    }
    Ok(if errors > 0 { Exit::Failed } else { Exit::Done })
}
