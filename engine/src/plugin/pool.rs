//! The plugins of a run: started when first needed, started again when lost, called by name.

use super::process::{Listener, Process};
use crate::event::{Event, Events};
use crate::secret::Redactor;
use crate::state::{Journal, OpKey, Record};
use dtm_plugin::protocol::{Checkpoint, Class, ErrorData, Hello, Manifest, RpcError, VERSIONS};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a cancelled operation may take to end before its process is killed.
pub const GRACE: Duration = Duration::from_secs(5);

/// A plugin that crashed so often is given up.
const CRASHES: u32 = 3;

/// The settings of a configuration, as wire JSON.
pub type Settings = serde_json::Map<String, Value>;

/// Why a call gave no result.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// The plugin answered with an error.
    Failed(RpcError),
    /// The process was lost: what became of the operation is unknown.
    Lost(String),
    /// The deadline passed; what became of the operation is unknown.
    TimedOut(Duration),
    /// The plugin cannot be used at all.
    Unusable(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Failed(e) => f.write_str(&e.message),
            CallError::Lost(why) => write!(f, "the plugin's process was lost: {why}"),
            CallError::TimedOut(after) => write!(f, "it did not end within {}", show(*after)),
            CallError::Unusable(why) => f.write_str(why),
        }
    }
}

fn show(d: Duration) -> String {
    dtm_lang::value::duration_text(d.as_nanos().min(i64::MAX as u128) as i64)
}

/// One plugin of a run.
pub struct Spec {
    /// The library or executable, or why there is none.
    pub file: Result<PathBuf, String>,
    /// The hash of the interface that the program was checked with.
    pub interface: String,
    /// Its process environment.
    pub env: Vec<(String, String)>,
}

struct Slot {
    spec: Spec,
    process: tokio::sync::Mutex<Option<(Arc<Process>, Manifest)>>,
    crashes: AtomicU32,
    /// Ordinary calls share it; an operation after a crash has it alone.
    turn: tokio::sync::RwLock<()>,
    pause_until: Mutex<Option<tokio::time::Instant>>,
}

struct Watched {
    addr: String,
    journal: Journal,
}

/// Hears what plugins say, and knows which operation belongs to which tool.
struct Ears {
    name: String,
    events: Events,
    redactor: Redactor,
    watched: Arc<Mutex<HashMap<String, Watched>>>,
    runtime: tokio::runtime::Handle,
}

impl Listener for Ears {
    fn notified(&self, method: &str, params: Value) {
        let text = |name: &str| self.redactor.mask(params.get(name).and_then(Value::as_str).unwrap_or(""));
        match method {
            "progress" => {
                let op = params.get("op").and_then(Value::as_str).unwrap_or("");
                let addr = lock(&self.watched).get(op).map(|w| w.addr.clone());
                if let Some(addr) = addr {
                    (self.events)(Event::Progress { addr, text: text("text") });
                }
            }
            "secret" => self.redactor.learn_text(params.get("value").and_then(Value::as_str).unwrap_or("")),
            "log" => {
                let op = params.get("op").and_then(Value::as_str).unwrap_or("");
                let warns = params.get("level").and_then(Value::as_str) == Some("warning");
                let addr = lock(&self.watched).get(op).map(|w| w.addr.clone()).filter(|_| warns);
                (self.events)(match addr {
                    Some(addr) => Event::Warned { addr, text: text("text") },
                    None => Event::Log { plugin: self.name.clone(), text: text("text") },
                });
            }
            _ => {}
        }
    }
    fn logged(&self, line: String) {
        (self.events)(Event::Log { plugin: self.name.clone(), text: self.redactor.mask(&line) });
    }
    fn checkpoint(&self, c: Checkpoint, done: Box<dyn FnOnce(bool) + Send>) {
        let found = lock(&self.watched).get(&c.op).map(|w| (w.addr.clone(), w.journal.clone()));
        let Some((addr, journal)) = found else { return done(false) };
        self.runtime.spawn(async move {
            let record = Record::Checkpoint { addr, op: OpKey(c.op), id: c.id, partial: c.partial };
            done(journal.write(record).await.is_ok());
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// The plugins of a run.
pub struct Plugins {
    host: PathBuf,
    folder: PathBuf,
    slots: HashMap<String, Slot>,
    state_lock: Option<OwnedFd>,
    events: Events,
    redactor: Redactor,
    watched: Arc<Mutex<HashMap<String, Watched>>>,
}

impl Plugins {
    /// Plugins by their name in the program; `host` is the dtm binary, `folder` the project's root. The hosts
    /// inherit `state_lock`.
    pub fn new(
        host: PathBuf,
        folder: PathBuf,
        specs: impl IntoIterator<Item = (String, Spec)>,
        state_lock: Option<OwnedFd>,
        events: Events,
        redactor: Redactor,
    ) -> Plugins {
        let slot = |spec| Slot {
            spec,
            process: Default::default(),
            crashes: AtomicU32::new(0),
            turn: Default::default(),
            pause_until: Default::default(),
        };
        let slots = specs.into_iter().map(|(n, s)| (n, slot(s))).collect();
        Plugins { host, folder, slots, state_lock, events, redactor, watched: Default::default() }
    }

    /// The interface of a plugin by path, for tools that are in state only.
    pub fn interface_beside(&self, path: &str) -> Option<Arc<dtm_lang::interface::Plugin>> {
        let file = self.folder.join(path).with_extension("dts");
        let text = std::fs::read_to_string(&file).ok()?;
        dtm_lang::read_interface(&file.display().to_string(), &text).0
    }

    /// The secrets of the run.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Says to which tool an operation belongs, for progress and checkpoints.
    pub fn watch(&self, op: &OpKey, addr: &str, journal: &Journal) {
        lock(&self.watched).insert(op.0.clone(), Watched { addr: addr.into(), journal: journal.clone() });
    }
    /// Forgets an operation that has ended.
    pub fn unwatch(&self, op: &OpKey) {
        lock(&self.watched).remove(&op.0);
    }

    /// Whether a plugin can be started at all; why not.
    pub fn usable(&self, plugin: &str) -> Result<(), String> {
        match self.slots.get(plugin) {
            Some(slot) => slot.spec.file.as_ref().map(|_| ()).map_err(Clone::clone),
            None => Err(format!("the plugin `{plugin}` is not part of this program")),
        }
    }

    /// The manifest of a plugin, which starts it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn manifest(&self, plugin: &str) -> Result<Manifest, CallError> {
        Ok(self.process(plugin).await?.1)
    }

    async fn process(&self, plugin: &str) -> Result<(Arc<Process>, Manifest), CallError> {
        let slot =
            self.slots.get(plugin).ok_or_else(|| CallError::Unusable(format!("no plugin `{plugin}`")))?;
        let mut current = slot.process.lock().await;
        if let Some((process, manifest)) = &*current {
            let retired = process.retired.load(Ordering::Relaxed);
            if process.fate().is_none() && !retired {
                return Ok((process.clone(), manifest.clone()));
            }
            if process.fate().is_some()
                && !retired
                && slot.crashes.fetch_add(1, Ordering::Relaxed) + 1 >= CRASHES
            {
                let why = process.fate().unwrap_or_default();
                return Err(CallError::Unusable(format!(
                    "the plugin `{plugin}` crashed {CRASHES} times and is given up: {why}"
                )));
            }
            *current = None;
        }
        let file = slot.spec.file.as_ref().map_err(|why| CallError::Unusable(why.clone()))?;
        let lock_fd = match &self.state_lock {
            Some(fd) => Some(fd.try_clone().map_err(|e| CallError::Unusable(e.to_string()))?),
            None => None,
        };
        let ears = Arc::new(Ears {
            name: plugin.to_string(),
            events: self.events.clone(),
            redactor: self.redactor.clone(),
            watched: self.watched.clone(),
            runtime: tokio::runtime::Handle::current(),
        });
        let process = Process::start(&self.host, file, &self.folder, &slot.spec.env, lock_fd, ears)
            .map_err(|why| CallError::Unusable(format!("the plugin `{plugin}` cannot be started: {why}")))?;
        let hello = Hello { versions: VERSIONS.to_vec(), engine: env!("CARGO_PKG_VERSION").into() };
        let receiver = process.request("hello", json!(hello)).map_err(CallError::Unusable)?;
        let answer = tokio::time::timeout(Duration::from_secs(30), receiver).await;
        let manifest: Manifest = match answer {
            Ok(Ok(Ok(value))) => serde_json::from_value(value).map_err(|e| {
                CallError::Unusable(format!("the plugin `{plugin}` does not say what it is: {e}"))
            })?,
            Ok(Ok(Err(error))) => return Err(CallError::Failed(error)),
            Ok(Err(_)) => {
                let why = process.fate().unwrap_or_default();
                return Err(CallError::Unusable(format!("the plugin `{plugin}` cannot be used: {why}")));
            }
            Err(_) => {
                process.kill();
                return Err(CallError::Unusable(format!("the plugin `{plugin}` did not answer within 30s")));
            }
        };
        if manifest.interface != slot.spec.interface {
            process.kill();
            return Err(CallError::Unusable(format!(
                "the plugin `{plugin}` was built from another interface than the one that this program was checked with"
            )));
        }
        tracing::info!(plugin, version = manifest.version, file = %file.display(), "plugin started");
        *current = Some((process.clone(), manifest.clone()));
        Ok((process, manifest))
    }

    /// One call. `params` gets the configuration's handle put in. At the deadline the operation is cancelled, and
    /// after a grace period its process is killed.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(
        &self,
        plugin: &str,
        settings: &Settings,
        method: &str,
        mut params: Value,
        deadline: Duration,
        alone: bool,
    ) -> Result<Value, CallError> {
        let slot =
            self.slots.get(plugin).ok_or_else(|| CallError::Unusable(format!("no plugin `{plugin}`")))?;
        let (_shared, _alone) = match alone {
            false => (Some(slot.turn.read().await), None),
            true => (None, Some(slot.turn.write().await)),
        };
        let pause = *lock(&slot.pause_until);
        if let Some(until) = pause {
            tokio::time::sleep_until(until).await;
        }
        let (process, _) = self.process(plugin).await?;
        let config = process.config(settings).await?;
        let op = params.get("op").and_then(Value::as_str).unwrap_or("").to_string();
        let targets = match params.get_mut("calls").and_then(Value::as_array_mut) {
            Some(calls) => calls.iter_mut().collect(),
            None => vec![&mut params],
        };
        for target in targets {
            target["config"] = json!(config);
        }
        // A request that cannot be sent changed nothing.
        let mut receiver = process.request(method, params).map_err(|message| {
            let data = ErrorData { class: Class::FailedClean, ..ErrorData::default() };
            CallError::Failed(RpcError { code: -32000, message, data: Box::new(data) })
        })?;
        let began = std::time::Instant::now();
        let answer = match tokio::time::timeout(deadline, &mut receiver).await {
            Ok(answer) => answer,
            Err(_) => {
                if !op.is_empty() {
                    let _ = process.request("cancel", json!({ "op": op }));
                }
                match tokio::time::timeout(GRACE, &mut receiver).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        process.abandon();
                        return Err(CallError::TimedOut(deadline));
                    }
                }
            }
        };
        let ms = began.elapsed().as_millis() as u64;
        tracing::debug!(plugin, method, op, ms, failed = !matches!(answer, Ok(Ok(_))), "plugin answered");
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if let Some(after) = error.data.after_ms {
                    let until = tokio::time::Instant::now() + Duration::from_millis(after);
                    let mut pause = lock(&slot.pause_until);
                    *pause = Some(pause.map_or(until, |p| p.max(until)));
                }
                Err(CallError::Failed(error))
            }
            Err(_) => Err(CallError::Lost(process.fate().unwrap_or_else(|| "its pipe was closed".into()))),
        }
    }

    /// Asks every running operation to stop.
    pub async fn cancel_all(&self) {
        let ops: Vec<String> = lock(&self.watched).keys().cloned().collect();
        for slot in self.slots.values() {
            if let Some((process, _)) = &*slot.process.lock().await {
                for op in &ops {
                    let _ = process.request("cancel", json!({ "op": op }));
                }
            }
        }
    }

    /// Kills every plugin process.
    pub async fn kill_all(&self) {
        for slot in self.slots.values() {
            if let Some((process, _)) = &*slot.process.lock().await {
                process.kill();
            }
        }
    }
}
