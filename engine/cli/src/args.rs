//! The command line: one enum line for each command. Help texts are the command reference.

use crate::commands;
use clap::{Args, Parser, Subcommand, ValueEnum};
use dtm_engine::plan::{BuildOptions, Selection};
use std::path::PathBuf;
use std::time::Duration;

/// The DevOps toolchain manager: a toolchain from one file, planned, applied and kept true.
#[derive(Parser)]
#[command(
    name = "dtm",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// How diagnostics are written.
#[derive(Clone, Copy, ValueEnum, PartialEq)]
pub enum DiagnosticFormat {
    /// With the source lines.
    Human,
    /// One line each: `path:line:column: error[E0301]: headline`.
    Short,
    /// One JSON object a line.
    Json,
    /// One SARIF 2.1.0 log; for `check`.
    Sarif,
}

/// When colors are used.
#[derive(Clone, Copy, ValueEnum, PartialEq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Options of every command.
#[derive(Args)]
pub struct Global {
    /// Changes to this directory first.
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Gives a param: a string as it is, anything else as a literal (repeatable).
    #[arg(long = "set", value_name = "NAME=VALUE", global = true)]
    pub sets: Vec<String>,
    /// Reads params from a YAML, JSON or TOML file.
    #[arg(long, value_name = "FILE", global = true)]
    pub params: Option<PathBuf>,
    /// Writes the result for machines, and diagnostics as with `--format json`.
    #[arg(long, global = true)]
    pub json: bool,
    /// How diagnostics are written.
    #[arg(long, value_name = "FORMAT", default_value = "human", global = true)]
    pub format: DiagnosticFormat,
    /// When colors are used.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: ColorChoice,
    /// How long to wait for a state that somebody else works on, as `30s`.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, global = true)]
    pub lock_timeout: Duration,
    /// Says that the project was moved here with its state, although the folder it was in still has one.
    #[arg(long, global = true)]
    pub moved: bool,
    /// Shows long texts without a pager (`DTM_PAGER`, else `PAGER`, else `less`).
    #[arg(long, global = true)]
    pub no_pager: bool,
    /// Tells only what is asked for, and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tells more: what is equal in a plan, what plugins log, and what dtm does; `-vv` every request too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// As `-vv`, which DevStream called so.
    #[arg(long, global = true, hide = true)]
    pub debug: bool,
}

impl Global {
    /// How much more is told: nothing, what plugins log, every request.
    pub fn verbosity(&self) -> u8 {
        if self.debug { self.verbose.max(2) } else { self.verbose }
    }
}

/// A duration as in a `.dts` file.
pub fn duration(text: &str) -> Result<Duration, String> {
    let plain = text.parse::<u64>().ok().map(Duration::from_secs);
    let unit =
        dtm_lang::syntax::duration(text).and_then(|ns| u64::try_from(ns).ok()).map(Duration::from_nanos);
    unit.or(plain).ok_or_else(|| "write a duration such as `30s`, `1m30s` or `500ms`".to_string())
}

/// A duration that is some time.
pub fn deadline(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|d| if d.is_zero() { Err("that is no time at all".into()) } else { Ok(d) })
}

/// The configuration of a command.
#[derive(Args, Clone)]
pub struct FileArg {
    /// The configuration, `-` for standard input [default: main.dts].
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// As DevStream named it.
    #[command(flatten)]
    pub more: ConfigFiles,
}

/// The configuration as DevStream named it.
#[derive(Args, Clone, Default)]
pub struct ConfigFiles {
    /// The configuration, as FILE; several files of DevStream's YAML are one configuration.
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "file")]
    pub config_file: Vec<PathBuf>,
    /// Variables of tools as v0.4 of DevStream wrote them.
    #[arg(long, value_name = "FILE", hide = true, requires = "config_file")]
    pub var_file: Vec<PathBuf>,
}

impl FileArg {
    /// One file, or the default.
    pub fn of(file: Option<PathBuf>) -> FileArg {
        FileArg { file, more: ConfigFiles::default() }
    }
}

/// What is planned.
#[derive(Args, Clone)]
pub struct SelectArgs {
    /// Plans only this tool, family or component, and what it depends on (repeatable).
    #[arg(long, value_name = "TOOL")]
    pub only: Vec<String>,
    /// Leaves this tool, family or component as it is, and what cannot be without it (repeatable).
    #[arg(long, value_name = "TOOL")]
    pub skip: Vec<String>,
    /// Makes this tool anew, although nothing asks for it (repeatable).
    #[arg(long, value_name = "TOOL")]
    pub replace: Vec<String>,
    /// Changes nothing that exists: records what changed outside, drops what is gone, follows `moved` and `forget`.
    #[arg(long, conflicts_with = "replace")]
    pub refresh_only: bool,
}

impl SelectArgs {
    /// As options of a plan.
    pub fn options(&self, no_read: bool) -> BuildOptions {
        let SelectArgs { only, skip, replace, refresh_only } = self.clone();
        BuildOptions { no_read, refresh_only, selection: Selection { only, skip, replace } }
    }
    /// Whether any of them was given.
    pub fn any(&self) -> bool {
        self.refresh_only || !(self.only.is_empty() && self.skip.is_empty() && self.replace.is_empty())
    }
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Parses, resolves and type-checks a configuration; touches nothing.
    Check(commands::check::Check),
    /// Shows what `apply` would do.
    Plan(commands::plan::PlanArgs),
    /// Plans, asks, and carries the plan out.
    Apply(commands::apply::Apply),
    /// Removes everything that the state knows, dependents first.
    Destroy(commands::destroy::Destroy),
    /// Removes some tools and what depends on them.
    Delete(commands::delete::Delete),
    /// Compares the state with reality.
    Verify(commands::verify::Verify),
    /// Writes the `.dts` for what exists already, so that it can be taken over.
    Import(commands::import::Import),
    /// Lists what exists of a kind, whoever made it, and writes the `.dts` for it.
    List(commands::list::List),
    /// Shows the tools in state, or one of them.
    Show(commands::show::Show),
    /// Shows the outputs of the last apply.
    Output(commands::output::OutputArgs),
    /// Shows what depends on what.
    Graph(commands::graph::GraphArgs),
    /// Looks into the state and mends it.
    #[command(subcommand)]
    State(commands::state::StateCommand),
    /// Runs the tests of a configuration; needs no state, no plugins and no network.
    Test(commands::test::Test),
    /// Computes an expression inside of a configuration.
    Eval(commands::eval::Eval),
    /// Computes expressions, one after the other.
    Console(commands::console::Console),
    /// Writes documentation from doc comments.
    Doc(commands::doc::Doc),
    /// Makes `.dts` of DevStream's YAML, and shows that both plan the same.
    Convert(commands::convert::Convert),
    /// Brings `.dts` files into the one style.
    Fmt(commands::fmt::Fmt),
    /// Tells which plugins a configuration needs, and where they are; nothing has to be downloaded.
    #[command(hide = true)]
    Init(commands::habits::Init),
    /// Explains the code of a diagnostic.
    Explain(commands::explain::Explain),
    /// Writes a starter project, or lists them.
    New(commands::new::New),
    /// Serves an editor: the language server.
    Lsp(commands::lsp::Lsp),
    /// Examines plugins.
    #[command(subcommand)]
    Plugin(commands::plugin::PluginCommand),
    /// Writes a completion script for a shell.
    Completion(commands::completion::Completion),
    /// Shows the version.
    Version(commands::version::Version),
    /// Runs one plugin; started by dtm itself.
    #[command(hide = true)]
    PluginHost(commands::plugin_host::PluginHost),
}
