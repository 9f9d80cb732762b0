//! The journal's owner: one thread that gathers records from all operations, makes each batch durable, and
//! only then tells those who wait. Records of operations that run at the same time share one sync.
//!
//! ```text
//! op a: write(begin a) ─┐                   ┌─ durable
//! op b: write(begin b) ─┼─ one batch, sync ─┼─ durable
//! op c: write(end c)   ─┘                   └─ durable
//! ```
//!
//! Invariant: a record is applied to the state in memory exactly when it is durable. When a write fails, nothing
//! more is written: what still ends goes into the spill file, and everybody is told.

use super::{Record, Session, State, StateError};
use std::sync::mpsc;
use std::time::Instant;
use tokio::sync::oneshot;

/// A journal of so many bytes is followed by a snapshot in the middle of a run.
const LARGE: u64 = 32 << 20;

/// Why a record is not durable. Nothing is written after the first failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalError {
    /// What went wrong, for people.
    why: String,
    kept: Kept,
}

/// Where the results of finished operations went that could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    /// There were none.
    Nothing,
    /// Into the spill file.
    Spilled,
    /// Nowhere, because the spill file could not be written either.
    Lost(String),
}

impl JournalError {
    fn new(why: impl Into<String>) -> JournalError {
        JournalError { why: why.into(), kept: Kept::Nothing }
    }
    fn closed() -> JournalError {
        JournalError::new("the journal is closed")
    }
    /// Notes where results went.
    fn spilled(&mut self, result: Result<(), StateError>) {
        match result {
            Err(e) => self.kept = Kept::Lost(e.to_string()),
            Ok(()) if self.kept == Kept::Nothing => self.kept = Kept::Spilled,
            Ok(()) => {}
        }
    }
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)?;
        match &self.kept {
            Kept::Nothing => Ok(()),
            Kept::Spilled => f.write_str(
                "; finished operations are saved on this machine, and the next run here records them",
            ),
            Kept::Lost(why) => write!(f, "; and the spill file could not be written either: {why}"),
        }
    }
}

impl std::error::Error for JournalError {}

impl From<StateError> for JournalError {
    fn from(error: StateError) -> JournalError {
        JournalError::new(if let StateError::Closed(why) = error { why } else { error.to_string() })
    }
}

enum Message {
    Write(Record, oneshot::Sender<Result<(), JournalError>>),
    Finish(oneshot::Sender<Finished>),
}

/// How the last write ended, the state then, and the session that still holds the lock.
type Finished = (Result<(), StateError>, State, Box<dyn Session>);

/// The way to the journal.
#[derive(Clone)]
pub struct Journal {
    sender: mpsc::Sender<Message>,
}

impl Journal {
    /// Starts the owner on a session.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(session: Box<dyn Session>) -> std::io::Result<Journal> {
        let (sender, receiver) = mpsc::channel();
        let state = session.loaded().state.clone();
        std::thread::Builder::new().name("journal".into()).spawn(move || own(session, state, receiver))?;
        Ok(Journal { sender })
    }

    /// Makes a record durable.
    ///
    /// # Errors
    /// When it could not be: nothing may be begun then.
    pub async fn write(&self, record: Record) -> Result<(), JournalError> {
        let (done, wait) = oneshot::channel();
        self.sender.send(Message::Write(record, done)).map_err(|_| JournalError::closed())?;
        wait.await.unwrap_or_else(|_| Err(JournalError::closed()))
    }

    /// As [`Journal::write`], from a thread that may block.
    ///
    /// # Errors
    /// As [`Journal::write`].
    pub fn write_blocking(&self, record: Record) -> Result<(), JournalError> {
        let (done, wait) = oneshot::channel();
        self.sender.send(Message::Write(record, done)).map_err(|_| JournalError::closed())?;
        wait.blocking_recv().unwrap_or_else(|_| Err(JournalError::closed()))
    }

    /// Writes the snapshot, and gives back the state and the session.
    pub async fn finish(self) -> Option<(Result<(), StateError>, State, Box<dyn Session>)> {
        let (done, wait) = oneshot::channel();
        self.sender.send(Message::Finish(done)).ok()?;
        wait.await.ok()
    }
}

fn own(mut session: Box<dyn Session>, mut state: State, receiver: mpsc::Receiver<Message>) {
    let mut closed: Option<JournalError> = None;
    let mut wrote = false;
    let mut limit = LARGE;
    let linger = session.linger();
    tracing::info!(
        lineage = state.lineage,
        serial = %state.serial,
        tools = state.tools.len(),
        "state is held"
    );
    while let Ok(first) = receiver.recv() {
        let mut records = vec![];
        let mut waiting = vec![];
        let mut finish = None;
        let mut large = false;
        let until = Instant::now() + linger;
        let gathered = std::iter::from_fn(|| match linger.is_zero() {
            true => receiver.try_recv().ok(),
            false => receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
        });
        for message in std::iter::once(first).chain(gathered) {
            match message {
                Message::Write(record, done) => {
                    records.push(record);
                    waiting.push(done);
                }
                Message::Finish(done) => finish = Some(done),
            }
        }
        if !records.is_empty() {
            let result = match &closed {
                Some(error) => Err(error.clone()),
                None => session.append(&records).map_err(JournalError::from),
            };
            match &result {
                Ok(serial) => {
                    tracing::debug!(records = records.len(), %serial, "batch is durable");
                    wrote = true;
                    state.serial = *serial;
                    records.into_iter().for_each(|r| state.apply(r));
                    large = session.journal_bytes() > limit;
                }
                Err(error) => {
                    tracing::error!(why = error.why, "state cannot be written");
                    let closed = closed.get_or_insert_with(|| error.clone());
                    let ends: Vec<Record> =
                        records.into_iter().filter(|r| !matches!(r, Record::Begin { .. })).collect();
                    if !ends.is_empty() {
                        closed.spilled(session.spill(&ends));
                    }
                }
            }
            let told = result.map(|_| ());
            for done in waiting {
                let _ = done.send(told.clone());
            }
        }
        if large && finish.is_none() {
            // Each next one comes later, so that the cost stays in proportion to what is written.
            limit *= 2;
            if let Err(e) = session.snapshot(&state) {
                closed = Some(e.into());
            }
        }
        if let Some(done) = finish {
            let result = match &closed {
                Some(error) => Err(StateError::Closed(error.to_string())),
                None if wrote => session.snapshot(&state),
                None => Ok(()),
            };
            let _ = done.send((result, state, session));
            return;
        }
    }
}
