//! `dtm trust`: shows what a project makes dtm run while it plans, and trusts it.

use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::params::program_of;
use crate::project::Project;
use crate::source::here;
use crate::store::open_store;
use crate::terminal::Terminal;
use crate::trust::{self, Ledger, Source};
use clap::Args;
use dtm_engine::project::Surroundings;
use dtm_engine::state::State;
use dtm_lang::{Code, Purpose};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The arguments of `dtm trust`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm trust                 shows what `dtm plan` would run, and asks\n  dtm trust -y ../service   trusts another project without asking\n  dtm trust --list          every project that is trusted, with what it may run\n  dtm trust --revoke        asks again from now on\n\nProjects that use only the shipped plugins and no commands have nothing to trust. What was trusted is kept in\n$XDG_DATA_HOME/dtm/trust, for the folder of the project and the text of what it runs: when either changes, dtm asks again."
)]
pub struct Trust {
    /// The folder of the project, or its configuration [default: the current folder].
    #[arg(value_name = "DIR")]
    project: Option<PathBuf>,
    /// Skips the confirmation prompt.
    #[arg(short = 'y', long = "yes")]
    yes: bool,
    /// Lists the projects that are trusted.
    #[arg(long, conflicts_with_all = ["yes", "revoke", "project"])]
    list: bool,
    /// Withdraws the trust of a project.
    #[arg(long, conflicts_with = "yes")]
    revoke: bool,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Trust) -> Result<Exit, Failure> {
    if args.list {
        return list(terminal);
    }
    if args.revoke {
        return revoke(terminal, args.project.as_deref().unwrap_or(Path::new(".")));
    }
    let file = FileArg::of(args.project.clone());
    let mut all = vec![];
    if let Some((around, source)) = program_of(global, &file)? {
        all.push(source.clone());
        if !agree(terminal, args, &around, vec![source])? {
            return Ok(Exit::Failed);
        }
    }
    let (project, diagnostics) = Project::open(global, &file, Purpose::Check)?;
    if diagnostics.has_errors() {
        return Err(Failure::all(diagnostics, project.program.sources()));
    }
    // The helpers first: without them the state cannot be read.
    let place = project.place()?;
    let helpers = trust::of_place(&project.around, &place);
    all.extend(helpers.iter().cloned());
    if !agree(terminal, args, &project.around, helpers)? {
        return Ok(Exit::Failed);
    }
    // What cannot be read of the state cannot make anything run either; the commands that need it say why.
    let store = open_store(&project.around, &place).ok();
    let state = store.and_then(|store| store.load().ok()).map_or_else(State::fresh, |loaded| loaded.state);
    let sources = trust::of_run(&project.around, Some(&project.program), &state);
    all.extend(sources.iter().cloned());
    if !agree(terminal, args, &project.around, sources)? {
        return Ok(Exit::Failed);
    }
    if terminal.json {
        let shown = |s: &Source| json!({ "source": s.headline, "runs": s.lines, "hash": s.hash() });
        let sources: Vec<_> = all.iter().map(shown).collect();
        terminal.line(&json!({ "folder": project.around.root.display().to_string(), "sources": sources }));
    } else if terminal.quiet {
        return Ok(Exit::Done);
    } else if all.is_empty() {
        terminal.out("Nothing to trust: planning this project runs only what is part of dtm.\n");
    } else {
        terminal.out(&format!("Trusted, in `{}`:\n{}", project.around.root.display(), trust::listing(&all)));
    }
    Ok(Exit::Done)
}

/// Trusts what is new, once the user agrees; says whether that is so.
fn agree(
    terminal: &Terminal,
    args: &Trust,
    around: &Surroundings,
    sources: Vec<Source>,
) -> Result<bool, Failure> {
    let mut ledger = Ledger::of(around);
    let new: Vec<Source> = sources.into_iter().filter(|s| !ledger.has(s)).collect();
    if new.is_empty() {
        return Ok(true);
    }
    if !args.yes {
        if !terminal.can_ask() {
            return trust::admit(around, new).map(|()| true);
        }
        if !trust::confirm(around, &new) {
            terminal.note("Nothing was trusted.");
            return Ok(false);
        }
    }
    if around.data_home().is_none() {
        return Err(Failure::new(Code::E0903, "there is no folder to remember it in")
            .help("set `HOME` or `XDG_DATA_HOME`; without them: `DTM_TRUST=1` for each command"));
    }
    ledger.add(&new)?;
    Ok(true)
}

fn list(terminal: &Terminal) -> Result<Exit, Failure> {
    let all = trust::ledgers(&here()?);
    if terminal.json {
        let shown = all
            .iter()
            .map(|(folder, sources)| json!({ "folder": folder.display().to_string(), "sources": sources }));
        terminal.line(&json!({ "trusted": shown.collect::<Vec<_>>() }));
        return Ok(Exit::Done);
    }
    for (folder, sources) in &all {
        let lines: Vec<String> = sources.iter().map(|s| format!("  {s}\n")).collect();
        terminal.out(&format!("{}\n{}", folder.display(), lines.concat()));
    }
    if all.is_empty() {
        terminal.note("No project is trusted.");
    }
    Ok(Exit::Done)
}

fn revoke(terminal: &Terminal, project: &Path) -> Result<Exit, Failure> {
    // A folder that is gone can be forgotten as well.
    let real = project.canonicalize().or_else(|_| std::path::absolute(project));
    let real = real.unwrap_or_else(|_| project.to_path_buf());
    let folder = if real.is_file() { real.parent().unwrap_or(&real).to_path_buf() } else { real };
    match trust::revoke(&here()?, &folder)? {
        true => terminal.note(&format!("`{}` is not trusted any more.", folder.display())),
        false => terminal.note(&format!("`{}` was not trusted.", folder.display())),
    }
    Ok(Exit::Done)
}
