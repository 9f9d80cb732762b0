//! `dtm check`: parses, resolves, type-checks, evaluates what is known. Touches nothing.

use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::terminal::Terminal;
use crate::view::count;
use clap::Args;
use dtm_devstream as devstream;
use dtm_lang::Purpose;
use dtm_lang::diag::fix::{Which, fixed};
use dtm_lang::diag::render::{Format, render};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The arguments of `dtm check`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm check\n  dtm check --format short main.dts\n  dtm check --set env=prod --json\n  dtm check --fix\n  dtm check --watch"
)]
pub struct Check {
    #[command(flatten)]
    file: FileArg,
    /// Applies every safe fix, then checks the result.
    #[arg(long)]
    fix: bool,
    /// With `--fix`: also applies guesses, such as the nearest name.
    #[arg(long, requires = "fix")]
    unsafe_fixes: bool,
    /// Checks again whenever a file of the program changes, until it is interrupted.
    #[arg(long)]
    watch: bool,
}

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// So often are fixes made one after the other.
const ROUNDS: usize = 20;

/// Carries out fixes until there are none. A fix that makes room for another one comes before it.
fn mend(global: &Global, terminal: &Terminal, args: &Check) -> Result<(), Failure> {
    let which = if args.unsafe_fixes { Which::All } else { Which::Safe };
    let mut changed = BTreeSet::new();
    for _ in 0..ROUNDS {
        let (project, diagnostics) = Project::open(global, &args.file, Purpose::Check)?;
        let sources = project.program.sources();
        let texts = fixed(&diagnostics, sources, which);
        // What is not on disk below the project's root belongs to somebody else.
        let own = texts.into_iter().map(|(file, text)| (sources.file(file), text));
        let own: Vec<_> = own
            .filter(|(f, text)| *f.text != **text && project.around.root.join(&*f.path).is_file())
            .collect();
        if own.is_empty() {
            break;
        }
        for (file, text) in own {
            super::fmt::replace(&project.around.root.join(&*file.path), &text)?;
            changed.insert(file.shown.to_string());
        }
    }
    changed.iter().for_each(|file| terminal.note(&format!("Fixed {file}.")));
    Ok(())
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Check) -> Result<Exit, Failure> {
    let mut files: Vec<PathBuf> = vec![];
    let stamp = |file: &PathBuf| -> Option<(SystemTime, u64)> {
        let seen = file.metadata().ok()?;
        Some((seen.modified().ok()?, seen.len()))
    };
    loop {
        // As they are before they are read: what changes meanwhile is a change too.
        let earlier: BTreeMap<PathBuf, Option<(SystemTime, u64)>> =
            files.iter().map(|f| (f.clone(), stamp(f))).collect();
        files = match once(global, terminal, args) {
            Ok((exit, _)) if !args.watch => return Ok(exit),
            Ok((_, mut files)) => {
                // One that was removed after it was read: that it is missing is a change too.
                let gone = |(f, seen): &(&PathBuf, &Option<_>)| seen.is_some() && stamp(f).is_none();
                files.extend(earlier.iter().filter(gone).map(|(f, _)| f.clone()));
                files
            }
            // An editor that replaces a file takes it away for a moment.
            Err(failure) if args.watch && !files.is_empty() => {
                terminal.diagnostics(&failure.diagnostics, &failure.sources);
                files
            }
            Err(failure) => return Err(failure),
        };
        let before: Vec<Option<(SystemTime, u64)>> =
            files.iter().map(|f| earlier.get(f).copied().unwrap_or_else(|| stamp(f))).collect();
        terminal.note(&format!("watching {}", count(files.len(), "file")));
        while files.iter().map(stamp).eq(before.iter().copied()) {
            std::thread::sleep(EVERY);
        }
    }
}

/// One check; gives the files that it read.
fn once(global: &Global, terminal: &Terminal, args: &Check) -> Result<(Exit, Vec<PathBuf>), Failure> {
    if args.fix {
        mend(global, terminal, args)?;
    }
    let (project, mut diagnostics) = Project::open(global, &args.file, Purpose::Check)?;
    if !args.watch {
        project.leave();
    }
    // Tools of DevStream's YAML that wait for each other are a warning already.
    if !diagnostics.has_errors()
        && !devstream::is_yaml(&project.file)
        && let Err(cycle) = dtm_engine::plan::waves(&project.program)
    {
        diagnostics.push(*cycle);
    }
    if terminal.sarif {
        terminal.diagnostics(&diagnostics, project.program.sources());
        let exit = if diagnostics.has_errors() { Exit::Failed } else { Exit::Done };
        return Ok((exit, files_of(&project)));
    }
    let color = terminal.format == Format::Human && terminal.style.is_on();
    let written = |d: &dtm_lang::Diagnostic| render(d, project.program.sources(), terminal.format, color);
    match terminal.format {
        Format::Json => terminal.rendered(&diagnostics.worst_first().map(written).collect::<String>()),
        Format::Human | Format::Short => {
            let shown = diagnostics.shown();
            terminal.rendered(&shown.diagnostics.iter().copied().map(written).collect::<String>());
            if let Some(rest) = shown.rest() {
                terminal.out(&format!("{rest}\n"));
            }
        }
    }
    let (errors, warnings) = diagnostics.counts();
    if terminal.verbose > 0
        && devstream::is_yaml(&project.file)
        && let Some((_, file)) =
            project.program.sources().files().find(|(_, f)| f.path.as_ref() != devstream::FOLDER)
    {
        terminal.note(&format!(
            "`{}` is written for DevStream {}.",
            file.path,
            devstream::written_for(&file.text)
        ));
    }
    if terminal.is_interactive() {
        terminal.explained(&diagnostics).into_iter().for_each(|line| terminal.aside(&line));
    }
    let guesses = || diagnostics.iter().any(|d| d.fixes.iter().any(|fix| !fix.safe));
    if args.fix && !args.unsafe_fixes && guesses() {
        terminal.note("Some of these have a fix that may not be what you meant: `dtm check --fix --unsafe-fixes` applies them too.");
    }
    if terminal.format == Format::Human && !terminal.quiet {
        let tools = match devstream::is_yaml(&project.file) {
            // There may be warnings that a plan takes for errors, and then nothing is evaluated.
            true => project.program.hir().tools.len(),
            false => project.program.instances().len(),
        };
        let tools = count(tools, "tool");
        terminal.out(&match (errors, warnings) {
            (0, 0) => format!("No errors: {tools}.\n"),
            (0, _) => format!("No errors, {}: {tools}.\n", count(warnings, "warning")),
            (_, 0) => format!("{}.\n", count(errors, "error")),
            _ => format!("{}, {}.\n", count(errors, "error"), count(warnings, "warning")),
        });
    }
    let exit = if errors > 0 { Exit::Failed } else { Exit::Done };
    Ok((exit, files_of(&project)))
}

/// The files that the program was read from.
fn files_of(project: &Project) -> Vec<PathBuf> {
    let files = project.program.sources().files().map(|(_, f)| project.around.root.join(&*f.path));
    files.filter(|f| f.is_file()).collect()
}
