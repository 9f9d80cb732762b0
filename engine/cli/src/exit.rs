//! Exit codes, and the one border where errors of every module become diagnostics.

use crate::masking;
pub use dtm_engine::reason;
use dtm_engine::secret::SHORTEST_KEY;
use dtm_engine::state::own::NotOurs;
use dtm_engine::state::{Holder, StateError};
use dtm_lang::shell::command;
use dtm_lang::{Code, Diagnostic, Diagnostics, Sources};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// How dtm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done, or there was nothing to do.
    Done = 0,
    /// An error, or the question was answered with no.
    Failed = 1,
    /// There are changes (`plan --detailed-exitcode`).
    Changes = 2,
    /// Some tools failed; or there is drift (`verify`).
    Partly = 4,
    /// The state is locked.
    Locked = 5,
    /// The saved plan no longer fits its state, or was applied already.
    Stale = 6,
    /// Wrong usage.
    Usage = 64,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// Every exit code, in order.
    pub const ALL: [Exit; 8] = [
        Exit::Done,
        Exit::Failed,
        Exit::Changes,
        Exit::Partly,
        Exit::Locked,
        Exit::Stale,
        Exit::Usage,
        Exit::Interrupted,
    ];

    /// What it means, for the page that lists all of them.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "success, or nothing to do; warnings alone do not fail a command",
            Exit::Failed => "an error, a failed test, or a declined prompt",
            Exit::Changes => "the plan has changes (only with `dtm plan --detailed-exitcode`)",
            Exit::Partly => {
                "some tools or late asserts failed and the rest is done; `dtm verify` found drift"
            }
            Exit::Locked => "the state is locked by another run",
            Exit::Stale => "the saved plan is stale or was applied already: plan again",
            Exit::Usage => "wrong usage: an unknown command or option, or an invalid value",
            Exit::Interrupted => "interrupted (Ctrl-C, SIGTERM or SIGHUP)",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// What stops a command.
pub struct Failure {
    /// What is wrong.
    pub diagnostics: Diagnostics,
    /// The files that it points into.
    pub sources: Arc<Sources>,
    /// How dtm ends.
    pub exit: Exit,
}

impl Failure {
    /// One problem without a place.
    pub fn new(code: Code, headline: impl Into<String>) -> Failure {
        Failure::of(Diagnostic::new(code, headline))
    }
    /// One problem.
    pub fn of(diagnostic: Diagnostic) -> Failure {
        Failure { diagnostics: diagnostic.into(), sources: Arc::default(), exit: Exit::Failed }
    }
    /// Problems in files.
    pub fn all(diagnostics: Diagnostics, sources: &Arc<Sources>) -> Failure {
        Failure { diagnostics, sources: sources.clone(), exit: Exit::Failed }
    }
    /// Ends as wrong usage.
    pub fn usage(self) -> Failure {
        Failure { exit: Exit::Usage, ..self }
    }
    /// Adds an advice.
    pub fn help(self, text: impl Into<String>) -> Failure {
        let text = text.into();
        let diagnostics = self.diagnostics.into_iter().map(|d| d.help(text.clone()));
        let mut all = Diagnostics::default();
        diagnostics.for_each(|d| all.push(d));
        Failure { diagnostics: all, ..self }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Failure {
        let exit = if matches!(error, StateError::Locked(_)) { Exit::Locked } else { Exit::Failed };
        Failure { exit, ..Failure::of(state_diagnostic(&error)) }
    }
}

/// A [`StateError`] as a person sees it.
pub fn state_diagnostic(error: &StateError) -> Diagnostic {
    // A server may echo the request.
    let of = |code| Diagnostic::new(code, masking::masked(&error.to_string()));
    match error {
        StateError::Locked(holder) => {
            let d = of(Code::E0801).help("wait for it, or pass `--lock-timeout 10m`");
            d.note(match holder.machine == Holder::this_machine() {
                true => format!("the lock is released when process {} and its plugins have ended", holder.pid),
                false => "the lock is released when that run ends; on a server, that of a run that died expires within a minute".into(),
            })
        }
        StateError::Corrupt { backup, .. } => {
            let d = of(Code::E0802).note("nothing was changed");
            match backup {
                Some(file) => d
                    .note(format!("the state before it is kept in `{}`", file.display()))
                    .help("rebuild it: `dtm state recover`"),
                None => d.help("see what can be read of it: `dtm state recover`"),
            }
        }
        StateError::Missing { .. } => of(Code::E0803)
            .note("without it, dtm would create everything a second time")
            .help("restore the files, or rebuild the state from what is left: `dtm state recover`")
            .help("if it was removed on purpose, start a new one: `dtm apply --new-state`"),
        StateError::Moved { .. } => of(Code::E0808)
            .help("set its new place in `settings`")
            .help("if a move was interrupted, complete it: `dtm state migrate`")
            .help("to start a new one here: `dtm apply --new-state`"),
        StateError::NewerFormat { .. } => of(Code::E0804).help("use the dtm that wrote it, or a later one"),
        StateError::Key { .. } => of(Code::E0805)
            .help("set `DTM_STATE_KEY` to the right key, or restore the key file")
            .help("if it is lost for good: `dtm state rekey --lost`"),
        StateError::NeedsKey { .. } => of(Code::E0805)
            .note("a key that exists on one machine only would lock out all the others")
            .help("create one, store it with your other secrets, and set `DTM_STATE_KEY` to it: `openssl rand -base64 32`"),
        StateError::NoHome { .. } => of(Code::E0805)
            .note("a key beside the state that it seals would protect nothing")
            .help("set `HOME` or `XDG_DATA_HOME` to an absolute path outside of the project")
            .help("or create a key, store it with your other secrets, and set `DTM_STATE_KEY` to it: `openssl rand -base64 32`"),
        StateError::WeakKey(_) => of(Code::E0805)
            .note(format!("a key has at least {SHORTEST_KEY} characters that nobody can guess"))
            .help("create one, and store it with your other secrets: `openssl rand -base64 32`"),
        StateError::Foreign { path, found } => of(Code::E0806)
            .note(match *found == NotOurs::HardLink {
                true => "dtm never creates one there; it may come from a copy made with `cp -l`, and writing to it would change the other file too",
                false => "dtm never creates one there; it may have come with a clone, and using it would change what it leads to",
            })
            .help(foreign(path, *found)),
        StateError::Fenced { .. } => of(Code::E0807)
            .note("nothing was written since; what ended meanwhile is kept here for the next run"),
        StateError::Remote { help, .. } => match help {
            Some(help) => of(Code::E0809).help(help.clone()),
            None => of(Code::E0809),
        },
        StateError::Io { .. } => of(Code::E0806),
        StateError::Closed(_) => of(Code::E0807),
    }
}

/// What to do about a file of a state that leads elsewhere: what it holds may be the only copy of the state.
fn foreign(path: &Path, found: NotOurs) -> String {
    let (shown, name) = (path.display().to_string(), path.file_name().unwrap_or_default());
    let look = command(["ls", "-l", &shown]);
    if found == NotOurs::HardLink {
        let folder = path.parent().map(|folder| match folder.ends_with("history") {
            true => folder.parent().unwrap_or(folder),
            false => folder,
        });
        let state = folder.unwrap_or(path).display().to_string();
        let (own, linked) = (format!("{state}.own"), format!("{state}.linked"));
        let steps = [["cp", "-a", &state, &own], ["mv", &state, &linked, ""], ["mv", &own, &state, ""]];
        let steps: Vec<String> =
            steps.iter().map(|step| command(step.iter().copied().filter(|word| !word.is_empty()))).collect();
        return format!("give this state its own copies of the files: `{}`", steps.join(" && "));
    }
    match name == "lock" || found != NotOurs::SymbolicLink {
        true => format!("check its target, then remove it: `{look}`, `{}`", command(["rm", &shown])),
        false => format!(
            "check its target, `{look}`: if it is this state's file, replace the link with the file; if not, restore the file from a backup"
        ),
    }
}
