//! The trait of a kind, and what its methods get and give.

use crate::protocol::{
    Call, Class, ErrorData, Fields, FindResult, Listed, Method, Object as WireObject, PlannedFile, Preview,
    ReadResult, RpcError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How an operation reaches the engine while it runs.
pub struct Ctx {
    /// The operation's key: the same one never makes two objects.
    pub op: String,
    /// When it must have ended.
    pub deadline: Option<std::time::Instant>,
    pub(crate) settings: Arc<dyn Any + Send + Sync>,
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) notify: Notify,
    pub(crate) left: Arc<AtomicBool>,
}

/// Sends a notification to the engine; `false` when it could not take it.
pub(crate) type Notify = Arc<dyn Fn(Method, Value) -> bool + Send + Sync>;

impl Ctx {
    pub(crate) fn new(call: &Call, settings: Arc<dyn Any + Send + Sync>, notify: &Notify) -> Ctx {
        let now = std::time::Instant::now();
        Ctx {
            op: call.op.clone(),
            deadline: call.deadline_ms.map(|ms| now + std::time::Duration::from_millis(ms)),
            settings,
            cancelled: Arc::default(),
            notify: notify.clone(),
            left: Arc::default(),
        }
    }
    /// Tells what is going on; may be dropped when the engine is busy.
    pub fn progress(&self, text: impl Into<String>) {
        (self.notify)(Method::Progress, json!({ "op": self.op, "text": text.into() }));
    }
    /// Tells something that the user should know of, although the operation goes on.
    pub fn warn(&self, text: &str) {
        (self.notify)(Method::Log, json!({ "op": self.op, "level": "warning", "text": text }));
    }
    /// In `delete`: the object is left as it is, for this reason, and its record is dropped all the same. The user sees
    /// "forgotten" then, not "deleted".
    pub fn left(&self, why: &str) {
        self.left.store(true, Ordering::Relaxed);
        self.warn(why);
    }
    /// Gives an id as soon as it is known; returns once it is durable, `false` when that failed.
    pub fn checkpoint(&self, id: &str, partial: Value) -> bool {
        (self.notify)(Method::Checkpoint, json!({ "op": self.op, "id": id, "partial": partial }))
    }
    /// Names a secret that was not tagged as input, so that it is masked everywhere.
    pub fn secret(&self, value: &str) {
        (self.notify)(Method::Secret, json!({ "value": value }));
    }
    /// Whether the engine asked to stop. The operation still ends with its own answer.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
    #[cfg(test)]
    pub(crate) fn for_tests() -> Ctx {
        Ctx {
            op: format!("test-{}-{:?}", std::process::id(), std::thread::current().id()),
            deadline: None,
            settings: Arc::new(()),
            cancelled: Arc::default(),
            notify: Arc::new(|_, _| true),
            left: Arc::default(),
        }
    }
    /// The plugin's settings for this call.
    pub fn settings<S: 'static>(&self) -> Option<&S> {
        self.settings.downcast_ref()
    }
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    message: String,
    data: Box<ErrorData>,
}

impl Failure {
    /// Nothing was changed.
    pub fn clean(message: impl Into<String>) -> Self {
        Failure {
            message: message.into(),
            data: Box::new(ErrorData { class: Class::FailedClean, ..Default::default() }),
        }
    }
    /// Something exists, under this id, and is broken.
    pub fn partial(id: impl Into<String>, message: impl Into<String>) -> Self {
        let object = WireObject { id: id.into(), ..Default::default() };
        let data =
            Box::new(ErrorData { class: Class::FailedPartial, object: Some(object), ..Default::default() });
        Failure { message: message.into(), data }
    }
    /// The outcome is unknown: the connection broke after a change was sent. The next run determines it.
    pub fn unknown(message: impl Into<String>) -> Self {
        let data = Box::new(ErrorData { class: Class::FailedPartial, ..Default::default() });
        Failure { message: message.into(), data }
    }
    /// The plugin's own data of what exists in spite of the failure.
    pub fn private(mut self, private: Value) -> Self {
        self.data.object.get_or_insert_default().private = private;
        self
    }
    /// Nothing was changed; trying again may help.
    pub fn retryable(message: impl Into<String>, after: Option<std::time::Duration>) -> Self {
        let after_ms = after.map(|d| d.as_millis() as u64);
        Failure {
            message: message.into(),
            data: Box::new(ErrorData { class: Class::Retryable, after_ms, ..Default::default() }),
        }
    }
    /// What went wrong, in words.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// Names the input that caused the failure.
    pub fn input(mut self, name: &str) -> Self {
        self.data.input = Some(name.into());
        self
    }
    pub(crate) fn into_rpc(self) -> RpcError {
        RpcError { code: -32000, message: crate::in_words(&self.message), data: self.data }
    }
}

/// What `create` and `update` give.
pub struct Change<K: Kind> {
    /// The plugin's name for the object.
    pub id: String,
    /// Its outputs.
    pub outputs: K::Outputs,
    /// The plugin's own data.
    pub private: Value,
}

/// An object as it was recorded.
pub struct Object<K: Kind> {
    /// Its id.
    pub id: String,
    /// Its recorded inputs.
    pub inputs: K::Inputs,
    /// Its recorded outputs; empty where an operation was interrupted.
    pub outputs: Fields,
    /// The plugin's own data.
    pub private: Value,
}

/// What `read` saw.
pub struct Observed<K: Kind> {
    /// Its outputs.
    pub outputs: K::Outputs,
    /// Its inputs as they are there, by name; an absent one was not observed.
    pub inputs: Fields,
    /// What is not as it was applied although no input says so, a line each for a person. Any line causes an update.
    pub drift: Vec<String>,
    /// The plugin's own data.
    pub private: Value,
}

type Result<T> = std::result::Result<T, Failure>;

/// A kind of tool. What `create` returns and what `read` returns must come from the same code.
pub trait Kind: Send + Sync + Sized + 'static {
    /// Its name in the interface.
    const NAME: &'static str;
    /// Its inputs, from the interface.
    type Inputs: DeserializeOwned + Serialize + Send;
    /// Its outputs, from the interface.
    type Outputs: DeserializeOwned + Serialize + Send;

    /// The optional questions that it answers: `read_many`, `find_many`, `validate`, `normalize`, `plan`, `preview`, `files`,
    /// `upgrade`, `list`.
    const ANSWERS: &'static [Method] = &[];

    /// Checks the inputs that are known, without side effects. Return [`Failure::retryable`] for something another
    /// tool may still create, such as a folder: it is ignored while this tool waits for a tool of another plugin.
    fn validate(_inputs: &Fields) -> std::result::Result<(), Failure> {
        Ok(())
    }
    /// Converts inputs to a canonical form, so that one object has one identity and a record is the same in every copy of a
    /// project: a path without `./` and relative to the project, a default that only the target knows. Called before a tool is
    /// planned and again before it is changed; `prior` is its record. Unknown values stay unknown; there are no side effects.
    /// A failure is for a target that cannot be asked: the plan reports it for a tool that would be created.
    fn normalize(
        _ctx: &Ctx,
        inputs: Fields,
        _prior: Option<Recorded>,
    ) -> impl Future<Output = Result<Fields>> + Send {
        async { Ok(inputs) }
    }
    /// What is known of an update beforehand; without side effects.
    fn plan(_prior: Object<Self>, _inputs: &Fields) -> std::result::Result<Planned, Failure> {
        Ok(Planned::default())
    }
    /// The files that creating the object, or changing it to these inputs, would write, change and remove; without side effects.
    /// A plan shows them. A file that differs from what would be written now causes an update, even if no input changed.
    fn files(
        _ctx: &Ctx,
        _prior: Option<Object<Self>>,
        _inputs: Self::Inputs,
    ) -> impl Future<Output = Result<Vec<PlannedFile>>> + Send {
        async { Ok(vec![]) }
    }
    /// Brings what an older version of the plugin recorded into the form of this one; pure.
    fn upgrade(_from: &str, recorded: Recorded) -> std::result::Result<Recorded, Failure> {
        Ok(recorded)
    }
    /// What is there; `None` only when the target says definitely that it is absent.
    ///
    /// An object that somebody else made (`existing`) is found by its key first; then only the inputs of the key are real,
    /// the others are empty values of their types.
    fn read(ctx: &Ctx, object: Object<Self>) -> impl Future<Output = Result<Option<Observed<Self>>>> + Send;
    /// [`Kind::read`] of many objects that share a configuration, for a target that answers them together: one list in place of a
    /// request for each. One result for each object, in their order. Without it in [`Kind::ANSWERS`], each is read alone.
    fn read_many(
        ctx: &Ctx,
        objects: Vec<Object<Self>>,
    ) -> impl Future<Output = Vec<Result<Option<Observed<Self>>>>> + Send {
        async {
            let mut results = vec![];
            for object in objects {
                results.push(Self::read(ctx, object).await);
            }
            results
        }
    }
    /// Objects with this natural key: their ids.
    fn find(_ctx: &Ctx, _key: Fields) -> impl Future<Output = Result<Vec<String>>> + Send {
        async { Ok(vec![]) }
    }
    /// [`Kind::find`] of many keys that share a configuration. One result for each key, in their order.
    fn find_many(ctx: &Ctx, keys: Vec<Fields>) -> impl Future<Output = Vec<Result<Vec<String>>>> + Send {
        async {
            let mut results = vec![];
            for key in keys {
                results.push(Self::find(ctx, key).await);
            }
            results
        }
    }
    /// What the target says of a creation, or of an update of `prior`, before it is made: a dry run on the server. Only asked
    /// while a plan may read, and with inputs that are all known. A [`Failure::clean`] is a mistake in the inputs; anything else
    /// becomes a note in the plan, and the change is checked when it is made.
    fn preview(
        _ctx: &Ctx,
        _prior: Option<Object<Self>>,
        _inputs: Self::Inputs,
    ) -> impl Future<Output = Result<Preview>> + Send {
        async { Ok(Preview::default()) }
    }
    /// What is there, whoever made it, for import. `within` narrows it down, by inputs of the key: the folder of a path, say.
    fn list(_ctx: &Ctx, _within: Fields) -> impl Future<Output = Result<Vec<Listed>>> + Send {
        async { Ok(vec![]) }
    }
    /// Makes it. With an operation key already used, gives what that made.
    fn create(ctx: &Ctx, inputs: Self::Inputs) -> impl Future<Output = Result<Change<Self>>> + Send;
    /// Changes it.
    fn update(
        ctx: &Ctx,
        object: Object<Self>,
        inputs: Self::Inputs,
    ) -> impl Future<Output = Result<Change<Self>>> + Send;
    /// Removes it; what is absent already is removed.
    fn delete(ctx: &Ctx, object: Object<Self>) -> impl Future<Output = Result<()>> + Send;
}

type Many<'a, T> = Pin<Box<dyn Future<Output = Vec<T>> + Send + 'a>>;
type Answer<'a> = Pin<Box<dyn Future<Output = std::result::Result<Value, RpcError>> + Send + 'a>>;

/// What `plan` says of an update.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Planned {
    /// Outputs that are known already.
    pub outputs: Fields,
    /// Reasons to replace the object instead.
    pub replace: Vec<String>,
}

/// What an earlier version of the plugin recorded of an object, or of one that was replaced and is still to be deleted.
#[derive(Clone, Debug, Default, Serialize, serde::Deserialize)]
pub struct Recorded {
    /// The object's id; `upgrade` may return another spelling of it for the same object.
    #[serde(default)]
    pub id: String,
    /// Its inputs.
    #[serde(default)]
    pub inputs: Fields,
    /// Its outputs.
    #[serde(default)]
    pub outputs: Fields,
    /// The plugin's own data.
    #[serde(default)]
    pub private: Value,
}

/// A kind without its types.
pub trait ErasedKind: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The optional questions that it answers.
    fn answers(&self) -> &'static [Method];
    /// One call.
    fn call<'a>(&'a self, method: Method, ctx: &'a Ctx, call: Call) -> Answer<'a>;
    /// Many `read` of one configuration.
    fn read_many<'a>(&'a self, ctx: &'a Ctx, calls: Vec<Call>) -> Many<'a, ReadResult>;
    /// Many `find` of one configuration.
    fn find_many<'a>(&'a self, ctx: &'a Ctx, calls: Vec<Call>) -> Many<'a, FindResult>;
}

struct Erased<K>(std::marker::PhantomData<fn() -> K>);

/// A kind as [`Plugin`] keeps it.
pub fn erase<K: Kind>() -> Box<dyn ErasedKind> {
    Box::new(Erased::<K>(std::marker::PhantomData))
}

fn typed<T: DeserializeOwned>(fields: Fields, what: &str) -> std::result::Result<T, RpcError> {
    let fields: Fields = fields.into_iter().filter(|(_, v)| !v.is_null()).collect();
    serde_json::from_value(Value::Object(fields))
        .map_err(|e| Failure::clean(format!("the {what} do not fit the interface: {e}")).into_rpc())
}

fn fields<T: Serialize>(value: &T) -> Fields {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Fields::new(),
    }
}

/// The object that a call is about, with these inputs.
fn recorded<K: Kind>(call: Call, inputs: Fields) -> std::result::Result<Object<K>, RpcError> {
    let inputs = typed(inputs, "recorded inputs")?;
    Ok(Object { id: call.id, inputs, outputs: call.outputs, private: call.private })
}

/// What reading an object gave, as a message.
fn read_result<K: Kind>(id: String, seen: Result<Option<Observed<K>>>) -> ReadResult {
    match seen {
        Ok(None) => ReadResult::Absent,
        Ok(Some(o)) => ReadResult::Object(Box::new(WireObject {
            id,
            outputs: fields(&o.outputs),
            inputs: o.inputs,
            drift: o.drift,
            private: o.private,
        })),
        Err(failure) => ReadResult::Failed(failure.into_rpc()),
    }
}

/// What a kind left out of its answers to many questions is an error.
fn too_few() -> RpcError {
    let message = "the plugin gave fewer answers than it was asked for".to_string();
    RpcError { code: -32603, message, data: Box::default() }
}

impl<K: Kind> ErasedKind for Erased<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn answers(&self) -> &'static [Method] {
        K::ANSWERS
    }

    fn call<'a>(&'a self, method: Method, ctx: &'a Ctx, call: Call) -> Answer<'a> {
        Box::pin(async move {
            let object = |prior: Fields, call: &Call| recorded::<K>(call.clone(), prior);
            let changed =
                |c: Change<K>| json!({ "id": c.id, "outputs": fields(&c.outputs), "private": c.private });
            match method {
                Method::Validate => K::validate(&call.inputs).map(|()| json!({})).map_err(Failure::into_rpc),
                Method::Normalize => {
                    let prior = (!call.prior.is_empty()).then_some(Recorded {
                        id: call.id,
                        inputs: call.prior,
                        outputs: call.outputs,
                        private: call.private,
                    });
                    let inputs = K::normalize(ctx, call.inputs, prior).await.map_err(Failure::into_rpc)?;
                    Ok(json!({ "inputs": inputs }))
                }
                Method::Plan => {
                    let planned = K::plan(object(call.prior.clone(), &call)?, &call.inputs)
                        .map_err(Failure::into_rpc)?;
                    Ok(serde_json::to_value(planned).unwrap_or(Value::Null))
                }
                Method::Files => {
                    let prior = match call.id.is_empty() {
                        true => None,
                        false => Some(object(call.prior.clone(), &call)?),
                    };
                    K::files(ctx, prior, typed(call.inputs, "inputs")?)
                        .await
                        .map(|files| json!({ "files": files }))
                        .map_err(Failure::into_rpc)
                }
                Method::Preview => {
                    let prior = match call.id.is_empty() {
                        true => None,
                        false => Some(object(call.prior.clone(), &call)?),
                    };
                    let preview = K::preview(ctx, prior, typed(call.inputs, "inputs")?).await;
                    let preview = preview.map_err(Failure::into_rpc)?;
                    Ok(serde_json::to_value(preview).unwrap_or(Value::Null))
                }
                Method::Upgrade => {
                    let recorded = Recorded {
                        id: call.id,
                        inputs: call.inputs,
                        outputs: call.outputs,
                        private: call.private,
                    };
                    let upgraded = K::upgrade(&call.from, recorded).map_err(Failure::into_rpc)?;
                    Ok(serde_json::to_value(upgraded).unwrap_or(Value::Null))
                }
                Method::Read => {
                    let id = call.id.clone();
                    let seen = K::read(ctx, object(call.inputs.clone(), &call)?).await;
                    match read_result(id, seen) {
                        ReadResult::Failed(error) => Err(error),
                        result @ (ReadResult::Absent | ReadResult::Object(_)) => {
                            Ok(serde_json::to_value(result).unwrap_or(Value::Null))
                        }
                    }
                }
                Method::Find => K::find(ctx, call.inputs)
                    .await
                    .map(|ids| json!({ "ids": ids }))
                    .map_err(Failure::into_rpc),
                Method::List => K::list(ctx, call.inputs)
                    .await
                    .map(|objects| json!({ "objects": objects }))
                    .map_err(Failure::into_rpc),
                Method::Create => K::create(ctx, typed(call.inputs, "inputs")?)
                    .await
                    .map(changed)
                    .map_err(Failure::into_rpc),
                Method::Update => {
                    let prior = object(call.prior.clone(), &call)?;
                    K::update(ctx, prior, typed(call.inputs, "inputs")?)
                        .await
                        .map(changed)
                        .map_err(Failure::into_rpc)
                }
                Method::Delete => {
                    let prior = object(call.prior.clone(), &call)?;
                    K::delete(ctx, prior).await.map_err(Failure::into_rpc)?;
                    match ctx.left.load(Ordering::Relaxed) {
                        true => Ok(json!({ "left": true })),
                        false => Ok(json!({})),
                    }
                }
                other @ (Method::Hello
                | Method::Configure
                | Method::Place
                | Method::Cancel
                | Method::ReadMany
                | Method::FindMany
                | Method::Checkpoint
                | Method::Progress
                | Method::Log
                | Method::Secret) => {
                    let message = format!("the kind `{}` has no method `{other}`", K::NAME);
                    Err(RpcError { code: -32601, message, data: Box::default() })
                }
            }
        })
    }

    fn read_many<'a>(&'a self, ctx: &'a Ctx, calls: Vec<Call>) -> Many<'a, ReadResult> {
        Box::pin(async move {
            let ids: Vec<String> = calls.iter().map(|call| call.id.clone()).collect();
            // A record that does not fit the interface is an error of its own, not one of all.
            let mut objects = vec![];
            let mut misfits = BTreeMap::new();
            for (at, mut call) in calls.into_iter().enumerate() {
                let inputs = std::mem::take(&mut call.inputs);
                match recorded::<K>(call, inputs) {
                    Ok(object) => objects.push(object),
                    Err(error) => _ = misfits.insert(at, error),
                }
            }
            let mut seen = K::read_many(ctx, objects).await.into_iter();
            let mut results = vec![];
            for (at, id) in ids.into_iter().enumerate() {
                results.push(match misfits.remove(&at) {
                    Some(error) => ReadResult::Failed(error),
                    None => match seen.next() {
                        Some(one) => read_result(id, one),
                        None => ReadResult::Failed(too_few()),
                    },
                });
            }
            results
        })
    }

    fn find_many<'a>(&'a self, ctx: &'a Ctx, calls: Vec<Call>) -> Many<'a, FindResult> {
        Box::pin(async move {
            let count = calls.len();
            let found = K::find_many(ctx, calls.into_iter().map(|call| call.inputs).collect()).await;
            let mut found = found.into_iter();
            (0..count)
                .map(|_| match found.next() {
                    Some(Ok(ids)) => FindResult::Ids(ids),
                    Some(Err(failure)) => FindResult::Failed(failure.into_rpc()),
                    None => FindResult::Failed(too_few()),
                })
                .collect()
        })
    }
}

/// A plugin as [`crate::export_plugin!`] makes it.
pub struct Plugin {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// SHA-256 of its interface, in hexadecimal.
    pub interface: &'static str,
    /// Its kinds.
    pub kinds: Vec<Box<dyn ErasedKind>>,
    /// Settings from JSON.
    pub settings: fn(Value) -> std::result::Result<Arc<dyn Any + Send + Sync>, String>,
    /// The identity of what is behind the settings, where the plugin knows one.
    pub place: Option<PlaceOf>,
}

/// Asks for the identity of what is behind settings.
pub type PlaceOf =
    fn(Arc<dyn Any + Send + Sync>) -> Pin<Box<dyn Future<Output = Result<Option<String>>> + Send>>;
