//! `dtm plan`: what `apply` would do. Takes no lock and changes nothing.

use super::run::{planning_events, runtime};
use super::saved;
use crate::args::{Cli, FileArg, SelectArgs};
use crate::exit::{Exit, Failure};
use crate::project::Project;
use crate::terminal::Terminal;
use crate::view;
use clap::Args;
use dtm_engine::plan::saved::Saved;
use dtm_engine::plan::{BuildOptions, Plan, build};
use dtm_engine::state::State;
use std::path::PathBuf;

/// The arguments of `dtm plan`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm plan\n  dtm plan --set env=prod main.dts\n  dtm plan --only repo           only this, and what it depends on\n  dtm plan -o the.plan            saves it, for `dtm apply the.plan`\n  dtm plan the.plan               shows what was saved\n  dtm plan --detailed-exitcode    exits 2 when there are changes"
)]
pub struct PlanArgs {
    /// The configuration, or a saved plan [default: main.dts].
    #[command(flatten)]
    file: FileArg,
    /// Saves the plan, to be carried out as it is: `dtm apply PLAN`.
    #[arg(short = 'o', long = "out", value_name = "PLAN")]
    out: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
    /// Takes the state for reality: reads nothing from plugins.
    #[arg(long)]
    no_read: bool,
    /// Exits 0 without changes, 2 with changes, 1 on errors.
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(super) fn run(cli: &Cli, terminal: &Terminal, args: &PlanArgs) -> Result<Exit, Failure> {
    let code = |plan: &Plan| match args.detailed_exitcode && !plan.is_empty() {
        true => Exit::Changes,
        false => Exit::Done,
    };
    if let Some(path) = args.file.file.as_deref().filter(|path| Saved::is_one(path)) {
        saved::only_the_plan(cli, &args.select)?;
        return saved::show(terminal, path).map(|plan| code(&plan));
    }
    let (project, made_of) = match &args.out {
        Some(_) => {
            let (project, inputs, read) = Project::recorded(cli, terminal, &args.file)?;
            (project, Some((inputs, read)))
        }
        None => (Project::sound(cli, terminal, &args.file)?, None),
    };
    project.leave();
    let store = project.store(false)?;
    let loaded = project.load(terminal, &store)?;
    let plan = make(terminal, &project, &loaded.state, args.select.options(args.no_read))?;
    show(terminal, &project, &plan);
    if plan.diagnostics.has_errors() {
        if let Some(out) = &args.out {
            terminal.note(&format!(
                "Not saved as `{}`: a plan with errors cannot be carried out.",
                out.display()
            ));
        }
        return Ok(Exit::Failed);
    }
    if let (Some(out), Some((inputs, read))) = (&args.out, &made_of) {
        saved::save(terminal, &project, (inputs, read), (&store, &loaded), &plan, out)?;
    }
    Ok(code(&plan))
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
