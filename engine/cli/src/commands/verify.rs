//! `dtm verify`: what changed outside of dtm. Changes nothing.

use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::terminal::Terminal;
use crate::view;
use crate::view::paper::Paper;
use clap::Args;
use dtm_engine::plan::BuildOptions;
use dtm_lang::Code;
use serde_json::json;

/// The arguments of `dtm verify`.
#[derive(Args)]
#[command(after_help = "Example:\n  dtm verify || echo 'drift detected'")]
pub struct Verify {
    #[command(flatten)]
    file: FileArg,
}

impl Verify {
    /// Of a configuration.
    pub(super) fn of(file: FileArg) -> Verify {
        Verify { file }
    }
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Verify) -> Result<Exit, Failure> {
    let project = Project::open_valid(global, terminal, &args.file)?;
    let store = project.store(global, terminal, false)?;
    let loaded = project.load(terminal, &store)?;
    let plan = super::plan::make(terminal, &project, &loaded.state, BuildOptions::default())?;
    let unreadable: Vec<_> = plan
        .diagnostics
        .iter()
        .filter(|d| matches!(d.code, Code::E0607 | Code::E0609 | Code::E0612 | Code::E0614))
        .cloned()
        .collect();
    let drifted = plan.drifted().count();
    if terminal.json {
        let drift = view::json::drifted(&plan);
        terminal.line(&json!({ "format": view::json::FORMAT, "drift": drift }));
    } else {
        terminal.out(&view::drift::found(&plan, Paper::of(terminal), unreadable.is_empty()));
    }
    if !unreadable.is_empty() {
        let mut all = dtm_lang::Diagnostics::default();
        unreadable.into_iter().for_each(|d| all.push(d));
        return Err(Failure::all(all, project.program.sources()));
    }
    Ok(if drifted > 0 { Exit::Partly } else { Exit::Done })
}
