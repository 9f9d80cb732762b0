//! Real servers for tests. The scripts under `tests/services` build each once, into a cache; where one is missing, tests
//! say so, and fail where `CI=true`. A server listens on loopback only, and ends with its value.

pub mod cluster;
pub mod files;
pub mod identity;
pub mod kubernetes;
pub mod minio;
pub mod project;
pub mod proxy;
pub mod registry;
pub mod tls;

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Where a script has installed its server; `None` where it has not.
///
/// # Panics
/// When it is missing and `CI=true`.
pub fn installed(script: &str) -> Option<PathBuf> {
    let path = format!("{}/services/{script}", env!("CARGO_MANIFEST_DIR"));
    let asked = Command::new("bash").args([&path, "--where"]).output().expect("bash runs");
    if asked.status.success() {
        return Some(PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim()));
    }
    assert!(std::env::var_os("CI").is_none(), "a server is missing: run tests/services/{script}");
    let _ = writeln!(std::io::stderr(), "SKIPPED, because a server is missing: run tests/services/{script}");
    None
}

/// A port of loopback on which nobody listens.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until a server is ready.
///
/// # Panics
/// When it is not for a minute.
pub fn wait_until(what: &str, mut is_ready: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_ready() {
        assert!(Instant::now() < until, "{what} does not come up");
        std::thread::sleep(Duration::from_millis(100));
    }
}
