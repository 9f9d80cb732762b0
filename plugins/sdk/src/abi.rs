//! The C ABI: four symbols, described in `dtm_plugin.h`. The only file of the SDK with unsafe code.
//!
//! A call blocks its thread; the host gives each operation a thread of its own. A panic ends as an error of
//! that call and never crosses the border.

#![allow(unsafe_code)]

use crate::kind::{Ctx, Plugin};
use crate::protocol::{
    Call, Configure, Hello, Manifest, Method, ReadMany, ReadResult, Request, Response, RpcError, VERSIONS,
};
use serde_json::{Value, json};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

/// The number that [`crate::export_plugin!`] answers to `dtm_plugin_abi`.
pub const ABI: u32 = 1;

/// How a library reaches the engine during a call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Host {
    /// The size of this structure; later versions are longer.
    pub size: u32,
    /// Given back to `notify`.
    pub ctx: *mut c_void,
    /// Sends a message; for a checkpoint it returns once durable. 0 is success.
    pub notify: Option<extern "C" fn(ctx: *mut c_void, message: *const u8, len: usize) -> i32>,
}

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
fn capabilities(plugin: &Plugin) -> std::collections::BTreeMap<String, Vec<String>> {
    let mut all: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for kind in &plugin.kinds {
        for method in kind.answers() {
            all.entry(method.to_string()).or_default().push(kind.name().to_string());
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
    pub fn answer(
        &self,
        request: &[u8],
        notify: Arc<dyn Fn(Method, Value) -> bool + Send + Sync>,
    ) -> Vec<u8> {
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

    fn handle(
        &self,
        request: Request,
        notify: Arc<dyn Fn(Method, Value) -> bool + Send + Sync>,
    ) -> Result<Value, RpcError> {
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
                let results = spread(many.calls, &one);
                serde_json::to_value(results).map_err(bad)
            }
            method => {
                let call: Call = serde_json::from_value(request.params).map_err(bad)?;
                self.kind_call(method, call, notify)
            }
        }
    }

    fn kind_call(
        &self,
        method: Method,
        call: Call,
        notify: Arc<dyn Fn(Method, Value) -> bool + Send + Sync>,
    ) -> Result<Value, RpcError> {
        let Some(kind) = self.plugin.kinds.iter().find(|k| k.name() == call.kind) else {
            return Err(rpc(-32602, format!("no kind `{}` is known", call.kind)));
        };
        let Some(settings) = lock(&self.configs).get(&call.config).cloned() else {
            return Err(rpc(-32602, format!("no configuration {} is known", call.config)));
        };
        let cancelled = Arc::new(AtomicBool::new(false));
        let op = call.op.clone();
        if !op.is_empty() {
            lock(&self.operations).insert(op.clone(), cancelled.clone());
        }
        let deadline =
            call.deadline_ms.map(|ms| std::time::Instant::now() + std::time::Duration::from_millis(ms));
        let left = Arc::default();
        let ctx = Ctx { op: op.clone(), deadline, settings, cancelled, notify, left };
        let future = kind.call(method, &ctx, call);
        let result = match &*RUNTIME {
            Some(runtime) => runtime.block_on(future),
            None => Err(rpc(-32603, "the plugin could not start its runtime")),
        };
        lock(&self.operations).remove(&op);
        result
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

struct HostPointer(Host);

// SAFETY: the header promises that `notify` may be called from any thread while the call lasts.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

impl HostPointer {
    fn send(&self, message: &[u8]) -> i32 {
        match self.0.notify {
            Some(notify) => notify(self.0.ctx, message.as_ptr(), message.len()),
            None => 0,
        }
    }
}

/// The body of `dtm_plugin_call`.
///
/// # Safety
/// `request` points to `len` bytes; `host` is null or valid during the call; `answer` and `answer_len` are writable.
pub unsafe fn call(
    running: &'static Running,
    request: *const u8,
    len: usize,
    host: *const Host,
    answer: *mut *mut u8,
    answer_len: *mut usize,
) -> i32 {
    if request.is_null() || answer.is_null() || answer_len.is_null() {
        return 1;
    }
    // SAFETY: promised by the caller.
    let request = unsafe { std::slice::from_raw_parts(request, len) };
    // SAFETY: promised by the caller.
    let host = (!host.is_null()).then(|| HostPointer(unsafe { *host }));
    let host = Arc::new(host);
    let notify = move |method: Method, params: Value| {
        let message = serde_json::to_vec(&Request::new(None, method, params)).unwrap_or_default();
        host.as_ref().as_ref().is_none_or(|h| h.send(&message) == 0)
    };
    let bytes = running.answer(request, Arc::new(notify)).into_boxed_slice();
    // SAFETY: promised by the caller.
    unsafe {
        *answer_len = bytes.len();
        *answer = Box::into_raw(bytes).cast();
    }
    0
}

/// The body of `dtm_plugin_free`.
///
/// # Safety
/// `answer` and `len` are what one `call` gave, freed once.
pub unsafe fn free(answer: *mut u8, len: usize) {
    if !answer.is_null() {
        // SAFETY: `call` made it of a boxed slice of this length.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(answer, len)) });
    }
}

/// Exports the four symbols of a plugin.
///
/// ```ignore
/// dtm_plugin::export_plugin! { name: "core", interface: interface::HASH, settings: (), kinds: [File, Directory] }
/// ```
#[macro_export]
macro_rules! export_plugin {
    (name: $name:expr, interface: $interface:expr, settings: $settings:ty, kinds: [$($kind:ty),* $(,)?]) => {
        #[doc(hidden)]
        fn dtm_plugin_make() -> $crate::Plugin {
            $crate::Plugin {
                name: $name,
                version: env!("CARGO_PKG_VERSION"),
                interface: $interface,
                kinds: vec![$($crate::erase::<$kind>()),*],
                settings: |json| {
                    // Settings of the type `()` are `null` in JSON; an empty record of settings is `{}`.
                    let empty = json.as_object().is_some_and(|m| m.is_empty());
                    $crate::serde_json::from_value::<$settings>(json)
                        .or_else(|e| match empty {
                            true => $crate::serde_json::from_value($crate::serde_json::Value::Null).map_err(|_| e),
                            false => Err(e),
                        })
                        .map(|s| std::sync::Arc::new(s) as _)
                        .map_err(|e| format!("the settings do not fit the interface: {e}"))
                },
            }
        }
        #[doc(hidden)]
        static DTM_PLUGIN: std::sync::OnceLock<$crate::abi::Running> = std::sync::OnceLock::new();

        /// The ABI's number.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub extern "C" fn dtm_plugin_abi() -> u32 {
            $crate::abi::ABI
        }
        /// The manifest.
        ///
        /// # Safety
        /// `len` is writable.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn dtm_plugin_manifest(len: *mut usize) -> *const u8 {
            let manifest = $crate::abi::running(&DTM_PLUGIN, dtm_plugin_make).manifest();
            // SAFETY: promised by the caller.
            unsafe { *len = manifest.len() };
            manifest.as_ptr()
        }
        /// One request.
        ///
        /// # Safety
        /// As in `dtm_plugin.h`.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn dtm_plugin_call(
            request: *const u8,
            len: usize,
            host: *const $crate::abi::Host,
            answer: *mut *mut u8,
            answer_len: *mut usize,
        ) -> i32 {
            let running = $crate::abi::running(&DTM_PLUGIN, dtm_plugin_make);
            // SAFETY: promised by the caller.
            unsafe { $crate::abi::call(running, request, len, host, answer, answer_len) }
        }
        /// Frees an answer.
        ///
        /// # Safety
        /// As in `dtm_plugin.h`.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn dtm_plugin_free(answer: *mut u8, len: usize) {
            // SAFETY: promised by the caller.
            unsafe { $crate::abi::free(answer, len) }
        }
    };
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
