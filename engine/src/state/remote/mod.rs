//! State on a server: immutable snapshots and segments of the journal, and one head that names them. Any server will do
//! that has conditional writes ([`objects::Objects`]).
//!
//! ```text
//! head ── holder, epoch, write id, the newest records
//!   ├── snapshot-000000000040-...      replay begins here
//!   ├── segment-000000000052-...       records after it
//!   └── history: snapshot-000000000031-..., ...
//! ```
//!
//! The lock is in the head. Its holder writes at least every third of the TTL; who waits takes over when it has seen the
//! same write for a whole TTL on its own clock. Every write is under the condition that nobody wrote since, so a holder
//! that slept and wakes up writes nothing any more.

pub mod double;
mod head;
#[cfg(feature = "k8s")]
pub mod k8s;
mod line;
pub mod objects;
mod pack;
mod pauses;
mod repair;
#[cfg(any(feature = "k8s", feature = "s3"))]
mod runtime;
#[cfg(feature = "s3")]
pub mod s3;
mod session;

use super::form::{self, Unreadable};
use super::frame::{End, decode, read_all};
#[cfg(any(feature = "k8s", feature = "s3"))]
use super::place::Opening;
use super::seal::{needs_key, open_state, sealed_state};
use super::{
    FORMAT, Holder, Leased, Loaded, Policy, Record, Session, State, StateError, StateStore, Written,
};
use crate::clock::{Lease, now};
use crate::secret::{Key, Redactor};
use crate::state::Serial;
use head::{HEAD, Head, Part};
use line::{Ended, Wire};
use objects::Objects;
use pack::{Tail, unpack};
use session::{Held, RemoteSession};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// After so long without a renewal a holder counts as gone.
pub const TTL: Duration = Duration::from_secs(60);

/// So long a question without a lock is asked again when no answer comes.
const ASK: Duration = Duration::from_secs(10);

/// State on a server.
#[derive(Clone)]
pub struct RemoteStore {
    wire: Wire,
    key: Option<Key>,
    redactor: Redactor,
    /// The folder on this machine for what could not be written.
    spill: PathBuf,
    ttl: Duration,
    policy: Policy,
}

impl RemoteStore {
    /// A store on these objects. `spill` is a folder on this machine for records that the server did not take.
    pub fn new(
        objects: Arc<dyn Objects>,
        key: Option<Key>,
        redactor: Redactor,
        spill: PathBuf,
    ) -> RemoteStore {
        RemoteStore { wire: Wire { objects }, key, redactor, spill, ttl: TTL, policy: Policy::default() }
    }

    /// With another TTL of the lock.
    pub fn with_ttl(self, ttl: Duration) -> RemoteStore {
        RemoteStore { ttl, ..self }
    }

    fn spill_file(&self, lineage: &str) -> PathBuf {
        self.spill.join(lineage)
    }

    fn corrupt(&self, name: &str, offset: usize, why: impl Into<String>) -> StateError {
        let file = format!("{}/{name}", self.wire.place()).into();
        StateError::Corrupt { file, offset: offset as u64, why: why.into(), backup: None }
    }

    /// An object that the head names; `None` where it is gone, because a later head does not name it.
    fn part(&self, part: &Part) -> Result<Option<Vec<u8>>, StateError> {
        let Some(bytes) = self.wire.read(&part.name, ASK)? else { return Ok(None) };
        if bytes.len() as u64 != part.bytes {
            let why = format!("it has {} bytes, and {} were written", bytes.len(), part.bytes);
            return Err(self.corrupt(&part.name, bytes.len(), why));
        }
        let whole = unpack(&bytes, part.unpacked);
        whole.map(Some).ok_or_else(|| self.corrupt(&part.name, 0, "it cannot be unpacked"))
    }

    /// The state in a snapshot that a head names, secrets still sealed; `None` where it is gone.
    fn snapshot(&self, head: &Head, part: &Part) -> Result<Option<State>, StateError> {
        let Some(bytes) = self.part(part)? else { return Ok(None) };
        let bad = |why: String| self.corrupt(&part.name, 0, why);
        let (frame, _) = decode(&bytes).ok_or_else(|| bad("its checksum does not match".into()))?;
        if frame.crc != part.crc {
            return Err(bad("it is not the one that the head names".into()));
        }
        let state = form::read(frame.payload).map_err(|e| match e {
            Unreadable::Newer(found) => StateError::NewerFormat { found, known: FORMAT },
            Unreadable::Bad(why) => bad(why),
        })?;
        match state.lineage == head.lineage {
            true => Ok(Some(state)),
            false => Err(bad(format!("it belongs to another state, {}", state.lineage))),
        }
    }

    /// The state of a head, secrets still sealed; `None` where a part of it is gone.
    fn replay(&self, head: &Head) -> Result<Option<State>, StateError> {
        let mut state = State { format: FORMAT, lineage: head.lineage.clone(), ..State::default() };
        if let Some(past) = &head.snapshot {
            match self.snapshot(head, &past.part)? {
                Some(found) => state = found,
                None => return Ok(None),
            }
        }
        let mut journal = vec![];
        for part in &head.segments {
            let Some(bytes) = self.part(part)? else { return Ok(None) };
            journal.extend_from_slice(&bytes);
        }
        journal.extend_from_slice(head.tail.frames());
        let (frames, end) = read_all(&journal);
        if let End::Torn(at) | End::Corrupt(at) = end {
            return Err(self.corrupt(HEAD, at, "a record of the journal is damaged"));
        }
        for frame in &frames {
            if frame.sequence != state.serial.next() {
                let why = format!("record {} follows {}", frame.sequence, state.serial);
                return Err(self.corrupt(HEAD, 0, why));
            }
            let records: Vec<Record> =
                serde_json::from_slice(frame.payload).map_err(|e| self.corrupt(HEAD, 0, e.to_string()))?;
            records.into_iter().for_each(|r| state.apply(r));
            state.serial = frame.sequence;
        }
        match state.serial == head.serial {
            true => Ok(Some(state)),
            false => Err(self.corrupt(HEAD, 0, format!("records after {} are missing", state.serial))),
        }
    }

    fn unseal(&self, state: State) -> Result<State, StateError> {
        let Some(wanted) = state.key.clone() else { return Ok(state) };
        let fail = |given: &str| StateError::Key { wanted: wanted.clone(), given: given.into() };
        let key = self.key.as_ref().ok_or_else(|| fail("no key was given"))?;
        if key.id() != wanted {
            return Err(fail(&format!("the given key is {}", key.id())));
        }
        let state = open_state(state, key, &self.redactor)?;
        self.redactor.set_key(key);
        Ok(state)
    }

    /// The warning about the key that a state is sealed with.
    fn warnings(&self, state: &State) -> Vec<String> {
        let key = self.key.as_ref().filter(|_| state.key.is_some());
        key.and_then(Key::warning).into_iter().collect()
    }

    /// The state of the newest head. Parts that are gone belong to a head that is not the newest any more.
    fn current(&self) -> Result<Option<State>, StateError> {
        for _ in 0..10 {
            let Some((head, _)) = self.wire.head(ASK)? else { return Ok(None) };
            if let Some(state) = self.replay(&head)? {
                self.policy.allows(&state, || self.describe())?;
                return self.unseal(state).map(Some);
            }
        }
        Err(self.corrupt(HEAD, 0, "it names objects that do not exist"))
    }

    /// Takes the lock: of a new state, of a free one, or of one whose holder is gone.
    fn take(&self, holder: &Holder, wait: Duration, break_it: bool) -> Result<(Held, bool), StateError> {
        let begun = now();
        // The last write that was seen, and since when.
        let mut seen: Option<(String, Duration)> = None;
        loop {
            let asked = now();
            let found = self.wire.head(ASK)?;
            let is_new = found.is_none();
            let (mut head, known) = match found {
                None => (self.first_head(), None),
                Some((head, version)) => (head.clone(), Some((head, version))),
            };
            if let Some((old, _)) = &known
                && let Some(by) = &old.holder
                && !break_it
            {
                let ttl = Duration::from_millis(old.ttl_ms);
                let gone = match &seen {
                    Some((write, since)) if *write == old.write => asked.saturating_sub(*since) >= ttl,
                    // It renewed, so it is there.
                    Some(_) if asked.saturating_sub(begun) >= wait => {
                        return Err(StateError::Locked(Box::new(by.clone())));
                    }
                    _ => {
                        seen = Some((old.write.clone(), now()));
                        false
                    }
                };
                if !gone {
                    std::thread::sleep((ttl / 20).min(Duration::from_secs(1)));
                    continue;
                }
            }
            head.epoch += 1;
            head.left.extend(head.holder.replace(holder.clone()));
            head.ttl_ms = self.ttl.as_millis() as u64;
            head.write = uuid::Uuid::new_v4().to_string();
            let of = known.as_ref().map(|(head, version)| (&*head.write, &**version));
            if let Ended::Done { version, sent } = self.wire.replace(&head, of, ASK)? {
                tracing::info!(place = self.describe(), epoch = head.epoch, "lock taken");
                let wire = self.wire.clone();
                let lease = Lease::default();
                lease.renew(sent + self.ttl * 2 / 3);
                let held = Held { wire, head, version, sent, ttl: self.ttl, lease, closed: None };
                return Ok((held, is_new));
            }
        }
    }

    fn first_head(&self) -> Head {
        Head {
            format: FORMAT,
            lineage: self.policy.fresh().lineage,
            epoch: 0,
            write: String::new(),
            holder: None,
            left: vec![],
            ttl_ms: 0,
            serial: Serial::default(),
            crc: 0,
            snapshot: None,
            segments: vec![],
            tail: Tail::default(),
            history: vec![],
        }
    }

    fn enter(&self, holder: &Holder, wait: Duration, break_it: bool) -> Result<RemoteSession, StateError> {
        let (held, is_new) = self.take(holder, wait, break_it)?;
        let tried = self.wire.looks_at_conditions(&held.head, ASK).and_then(|()| self.replay(&held.head));
        let state = match tried {
            Ok(Some(state)) => {
                self.policy.allows(&state, || self.describe()).and_then(|()| self.unseal(state))
            }
            Ok(None) => Err(self.corrupt(HEAD, 0, "it names objects that do not exist")),
            Err(e) => Err(e),
        };
        match state {
            Ok(state) => RemoteSession::begin(self, holder, held, state, is_new),
            Err(e) => {
                // What cannot be used is not held either.
                let free =
                    Head { holder: None, write: uuid::Uuid::new_v4().to_string(), ..held.head.clone() };
                let _ = self.wire.replace(&free, Some((&held.head.write, &held.version)), Duration::ZERO);
                Err(e)
            }
        }
    }
}

impl StateStore for RemoteStore {
    fn load(&self) -> Result<Loaded, StateError> {
        let state = self.current()?;
        let is_new = state.is_none();
        let state = state.unwrap_or_else(|| self.policy.fresh());
        Ok(Loaded { notices: self.warnings(&state), state, is_new })
    }

    fn lock(&self, holder: Holder, wait: Duration) -> Result<Box<dyn Session>, StateError> {
        Ok(Box::new(self.enter(&holder, wait, false)?))
    }

    fn history(&self) -> Result<Vec<Written>, StateError> {
        let found = self.wire.head(ASK)?;
        Ok(found.map_or(vec![], |(head, _)| head.snapshots().map(|p| p.written.clone()).collect()))
    }

    fn at(&self, serial: Serial) -> Result<Option<State>, StateError> {
        let Some((head, _)) = self.wire.head(ASK)? else { return Ok(None) };
        let Some(past) = head.snapshots().find(|p| p.part.serial == serial) else { return Ok(None) };
        self.snapshot(&head, &past.part)?.map(|state| self.unseal(state)).transpose()
    }

    fn seal(&self, state: &State) -> Result<State, StateError> {
        if self.key.is_none() && needs_key(state, &self.redactor) {
            return Err(StateError::NeedsKey { place: self.describe() });
        }
        let key = match self.key.clone() {
            Some(key) if needs_key(state, &self.redactor) => Some(key.seals(state.key.as_deref())?),
            key => key,
        };
        sealed_state(state, key.as_ref(), &self.redactor)
    }

    fn open(&self, state: State) -> Result<State, StateError> {
        self.unseal(state)
    }

    fn describe(&self) -> String {
        self.wire.place()
    }

    fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    fn holder(&self) -> Result<Option<Holder>, StateError> {
        Ok(self.wire.head(ASK)?.and_then(|(head, _)| head.holder))
    }

    fn has_remains(&self) -> Result<bool, StateError> {
        Ok(self.wire.read(HEAD, ASK)?.is_some())
    }

    fn has_pieces(&self) -> Result<bool, StateError> {
        self.pieces()
    }

    fn set_aside(&self, holder: &Holder, wait: Duration) -> Result<(), StateError> {
        self.put_aside(holder, wait)
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

    fn leased(&self) -> Option<&dyn Leased> {
        Some(self)
    }
}

impl Leased for RemoteStore {
    fn unlock(&self, by: &Holder) -> Result<(), StateError> {
        self.enter(by, Duration::ZERO, true).map(drop)
    }

    fn may_run(&self) -> Result<Vec<Holder>, StateError> {
        let left = self.wire.head(ASK)?.map_or(vec![], |(head, _)| head.left);
        Ok(left.into_iter().filter(|h| !h.has_ended()).collect())
    }

    fn nobody_runs(&self, by: &Holder) -> Result<(), StateError> {
        self.enter(by, Duration::ZERO, true)?.forget_left()
    }
}

/// The store on what a backend keeps objects in.
#[cfg(any(feature = "k8s", feature = "s3"))]
fn store_on(objects: impl Objects + 'static, with: Opening<'_>) -> Box<dyn StateStore> {
    let spill = with.root.join(".dtm/spill");
    Box::new(RemoteStore::new(Arc::new(objects), with.key, with.redactor, spill))
}
