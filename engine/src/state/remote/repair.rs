//! Repairs of a state on a server: set aside, recover, rekey. Each takes the lock first, except where the head cannot be
//! read: then whoever holds it can write nothing any more once this is done.

use super::head::{HEAD, Head, Past, serial_of};
use super::line::Ended;
use super::pack::{Tail, unpack_all};
use super::session::{collect, snapshot};
use super::{ASK, RemoteStore};
use crate::secret::Key;
use crate::secret::WeakKey;
use crate::state::form::{self, Form, Unreadable};
use crate::state::frame::{decode, read_all};
use crate::state::seal::{open_state, without_sealed};
use crate::state::{FORMAT, Holder, Record, State, StateError};
use std::time::Duration;

/// What is to be replaced: the version of the head that is there, and the head if it can be read.
struct Old {
    head: Option<Head>,
    bytes: Vec<u8>,
    version: Option<String>,
}

impl RemoteStore {
    /// Whether there are objects of a state, whole or not.
    ///
    /// # Errors
    /// When the server gives no answer.
    pub(super) fn pieces(&self) -> Result<bool, StateError> {
        let names = self.wire.patiently("read", ASK, || self.wire.objects.list())?;
        Ok(names.iter().any(|n| n == HEAD || serial_of(n).is_some()))
    }

    /// The head under lock, or as it is where it cannot be read.
    fn old(&self, holder: &Holder, wait: Duration) -> Result<Old, StateError> {
        let read = || self.wire.patiently("read", ASK, || self.wire.objects.get(HEAD));
        match self.wire.head(ASK) {
            Ok(Some(_)) => {
                let (held, _) = self.take(holder, wait, false)?;
                let bytes = serde_json::to_vec(&held.head).unwrap_or_default();
                Ok(Old { head: Some(held.head), bytes, version: Some(held.version) })
            }
            Ok(None) => Ok(Old { head: None, bytes: vec![], version: None }),
            Err(StateError::Corrupt { .. }) => {
                let found = read()?;
                let (bytes, version) = found.map_or((vec![], None), |o| (o.bytes, Some(o.version)));
                Ok(Old { head: None, bytes, version })
            }
            Err(e) => Err(e),
        }
    }

    /// Writes a head in the place of the old one, of which a copy is kept.
    fn put_in_place(&self, old: &Old, head: Head) -> Result<(), StateError> {
        if !old.bytes.is_empty() {
            let kept = format!("old-{}", uuid::Uuid::new_v4().simple());
            self.wire.create(&kept, &old.bytes, ASK)?;
        }
        let write = old.head.as_ref().map_or("", |h| &h.write);
        let known = old.version.as_deref().map(|version| (write, version));
        match self.wire.replace(&head, known, ASK)? {
            Ended::Done { .. } => Ok(()),
            Ended::Lost(other) => Err(StateError::Fenced {
                place: self.wire.place(),
                by: other.and_then(|h| h.holder).map(Box::new),
            }),
        }
    }

    /// A head that nobody holds.
    fn free(&self, epoch: u64, lineage: String) -> Head {
        let write = uuid::Uuid::new_v4().to_string();
        Head { epoch, lineage, write, ..self.first_head() }
    }

    /// Sets aside what is there, so that the next lock finds a new state. The objects stay.
    ///
    /// # Errors
    /// When the lock is held, or the server refuses.
    pub(super) fn put_aside(&self, holder: &Holder, wait: Duration) -> Result<(), StateError> {
        let old = self.old(holder, wait)?;
        let epoch = old.head.as_ref().map_or(0, |h| h.epoch) + 1;
        let lineage = self.policy.fresh().lineage;
        self.put_in_place(&old, self.free(epoch, lineage))
    }

    /// Rebuilds the state from the newest snapshot that can be read and as many records after it as are whole. Gives the
    /// state, secrets still sealed, and how many whole records cannot be used.
    ///
    /// # Errors
    /// When there is nothing to rebuild it from, the lock is held, or the server refuses.
    pub(super) fn rebuild(&self, holder: &Holder, wait: Duration) -> Result<(State, usize), StateError> {
        let old = self.old(holder, wait)?;
        self.rebuilt(&old, holder).inspect_err(|_| self.release(&old))
    }

    /// Gives the lock back where nothing came of it.
    fn release(&self, old: &Old) {
        let Some(head) = &old.head else { return };
        let free = Head { holder: None, write: uuid::Uuid::new_v4().to_string(), ..head.clone() };
        let known = old.version.as_deref().map(|version| (&*head.write, version));
        let _ = self.wire.replace(&free, known, Duration::ZERO);
    }

    fn rebuilt(&self, old: &Old, holder: &Holder) -> Result<(State, usize), StateError> {
        let names = self.wire.patiently("read", ASK, || self.wire.objects.list())?;
        let (snapshots, segments) = match &old.head {
            Some(head) => (
                head.snapshots().map(|p| p.part.name.clone()).collect(),
                head.segments.iter().map(|p| p.name.clone()).collect(),
            ),
            None => (
                newest_first(&names, "snapshot"),
                newest_first(&names, "segment").into_iter().rev().collect(),
            ),
        };
        let snapshots: Vec<String> = snapshots;
        let segments: Vec<String> = segments;
        let mut found = None;
        for name in &snapshots {
            let bytes = self.whole(name)?;
            let Some((frame, _)) = decode(&bytes) else { continue };
            match form::read(frame.payload) {
                Ok(state) => {
                    found = Some((state, frame.crc));
                    break;
                }
                Err(Unreadable::Newer(found)) => {
                    return Err(StateError::NewerFormat { found, known: FORMAT });
                }
                Err(Unreadable::Bad(_)) => {}
            }
        }
        // A state that never had a snapshot begins with its first record.
        let begins = old.head.as_ref().is_some_and(|h| h.snapshot.is_none());
        let empty = || old.head.as_ref().filter(|_| begins).map(|h| (self.empty(&h.lineage), 0));
        let Some((mut state, mut crc)) = found.or_else(empty) else {
            return Err(self.corrupt(HEAD, 0, "there is no snapshot to recover from"));
        };
        let mut behind = 0;
        let mut journal: Vec<Vec<u8>> = vec![];
        for name in &segments {
            journal.push(self.whole(name)?);
        }
        journal.extend(old.head.as_ref().map(|h| h.tail.frames().to_vec()));
        for bytes in &journal {
            let mut previous = decode(bytes).map_or(0, |(_, previous)| previous);
            for frame in read_all(bytes).0 {
                if frame.sequence == state.serial.next() && previous == crc {
                    let records: Vec<Record> = serde_json::from_slice(frame.payload).unwrap_or_default();
                    records.into_iter().for_each(|r| state.apply(r));
                    (state.serial, crc) = (frame.sequence, frame.crc);
                } else if frame.sequence > state.serial {
                    behind += 1;
                }
                previous = frame.crc;
            }
        }
        let last = old.head.as_ref().map_or_else(Default::default, |h| h.serial);
        behind = behind.max(last.since(state.serial));
        // Serials that were given out are not given out again.
        let used = names.iter().filter_map(|n| serial_of(n)).chain(old.head.as_ref().map(|h| h.serial)).max();
        state.serial = state.serial.max(used.unwrap_or_default()).next();
        let past = snapshot(&self.wire, &Form::sealed(&state), holder, ASK)?;
        let mut head = self.free(old.head.as_ref().map_or(0, |h| h.epoch) + 1, state.lineage.clone());
        (head.serial, head.crc) = (state.serial, past.part.crc);
        head.history = self.readable(old.head.as_ref(), &state.lineage)?;
        head.left = old.head.as_ref().map(|h| h.left.clone()).unwrap_or_default();
        head.snapshot = Some(past);
        self.put_in_place(old, head)?;
        Ok((state, behind))
    }

    fn empty(&self, lineage: &str) -> State {
        State { lineage: lineage.into(), ..self.policy.fresh() }
    }

    /// An object unpacked, as far as it can be.
    fn whole(&self, name: &str) -> Result<Vec<u8>, StateError> {
        Ok(self.wire.read(name, ASK)?.map(|bytes| unpack_all(&bytes)).unwrap_or_default())
    }

    /// The history of a head, without what cannot be read.
    fn readable(&self, head: Option<&Head>, lineage: &str) -> Result<Vec<Past>, StateError> {
        let mut kept = vec![];
        for past in head.into_iter().flat_map(Head::snapshots) {
            let whole = self.whole(&past.part.name)?;
            let state = decode(&whole).and_then(|(f, _)| form::read(f.payload).ok());
            if state.is_some_and(|s| s.lineage == lineage) {
                kept.push(past.clone());
            }
        }
        Ok(kept)
    }

    /// Seals everything with another key, history included; with `lost` what the old key sealed is dropped. Gives how many
    /// secrets were dropped.
    ///
    /// # Errors
    /// When no new key is given, the state cannot be read, the lock is held, or the server refuses. The old key stands then.
    pub(super) fn reseal(
        &self,
        holder: &Holder,
        wait: Duration,
        new: Option<Key>,
        lost: bool,
    ) -> Result<usize, StateError> {
        let key = match (new, self.key.clone().filter(|_| lost)) {
            (Some(new), _) => new.seals(None).map_err(WeakKey::of_new)?,
            (None, Some(key)) => key.seals(None)?,
            (None, None) => return Err(StateError::NeedsKey { place: self.wire.place() }),
        };
        let old = self.old(holder, wait)?;
        let Some(before) = &old.head else {
            return Err(self.corrupt(HEAD, 0, "it cannot be read"));
        };
        let result = self.resealed(before, holder, &key, lost);
        let (head, dropped) = result.inspect_err(|_| self.release(&old))?;
        let known = old.version.as_deref().map(|version| (&*before.write, version));
        match self.wire.replace(&head, known, ASK)? {
            Ended::Done { .. } => {}
            Ended::Lost(other) => {
                let by = other.and_then(|h| h.holder).map(Box::new);
                return Err(StateError::Fenced { place: self.wire.place(), by });
            }
        }
        // What the old key sealed does not stay.
        before.snapshots().map(|p| &p.part).chain(&before.segments).for_each(|part| {
            let _ = self.wire.objects.delete(&part.name);
        });
        collect(&self.wire, &head);
        Ok(dropped)
    }

    /// The head of the same state and history under another key.
    fn resealed(
        &self,
        before: &Head,
        holder: &Holder,
        key: &Key,
        lost: bool,
    ) -> Result<(Head, usize), StateError> {
        let gone = || self.corrupt(HEAD, 0, "it names objects that do not exist");
        let sealed = self.replay(before)?.ok_or_else(gone)?;
        self.policy.allows(&sealed, || self.wire.place())?;
        let (state, dropped) = match lost {
            true => without_sealed(sealed),
            // The same again: it has the new key already.
            false if sealed.key.as_deref() == Some(&*key.id()) => {
                (open_state(sealed, key, &self.redactor)?, 0)
            }
            false => (self.unseal(sealed)?, 0),
        };
        let seal = |state: &State| {
            Form::sealing(state, &self.redactor, || Ok(key.clone()))
                .and_then(|form| snapshot(&self.wire, &form, holder, ASK))
        };
        let mut head = self.free(before.epoch, before.lineage.clone());
        let mut newest = seal(&state)?;
        if let Some(old) = before.snapshot.as_ref().filter(|old| old.part.serial == before.serial) {
            newest.written = old.written.clone();
        }
        (head.serial, head.crc) = (before.serial, newest.part.crc);
        head.snapshot = Some(newest);
        for past in &before.history {
            let Some(found) = self.snapshot(before, &past.part)? else { continue };
            let known =
                self.key.iter().chain([key]).find(|k| !lost && found.key.as_deref() == Some(&*k.id()));
            let opened = match (known, &found.key) {
                (_, None) => Some(found),
                (Some(old), Some(_)) => open_state(found, old, &self.redactor).ok(),
                (None, Some(_)) => Some(without_sealed(found).0),
            };
            let Some(opened) = opened else { continue };
            head.history.push(Past { written: past.written.clone(), ..seal(&opened)? });
        }
        head.tail = Tail::default();
        head.left = before.left.clone();
        Ok((head, dropped))
    }
}

/// The names of one sort, by their serials.
fn newest_first(names: &[String], what: &str) -> Vec<String> {
    let mut found: Vec<String> =
        names.iter().filter(|n| n.starts_with(what) && serial_of(n).is_some()).cloned().collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}
