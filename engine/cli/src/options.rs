//! The options that commands share: those of every command, the configuration, the selection.

use clap::{Args, ValueEnum, ValueHint};
use dtm_engine::plan::{BuildOptions, Selection};
use dtm_lang::Given;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// The headings of the options that every command has.
const PARAMS: &str = "Params";
const OUTPUT: &str = "Output";
const GLOBAL: &str = "Global options";

/// How diagnostics are written.
#[derive(Clone, Copy, ValueEnum, PartialEq)]
pub enum DiagnosticFormat {
    /// With the source lines.
    Human,
    /// One line each: `path:line:column: error[E0301]: headline`.
    Short,
    /// One JSON object per line.
    Json,
    /// A single SARIF 2.1.0 log (only for `check`).
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

/// What the command of `--params-from` printed: params as a file, or one by one.
#[derive(Clone, Default)]
pub struct Printed {
    /// The name and the text of a params file.
    pub files: Vec<(String, String)>,
    /// Params by name.
    pub texts: Vec<Given>,
}

/// Options of every command.
#[derive(Args)]
pub struct Global {
    /// Whether the command runs nothing of the project and needs no values, as `check` does. Set when the command is known.
    #[arg(skip)]
    pub runs_nothing: bool,
    /// Sets a param: strings verbatim, anything else as a `.dts` literal (repeatable). For secrets use DTM_PARAM_NAME or a
    /// params file.
    #[arg(long = "set", value_name = "NAME=VALUE", global = true, help_heading = PARAMS)]
    pub sets: Vec<String>,
    /// Reads params from a YAML, JSON or TOML file (repeatable).
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath, help_heading = PARAMS)]
    pub params: Vec<PathBuf>,
    /// Reads `params/ENV.params` from the project, and sets the param `env` if the program declares it.
    #[arg(long, value_name = "ENV", global = true, help_heading = PARAMS)]
    pub env: Option<String>,
    /// Reads params from the output of a command: a JSON object, or lines `name = value`.
    #[arg(long, value_name = "CMD", global = true, hide_short_help = true, help_heading = PARAMS)]
    pub params_from: Option<String>,
    /// What that command printed; it runs once, however often the configuration is opened.
    #[arg(skip)]
    pub printed: OnceLock<Printed>,
    /// Writes the result as JSON, and diagnostics as with `--format json`.
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub json: bool,
    /// Prints only the requested output and errors.
    #[arg(short, long, global = true, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Prints more: unchanged parts of a plan, plugin logs and what dtm is doing; `-vv` also prints every request.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    /// The format of diagnostics.
    #[arg(long, value_name = "FORMAT", default_value = "human", global = true, help_heading = OUTPUT)]
    pub format: DiagnosticFormat,
    /// When colors are used.
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = OUTPUT)]
    pub color: ColorChoice,
    /// Shows long texts without a pager (`DTM_PAGER`, else `PAGER`, else `less`).
    #[arg(long, global = true, hide_short_help = true, help_heading = OUTPUT)]
    pub no_pager: bool,
    /// Changes to this directory first.
    #[arg(short = 'C', value_name = "DIR", value_hint = ValueHint::DirPath, global = true, help_heading = GLOBAL)]
    pub directory: Option<PathBuf>,
    /// Trusts this project to run its own plugins and commands while planning, and remembers it; see `dtm trust`. In CI,
    /// `DTM_TRUST=1` does so for one command.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub trust: bool,
    /// How long to wait for a locked state, such as `30s`.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, global = true, hide_short_help = true, help_heading = GLOBAL)]
    pub lock_timeout: Duration,
    /// Confirms that the project was moved here with its state, even though the old folder still has one.
    #[arg(long, global = true, hide_short_help = true, help_heading = GLOBAL)]
    pub moved: bool,
    /// As `-vv`, which DevStream called so.
    #[arg(long, global = true, hide = true)]
    pub debug: bool,
}

impl Global {
    /// The options that set params, to add to a command, without the secret params.
    pub fn params_again(&self, is_secret: impl Fn(&str) -> bool) -> String {
        let Global { sets, params, env, params_from, .. } = self;
        let open = sets.iter().filter(|set| !is_secret(set.split('=').next().unwrap_or("")));
        let mut words: Vec<String> = open.flat_map(|set| ["--set".into(), set.clone()]).collect();
        words.extend(params.iter().flat_map(|path| ["--params".into(), path.display().to_string()]));
        words.extend(env.iter().flat_map(|env| ["--env".into(), env.clone()]));
        words.extend(params_from.iter().flat_map(|program| ["--params-from".into(), program.clone()]));
        dtm_lang::shell::more(words.iter().map(|word| &**word))
    }
    /// Whether any option sets params.
    pub fn gives_params(&self) -> bool {
        let Global { sets, params, env, params_from, .. } = self;
        !(sets.is_empty() && params.is_empty() && env.is_none() && params_from.is_none())
    }
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
    duration(text).and_then(|d| if d.is_zero() { Err("the duration is zero".into()) } else { Ok(d) })
}

/// The configuration of a command.
#[derive(Args, Clone)]
pub struct FileArg {
    /// The program, `-` for standard input [default: main.dts].
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// As DevStream named it.
    #[command(flatten)]
    pub more: ConfigFiles,
}

/// The configuration as DevStream named it.
#[derive(Args, Clone, Default)]
pub struct ConfigFiles {
    /// The program, given as an option; repeatable for DevStream YAML files.
    #[arg(short = 'f', long = "file", alias = "config-file", value_name = "FILE", conflicts_with = "file", value_hint = ValueHint::FilePath)]
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
#[command(next_help_heading = "Which tools")]
pub struct SelectArgs {
    /// Plans only this tool, family or component, and what it depends on (repeatable).
    #[arg(long, value_name = "TOOL")]
    pub only: Vec<String>,
    /// Leaves out this tool, family or component, and what needs it (repeatable).
    #[arg(long, value_name = "TOOL")]
    pub skip: Vec<String>,
    /// Replaces this tool, family or component, although nothing requires it (repeatable).
    #[arg(long, value_name = "TOOL")]
    pub replace: Vec<String>,
    /// Changes no object, only the state: records what changed outside, drops what is gone, follows `moved` and `forget`.
    #[arg(long, conflicts_with = "replace")]
    pub refresh_only: bool,
}

impl SelectArgs {
    /// As options of a plan.
    pub fn options(&self, no_read: bool) -> BuildOptions {
        let SelectArgs { only, skip, replace, refresh_only } = self.clone();
        BuildOptions { no_read, refresh_only, selection: Selection { only, skip, replace } }
    }
    /// The options that choose tools, to add to a command. `--replace` is left out: what was replaced is not replaced again.
    pub fn again(&self) -> String {
        let chosen = [("--only", &self.only), ("--skip", &self.skip)];
        let words =
            chosen.iter().flat_map(|(option, tools)| tools.iter().flat_map(move |tool| [*option, &**tool]));
        dtm_lang::shell::more(words)
    }
    /// Whether any of them was given.
    pub fn any(&self) -> bool {
        self.refresh_only || !(self.only.is_empty() && self.skip.is_empty() && self.replace.is_empty())
    }
}
