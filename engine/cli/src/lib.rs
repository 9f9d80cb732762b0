//! The command line of dtm. One file for each command under `commands/`; what a person sees is made under `view/`;
//! exit codes are decided here and nowhere else.

mod args;
mod commands;
mod commit;
mod complete;
mod copies;
mod crash;
mod doc;
mod elsewhere;
mod exit;
mod files;
mod log;
mod masking;
mod options;
mod params;
mod project;
mod scratch;
mod source;
mod store;
mod suggest;
mod terminal;
mod trace;
mod trust;
mod view;

use clap::{CommandFactory, Parser};
use dtm_lang::diag::render::{Format, render};
use dtm_lang::loader::Extensions;
use dtm_lang::{Code, Diagnostic, Sources};
use exit::{Exit, Failure};
use std::io::Write;
use std::process::ExitCode;
use terminal::Terminal;

/// A plan is made of many small allocations, some by threads that end: here they take less room and time than in the allocator of
/// the system (ARCHITECTURE.md has the numbers).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What extends the language: DevStream's YAML, and the backends of the engine.
pub static EXTENSIONS: Extensions =
    Extensions { frontends: &[dtm_devstream::FRONTEND], backends: dtm_engine::state::place::interfaces };

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    complete::answer(args::completed);
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some((word, tip)) = elsewhere::tip(&words, args::Cli::command) {
        let text =
            format!("error: dtm has no `{word}`\n\n  tip: {tip}\n\nFor more information, try '--help'.\n");
        return misused(&words, &text);
    }
    let mut cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let e = suggest::naming_programs(suggest::only_visible(e, &args::Cli::command()));
            if !e.use_stderr() {
                let _ = e.print();
                return Exit::Done.into();
            }
            return misused(&words, &e.render().to_string());
        }
    };
    survive_file_limits();
    cli.global.runs_nothing = matches!(cli.command, args::Command::Check(_));
    if let args::Command::PluginHost(host) = &cli.command {
        commands::plugin_host::run(host);
    }
    crash::tell();
    trust::start(&cli.global);
    let mut terminal = Terminal::new(&cli.global);
    if terminal.sarif && !matches!(cli.command, args::Command::Check(_)) {
        terminal.sarif = false;
        let failure = Failure::new(Code::E0901, "only `dtm check` writes SARIF");
        terminal.diagnostics(&failure.diagnostics, &failure.sources);
        return Exit::Usage.into();
    }
    terminal.one_value =
        matches!(cli.command, args::Command::Eval(_) | args::Command::Output(_) | args::Command::Show(_));
    terminal.one_value_if_valid =
        matches!(cli.command, args::Command::Plan(_) | args::Command::Verify(_) | args::Command::Graph(_));
    let result = log::start(&cli.global).and_then(|()| enter(&cli)).and_then(|()| args::run(&cli, &terminal));
    let exit = result.unwrap_or_else(|Failure { diagnostics, sources, exit }| {
        terminal.diagnostics(&diagnostics, &sources);
        exit
    });
    terminal.finish(exit).into()
}

/// Reports a command line that cannot be understood, in the words of clap.
fn misused(words: &[String], text: &str) -> ExitCode {
    let code = Code::E0901;
    if words.iter().any(|word| word == "--json") {
        let mut paragraphs = text.split("\n\n");
        let headline = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
        let headline: Vec<&str> = headline.lines().map(str::trim).collect();
        let tips = text.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
        let d = tips.fold(Diagnostic::new(code, headline.join(" ")), |d, tip| d.help(tip));
        let json = render(&d, &Sources::default(), Format::Json, false);
        let _ = std::io::stdout().write_all(json.as_bytes());
    } else {
        // It repeats what was typed, which may have been pasted.
        let text = text.replacen("error: ", &format!("error[{code}]: "), 1);
        let _ = write!(std::io::stderr(), "{}", dtm_lang::diag::visible(&text));
    }
    Exit::Usage.into()
}

/// A write beyond the limit of a file's size (`ulimit -f`) fails as on a full disk, and is reported; without a handler for
/// SIGXFSZ it would kill dtm in the middle of it. Children get the default again.
fn survive_file_limits() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    let _inside = runtime.enter();
    // The handler stays for as long as the process lives.
    let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
}

/// Why a command line, written for a shell, cannot be understood; `None` if it can. For tests of what dtm advises.
pub fn refused(line: &str) -> Option<String> {
    let Some(words) = dtm_lang::shell::words(line) else { return Some("a quote is not closed".into()) };
    let error = args::Cli::try_parse_from(words).err()?;
    error.use_stderr().then(|| error.to_string())
}

/// `-C DIR`
fn enter(cli: &args::Cli) -> Result<(), Failure> {
    let Some(directory) = &cli.global.directory else { return Ok(()) };
    std::env::set_current_dir(directory).map_err(|e| {
        let shown = directory.display();
        Failure::new(Code::E0903, format!("cannot change to `{shown}`: {}", exit::reason(&e))).usage()
    })
}
