//! State in files, beside the configuration.
//!
//! ```text
//! snapshot-7  journal-7     the state: snapshot, and records after it
//! snapshot-6  journal-6     the pair before: replaying it gives snapshot-7
//! lineage                   says that there is a state; never removed
//! lock                      locked with flock, by the engine and its plugin hosts
//! spill                     room for records when the disk is full
//! history/                  earlier snapshots, by serial
//! ```
//!
//! The commit point of a new generation is the rename of its snapshot. Loading is always snapshot plus replay.

mod files;
mod repair;
mod session;

use super::form::{self, Form};
use super::frame::decode;
use super::own;
use super::place::{Backend, DEFAULT_FOLDER, Opening, Place, canonical};
use super::seal::{needs_key, open_state, sealed_state};
use super::store::io;
use super::{Holder, Loaded, Policy, Session, State, StateError, StateStore, Written};
use crate::Fields;
use crate::address::ToolAddr;
use crate::secret::{Key, Redactor};
use crate::state::Serial;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// State in a folder.
#[derive(Clone)]
pub struct LocalStore {
    folder: PathBuf,
    /// The key from `DTM_STATE_KEY`.
    given_key: Option<Key>,
    /// Where keys are kept that dtm made; nowhere without a data folder of the user.
    keys: Option<PathBuf>,
    redactor: Redactor,
    policy: Policy,
}

impl LocalStore {
    /// A store in `folder`. `keys` is where keys are kept when none is given.
    pub fn new(
        folder: PathBuf,
        given_key: Option<Key>,
        keys: impl Into<Option<PathBuf>>,
        redactor: Redactor,
    ) -> Self {
        LocalStore { folder, given_key, keys: keys.into(), redactor, policy: Policy::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder for keys that dtm makes.
    fn key_folder(&self) -> Result<&Path, StateError> {
        let folder = self.keys.as_deref().ok_or_else(|| StateError::NoHome { place: self.describe() })?;
        let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_path_buf());
        match real(folder).starts_with(real(&self.folder)) {
            true => Err(StateError::NoHome { place: self.describe() }),
            false => Ok(folder),
        }
    }

    fn key_file(&self, lineage: &str) -> Result<PathBuf, StateError> {
        Ok(self.key_folder()?.join(lineage))
    }

    /// Where a new key waits until the state is sealed with it.
    fn next_key_file(&self, lineage: &str) -> Result<PathBuf, StateError> {
        Ok(self.key_folder()?.join(format!("{lineage}.next")))
    }

    /// Where the key before waits until nothing is sealed with it any more.
    fn last_key_file(&self, lineage: &str) -> Result<PathBuf, StateError> {
        Ok(self.key_folder()?.join(format!("{lineage}.last")))
    }

    /// The key of this name, or without a name any that there is.
    fn find_key(&self, lineage: &str, wanted: Option<&str>) -> Option<Key> {
        // A state that moves away may have a key of its own beside the one that is given for its new place.
        if let Some(key) = self.given_key.as_ref().filter(|_| !self.policy.even_moved) {
            return Some(key.clone());
        }
        let found = self.known_keys(lineage, None);
        let fits = found.iter().find(|k| wanted.is_none_or(|w| k.id() == w)).cloned();
        fits.or_else(|| found.into_iter().next())
    }

    /// Every key that is given or kept for a state, and one more.
    fn known_keys(&self, lineage: &str, more: Option<&Key>) -> Vec<Key> {
        let files = [self.key_file(lineage), self.next_key_file(lineage), self.last_key_file(lineage)];
        let kept = files.iter().flatten().filter_map(|path| read_key(path));
        more.cloned().into_iter().chain(self.given_key.clone()).chain(kept).collect()
    }

    /// Opens the secrets of a state.
    fn unseal(&self, state: State) -> Result<(State, Option<Key>), StateError> {
        let key = self.find_key(&state.lineage, state.key.as_deref());
        let Some(wanted) = state.key.clone() else { return Ok((state, key)) };
        let fail = |given: String| StateError::Key { wanted: wanted.clone(), given };
        let key = key.ok_or_else(|| match self.key_file(&state.lineage) {
            Ok(file) => fail(format!("no key was given, and there is none in `{}`", file.display())),
            Err(_) => {
                fail("no key was given, and neither `HOME` nor `XDG_DATA_HOME` says where one is".into())
            }
        })?;
        if key.id() != wanted {
            let from = match (&self.given_key, self.key_file(&state.lineage)) {
                (None, Ok(file)) => format!("the key in `{}`", file.display()),
                _ => "the given key".into(),
            };
            return Err(fail(format!("{from} is {}", key.id())));
        }
        let state = open_state(state, &key, &self.redactor)?;
        self.redactor.set_key(&key);
        Ok((state, Some(key)))
    }

    /// The lock, once it is free.
    fn take_lock(&self, holder: &Holder, wait: Duration) -> Result<File, StateError> {
        own::refuse_links_in(&self.folder)?;
        make_folder(&self.folder)?;
        let path = self.path("lock");
        let mut options = OpenOptions::new();
        let mut lock =
            own::open(&path, options.read(true).write(true).create(true).truncate(false).mode(0o600))?;
        let until = Instant::now() + wait;
        while let Err(e) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if e != rustix::io::Errno::WOULDBLOCK && e != rustix::io::Errno::INTR {
                return Err(io("lock", &path)(e.into()));
            }
            if Instant::now() >= until {
                let mut text = String::new();
                let _ = lock.seek(SeekFrom::Start(0)).and_then(|_| lock.read_to_string(&mut text));
                let unknown = Holder {
                    who: "another process".into(),
                    pid: 0,
                    since: "an unknown time".into(),
                    doing: "something".into(),
                    machine: String::new(),
                };
                return Err(StateError::Locked(Box::new(serde_json::from_str(&text).unwrap_or(unknown))));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let text = serde_json::to_string(holder).unwrap_or_default();
        let _ = lock.set_len(0).and_then(|()| lock.write_all_at(text.as_bytes(), 0));
        Ok(lock)
    }

    /// Who holds the lock now.
    fn locked_by(&self) -> Option<Holder> {
        let text = std::fs::read_to_string(self.path("lock")).ok().filter(|_| self.is_locked())?;
        serde_json::from_str(&text).ok()
    }

    /// Whether somebody holds the lock now.
    fn is_locked(&self) -> bool {
        match File::open(self.path("lock")) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_err(),
            Err(_) => false,
        }
    }

    /// Says, for ever, that there is a state.
    fn write_marker(&self, lineage: &str) -> Result<(), StateError> {
        let marker = self.path("lineage");
        if marker.exists() {
            return Ok(());
        }
        let mut file = own::create(&marker)?;
        file.write_all(format!("{lineage}\n").as_bytes()).map_err(io("write", &marker))?;
        file.sync_all().map_err(io("sync", &marker))?;
        sync_folder(&self.folder)
    }

    fn replay_or_begin(&self, holder: &Holder) -> Result<(files::Replayed, bool), StateError> {
        if let Some(found) = self.replay(true)? {
            self.write_marker(&found.state.lineage)?;
            return Ok((found, false));
        }
        let state = self.policy.fresh();
        self.write_generation(0, &Form::sealed(&state), holder)?;
        self.write_marker(&state.lineage)?;
        let found =
            self.replay(true)?.ok_or_else(|| StateError::Closed("the new state is not there".into()))?;
        Ok((found, true))
    }
}

/// The key in a file.
fn read_key(path: &Path) -> Option<Key> {
    std::fs::read_to_string(path).ok().map(|text| Key::from_text(text.trim()))
}

fn sync_folder(folder: &Path) -> Result<(), StateError> {
    own::sync(folder).map_err(io("sync", folder))
}

fn make_folder(path: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io("create", path))
}

impl StateStore for LocalStore {
    fn load(&self) -> Result<Loaded, StateError> {
        own::refuse_links_in(&self.folder)?;
        let mut tries = 0;
        let found = loop {
            let before = self.generations("snapshot")?;
            match self.replay(false) {
                // A writer switched to a new generation meanwhile.
                Err(_) if tries < 10 && self.generations("snapshot")? != before => tries += 1,
                other => break other?,
            }
        };
        match found {
            None => Ok(Loaded { state: self.policy.fresh(), notices: vec![], is_new: true }),
            Some(found) => {
                self.policy.allows(&found.state, || self.describe())?;
                let (state, key) = self.unseal(found.state)?;
                let mut notices = found.notices;
                notices.extend(key.filter(|_| state.key.is_some()).and_then(|key| key.warning()));
                Ok(Loaded { state, notices, is_new: false })
            }
        }
    }

    fn lock(&self, holder: Holder, wait: Duration) -> Result<Box<dyn Session>, StateError> {
        let lock = self.take_lock(&holder, wait)?;
        let (found, is_new) = self.replay_or_begin(&holder)?;
        self.policy.allows(&found.state, || self.describe())?;
        Ok(Box::new(session::LocalSession::begin(self, holder, lock, found, is_new)?))
    }

    fn history(&self) -> Result<Vec<Written>, StateError> {
        let found = self.past().into_iter().filter_map(|path| {
            let bytes = own::read(&path).ok()?;
            form::written(decode(&bytes)?.0.payload)
        });
        Ok(found.collect())
    }

    fn at(&self, serial: Serial) -> Result<Option<State>, StateError> {
        let path = self.path("history").join(format!("{serial:012}"));
        if !path.exists() {
            return Ok(None);
        }
        let found = repair::read_history(&path);
        let state = found.ok_or_else(|| self.corrupt(path, 0, "its checksum does not match", 0))?;
        self.unseal(state).map(|(state, _)| Some(state))
    }

    fn seal(&self, state: &State) -> Result<State, StateError> {
        let key = self.find_key(&state.lineage, state.key.as_deref());
        let needed = needs_key(state, &self.redactor);
        let key = match key {
            None if needed => return Err(StateError::NeedsKey { place: self.describe() }),
            Some(key) if needed => Some(key.seals(state.key.as_deref())?),
            key => key,
        };
        sealed_state(state, key.as_ref(), &self.redactor)
    }

    fn open(&self, state: State) -> Result<State, StateError> {
        self.unseal(state).map(|(state, _)| state)
    }

    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    fn holder(&self) -> Result<Option<Holder>, StateError> {
        Ok(self.locked_by())
    }

    fn has_remains(&self) -> Result<bool, StateError> {
        self.remains()
    }

    fn set_aside(&self, holder: &Holder, wait: Duration) -> Result<(), StateError> {
        self.put_aside(holder, wait).map(drop)
    }

    fn recover(&self, holder: &Holder, wait: Duration) -> Result<(State, usize), StateError> {
        self.rebuild(holder, wait)
    }

    fn rekey(
        &self,
        holder: &Holder,
        wait: Duration,
        new: Option<Key>,
        lost: bool,
    ) -> Result<usize, StateError> {
        self.reseal(holder, wait, new, lost)
    }

    fn fork(
        &self,
        holder: &Holder,
        wait: Duration,
        without: &BTreeSet<ToolAddr>,
    ) -> Result<String, StateError> {
        self.new_lineage(holder, wait, without)
    }
}

/// The backend `local`.
pub struct Files;

#[derive(Serialize, Deserialize)]
struct Options {
    #[serde(default = "default_folder")]
    path: String,
}

fn default_folder() -> String {
    DEFAULT_FOLDER.into()
}

impl Backend for Files {
    fn name(&self) -> &'static str {
        "local"
    }
    fn interface(&self) -> &'static str {
        include_str!("local.dts")
    }
    fn options(&self, written: Fields) -> Result<Fields, String> {
        canonical::<Options>(written)
    }
    fn shown(&self, options: &Fields) -> String {
        self.folder(options).unwrap_or(DEFAULT_FOLDER).to_string()
    }
    fn folder<'o>(&self, options: &'o Fields) -> Option<&'o str> {
        options.get("path")?.as_str()
    }
    fn open(&self, place: &Place, with: Opening<'_>) -> Result<Box<dyn StateStore>, StateError> {
        let folder = with.root.join(place.folder().unwrap_or(DEFAULT_FOLDER));
        Ok(Box::new(LocalStore::new(folder, with.key, with.keys, with.redactor)))
    }
}
