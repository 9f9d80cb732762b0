//! Loads a plugin library. The only file of the engine with unsafe code.

#![allow(unsafe_code)]

use dtm_plugin::abi::{ABI, Host};
use dtm_plugin::protocol::Manifest;
use std::ffi::c_void;
use std::path::Path;

unsafe extern "C" {
    fn _exit(code: i32) -> !;
}

/// Ends the process without running exit handlers.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and touches no memory of ours.
    unsafe { _exit(code) }
}

/// Keeps an inherited descriptor from the processes that this one starts. One that is not open is ignored.
pub(super) fn close_on_exec(fd: i32) {
    // SAFETY: the descriptor is only looked at during this call, and nothing here closes it.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    let _ = rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC);
}

type Notify<'a> = dyn Fn(&[u8]) -> bool + Send + Sync + 'a;

/// A loaded library. It is never unloaded: its threads may still run.
pub(super) struct Library {
    call: unsafe extern "C" fn(*const u8, usize, *const Host, *mut *mut u8, *mut usize) -> i32,
    free: unsafe extern "C" fn(*mut u8, usize),
}

impl Library {
    /// Loads a library and checks its ABI before anything else of it is called.
    pub(super) fn load(path: &Path) -> Result<Library, String> {
        // SAFETY: loading runs the library's initializers; whoever names a plugin trusts it, and this process
        // exists only to run it.
        let library = unsafe { libloading::Library::new(path) }.map_err(|e| {
            let text = e.to_string();
            let mut source = std::error::Error::source(&e);
            let mut all = text;
            while let Some(inner) = source {
                all = format!("{all}: {inner}");
                source = inner.source();
            }
            format!("it cannot be loaded: {all}")
        })?;
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        let missing = |name: &str| format!("it is not a dtm plugin: the symbol `{name}` is missing");
        // SAFETY: the types of the four symbols are those of `dtm_plugin.h`, and the ABI number is checked first.
        unsafe {
            let abi = library
                .get::<unsafe extern "C" fn() -> u32>(b"dtm_plugin_abi")
                .map_err(|_| missing("dtm_plugin_abi"))?;
            let number = abi();
            if number != ABI {
                return Err(format!("it has ABI {number}; this dtm knows ABI {ABI}"));
            }
            let manifest = library
                .get::<unsafe extern "C" fn(*mut usize) -> *const u8>(b"dtm_plugin_manifest")
                .map_err(|_| missing("dtm_plugin_manifest"))?;
            let call = *library.get(b"dtm_plugin_call").map_err(|_| missing("dtm_plugin_call"))?;
            let free = *library.get(b"dtm_plugin_free").map_err(|_| missing("dtm_plugin_free"))?;
            let mut len = 0;
            let bytes = manifest(&mut len);
            if bytes.is_null() {
                return Err("it gives no manifest".into());
            }
            serde_json::from_slice::<Manifest>(std::slice::from_raw_parts(bytes, len))
                .map_err(|e| format!("its manifest cannot be read: {e}"))?;
            Ok(Library { call, free })
        }
    }

    /// One request in, one response out. Blocks.
    pub(super) fn call(&self, request: &[u8], notify: &Notify<'_>) -> Result<Vec<u8>, String> {
        extern "C" fn forward(ctx: *mut c_void, message: *const u8, len: usize) -> i32 {
            // SAFETY: `ctx` is the reference below, alive during the call; the plugin gives `len` bytes.
            let (notify, message) =
                unsafe { (&*(ctx as *const &Notify<'_>), std::slice::from_raw_parts(message, len)) };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| notify(message)));
            i32::from(!done.unwrap_or(false))
        }
        let ctx: *const &Notify<'_> = &notify;
        let host = Host { size: size_of::<Host>() as u32, ctx: ctx as *mut c_void, notify: Some(forward) };
        let mut answer = std::ptr::null_mut();
        let mut len = 0;
        // SAFETY: all pointers are valid during the call.
        let code = unsafe { (self.call)(request.as_ptr(), request.len(), &host, &mut answer, &mut len) };
        if code != 0 || answer.is_null() {
            return Err(format!("the plugin gave no answer (code {code})"));
        }
        // SAFETY: the plugin gave `len` bytes, freed by its own function.
        unsafe {
            let bytes = std::slice::from_raw_parts(answer, len).to_vec();
            (self.free)(answer, len);
            Ok(bytes)
        }
    }
}
