//! `dtm fmt`: the one style.

use crate::exit::{Exit, Failure, reason};
use crate::files;
use crate::terminal::Terminal;
use clap::Args;
use dtm_lang::syntax::format::format;
use dtm_lang::{Code, Sources};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The arguments of `dtm fmt`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm fmt                 all .dts files of this directory and below\n  dtm fmt --check main.dts\n  dtm fmt --diff\n  dtm fmt - < main.dts    from standard input to standard output"
)]
pub struct Fmt {
    /// Files and directories; `-` is standard input [default: .].
    paths: Vec<PathBuf>,
    /// Writes nothing; exits 1 if a file is not formatted.
    #[arg(long)]
    check: bool,
    /// Writes nothing; shows what would change, and exits 1 if a file is not formatted.
    #[arg(long)]
    diff: bool,
}

impl Fmt {
    /// Whether files stay as they are.
    fn only_looks(&self) -> bool {
        self.check || self.diff
    }
}

pub(crate) fn run(terminal: &Terminal, args: &Fmt) -> Result<Exit, Failure> {
    if args.paths == [PathBuf::from("-")] {
        return standard_input(terminal, args);
    }
    let mut files = vec![];
    let paths = if args.paths.is_empty() { vec![PathBuf::from(".")] } else { args.paths.clone() };
    for path in &paths {
        if path.is_file() && path.to_str().is_some_and(dtm_devstream::is_yaml) {
            let headline = format!("`{}` is YAML: `dtm fmt` formats only `.dts` files", path.display());
            return Err(Failure::new(Code::E0901, headline).usage());
        }
        collect(path, &mut files)?;
    }
    let mut exit = Exit::Done;
    let mut changed = vec![];
    for file in &files {
        // One bad file is no reason to leave the others.
        let read = read(file).and_then(|text| Ok((formatted(&file.display().to_string(), &text)?, text)));
        let (new, text) = match read {
            Ok(found) => found,
            Err(failure) => {
                terminal.diagnostics(&failure.diagnostics, &failure.sources);
                exit = Exit::Failed;
                continue;
            }
        };
        if new == text {
            continue;
        }
        let shown = file.display().to_string();
        let diff = args.diff.then(|| difference(&shown, &text, &new, terminal));
        changed.push(json!({ "file": shown, "diff": diff }));
        if args.only_looks() {
            if !terminal.json {
                terminal.raw(&diff.unwrap_or_else(|| format!("{shown}\n")));
            }
            exit = Exit::Failed;
            continue;
        }
        replace(file, &new)?;
        terminal.note(&format!("formatted {}", file.display()));
    }
    if terminal.json {
        terminal.line(&json!({ "files": files.len(), "changed": changed }));
    } else if changed.is_empty() && exit == Exit::Done && !args.only_looks() {
        terminal.note(&format!("{} already formatted", crate::view::count(files.len(), "file")));
    }
    Ok(exit)
}

/// The change of a file as a unified diff; empty when there is none.
pub(super) fn difference(path: &str, before: &str, after: &str, terminal: &Terminal) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(2).header(path, path).to_string();
    let colored =
        text.split_inclusive('\n').map(|line| match (line.as_bytes().first(), line.strip_suffix('\n')) {
            (Some(b'+'), Some(line)) => format!("{}\n", terminal.style.green(line)),
            (Some(b'-'), Some(line)) => format!("{}\n", terminal.style.red(line)),
            _ => line.to_string(),
        });
    colored.collect()
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read(file).map_err(|e| fail("read", file, &reason(&e)))?;
    String::from_utf8(text).map_err(|_| fail("read", file, "it is not UTF-8"))
}

fn standard_input(terminal: &Terminal, args: &Fmt) -> Result<Exit, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| fail("read", Path::new("<stdin>"), &reason(&e)))?;
    let new = formatted("<stdin>", &text)?;
    if args.diff {
        terminal.raw(&difference("<stdin>", &text, &new, terminal));
    }
    if args.only_looks() {
        return Ok(if new == text { Exit::Done } else { Exit::Failed });
    }
    terminal.raw(&new);
    Ok(Exit::Done)
}

fn fail(doing: &str, path: &Path, why: &str) -> Failure {
    Failure::new(Code::E0903, format!("cannot {doing} `{}`: {why}", path.display()))
}

/// A file with syntax errors is left as it is.
fn formatted(path: &str, text: &str) -> Result<String, Failure> {
    let mut sources = Sources::default();
    let file = sources.add(path, text);
    let (new, diagnostics) = format(file, text);
    match new {
        Some(new) => Ok(new),
        None => Err(Failure::all(diagnostics, &Arc::new(sources))),
    }
}

/// Replaces a file whole or not at all, and keeps its permissions. Of a symbolic link, the file that it leads to.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    files::replace(path, text.as_bytes()).map_err(|e| fail("write", path, &reason(&e)))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|e| fail("read", path, &reason(&e)))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for entry in paths {
        let name = entry.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let skipped = name.starts_with('.') || matches!(name, "out" | "target" | "node_modules");
        if entry.is_symlink() || skipped {
            continue;
        }
        if entry.is_dir() {
            collect(&entry, files)?;
        } else if name.ends_with(".dts") {
            // Other `.dts` files are device trees: those of dtm say so in their first line.
            let text = std::fs::read(&entry).unwrap_or_default();
            if !text.starts_with(b"/dts-v1/") {
                files.push(entry);
            }
        }
    }
    Ok(())
}
