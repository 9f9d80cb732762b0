//! The commands, one file each.

pub mod apply;
pub mod check;
pub mod completion;
pub mod console;
pub mod convert;
pub mod delete;
pub mod destroy;
pub mod devstream_compat;
pub mod doc;
pub mod eval;
pub mod explain;
pub mod fmt;
pub mod graph;
pub mod help;
pub mod import;
pub mod list;
pub mod lsp;
pub mod new;
pub mod output;
pub mod plan;
pub mod plugin;
pub mod plugin_host;
mod run;
mod saved;
pub mod show;
pub mod state;
pub mod test;
pub mod trust;
pub mod verify;
pub mod version;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;

/// Runs the command of a command line.
pub fn run(cli: &Cli, terminal: &Terminal) -> Result<Exit, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Check(c) => check::run(global, terminal, c),
        Command::Plan(c) => plan::run(global, terminal, c),
        Command::Apply(c) => apply::run(global, terminal, c),
        Command::Destroy(c) => destroy::run(global, terminal, c),
        Command::Delete(c) => delete::run(global, terminal, c),
        Command::Verify(c) => verify::run(global, terminal, c),
        Command::Import(c) => import::run(global, terminal, c),
        Command::List(c) => list::run(global, terminal, c),
        Command::Show(c) => show::run(global, terminal, c),
        Command::Output(c) => output::run(global, terminal, c),
        Command::Graph(c) => graph::run(global, terminal, c),
        Command::State(c) => state::run(global, terminal, c),
        Command::Test(c) => test::run(global, terminal, c),
        Command::Eval(c) => eval::run(global, terminal, c),
        Command::Console(c) => console::run(global, terminal, c),
        Command::Doc(c) => doc::run(global, terminal, c),
        Command::Convert(c) => convert::run(global, terminal, c),
        Command::Fmt(c) => fmt::run(terminal, c),
        Command::Init(c) => devstream_compat::init(global, terminal, c),
        Command::Trust(c) => trust::run(global, terminal, c),
        Command::Explain(c) => explain::run(terminal, c),
        Command::New(c) => new::run(terminal, c),
        Command::Lsp(c) => lsp::run(c),
        Command::Plugin(c) => plugin::run(global, terminal, c),
        Command::Completion(c) => completion::run(terminal, c),
        Command::Help(c) => help::run(terminal, c),
        Command::Version(_) => version::run(terminal),
        Command::PluginHost(c) => plugin_host::run(c),
    }
}
