//! A plan is a value: what is to be done with each tool, why, in which order.

mod adopt;
mod build;
mod decide;
mod destroy;
pub mod diff;
mod edges;
pub(crate) mod existing;
mod files;
pub(crate) mod identity;
mod import;
#[cfg(test)]
mod interrupted;
pub mod leftovers;
mod moved;
pub(crate) mod options;
mod order;
pub(crate) mod place;
mod preview;
pub(crate) mod reads;
mod reason;
pub(crate) mod recover;
mod refused;
pub mod saved;
mod select;
pub mod steps;
#[cfg(test)]
mod table;
mod upgrade;

pub use build::tag_outputs;
pub use build::{BuildOptions, build};
pub use destroy::{Reality, destroy};
pub use dtm_plugin::protocol::Listed;
pub use import::{Owners, ids_by_key, listed};
pub use leftovers::Leftover;
pub use options::DEPENDENCIES;
pub use order::waves;
pub use place::{known_in_state, settings_of};
pub use reason::Reason;
pub use recover::only_a_person_knows;
pub use select::Selection;
pub use steps::{Part, Schedule, Step};

use crate::Fields;
use crate::address::ToolAddr;
use crate::names::PluginName;
use crate::plugin::Settings;
use crate::state::{Entry, OpKey, State};
use dtm_lang::interface::Kind;
use dtm_lang::wire::from_wire;
use dtm_lang::{Diagnostics, InstanceId, Outputs, Program, Symbol, Value};
use dtm_plugin::protocol::PlannedFile;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// What is done with a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    NoOp,
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is made anew, because something that cannot be changed did.
    Replace {
        /// The new one is made before the old one is deleted.
        create_first: bool,
    },
    /// Its outputs changed outside; they are recorded.
    Read,
    /// It is taken over as it is.
    Adopt,
    /// It is removed.
    Delete,
    /// It is left alone from now on.
    Forget,
    /// It is somebody else's, and is looked up.
    Find,
}

impl Action {
    /// The verb, as events and summaries use it.
    pub fn verb(&self) -> &'static str {
        match self {
            Action::NoOp => "no-op",
            Action::Create => "create",
            Action::Update => "update",
            Action::Replace { .. } => "replace",
            Action::Read => "read",
            Action::Adopt => "adopt",
            Action::Delete => "delete",
            Action::Forget => "forget",
            Action::Find => "find",
        }
    }
}

/// One input that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The input.
    pub name: String,
    /// What is recorded, or really there if that drifted.
    pub before: Json,
    /// What is wanted.
    pub after: Json,
    /// It cannot be changed in place.
    pub replaces: bool,
    /// The configuration did not change; reality did.
    pub drift: bool,
}

impl Change {
    /// A change of the configuration that is made in place.
    fn new(name: &str, before: Json, after: Json) -> Change {
        Change { name: name.to_string(), before, after, replaces: false, drift: false }
    }
}

/// One output of the program that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputChange {
    /// Its name.
    pub name: String,
    /// What is recorded.
    pub before: Option<Json>,
    /// What the program says, unknowns tagged.
    pub after: Option<Json>,
}

/// One tool in a plan. What belongs to its program is not written with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its address.
    pub addr: ToolAddr,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Whether it happens only if an output turns out to have changed.
    pub conditional: bool,
    /// The instance in the program; none when it is gone from there.
    #[serde(skip)]
    pub instance: Option<InstanceId>,
    /// The plugin's name.
    pub plugin: PluginName,
    /// Its kind, when the plugin is known.
    #[serde(skip)]
    pub kind: Option<Arc<Kind>>,
    /// The name of its plugin's configuration.
    pub using: Option<String>,
    /// The settings of its plugin.
    pub settings: Settings,
    /// The settings that say where it is.
    pub place: Fields,
    /// What is in state.
    pub prior: Option<Arc<Entry>>,
    /// What is wanted, unknowns tagged.
    pub desired: Fields,
    /// Outputs of an update that are known beforehand.
    pub planned: Fields,
    /// The inputs that change. For a create these are all inputs, so only those are here that are shown otherwise than they are
    /// desired: a value that holds a secret.
    pub changes: Vec<Change>,
    /// What changes beside the inputs: options of `with`, the configuration of the plugin, dependencies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Change>,
    /// The outputs that changed outside of dtm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Change>,
    /// What else its plugin found changed outside of dtm, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// The operation's key, kept through retries and restarts.
    pub op: OpKey,
    /// Whether nothing had its natural key when asked.
    pub absent_before: bool,
    /// Whether it must be changed even if the inputs turn out equal.
    pub forced: bool,
    /// The inputs that were seen to differ from what is recorded; absent where nothing was looked at. Before the object is changed or
    /// deleted it is looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Fields>,
    /// The objects that it replaced earlier, which are deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<Leftover>,
    /// What its plugin says of the change: for a reader of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Direct dependencies, by address.
    pub deps: Vec<ToolAddr>,
    /// Tools that are replaced, and hold the natural key of this one until then: it is created after their objects are deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<ToolAddr>,
}

impl Node {
    /// The inputs that change, as they are shown.
    pub fn shown_changes(&self) -> Cow<'_, [Change]> {
        match (&self.kind, &self.action) {
            (Some(kind), Action::Create) => self.created(kind).into(),
            _ => (&*self.changes).into(),
        }
    }
    /// Every input of a new tool.
    fn created(&self, kind: &Kind) -> Vec<Change> {
        let change = |name: &Symbol| {
            let masked = self.changes.iter().find(|change| *change.name == **name);
            match masked {
                Some(change) => Some(change.clone()),
                None => Some(Change::new(name, Json::Null, self.desired.get(&**name)?.clone())),
            }
        };
        kind.inputs.keys().filter_map(change).collect()
    }
    /// Whether an input was changed outside of dtm to what the program wants by now.
    pub fn is_kept(&self, change: &Change) -> bool {
        let input = self.kind.as_ref().and_then(|k| k.inputs.get(&*change.name));
        change.drift && diff::same(&change.before, &change.after, input.and_then(|i| i.same))
    }
    /// Whether an input differs whatever turns out of what is not known yet.
    pub(crate) fn is_certain(&self, change: &Change) -> bool {
        let input = self.kind.as_ref().and_then(|k| k.inputs.get(&*change.name));
        diff::differ_for_certain(&change.before, &change.after, input.and_then(|i| i.same))
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The tools.
    pub nodes: Vec<Node>,
    /// What is executed, in which order.
    pub schedule: Schedule,
    /// The wave of each node.
    pub waves: Vec<usize>,
    /// Addresses that change: from, to.
    pub moves: Vec<(ToolAddr, ToolAddr)>,
    /// The `moved`, `adopt` and `forget` that have nothing left to do, as they are written: they can be removed.
    pub applied: Vec<String>,
    /// What is wrong. With errors the plan is only to be looked at.
    pub diagnostics: Diagnostics,
    /// Asserts whose values are not known yet, and the tools that they wait for.
    pub waiting_asserts: Vec<(usize, BTreeSet<InstanceId>)>,
    /// The outputs in state that the program still has.
    pub prior_outputs: Fields,
    /// Whether the program's outputs differ from those in state.
    pub outputs_changed: bool,
    /// The program's outputs that differ from those in state. One that is new has no value before, one that is gone none after.
    pub outputs: Vec<OutputChange>,
    /// The program's outputs, where they differ from those in state only because the project is in another folder.
    pub local_outputs: Option<Fields>,
    /// The files that tools write, change and remove, by address, if their plugins report them.
    pub files: BTreeMap<ToolAddr, Vec<PlannedFile>>,
    /// Tools that are not planned, by address.
    pub left_out: Vec<ToolAddr>,
    /// Whether it comes from a file, so that reality may have changed since.
    pub saved: bool,
}

impl Plan {
    /// How many are added, changed and destroyed; replaced objects that are deleted count as well. Objects that are only adopted do
    /// not.
    pub fn counts(&self) -> (usize, usize, usize) {
        let left = |n: &Node| n.leftovers.iter().filter(|left| !left.absent).count();
        let leftovers = self.nodes.iter().map(left).sum();
        self.nodes.iter().fold((0, 0, leftovers), |(a, c, d), n| match n.action {
            Action::Create => (a + 1, c, d),
            Action::Update => (a, c + 1, d),
            Action::Adopt if !n.changes.is_empty() => (a, c + 1, d),
            Action::Replace { .. } => (a + 1, c, d + 1),
            Action::Delete => (a, c, d + 1),
            Action::Adopt | Action::NoOp | Action::Read | Action::Forget | Action::Find => (a, c, d),
        })
    }
    /// How many are adopted, changed or not.
    pub fn adopted(&self) -> usize {
        self.nodes.iter().filter(|n| n.action == Action::Adopt).count()
    }
    /// Whether applying it would do or record anything.
    pub fn is_empty(&self) -> bool {
        let still = |n: &Node| matches!(n.action, Action::NoOp | Action::Find);
        self.moves.is_empty() && self.nodes.iter().all(still) && !self.outputs_changed
    }
    /// Whether carrying it out records secrets: those that are given, and those that a plugin will give.
    pub fn records_secrets(&self) -> bool {
        let writes =
            |n: &&Node| !matches!(n.action, Action::NoOp | Action::Find | Action::Delete | Action::Forget);
        self.nodes.iter().filter(writes).any(|n| {
            n.desired.values().any(dtm_lang::wire::has_secret)
                || n.kind.as_ref().is_some_and(|k| {
                    k.outputs.values().any(|o| o.ty.has_secret())
                        || k.inputs.iter().any(|(name, i)| i.write_only && n.desired.contains_key(&**name))
                })
        })
    }
    /// Tools of the program that are neither there nor planned, so that nothing is known of them.
    pub fn absent(&self) -> impl Iterator<Item = InstanceId> {
        let absent = |n: &&Node| n.action == Action::NoOp && n.prior.is_none();
        self.nodes.iter().filter(absent).filter_map(|n| n.instance)
    }
    /// Nodes whose reality differs from what is recorded.
    pub fn drifted(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| {
            n.changes.iter().any(|c| c.drift)
                || !n.drift.is_empty()
                || matches!(n.reason, Reason::Gone | Reason::OutputsChanged)
                || n.leftovers.iter().any(Leftover::is_changed)
        })
    }
}

/// Outputs that are known so far, by instance.
#[derive(Default)]
pub struct Known {
    outputs: Mutex<HashMap<InstanceId, Told>>,
}

/// The outputs of one instance: those of its entry in state, or what is known of them beforehand.
pub enum Told {
    /// In state.
    Entry(Arc<Entry>),
    /// By name.
    Fields(Fields),
}

impl From<Arc<Entry>> for Told {
    fn from(entry: Arc<Entry>) -> Told {
        Told::Entry(entry)
    }
}

impl From<Fields> for Told {
    fn from(fields: Fields) -> Told {
        Told::Fields(fields)
    }
}

impl Known {
    /// Makes the outputs of an instance known.
    pub fn set(&self, id: InstanceId, outputs: impl Into<Told>) {
        self.outputs.lock().unwrap_or_else(|e| e.into_inner()).insert(id, outputs.into());
    }
    /// The same, with outputs that depend on the checkout (`@local`) as they are in state.
    pub fn as_recorded(&self, program: &Program, state: &State) -> Known {
        let outputs = self.outputs.lock().unwrap_or_else(|e| e.into_inner());
        let with_recorded = |(id, told): (&InstanceId, &Told)| {
            let instance = program.instance(*id);
            let mut fields = match told {
                Told::Entry(entry) => entry.outputs.clone(),
                Told::Fields(fields) => fields.clone(),
            };
            let recorded = state.tools.get(&*instance.addr).map(|entry| &entry.outputs);
            for (name, _) in instance.kind.outputs.iter().filter(|(_, output)| output.local) {
                if let Some(value) = recorded.and_then(|outputs| outputs.get(&**name)) {
                    fields.insert(name.to_string(), value.clone());
                }
            }
            (*id, Told::Fields(fields))
        };
        Known { outputs: Mutex::new(outputs.iter().map(with_recorded).collect()) }
    }
    /// With the types of the program's kinds.
    pub fn of<'a>(&'a self, program: &'a Program) -> impl Outputs + 'a {
        Typed { known: self, program }
    }
}

struct Typed<'a> {
    known: &'a Known,
    program: &'a Program,
}

impl Outputs for Typed<'_> {
    fn output(&self, instance: InstanceId, name: &str) -> Option<Value> {
        let outputs = self.known.outputs.lock().unwrap_or_else(|e| e.into_inner());
        let json = match outputs.get(&instance)? {
            Told::Entry(entry) => entry.outputs.get(name),
            Told::Fields(fields) => fields.get(name),
        }?;
        let ty = &self.program.instance(instance).kind.outputs.get(name)?.ty;
        from_wire(json, ty).ok()
    }
}
