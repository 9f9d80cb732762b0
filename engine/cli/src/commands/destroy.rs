//! `dtm destroy`: removes everything that the state knows, in reverse order.

use super::run::{Run, RunArgs, Switch, ask, carry_out, lock_of, options, planning_events, refuse, runtime};
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::{Project, own_state};
use crate::store::{enter, trusted_plugins};
use crate::terminal::Terminal;
use crate::trace::Trace;
use crate::trust::Ledger;
use crate::view;
use crate::view::paper::Paper;
use clap::Args;
use dtm_engine::plan::{Action, Plan, Reality, destroy, known_in_state, settings_of};
use dtm_engine::plugin::Settings;
use dtm_engine::project::shipped_kind;
use dtm_engine::state::{Entry, State};
use dtm_lang::Program;
use dtm_lang::shell::more;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The arguments of `dtm destroy`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm destroy\n  dtm destroy -y main.dts\n  dtm destroy --state    without reading the program"
)]
pub struct Destroy {
    #[command(flatten)]
    file: FileArg,
    #[command(flatten)]
    run: RunArgs,
    /// Uses only the state; works even if the program cannot be read.
    #[arg(long)]
    state: bool,
    /// Does not look at the objects before they are deleted.
    #[arg(long)]
    no_read: bool,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Destroy) -> Result<Exit, Failure> {
    let reality = if args.no_read { Reality::Recorded } else { Reality::Read };
    remove(global, terminal, &args.file, &args.run, None, (!args.state, reality))
}

/// Says which of the tools to delete the program still declares.
fn still_declared(terminal: &Terminal, project: &Project, plan: &Plan) {
    let deleted = plan.nodes.iter().filter(|node| node.action == Action::Delete);
    let declared: Vec<String> = deleted
        .filter(|node| project.program.find(&node.addr).is_some())
        .map(|node| format!("`{}`", node.addr))
        .collect();
    let (file, apply) = (&project.file, project.command("apply"));
    match &*declared {
        [] => {}
        [one] => terminal
            .note(&format!("note: `{file}` still declares {one}: the next `{apply}` creates it again")),
        several => terminal.note(&format!(
            "note: `{file}` still declares {}: the next `{apply}` creates them again",
            several.join(", ")
        )),
    }
}

/// Removes `only`, or everything. With `checked` a configuration with errors is refused; `reality` says whether the objects are
/// read first.
pub(super) fn remove(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    run_args: &RunArgs,
    only: Option<&[String]>,
    (checked, reality): (bool, Reality),
) -> Result<Exit, Failure> {
    let trace = Trace::begin("destroy", run_args.trace.as_deref())?;
    trace.phase("check");
    let (around, store, project) = own_state(global, terminal, file)?;
    if checked && project.is_none() {
        // Shows what is wrong with it.
        let project = Project::open_valid(global, terminal, file);
        return project
            .map(|_| Exit::Failed)
            .map_err(|f| f.help("to destroy everything in the state anyway: `dtm destroy --state`"));
    }
    if !store.has_remains()? {
        if !terminal.json && !terminal.quiet {
            terminal.out("Nothing to destroy: there is no state.\n");
        }
        return Ok(Exit::Done);
    }
    trace.phase("lock");
    let session = enter(global, "destroy", &store)?;
    session.loaded().notices.iter().for_each(|n| terminal.note(&format!("note: {n}")));
    let mut state = session.loaded().state.clone();
    if let Some(project) = &project {
        project.same_root(&state, false)?;
    }
    let program = project.as_ref().map(|p| p.program.clone());
    // Protection counts as soon as the program declares it, applied or not.
    for instance in program.iter().flat_map(|p| p.instances()).filter(|instance| instance.options.protect) {
        state
            .tools
            .get_mut(&*instance.addr)
            .into_iter()
            .for_each(|entry| Arc::make_mut(entry).protect = true);
    }
    let kinds = |plugin: &str, kind: &str| match &project {
        Some(p) => p.kind(plugin, kind),
        None => shipped_kind(plugin, kind),
    };
    trace.phase("plan");
    let known = program.as_ref().map(|program| (program, known_in_state(program, &state)));
    let settings = |addr: &str, entry: &Entry| match &known {
        Some((program, known)) => settings_of(program, known, addr, entry),
        None => Ok(Settings::new()),
    };
    let rt = runtime()?;
    let switch = Switch::new(planning_events(terminal));
    let lock = lock_of(&*session)?;
    let events = switch.events();
    let plugins =
        rt.block_on(async { trusted_plugins(&around, program.as_deref(), &state, lock, events) })?;
    let mut plan = rt.block_on(destroy(&state, only, &kinds, &settings, &plugins, reality));
    if let (Some((program, _)), Some(_)) = (&known, only) {
        without_outputs(&mut plan, program, &state);
    }
    let sources = program.as_ref().map(|p| p.sources().clone()).unwrap_or_default();
    if terminal.json {
        let mut value = view::json::plan(&plan, &sources);
        value["event"] = "plan".into();
        terminal.line(&value);
    } else if !terminal.quiet && !plan.nodes.is_empty() {
        run_args.show(terminal, &view::plan::text(&plan, Paper::of(terminal)));
    }
    refuse(&plan, &sources)?;
    if let (Some(project), Some(_)) = (&project, only) {
        still_declared(terminal, project, &plan);
    }
    if plan.nodes.is_empty() && !plan.outputs_changed {
        if !terminal.json && !terminal.quiet {
            terminal.out("Nothing to destroy: the state is empty.\n");
        }
        return Ok(Exit::Done);
    }
    trace.phase("ask");
    if !ask(terminal, run_args, if only.is_some() { "delete" } else { "destroy" }, "Destroy this?")? {
        terminal.note("Nothing was changed.");
        return Ok(Exit::Failed);
    }
    if !terminal.json && !terminal.quiet {
        terminal.out("\n");
    }
    let next = match (only, &project) {
        (Some(tools), project) => {
            let delete = project.as_ref().map_or("dtm delete".into(), |p| p.command_on("delete"));
            delete + &more(tools.iter().map(|tool| &**tool))
        }
        (None, Some(project)) => project.command_again("destroy", global),
        (None, None) => "dtm destroy --state".into(),
    };
    let options = options(run_args, program.as_deref());
    let redactor = around.redactor.clone();
    carry_out(
        terminal,
        &rt,
        Run {
            program: None,
            plan: Arc::new(plan),
            plugins,
            session,
            switch,
            redactor,
            options,
            trace,
            before: vec![],
            next,
            ledger: Ledger::of(&around),
        },
    )
}

/// Takes the outputs away that read what a plan deletes.
fn without_outputs(plan: &mut Plan, program: &Program, state: &State) {
    let mut left = state.clone();
    plan.nodes.iter().for_each(|node| _ = left.tools.remove(&node.addr));
    let known = |state: &State| -> BTreeSet<String> {
        let known = known_in_state(program, state);
        let (values, _) = program.outputs(&known.of(program));
        values.iter().filter(|(_, value)| value.is_known()).map(|(name, _)| name.to_string()).collect()
    };
    let (before, after) = (known(state), known(&left));
    let is_lost = |name: &String| before.contains(name) && !after.contains(name);
    if state.outputs.keys().any(is_lost) {
        plan.prior_outputs = state.outputs.clone();
        plan.prior_outputs.retain(|name, _| !is_lost(name));
        plan.outputs_changed = true;
    }
}
