//! One plugin under examination: calls without the engine's patience, and everything that it says.

use super::Setup;
use crate::plugin::process::{Listener, Process};
use crate::plugin::{CallError, GRACE, Settings};
use dtm_lang::interface::Plugin;
use dtm_lang::wire::tag;
use dtm_plugin::protocol::{Call, Checkpoint, Hello, Manifest, Method, RpcError, VERSIONS};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long an answer may take that nobody cancels, unless the interface or the case says otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What an answer is.
pub(super) type Answer = Result<Value, CallError>;

/// What a plugin said where everybody can hear it: the place, and the text.
#[derive(Default)]
pub(super) struct Heard {
    said: Mutex<Vec<(String, String)>>,
    secrets: Mutex<Vec<String>>,
}

impl Heard {
    fn say(&self, place: &str, text: impl Into<String>) {
        let mut said = self.said.lock().unwrap_or_else(|e| e.into_inner());
        if said.len() < 100_000 {
            said.push((place.to_string(), text.into()));
        }
    }
    /// Every untagged text of a value.
    fn say_all(&self, place: &str, value: &Value) {
        match value {
            Value::String(text) => self.say(place, text.clone()),
            Value::Array(items) => items.iter().for_each(|i| self.say_all(place, i)),
            Value::Object(m) if tag(m).is_some() => {}
            Value::Object(m) => m.iter().for_each(|(key, value)| {
                self.say(place, key.clone());
                self.say_all(place, value);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    /// Remembers what nobody may hear.
    pub(super) fn secret(&self, value: &Value) {
        match value {
            Value::Object(m) if tag(m) == Some("secret") => {
                let texts = m.get("v").into_iter().flat_map(leaves);
                self.secrets.lock().unwrap_or_else(|e| e.into_inner()).extend(texts);
            }
            Value::Object(m) => m.values().for_each(|v| self.secret(v)),
            Value::Array(items) => items.iter().for_each(|v| self.secret(v)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    /// The first place where a secret stands in clear; how many secrets there are otherwise.
    pub(super) fn leak(&self) -> Result<usize, String> {
        let secrets = self.secrets.lock().unwrap_or_else(|e| e.into_inner());
        // Shorter ones are found by chance.
        let secrets: std::collections::BTreeSet<&String> = secrets.iter().filter(|s| s.len() >= 6).collect();
        let said = self.said.lock().unwrap_or_else(|e| e.into_inner());
        let leak = said.iter().find(|(_, text)| secrets.iter().any(|s| text.contains(s.as_str())));
        leak.map_or(Ok(secrets.len()), |(place, _)| Err(format!("a secret is readable in {place}")))
    }
}

fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::Object(m) => m.values().flat_map(leaves).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => vec![],
    }
}

impl Listener for Heard {
    fn notified(&self, method: &str, params: Value) {
        match method {
            "secret" => self.secret(&dtm_lang::wire::secret(json!(params.get("value")))),
            method => self.say_all(&format!("`{method}`"), &params),
        }
    }
    fn logged(&self, line: String) {
        self.say("its standard error", line);
    }
    fn checkpoint(&self, checkpoint: Checkpoint, done: Box<dyn FnOnce(bool) + Send>) {
        self.say("the id of a checkpoint", checkpoint.id);
        done(true);
    }
}

/// A plugin under examination.
pub(super) struct Examinee {
    pub(super) plugin: Arc<Plugin>,
    host: PathBuf,
    file: PathBuf,
    folder: PathBuf,
    env: Vec<(String, String)>,
    process: tokio::sync::Mutex<Option<Arc<Process>>>,
    pub(super) heard: Arc<Heard>,
}

impl Examinee {
    pub(super) fn new(
        setup: &Setup<'_>,
        file: PathBuf,
        env: Vec<(String, String)>,
        plugin: Arc<Plugin>,
    ) -> Examinee {
        let (host, folder) = (setup.around.binary.clone(), setup.folder.to_path_buf());
        Examinee { plugin, host, file, folder, env, process: Default::default(), heard: Arc::default() }
    }

    /// The process, started anew when it was lost.
    pub(super) async fn process(&self) -> Result<Arc<Process>, CallError> {
        let mut current = self.process.lock().await;
        if let Some(process) = current.as_ref().filter(|p| p.exit_reason().is_none()) {
            return Ok(process.clone());
        }
        let started =
            Process::start(&self.host, &self.file, &self.folder, &self.env, None, self.heard.clone());
        let process = started.map_err(CallError::Unusable)?;
        *current = Some(process.clone());
        Ok(process)
    }

    /// Asks on a line of its own, and waits.
    pub(super) async fn ask(&self, method: impl AsRef<str>, params: Value, patience: Duration) -> Answer {
        let process = self.process().await?;
        let mut receiver = process.request(method, params).map_err(CallError::Unusable)?;
        match tokio::time::timeout(patience, &mut receiver).await {
            Ok(answer) => self.answered(&process, answer.ok()),
            Err(_) => {
                self.give_up(&process).await;
                Err(CallError::TimedOut(patience))
            }
        }
    }

    async fn give_up(&self, process: &Process) {
        process.kill();
        *self.process.lock().await = None;
    }

    fn answered(&self, process: &Process, answer: Option<Result<Value, RpcError>>) -> Answer {
        match answer {
            Some(Ok(value)) => {
                self.heard.secret(&value);
                self.overhear(&value);
                Ok(value)
            }
            Some(Err(error)) => {
                self.heard.say("an error", error.message.clone());
                Err(CallError::Failed(error))
            }
            None => Err(process.lost()),
        }
    }

    /// What stands in an answer in clear; the plugin's own data are sealed by the engine.
    fn overhear(&self, value: &Value) {
        let one = |object: &Value| {
            for part in ["outputs", "inputs", "replace", "ids"] {
                self.heard
                    .say_all(&format!("`{part}` of an answer"), object.get(part).unwrap_or(&Value::Null));
            }
            self.heard.say_all("an id", object.get("id").unwrap_or(&Value::Null));
        };
        one(value);
        one(value.get("object").unwrap_or(&Value::Null));
    }

    /// What it is, in answer to `hello`.
    pub(super) async fn hello(&self, versions: &[u32]) -> Result<Manifest, CallError> {
        let hello = Hello { versions: versions.to_vec(), engine: env!("CARGO_PKG_VERSION").into() };
        let answer = self.ask(Method::Hello, json!(hello), Duration::from_secs(30)).await?;
        serde_json::from_value(answer)
            .map_err(|e| CallError::Unusable(format!("its answer to `hello` cannot be read: {e}")))
    }

    /// Whether it still answers.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn alive(&self) -> Result<(), String> {
        match self.hello(&VERSIONS).await {
            Ok(_) => Ok(()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// One call on a kind.
    pub(super) async fn call(
        &self,
        settings: &Settings,
        method: Method,
        call: Call,
        patience: Duration,
    ) -> Answer {
        let process = self.process().await?;
        let params = self.params(&process, settings, call).await?;
        self.ask(method, params, patience).await
    }

    async fn params(&self, process: &Process, settings: &Settings, call: Call) -> Answer {
        let config = process.config(settings).await?;
        Ok(serde_json::to_value(Call { config, ..call }).unwrap_or(Value::Null))
    }

    /// A mutating call that is cancelled after a while, as the engine does it at a deadline.
    pub(super) async fn cancelled(
        &self,
        settings: &Settings,
        method: Method,
        call: Call,
        after: Duration,
    ) -> Answer {
        let process = self.process().await?;
        let op = call.op.clone();
        let params = self.params(&process, settings, call).await?;
        let mut receiver = process.request(method, params).map_err(CallError::Unusable)?;
        if let Ok(answer) = tokio::time::timeout(after, &mut receiver).await {
            return self.answered(&process, answer.ok());
        }
        let _ = process.request(Method::Cancel, json!({ "op": op }));
        match tokio::time::timeout(GRACE, &mut receiver).await {
            Ok(answer) => self.answered(&process, answer.ok()),
            Err(_) => {
                self.give_up(&process).await;
                Err(CallError::TimedOut(after))
            }
        }
    }
}
