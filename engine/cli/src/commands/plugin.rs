//! `dtm plugin ...`: for authors of plugins.

use crate::exit::{Exit, Failure, reason};
use crate::options::{FileArg, Global};
use crate::params::inputs;
use crate::source::{Placed, placed, surroundings, unreadable};
use crate::terminal::Terminal;
use crate::view;
use clap::{Args, Subcommand};
use dtm_engine::conformance::{Cases, Setup, examine};
use dtm_engine::plugin::Locations;
use dtm_lang::Code;
use serde_json::json;
use std::path::{Path, PathBuf};

/// `dtm plugin`
#[derive(Subcommand)]
pub enum PluginCommand {
    /// Runs the conformance kit against a plugin.
    Check(Check),
}

/// The arguments of `dtm plugin check`.
#[derive(Args)]
#[command(
    after_help = "The cases are a program that uses the plugin: each of its tools is created, read, updated and deleted, in
a temporary folder or wherever its inputs say. Two params are set, if the program declares them:
  param change: bool = false    whether the tools are in the state that an update creates
  param slow: bool = false      whether the operations take long enough to be interrupted
`-v` shows every rule, `--set` sets other params.

Examples:
  dtm plugin check ./target/debug/libown.so            with the cases in ./target/debug/own.check.dts
  dtm plugin check ./notes.py --cases tests/notes.dts
  dtm plugin check core --cases plugins/core/core.check.dts"
)]
pub struct Check {
    /// The library, the executable, or the name of a plugin that is shipped.
    plugin: PathBuf,
    /// The program of cases [default: NAME.check.dts beside the plugin].
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, command: &PluginCommand) -> Result<Exit, Failure> {
    match command {
        PluginCommand::Check(args) => check(global, terminal, args),
    }
}

fn check(global: &Global, terminal: &Terminal, args: &Check) -> Result<Exit, Failure> {
    let file = library(&args.plugin)?;
    let path = args.cases.clone().unwrap_or_else(|| beside(&args.plugin));
    if !path.is_file() {
        let failure = unreadable(&path, "there is no such file");
        return Err(failure.help(
            "write the cases there, or name them: `--cases FILE`; `dtm plugin check --help` says how",
        ));
    }
    let Placed { root, name, prefix } = placed(&path)?;
    let inputs = inputs(global, &FileArg::of(Some(path.clone())))?;
    let around = surroundings(root.clone(), inputs.env.all().clone())?;
    let cases = Cases::load(&name, &root, &prefix, &inputs)
        .map_err(|(diagnostics, sources)| Failure::all(diagnostics, &sources))?;
    let no_folder =
        |e: std::io::Error| Failure::new(Code::E0903, format!("cannot make a folder: {}", reason(&e)));
    let folder = tempfile::tempdir().map_err(no_folder)?;
    let setup = Setup { file: &file, folder: folder.path(), around: &around };
    let report = super::run::runtime()?
        .block_on(examine(&setup, &cases))
        .map_err(|why| Failure::new(Code::E0703, why))?;
    if terminal.json {
        terminal.line(&json!({ "format": view::json::FORMAT, "passed": report.passed(), "report": report }));
    } else {
        terminal.out(&view::conformance::report(&report, terminal.style, terminal.verbose > 0));
    }
    Ok(if report.passed() { Exit::Done } else { Exit::Failed })
}

/// The library or executable that is meant.
fn library(plugin: &Path) -> Result<PathBuf, Failure> {
    if plugin.is_file() {
        return std::path::absolute(plugin).map_err(|e| unreadable(plugin, &reason(&e)));
    }
    let shipped = || {
        let binary = std::env::current_exe().ok()?;
        let name = plugin.to_str()?;
        Locations::of_binary(&binary).shipped(name).ok()
    };
    match shipped() {
        Some(found) => Ok(found.file),
        None => Err(unreadable(plugin, "there is no such file, and no plugin of this name is shipped")),
    }
}

/// `NAME.check.dts` beside the plugin: without `lib` before and the ending behind.
fn beside(plugin: &Path) -> PathBuf {
    let stem = plugin.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = stem
        .strip_prefix("lib")
        .filter(|_| plugin.extension().is_some_and(|e| e == std::env::consts::DLL_EXTENSION));
    plugin.with_file_name(format!("{}.check.dts", name.unwrap_or(&stem)))
}
