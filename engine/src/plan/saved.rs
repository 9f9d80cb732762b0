//! A plan in a file. It describes itself: what it was made of is in it, so that it can be shown and carried out exactly, and it
//! names the state, the plugins and the dtm that it is for.
//!
//! ```text
//! "DTMP" | frame: packed JSON, secrets sealed
//! ```

use super::{Node, Plan, Reason, Schedule, Step};
use crate::Fields;
use crate::address::ToolAddr;
use crate::archive::Archive;
use crate::graph::Graph;
use crate::plugin::PluginCalls;
use crate::secret::{Key, Redactor, open};
use crate::state::Serial;
use crate::state::frame::{decode, encode};
use crate::state::place::Place;
use dtm_lang::{InstanceId, Program};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The newest format that this dtm reads, and the one that it writes.
pub const FORMAT: u32 = 2;

const MAGIC: &[u8; 4] = b"DTMP";

/// No plan is larger.
const LARGEST: u64 = 1 << 30;

/// Why a file is not a plan that can be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It is cut or damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A later dtm wrote it.
    #[error("it has format {found}; this dtm knows formats up to {FORMAT}")]
    Newer {
        /// Its format.
        found: u64,
    },
    /// An earlier dtm wrote it, with another order of execution.
    #[error("it has format {found}, which this dtm, with format {FORMAT}, no longer executes")]
    Older {
        /// Its format.
        found: u64,
    },
    /// Another dtm wrote it, which may have planned otherwise.
    #[error("it was made by dtm {0}, and this is dtm {version}", version = env!("CARGO_PKG_VERSION"))]
    OtherDtm(String),
    /// Its secrets do not open.
    #[error("its secrets are sealed with the key {0}, which was not given")]
    Key(String),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The state that a plan was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Where it is.
    pub place: Place,
    /// Its lineage; none where there was no state.
    pub lineage: Option<String>,
    /// Its serial.
    pub serial: Serial,
    /// The project's root folder, where the state is in files inside of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// A saved plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    format: u32,
    /// Names it for ever: it is carried out once.
    pub id: String,
    dtm: String,
    /// `user@host`
    pub who: String,
    /// When it was made, RFC 3339.
    pub time: String,
    /// The state that it was made from.
    pub state: Bound,
    /// The key of its secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The program.
    pub program: Archive,
    /// The hashes of the plugins, by name.
    pub plugins: BTreeMap<String, String>,
    plan: Form,
}

/// A plan as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Form {
    nodes: Vec<Node>,
    steps: Vec<Step>,
    edges: Vec<(usize, usize)>,
    order: Vec<usize>,
    waves: Vec<usize>,
    moves: Vec<(ToolAddr, ToolAddr)>,
    waiting_asserts: Vec<(usize, Vec<u32>)>,
    prior_outputs: Fields,
    outputs_changed: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<super::OutputChange>,
    left_out: Vec<ToolAddr>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<ToolAddr, Vec<dtm_plugin::protocol::PlannedFile>>,
}

impl Saved {
    /// Of a plan without errors.
    pub fn new(
        plan: &Plan,
        program: Archive,
        state: Bound,
        plugins: BTreeMap<String, String>,
        who: String,
    ) -> Saved {
        let schedule = &plan.schedule;
        let edges =
            (0..schedule.steps.len()).flat_map(|n| schedule.graph.after(n).map(move |after| (n, after)));
        let asserts = plan.waiting_asserts.iter();
        let form = Form {
            nodes: plan.nodes.clone(),
            steps: schedule.steps.clone(),
            edges: edges.collect(),
            order: schedule.order.clone(),
            waves: plan.waves.clone(),
            moves: plan.moves.clone(),
            waiting_asserts: asserts.map(|(n, ids)| (*n, ids.iter().map(|id| id.0).collect())).collect(),
            prior_outputs: plan.prior_outputs.clone(),
            outputs_changed: plan.outputs_changed,
            outputs: plan.outputs.clone(),
            left_out: plan.left_out.clone(),
            files: plan.files.clone(),
        };
        Saved {
            format: FORMAT,
            id: uuid::Uuid::new_v4().to_string(),
            dtm: env!("CARGO_PKG_VERSION").into(),
            who,
            time: crate::state::now(),
            state,
            key: None,
            program,
            plugins,
            plan: form,
        }
    }

    /// Whether it holds secrets, so that a key is needed.
    pub fn needs_key(&self, redactor: &Redactor) -> bool {
        serde_json::to_value(self).is_ok_and(|v| redactor.needs_key(&v))
    }

    /// The bytes of its file; `key` seals its secrets.
    ///
    /// # Errors
    /// When a secret cannot be sealed.
    pub fn to_bytes(&self, key: Option<&Key>, redactor: &Redactor) -> std::io::Result<Vec<u8>> {
        let mut value = serde_json::to_value(self).map_err(std::io::Error::other)?;
        value["key"] = key.map(Key::id).into();
        if let Some(key) = key {
            redactor.seal(&mut value, key).map_err(std::io::Error::other)?;
        }
        let mut packed = vec![];
        ZlibEncoder::new(value.to_string().as_bytes(), Compression::fast()).read_to_end(&mut packed)?;
        Ok([MAGIC.as_slice(), &encode(Serial(1), 0, &packed).0].concat())
    }

    /// Whether a file is a saved plan, whole or not.
    pub fn is_one(path: &Path) -> bool {
        let mut start = [0; 4];
        std::fs::metadata(path).is_ok_and(|m| m.is_file())
            && std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok()
            && start == *MAGIC
    }

    /// Reads one; its secrets stay sealed.
    ///
    /// # Errors
    /// When it is damaged, or another dtm made it.
    pub fn read(path: &Path) -> Result<Saved, SavedError> {
        Saved::from_bytes(&std::fs::read(path)?)
    }

    /// As [`Saved::read`], from its bytes.
    ///
    /// # Errors
    /// As [`Saved::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Saved, SavedError> {
        let damaged = |why: &str| SavedError::Damaged(why.into());
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it is not a plan"))?;
        let (frame, _) = decode(rest).ok_or_else(|| damaged("its checksum does not match"))?;
        if frame.length != rest.len() {
            return Err(damaged("bytes follow its end"));
        }
        let mut text = vec![];
        let unpacked = ZlibDecoder::new(frame.payload).take(LARGEST).read_to_end(&mut text);
        unpacked.map_err(|_| damaged("it cannot be unpacked"))?;
        let value: Value = serde_json::from_slice(&text).map_err(|e| damaged(&e.to_string()))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found > u64::from(FORMAT) => return Err(SavedError::Newer { found }),
            Some(found) if found < u64::from(FORMAT) => return Err(SavedError::Older { found }),
            Some(_) => {}
            None => return Err(damaged("it names no format")),
        }
        match value.get("dtm").and_then(Value::as_str) {
            Some(dtm) if dtm != env!("CARGO_PKG_VERSION") => return Err(SavedError::OtherDtm(dtm.into())),
            _ => {}
        }
        serde_json::from_value(value).map_err(|e| damaged(&e.to_string()))
    }

    /// Opens its secrets, and makes them known to the redactor.
    ///
    /// # Errors
    /// When the key is another one.
    pub fn open(self, key: Option<&Key>, redactor: &Redactor) -> Result<Saved, SavedError> {
        let Some(wanted) = self.key.clone() else { return Ok(self) };
        let fail = || SavedError::Key(wanted.clone());
        let key = key.filter(|k| k.id() == wanted).ok_or_else(fail)?;
        let mut value = serde_json::to_value(&self).map_err(|_| fail())?;
        open(&mut value, key).map_err(|_| fail())?;
        redactor.learn(&value);
        serde_json::from_value(value).map_err(|_| fail())
    }

    /// The plan, for the program that it holds.
    ///
    /// # Errors
    /// When it does not fit the program.
    pub fn plan(&self, program: &Program, plugins: &dyn PluginCalls) -> Result<Plan, SavedError> {
        let form = &self.plan;
        let foreign = |what: &str| SavedError::Damaged(format!("`{what}` does not fit its program"));
        let mut nodes = form.nodes.clone();
        for node in &mut nodes {
            node.instance = program.find(&node.addr);
            node.kind = match node.instance {
                Some(id) => Some(program.instance(id).kind.clone()),
                None => {
                    node.prior.as_ref().and_then(|entry| super::build::kind_in_state(program, plugins, entry))
                }
            };
            // What was not there then may be there now: it is asked again before anything is begun. What was begun already is
            // its own.
            node.absent_before &= node.reason == Reason::Interrupted;
        }
        let count = form.steps.len();
        let known = form.edges.iter().all(|(a, b)| *a < count && *b < count)
            && form.steps.iter().all(|s| s.node < nodes.len());
        let order = form.order.iter().all(|n| *n < count) && form.order.len() == count;
        if !known || !order || form.waves.len() != nodes.len() {
            return Err(foreign("its order"));
        }
        let mut graph = Graph::new(count);
        form.edges.iter().for_each(|(before, after)| graph.add(*before, *after));
        let schedule = Schedule { steps: form.steps.clone(), graph, order: form.order.clone() };
        let asserts = form.waiting_asserts.iter();
        Ok(Plan {
            nodes,
            schedule,
            waves: form.waves.clone(),
            moves: form.moves.clone(),
            applied: vec![],
            diagnostics: dtm_lang::Diagnostics::default(),
            waiting_asserts: asserts
                .map(|(n, ids)| (*n, ids.iter().map(|id| InstanceId(*id)).collect()))
                .collect(),
            prior_outputs: form.prior_outputs.clone(),
            outputs_changed: form.outputs_changed,
            outputs: form.outputs.clone(),
            local_outputs: None,
            left_out: form.left_out.clone(),
            files: form.files.clone(),
            saved: true,
        })
    }
}
