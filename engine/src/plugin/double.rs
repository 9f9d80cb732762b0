//! A plugin in memory, for tests of the planner and the executor: stricter than a real one, and it fails when it is told to.
//!
//! It panics on what the engine must never do: send a value that is not known yet, change an object that does not exist, work
//! on one object twice at the same time, or begin an operation under a key that already belongs to another one.

use super::{CallError, Pending, PluginCalls, Request, Settings};
use crate::address::ToolAddr;
use crate::secret::Redactor;
use crate::state::{Journal, OpKey};
use dtm_lang::wire::{has_unknown, reveal};
use dtm_plugin::protocol::{
    Call, Class, ErrorData, Fields, Manifest, Method, Object, ReadMany, ReadResult, RpcError, VERSIONS,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The interface of the plugin.
pub(crate) const INTERFACE: &str = r#"dts 1

plugin cloud

settings {
  @key region: string = "eu"
}

/// Found by its name.
@recover(key)
kind Thing {
  @key @immutable
  in name: string
  @immutable
  in zone: string = "a"
  in size: int = 1
  in tags: [string] = []
  @write_only
  in token: secret string?
  out @stable url: string
  out generation: int
}

/// Found by the key of the operation that created it.
@recover(op)
kind Disk {
  @immutable
  in label: string
  in thing: string?
  out @once password: secret string
}

/// Found by nothing.
@recover(ask)
kind Note {
  in text: string
}

/// Created again as often as it takes.
@recover(rerun)
kind Job {
  in script: string
}
"#;

/// What happens to a call instead of what was asked.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It fails and changes nothing.
    Clean,
    /// It fails; the object exists, and is reported.
    Partial,
    /// It fails, and nothing is reported of what exists.
    Vague,
    /// It fails and may be tried again, after so many milliseconds.
    Retryable(u64),
    /// It is carried out, and the process is lost before it answers.
    LostAfter,
    /// The process is lost before it is carried out.
    LostBefore,
    /// It is carried out, and does not answer before its deadline.
    TimedOut,
    /// The answer is not that of the interface.
    Nonsense,
    /// The plugin cannot be used.
    Unusable,
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thing {
    pub(crate) kind: String,
    pub(crate) inputs: Fields,
    op: String,
    generation: u64,
    /// What `read` says is not as it was applied.
    drift: Vec<String>,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Thing>,
    faults: VecDeque<(Method, String, Fault)>,
    log: Vec<String>,
    busy: BTreeSet<String>,
    most: usize,
    slow: BTreeMap<String, Duration>,
    gathered: Option<Arc<tokio::sync::Barrier>>,
    replaces: BTreeMap<String, Vec<String>>,
    place: Option<String>,
    next: u64,
}

/// The plugin `cloud`.
pub(crate) struct Cloud {
    inner: Mutex<Inner>,
    /// Taken as a whole by a call that must be alone.
    turn: tokio::sync::RwLock<()>,
    redactor: Redactor,
    usable: Mutex<bool>,
    version: Mutex<String>,
    /// How often a run was told to stop, cancel and kill.
    pub(crate) told: Mutex<Vec<&'static str>>,
}

impl Cloud {
    pub(crate) fn new() -> Arc<Cloud> {
        Arc::new(Cloud {
            inner: Mutex::default(),
            turn: tokio::sync::RwLock::default(),
            redactor: Redactor::default(),
            usable: Mutex::new(true),
            version: Mutex::new("1.0.0".into()),
            told: Mutex::default(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("not poisoned")
    }

    /// The next call of this method for what is called so fails. An empty name is any.
    pub(crate) fn fail(&self, method: Method, name: &str, fault: Fault) {
        self.inner().faults.push_back((method, name.into(), fault));
    }

    /// From here on, a change ends when so many run at the same time.
    pub(crate) fn gather(&self, changes: usize) {
        self.inner().gathered = Some(Arc::new(tokio::sync::Barrier::new(changes)));
    }

    /// Changes of what is called so take as long.
    pub(crate) fn delay(&self, name: &str, takes: Duration) {
        self.inner().slow.insert(name.into(), takes);
    }

    /// `plan` wants what is called so to be replaced, for this reason.
    pub(crate) fn wants_replaced(&self, name: &str, reason: &str) {
        self.inner().replaces.entry(name.into()).or_default().push(reason.into());
    }

    /// The identity of what is behind its settings from here on.
    pub(crate) fn set_place(&self, place: &str) {
        self.inner().place = Some(place.into());
    }

    /// Whether the plugin can be used from here on.
    pub(crate) fn set_usable(&self, usable: bool) {
        *self.usable.lock().expect("not poisoned") = usable;
    }

    /// A part of an object changes outside that is in no input.
    pub(crate) fn spoil(&self, name: &str, part: &str) {
        let mut inner = self.inner();
        let thing = inner.objects.values_mut().find(|thing| title(&thing.inputs) == name);
        thing.expect("an object").drift.push(part.into());
    }

    /// Changes an input of an object, as somebody outside of dtm does.
    pub(crate) fn edit(&self, name: &str, input: &str, value: Value) {
        let mut inner = self.inner();
        let thing = inner.objects.values_mut().find(|t| title(&t.inputs) == name).expect("it exists");
        thing.inputs.insert(input.into(), value);
    }

    /// Removes an object, as somebody outside of dtm does.
    pub(crate) fn remove(&self, name: &str) {
        self.inner().objects.retain(|_, t| title(&t.inputs) != name);
    }

    /// An object that somebody outside of dtm creates; its id.
    pub(crate) fn put(&self, kind: &str, inputs: Value) -> String {
        let inputs = inputs.as_object().cloned().expect("inputs");
        self.inner().create(kind, &inputs, "")
    }

    /// Every object: its id, and its inputs without those that have their default.
    pub(crate) fn objects(&self) -> Vec<String> {
        let name = |(id, t): (&String, &Thing)| format!("{id} {}", title(&t.inputs));
        self.inner().objects.iter().map(name).collect()
    }

    /// The calls that changed something or tried to, in the order in which they began.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().log)
    }

    /// The largest number of calls at the same time.
    pub(crate) fn most(&self) -> usize {
        self.inner().most
    }

    fn fault(&self, method: Method, name: &str) -> Option<Fault> {
        let mut inner = self.inner();
        let at = inner.faults.iter().position(|(m, n, _)| *m == method && (n.is_empty() || n == name))?;
        inner.faults.remove(at).map(|(.., fault)| fault)
    }

    async fn answer(&self, request: Request<'_>) -> Result<Value, CallError> {
        let Request { plugin, settings, method, params, deadline, alone, place } = request;
        let _turn = match alone {
            true => (Some(self.turn.write().await), None),
            false => (None, Some(self.turn.read().await)),
        };
        assert_eq!(plugin, "cloud", "the only plugin");
        assert!(!settings.values().any(has_unknown), "settings are known before a call");
        let now = self.inner().place.clone();
        if let (Some(expected), Some(now)) = (place, now)
            && expected != now
        {
            return Err(failed(Class::FailedClean, &format!("it is in {expected}, not in {now}"), None));
        }
        if method == Method::ReadMany {
            let many: ReadMany = serde_json::from_value(params).expect("calls");
            let results: Vec<ReadResult> = many.calls.iter().map(|call| self.read(call)).collect();
            return Ok(json!(results));
        }
        let call: Call = serde_json::from_value(params).expect("a call");
        let name = match self.inner().objects.get(&call.id) {
            Some(thing) => title(&thing.inputs),
            None => title(&call.inputs),
        };
        let changes = matches!(method, Method::Create | Method::Update | Method::Delete);
        if changes {
            assert!(!call.op.is_empty(), "every change has a key");
            assert!(
                !call.inputs.values().any(has_unknown),
                "inputs are known before a change: {:?}",
                call.inputs
            );
            let mut inner = self.inner();
            inner.log.push(format!("{method} {name}"));
            assert!(inner.busy.insert(name.clone()), "one change of `{name}` at a time");
            inner.most = inner.most.max(inner.busy.len());
        }
        let (takes, gathered) = {
            let inner = self.inner();
            (inner.slow.get(&name).copied(), inner.gathered.clone())
        };
        if let (true, Some(takes)) = (changes, takes) {
            tokio::time::sleep(takes).await;
        }
        if let (true, Some(gathered)) = (changes, gathered) {
            gathered.wait().await;
        }
        let result = self.carry_out(method, &call, &name, deadline);
        if changes {
            self.inner().busy.remove(&name);
        }
        result
    }

    fn carry_out(
        &self,
        method: Method,
        call: &Call,
        name: &str,
        deadline: Duration,
    ) -> Result<Value, CallError> {
        let fault = self.fault(method, name);
        match &fault {
            Some(Fault::Clean) => return Err(failed(Class::FailedClean, "it failed", None)),
            Some(Fault::Retryable(ms)) => {
                let mut error = rpc(Class::Retryable, "it is busy", None);
                error.data.after_ms = Some(*ms);
                return Err(CallError::Failed(error));
            }
            Some(Fault::LostBefore) => return Err(CallError::Lost("it was killed".into())),
            Some(Fault::Unusable) => return Err(CallError::Unusable("it is given up".into())),
            Some(Fault::Vague) => return Err(failed(Class::FailedPartial, "it failed half-way", None)),
            _ => {}
        }
        let done = self.change(method, call)?;
        match fault {
            Some(Fault::Partial) => {
                let object = serde_json::from_value(done).expect("an object");
                Err(failed(Class::FailedPartial, "it failed half-way", Some(object)))
            }
            Some(Fault::LostAfter) => Err(CallError::Lost("it was killed".into())),
            Some(Fault::TimedOut) => Err(CallError::TimedOut(deadline)),
            Some(Fault::Nonsense) => Ok(json!({ "id": done["id"], "outputs": { "url": 7 } })),
            _ => Ok(done),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a plugin is asked for what it has")]
    fn change(&self, method: Method, call: &Call) -> Result<Value, CallError> {
        let mut inner = self.inner();
        match method {
            Method::Read => Ok(json!(inner.read(call))),
            Method::Find => {
                let is = |t: &Thing| match call.inputs.is_empty() {
                    true => t.op == call.op,
                    false => call.inputs.iter().all(|(k, v)| t.inputs.get(k) == Some(v)),
                };
                let found = inner.objects.iter().filter(|(_, t)| t.kind == call.kind && is(t));
                Ok(json!({ "ids": found.map(|(id, _)| id).collect::<Vec<_>>() }))
            }
            Method::Plan => {
                let name = title(&call.inputs);
                Ok(
                    json!({ "outputs": {}, "replace": inner.replaces.get(&name).cloned().unwrap_or_default() }),
                )
            }
            Method::Create => {
                if let Some((id, _)) = inner.objects.iter().find(|(_, t)| t.op == call.op) {
                    let id = id.clone();
                    return Ok(json!(inner.changed(&id)));
                }
                let taken = call.kind == "Thing"
                    && inner.objects.values().any(|t| t.inputs.get("name") == call.inputs.get("name"));
                if taken {
                    return Err(failed(Class::FailedClean, "the name is taken", None));
                }
                let id = inner.create(&call.kind, &call.inputs, &call.op);
                Ok(json!(inner.changed(&id)))
            }
            Method::Update => {
                let thing = inner.objects.get_mut(&call.id);
                let thing =
                    thing.unwrap_or_else(|| panic!("an update of `{}`, which does not exist", call.id));
                assert!(!call.prior.is_empty(), "an update says what was recorded");
                thing.inputs = reveal(&call.inputs.clone().into()).as_object().cloned().unwrap_or_default();
                thing.generation += 1;
                Ok(json!(inner.changed(&call.id)))
            }
            Method::Delete => {
                inner.objects.remove(&call.id);
                Ok(json!({}))
            }
            other => panic!("`{other}` was not among the capabilities"),
        }
    }

    fn read(&self, call: &Call) -> ReadResult {
        let name = self.inner().objects.get(&call.id).map(|t| title(&t.inputs)).unwrap_or_default();
        match self.fault(Method::Read, &name) {
            Some(_) => ReadResult::Failed(rpc(Class::FailedClean, "it cannot be reached", None)),
            None => self.inner().read(call),
        }
    }
}

impl Inner {
    fn create(&mut self, kind: &str, inputs: &Fields, op: &str) -> String {
        self.next += 1;
        let id = format!("{}-{}", kind.to_lowercase(), self.next);
        let inputs = reveal(&inputs.clone().into()).as_object().cloned().unwrap_or_default();
        self.objects.insert(
            id.clone(),
            Thing { kind: kind.into(), inputs, op: op.into(), generation: 1, drift: vec![] },
        );
        id
    }

    fn read(&self, call: &Call) -> ReadResult {
        match self.objects.contains_key(&call.id) {
            true => ReadResult::Object(Box::new(self.object(&call.id))),
            false => ReadResult::Absent,
        }
    }

    /// An object as a change returns it: with what no read returns.
    fn changed(&self, id: &str) -> Object {
        let mut object = self.object(id);
        if self.objects[id].kind == "Disk" {
            object.outputs.insert("password".into(), json!(format!("password-of-{id}")));
        }
        object
    }

    fn object(&self, id: &str) -> Object {
        let thing = &self.objects[id];
        let outputs = match &*thing.kind {
            "Thing" => {
                json!({ "url": format!("cloud://{}", title(&thing.inputs)), "generation": thing.generation })
            }
            _ => json!({}),
        };
        let mut inputs = thing.inputs.clone();
        inputs.remove("token");
        Object {
            id: id.into(),
            outputs: outputs.as_object().cloned().unwrap_or_default(),
            inputs,
            drift: thing.drift.clone(),
            private: Value::Null,
        }
    }
}

/// What an object is called.
fn title(inputs: &Fields) -> String {
    let names = ["name", "label", "text", "script"];
    let text = names.iter().find_map(|n| inputs.get(*n)).map(reveal);
    text.as_ref().and_then(Value::as_str).unwrap_or_default().to_string()
}

fn rpc(class: Class, message: &str, object: Option<Object>) -> RpcError {
    let data = ErrorData { class, object, ..ErrorData::default() };
    RpcError { code: -32000, message: message.into(), data: Box::new(data) }
}

fn failed(class: Class, message: &str, object: Option<Object>) -> CallError {
    CallError::Failed(rpc(class, message, object))
}

impl PluginCalls for Cloud {
    fn call<'a>(&'a self, request: Request<'a>) -> Pending<'a, Result<Value, CallError>> {
        Box::pin(self.answer(request))
    }

    fn manifest<'a>(&'a self, plugin: &'a str) -> Pending<'a, Result<Manifest, CallError>> {
        Box::pin(async move {
            Ok(Manifest {
                protocol: VERSIONS[0],
                name: plugin.into(),
                version: self.version.lock().expect("not poisoned").clone(),
                kinds: ["Thing", "Disk", "Note", "Job"].map(String::from).to_vec(),
                interface: "of-the-double".into(),
                capabilities: [("plan".to_string(), vec!["Thing".to_string()])].into(),
            })
        })
    }

    fn place<'a>(&'a self, _: &'a str, _: &'a Settings) -> Pending<'a, Result<Option<String>, CallError>> {
        Box::pin(async { Ok(self.inner().place.clone()) })
    }

    fn usable(&self, _: &str) -> Result<(), String> {
        match *self.usable.lock().expect("not poisoned") {
            true => Ok(()),
            false => Err("its file is missing".into()),
        }
    }

    fn interface_beside(&self, _: &str) -> Option<Arc<dtm_lang::interface::Plugin>> {
        None
    }

    fn folder(&self) -> &Path {
        Path::new("/project")
    }

    fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn watch(&self, _: &OpKey, _: &ToolAddr, _: &Journal) {}

    fn unwatch(&self, _: &OpKey) {}

    fn stop(&self) {
        self.told.lock().expect("not poisoned").push("stop");
    }

    fn cancel_all(&self) -> Pending<'_, ()> {
        self.told.lock().expect("not poisoned").push("cancel");
        Box::pin(async {})
    }

    fn kill_all(&self) -> Pending<'_, ()> {
        self.told.lock().expect("not poisoned").push("kill");
        Box::pin(async {})
    }
}
