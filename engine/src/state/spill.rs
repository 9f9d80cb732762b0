//! What a run could not append: it is kept on this machine as frames of records, and the next holder of the lock takes it
//! over.

use super::frame::decode;
use super::{Loaded, Record};
use crate::secret::Key;

/// The records of a spill file that still fit the state: those of operations that are open there. What contradicts the
/// state is only told.
pub(super) fn fitting(bytes: &[u8], key: Option<&Key>, loaded: &mut Loaded) -> Vec<Record> {
    let mut at = 0;
    let mut taken = vec![];
    while let Some((frame, _)) = bytes.get(at..).and_then(decode) {
        at += frame.length;
        let records: Vec<Record> = serde_json::from_slice(frame.payload).unwrap_or_default();
        for mut record in records {
            if let Some(key) = key {
                let _ = record.open(key);
            }
            let (addr, op, id) = match &record {
                Record::Put { addr, entry } => (addr.clone(), Some(entry.op.clone()), entry.id.clone()),
                Record::Checkpoint { addr, op, id, .. } => (addr.clone(), Some(op.clone()), Some(id.clone())),
                Record::Remove { addr } => (addr.clone(), None, None),
                Record::Begin { .. }
                | Record::Move { .. }
                | Record::Outputs { .. }
                | Record::Root { .. }
                | Record::Consumed(_)
                | Record::Moved { .. }
                | Record::Key { .. } => continue,
            };
            match loaded.state.tools.get(&addr) {
                Some(known) if known.status.is_open() && op.as_ref().is_none_or(|o| *o == known.op) => {
                    taken.push(record);
                }
                Some(known) if known.id != id => loaded.notices.push(format!(
                    "`{addr}` is `{}` in the state and `{}` in the results that an earlier run could not write; the state takes precedence",
                    known.id.as_deref().unwrap_or("-"),
                    id.as_deref().unwrap_or("-")
                )),
                _ => {}
            }
        }
    }
    if !taken.is_empty() {
        let (records, were) = if taken.len() == 1 {
            ("1 record".into(), "was")
        } else {
            (format!("{} records", taken.len()), "were")
        };
        let told = format!("{records} of an earlier run that could not write {were} merged");
        loaded.notices.push(told);
    }
    taken
}
