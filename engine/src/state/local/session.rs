//! A local state under lock: appends to the journal, snapshots, spills.

use super::files::Replayed;
use super::{LocalStore, io, make_folder, sync_folder};
use crate::secret::Key;
use crate::state::Serial;
use crate::state::form::Form;
use crate::state::frame::encode;
use crate::state::own;
use crate::state::seal::sealed_records;
use crate::state::spill::fitting;
use crate::state::{Holder, Loaded, Record, Session, State, StateError};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The room that is kept for records when the disk is full.
const SPILL: u64 = 1 << 20;

pub(super) struct LocalSession {
    store: LocalStore,
    holder: Holder,
    loaded: Loaded,
    key: Option<Key>,
    lock: File,
    journal: File,
    journal_path: PathBuf,
    end: u64,
    generation: u64,
    sequence: Serial,
    crc: u32,
    /// Whether the state names its key.
    key_known: bool,
    /// Whether the snapshot that the journal continues is of an older format.
    is_older: bool,
    spill: Option<File>,
    spilled: u64,
    closed: Option<String>,
    notices: Vec<String>,
}

impl LocalSession {
    /// A session on a state that was just replayed under the lock.
    pub(super) fn begin(
        store: &LocalStore,
        holder: Holder,
        lock: File,
        found: Replayed,
        is_new: bool,
    ) -> Result<LocalSession, StateError> {
        let (state, key) = store.unseal(found.state)?;
        let mut notices = found.notices;
        notices.extend(key.as_ref().filter(|_| state.key.is_some()).and_then(Key::warning));
        let journal_path = store.path(&format!("journal-{}", found.generation));
        let journal = own::open(&journal_path, OpenOptions::new().read(true).write(true))?;
        let end = journal.metadata().map_err(io("read", &journal_path))?.len();
        let mut session = LocalSession {
            key_known: state.key.is_some(),
            is_older: found.is_older,
            store: store.clone(),
            holder,
            loaded: Loaded { state, notices, is_new },
            key,
            lock,
            journal,
            journal_path,
            end,
            generation: found.generation,
            sequence: found.sequence,
            crc: found.crc,
            spill: None,
            spilled: 0,
            closed: None,
            notices: vec![],
        };
        let path = store.path("spill");
        session.merge_spill(&path)?;
        let spill = own::create(&path)?;
        // Room that is really taken; where the file system cannot, an ordinary file must do.
        let _ = rustix::fs::fallocate(&spill, rustix::fs::FallocateFlags::empty(), 0, SPILL);
        session.spill = Some(spill);
        Ok(session)
    }

    /// The records as they are written.
    fn sealed(&mut self, records: &[Record]) -> Result<Vec<u8>, StateError> {
        let (redactor, mut known) = (self.store.redactor.clone(), self.key_known);
        let out = sealed_records(records, &redactor, &mut known, || self.key());
        self.key_known = known;
        out
    }

    /// The state's key, made when there is none.
    fn key(&mut self) -> Result<Key, StateError> {
        if let Some(key) = &self.key {
            return Ok(key.clone().seals(self.loaded.state.key.as_deref())?);
        }
        let path = self.store.key_file(&self.loaded.state.lineage)?;
        let folder = self.store.key_folder()?.to_path_buf();
        make_folder(&folder)?;
        let text =
            Key::random_text().map_err(|e| StateError::Closed(format!("no key could be made: {e}")))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io("create", &path))?;
        file.write_all(text.as_bytes()).map_err(io("write", &path))?;
        file.sync_all().map_err(io("sync", &path))?;
        sync_folder(&folder)?;
        self.notices.push(format!(
            "the secrets of this state are sealed with a key that dtm created: `{}`; keep a backup of it elsewhere",
            path.display()
        ));
        let key = Key::from_text(&text);
        self.store.redactor.set_key(&key);
        self.key = Some(key.clone());
        Ok(key)
    }

    fn try_append(&mut self, records: &[Record]) -> Result<Serial, StateError> {
        if self.is_older {
            // An older dtm, which does not know these records, refuses the snapshot from here on.
            let state = self.loaded.state.clone();
            self.snapshot(&state)?;
        }
        let payload = self.sealed(records)?;
        let (frame, crc) = encode(self.sequence.next(), self.crc, &payload);
        self.journal.write_all_at(&frame, self.end).map_err(io("write", &self.journal_path))?;
        self.journal.sync_data().map_err(io("sync", &self.journal_path))?;
        self.end += frame.len() as u64;
        self.sequence = self.sequence.next();
        self.crc = crc;
        Ok(self.sequence)
    }

    /// Takes over what an earlier run could only spill.
    fn merge_spill(&mut self, path: &Path) -> Result<(), StateError> {
        let Ok(bytes) = own::read(path) else { return Ok(()) };
        let taken = fitting(&bytes, self.key.as_ref(), &mut self.loaded);
        if !taken.is_empty() {
            self.try_append(&taken)?;
            taken.into_iter().for_each(|r| self.loaded.state.apply(r));
            self.loaded.state.serial = self.sequence;
        }
        Ok(())
    }
}

impl Session for LocalSession {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn append(&mut self, records: &[Record]) -> Result<Serial, StateError> {
        if let Some(why) = &self.closed {
            return Err(StateError::Closed(why.clone()));
        }
        self.try_append(records).inspect_err(|e| self.closed = Some(e.to_string()))
    }

    fn snapshot(&mut self, state: &State) -> Result<(), StateError> {
        if let Some(why) = &self.closed {
            return Err(StateError::Closed(why.clone()));
        }
        let redactor = self.store.redactor.clone();
        let form = Form::sealing(state, &redactor, || self.key())?.at(self.sequence);
        let generation = self.generation + 1;
        let (journal, crc, end) = self.store.write_generation(generation, &form, &self.holder)?;
        self.journal_path = self.store.path(&format!("journal-{generation}"));
        (self.journal, self.crc, self.end, self.generation) = (journal, crc, end, generation);
        self.key_known = form.names_key();
        self.is_older = false;
        self.store.tidy(generation, self.sequence);
        Ok(())
    }

    fn replace(&mut self, state: &State) -> Result<Serial, StateError> {
        self.sequence = self.sequence.max(state.serial).next();
        // What was here before may have had another key.
        self.key = self.store.given_key.clone().or(self.key.take());
        // Twice, so that the pair before, from which a damaged one is rebuilt, says the same.
        self.snapshot(state)?;
        self.snapshot(state)?;
        Ok(self.sequence)
    }

    fn spill(&mut self, records: &[Record]) -> Result<(), StateError> {
        let payload = self.sealed(records)?;
        let (frame, _) = encode(self.sequence, 0, &payload);
        let path = self.store.path("spill");
        let Some(file) = &self.spill else { return Err(StateError::Closed("there is no spill file".into())) };
        file.write_all_at(&frame, self.spilled).map_err(io("write", &path))?;
        file.sync_data().map_err(io("sync", &path))?;
        self.spilled += frame.len() as u64;
        Ok(())
    }

    fn keeps_secrets(&self) -> Result<(), StateError> {
        match &self.key {
            Some(key) => Ok(key.clone().seals(self.loaded.state.key.as_deref()).map(drop)?),
            None => self.store.key_folder().map(drop),
        }
    }

    fn journal_bytes(&self) -> u64 {
        self.end
    }

    fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn lock_descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.lock.as_fd())
    }
}

impl Drop for LocalSession {
    fn drop(&mut self) {
        if self.spilled == 0 {
            let _ = std::fs::remove_file(self.store.path("spill"));
        }
    }
}
