//! What ships is what is tested.
//!
//! `cargo test --workspace` builds every crate once, with the features that anything in the workspace asks of it, and a
//! dependency of the tests can turn one on that changes what a crate does. A `serde_json` that read numbers exactly only in
//! tests once hid that the installed dtm did not.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The features of each crate, as cargo resolves them for packages.
fn features(of: &str) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p}|{f}"])
        .args(of.split(' '))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let mut features: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // A line is `serde_json v1.0.151|default,std`, and ` (*)` where it stood before.
    for line in String::from_utf8_lossy(&tree.stdout).lines() {
        let Some((package, on)) = line.trim_end_matches(" (*)").split_once('|') else { continue };
        let on = on.split(',').filter(|f| !f.is_empty()).map(String::from);
        features.entry(package.to_string()).or_default().extend(on);
    }
    features
}

#[test]
fn what_ships_has_the_features_with_which_it_is_tested() {
    let plugins: String =
        dtm_engine::plugin::shipped_names().map(|name| format!("-p dtm-plugin-{name} ")).collect();
    let ships = features(&format!("-p dtm {plugins}-e normal,no-proc-macro"));
    let tested = features("--workspace -e normal,dev,no-proc-macro");
    let json = ships.iter().find(|(package, _)| package.starts_with("serde_json v")).expect("a dependency");
    assert!(json.1.contains("float_roundtrip"), "{json:?}");
    let only_tested: Vec<(&String, Vec<&String>)> = ships
        .iter()
        .map(|(package, on)| (package, tested[package].difference(on).collect::<Vec<_>>()))
        .filter(|(_, more)| !more.is_empty())
        .collect();
    assert!(
        only_tested.is_empty(),
        "only the tests turn these on; `engine/cli/Cargo.toml` says what to do: {only_tested:?}"
    );
}
