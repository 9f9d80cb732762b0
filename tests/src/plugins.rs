//! The plugins of the tests: one in C with every fault, one in Python as an executable.

use crate::sandbox::Sandbox;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins")
}

/// Whether a program is there. Where it is missing, the tests that need it say so loudly, and fail with `CI=true`.
///
/// # Panics
/// With `CI=true`, when it is missing.
pub fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "`{program}` is missing: with CI=true that is a failure");
        use std::io::Write;
        let _ =
            writeln!(std::io::stderr(), "!!! SKIPPED: `{program}` is missing, so this test proved nothing");
    }
    found
}

/// Builds the C plugin into a sandbox as `libNAME.so` with its interface beside it.
///
/// # Panics
/// When it does not compile.
pub fn build_c(sandbox: &Sandbox, name: &str, defines: &[&str]) {
    let interface = std::fs::read_to_string(folder().join("faulty.dts")).expect("the interface");
    sandbox.write(&format!("lib{name}.dts"), &interface);
    let hash = dtm_lang::interface_hash(&interface);
    let include = folder().join("../../plugins/sdk");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(sandbox.path().join(format!("lib{name}.so")));
    command.arg(folder().join("faulty.c")).arg("-I").arg(include).arg(format!("-DINTERFACE=\"{hash}\""));
    command.args(defines.iter().map(|d| format!("-D{d}")));
    let ran = command.output().expect("cc starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Builds a library that is loaded before all others (`LD_PRELOAD`), and does wrong: `die.c`, `skew.c`.
///
/// # Panics
/// When it does not compile.
pub fn build_shim(folder: &Path, name: &str) -> PathBuf {
    let library = folder.join(name).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults").join(name);
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    assert!(command.status().expect("cc runs").success());
    library
}

/// Puts the Python plugin into a sandbox.
///
/// # Panics
/// When it cannot be copied.
pub fn copy_python(sandbox: &Sandbox) {
    for file in ["notes.dts", "notes.py"] {
        std::fs::copy(folder().join(file), sandbox.path().join(file)).expect("a copy");
    }
    let program = sandbox.path().join("notes.py");
    std::fs::set_permissions(program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("executable");
}
