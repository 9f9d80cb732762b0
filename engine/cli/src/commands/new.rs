//! `dtm new [NAME [DIR]]`: a starter project from the examples that are tested with dtm.

use crate::complete;
use crate::exit::{Exit, Failure};
use crate::files::{self, Access};
use crate::terminal::Terminal;
use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use dtm_lang::shell::command;
use dtm_lang::{Code, Diagnostic};
use dtm_stdlib::EXAMPLES;
use serde_json::json;
use std::path::PathBuf;

/// What git is not to keep.
const IGNORE: &str = "/.dtm/\n/out/\n*.params\n";

/// The arguments of `dtm new`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm new                       lists the starters\n  dtm new quickstart\n  dtm new quickstart my-project\n  dtm new --json"
)]
pub struct New {
    /// The starter; without it, all are listed.
    #[arg(value_name = "STARTER", add = ArgValueCandidates::new(complete::starters))]
    name: Option<String>,
    /// The directory to create [default: the name of the starter].
    #[arg(value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(terminal: &Terminal, args: &New) -> Result<Exit, Failure> {
    let Some(name) = &args.name else {
        if terminal.json {
            let all = EXAMPLES.iter().map(|e| json!({ "name": e.name, "title": e.title }));
            terminal.line(&all.collect());
            return Ok(Exit::Done);
        }
        for example in EXAMPLES {
            terminal.out(&format!("{}  {}\n", example.name, example.title));
        }
        return Ok(Exit::Done);
    };
    let Some(example) = EXAMPLES.iter().find(|e| e.name == name) else {
        let d = Diagnostic::new(Code::E0901, format!("unknown starter `{name}`"));
        return Err(Failure::of(
            d.nearest(name, EXAMPLES.iter().map(|e| e.name)).help("list the starters: `dtm new`"),
        )
        .usage());
    };
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    if dir.read_dir().is_ok_and(|mut d| d.next().is_some()) {
        let headline = format!("`{}` is not empty", dir.display());
        return Err(
            Failure::new(Code::E0903, headline).help("choose a directory that is empty or does not exist")
        );
    }
    let ignore = (".gitignore", IGNORE);
    let files = example.files.iter().copied().chain([ignore]);
    let files = files.map(|(path, text)| (dir.join(path), text.as_bytes(), Access::Usual));
    files::replace_all(&files.collect::<Vec<_>>()).map_err(|(path, e)| files::unwritable(&path, &e))?;
    if terminal.json {
        let files: Vec<&str> = example.files.iter().map(|(path, _)| *path).chain([ignore.0]).collect();
        terminal
            .line(&json!({ "starter": example.name, "directory": dir.to_string_lossy(), "files": files }));
        return Ok(Exit::Done);
    }
    let (shown, cd) = (dir.display(), command(["cd", &*dir.to_string_lossy()]));
    terminal.out(&format!("Wrote `{shown}`. Next:\n  {cd}\n  dtm plan\n  dtm apply\n"));
    Ok(Exit::Done)
}
