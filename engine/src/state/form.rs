//! How a snapshot is written: the state as JSON, in which every kind stands once and the tools name it by its place in that
//! list. Written tool by tool, so that a state of many thousands is never in memory a second time.
//!
//! ```text
//! format 1   "tools": { "site": { "plugin": { "name": "core", ... }, "kind": "File", ..., "status": "ok" }, ... }
//! format 2   "kinds": [{ "plugin": { "name": "core", ... }, "kind": "File" }], "tools": { "site": { "of": 0, ... }, ... }
//! ```

use super::seal::needs_key;
use super::{Applied, Entry, FORMAT, Holder, OpKey, PluginRef, Retired, State, StateError, Status, Written};
use crate::Fields;
use crate::address::ToolAddr;
use crate::names::KindName;
use crate::secret::{Key, Redactor};
use crate::state::Serial;
use serde::ser::{Error, SerializeMap};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why bytes are no snapshot.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// Of this format, which is newer than any that is known.
    Newer(u32),
    /// What is wrong with them.
    Bad(String),
}

/// A state on its way to a snapshot.
pub(super) struct Form<'a> {
    pub(super) state: &'a State,
    key: Option<(Key, &'a Redactor)>,
    serial: Serial,
    /// The name of the key that its secrets are sealed with.
    named: Option<String>,
}

impl<'a> Form<'a> {
    /// A state whose secrets are sealed already.
    pub(super) fn sealed(state: &'a State) -> Form<'a> {
        Form { state, serial: state.serial, key: None, named: state.key.clone() }
    }

    /// A state in clear, whose secrets are sealed on the way. The key is asked for, and named, only if there are any.
    ///
    /// # Errors
    /// Those of `key`.
    pub(super) fn sealing(
        state: &'a State,
        redactor: &'a Redactor,
        key: impl FnOnce() -> Result<Key, StateError>,
    ) -> Result<Form<'a>, StateError> {
        let key = if needs_key(state, redactor) { Some((key()?, redactor)) } else { None };
        let named = key.as_ref().map(|(key, _)| key.id());
        Ok(Form { state, serial: state.serial, key, named })
    }

    /// The same under another serial.
    pub(super) fn at(self, serial: Serial) -> Form<'a> {
        Form { serial, ..self }
    }

    /// Whether it names a key.
    pub(super) fn names_key(&self) -> bool {
        self.named.is_some()
    }

    /// Its serial.
    pub(super) fn serial(&self) -> Serial {
        self.serial
    }

    /// What a holder of the lock writes now.
    pub(super) fn by(&self, holder: &Holder) -> Written {
        Written { serial: self.serial, ..Written::by(holder, self.state) }
    }

    /// The bytes of a snapshot.
    ///
    /// # Errors
    /// When a secret cannot be sealed.
    pub(super) fn bytes(&self, written: &Written) -> Result<Vec<u8>, StateError> {
        let closed = |e: &dyn std::fmt::Display| StateError::Closed(e.to_string());
        let state = self.state;
        let mut outputs = state.outputs.clone();
        if let Some((key, redactor)) = &self.key {
            outputs.values_mut().try_for_each(|v| redactor.seal(v, key)).map_err(|e| closed(&e))?;
        }
        let mut places = BTreeMap::new();
        state.tools.values().for_each(|e| _ = places.insert((&e.plugin, &e.kind), 0));
        places.values_mut().enumerate().for_each(|(i, place)| *place = i);
        let of = |(plugin, kind): &(&Arc<PluginRef>, &KindName)| Kind {
            plugin: (*plugin).clone(),
            kind: (*kind).clone(),
        };
        let whole = Whole {
            format: FORMAT,
            lineage: &state.lineage,
            serial: self.serial,
            key: &self.named,
            moved_to: &state.moved_to,
            root: &state.root,
            kinds: places.keys().map(of).collect(),
            tools: Tools { form: self, places },
            outputs,
            applied: &state.applied,
            written,
        };
        serde_json::to_vec(&whole).map_err(|e| closed(&e))
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    format: u32,
    lineage: &'a str,
    serial: Serial,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_to: &'a Option<String>,
    root: &'a str,
    kinds: Vec<Kind>,
    tools: Tools<'a>,
    outputs: Fields,
    #[serde(skip_serializing_if = "<[Applied]>::is_empty")]
    applied: &'a [Applied],
    written: &'a Written,
}

/// A kind of a plugin, as it was when it made the tools that name it.
#[derive(Clone, Serialize, Deserialize)]
struct Kind {
    plugin: Arc<PluginRef>,
    kind: KindName,
}

/// One tool, as [`Entry`].
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    of: usize,
    #[serde(default, skip_serializing_if = "is_default")]
    place: Cow<'a, Fields>,
    #[serde(default, skip_serializing_if = "is_default")]
    using: Cow<'a, Option<String>>,
    #[serde(default, skip_serializing_if = "is_default")]
    id: Cow<'a, Option<String>>,
    inputs: Cow<'a, Fields>,
    #[serde(default, skip_serializing_if = "is_default")]
    outputs: Cow<'a, Fields>,
    #[serde(default, skip_serializing_if = "is_default")]
    private: Cow<'a, Value>,
    #[serde(default, skip_serializing_if = "is_default")]
    deps: Cow<'a, [ToolAddr]>,
    #[serde(default, skip_serializing_if = "is_default")]
    protect: Cow<'a, bool>,
    #[serde(default, skip_serializing_if = "is_default")]
    timeout: Cow<'a, Option<i64>>,
    #[serde(default, skip_serializing_if = "is_default")]
    status: Cow<'a, Status>,
    op: Cow<'a, OpKey>,
    #[serde(default, skip_serializing_if = "is_default")]
    absent_before: Cow<'a, bool>,
    #[serde(default, skip_serializing_if = "is_default")]
    retired: Cow<'a, [Retired]>,
    time: Cow<'a, str>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl<'a> Row<'a> {
    fn new(of: usize, entry: &'a Entry) -> Row<'a> {
        Row {
            of,
            place: Cow::Borrowed(&entry.place),
            using: Cow::Borrowed(&entry.using),
            id: Cow::Borrowed(&entry.id),
            inputs: Cow::Borrowed(&entry.inputs),
            outputs: Cow::Borrowed(&entry.outputs),
            private: Cow::Borrowed(&entry.private),
            deps: Cow::Borrowed(&entry.deps),
            protect: Cow::Borrowed(&entry.protect),
            timeout: Cow::Borrowed(&entry.timeout),
            status: Cow::Borrowed(&entry.status),
            op: Cow::Borrowed(&entry.op),
            absent_before: Cow::Borrowed(&entry.absent_before),
            retired: Cow::Borrowed(&entry.retired),
            time: Cow::Borrowed(&entry.time),
        }
    }

    fn entry(self, of: &Kind) -> Entry {
        Entry {
            plugin: of.plugin.clone(),
            kind: of.kind.clone(),
            place: self.place.into_owned(),
            using: self.using.into_owned(),
            id: self.id.into_owned(),
            inputs: self.inputs.into_owned(),
            outputs: self.outputs.into_owned(),
            private: self.private.into_owned(),
            deps: self.deps.into_owned(),
            protect: self.protect.into_owned(),
            timeout: self.timeout.into_owned(),
            status: self.status.into_owned(),
            op: self.op.into_owned(),
            absent_before: self.absent_before.into_owned(),
            retired: self.retired.into_owned(),
            time: self.time.into_owned(),
        }
    }
}

struct Tools<'a> {
    form: &'a Form<'a>,
    /// Where each kind stands.
    places: BTreeMap<(&'a Arc<PluginRef>, &'a KindName), usize>,
}

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let tools = &self.form.state.tools;
        let mut map = to.serialize_map(Some(tools.len()))?;
        for (addr, entry) in tools {
            let of = self.places[&(&entry.plugin, &entry.kind)];
            match &self.form.key {
                None => map.serialize_entry(addr, &Row::new(of, entry))?,
                Some((key, redactor)) => {
                    let mut sealed = Entry::clone(entry);
                    sealed.seal(key, redactor).map_err(S::Error::custom)?;
                    map.serialize_entry(addr, &Row::new(of, &sealed))?;
                }
            }
        }
        map.end()
    }
}

/// Reads formats 2 and 3. In format 3 a replaced object has its own dependencies, and ids of objects inside the project
/// are relative to it; a plugin's `upgrade` converts older ones.
#[derive(Deserialize)]
struct Second {
    lineage: String,
    serial: Serial,
    key: Option<String>,
    moved_to: Option<String>,
    root: String,
    kinds: Vec<Kind>,
    tools: BTreeMap<ToolAddr, Row<'static>>,
    outputs: Fields,
    #[serde(default)]
    applied: Vec<Applied>,
}

/// What stands in a snapshot of every format.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// Whether a snapshot that [`read`] takes is of a format before [`FORMAT`].
pub(super) fn is_older(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Head>(bytes).is_ok_and(|head| head.format < FORMAT)
}

/// The state in a snapshot, secrets still sealed; of an older format it becomes one of [`FORMAT`].
pub(super) fn read(bytes: &[u8]) -> Result<State, Unreadable> {
    let bad = |e: serde_json::Error| Unreadable::Bad(e.to_string());
    match serde_json::from_slice::<Head>(bytes).map_err(bad)?.format {
        newer if newer > FORMAT => Err(Unreadable::Newer(newer)),
        1 => {
            let mut state = State { format: FORMAT, ..serde_json::from_slice(bytes).map_err(bad)? };
            state.tools.values_mut().for_each(retired_like_its_tool);
            Ok(state)
        }
        format @ 2..=FORMAT => {
            let Second { lineage, serial, key, moved_to, root, kinds, tools: rows, outputs, applied } =
                serde_json::from_slice(bytes).map_err(bad)?;
            let mut tools = BTreeMap::new();
            for (addr, row) in rows {
                let why = || format!("`{addr}` is of kind {}, and there are {}", row.of, kinds.len());
                let of = kinds.get(row.of).ok_or_else(|| Unreadable::Bad(why()))?;
                let mut entry = Arc::new(row.entry(of));
                if format == 2 {
                    retired_like_its_tool(&mut entry);
                }
                tools.insert(addr, entry);
            }
            Ok(State { format: FORMAT, lineage, serial, key, moved_to, root, tools, outputs, applied })
        }
        other => Err(Unreadable::Bad(format!("there is no format {other}"))),
    }
}

/// Before format 3, the dependencies of a replaced object were not recorded: most likely they are those of its tool.
fn retired_like_its_tool(entry: &mut Arc<Entry>) {
    if !entry.retired.is_empty() {
        let Entry { deps, retired, .. } = Arc::make_mut(entry);
        retired.iter_mut().for_each(|r| r.deps.clone_from(deps));
    }
}

/// By whom a snapshot was written.
pub(super) fn written(bytes: &[u8]) -> Option<Written> {
    #[derive(Deserialize)]
    struct Dated {
        written: Option<Written>,
    }
    serde_json::from_slice::<Dated>(bytes).ok()?.written
}
