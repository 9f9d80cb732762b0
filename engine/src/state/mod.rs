//! State: what dtm made. A [`State`] is a snapshot plus the records after it; the same [`State::apply`] is used
//! when records are written and when they are replayed.

pub mod backend;
pub mod belonging;
mod form;
pub mod frame;
pub mod helpers;
pub mod journal;
pub mod local;
pub mod memory;
pub mod own;
pub mod place;
pub mod remote;
mod seal;
mod spill;
pub mod store;

pub use journal::{Journal, JournalError};
pub use seal::has_sealed;
pub use store::{Holder, Leased, Loaded, Policy, Session, StateError, StateStore, Written};

use crate::Fields;
use crate::address::ToolAddr;
use crate::names::{KindName, PluginName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The newest format that this dtm reads and the one that it writes.
pub const FORMAT: u32 = 3;

/// The key of an operation: new for each planned change, kept through its retries and restarts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpKey(pub String);

impl OpKey {
    /// A new one.
    pub fn fresh() -> OpKey {
        OpKey(uuid::Uuid::new_v4().to_string())
    }
}

/// The number of the last durable batch of a state: it grows by one with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(pub u64);

impl Serial {
    /// The one after it.
    pub fn next(self) -> Serial {
        Serial(self.0 + 1)
    }
    /// How many batches lie between an earlier one and this one; 0 if that is later.
    pub fn since(self, earlier: Serial) -> usize {
        self.0.saturating_sub(earlier.0) as usize
    }
}

impl std::str::FromStr for Serial {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Serial, Self::Err> {
        text.parse().map(Serial)
    }
}

impl std::fmt::Display for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// All that is known of what was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`FORMAT`]
    pub format: u32,
    /// Names the state for ever.
    pub lineage: String,
    /// The sequence of the last durable batch.
    pub serial: Serial,
    /// The key that its secrets are sealed with, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where it was moved to, so that nobody goes on here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// The root file that it belongs to.
    #[serde(default)]
    pub root: String,
    /// The tools, by address.
    pub tools: BTreeMap<ToolAddr, Arc<Entry>>,
    /// The program's outputs after the last apply.
    #[serde(default)]
    pub outputs: Fields,
    /// The saved plans that were applied last, the newest at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<Applied>,
}

/// How many applied plans a state remembers.
const REMEMBERED: usize = 50;

/// A saved plan that was applied: it is never applied a second time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Its id.
    pub plan: String,
    /// Who applied it, as `user@host`.
    #[serde(default)]
    pub who: String,
    /// When, RFC 3339.
    #[serde(default)]
    pub time: String,
    /// The serial of the state that it was applied to.
    #[serde(default)]
    pub serial: Serial,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As planned.
    #[default]
    Ok,
    /// It exists, and something about it failed.
    Broken,
    /// Another tool has noted that it made it; it was not looked for yet.
    #[serde(rename = "noted")]
    Imported,
    /// A create began and did not end.
    Creating,
    /// An update began and did not end.
    Updating,
    /// The delete of a replacement began and did not end.
    Replacing,
    /// A delete began and did not end.
    Deleting,
}

impl Status {
    /// Its name, as states and users see it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Broken => "broken",
            Status::Imported => "noted",
            Status::Creating => "creating",
            Status::Updating => "updating",
            Status::Replacing => "replacing",
            Status::Deleting => "deleting",
        }
    }
    /// Whether an operation was interrupted or failed half-way.
    pub fn is_open(self) -> bool {
        self != Status::Ok
    }
}

/// One tool in state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its plugin.
    pub plugin: Arc<PluginRef>,
    /// Its kind.
    pub kind: KindName,
    /// The settings that say where it is: part of its identity.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub place: Fields,
    /// The configuration of the plugin that it was made with, if that has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub using: Option<String>,
    /// The plugin's name for the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The inputs that it was made with.
    pub inputs: Fields,
    /// What the plugin gave.
    #[serde(default)]
    pub outputs: Fields,
    /// The plugin's own data.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub private: Value,
    /// Direct dependencies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deps: Vec<ToolAddr>,
    /// `with { protect = true }` when it was last applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
    /// `with { timeout = 1m }` when it was last applied, in nanoseconds: for its delete when it has left the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Where it stands.
    pub status: Status,
    /// The operation that is open or was last.
    pub op: OpKey,
    /// Whether nothing had its natural key when its create began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent_before: bool,
    /// Replaced objects that are still to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
    /// When it was last written, RFC 3339.
    pub time: String,
}

impl Entry {
    /// What its objects depend on: the one that it is, and those that were replaced and are still there.
    pub fn uses(&self) -> impl Iterator<Item = &ToolAddr> {
        self.deps.iter().chain(self.retired.iter().flat_map(|r| &r.deps))
    }
}

/// A replaced object that is still there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retired {
    /// Its id.
    pub id: String,
    /// Its inputs.
    pub inputs: Fields,
    /// Its outputs.
    pub outputs: Fields,
    /// The plugin's own data.
    pub private: Value,
    /// What it depended on, which goes after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deps: Vec<ToolAddr>,
    /// The key of its delete.
    pub op: OpKey,
}

/// The plugin that made a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PluginRef {
    /// Its name.
    pub name: PluginName,
    /// Its path from the project's root; absent if shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its version.
    pub version: String,
    /// The hash of its interface.
    pub interface: String,
}

/// One change of state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// An operation is about to begin; the entry has an open status.
    Begin {
        /// The tool.
        addr: ToolAddr,
        /// As it will be, with the operation's key.
        entry: Arc<Entry>,
    },
    /// A plugin gave an id before the operation ended.
    Checkpoint {
        /// The tool.
        addr: ToolAddr,
        /// The operation.
        op: OpKey,
        /// The id.
        id: String,
        /// What is known of the object.
        partial: Value,
    },
    /// A tool is so now.
    Put {
        /// The tool.
        addr: ToolAddr,
        /// As it is.
        entry: Arc<Entry>,
    },
    /// A tool is gone, or left alone.
    Remove {
        /// The tool.
        addr: ToolAddr,
    },
    /// `moved`
    Move {
        /// The old address.
        from: ToolAddr,
        /// The new one.
        to: ToolAddr,
    },
    /// The program's outputs.
    Outputs {
        /// By name.
        outputs: Fields,
    },
    /// The root file that the state belongs to.
    Root {
        /// Its path.
        root: String,
    },
    /// A saved plan is about to be carried out, and never again.
    Consumed(Applied),
    /// The state is in another place from here on.
    Moved {
        /// The place.
        to: String,
    },
    /// The key that secrets are sealed with from here on.
    Key {
        /// Its name.
        id: String,
    },
}

impl State {
    /// An empty state of a new lineage.
    pub fn fresh() -> State {
        State { format: FORMAT, lineage: uuid::Uuid::new_v4().to_string(), ..State::default() }
    }

    /// The state as JSON.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// Carries out one record.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Begin { addr, entry } | Record::Put { addr, entry } => _ = self.tools.insert(addr, entry),
            Record::Checkpoint { addr, op, id, partial } => {
                if let Some(entry) = self.tools.get_mut(&addr).filter(|e| e.op == op) {
                    let entry = Arc::make_mut(entry);
                    entry.id = Some(id);
                    if !partial.is_null() {
                        entry.private = partial;
                    }
                }
            }
            Record::Remove { addr } => _ = self.tools.remove(&addr),
            Record::Move { from, to } => {
                if let Some(entry) = self.tools.remove(&from) {
                    self.tools.insert(to.clone(), entry);
                }
                for entry in self.tools.values_mut() {
                    renamed(entry, &from, &to);
                }
            }
            Record::Outputs { outputs } => self.outputs = outputs,
            Record::Root { root } => self.root = root,
            Record::Consumed(applied) => {
                self.applied.retain(|a| a.plan != applied.plan);
                self.applied.push(applied);
                let surplus = self.applied.len().saturating_sub(REMEMBERED);
                self.applied.drain(..surplus);
            }
            Record::Moved { to } => self.moved_to = Some(to),
            Record::Key { id } => self.key = Some(id),
        }
    }
}

/// An entry whose dependency has another address now.
pub(crate) fn renamed(entry: &mut Arc<Entry>, from: &str, to: &str) {
    if entry.uses().any(|d| d == from) {
        let Entry { deps, retired, .. } = Arc::make_mut(entry);
        let deps = deps.iter_mut().chain(retired.iter_mut().flat_map(|r| &mut r.deps));
        deps.filter(|d| **d == from).for_each(|d| *d = to.into());
    }
}

/// The time now, RFC 3339. `DTM_TEST_TIME` fixes it for transcripts.
pub fn now() -> String {
    match std::env::var("DTM_TEST_TIME") {
        Ok(fixed) => fixed,
        Err(_) => jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}
