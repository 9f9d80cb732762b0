//! The plugins of a run: started when first needed, started again when lost, called by name.

use super::calls::{Pending, PluginCalls, Request};
use super::process::{GREETING, Listener, Process};
use crate::address::ToolAddr;
use crate::event::{Event, Events};
use crate::names::PluginName;
use crate::secret::Redactor;
use crate::state::{Journal, OpKey, Record};
use dtm_plugin::protocol::{Checkpoint, Class, ErrorData, Hello, Manifest, Method, RpcError, VERSIONS};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a cancelled operation may take to end before its process is killed.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a plugin may make other calls wait by its `retryable` errors, whatever it asks for.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

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

fn show(duration: Duration) -> String {
    dtm_lang::value::duration_text(duration.as_nanos().min(i64::MAX as u128) as i64)
}

/// One plugin of a run.
pub struct Spec {
    /// The library or executable, or why there is none.
    pub file: Result<PathBuf, String>,
    /// The name in the interface that the program was checked with; empty where only its hash is known.
    pub name: String,
    /// The hash of that interface.
    pub interface: String,
    /// Its process environment.
    pub env: Vec<(String, String)>,
}

impl Spec {
    /// Whether a plugin is what the program was checked with.
    fn greets(&self, plugin: &str, manifest: &Manifest) -> Result<(), String> {
        if !VERSIONS.contains(&manifest.protocol) {
            return Err(format!(
                "the plugin `{plugin}` speaks version {} of the protocol; this dtm speaks {VERSIONS:?}",
                manifest.protocol
            ));
        }
        if !self.name.is_empty() && manifest.name != self.name {
            let said = dtm_lang::value::quote(&manifest.name);
            return Err(format!(
                "the plugin `{plugin}` says that its name is {said}, and its interface says `{}`",
                self.name
            ));
        }
        if manifest.interface != self.interface {
            return Err(format!(
                "the plugin `{plugin}` was built from a different interface than the one used to check this program"
            ));
        }
        Ok(())
    }
}

struct Slot {
    spec: Spec,
    process: tokio::sync::Mutex<Option<(Arc<Process>, Manifest)>>,
    crashes: AtomicU32,
    /// Why it is not started again in this run.
    given_up: Mutex<Option<String>>,
    /// Ordinary calls share it; an operation after a crash has it alone.
    turn: tokio::sync::RwLock<()>,
    pause_until: Mutex<Option<tokio::time::Instant>>,
}

struct Watched {
    addr: ToolAddr,
    journal: Journal,
    warned: Warned,
}

/// How much an operation has warned of.
#[derive(Default)]
struct Warned {
    shown: usize,
    bytes: usize,
    dropped: usize,
}

/// How many warnings of one operation are shown, and how many bytes of them; the rest is in the trace.
const WARNINGS: usize = 20;
const WARNED_BYTES: usize = 16 << 10;
/// How much of one message is shown: its first and its last bytes.
const FIRST_BYTES: usize = 4 << 10;
const LAST_BYTES: usize = 12 << 10;

impl Warned {
    /// How much of a warning is shown, if any of it is.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let left = WARNED_BYTES.saturating_sub(self.bytes);
        if self.shown >= WARNINGS || left == 0 {
            self.dropped += 1;
            return None;
        }
        self.shown += 1;
        self.bytes += bytes;
        Some(left)
    }
}

/// The beginning and the end of a long text, at the borders of characters, with a word on what is left out between.
fn shorten(text: &str, first: usize, last: usize) -> Option<String> {
    if text.len() <= first + last {
        return None;
    }
    let (head, tail) = (text.floor_char_boundary(first), text.ceil_char_boundary(text.len() - last));
    let left_out = tail - head;
    let tail = &text[tail..];
    Some(format!(
        "{}\n[{left_out} bytes are left out; `--trace FILE` keeps all of it]\n{tail}",
        &text[..head]
    ))
}

/// Hears what plugins say, and knows which operation belongs to which tool.
struct PoolListener {
    name: String,
    events: Events,
    redactor: Redactor,
    watched: Arc<Mutex<HashMap<String, Watched>>>,
    runtime: tokio::runtime::Handle,
}

impl Listener for PoolListener {
    fn notified(&self, method: &str, params: Value) {
        let text = |name: &str| self.redactor.mask(params.get(name).and_then(Value::as_str).unwrap_or(""));
        match Method::named(method) {
            Some(Method::Progress) => {
                let op = params.get("op").and_then(Value::as_str).unwrap_or("");
                let addr = lock(&self.watched).get(op).map(|w| w.addr.clone());
                if let Some(addr) = addr {
                    (self.events)(Event::Progress { addr, text: text("text") });
                }
            }
            Some(Method::Secret) => {
                self.redactor.learn_text(params.get("value").and_then(Value::as_str).unwrap_or(""))
            }
            Some(Method::Log) => {
                let op = params.get("op").and_then(Value::as_str).unwrap_or("");
                let warns = params.get("level").and_then(Value::as_str) == Some("warning");
                let text = text("text");
                let found = lock(&self.watched)
                    .get_mut(op)
                    .filter(|_| warns)
                    .map(|w| (w.addr.clone(), w.warned.take(text.len())));
                let plugin = PluginName::from(&self.name);
                (self.events)(match found {
                    Some((addr, Some(left))) => match shorten(&text, left.min(FIRST_BYTES), 0) {
                        None => Event::Warned { addr, text },
                        Some(short) => {
                            (self.events)(Event::Traced { plugin, text });
                            Event::Warned { addr, text: short.trim_end().to_string() }
                        }
                    },
                    Some((_, None)) => Event::Traced { plugin, text },
                    None => Event::Log { plugin, text },
                });
            }
            _ => {}
        }
    }
    fn shortened(&self, message: String) -> String {
        if message.len() <= FIRST_BYTES + LAST_BYTES {
            return message;
        }
        // Masked as a whole: a secret that is cut in two would not be recognized.
        let text = self.redactor.mask(&message);
        let short = shorten(&text, FIRST_BYTES, LAST_BYTES);
        (self.events)(Event::Traced { plugin: (&self.name).into(), text: text.clone() });
        short.unwrap_or(text)
    }
    fn logged(&self, line: String) {
        (self.events)(Event::Log { plugin: (&self.name).into(), text: self.redactor.mask(&line) });
    }
    fn checkpoint(&self, checkpoint: Checkpoint, done: Box<dyn FnOnce(bool) + Send>) {
        let found = lock(&self.watched).get(&checkpoint.op).map(|w| (w.addr.clone(), w.journal.clone()));
        let Some((addr, journal)) = found.filter(|_| super::depth::is_recordable(&checkpoint.partial)) else {
            return done(false);
        };
        self.runtime.spawn(async move {
            let record = Record::Checkpoint {
                addr,
                op: OpKey(checkpoint.op),
                id: checkpoint.id,
                partial: checkpoint.partial,
            };
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
    slots: BTreeMap<String, Slot>,
    state_lock: Option<OwnedFd>,
    events: Events,
    redactor: Redactor,
    watched: Arc<Mutex<HashMap<String, Watched>>>,
    stopped: tokio::sync::watch::Sender<bool>,
}

/// An error that says that nothing was changed.
fn clean(message: String) -> CallError {
    let data = ErrorData { class: Class::FailedClean, ..ErrorData::default() };
    CallError::Failed(RpcError { code: -32000, message, data: Box::new(data) })
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
            given_up: Mutex::default(),
            turn: Default::default(),
            pause_until: Default::default(),
        };
        let slots = specs.into_iter().map(|(n, s)| (n, slot(s))).collect();
        Plugins {
            host,
            folder,
            slots,
            state_lock,
            events,
            redactor,
            watched: Default::default(),
            stopped: Default::default(),
        }
    }

    async fn process(&self, plugin: &str) -> Result<(Arc<Process>, Manifest), CallError> {
        let slot =
            self.slots.get(plugin).ok_or_else(|| CallError::Unusable(format!("no plugin `{plugin}`")))?;
        let mut current = slot.process.lock().await;
        if let Some(why) = lock(&slot.given_up).clone() {
            return Err(CallError::Unusable(why));
        }
        if let Some((process, manifest)) = &*current {
            let retired = process.is_retired();
            if process.exit_reason().is_none() && !retired {
                return Ok((process.clone(), manifest.clone()));
            }
            if process.exit_reason().is_some()
                && !retired
                && slot.crashes.fetch_add(1, Ordering::Relaxed) + 1 >= CRASHES
            {
                let why = process.exit_reason().map(|f| f.why).unwrap_or_default();
                return Err(CallError::Unusable(format!(
                    "the plugin `{plugin}` crashed {CRASHES} times, and dtm no longer restarts it: {why}"
                )));
            }
            *current = None;
        }
        let file = slot.spec.file.as_ref().map_err(|why| CallError::Unusable(why.clone()))?;
        let lock_fd = match &self.state_lock {
            Some(fd) => Some(fd.try_clone().map_err(|e| CallError::Unusable(e.to_string()))?),
            None => None,
        };
        let listener = Arc::new(PoolListener {
            name: plugin.to_string(),
            events: self.events.clone(),
            redactor: self.redactor.clone(),
            watched: self.watched.clone(),
            runtime: tokio::runtime::Handle::current(),
        });
        let process = Process::start(&self.host, file, &self.folder, &slot.spec.env, lock_fd, listener)
            .map_err(|why| CallError::Unusable(format!("the plugin `{plugin}` cannot be started: {why}")))?;
        let hello = Hello { versions: VERSIONS.to_vec(), engine: env!("CARGO_PKG_VERSION").into() };
        let receiver = process.request(Method::Hello, json!(hello)).map_err(CallError::Unusable)?;
        let give_up = |why: String| {
            process.kill();
            *lock(&slot.given_up) = Some(why.clone());
            CallError::Unusable(why)
        };
        let manifest: Manifest = match tokio::time::timeout(GREETING, receiver).await {
            Ok(Ok(Ok(value))) => serde_json::from_value(value)
                .map_err(|e| give_up(format!("the plugin `{plugin}` does not say what it is: {e}")))?,
            Ok(Ok(Err(error))) => return Err(CallError::Failed(error)),
            Ok(Err(_)) => {
                let why = process.exit_reason().map(|f| f.why).unwrap_or_default();
                return Err(CallError::Unusable(format!("the plugin `{plugin}` cannot be used: {why}")));
            }
            Err(_) => {
                let seconds = GREETING.as_secs();
                return Err(give_up(format!(
                    "the plugin `{plugin}` did not answer `hello` within {seconds}s"
                )));
            }
        };
        slot.spec.greets(plugin, &manifest).map_err(give_up)?;
        tracing::info!(plugin, version = manifest.version, file = %file.display(), "plugin started");
        *current = Some((process.clone(), manifest.clone()));
        Ok((process, manifest))
    }

    /// One call: see [`Request`].
    async fn ask(&self, request: Request<'_>) -> Result<Value, CallError> {
        let Request { plugin, settings, method, mut params, deadline, alone, place } = request;
        let slot =
            self.slots.get(plugin).ok_or_else(|| CallError::Unusable(format!("no plugin `{plugin}`")))?;
        let (_shared, _alone) = match alone {
            false => (Some(slot.turn.read().await), None),
            true => (None, Some(slot.turn.write().await)),
        };
        let pause = *lock(&slot.pause_until);
        if let Some(until) = pause
            && !self.pause(until).await
        {
            return Err(clean("the run was stopped before this was started".into()));
        }
        let (process, manifest) = self.process(plugin).await?;
        let config = self.config(slot, plugin, &process, settings).await?;
        if let Some(expected) = place
            && let Some(now) = behind(&process, &manifest, config).await?
            && now != expected
        {
            return Err(clean(format!(
                "it is in {}, but the settings of the plugin `{plugin}` now lead to {}",
                dtm_lang::value::quote(expected),
                dtm_lang::value::quote(&now)
            )));
        }
        let op = params.get("op").and_then(Value::as_str).unwrap_or("").to_string();
        let targets = match params.get_mut("calls").and_then(Value::as_array_mut) {
            Some(calls) => calls.iter_mut().collect(),
            None => vec![&mut params],
        };
        for target in targets {
            target["config"] = json!(config);
        }
        super::depth::request(&params).map_err(clean)?;
        // A request that cannot be sent changed nothing.
        let mut receiver = process.request(method, params).map_err(clean)?;
        let began = std::time::Instant::now();
        let answer = match tokio::time::timeout(deadline, &mut receiver).await {
            Ok(answer) => answer,
            Err(_) => {
                if !op.is_empty() {
                    process.cancel(&op);
                }
                match tokio::time::timeout(GRACE, &mut receiver).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        drop(receiver);
                        process.abandon();
                        return Err(CallError::TimedOut(deadline));
                    }
                }
            }
        };
        let ms = began.elapsed().as_millis() as u64;
        tracing::debug!(
            plugin,
            method = method.name(),
            op,
            ms,
            failed = !matches!(answer, Ok(Ok(_))),
            "plugin answered"
        );
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if let Some(after) = error.data.after_ms {
                    let after = Duration::from_millis(after).min(LONGEST_PAUSE);
                    let until = tokio::time::Instant::now() + after;
                    let mut pause = lock(&slot.pause_until);
                    *pause = Some(pause.map_or(until, |p| p.max(until)));
                }
                Err(CallError::Failed(error))
            }
            Err(_) => {
                let lost = process.lost();
                if let CallError::Unusable(why) = &lost {
                    *lock(&slot.given_up) =
                        Some(format!("the plugin `{plugin}` is not started again: {why}"));
                }
                Err(lost)
            }
        }
    }

    /// The handle of a configuration.
    async fn config(
        &self,
        slot: &Slot,
        plugin: &str,
        process: &Process,
        settings: &Settings,
    ) -> Result<u64, CallError> {
        process.config(settings).await.inspect_err(|e| {
            // A plugin that hung once is not called again for every tool.
            if let CallError::Unusable(why) = e {
                *lock(&slot.given_up) = Some(format!("the plugin `{plugin}` cannot be used: {why}"));
            }
        })
    }

    async fn ask_place(&self, plugin: &str, settings: &Settings) -> Result<Option<String>, CallError> {
        let slot =
            self.slots.get(plugin).ok_or_else(|| CallError::Unusable(format!("no plugin `{plugin}`")))?;
        let _shared = slot.turn.read().await;
        let (process, manifest) = self.process(plugin).await?;
        let config = self.config(slot, plugin, &process, settings).await?;
        behind(&process, &manifest, config).await
    }

    /// Waits until then; `false` when the run is stopped meanwhile.
    async fn pause(&self, until: tokio::time::Instant) -> bool {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => false,
            () = tokio::time::sleep_until(until) => true,
        }
    }
}

/// The identity of what is behind a configuration, where the plugin says it.
async fn behind(process: &Process, manifest: &Manifest, config: u64) -> Result<Option<String>, CallError> {
    match manifest.capabilities.contains_key(Method::Place.name()) {
        true => process.place(config).await,
        false => Ok(None),
    }
}

impl PluginCalls for Plugins {
    fn call<'a>(&'a self, request: Request<'a>) -> Pending<'a, Result<Value, CallError>> {
        Box::pin(self.ask(request))
    }

    fn manifest<'a>(&'a self, plugin: &'a str) -> Pending<'a, Result<Manifest, CallError>> {
        Box::pin(async move { Ok(self.process(plugin).await?.1) })
    }

    fn place<'a>(
        &'a self,
        plugin: &'a str,
        settings: &'a Settings,
    ) -> Pending<'a, Result<Option<String>, CallError>> {
        Box::pin(self.ask_place(plugin, settings))
    }

    fn usable(&self, plugin: &str) -> Result<(), String> {
        match self.slots.get(plugin) {
            Some(slot) => slot.spec.file.as_ref().map(|_| ()).map_err(Clone::clone),
            None => Err(format!("the plugin `{plugin}` is not part of this program")),
        }
    }

    fn interface_beside(&self, path: &str) -> Option<Arc<dtm_lang::interface::Plugin>> {
        let file = self.folder.join(path).with_extension("dts");
        let text = std::fs::read_to_string(&file).ok()?;
        dtm_lang::read_interface(&file.display().to_string(), &text).0
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn watch(&self, op: &OpKey, addr: &ToolAddr, journal: &Journal) {
        lock(&self.watched).insert(
            op.0.clone(),
            Watched { addr: addr.clone(), journal: journal.clone(), warned: Warned::default() },
        );
    }

    fn unwatch(&self, op: &OpKey) {
        let Some(watched) = lock(&self.watched).remove(&op.0) else { return };
        if watched.warned.dropped > 0 {
            let more = watched.warned.dropped;
            let text = format!("{more} more warnings are left out; `--trace FILE` keeps all of them");
            (self.events)(Event::Warned { addr: watched.addr, text });
        }
    }

    fn stop(&self) {
        self.stopped.send_replace(true);
    }

    fn cancel_all(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let ops: Vec<String> = lock(&self.watched).keys().cloned().collect();
            for slot in self.slots.values() {
                if let Some((process, _)) = &*slot.process.lock().await {
                    ops.iter().for_each(|op| process.cancel(op));
                }
            }
        })
    }

    fn kill_all(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            for slot in self.slots.values() {
                if let Some((process, _)) = &*slot.process.lock().await {
                    process.kill();
                }
            }
        })
    }
}
