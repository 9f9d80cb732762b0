//! `dtm state ...`: looks into the state and mends it. Every change is a record of the journal, or a snapshot under a
//! serial of its own.

mod devstream;
mod fork;
mod migrate;
mod repair;
mod surgery;

use crate::complete;
use crate::copies::Leave;
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::state_of;
use crate::terminal::{Terminal, is_yes};
use crate::view::count;
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use dtm_engine::difference::visible;
use dtm_engine::state::Serial;
use dtm_engine::state::place::Store;
use dtm_engine::state::{State, Status};
use dtm_lang::{Code, Diagnostic};
use serde_json::json;
use std::path::PathBuf;

pub(super) use devstream::{import as import_devstream, program as devstreams_program};

/// `dtm state`
#[derive(Subcommand)]
pub enum StateCommand {
    /// Lists the tools in the state.
    #[command(after_help = "Example:\n  dtm state list")]
    List(ConfigArg),
    /// Shows the tools in the state, or one of them.
    #[command(
        after_help = "Examples:\n  dtm state show 'repo[\"cart\"]'\n  dtm state show --at 12    as it was"
    )]
    Show {
        /// A tool, a family or a component.
        #[arg(add = ArgValueCandidates::new(complete::state))]
        tool: Option<String>,
        /// Uses the snapshot with this serial, one of those that `dtm state history` lists.
        #[arg(long, value_name = "SERIAL", value_parser = serial)]
        at: Option<Serial>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Lists the kept snapshots, with who made each one, when, and by which command.
    #[command(after_help = "Example:\n  dtm state history")]
    History(ConfigArg),
    /// Moves a tool, family or component to another address; to do so for everyone who uses the program, write `moved`.
    #[command(
        after_help = "Examples:\n  dtm state mv site 'site[\"eu\"]'\n  dtm state mv shop store      and so `shop/site` to `store/site`"
    )]
    Mv {
        /// A tool, a family or a component.
        #[arg(add = ArgValueCandidates::new(complete::state))]
        from: String,
        /// Its new address.
        #[arg(add = ArgValueCandidates::new(complete::program))]
        to: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Removes tools, families or components from the state, without touching the objects themselves.
    #[command(after_help = "Example:\n  dtm state rm deploy 'repo[\"cart\"]'")]
    Rm {
        /// Tools, families or components.
        #[arg(required = true, value_name = "TOOL", add = ArgValueCandidates::new(complete::state))]
        tools: Vec<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Writes the whole state to standard output as JSON, its secrets sealed.
    #[command(
        after_help = "Examples:\n  dtm state pull > backup.json\n  dtm state pull --at 12 > before.json"
    )]
    Pull {
        /// Uses the snapshot with this serial.
        #[arg(long, value_name = "SERIAL", value_parser = serial)]
        at: Option<Serial>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Replaces the state with one that was pulled, or with one from the history.
    #[command(
        after_help = "Examples:\n  dtm state push --at 12      goes back to it\n  dtm state push edited.json\n  dtm state push - < backup.json"
    )]
    Push {
        /// What `dtm state pull` wrote; `-` is standard input.
        #[arg(value_name = "STATE", required_unless_present = "at", conflicts_with = "at")]
        state: Option<PathBuf>,
        /// The snapshot with this serial.
        #[arg(long, value_name = "SERIAL", value_parser = serial)]
        at: Option<Serial>,
        /// Even if the state has changed since it was pulled.
        #[arg(long)]
        force: bool,
        /// Skips the confirmation prompt.
        #[arg(short = 'y', long)]
        yes: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Moves the state from its previous location to the one in the settings.
    #[command(
        after_help = "Example:\n  dtm state migrate      after `state = ...` in `settings` was changed\n\nThe old state is marked as moved, so that it is not used by mistake."
    )]
    Migrate {
        /// The previous location, as dtm prints it [default: where the state was last used].
        #[arg(long, value_name = "PLACE")]
        from: Option<String>,
        /// Skips the confirmation prompt.
        #[arg(short = 'y', long)]
        yes: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Gives the state a new lineage: for a project that was copied together with its state.
    #[command(
        after_help = "Examples:\n  dtm state fork\n  dtm state fork --without-shared    leaves out what both projects would manage\n\nNothing is forgotten: from now on, the copy owns the files inside the project. What is outside of it, on servers or made by commands, is managed by both projects; `dtm state fork` lists it."
    )]
    Fork {
        /// Leaves out the tools whose objects the original manages too.
        #[arg(long)]
        without_shared: bool,
        /// Skips the confirmation prompt: all tools stay in.
        #[arg(short = 'y', long, conflicts_with = "without_shared")]
        yes: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Imports what DevStream created and recorded.
    #[command(
        after_help = "Example:\n  dtm state import --devstream devstream.state -f config.yaml\n\nThe file is only read. The next plan looks for each tool that is in it, and takes over what it finds."
    )]
    Import {
        /// The file in which DevStream kept its state.
        #[arg(long, value_name = "STATE")]
        devstream: PathBuf,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Rebuilds a damaged state from its intact parts.
    #[command(after_help = "Example:\n  dtm state recover")]
    Recover(ConfigArg),
    /// Records the outcome of an interrupted operation that dtm cannot determine.
    #[command(
        after_help = "Examples:\n  dtm state resolve deploy --id web-1\n  dtm state resolve deploy --none",
        group(clap::ArgGroup::new("outcome").required(true).args(["id", "none"]))
    )]
    Resolve {
        /// The tool.
        #[arg(add = ArgValueCandidates::new(complete::state))]
        tool: String,
        /// It exists, with this id.
        #[arg(long)]
        id: Option<String>,
        /// It does not exist.
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Seals the secrets of the state and its history with another key.
    #[command(
        after_help = "Examples:\n  DTM_STATE_NEW_KEY=... dtm state rekey\n  dtm state rekey --lost     the old key is gone: the next apply creates new secrets"
    )]
    Rekey {
        /// The old key is gone: what it sealed is dropped.
        #[arg(long)]
        lost: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Shows who holds the lock; on a server, releases the lock of a dead run.
    #[command(
        after_help = "Examples:\n  dtm state unlock\n  dtm state unlock -y    without the prompt\n  dtm state unlock --gone    its machine is down, so its operations have ended\n\nA run that is still alive cannot write after its lock is released; it keeps its results on its own machine."
    )]
    Unlock {
        /// Skips the confirmation prompt.
        #[arg(short = 'y', long)]
        yes: bool,
        /// Its plugins have exited too: do not wait for their operations.
        #[arg(long)]
        gone: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// The configuration whose state is meant.
#[derive(Args)]
pub struct ConfigArg {
    /// The program [default: main.dts].
    #[arg(short, long, alias = "config-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ConfigArg {
    fn file(&self) -> FileArg {
        FileArg::of(self.file.clone())
    }
}

pub(crate) fn run(global: &Global, terminal: &Terminal, command: &StateCommand) -> Result<Exit, Failure> {
    match command {
        StateCommand::List(config) => {
            let (_, store, _) = state_of(global, &config.file())?;
            let state = store.load()?.state;
            if terminal.json {
                terminal.line(&state.tools.keys().map(|addr| addr.to_string()).collect());
                return Ok(Exit::Done);
            }
            for (addr, entry) in &state.tools {
                let open = (entry.status != Status::Ok).then(|| entry.status.name().to_string());
                let retired = (!entry.retired.is_empty())
                    .then(|| format!("{} yet to be deleted", count(entry.retired.len(), "replaced object")));
                let notes: Vec<String> = open.into_iter().chain(retired).collect();
                let notes =
                    if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
                terminal.out(&format!("{}{notes}\n", visible(addr)));
            }
            Ok(Exit::Done)
        }
        StateCommand::Show { tool, at, config } => {
            let (around, store, _) = state_of(global, &config.file())?;
            super::show::tools(terminal, &as_of(&store, *at)?, tool.as_deref(), &around.redactor)
        }
        StateCommand::History(config) => history(global, terminal, &config.file()),
        StateCommand::Mv { from, to, config } => surgery::mv(global, terminal, &config.file(), from, to),
        StateCommand::Rm { tools, config } => surgery::rm(global, terminal, &config.file(), tools),
        StateCommand::Pull { at, config } => surgery::pull(global, terminal, &config.file(), *at),
        StateCommand::Push { state, at, force, yes, config } => {
            let wanted = surgery::Wanted { file: state.as_deref(), at: *at, force: *force, yes: *yes };
            surgery::push(global, terminal, &config.file(), &wanted)
        }
        StateCommand::Migrate { from, yes, config } => {
            migrate::run(global, terminal, &config.file(), from.as_deref(), *yes)
        }
        StateCommand::Fork { without_shared, yes, config } => {
            let leave = match (without_shared, yes) {
                (true, _) => Some(Leave::Out),
                (false, true) => Some(Leave::In),
                (false, false) => None,
            };
            fork::run(global, terminal, &config.file(), leave)
        }
        StateCommand::Import { devstream, config } => {
            devstream::import(global, terminal, &config.file(), devstream)
        }
        StateCommand::Recover(config) => repair::recover(global, terminal, &config.file()),
        StateCommand::Resolve { tool, id, none: _, config } => {
            repair::resolve(global, terminal, &config.file(), tool, id.as_deref())
        }
        StateCommand::Rekey { lost, config } => repair::rekey(global, terminal, &config.file(), *lost),
        StateCommand::Unlock { yes, gone, config } => {
            repair::unlock(global, terminal, &config.file(), *yes, *gone)
        }
    }
}

/// The number of a snapshot.
fn serial(text: &str) -> Result<Serial, &'static str> {
    text.parse().map_err(|_| "expected a serial number")
}

/// The state now, or in a snapshot that is kept.
fn as_of(store: &Store, at: Option<Serial>) -> Result<State, Failure> {
    let Some(serial) = at else { return Ok(store.load()?.state) };
    if let Some(state) = store.at(serial)? {
        return Ok(state);
    }
    let kept: Vec<String> = store.history()?.iter().map(|w| w.serial.to_string()).collect();
    let d = Diagnostic::new(Code::E0606, format!("no snapshot of serial {serial} is kept"));
    Err(Failure::of(match kept.is_empty() {
        true => d.help("a snapshot is written at the end of every run that changes something"),
        false => d.help(format!("snapshots exist for: {}", kept.join(", "))),
    }))
}

fn history(global: &Global, terminal: &Terminal, file: &FileArg) -> Result<Exit, Failure> {
    let (_, store, _) = state_of(global, file)?;
    let kept = store.history()?;
    if terminal.json {
        terminal.line(&json!(kept));
        return Ok(Exit::Done);
    }
    if kept.is_empty() {
        terminal.out("No snapshot is kept: nothing was changed so far.\n");
        return Ok(Exit::Done);
    }
    let head = ["serial", "when", "who", "doing", "tools"].map(String::from);
    let rows = kept.into_iter().map(|w| [w.serial.to_string(), w.time, w.who, w.doing, w.tools.to_string()]);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(rows).collect();
    let widest = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(widest).collect();
    for [serial, when, who, doing, tools] in &rows {
        terminal.out(&format!(
            "{serial:>0$}  {when:1$}  {who:2$}  {doing:3$}  {tools:>4$}\n",
            widths[0], widths[1], widths[2], widths[3], widths[4]
        ));
    }
    Ok(Exit::Done)
}

/// Whether a person agrees. Where nobody can be asked, `command` says how it goes without a question.
fn agreed(terminal: &Terminal, yes: bool, question: &str, command: &str) -> bool {
    if yes {
        return true;
    }
    let asked = terminal.can_ask()
        && terminal.read_line(&format!("{question} [y/N] "), false).is_some_and(|answer| is_yes(&answer));
    if !asked {
        terminal.note(&format!("Nothing was changed. To skip the prompt: `{command}`."));
    }
    asked
}
