//! A plugin that runs: it answers requests with its kinds.

use crate::kind::{Ctx, ErasedKind, Failure, Notify, Plugin};
use crate::protocol::{
    Call, Configure, FindMany, FindResult, Hello, Manifest, Method, Placed, ReadMany, ReadResult, Request,
    Response, RpcError, VERSIONS,
};
use serde_json::{Value, json};
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

/// A plugin that runs: its configurations and operations under way.
pub struct Running {
    plugin: Plugin,
    manifest: Vec<u8>,
    configs: Mutex<HashMap<u64, Arc<dyn Any + Send + Sync>>>,
    next: AtomicU64,
    operations: Mutex<HashMap<String, Arc<AtomicBool>>>,
}

static RUNTIME: LazyLock<Option<tokio::runtime::Runtime>> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().ok());

/// The running plugin of this library, made once.
pub fn running(cell: &'static OnceLock<Running>, make: fn() -> Plugin) -> &'static Running {
    cell.get_or_init(|| {
        let plugin = make();
        let manifest = Manifest {
            protocol: VERSIONS[0],
            name: plugin.name.into(),
            version: plugin.version.into(),
            kinds: plugin.kinds.iter().map(|k| k.name().to_string()).collect(),
            interface: plugin.interface.into(),
            capabilities: capabilities(&plugin),
        };
        let manifest = serde_json::to_vec(&manifest).unwrap_or_default();
        Running {
            plugin,
            manifest,
            configs: Mutex::default(),
            next: AtomicU64::new(1),
            operations: Mutex::default(),
        }
    })
}

/// What the kinds of a plugin answer beyond what every kind does.
fn capabilities(plugin: &Plugin) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = Default::default();
    for kind in &plugin.kinds {
        for method in kind.answers() {
            all.entry(method.to_string()).or_default().push(kind.name().to_string());
        }
        if plugin.place.is_some() {
            all.entry(Method::Place.to_string()).or_default().push(kind.name().to_string());
        }
    }
    all
}

impl Running {
    /// The manifest as bytes that live as long as the library.
    pub fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// Answers one request.
    pub fn answer(&self, request: &[u8], notify: Notify) -> Vec<u8> {
        let request: Request = match serde_json::from_slice(request) {
            Ok(request) => request,
            Err(e) => {
                let id = crate::protocol::id_of(request).unwrap_or(0);
                return encode(id, Err(rpc(-32700, format!("the request cannot be read: {e}"))));
            }
        };
        let id = request.id.unwrap_or(0);
        let work = std::panic::AssertUnwindSafe(|| self.handle(request, notify));
        let result = std::panic::catch_unwind(work).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
            Err(rpc(
                -32603,
                format!("the plugin panicked: {}", text.unwrap_or_else(|| "without a message".into())),
            ))
        });
        encode(id, result)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are of one kind")]
    fn handle(&self, request: Request, notify: Notify) -> Result<Value, RpcError> {
        let bad = |e: serde_json::Error| rpc(-32602, format!("wrong parameters: {e}"));
        let Some(method) = Method::named(&request.method) else {
            return Err(rpc(-32601, format!("no method `{}` is known", request.method)));
        };
        match method {
            Method::Hello => {
                let hello: Hello = serde_json::from_value(request.params).map_err(bad)?;
                match hello.versions.iter().any(|v| VERSIONS.contains(v)) {
                    true => serde_json::from_slice(&self.manifest).map_err(bad),
                    false => {
                        Err(rpc(-32602, format!("it speaks the versions {VERSIONS:?} of the protocol only")))
                    }
                }
            }
            Method::Configure => {
                let configure: Configure = serde_json::from_value(request.params).map_err(bad)?;
                let settings = (self.plugin.settings)(configure.settings).map_err(|e| rpc(-32602, e))?;
                let config = self.next.fetch_add(1, Ordering::Relaxed);
                lock(&self.configs).insert(config, settings);
                Ok(json!({ "config": config }))
            }
            Method::Place => {
                let config = request.params.get("config").and_then(Value::as_u64).unwrap_or(0);
                let settings = self.settings(config)?;
                let Some(place) = self.plugin.place else {
                    return Err(rpc(-32601, "the plugin has no method `place`"));
                };
                let place = block_on(place(settings))?.map_err(Failure::into_rpc)?;
                serde_json::to_value(Placed { place }).map_err(bad)
            }
            Method::Cancel => {
                let op = request.params.get("op").and_then(Value::as_str).unwrap_or("");
                if let Some(flag) = lock(&self.operations).get(op) {
                    flag.store(true, Ordering::Relaxed);
                }
                Ok(json!({}))
            }
            Method::ReadMany => {
                let many: ReadMany = serde_json::from_value(request.params).map_err(bad)?;
                let one = |call: Call| match self.kind_call(Method::Read, call, notify.clone()) {
                    Ok(value) => {
                        serde_json::from_value(value).unwrap_or(ReadResult::Failed(rpc(-32603, "no result")))
                    }
                    Err(error) => ReadResult::Failed(error),
                };
                let together =
                    |kind: &dyn ErasedKind, ctx: &Ctx, calls: Vec<Call>| block_on(kind.read_many(ctx, calls));
                let questions = Questions { method: Method::ReadMany, failed: &ReadResult::Failed };
                let results = self.many(questions, many.calls, &notify, &one, &together);
                serde_json::to_value(results).map_err(bad)
            }
            Method::FindMany => {
                let many: FindMany = serde_json::from_value(request.params).map_err(bad)?;
                let one = |call: Call| match self.kind_call(Method::Find, call, notify.clone()) {
                    Ok(mut value) => match serde_json::from_value(value["ids"].take()) {
                        Ok(ids) => FindResult::Ids(ids),
                        Err(_) => FindResult::Failed(rpc(-32603, "no result")),
                    },
                    Err(error) => FindResult::Failed(error),
                };
                let together =
                    |kind: &dyn ErasedKind, ctx: &Ctx, calls: Vec<Call>| block_on(kind.find_many(ctx, calls));
                let questions = Questions { method: Method::FindMany, failed: &FindResult::Failed };
                let results = self.many(questions, many.calls, &notify, &one, &together);
                serde_json::to_value(results).map_err(bad)
            }
            method => {
                let call: Call = serde_json::from_value(request.params).map_err(bad)?;
                self.kind_call(method, call, notify)
            }
        }
    }

    /// The settings of a configuration.
    fn settings(&self, config: u64) -> Result<Arc<dyn Any + Send + Sync>, RpcError> {
        let settings = lock(&self.configs).get(&config).cloned();
        settings.ok_or_else(|| rpc(-32602, format!("no configuration {config} is known")))
    }

    /// The answers to many questions, in their order. Those of a kind that answers them together are given to it at once, by
    /// configuration.
    fn many<T: Send>(
        &self,
        questions: Questions<'_, T>,
        calls: Vec<Call>,
        notify: &Notify,
        one: &(dyn Fn(Call) -> T + Sync),
        together: &Together<T>,
    ) -> Vec<T> {
        let count = calls.len();
        let mut alone: (Vec<usize>, Vec<Call>) = Default::default();
        let mut batches: BTreeMap<(String, u64), (Vec<usize>, Vec<Call>)> = BTreeMap::new();
        for (at, call) in calls.into_iter().enumerate() {
            let kind = self.plugin.kinds.iter().find(|k| k.name() == call.kind);
            let batch = match kind.is_some_and(|kind| kind.answers().contains(&questions.method)) {
                true => batches.entry((call.kind.clone(), call.config)).or_default(),
                false => &mut alone,
            };
            batch.0.push(at);
            batch.1.push(call);
        }
        let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
        for (at, result) in alone.0.into_iter().zip(spread(alone.1, one)) {
            results[at] = Some(result);
        }
        for ((kind, config), (places, calls)) in batches {
            let kind = self.plugin.kinds.iter().find(|k| k.name() == kind);
            let answers = self.settings(config).and_then(|settings| {
                let kind = kind.ok_or_else(|| rpc(-32602, "no such kind is known"))?;
                together(&**kind, &Ctx::new(&Call::default(), settings, notify), calls)
            });
            match answers {
                Ok(answers) => {
                    places.into_iter().zip(answers).for_each(|(at, answer)| results[at] = Some(answer));
                }
                Err(error) => {
                    places.into_iter().for_each(|at| results[at] = Some((questions.failed)(error.clone())));
                }
            }
        }
        let missing = || (questions.failed)(rpc(-32603, "the plugin gave no answer"));
        results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }

    fn kind_call(&self, method: Method, call: Call, notify: Notify) -> Result<Value, RpcError> {
        let Some(kind) = self.plugin.kinds.iter().find(|k| k.name() == call.kind) else {
            return Err(rpc(-32602, format!("no kind `{}` is known", call.kind)));
        };
        let ctx = Ctx::new(&call, self.settings(call.config)?, &notify);
        if !ctx.op.is_empty() {
            lock(&self.operations).insert(ctx.op.clone(), ctx.cancelled.clone());
        }
        let result = block_on(kind.call(method, &ctx, call)).and_then(|result| result);
        lock(&self.operations).remove(&ctx.op);
        result
    }
}

/// Gives many questions to a kind that answers them together.
type Together<T> = dyn Fn(&dyn ErasedKind, &Ctx, Vec<Call>) -> Result<Vec<T>, RpcError>;

/// How many questions are asked at once, and what an answer is that failed.
struct Questions<'a, T> {
    method: Method,
    failed: &'a dyn Fn(RpcError) -> T,
}

/// Waits for a future on the runtime of the plugin.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, RpcError> {
    match &*RUNTIME {
        Some(runtime) => Ok(runtime.block_on(future)),
        None => Err(rpc(-32603, "the plugin could not start its runtime")),
    }
}

/// Goes through many calls on as many threads as there are processors: most of them wait for something.
fn spread<T: Send>(calls: Vec<Call>, one: &(dyn Fn(Call) -> T + Sync)) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).clamp(1, 8);
    if calls.len() < 2 * threads {
        return calls.into_iter().map(one).collect();
    }
    let share = calls.len().div_ceil(threads);
    let mut calls = calls.into_iter().peekable();
    std::thread::scope(|scope| {
        let mut running = vec![];
        while calls.peek().is_some() {
            let part: Vec<Call> = calls.by_ref().take(share).collect();
            running.push(scope.spawn(move || part.into_iter().map(one).collect::<Vec<T>>()));
        }
        // A panic is one of the whole call, as without threads: an answer less would be that of another tool.
        running
            .into_iter()
            .flat_map(|r| r.join().unwrap_or_else(|why| std::panic::resume_unwind(why)))
            .collect()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

fn rpc(code: i64, message: impl Into<String>) -> RpcError {
    RpcError { code, message: message.into(), data: Box::default() }
}

fn encode(id: u64, result: Result<Value, RpcError>) -> Vec<u8> {
    let (result, error) = match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    };
    serde_json::to_vec(&Response { jsonrpc: "2.0".into(), id, result, error }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(count: u64) -> Vec<Call> {
        (0..count).map(|n| Call { deadline_ms: Some(n), ..Call::default() }).collect()
    }

    #[test]
    fn answers_stand_in_the_order_of_the_calls() {
        for count in [0, 1, 7, 100] {
            let answers = spread(calls(count), &|c| c.deadline_ms.unwrap_or(0));
            assert_eq!(answers, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "the fiftieth")]
    fn a_panic_is_never_a_missing_answer() {
        spread(calls(100), &|c| assert_ne!(c.deadline_ms, Some(50), "the fiftieth"));
    }
}
