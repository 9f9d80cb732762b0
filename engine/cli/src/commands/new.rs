//! `dtm new [NAME [DIR]]`: a starter project from the examples that are tested with dtm.

use crate::exit::{Exit, Failure, reason};
use crate::terminal::Terminal;
use clap::Args;
use dtm_lang::{Code, Diagnostic};
use dtm_stdlib::EXAMPLES;
use std::path::PathBuf;

/// What git is not to keep.
const IGNORE: &str = "/.dtm/\n/out/\n*.params\n";

/// The arguments of `dtm new`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm new                       lists the starters\n  dtm new quickstart\n  dtm new quickstart my-project"
)]
pub struct New {
    /// The starter; without it they are listed.
    name: Option<String>,
    /// The directory, which is made [default: the starter's name].
    dir: Option<PathBuf>,
}

pub(super) fn run(terminal: &Terminal, args: &New) -> Result<Exit, Failure> {
    let Some(name) = &args.name else {
        for example in EXAMPLES {
            terminal.out(&format!("{}  {}\n", example.name, example.title));
        }
        return Ok(Exit::Done);
    };
    let Some(example) = EXAMPLES.iter().find(|e| e.name == name) else {
        let d = Diagnostic::new(Code::E0901, format!("no starter `{name}` is known"));
        return Err(Failure::of(
            d.nearest(name, EXAMPLES.iter().map(|e| e.name)).help("`dtm new` lists them"),
        )
        .usage());
    };
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    let fail = |path: &std::path::Path, e: &std::io::Error| {
        Failure::new(Code::E0903, format!("cannot write `{}`: {}", path.display(), reason(e)))
    };
    if dir.read_dir().is_ok_and(|mut d| d.next().is_some()) {
        let headline = format!("`{}` is not empty", dir.display());
        return Err(Failure::new(Code::E0903, headline).help("name a directory that is not there yet"));
    }
    let ignore = (".gitignore", IGNORE);
    for (path, text) in example.files.iter().copied().chain([ignore]) {
        let path = dir.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| fail(folder, &e))?;
        }
        std::fs::write(&path, text).map_err(|e| fail(&path, &e))?;
    }
    let shown = dir.display();
    terminal.out(&format!("Wrote `{shown}`. To go on:\n  cd {shown}\n  dtm plan\n  dtm apply\n"));
    Ok(Exit::Done)
}
