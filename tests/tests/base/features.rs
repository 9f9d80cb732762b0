//! What ships is what is tested.
//!
//! `cargo test --workspace` builds every crate once, with the features that anything in the workspace asks of it, and a
//! dependency of the tests can turn one on that changes what a crate does. A `serde_json` that read numbers exactly only in
//! tests once hid that the installed dtm did not.

use std::collections::BTreeSet;
use std::process::Command;

/// Features that only the tests turn on, in crates that ship. Each adds functions and types, and changes none.
const ADDED: &[(&str, &str)] = &[
    ("chacha20", "rng"),
    ("fluent-uri", "serde"),
    ("num-traits", "i128"),
    ("rand", "getrandom"),
    ("rand", "sys_rng"),
    ("zerocopy", "derive"),
    ("zerocopy", "zerocopy-derive"),
];

/// Crates with their features, as cargo resolves them for packages.
fn features(of: &[&str]) -> BTreeSet<(String, String)> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none"])
        .args(of)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8_lossy(&tree.stdout);
    // A line is `serde_json feature "std"`, or names a package.
    let feature = |line: &str| {
        let (name, rest) = line.split_once(" feature \"")?;
        Some((name.to_string(), rest.split_once('"')?.0.to_string()))
    };
    text.lines().filter_map(feature).collect()
}

#[test]
fn what_ships_has_the_features_with_which_it_is_tested() {
    let ships: Vec<&str> =
        "-p dtm -p dtm-plugin-core -p dtm-plugin-scm -e normal,build,features".split(' ').collect();
    let (ships, tested) = (features(&ships), features(&["--workspace", "-e", "normal,build,dev,features"]));
    assert!(ships.contains(&("serde_json".into(), "float_roundtrip".into())), "{ships:?}");
    let crates: BTreeSet<&str> = ships.iter().map(|(name, _)| name.as_str()).collect();
    let only_tested: Vec<(&str, &str)> = tested
        .difference(&ships)
        .filter(|(name, _)| crates.contains(name.as_str()) && !name.starts_with("dtm"))
        .map(|(name, feature)| (name.as_str(), feature.as_str()))
        .collect();
    assert_eq!(
        only_tested, ADDED,
        "a feature that only the tests turn on: ask for it in the workspace as well"
    );
}
