//! `dtm plan`: what `apply` would do. Takes no lock and changes nothing.

use super::run::{planning_events, runtime};
use crate::args::{Cli, FileArg};
use crate::exit::{Exit, Failure};
use crate::project::Project;
use crate::terminal::Terminal;
use crate::view;
use clap::Args;
use dtm_engine::plan::{BuildOptions, Plan, build};
use dtm_engine::state::State;

/// The arguments of `dtm plan`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm plan\n  dtm plan --set env=prod main.dts\n  dtm plan --detailed-exitcode    exits 2 when there are changes"
)]
pub struct PlanArgs {
    #[command(flatten)]
    file: FileArg,
    /// Takes the state for reality: reads nothing from plugins.
    #[arg(long)]
    no_read: bool,
    /// Exits 0 without changes, 2 with changes, 1 on errors.
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(super) fn run(cli: &Cli, terminal: &Terminal, args: &PlanArgs) -> Result<Exit, Failure> {
    let project = Project::sound(cli, terminal, &args.file)?;
    project.leave();
    let store = project.store(false)?;
    let loaded = project.load(terminal, &store)?;
    let plan = make(terminal, &project, &loaded.state, BuildOptions { no_read: args.no_read })?;
    show(terminal, &project, &plan);
    if plan.diagnostics.has_errors() {
        return Ok(Exit::Failed);
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Done })
}

/// Plans against a state, without a lock.
pub(super) fn make(
    terminal: &Terminal,
    project: &Project,
    state: &State,
    options: BuildOptions,
) -> Result<Plan, Failure> {
    let rt = runtime()?;
    let events = planning_events(terminal);
    Ok(rt.block_on(async {
        let plugins = project.plugins(state, None, events.clone());
        build(&project.program, state, &plugins, &options, &events).await
    }))
}

/// Shows a plan with what is wrong with it.
pub(super) fn show(terminal: &Terminal, project: &Project, plan: &Plan) {
    if terminal.json {
        return terminal.line(&view::plan::json(plan, project.program.sources()));
    }
    terminal.diagnostics(&plan.diagnostics, project.program.sources());
    if !(plan.diagnostics.has_errors() && plan.nodes.is_empty()) {
        terminal.out(&view::plan::text(plan, terminal.style, terminal.width()));
    }
}
