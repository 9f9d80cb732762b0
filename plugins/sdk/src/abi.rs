//! The C ABI: four symbols, described in `dtm_plugin.h`. The only file of the SDK with unsafe code.
//!
//! A call blocks its thread; the host gives each operation a thread of its own. A panic ends as an error of
//! that call and never crosses the border.

#![allow(unsafe_code)]

use crate::protocol::{Method, Request};
use crate::running::Running;
use serde_json::Value;
use std::ffi::c_void;
use std::sync::Arc;

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
///
/// After the settings, `place: FUNCTION` may name an `async fn(&Settings) -> Result<Option<String>, Failure>`, which says what is
/// behind the settings: the UID of a cluster, the id of an account. It is recorded with every object, and an object is never
/// looked for in another place.
#[macro_export]
macro_rules! export_plugin {
    (@place $settings:ty) => { None };
    (@place $settings:ty, $place:path) => {
        Some(|settings| Box::pin(async move {
            match settings.downcast::<$settings>() {
                Ok(settings) => $place(&settings).await,
                Err(_) => Ok(None),
            }
        }))
    };
    (
        name: $name:expr, interface: $interface:expr, settings: $settings:ty, $(place: $place:path,)?
        kinds: [$($kind:ty),* $(,)?]
    ) => {
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
                place: $crate::export_plugin!(@place $settings $(, $place)?),
            }
        }
        #[doc(hidden)]
        static DTM_PLUGIN: std::sync::OnceLock<$crate::running::Running> = std::sync::OnceLock::new();

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
            let manifest = $crate::running::running(&DTM_PLUGIN, dtm_plugin_make).manifest();
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
            let running = $crate::running::running(&DTM_PLUGIN, dtm_plugin_make);
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
