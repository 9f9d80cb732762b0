//! Repairs that work on the files of a state: set aside, recover, rekey. Each takes the lock first, except where
//! there is nothing to lock any more.

use super::{LocalStore, io, make_folder, read_key, sync_folder};
use crate::address::ToolAddr;
use crate::secret::Key;
use crate::secret::WeakKey;
use crate::state::Serial;
use crate::state::form::{self, Form};
use crate::state::frame::{End, decode, encode, read_all, whole_after};
use crate::state::own;
use crate::state::seal::{open_state, without_sealed};
use crate::state::{Holder, Record, State, StateError, StateStore, Written};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

impl LocalStore {
    /// Whether there are files of a state, whole or not.
    ///
    /// # Errors
    /// When its folder holds links or other files that dtm did not make.
    pub(super) fn remains(&self) -> Result<bool, StateError> {
        own::refuse_links_in(&self.folder)?;
        Ok(self.path("lineage").exists() || self.generations("snapshot").is_ok_and(|g| !g.is_empty()))
    }

    /// Sets aside what is there, so that the next lock makes a new state; gives the folder that keeps it.
    ///
    /// # Errors
    /// When a file cannot be moved, or the lock is held.
    pub(super) fn put_aside(&self, holder: &Holder, wait: Duration) -> Result<PathBuf, StateError> {
        let _lock = self.take_lock(holder, wait)?;
        self.move_aside()
    }

    fn move_aside(&self) -> Result<PathBuf, StateError> {
        let kept = (0u32..).map(|n| self.path(&format!("old-{n}"))).find(|p| p.symlink_metadata().is_err());
        let kept = kept.unwrap_or_else(|| self.path("old"));
        make_folder(&kept)?;
        let entries = std::fs::read_dir(&self.folder).map_err(io("read", &self.folder))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if text != "lock" && !text.starts_with("old") {
                let path = entry.path();
                std::fs::rename(&path, kept.join(&name)).map_err(io("move", &path))?;
            }
        }
        sync_folder(&self.folder)?;
        Ok(kept)
    }

    /// Rebuilds the state from the newest snapshot that can be read and as many records after it as are whole; from
    /// the history when there is none. What was there is set aside. Gives the state, secrets still sealed, and how
    /// many whole records stand behind the damage in its journal, which cannot be used.
    ///
    /// # Errors
    /// When there is nothing to rebuild it from, or the lock is held.
    pub(super) fn rebuild(&self, holder: &Holder, wait: Duration) -> Result<(State, usize), StateError> {
        let _lock = self.take_lock(holder, wait)?;
        let mut problem = None;
        let mut found = None;
        let generations = self.generations("snapshot")?;
        for generation in &generations {
            match self.read_snapshot(*generation) {
                Ok((state, ..)) => {
                    let newest = self.generations("journal")?.first().copied().unwrap_or(*generation);
                    found = Some(self.replay_from(state, *generation, newest));
                    break;
                }
                Err(e) => _ = problem.get_or_insert(e),
            }
        }
        // A snapshot of the history that is newer than what the files give is nearer to what was.
        let past = self.past().iter().find_map(|p| read_history(p)).map(|state| (state, 0));
        let found = match (found, past) {
            (Some(found), Some(past)) if past.0.serial > found.0.serial => Some(past),
            (found, past) => found.or(past),
        };
        let Some((state, mut behind)) = found else {
            let nothing =
                || self.corrupt(self.path("snapshot-0"), 0, "there is no snapshot to recover from", 0);
            return Err(problem.unwrap_or_else(nothing));
        };
        // What was written after it, by the numbers that are left.
        let last = self
            .generations("journal")?
            .into_iter()
            .map(|g| self.last_of_journal(g))
            .max()
            .unwrap_or_default();
        behind = behind.max(last.since(state.serial));
        let kept = self.move_aside()?;
        std::fs::rename(kept.join("history"), self.path("history"))
            .or_else(ignore_missing)
            .map_err(io("move", &kept))?;
        std::fs::rename(kept.join("lineage"), self.path("lineage"))
            .or_else(ignore_missing)
            .map_err(io("move", &kept))?;
        self.write_generation(0, &Form::sealed(&state), holder)?;
        self.write_marker(&state.lineage)?;
        Ok((state, behind))
    }

    /// The records of this generation and of later ones, whose snapshots say nothing else than what is replayed up to there.
    fn replay_from(&self, state: State, generation: u64, newest: u64) -> (State, usize) {
        let mut found = self.replay_onto(state, generation);
        for later in generation + 1..=newest {
            let begins = read_all(&self.journal_of(later)).0.first().map(|frame| frame.sequence);
            if found.1 > 0 || begins != Some(found.0.serial) {
                break;
            }
            found = self.replay_onto(found.0, later);
        }
        found
    }

    /// The bytes of a journal; none where it cannot be read.
    fn journal_of(&self, generation: u64) -> Vec<u8> {
        own::read(&self.path(&format!("journal-{generation}"))).unwrap_or_default()
    }

    /// The serial of the last whole record of a journal.
    fn last_of_journal(&self, generation: u64) -> Serial {
        read_all(&self.journal_of(generation)).0.last().map_or_else(Serial::default, |frame| frame.sequence)
    }

    /// The whole records of a journal on top of its snapshot, as far as they go; and how many come after what is
    /// damaged.
    fn replay_onto(&self, mut state: State, generation: u64) -> (State, usize) {
        let bytes = self.journal_of(generation);
        let (frames, end) = read_all(&bytes);
        let behind = if let End::Corrupt(at) = end { whole_after(&bytes, at) } else { 0 };
        for frame in frames.iter().skip(1) {
            let records: Vec<Record> = serde_json::from_slice(frame.payload).unwrap_or_default();
            records.into_iter().for_each(|r| state.apply(r));
            state.serial = frame.sequence;
        }
        (state, behind)
    }

    /// Seals everything with another key, history and backup included; without `new` a random one is made. With
    /// `lost` what the old key sealed is dropped. Gives how many secrets were dropped.
    ///
    /// # Errors
    /// When the state cannot be read or written, or the lock is held. The old key stands then.
    pub(super) fn reseal(
        &self,
        holder: &Holder,
        wait: Duration,
        new: Option<Key>,
        lost: bool,
    ) -> Result<usize, StateError> {
        let _lock = self.take_lock(holder, wait)?;
        let Some(found) = self.replay(true)? else { return Ok(0) };
        self.policy.allows(&found.state, || self.describe())?;
        let lineage = found.state.lineage.clone();
        // A run before may have been interrupted: then the state has the new key already, and its history the old one.
        let known = if lost { vec![] } else { self.known_keys(&lineage, new.as_ref()) };
        let named = |id: Option<&str>| known.iter().find(|k| Some(&*k.id()) == id);
        self.settle_key(&lineage, found.state.key.as_deref())?;
        let mut dropped = 0;
        let state = match (lost, named(found.state.key.as_deref())) {
            (true, _) => {
                let (state, count) = without_sealed(found.state);
                dropped = count;
                state
            }
            (false, Some(key)) => open_state(found.state, key, &self.redactor)?,
            (false, None) => self.unseal(found.state)?.0,
        };
        let made = new.is_none();
        let key = match new {
            Some(key) => key.seals(None).map_err(WeakKey::of_new)?,
            None => {
                let text = Key::random_text()
                    .map_err(|e| StateError::Closed(format!("no key could be made: {e}")))?;
                make_folder(self.key_folder()?)?;
                replace(&self.next_key_file(&lineage)?, text.as_bytes())?;
                Key::from_text(&text)
            }
        };
        // Twice, so that the backup pair is sealed anew too.
        for generation in [found.generation + 1, found.generation + 2] {
            self.write_generation(
                generation,
                &Form::sealing(&state, &self.redactor, || Ok(key.clone()))?,
                holder,
            )?;
        }
        self.tidy(found.generation + 2, state.serial);
        for path in self.past() {
            let Some(past) = read_history(&path) else { continue };
            let by = written_in(&path);
            let opened = match named(past.key.as_deref()) {
                _ if past.key.is_none() || past.key.as_deref() == Some(&*key.id()) => continue,
                Some(old) => open_state(past, old, &self.redactor).ok(),
                None => Some(without_sealed(past).0),
            };
            if let Some(opened) = opened {
                let form = Form::sealing(&opened, &self.redactor, || Ok(key.clone()))?;
                let payload = form.bytes(&by.unwrap_or_else(|| form.by(holder)))?;
                replace(&path, &encode(opened.serial, 0, &payload).0)?;
            }
        }
        if made {
            let (from, to) = (self.next_key_file(&lineage)?, self.key_file(&lineage)?);
            std::fs::rename(&from, &to).map_err(io("move", &from))?;
            std::fs::remove_file(self.last_key_file(&lineage)?)
                .or_else(ignore_missing)
                .map_err(io("remove", &to))?;
            sync_folder(self.key_folder()?)?;
        }
        Ok(dropped)
    }

    /// Starts a new lineage for the state of a copied project, `without` these tools, and returns it. The history keeps the
    /// old lineage.
    ///
    /// # Errors
    /// When the state cannot be read or written, or the lock is held.
    pub(super) fn new_lineage(
        &self,
        holder: &Holder,
        wait: Duration,
        without: &BTreeSet<ToolAddr>,
    ) -> Result<String, StateError> {
        let mut session = self.lock(holder.clone(), wait)?;
        let mut state = session.loaded().state.clone();
        let before = std::mem::replace(&mut state.lineage, State::fresh().lineage);
        for addr in without {
            state.apply(Record::Remove { addr: addr.clone() });
        }
        for entry in state.tools.values_mut().filter(|e| e.deps.iter().any(|d| without.contains(d))) {
            Arc::make_mut(entry).deps.retain(|d| !without.contains(d));
        }
        // The secrets stay sealed with the same key, which is found by the lineage.
        if let Some(key) = read_file(&self.key_file(&before)?)? {
            replace(&self.key_file(&state.lineage)?, &key)?;
        }
        session.replace(&state)?;
        replace(&self.path("lineage"), format!("{}\n", state.lineage).as_bytes())?;
        Ok(state.lineage)
    }

    /// Puts a new key in its place that an interrupted run had left waiting although the state is sealed with it; the one
    /// before stays beside it, for what is still sealed with that.
    fn settle_key(&self, lineage: &str, named: Option<&str>) -> Result<(), StateError> {
        let (Ok(next), Ok(now)) = (self.next_key_file(lineage), self.key_file(lineage)) else {
            return Ok(());
        };
        let Some(waiting) = read_key(&next).filter(|key| Some(&*key.id()) == named) else { return Ok(()) };
        if read_key(&now).is_some_and(|key| key.id() != waiting.id()) {
            let last = self.last_key_file(lineage)?;
            std::fs::rename(&now, &last).map_err(io("move", &now))?;
        }
        std::fs::rename(&next, &now).map_err(io("move", &next))?;
        sync_folder(self.key_folder()?)
    }
}

/// The bytes of a file, if it is there.
fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io("read", path)(e)),
    }
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn written_in(path: &Path) -> Option<Written> {
    form::written(decode(&own::read(path).ok()?)?.0.payload)
}

pub(super) fn read_history(path: &Path) -> Option<State> {
    let bytes = own::read(path).ok()?;
    let (frame, _) = decode(&bytes)?;
    form::read(frame.payload).ok()
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    own::replace(path, &path.with_extension("tmp"), bytes)
}
