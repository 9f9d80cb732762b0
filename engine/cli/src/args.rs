//! The command line: one enum line for each command. Help texts are the command reference.

use crate::commands;
use crate::complete;
use crate::exit::{Exit, Failure};
use crate::options::Global;
use crate::terminal::Terminal;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::engine::ArgValueCandidates;

/// The DevOps toolchain manager: declares a toolchain in one file, plans every change, and applies it.
#[derive(Parser)]
#[command(
    name = "dtm",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:\n  dtm new quickstart my-project\n  dtm plan\n  dtm apply\n  dtm help guide\n\nTopics of `dtm help`: guide (and its pages), addresses, exit-codes"
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, the most used first.
#[derive(Subcommand)]
pub enum Command {
    /// Shows what `apply` would do.
    Plan(commands::plan::PlanArgs),
    /// Plans, asks for confirmation, and applies the plan.
    Apply(commands::apply::Apply),
    /// Checks a program without touching anything.
    Check(commands::check::Check),
    /// Deletes everything in the state, dependents first.
    Destroy(commands::destroy::Destroy),
    /// Writes a starter project, or lists the starters.
    New(commands::new::New),
    /// Formats `.dts` files.
    Fmt(commands::fmt::Fmt),
    /// Shows the outputs of the last apply.
    Output(commands::output::OutputArgs),
    /// Shows the tools in the state.
    Show(commands::show::Show),
    /// Runs the tests of a program, without state, plugins or network.
    Test(commands::test::Test),
    /// Reports what changed outside of dtm.
    Verify(commands::verify::Verify),
    /// Explains the code of a diagnostic.
    Explain(commands::explain::Explain),
    /// Deletes some tools and what depends on them.
    Delete(commands::delete::Delete),
    /// Writes the `.dts` of existing objects, so that dtm can adopt them.
    Import(commands::import::Import),
    /// Lists the existing objects of a kind.
    List(commands::list::List),
    /// Shows which tools depend on which.
    Graph(commands::graph::GraphArgs),
    /// Evaluates an expression in the context of a program.
    Eval(commands::eval::Eval),
    /// Evaluates expressions interactively.
    Console(commands::console::Console),
    /// Generates documentation from doc comments.
    Doc(commands::doc::Doc),
    /// Inspects and repairs the state.
    #[command(
        subcommand,
        after_help = "Examples:\n  dtm state list\n  dtm state mv site 'site[\"eu\"]'\n  dtm state history"
    )]
    State(commands::state::StateCommand),
    /// Shows what a project makes dtm run while it plans, and trusts it.
    Trust(commands::trust::Trust),
    /// Checks plugins against the protocol.
    #[command(subcommand, after_help = "Example:\n  dtm plugin check target/debug/libmine.so")]
    Plugin(commands::plugin::PluginCommand),
    /// Converts DevStream YAML to `.dts`, and verifies that both produce the same plan.
    Convert(commands::convert::Convert),
    /// Starts the language server.
    Lsp(commands::lsp::Lsp),
    /// Generates a completion script for a shell.
    Completion(commands::completion::Completion),
    /// Shows the help of a command or a topic.
    Help(commands::help::Help),
    /// Shows the version.
    Version(commands::version::Version),
    /// Lists the plugins that a configuration needs, and where they are; nothing is downloaded.
    #[command(hide = true)]
    Init(commands::devstream_compat::Init),
    /// Runs one plugin; started by dtm itself.
    #[command(hide = true)]
    PluginHost(commands::plugin_host::PluginHost),
}

/// Runs the command of a command line.
pub fn run(cli: &Cli, terminal: &Terminal) -> Result<Exit, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Check(c) => commands::check::run(global, terminal, c),
        Command::Plan(c) => commands::plan::run(global, terminal, c),
        Command::Apply(c) => commands::apply::run(global, terminal, c),
        Command::Destroy(c) => commands::destroy::run(global, terminal, c),
        Command::Delete(c) => commands::delete::run(global, terminal, c),
        Command::Verify(c) => commands::verify::run(global, terminal, c),
        Command::Import(c) => commands::import::run(global, terminal, c),
        Command::List(c) => commands::list::run(global, terminal, c),
        Command::Show(c) => commands::show::run(global, terminal, c),
        Command::Output(c) => commands::output::run(global, terminal, c),
        Command::Graph(c) => commands::graph::run(global, terminal, c),
        Command::State(c) => commands::state::run(global, terminal, c),
        Command::Test(c) => commands::test::run(global, terminal, c),
        Command::Eval(c) => commands::eval::run(global, terminal, c),
        Command::Console(c) => commands::console::run(global, terminal, c),
        Command::Doc(c) => commands::doc::run(terminal, c, &Cli::command()),
        Command::Convert(c) => commands::convert::run(global, terminal, c),
        Command::Fmt(c) => commands::fmt::run(terminal, c),
        Command::Init(c) => commands::devstream_compat::init(global, terminal, c),
        Command::Trust(c) => commands::trust::run(global, terminal, c),
        Command::Explain(c) => commands::explain::run(terminal, c),
        Command::New(c) => commands::new::run(terminal, c),
        Command::Lsp(c) => commands::lsp::run(c),
        Command::Plugin(c) => commands::plugin::run(global, terminal, c),
        Command::Completion(c) => commands::completion::run(terminal, c),
        Command::Help(c) => commands::help::run(terminal, c, Cli::command()),
        Command::Version(_) => commands::version::run(terminal),
        Command::PluginHost(c) => commands::plugin_host::run(c),
    }
}

/// The command line as a shell completes it: the options that commands share complete tools and params.
pub fn completed() -> clap::Command {
    fn with_candidates(command: clap::Command) -> clap::Command {
        let command = command.mut_args(|argument| match argument.get_id().as_str() {
            "sets" => argument.add(ArgValueCandidates::new(complete::params)),
            "env" => argument.add(ArgValueCandidates::new(complete::environments)),
            "only" | "skip" => argument.add(ArgValueCandidates::new(complete::both)),
            "replace" => argument.add(ArgValueCandidates::new(complete::state)),
            _ => argument,
        });
        command.mut_subcommands(with_candidates)
    }
    let pages = || complete::pages(&Cli::command(), &commands::help::TOPICS, dtm_stdlib::GUIDE);
    with_candidates(Cli::command()).mut_subcommand("help", |help| {
        help.mut_arg("command", |argument| argument.add(ArgValueCandidates::new(pages)))
    })
}
