//! A remote state under lock: every batch is one write of the head, which renews the lock too; a thread renews it when
//! nothing is written.

use super::RemoteStore;
use super::head::{HISTORY, Head, Part, Past, TAIL, name, serial_of};
use super::line::{Ended, Wire};
use super::objects::Shown;
use super::pack::{Tail, pack};
use crate::clock::{Lease, now};
use crate::secret::Key;
use crate::state::Serial;
use crate::state::form::Form;
use crate::state::frame::{enclose, encode};
use crate::state::own;
use crate::state::seal::sealed_records;
use crate::state::spill::fitting;
use crate::state::store::io;
use crate::state::{FORMAT, Holder, Loaded, Record, Session, State, StateError};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// The head as this holder knows it, and the line to it.
pub(super) struct Held {
    pub(super) wire: Wire,
    pub(super) head: Head,
    pub(super) version: String,
    /// When the last write that succeeded was sent.
    pub(super) sent: Duration,
    pub(super) ttl: Duration,
    /// Until when something may be begun: two thirds of the TTL after the last write was sent.
    pub(super) lease: Lease,
    pub(super) closed: Option<String>,
}

impl Held {
    /// Who holds the lock, for others to see.
    fn shown(&self) -> Shown {
        Shown { holder: self.head.holder.clone(), epoch: self.head.epoch, ttl: self.ttl }
    }

    /// Writes a head in the place of the known one.
    fn write(&mut self, mut head: Head) -> Result<(), StateError> {
        if let Some(why) = &self.closed {
            return Err(StateError::Closed(why.clone()));
        }
        head.write = uuid::Uuid::new_v4().to_string();
        let known = Some((&*self.head.write, &*self.version));
        let result = match self.wire.replace(&head, known, self.ttl) {
            Ok(Ended::Done { version, sent }) => {
                (self.head, self.version, self.sent) = (head, version, sent);
                self.lease.renew(sent + self.ttl * 2 / 3);
                Ok(())
            }
            Ok(Ended::Lost(Some(other))) => {
                Err(StateError::Fenced { place: self.wire.place(), by: other.holder.map(Box::new) })
            }
            Ok(Ended::Lost(None)) => Err(StateError::Remote {
                doing: "write",
                place: self.wire.place(),
                why: "the state is no longer there".into(),
                help: Some("bring it back before anything else is done".into()),
            }),
            Err(e) => Err(e),
        };
        result.inspect_err(|e| self.closed = Some(e.to_string()))
    }
}

pub(super) struct RemoteSession {
    store: RemoteStore,
    holder: Holder,
    loaded: Loaded,
    held: Arc<Mutex<Held>>,
    key: Option<Key>,
    key_known: bool,
    spill: Option<File>,
    /// Renews until its sender is gone.
    renewal: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

/// Renews the lock whenever a third of its time has passed without a write.
fn renew(held: &Mutex<Held>, stop: &mpsc::Receiver<()>) {
    let lock = || held.lock().unwrap_or_else(|e| e.into_inner());
    let (ttl, objects, shown) = {
        let held = lock();
        (held.ttl, held.wire.objects.clone(), held.shown())
    };
    let mut next = ttl / 3;
    objects.show(&shown);
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(next) {
        let mut held = lock();
        let quiet = now().saturating_sub(held.sent);
        next = if quiet >= ttl / 3 {
            let head = held.head.clone();
            if held.write(head).is_err() {
                return;
            }
            ttl / 3
        } else {
            ttl / 3 - quiet
        };
        drop(held);
        objects.show(&shown);
    }
}

impl RemoteSession {
    pub(super) fn begin(
        store: &RemoteStore,
        holder: &Holder,
        held: Held,
        state: State,
        is_new: bool,
    ) -> Result<RemoteSession, StateError> {
        let held = Arc::new(Mutex::new(held));
        let (sender, receiver) = mpsc::channel();
        let renewed = held.clone();
        let thread = std::thread::Builder::new()
            .name("renewal".into())
            .spawn(move || renew(&renewed, &receiver))
            .map_err(|e| StateError::Closed(format!("no thread could be started: {e}")))?;
        let mut session = RemoteSession {
            store: store.clone(),
            holder: holder.clone(),
            key_known: state.key.is_some(),
            key: store.key.clone(),
            loaded: Loaded { notices: store.warnings(&state), state, is_new },
            held,
            spill: None,
            renewal: Some((sender, thread)),
        };
        session.merge_spill()?;
        Ok(session)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn key(&self) -> Result<Key, StateError> {
        let key = self.key.clone();
        let key = key.ok_or_else(|| StateError::NeedsKey { place: self.store.wire.place() })?;
        Ok(key.seals(self.loaded.state.key.as_deref())?)
    }

    fn sealed(&mut self, records: &[Record]) -> Result<Vec<u8>, StateError> {
        let mut known = self.key_known;
        let out = sealed_records(records, &self.store.redactor, &mut known, || self.key());
        self.key_known = known;
        out
    }

    fn try_append(&mut self, records: &[Record]) -> Result<Serial, StateError> {
        let payload = self.sealed(records)?;
        let mut held = self.held();
        // An older dtm, which does not know these records, refuses the head from here on.
        let mut head = Head { format: FORMAT, ..held.head.clone() };
        let (frame, crc) = encode(head.serial.next(), head.crc, &payload);
        let more = head.tail.with(&frame);
        if more.written() <= TAIL {
            head.tail = more;
        } else {
            // A frame that is too large by itself goes into the segment as well.
            let alone = Tail::new(frame);
            let (bytes, serial, last) = match alone.written() <= TAIL {
                true => (std::mem::replace(&mut head.tail, alone), head.serial, head.crc),
                false => (std::mem::take(&mut head.tail).with(alone.frames()), head.serial.next(), crc),
            };
            head.segments.push(create(&held.wire, "segment", serial, last, bytes.frames(), held.ttl)?);
        }
        (head.serial, head.crc) = (head.serial.next(), crc);
        held.write(head)?;
        Ok(held.head.serial)
    }

    fn try_snapshot(&mut self, state: &State, serial: Serial) -> Result<(), StateError> {
        let redactor = &self.store.redactor;
        let form = Form::sealing(state, redactor, || self.key())?.at(serial);
        let mut held = self.held();
        let past = snapshot(&held.wire, &form, &self.holder, held.ttl)?;
        let mut head = held.head.clone();
        if let Some(old) = head.snapshot.take() {
            head.history.insert(0, old);
            head.history.truncate(HISTORY);
        }
        (head.format, head.serial, head.crc) = (FORMAT, serial, past.part.crc);
        if !state.tools.values().any(|e| e.status.is_open()) {
            // What begins is open until it has ended: nothing of anybody runs any more.
            head.left.clear();
        }
        head.snapshot = Some(past);
        head.segments.clear();
        head.tail = Tail::default();
        held.write(head)?;
        collect(&held.wire, &held.head);
        Ok(())
    }

    /// Says that what earlier holders had begun has ended.
    pub(super) fn forget_left(&self) -> Result<(), StateError> {
        let mut held = self.held();
        let head = Head { left: vec![], ..held.head.clone() };
        held.write(head)
    }

    /// Takes over what an earlier run on this machine could only spill.
    fn merge_spill(&mut self) -> Result<(), StateError> {
        let path = self.store.spill_file(&self.loaded.state.lineage);
        let Ok(bytes) = own::read(&path) else { return Ok(()) };
        let taken = fitting(&bytes, self.key.as_ref(), &mut self.loaded);
        if !taken.is_empty() {
            self.loaded.state.serial = self.try_append(&taken)?;
            taken.into_iter().for_each(|r| self.loaded.state.apply(r));
        }
        std::fs::remove_file(&path).map_err(io("remove", &path))
    }
}

/// Writes a snapshot.
pub(super) fn snapshot(
    wire: &Wire,
    form: &Form<'_>,
    by: &Holder,
    patience: Duration,
) -> Result<Past, StateError> {
    let (written, serial) = (form.by(by), form.serial());
    let (frame, crc) = enclose(serial, 0, form.bytes(&written)?);
    let part = create(wire, "snapshot", serial, crc, &frame, patience)?;
    Ok(Past { part, written })
}

/// Writes an object of a new name.
fn create(
    wire: &Wire,
    what: &str,
    serial: Serial,
    crc: u32,
    frames: &[u8],
    patience: Duration,
) -> Result<Part, StateError> {
    let packed = pack(frames);
    let (bytes, unpacked) = (packed.len() as u64, frames.len() as u64);
    let part = Part { name: name(what, serial), serial, bytes, unpacked, crc };
    wire.create(&part.name, &packed, patience)?;
    Ok(part)
}

/// Removes what is older than the snapshot and belongs to nothing. What cannot be removed now will be later.
pub(super) fn collect(wire: &Wire, head: &Head) {
    let Some(snapshot) = head.snapshot.as_ref().map(|s| &s.part) else { return };
    for name in wire.objects.list().unwrap_or_default() {
        if serial_of(&name).is_some_and(|s| s < snapshot.serial) && !head.names(&name) {
            let _ = wire.objects.delete(&name);
        }
    }
}

impl Session for RemoteSession {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn append(&mut self, records: &[Record]) -> Result<Serial, StateError> {
        if let Some(why) = &self.held().closed {
            return Err(StateError::Closed(why.clone()));
        }
        self.try_append(records).inspect_err(|e| _ = self.held().closed.get_or_insert(e.to_string()))
    }

    fn snapshot(&mut self, state: &State) -> Result<(), StateError> {
        if let Some(why) = &self.held().closed {
            return Err(StateError::Closed(why.clone()));
        }
        let serial = self.held().head.serial;
        self.try_snapshot(state, serial)
    }

    fn replace(&mut self, state: &State) -> Result<Serial, StateError> {
        let serial = self.held().head.serial.max(state.serial).next();
        self.try_snapshot(state, serial)?;
        Ok(serial)
    }

    fn spill(&mut self, records: &[Record]) -> Result<(), StateError> {
        let payload = self.sealed(records)?;
        let (frame, _) = encode(self.held().head.serial, 0, &payload);
        let path = self.store.spill_file(&self.loaded.state.lineage);
        if self.spill.is_none() {
            if let Some(folder) = path.parent() {
                let mut make = std::fs::DirBuilder::new();
                make.recursive(true).mode(0o700).create(folder).map_err(io("create", folder))?;
            }
            let mut options = OpenOptions::new();
            let file = own::open(&path, options.append(true).create(true).mode(0o600))?;
            self.spill = Some(file);
        }
        let Some(file) = &mut self.spill else { return Ok(()) };
        file.write_all(&frame).map_err(io("write", &path))?;
        file.sync_all().map_err(io("sync", &path))
    }

    fn may_run(&self) -> Vec<Holder> {
        self.held().head.left.iter().filter(|h| !h.has_ended()).cloned().collect()
    }

    fn lease(&self) -> Option<Lease> {
        Some(self.held().lease.clone())
    }

    fn keeps_secrets(&self) -> Result<(), StateError> {
        self.key().map(drop)
    }

    fn linger(&self) -> Duration {
        Duration::from_millis(10)
    }

    fn journal_bytes(&self) -> u64 {
        self.held().head.journal()
    }

    fn lock_descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

impl Drop for RemoteSession {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.renewal.take() {
            drop(stop);
            let _ = thread.join();
        }
        let mut held = self.held();
        let mut head = held.head.clone();
        head.holder = None;
        if held.closed.is_none() {
            // Before it is free, so that it is not said of the next holder.
            held.wire.objects.show(&Shown { holder: None, ..held.shown() });
        }
        // Whatever closed it: the write takes place only if the head is still as it was left. What cannot be given back is
        // free when its time is over.
        held.closed = None;
        held.ttl = held.ttl.min(Duration::from_secs(5));
        let _ = held.write(head);
    }
}
