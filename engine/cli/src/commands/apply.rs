//! `dtm apply`: locks, plans, asks, carries out.

use super::run::{
    Run, RunArgs, Switch, ask, can_ask, carry_out, lock_of, needs_plugins, options, planning_events, record,
    refuse, runtime,
};
use crate::args::{Cli, FileArg};
use crate::exit::{Exit, Failure};
use crate::project::Project;
use crate::terminal::Terminal;
use crate::view;
use clap::Args;
use dtm_engine::plan::{BuildOptions, build};
use std::sync::Arc;

/// The arguments of `dtm apply`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm apply\n  dtm apply -y --set env=prod main.dts\n  dtm apply --parallelism 4 --fail-fast"
)]
pub struct Apply {
    #[command(flatten)]
    file: FileArg,
    #[command(flatten)]
    run: RunArgs,
    /// Begins a new state where an earlier one is gone or was kept elsewhere.
    #[arg(long)]
    new_state: bool,
    /// Takes over a state that belongs to another root file.
    #[arg(long)]
    take_over: bool,
}

pub(super) fn run(cli: &Cli, terminal: &Terminal, args: &Apply) -> Result<Exit, Failure> {
    can_ask(&args.run, "apply")?;
    let project = Project::sound(cli, terminal, &args.file)?;
    let store = project.store(args.new_state)?;
    let session = project.lock(cli, terminal, "apply", &store, args.take_over)?;
    let state = session.loaded().state.clone();
    let switch = Switch::new(planning_events(terminal));
    let events = switch.events();
    let rt = runtime()?;
    let lock = lock_of(&*session)?;
    let plugins = rt.block_on(async { project.plugins(&state, lock, events.clone()) });
    let plan = rt.block_on(build(&project.program, &state, &plugins, &BuildOptions::default(), &events));
    let sources = project.program.sources();
    if terminal.json {
        let mut value = view::plan::json(&plan, sources);
        value["event"] = "plan".into();
        terminal.line(&value);
    } else if let (false, false) = (terminal.quiet, plan.diagnostics.has_errors() && plan.nodes.is_empty()) {
        terminal.out(&view::plan::text(&plan, terminal.style, terminal.width()));
    }
    refuse(&plan, sources)?;
    needs_plugins(&plan, &project.program)?;
    if plan.records_secrets() {
        session.keeps_secrets()?;
    }
    let root = (state.root != project.file).then(|| project.file.clone());
    if plan.is_empty() {
        if let Some(root) = root {
            record(&rt, session, dtm_engine::state::Record::Root { root })?;
        }
        if !terminal.json && !terminal.quiet {
            terminal.out(&view::summary::outputs(&state.outputs, terminal.style, terminal.width()));
        }
        return Ok(Exit::Done);
    }
    if !ask(terminal, &args.run, "Carry this out?") {
        terminal.note("Nothing was changed.");
        return Ok(Exit::Failed);
    }
    if !terminal.json && !terminal.quiet {
        terminal.out("\n");
    }
    let next = project.command("apply");
    let options = options(&args.run, Some(&project.program));
    let program = Some(project.program.clone());
    let redactor = project.around.redactor.clone();
    carry_out(
        cli,
        terminal,
        &rt,
        Run { program, plan: Arc::new(plan), plugins, session, switch, redactor, options, root, next },
    )
}
