//! The files of a local state: generations, replay, the switch to a new generation.

use super::{LocalStore, io};
use crate::hash;
use crate::state::Serial;
use crate::state::belonging::Glance;
use crate::state::form::{self, Form, Unreadable};
use crate::state::frame::{End, decode, enclose, encode, read_all};
use crate::state::own;
use crate::state::{FORMAT, Holder, Record, State, StateError};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// How many earlier snapshots `history/` keeps.
const HISTORY: usize = 20;

/// A state as its files tell it, secrets still sealed.
pub(super) struct Replayed {
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) sequence: Serial,
    pub(super) crc: u32,
    /// Whether the snapshot is of an older format.
    pub(super) is_older: bool,
    pub(super) notices: Vec<String>,
}

impl LocalStore {
    /// The generations of which there is a file `WHAT-N`, the newest first.
    pub(super) fn generations(&self, what: &str) -> Result<Vec<u64>, StateError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(io("read", &self.folder)(e)),
        };
        let number = |e: std::io::Result<std::fs::DirEntry>| {
            e.ok()?.file_name().to_str()?.strip_prefix(what)?.strip_prefix('-')?.parse::<u64>().ok()
        };
        let mut found: Vec<u64> = entries.filter_map(number).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// What the files say without being opened: nothing is replayed, and no secret is read.
    ///
    /// # Errors
    /// When there is a state that cannot be read.
    pub fn glance(&self) -> Result<Glance, StateError> {
        if let Some(newest) = self.generations("snapshot")?.first() {
            let (state, ..) = self.read_snapshot(*newest)?;
            return Ok(Glance { lineage: Some(state.lineage), root: state.root });
        }
        let marker = self.path("lineage");
        match std::fs::read_to_string(&marker) {
            Ok(lineage) => Ok(Glance { lineage: Some(lineage.trim().into()), root: String::new() }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Glance::default()),
            Err(e) => Err(io("read", &marker)(e)),
        }
    }

    pub(super) fn corrupt(
        &self,
        file: PathBuf,
        offset: usize,
        why: impl Into<String>,
        generation: u64,
    ) -> StateError {
        let backup =
            generation.checked_sub(1).map(|g| self.path(&format!("snapshot-{g}"))).filter(|p| p.exists());
        StateError::Corrupt { file, offset: offset as u64, why: why.into(), backup }
    }

    /// The state in a snapshot, the hash of the file, and whether it is of an older format.
    pub(super) fn read_snapshot(&self, generation: u64) -> Result<(State, String, bool), StateError> {
        let path = self.path(&format!("snapshot-{generation}"));
        let bytes = own::read(&path).map_err(io("read", &path))?;
        let bad = |offset: usize, why: &str| self.corrupt(path.clone(), offset, why, generation);
        if bytes.is_empty() {
            return Err(bad(0, "it is empty"));
        }
        let (frame, _) = decode(&bytes).ok_or_else(|| bad(0, "its checksum does not match"))?;
        if frame.length != bytes.len() {
            return Err(bad(frame.length, "bytes follow its end"));
        }
        match form::read(frame.payload) {
            Ok(state) => Ok((state, hash(&bytes), form::is_older(frame.payload))),
            Err(Unreadable::Newer(found)) => Err(StateError::NewerFormat { found, known: FORMAT }),
            Err(Unreadable::Bad(why)) => Err(bad(0, &why)),
        }
    }

    /// The snapshots in `history/`, the newest first.
    pub(super) fn past(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("history")).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.retain(|p| p.extension().is_none());
        paths.sort_by(|a, b| b.cmp(a));
        paths
    }

    /// Snapshot plus replay. `cut` removes a torn tail, which only the holder of the lock may do.
    pub(super) fn replay(&self, cut: bool) -> Result<Option<Replayed>, StateError> {
        let snapshots = self.generations("snapshot")?;
        let journals = self.generations("journal")?;
        let marker = self.path("lineage");
        let Some(&generation) = snapshots.first() else {
            let said = std::fs::read_to_string(&marker).ok();
            return match said {
                Some(lineage) => Err(StateError::Missing { marker, lineage: lineage.trim().to_string() }),
                None => Ok(None),
            };
        };
        let (mut state, snapshot_hash, is_older) = self.read_snapshot(generation)?;
        let path = self.path(&format!("journal-{generation}"));
        if !journals.contains(&generation) {
            return Err(self.corrupt(path, 0, "the journal of the newest snapshot is missing", generation));
        }
        for later in journals.iter().filter(|g| **g > generation) {
            let leftover = self.path(&format!("journal-{later}"));
            let bytes = own::read(&leftover).map_err(io("read", &leftover))?;
            if read_all(&bytes).0.len() > 1 {
                return Err(self.corrupt(
                    leftover,
                    0,
                    "this journal has records, but its snapshot is missing",
                    *later,
                ));
            }
        }
        let bytes = own::read(&path).map_err(io("read", &path))?;
        let (frames, end) = read_all(&bytes);
        let header: Option<Value> = frames.first().and_then(|f| serde_json::from_slice(f.payload).ok());
        let fits = header.is_some_and(|h| {
            h["lineage"] == json!(state.lineage)
                && h["generation"] == json!(generation)
                && h["snapshot"] == json!(snapshot_hash)
        });
        if !fits {
            return Err(self.corrupt(path, 0, "it does not belong to its snapshot", generation));
        }
        let mut length = 0;
        let mut last = (Serial::default(), 0);
        for (i, frame) in frames.iter().enumerate() {
            length += frame.length;
            last = (frame.sequence, frame.crc);
            if i == 0 {
                continue;
            }
            let records: Vec<Record> = serde_json::from_slice(frame.payload)
                .map_err(|e| self.corrupt(path.clone(), length - frame.length, e.to_string(), generation))?;
            records.into_iter().for_each(|r| state.apply(r));
            state.serial = frame.sequence;
        }
        let mut notices = vec![];
        match end {
            End::Clean => {}
            // What a writer is still writing looks like this to a reader.
            End::Corrupt(_) if !cut && self.is_locked() => {}
            End::Corrupt(at) => {
                return Err(self.corrupt(
                    path,
                    at,
                    "a record is damaged, and whole ones follow it",
                    generation,
                ));
            }
            End::Torn(at) => {
                if cut {
                    self.cut(&path, &bytes, at, last.0)?;
                    notices.push(format!(
                        "the last {} bytes of `{}` were cut off in the middle of a write; they are kept beside it",
                        bytes.len() - at,
                        path.display()
                    ));
                }
            }
        }
        Ok(Some(Replayed { state, generation, sequence: last.0, crc: last.1, is_older, notices }))
    }

    fn cut(&self, path: &Path, bytes: &[u8], at: usize, sequence: Serial) -> Result<(), StateError> {
        let kept = self.path(&format!("cut-{sequence}"));
        own::create(&kept)?.write_all(&bytes[at..]).map_err(io("write", &kept))?;
        let file = own::open(path, OpenOptions::new().write(true))?;
        file.set_len(at as u64).map_err(io("cut", path))?;
        file.sync_all().map_err(io("sync", path))
    }

    /// Writes a generation: journal first, then the snapshot by rename, which is the commit.
    pub(super) fn write_generation(
        &self,
        generation: u64,
        form: &Form<'_>,
        by: &Holder,
    ) -> Result<(File, u32, u64), StateError> {
        let (snapshot, _) = enclose(form.serial(), 0, form.bytes(&form.by(by))?);
        let lineage = &form.state.lineage;
        let header = json!({ "lineage": lineage, "generation": generation, "snapshot": hash(&snapshot) });
        let (frame, crc) = encode(form.serial(), 0, header.to_string().as_bytes());
        let path = self.path(&format!("journal-{generation}"));
        let mut journal = own::create(&path)?;
        journal.write_all(&frame).map_err(io("write", &path))?;
        journal.sync_all().map_err(io("sync", &path))?;
        let target = self.path(&format!("snapshot-{generation}"));
        own::replace(&target, &self.path("snapshot.tmp"), &snapshot)?;
        Ok((journal, crc, frame.len() as u64))
    }

    /// Links the newest snapshot into the history, and removes what is no longer needed.
    pub(super) fn tidy(&self, generation: u64, serial: Serial) {
        let history = self.path("history");
        let _ = std::fs::create_dir_all(&history);
        let _ = std::fs::hard_link(
            self.path(&format!("snapshot-{generation}")),
            history.join(format!("{serial:012}")),
        );
        self.past().iter().skip(HISTORY).for_each(|p| _ = std::fs::remove_file(p));
        for what in ["snapshot", "journal"] {
            for old in self.generations(what).unwrap_or_default().iter().filter(|g| **g + 1 < generation) {
                let _ = std::fs::remove_file(self.path(&format!("{what}-{old}")));
            }
        }
    }
}
