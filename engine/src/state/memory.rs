//! The double used in tests: stricter than any real store. It fails on demand, refuses whatever a real store
//! could refuse, and shows every batch that became durable.

use super::{FORMAT, Holder, Loaded, Policy, Record, Session, State, StateError, StateStore, Written};
use crate::address::ToolAddr;
use crate::secret::Key;
use crate::state::Serial;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A store in memory.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    state: Option<State>,
    holder: Option<Holder>,
    batches: Vec<Vec<Record>>,
    spilled: Vec<Record>,
    snapshots: Vec<(Written, State)>,
    /// Appends that still succeed; `None` for all.
    allowed: Option<usize>,
    policy: Policy,
}

impl Inner {
    fn keep(&mut self, state: &State) {
        if let Some(holder) = &self.holder {
            self.snapshots.push((Written::by(holder, state), state.clone()));
        }
        self.state = Some(state.clone());
    }
}

impl MemoryStore {
    /// A store in which there is a state already.
    pub fn with(state: State) -> Self {
        let store = MemoryStore::default();
        store.inner().state = Some(state);
        store
    }
    /// Lets only so many more appends succeed.
    pub fn fail_after(&self, appends: usize) {
        self.inner().allowed = Some(appends);
    }
    /// Every batch that became durable.
    pub fn batches(&self) -> Vec<Vec<Record>> {
        self.inner().batches.clone()
    }
    /// What was spilled.
    pub fn spilled(&self) -> Vec<Record> {
        self.inner().spilled.clone()
    }
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl StateStore for MemoryStore {
    fn load(&self) -> Result<Loaded, StateError> {
        let inner = self.inner();
        let is_new = inner.state.is_none();
        let state = inner.state.clone().unwrap_or_else(|| inner.policy.fresh());
        if state.format > FORMAT {
            return Err(StateError::NewerFormat { found: state.format, known: FORMAT });
        }
        inner.policy.allows(&state, || self.describe())?;
        Ok(Loaded { state, notices: vec![], is_new })
    }

    fn lock(&self, holder: Holder, _wait: Duration) -> Result<Box<dyn Session>, StateError> {
        let loaded = self.load()?;
        let mut inner = self.inner();
        if let Some(other) = &inner.holder {
            return Err(StateError::Locked(Box::new(other.clone())));
        }
        inner.holder = Some(holder);
        inner.state.get_or_insert_with(|| loaded.state.clone());
        Ok(Box::new(MemorySession { store: self.clone(), loaded, closed: None }))
    }

    fn history(&self) -> Result<Vec<Written>, StateError> {
        Ok(self.inner().snapshots.iter().rev().map(|(written, _)| written.clone()).collect())
    }

    fn at(&self, serial: Serial) -> Result<Option<State>, StateError> {
        let inner = self.inner();
        Ok(inner.snapshots.iter().rev().find(|(w, _)| w.serial == serial).map(|(_, state)| state.clone()))
    }

    fn seal(&self, state: &State) -> Result<State, StateError> {
        Ok(state.clone())
    }

    fn open(&self, state: State) -> Result<State, StateError> {
        Ok(state)
    }

    fn describe(&self) -> String {
        "memory".into()
    }

    fn set_policy(&mut self, policy: Policy) {
        self.inner().policy = policy;
    }

    fn holder(&self) -> Result<Option<Holder>, StateError> {
        Ok(self.inner().holder.clone())
    }

    fn has_remains(&self) -> Result<bool, StateError> {
        Ok(self.inner().state.is_some())
    }

    fn set_aside(&self, holder: &Holder, wait: Duration) -> Result<(), StateError> {
        let _lock = self.lock(holder.clone(), wait)?;
        self.inner().state = None;
        Ok(())
    }

    fn recover(&self, holder: &Holder, wait: Duration) -> Result<(State, usize), StateError> {
        if self.inner().state.is_none() {
            return Err(StateError::Closed("there is nothing to rebuild the state from".into()));
        }
        let session = self.lock(holder.clone(), wait)?;
        Ok((session.loaded().state.clone(), 0))
    }

    /// Nothing is sealed in memory, so no secret is lost.
    fn rekey(&self, holder: &Holder, wait: Duration, _: Option<Key>, _: bool) -> Result<usize, StateError> {
        self.lock(holder.clone(), wait).map(|_| 0)
    }

    fn fork(
        &self,
        holder: &Holder,
        wait: Duration,
        without: &BTreeSet<ToolAddr>,
    ) -> Result<String, StateError> {
        let _lock = self.lock(holder.clone(), wait)?;
        let mut inner = self.inner();
        let state = inner.state.get_or_insert_with(State::fresh);
        state.lineage = State::fresh().lineage;
        state.tools.retain(|addr, _| !without.contains(addr));
        Ok(state.lineage.clone())
    }
}

struct MemorySession {
    store: MemoryStore,
    loaded: Loaded,
    closed: Option<String>,
}

impl Session for MemorySession {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }
    fn append(&mut self, records: &[Record]) -> Result<Serial, StateError> {
        if let Some(why) = &self.closed {
            return Err(StateError::Closed(why.clone()));
        }
        let mut inner = self.store.inner();
        match &mut inner.allowed {
            Some(0) => {
                self.closed = Some("the test said so".into());
                return Err(StateError::Closed("the test said so".into()));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        inner.batches.push(records.to_vec());
        let state = inner.state.get_or_insert_with(State::fresh);
        records.iter().cloned().for_each(|r| state.apply(r));
        state.serial = state.serial.next();
        Ok(state.serial)
    }
    fn snapshot(&mut self, state: &State) -> Result<(), StateError> {
        if let Some(why) = &self.closed {
            return Err(StateError::Closed(why.clone()));
        }
        let mut inner = self.store.inner();
        if let Some(known) = &inner.state
            && known.tools != state.tools
        {
            return Err(StateError::Closed("the snapshot is not what the records say".into()));
        }
        inner.keep(state);
        Ok(())
    }
    fn replace(&mut self, state: &State) -> Result<Serial, StateError> {
        let mut inner = self.store.inner();
        let own = inner.state.as_ref().map_or_else(Serial::default, |s| s.serial);
        let serial = own.max(state.serial).next();
        inner.keep(&State { serial, ..state.clone() });
        Ok(serial)
    }
    fn spill(&mut self, records: &[Record]) -> Result<(), StateError> {
        self.store.inner().spilled.extend_from_slice(records);
        Ok(())
    }
    fn lock_descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        self.store.inner().holder = None;
    }
}
