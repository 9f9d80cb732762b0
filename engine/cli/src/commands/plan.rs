//! `dtm plan`: what `apply` would do. Takes no lock and changes nothing.

use super::run::{needs_plugins, planning_events, runtime};
use super::saved;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::options::{ConfigFiles, FileArg, Global, SelectArgs};
use crate::project::Project;
use crate::store::holder;
use crate::terminal::Terminal;
use crate::view;
use crate::view::page::About;
use crate::view::paper::Paper;
use clap::Args;
use dtm_engine::plan::saved::Saved;
use dtm_engine::plan::{BuildOptions, Plan, build};
use dtm_engine::state::State;
use dtm_lang::Code;
use std::path::{Path, PathBuf};

/// The arguments of `dtm plan`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm plan\n  dtm plan --set env=prod main.dts\n  dtm plan --only repo           only this, and what it depends on\n  dtm plan -o the.plan            saves it, for `dtm apply the.plan`\n  dtm plan the.plan               shows what was saved\n  dtm plan --html plan.html       as a page for a browser\n  dtm plan --detailed-exitcode    exits 2 when there are changes"
)]
pub struct PlanArgs {
    /// The program, or a saved plan [default: main.dts].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    more: ConfigFiles,
    /// Saves the plan, so that `dtm apply PLAN` can apply exactly that.
    #[arg(short = 'o', long = "out", value_name = "PLAN")]
    out: Option<PathBuf>,
    /// Writes the plan as one page, to be opened in a browser; it needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
    /// Assumes that reality matches the state, and reads nothing through plugins.
    #[arg(long)]
    no_read: bool,
    /// Exits 0 without changes, 2 with changes, 1 on errors.
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &PlanArgs) -> Result<Exit, Failure> {
    let code = |plan: &Plan| match args.detailed_exitcode && !plan.is_empty() {
        true => Exit::Changes,
        false => Exit::Done,
    };
    if let Some(path) = args.file.as_deref().filter(|path| Saved::is_one(path)) {
        saved::only_the_plan(global, &args.select)?;
        if args.out.is_some() || args.no_read {
            let headline = "this plan is already saved";
            return Err(Failure::new(Code::E0901, headline).help("remove `-o` and `--no-read`").usage());
        }
        let (project, plan, about) = saved::show(terminal, path)?;
        if let Some(html) = &args.html {
            write_page(terminal, &project, &plan, &about, html)?;
        }
        return Ok(code(&plan));
    }
    let (project, made_of) = match &args.out {
        Some(_) => {
            let (project, inputs, read) = Project::recorded(
                global,
                terminal,
                &FileArg { file: args.file.clone(), more: args.more.clone() },
            )?;
            (project, Some((inputs, read)))
        }
        None => (
            Project::open_valid(
                global,
                terminal,
                &FileArg { file: args.file.clone(), more: args.more.clone() },
            )?,
            None,
        ),
    };
    project.leave();
    let store = project.store(global, terminal, false)?;
    let loaded = project.load(terminal, &store)?;
    if let Some(left) = project.made_by_devstream(&loaded.state) {
        terminal.note(&format!("note: {}", left.headline));
        left.help.iter().take(1).for_each(|help| terminal.note(&format!("  {help}")));
    }
    let plan = make(terminal, &project, &loaded.state, args.select.options(args.no_read))?;
    show(terminal, &project, &plan);
    if let Err(missing) = needs_plugins(&plan, &project.program) {
        for d in missing.diagnostics.iter() {
            terminal.note(&format!("note: {}: `dtm apply` needs it", d.headline));
        }
    }
    let open = loaded.state.tools.values().any(|entry| entry.status.is_open());
    if let Some(holder) = open.then(|| store.holder().ok().flatten()).flatten() {
        terminal.note(&format!(
            "note: the state is locked by {holder}: operations that look interrupted may still be running"
        ));
    }
    if let Some(html) = &args.html {
        let about = About {
            line: format!("For the state in `{}` at serial {}.", project.place()?, loaded.state.serial),
            who: holder("plan").who,
            time: dtm_engine::state::now(),
        };
        write_page(terminal, &project, &plan, &about, html)?;
    }
    if plan.diagnostics.has_errors() {
        if let Some(out) = &args.out {
            terminal
                .note(&format!("Not saved as `{}`: a plan with errors cannot be applied.", out.display()));
        }
        return Ok(Exit::Failed);
    }
    if let (Some(out), Some((inputs, read))) = (&args.out, &made_of) {
        saved::save(terminal, &project, (inputs, read), (&store, &loaded), &plan, out)?;
    }
    Ok(code(&plan))
}

/// Writes a plan as a page.
fn write_page(
    terminal: &Terminal,
    project: &Project,
    plan: &Plan,
    about: &About,
    path: &Path,
) -> Result<(), Failure> {
    let is_page = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|m| m.is_file())
            && std::fs::read(path)
                .is_ok_and(|bytes| bytes.is_empty() || bytes.starts_with(b"<!doctype html>"))
    };
    files::only_over(path, "page", is_page)?;
    let title = format!("Plan of {}", project.file);
    let page = view::page::plan(plan, &project.program, &title, about);
    files::write(path, page)?;
    terminal.note(&format!("Wrote the plan as a page: {}", path.display()));
    Ok(())
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
    rt.block_on(async {
        let plugins = project.plugins(state, None, events.clone())?;
        Ok(build(&project.program, state, &plugins, &options, &events).await)
    })
}

/// Shows a plan with what is wrong with it.
pub(super) fn show(terminal: &Terminal, project: &Project, plan: &Plan) {
    if terminal.json {
        return terminal.line(&view::json::plan(plan, project.program.sources()));
    }
    terminal.diagnostics(&plan.diagnostics, project.program.sources());
    if !(plan.diagnostics.has_errors() && plan.nodes.is_empty()) {
        terminal.page(&view::plan::text(plan, Paper::of(terminal)));
    }
    applied(terminal, plan);
}

/// Names the declarations that have nothing left to do.
pub(super) fn applied(terminal: &Terminal, plan: &Plan) {
    for declaration in &plan.applied {
        terminal.aside(&format!("note: `{declaration}` has been applied; the declaration can be removed"));
    }
}
