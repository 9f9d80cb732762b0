//! `dtm state ...`: looks into the state and mends it. Every change is a record of the journal.

use crate::args::{Cli, FileArg};
use crate::exit::{Exit, Failure};
use crate::project::{holder, state_of};
use crate::terminal::{Terminal, is_yes};
use crate::view::count;
use clap::{Args, Subcommand};
use dtm_engine::secret::Key;
use dtm_engine::state::local::LocalStore;
use dtm_engine::state::place::Store;
use dtm_engine::state::{Record, StateError, StateStore, Status};
use dtm_lang::Code;
use std::path::PathBuf;
use std::time::Duration;

/// `dtm state`
#[derive(Subcommand)]
pub enum StateCommand {
    /// Lists the tools in state.
    #[command(after_help = "Example:\n  dtm state list")]
    List(ConfigArg),
    /// Shows the tools in state, or one of them.
    #[command(after_help = "Example:\n  dtm state show 'repo[\"cart\"]'")]
    Show {
        /// A tool.
        tool: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Rebuilds a damaged state from the pair of files before it.
    #[command(after_help = "Example:\n  dtm state recover")]
    Recover(ConfigArg),
    /// Says what became of an interrupted tool that cannot be found out.
    #[command(
        after_help = "Examples:\n  dtm state resolve deploy --id web-1\n  dtm state resolve deploy --none"
    )]
    Resolve {
        /// The tool.
        tool: String,
        /// It exists, as this id.
        #[arg(long, required_unless_present = "none", conflicts_with = "none")]
        id: Option<String>,
        /// Nothing of it exists.
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Seals the secrets of the state and its history with another key.
    #[command(
        after_help = "Examples:\n  DTM_STATE_NEW_KEY=... dtm state rekey\n  dtm state rekey --lost     the old key is gone: secrets are made anew by the next apply"
    )]
    Rekey {
        /// The old key is gone: what it sealed is dropped.
        #[arg(long)]
        lost: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Shows who holds the lock; on a server, frees it of a run that is gone.
    #[command(
        after_help = "Examples:\n  dtm state unlock\n  dtm state unlock -y    without a question\n\nA run that still lives can write nothing any more once its lock was freed; what it ends it keeps on its own machine."
    )]
    Unlock {
        /// Asks no question.
        #[arg(short = 'y', long)]
        yes: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// The configuration whose state is meant.
#[derive(Args)]
pub struct ConfigArg {
    /// The configuration [default: main.dts].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ConfigArg {
    fn file(&self) -> FileArg {
        FileArg { file: self.file.clone() }
    }
}

pub(super) fn run(cli: &Cli, terminal: &Terminal, command: &StateCommand) -> Result<Exit, Failure> {
    match command {
        StateCommand::List(config) => {
            let (_, store, _) = state_of(cli, &config.file())?;
            let state = store.load()?.state;
            if terminal.json {
                terminal.line(&state.tools.keys().cloned().collect());
                return Ok(Exit::Done);
            }
            for (addr, entry) in &state.tools {
                let status = if entry.status == Status::Ok {
                    String::new()
                } else {
                    format!("  ({})", format!("{:?}", entry.status).to_lowercase())
                };
                terminal.out(&format!("{addr}{status}\n"));
            }
            Ok(Exit::Done)
        }
        StateCommand::Show { tool, config } => {
            let (_, store, _) = state_of(cli, &config.file())?;
            super::show::tools(terminal, &store.load()?.state, tool.as_deref())
        }
        StateCommand::Recover(config) => recover(cli, terminal, &config.file()),
        StateCommand::Resolve { tool, id, none: _, config } => {
            resolve(cli, terminal, &config.file(), tool, id.as_deref())
        }
        StateCommand::Rekey { lost, config } => rekey(cli, terminal, &config.file(), *lost),
        StateCommand::Unlock { yes, config } => unlock(cli, terminal, &config.file(), *yes),
    }
}

fn recover(cli: &Cli, terminal: &Terminal, file: &FileArg) -> Result<Exit, Failure> {
    let (_, store, _) = match state_of(cli, file) {
        Err(failure) if failure.diagnostics.iter().any(|d| d.code == Code::E0803) => {
            let gone = Failure::new(Code::E0803, "the state is gone as a whole, and with it its backups");
            let help =
                "bring the files back from a backup of your own, or begin anew: `dtm apply --new-state`";
            return Err(gone.help(help));
        }
        other => other?,
    };
    match store.load() {
        Ok(_) => {
            terminal.note("The state is whole: there is nothing to recover.");
            return Ok(Exit::Done);
        }
        Err(StateError::Corrupt { .. } | StateError::Missing { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let (state, behind) = in_files(&store)?.recover(&holder("state recover"), cli.global.lock_timeout)?;
    terminal.note(&format!(
        "Recovered the state as of serial {}: {}.",
        state.serial,
        count(state.tools.len(), "tool")
    ));
    if behind > 0 {
        terminal.note(&format!(
            "{} behind the damage could not be used: what was made then may exist without being known here.",
            count(behind, "record")
        ));
    }
    terminal.note(
        "What the damaged files hold was set aside beside it. `dtm plan` shows what differs from reality.",
    );
    Ok(Exit::Done)
}

fn resolve(
    cli: &Cli,
    terminal: &Terminal,
    file: &FileArg,
    tool: &str,
    id: Option<&str>,
) -> Result<Exit, Failure> {
    let (_, store, _) = state_of(cli, file)?;
    if !store.has_remains()? {
        return Err(Failure::new(Code::E0606, format!("no tool `{tool}` is in state")));
    }
    let session = store.lock(holder("state resolve"), cli.global.lock_timeout)?;
    let state = session.loaded().state.clone();
    let mut entry = super::show::find(&state, tool)?.clone();
    if !entry.status.is_open() {
        return Err(Failure::new(
            Code::E0606,
            format!("nothing of `{tool}` is open: its last operation ended"),
        ));
    }
    let addr = tool.to_string();
    let record = match (id, entry.retired.pop()) {
        (Some(id), retired) => {
            entry.retired.extend(retired);
            entry.id = Some(id.to_string());
            // What the plugin kept of its interruption holds no longer: a person has looked.
            entry.private = serde_json::Value::Null;
            entry.status = Status::Broken;
            Record::Put { addr, entry: Box::new(entry) }
        }
        // The replaced object is still the only one.
        (None, Some(old)) => {
            entry.id = Some(old.id);
            (entry.inputs, entry.outputs, entry.private) = (old.inputs, old.outputs, old.private);
            entry.status = Status::Ok;
            Record::Put { addr, entry: Box::new(entry) }
        }
        (None, None) => Record::Remove { addr },
    };
    super::run::record(&super::run::runtime()?, session, record)?;
    terminal.note(&match id {
        Some(id) => format!("`{tool}` is `{id}` now; the next apply reads it and brings it up to date."),
        None => format!("`{tool}` does not exist; the next apply makes it if it is in the program."),
    });
    Ok(Exit::Done)
}

fn rekey(cli: &Cli, terminal: &Terminal, file: &FileArg, lost: bool) -> Result<Exit, Failure> {
    let (around, store, _) = state_of(cli, file)?;
    if !store.has_remains()? {
        return Err(Failure::new(Code::E0606, "there is no state to seal anew"));
    }
    let new = around.env.get("DTM_STATE_NEW_KEY").filter(|k| !k.is_empty());
    let key = match new {
        Some(text) => Some(Key::from_text(text)),
        None if around.env.get("DTM_STATE_KEY").is_some_and(|k| !k.is_empty()) && !lost => {
            let failure = Failure::new(
                Code::E0805,
                "the state is sealed with `DTM_STATE_KEY`, and no other key is given",
            );
            return Err(failure
                .help("give the new one in `DTM_STATE_NEW_KEY`, and use it as `DTM_STATE_KEY` afterwards"));
        }
        None => None,
    };
    let dropped = in_files(&store)?.rekey(&holder("state rekey"), cli.global.lock_timeout, key, lost)?;
    terminal.note(&match (lost, new.is_some()) {
        (true, _) => format!("{} dropped; the next apply makes them anew.", count(dropped, "secret")),
        (false, true) => {
            "Sealed with the key of `DTM_STATE_NEW_KEY`: give it as `DTM_STATE_KEY` from now on.".to_string()
        }
        (false, false) => "Sealed with a new key, which is kept where the old one was.".to_string(),
    });
    Ok(Exit::Done)
}

/// The store, for what can be done with files only.
fn in_files(store: &Store) -> Result<&LocalStore, Failure> {
    store.local().ok_or_else(|| {
        let headline = format!("this works on states in files, and this one is in `{}`", store.describe());
        Failure::new(Code::E0110, headline)
    })
}

fn unlock(cli: &Cli, terminal: &Terminal, file: &FileArg, yes: bool) -> Result<Exit, Failure> {
    let (_, store, _) = state_of(cli, file)?;
    if !store.has_remains()? {
        terminal.note("There is no state.");
        return Ok(Exit::Done);
    }
    if let Store::Remote(store) = &store {
        let Some(by) = store.holder()? else {
            terminal.note("The state is not locked.");
            return Ok(Exit::Done);
        };
        terminal.note(&format!("The state is locked by {by}."));
        let agreed = yes
            || terminal.can_ask()
                && terminal
                    .read_line("Free it? That run will write nothing any more. [y/N] ", false)
                    .is_some_and(|answer| is_yes(&answer));
        if !agreed {
            terminal.note("Left as it is. Without a question: `dtm state unlock -y`.");
            return Ok(Exit::Failed);
        }
        store.unlock(&holder("state unlock"))?;
        terminal.note("The state is free.");
        return Ok(Exit::Done);
    }
    match store.lock(holder("state unlock"), Duration::ZERO) {
        Ok(_) => {
            terminal.note("The state is not locked.");
            Ok(Exit::Done)
        }
        Err(error @ StateError::Locked(_)) => Err(Failure::from(error)
            .help("the operating system frees it when they end: end that process if it hangs")),
        Err(e) => Err(e.into()),
    }
}
