//! A session that records which commands a confirmed run puts into the state: they are trusted, so that planning one's own
//! project again asks nothing, even after a crash.

use super::Ledger;
use super::sources::of_entry;
use dtm_engine::clock::Lease;
use dtm_engine::state::Serial;
use dtm_engine::state::{Holder, Loaded, Record, Session, State, StateError};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// The session of a run that the user confirmed.
pub fn witness(inner: Box<dyn Session>, ledger: Ledger) -> Box<dyn Session> {
    Box::new(Witness { inner, ledger })
}

struct Witness {
    inner: Box<dyn Session>,
    ledger: Ledger,
}

impl Session for Witness {
    fn loaded(&self) -> &Loaded {
        self.inner.loaded()
    }
    fn append(&mut self, records: &[Record]) -> Result<Serial, StateError> {
        let sources = records.iter().filter_map(|record| {
            if let Record::Begin { addr, entry } | Record::Put { addr, entry } = record {
                of_entry(addr, entry)
            } else {
                None
            }
        });
        let new: Vec<_> = sources.filter(|s| !self.ledger.has(s)).collect();
        if !new.is_empty() {
            // A run is not stopped for it: the next plan asks again.
            let _ = self.ledger.add(&new);
        }
        self.inner.append(records)
    }
    fn snapshot(&mut self, state: &State) -> Result<(), StateError> {
        self.inner.snapshot(state)
    }
    fn replace(&mut self, state: &State) -> Result<Serial, StateError> {
        self.inner.replace(state)
    }
    fn spill(&mut self, records: &[Record]) -> Result<(), StateError> {
        self.inner.spill(records)
    }
    fn keeps_secrets(&self) -> Result<(), StateError> {
        self.inner.keeps_secrets()
    }
    fn may_run(&self) -> Vec<Holder> {
        self.inner.may_run()
    }
    fn lease(&self) -> Option<Lease> {
        self.inner.lease()
    }
    fn linger(&self) -> Duration {
        self.inner.linger()
    }
    fn journal_bytes(&self) -> u64 {
        self.inner.journal_bytes()
    }
    fn take_notices(&mut self) -> Vec<String> {
        self.inner.take_notices()
    }
    fn lock_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inner.lock_descriptor()
    }
}
