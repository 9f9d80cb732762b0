//! `dtm apply`: plans, asks, carries the plan out; or carries out one that was saved.

use super::run::{
    Run, RunArgs, Switch, ask, carry_out, lock_of, needs_plugins, options, planning_events, record, refuse,
    runtime,
};
use super::saved;
use crate::exit::{Exit, Failure};
use crate::options::{ConfigFiles, FileArg, Global, SelectArgs};
use crate::project::Project;
use crate::store::holder;
use crate::terminal::Terminal;
use crate::trace::Trace;
use crate::trust::Ledger;
use crate::view;
use crate::view::paper::Paper;
use clap::Args;
use dtm_engine::plan::build;
use dtm_engine::plan::saved::Saved;
use dtm_engine::state::{Applied, Record, now};
use dtm_lang::Code;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments of `dtm apply`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm apply\n  dtm apply -y --set env=prod main.dts\n  dtm apply the.plan        exactly what `dtm plan -o the.plan` saved\n  dtm apply --new-state     begins a state where another one was used before"
)]
pub struct Apply {
    /// The program, or a saved plan [default: main.dts].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    more: ConfigFiles,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// Starts a new state, even if this project used another one before.
    #[arg(long)]
    new_state: bool,
    /// Takes over the state of another root file; tools that are not in this file are deleted.
    #[arg(long)]
    take_over: bool,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Apply) -> Result<Exit, Failure> {
    let saved = args.file.as_deref().filter(|path| Saved::is_one(path));
    if saved.is_some() {
        saved::only_the_plan(global, &args.select)?;
    }
    let trace = Trace::begin("apply", args.run.trace.as_deref())?;
    trace.phase("check");
    let saved = match saved {
        Some(path) => {
            if args.new_state || args.take_over {
                let headline = "a saved plan already names its state";
                return Err(Failure::new(Code::E0901, headline)
                    .help("remove `--new-state` and `--take-over`")
                    .usage());
            }
            Some(saved::open(path)?)
        }
        None => None,
    };
    let project = match &saved {
        Some((project, _)) => project,
        None => &Project::open_valid(
            global,
            terminal,
            &FileArg { file: args.file.clone(), more: args.more.clone() },
        )?,
    };
    trace.phase("lock");
    let store = project.store(global, terminal, args.new_state)?;
    let session = project.lock(global, terminal, "apply", &store, args.take_over)?;
    let loaded = session.loaded().clone();
    let state = loaded.state.clone();
    if let Some(left) = project.made_by_devstream(&state).filter(|_| !args.new_state) {
        return Err(Failure::of(left));
    }
    trace.phase("plan");
    let switch = Switch::new(planning_events(terminal));
    let events = switch.events();
    let rt = runtime()?;
    let lock = lock_of(&*session)?;
    let plugins = rt.block_on(async { project.plugins(&state, lock, events.clone()) })?;
    let plan = match &saved {
        Some((project, saved)) => saved::fitting(project, saved, &loaded, &*plugins)?,
        None => rt.block_on(build(&project.program, &state, &plugins, &args.select.options(false), &events)),
    };
    let sources = project.program.sources();
    if terminal.json {
        let mut value = view::json::plan(&plan, sources);
        value["event"] = "plan".into();
        terminal.line(&value);
    } else if let (false, false) = (terminal.quiet, plan.diagnostics.has_errors() && plan.nodes.is_empty()) {
        args.run.show(terminal, &view::plan::text(&plan, Paper::of(terminal)));
        super::plan::applied(terminal, &plan);
    }
    refuse(&plan, sources)?;
    needs_plugins(&plan, &project.program)?;
    if plan.records_secrets() {
        session.keeps_secrets()?;
    }
    trace.phase("ask");
    let root = (state.root != project.file).then(|| Record::Root { root: project.file.clone() });
    if plan.is_empty() {
        let outputs = plan.local_outputs.clone().map(|outputs| Record::Outputs { outputs });
        let records: Vec<Record> = root.into_iter().chain(outputs).collect();
        let outputs = plan.local_outputs.as_ref().unwrap_or(&state.outputs);
        if !records.is_empty() {
            record(&rt, session, records)?;
        }
        trace.finish()?;
        if !terminal.json && !terminal.quiet {
            terminal.out(&view::summary::outputs(outputs, Paper::of(terminal)));
        }
        return Ok(Exit::Done);
    }
    if !ask(terminal, &args.run, "apply", "Apply this plan?")? {
        terminal.note("Nothing was changed.");
        return Ok(Exit::Failed);
    }
    if !terminal.json && !terminal.quiet {
        terminal.out("\n");
    }
    let next = match &saved {
        Some(_) => "plan again with the same params, and apply that plan".into(),
        None => project.command_again("apply", global) + &args.select.again(),
    };
    let options = options(&args.run, Some(&project.program));
    let program = Some(project.program.clone());
    let redactor = project.around.redactor.clone();
    let consumed = saved.as_ref().map(|(_, saved)| {
        Record::Consumed(Applied {
            plan: saved.id.clone(),
            who: holder("apply").who,
            time: now(),
            serial: state.serial,
        })
    });
    let before = root.into_iter().chain(consumed).collect();
    let done = carry_out(
        terminal,
        &rt,
        Run {
            program,
            plan: Arc::new(plan),
            plugins,
            session,
            switch,
            redactor,
            options,
            trace,
            before,
            next,
            ledger: Ledger::of(&project.around),
        },
    );
    if let (Some((project, saved)), Ok(_)) = (&saved, &done) {
        project.around.drop_plan_key(&saved.id);
    }
    done
}
