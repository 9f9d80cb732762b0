//! The head: the one object that is ever written twice. Who holds the lock, what the state is made of, and the newest
//! records are in it, so that one conditional write renews, fences and commits.

use super::pack::Tail;
use crate::state::Serial;
use crate::state::store::{Holder, Written};
use serde::{Deserialize, Serialize};

/// The name of the head.
pub(super) const HEAD: &str = "head";

/// So many packed bytes of records stand in the head itself; more are moved into a segment.
pub(super) const TAIL: usize = 64 << 10;

/// How many earlier snapshots are kept.
pub(super) const HISTORY: usize = 20;

/// An object that never changes: a snapshot, or a segment of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// `snapshot-SERIAL-NONCE`, `segment-SERIAL-NONCE`; never used again.
    pub(super) name: String,
    /// The serial of the state after it.
    pub(super) serial: Serial,
    /// How long it is.
    pub(super) bytes: u64,
    /// How long it is when it is unpacked.
    pub(super) unpacked: u64,
    /// The checksum of its last frame.
    pub(super) crc: u32,
}

/// A snapshot, and by whom it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    /// The object.
    #[serde(flatten)]
    pub(super) part: Part,
    /// Who wrote it, and when.
    pub(super) written: Written,
}

/// The head as it is written, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The format of the state.
    pub(super) format: u32,
    /// The lineage of the state.
    pub(super) lineage: String,
    /// Raised by every holder that takes the lock.
    pub(super) epoch: u64,
    /// New for every write, so that no two heads are equal and a writer knows its own.
    pub(super) write: String,
    /// Who holds the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) holder: Option<Holder>,
    /// Holders from whom the lock was taken while something was open: what they have begun may still run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) left: Vec<Holder>,
    /// After so many milliseconds without a write the holder counts as gone.
    pub(super) ttl_ms: u64,
    /// The serial of the last batch.
    pub(super) serial: Serial,
    /// The checksum of the last frame.
    pub(super) crc: u32,
    /// What replay begins with; none is an empty state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<Past>,
    /// The journal since then, without its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) segments: Vec<Part>,
    /// The end of the journal.
    #[serde(default, skip_serializing_if = "Tail::is_empty")]
    pub(super) tail: Tail,
    /// Earlier snapshots, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<Past>,
}

impl Head {
    /// How long the journal is.
    pub(super) fn journal(&self) -> u64 {
        self.segments.iter().map(|s| s.unpacked).sum::<u64>() + self.tail.frames().len() as u64
    }
    /// Whether a name belongs to the state or its history.
    pub(super) fn names(&self, name: &str) -> bool {
        let mut parts = self.snapshots().map(|p| &p.part).chain(&self.segments);
        parts.any(|p| p.name == name)
    }
    /// Every snapshot, the newest first.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &Past> {
        self.snapshot.iter().chain(&self.history)
    }
}

/// A name that was never used: with the serial of what it holds, and a nonce.
pub(super) fn name(what: &str, serial: Serial) -> String {
    format!("{what}-{serial:012}-{}", uuid::Uuid::new_v4().simple())
}

/// The serial in a name.
pub(super) fn serial_of(name: &str) -> Option<Serial> {
    let (what, rest) = name.split_once('-')?;
    matches!(what, "snapshot" | "segment").then(|| rest.split_once('-')?.0.parse().ok().map(Serial))?
}
