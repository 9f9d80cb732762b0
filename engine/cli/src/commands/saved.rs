//! Saved plans: `dtm plan -o FILE`, `dtm plan FILE`, `dtm apply FILE`.

use crate::exit::{Exit, Failure, reason};
use crate::files;
use crate::options::{Global, SelectArgs};
use crate::project::Project;
use crate::store::holder;
use crate::terminal::Terminal;
use crate::view::page::About;
use dtm_engine::archive::{Archive, Recording};
use dtm_engine::plan::Plan;
use dtm_engine::plan::saved::{Bound, Saved, SavedError};
use dtm_engine::plugin::PluginCalls;
use dtm_engine::state::Serial;
use dtm_engine::state::place::Store;
use dtm_engine::state::{Applied, Loaded, State, StateError};
use dtm_lang::shell::word;
use dtm_lang::{Code, Diagnostic, Inputs};
use std::path::Path;

/// Saves a plan that has no errors.
pub(super) fn save(
    terminal: &Terminal,
    project: &Project,
    (inputs, read): (&Inputs, &Recording),
    (store, loaded): (&Store, &Loaded),
    plan: &Plan,
    path: &Path,
) -> Result<(), Failure> {
    files::only_over(path, "saved plan", Saved::is_one)?;
    let state = &loaded.state;
    let lineage = (!loaded.is_new).then(|| state.lineage.clone());
    let place = project.place()?;
    let folder = place.is_inside().then(|| project.around.root.clone());
    let bound = Bound { place, lineage: lineage.clone(), serial: state.serial, folder };
    let redactor = &project.around.redactor;
    let made = |hidden: bool| {
        let archive = Archive::of(&project.program, read, inputs, &project.named, hidden);
        let hashes = project.around.plugin_hashes(&project.program, state);
        Saved::new(plan, archive, bound.clone(), hashes, holder("plan").who)
    };
    let mut saved = made(false);
    let mut key = None;
    if saved.needs_key(redactor) {
        saved = made(true);
        key = project.around.plan_keys(&saved.id, lineage.as_deref()).into_iter().next();
        if key.is_none() && bound.place.folder().is_none() {
            return Err(StateError::NeedsKey { place: store.describe() }.into());
        }
        let unwritten =
            |e| Failure::new(Code::E0903, format!("a key for the plan cannot be written: {}", reason(&e)));
        if let Some(given) = key.take() {
            key = Some(given.seals(state.key.as_deref()).map_err(StateError::from)?);
        }
        key = Some(key.map_or_else(|| project.around.make_plan_key(&saved.id), Ok).map_err(unwritten)?);
    }
    let written = saved.to_bytes(key.as_ref(), redactor);
    let written = written.and_then(|bytes| files::replace_private(path, &bytes));
    written.map_err(|e| {
        Failure::new(Code::E0903, format!("cannot write `{}`: {}", path.display(), reason(&e)))
    })?;
    terminal
        .note(&format!("Saved. To apply exactly this plan: `dtm apply {}`", word(&path.to_string_lossy())));
    Ok(())
}

/// Opens a saved plan, and the program in it.
pub(super) fn open(path: &Path) -> Result<(Project, Saved), Failure> {
    let unusable = |e: SavedError| {
        let exit = match e {
            SavedError::Damaged(_) | SavedError::Io(_) | SavedError::Key(_) => Exit::Failed,
            SavedError::Newer { .. } | SavedError::Older { .. } | SavedError::OtherDtm(_) => Exit::Stale,
        };
        let d = Diagnostic::new(Code::E0811, format!("the plan `{}` cannot be used: {e}", path.display()));
        Failure {
            exit,
            ..Failure::of(if let SavedError::Key(_) = e {
                d.help("set `DTM_STATE_KEY` to the key that was used when the plan was made")
                    .help("or plan again: `dtm plan -o FILE`")
            } else {
                d.help("plan again: `dtm plan -o FILE`")
            })
        }
    };
    let saved = Saved::read(path).map_err(unusable)?;
    // Its secrets are opened before its program is loaded, which may need them.
    let around = crate::source::here()?;
    let keys = around.plan_keys(&saved.id, saved.state.lineage.as_deref());
    let fits = keys.iter().find(|k| saved.key.as_deref() == Some(&*k.id()));
    if fits.is_none()
        && saved.key.is_some()
        && let Some(applied) = applied_before(&saved)
    {
        return Err(applied_already(&applied));
    }
    let saved = saved.open(fits, &around.redactor).map_err(unusable)?;
    let (mut project, diagnostics) = Project::kept(&saved.program)?;
    if diagnostics.has_errors() {
        return Err(Failure::all(diagnostics, project.program.sources()));
    }
    project.around.redactor = around.redactor;
    Ok((project, saved))
}

/// That a plan whose key is gone was applied, as its state remembers it.
fn applied_before(saved: &Saved) -> Option<Applied> {
    let around = match &saved.state.folder {
        Some(folder) => crate::source::at(folder.clone()).ok()?,
        None => crate::source::here().ok()?,
    };
    let state = around.store(&saved.state.place).ok()?.load().ok()?.state;
    state.applied.into_iter().find(|applied| applied.plan == saved.id)
}

fn applied_already(Applied { who, time, serial, .. }: &Applied) -> Failure {
    let by = if who.is_empty() { String::new() } else { format!(" by {who}") };
    let headline =
        format!("this plan was already applied{by} at {time}, when the state was at serial {serial}");
    let d = Diagnostic::new(Code::E0811, headline).note("a saved plan is applied once");
    Failure { exit: Exit::Stale, ..Failure::of(d.help("plan again: `dtm plan -o FILE`")) }
}

/// A saved plan has its own params.
pub(super) fn only_the_plan(global: &Global, select: &SelectArgs) -> Result<(), Failure> {
    if select.any() {
        let headline = "a saved plan cannot be narrowed or changed";
        return Err(Failure::new(Code::E0901, headline).help("plan again with these options").usage());
    }
    match global.gives_params() {
        false => Ok(()),
        true => Err(Failure::new(Code::E0901, "a saved plan has the params that it was made with")
            .help("leave out `--set`, `--params`, `--env` and `--params-from`, or plan again")
            .usage()),
    }
}

/// The plan, if the state and the plugins are still those that it was made for.
pub(super) fn fitting(
    project: &Project,
    saved: &Saved,
    loaded: &Loaded,
    plugins: &dyn PluginCalls,
) -> Result<Plan, Failure> {
    let stale = |why: String| {
        let d = Diagnostic::new(Code::E0811, format!("the plan is stale: {why}"));
        Failure { exit: Exit::Stale, ..Failure::of(d.help("plan again: `dtm plan -o FILE`")) }
    };
    let (bound, state) = (&saved.state, &loaded.state);
    if let Some(applied) = state.applied.iter().find(|applied| applied.plan == saved.id) {
        return Err(applied_already(applied));
    }
    let place = project.place()?;
    if place != bound.place {
        return Err(stale(format!("it is for the state in `{}`, not in `{place}`", bound.place)));
    }
    if let Some(folder) = bound.folder.as_ref().filter(|f| **f != project.around.root) {
        return Err(stale(format!("it is for the project in `{}`", folder.display())));
    }
    match &bound.lineage {
        None if !state.tools.is_empty() || state.serial > Serial::default() => {
            return Err(stale(format!(
                "there was no state when it was made, and there is one of serial {} now",
                state.serial
            )));
        }
        Some(lineage) if *lineage != state.lineage => {
            return Err(stale(format!("it is for another state, of lineage {lineage}")));
        }
        Some(_) if bound.serial != state.serial => {
            return Err(stale(format!(
                "the state has changed since it was made at {} by {} (serial {}, now {})",
                saved.time, saved.who, bound.serial, state.serial
            )));
        }
        _ => {}
    }
    let now = project.around.plugin_hashes(&project.program, state);
    if let Some(name) = saved.plugins.iter().find(|(name, hash)| now.get(*name) != Some(hash)).map(|(n, _)| n)
    {
        return Err(stale(format!("the plugin `{name}` has changed since the plan was made")));
    }
    let damaged = |e: SavedError| stale(e.to_string());
    saved.plan(&project.program, plugins).map_err(damaged)
}

/// Shows a saved plan, as it was: nothing is asked of the state or of any plugin.
pub(super) fn show(terminal: &Terminal, path: &Path) -> Result<(Project, Plan, About), Failure> {
    let (project, saved) = open(path)?;
    let rt = super::run::runtime()?;
    let events = super::run::planning_events(terminal);
    let state = State::fresh();
    let plan = rt.block_on(async {
        // None of them is started: a plan that was saved is only read.
        let plugins = project.around.plugins(Some(&project.program), &state, None, events);
        saved.plan(&project.program, &*plugins)
    });
    let plan = plan.map_err(|e| {
        Failure::new(Code::E0811, format!("the plan `{}` cannot be used: {e}", path.display()))
    })?;
    let about = format!(
        "A plan of {} by {}, for the state in `{}` at serial {}; made at {}.",
        project.file, saved.who, saved.state.place, saved.state.serial, saved.time
    );
    terminal.note(&about);
    let about = About { line: about, who: saved.who.clone(), time: saved.time.clone() };
    super::plan::show(terminal, &project, &plan);
    Ok((project, plan, about))
}
