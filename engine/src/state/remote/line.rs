//! The line to the head: conditional writes whose answers may get lost.
//!
//! ```text
//! put head, if still as I know it ─┬─ written ............... done
//!                                  ├─ no answer, busy ....... the same bytes under the same condition again
//!                                  └─ refused: read it ─┬─ my write id ....... done: the answer was lost
//!                                                       ├─ as I know it ...... an old copy was read: again
//!                                                       └─ another's ......... lost
//! ```
//!
//! Invariant: until a write is settled nothing else is written, and nothing that depends on it begins.

use super::head::{HEAD, Head};
use super::objects::{Condition, Fault, Objects};
use super::pauses::Pauses;
use crate::clock::now;
use crate::state::{FORMAT, StateError};
use std::sync::Arc;
use std::time::Duration;

/// How a write of the head ended.
pub(super) enum Ended {
    /// It is the head now, of this version; sent at this time at the latest.
    Done { version: String, sent: Duration },
    /// Somebody else's is; none is there any more.
    Lost(Option<Box<Head>>),
}

/// Requests to one place, sent again where that is safe.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) objects: Arc<dyn Objects>,
}

impl Wire {
    pub(super) fn place(&self) -> String {
        self.objects.describe()
    }

    fn failed(&self, doing: &'static str, fault: Fault) -> StateError {
        let (why, help) = match fault {
            Fault::Denied { why, help } => (why, Some(help).filter(|h| !h.is_empty())),
            other @ (Fault::Refused | Fault::Unsure { .. }) => (other.to_string(), None),
        };
        StateError::Remote { doing, place: self.place(), why, help }
    }

    /// What is done again for as long as `patience` lasts.
    pub(super) fn patiently<T>(
        &self,
        doing: &'static str,
        patience: Duration,
        mut request: impl FnMut() -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        let (until, mut pauses) = (now() + patience, Pauses::new());
        loop {
            match request() {
                Ok(done) => return Ok(done),
                Err(Fault::Unsure { after, why }) if now() < until => {
                    tracing::warn!(doing, why, "no certain answer: again");
                    pauses.wait(after);
                }
                Err(fault) => return Err(self.failed(doing, fault)),
            }
        }
    }

    /// Reads an object.
    pub(super) fn read(&self, name: &str, patience: Duration) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.patiently("read", patience, || self.objects.get(name))?.map(|o| o.bytes))
    }

    /// Reads the head, with its version.
    pub(super) fn head(&self, patience: Duration) -> Result<Option<(Head, String)>, StateError> {
        let Some(found) = self.patiently("read", patience, || self.objects.get(HEAD))? else {
            return Ok(None);
        };
        let bad = |why: String| StateError::Corrupt {
            file: format!("{}/{HEAD}", self.place()).into(),
            offset: 0,
            why,
            backup: None,
        };
        if found.bytes.is_empty() {
            return Err(bad("it is empty".into()));
        }
        let value: serde_json::Value =
            serde_json::from_slice(&found.bytes).map_err(|e| bad(e.to_string()))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        match format.ok_or_else(|| bad("it is not what dtm writes".into()))? as u32 {
            found if found > FORMAT => return Err(StateError::NewerFormat { found, known: FORMAT }),
            _ => {}
        }
        let head = serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
        Ok(Some((head, found.version)))
    }

    /// Writes an object of a new name; that it already exists, with these bytes, is an answer that was lost.
    pub(super) fn create(&self, name: &str, bytes: &[u8], patience: Duration) -> Result<(), StateError> {
        self.patiently("write", patience, || match self.objects.put(name, bytes, &Condition::Absent) {
            Ok(_) => Ok(()),
            Err(Fault::Refused) => match self.objects.get(name)? {
                Some(found) if found.bytes == bytes => Ok(()),
                _ => Err(Fault::Unsure { why: format!("`{name}` cannot be written"), after: None }),
            },
            Err(fault) => Err(fault),
        })
    }

    /// Makes sure that the server refuses what it must: a write of the same head, which does no harm, under a condition that
    /// cannot hold.
    pub(super) fn looks_at_conditions(&self, head: &Head, patience: Duration) -> Result<(), StateError> {
        let Some(never) = self.objects.never() else { return Ok(()) };
        let bytes = serde_json::to_vec(head).map_err(|e| StateError::Closed(e.to_string()))?;
        self.patiently("lock", patience, || {
            match self.objects.put(HEAD, &bytes, &Condition::Same(never.clone())) {
                Err(Fault::Refused) => Ok(()),
                Ok(_) => Err(Fault::Denied {
                    why: "the server writes without looking at the condition (`If-Match`)".into(),
                    help: "two runs could not be kept apart there: use a server with conditional writes"
                        .into(),
                }),
                Err(fault) => Err(fault),
            }
        })
    }

    /// Writes the head in the place of the one whose write id and version are known; `None` where none is to be there.
    pub(super) fn replace(
        &self,
        head: &Head,
        known: Option<(&str, &str)>,
        patience: Duration,
    ) -> Result<Ended, StateError> {
        let bytes = serde_json::to_vec(head).map_err(|e| StateError::Closed(e.to_string()))?;
        let mut condition = match known {
            Some((_, version)) => Condition::Same(version.to_string()),
            None => Condition::Absent,
        };
        let (until, mut pauses) = (now() + patience, Pauses::new());
        loop {
            let sent = now();
            match self.objects.put(HEAD, &bytes, &condition) {
                Ok(version) => {
                    let ms = now().saturating_sub(sent).as_millis() as u64;
                    tracing::debug!(bytes = bytes.len(), ms, "head written");
                    return Ok(Ended::Done { version, sent });
                }
                Err(Fault::Refused) => match self.head(patience)? {
                    Some((found, version)) if found.write == head.write => {
                        return Ok(Ended::Done { version, sent });
                    }
                    Some((found, version)) if known.is_some_and(|(write, _)| *write == found.write) => {
                        if now() >= until {
                            let why = "it refuses a write although nothing has changed";
                            return Err(self.failed("write", Fault::Unsure { why: why.into(), after: None }));
                        }
                        condition = Condition::Same(version);
                        pauses.wait(None);
                    }
                    Some((found, _)) => return Ok(Ended::Lost(Some(Box::new(found)))),
                    None if known.is_none() && now() < until => pauses.wait(None),
                    None => return Ok(Ended::Lost(None)),
                },
                Err(Fault::Unsure { after, why }) if now() < until => {
                    tracing::warn!(why, "no certain answer to a write of the head: the same again");
                    pauses.wait(after);
                }
                Err(fault) => return Err(self.failed("write", fault)),
            }
        }
    }
}
