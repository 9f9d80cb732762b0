//! The seam between the engine and where state is kept.

use super::own::NotOurs;
use super::{Record, State};
use crate::address::ToolAddr;
use crate::clock::Lease;
use crate::secret::{Key, WeakKey};
use crate::state::Serial;
use dtm_plugin::in_words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// `user@host`
    pub who: String,
    /// The process.
    pub pid: u32,
    /// Since when, RFC 3339.
    pub since: String,
    /// Doing what: `apply`, `destroy`.
    pub doing: String,
    /// The machine since it was started, and the processes that see each other there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
}

impl Holder {
    /// Where this process runs, as [`Holder::machine`] names it; empty where that cannot be told.
    pub fn this_machine() -> String {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let seen = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        match boot.trim() {
            "" => String::new(),
            boot => format!("{boot} {}", seen.display()),
        }
    }

    /// Whether it has ended for sure: it ran here, and does not any more. Its plugin hosts end with it.
    pub fn has_ended(&self) -> bool {
        let here = Holder::this_machine();
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        !here.is_empty()
            && here == self.machine
            && pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {}) since {}, for `{}`", self.who, self.pid, self.since, self.doing)
    }
}

/// A snapshot that is kept, by whom it was written, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The serial of the state in it.
    pub serial: Serial,
    /// `user@host`
    pub who: String,
    /// Doing what: `apply`, `state rm`.
    pub doing: String,
    /// RFC 3339.
    pub time: String,
    /// How many tools are in it.
    pub tools: usize,
}

impl Written {
    /// What a holder of the lock writes now.
    pub fn by(holder: &Holder, state: &State) -> Written {
        Written {
            serial: state.serial,
            who: holder.who.clone(),
            doing: holder.doing.clone(),
            time: super::now(),
            tools: state.tools.len(),
        }
    }
}

/// State as it was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The state, secrets opened where the key was given.
    pub state: State,
    /// What a person should know: a torn tail that was cut.
    pub notices: Vec<String>,
    /// Whether there was none so far.
    pub is_new: bool,
}

/// Where state is kept.
pub trait StateStore: Send + Sync {
    /// Reads the state without a lock. Nothing is repaired.
    ///
    /// # Errors
    /// When it is corrupt, missing where there was one, of a newer format, or cannot be read.
    fn load(&self) -> Result<Loaded, StateError>;

    /// Takes the lock, waiting for it at most so long, and loads; a torn tail is cut.
    ///
    /// # Errors
    /// As `load`; and when the lock is held.
    fn lock(&self, holder: Holder, wait: Duration) -> Result<Box<dyn Session>, StateError>;

    /// The snapshots that are kept, the newest first.
    ///
    /// # Errors
    /// As `load`.
    fn history(&self) -> Result<Vec<Written>, StateError>;

    /// The state in a snapshot that is kept; `None` where none of this serial is.
    ///
    /// # Errors
    /// As `load`.
    fn at(&self, serial: Serial) -> Result<Option<State>, StateError>;

    /// A state as it may lie anywhere: its secrets sealed with the key of this store.
    ///
    /// # Errors
    /// When it holds secrets and there is no key.
    fn seal(&self, state: &State) -> Result<State, StateError>;

    /// Opens what [`StateStore::seal`] has sealed.
    ///
    /// # Errors
    /// When the key is another one.
    fn open(&self, state: State) -> Result<State, StateError>;

    /// Where it is, for a person.
    fn describe(&self) -> String;

    /// Other rules of what may be begun or resumed here.
    fn set_policy(&mut self, policy: Policy);

    /// Who holds the lock now, as far as that can be known without taking it.
    ///
    /// # Errors
    /// When a server does not answer.
    fn holder(&self) -> Result<Option<Holder>, StateError>;

    /// Whether anything of a state exists, whole or not.
    ///
    /// # Errors
    /// When a server does not answer, or a file in its folder was not made by dtm.
    fn has_remains(&self) -> Result<bool, StateError>;

    /// Whether anything exists from which a state could be rebuilt.
    ///
    /// # Errors
    /// As [`StateStore::has_remains`].
    fn has_pieces(&self) -> Result<bool, StateError> {
        self.has_remains()
    }

    /// Sets aside what is there, so that the next lock makes a new state.
    ///
    /// # Errors
    /// When it cannot be moved, or the lock is held.
    fn set_aside(&self, holder: &Holder, wait: Duration) -> Result<(), StateError>;

    /// Rebuilds a damaged state from what is whole, and sets the rest aside. Returns the state, secrets still sealed, and how
    /// many whole records cannot be used.
    ///
    /// # Errors
    /// When there is nothing to rebuild it from, or the lock is held.
    fn recover(&self, holder: &Holder, wait: Duration) -> Result<(State, usize), StateError>;

    /// Seals everything with another key, history included. Without `new`, a state in files gets a random one. With `lost`,
    /// what the old key sealed is dropped. Returns how many secrets were dropped.
    ///
    /// # Errors
    /// When the state cannot be read or written, or the lock is held. The old key stays valid then.
    fn rekey(
        &self,
        holder: &Holder,
        wait: Duration,
        new: Option<Key>,
        lost: bool,
    ) -> Result<usize, StateError>;

    /// Starts a new lineage for a state that was copied with its project, `without` these tools, and returns it.
    ///
    /// # Errors
    /// When it cannot be read or written, the lock is held, or several machines share it.
    fn fork(
        &self,
        holder: &Holder,
        wait: Duration,
        without: &BTreeSet<ToolAddr>,
    ) -> Result<String, StateError> {
        let _ = (holder, wait, without);
        Err(StateError::Closed("a state on a server is shared, and is not forked".into()))
    }

    /// What is possible only where the lock outlives its holder; none where the operating system frees it.
    fn leased(&self) -> Option<&dyn Leased> {
        None
    }
}

/// A state whose lock stays when its holder ends, because other machines share it.
pub trait Leased {
    /// Frees the lock at once: whoever holds it can no longer write.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    fn unlock(&self, by: &Holder) -> Result<(), StateError>;

    /// Earlier holders whose operations may still run somewhere.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn may_run(&self) -> Result<Vec<Holder>, StateError>;

    /// Records that every operation of earlier holders has ended, so that nobody waits for it.
    ///
    /// # Errors
    /// As [`Leased::unlock`].
    fn nobody_runs(&self, by: &Holder) -> Result<(), StateError>;
}

/// What may be begun in a place, or resumed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The lineage of a state that is begun here; else a new one.
    pub lineage: Option<String>,
    /// Whether a state that was moved away may be used anyway.
    pub even_moved: bool,
}

impl Policy {
    /// A state that nobody has used yet.
    pub(super) fn fresh(&self) -> State {
        let fresh = State::fresh();
        let lineage = self.lineage.clone().unwrap_or_else(|| fresh.lineage.clone());
        State { lineage, ..fresh }
    }
    /// Refuses what is somewhere else now.
    pub(super) fn allows(&self, state: &State, from: impl FnOnce() -> String) -> Result<(), StateError> {
        match &state.moved_to {
            Some(to) if !self.even_moved => Err(StateError::Moved { from: from(), to: to.clone() }),
            _ => Ok(()),
        }
    }
}

/// A state under lock. Dropping it frees the lock.
pub trait Session: Send {
    /// The state as it was when the lock was taken.
    fn loaded(&self) -> &Loaded;

    /// Makes a batch of records durable; gives the new serial.
    ///
    /// # Errors
    /// When it could not be made durable: the session is closed then, every later call fails.
    fn append(&mut self, records: &[Record]) -> Result<Serial, StateError>;

    /// Writes the whole state, so that the journal begins anew.
    ///
    /// # Errors
    /// As `append`.
    fn snapshot(&mut self, state: &State) -> Result<(), StateError>;

    /// Puts another state in the place of this one, as a snapshot under a serial after those of both; gives the serial.
    ///
    /// # Errors
    /// As `append`.
    fn replace(&mut self, state: &State) -> Result<Serial, StateError>;

    /// Keeps records that could not be appended for the next holder of the lock.
    ///
    /// # Errors
    /// When that fails too.
    fn spill(&mut self, records: &[Record]) -> Result<(), StateError>;

    /// Makes sure that secrets can be kept, before anything is made that gives one.
    ///
    /// # Errors
    /// When there is no key, and none may be made.
    fn keeps_secrets(&self) -> Result<(), StateError> {
        Ok(())
    }

    /// Earlier holders of the lock whose operations may still run somewhere.
    fn may_run(&self) -> Vec<Holder> {
        vec![]
    }

    /// Until when an operation may be begun, where the lock ends by itself unless it is renewed.
    fn lease(&self) -> Option<Lease> {
        None
    }

    /// How long a batch waits for more records: where each costs a round trip, it is worth a moment.
    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    /// How many bytes the journal has, so that its owner knows when to write a snapshot.
    fn journal_bytes(&self) -> u64 {
        0
    }

    /// What a person should know that came up meanwhile: a key that was made.
    fn take_notices(&mut self) -> Vec<String> {
        vec![]
    }

    /// The descriptor of the lock, which plugin hosts inherit.
    fn lock_descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>>;
}

fn taken_by(by: Option<&Holder>) -> String {
    by.map(|holder| format!(" by {holder}")).unwrap_or_default()
}

/// What the operating system refused, as an error of the state.
pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    let path = path.to_path_buf();
    move |source| StateError::Io { doing, path, source }
}

/// Why state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process works on it.
    #[error("the state is locked by {0}")]
    Locked(Box<Holder>),
    /// A file is damaged.
    #[error("the state is damaged: `{}`, at byte {offset}: {why}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        why: String,
        /// The pair before, from which it can be rebuilt.
        backup: Option<PathBuf>,
    },
    /// There was a state, and it is no longer there.
    #[error("the state is missing: `{}` says that there was one ({lineage})", marker.display())]
    Missing {
        /// What says so.
        marker: PathBuf,
        /// The lineage that is missing.
        lineage: String,
    },
    /// A later dtm wrote it.
    #[error("the state has format {found}; this dtm knows formats up to {known}")]
    NewerFormat {
        /// Its format.
        found: u32,
        /// The newest known one.
        known: u32,
    },
    /// It was moved to another place.
    #[error("the state was moved from `{from}` to `{to}`")]
    Moved {
        /// Where it was.
        from: String,
        /// Where it is now.
        to: String,
    },
    /// Its secrets do not open.
    #[error("the secrets of the state are sealed with the key {wanted}; {given}")]
    Key {
        /// The key's name.
        wanted: String,
        /// What was found instead.
        given: String,
    },
    /// It is to hold secrets, and no key was given.
    #[error("the state in `{place}` needs a key for its secrets, and none was given")]
    NeedsKey {
        /// Where it is.
        place: String,
    },
    /// It needs a key for its secrets, none was given, and no folder exists to store a new one.
    #[error(
        "the state in `{place}` needs a key for its secrets, and there is no folder to keep one in: neither `HOME` nor `XDG_DATA_HOME` names a folder outside of the state"
    )]
    NoHome {
        /// Where it is.
        place: String,
    },
    /// A key that is easy to guess, for something that it has not sealed yet.
    #[error(transparent)]
    WeakKey(#[from] WeakKey),
    /// Something in its folder was not made by dtm, and may lead anywhere.
    #[error("`{}` is {found}", path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        found: NotOurs,
    },
    /// Somebody took the lock over while this run was held up.
    #[error("the lock on `{place}` was taken over{}", taken_by(by.as_deref()))]
    Fenced {
        /// Where the state is.
        place: String,
        /// Who has it now.
        by: Option<Box<Holder>>,
    },
    /// The server refused, or gave no answer for too long.
    #[error("cannot {doing} `{place}`: {why}")]
    Remote {
        /// What was tried.
        doing: &'static str,
        /// Where the state is.
        place: String,
        /// What the server said.
        why: String,
        /// What would help.
        help: Option<String>,
    },
    /// The operating system refused.
    #[error("cannot {doing} `{}`: {}", path.display(), in_words(&source.to_string()))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An earlier write of this run failed.
    #[error("the journal is closed, because an earlier write failed: {0}")]
    Closed(String),
}
