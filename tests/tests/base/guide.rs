//! The plugin of the guide, built from its page: what a reader copies compiles, and keeps every rule.

use dtm_tests::sandbox::Sandbox;
use dtm_tests::suite::sections;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const DTM: &str = env!("CARGO_BIN_EXE_dtm-under-test");
const PAGE: &str = include_str!("../../spec/guide/plugin-in-rust.md");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// The files of the page by their paths; what it shows of one file in several blocks is one text.
fn files() -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for block in sections(PAGE).into_iter().flat_map(|section| section.blocks) {
        if !block.arg.is_empty() {
            let text = files.entry(block.arg).or_default();
            if !text.is_empty() {
                text.push('\n');
            }
            *text += &block.text;
        }
    }
    files
}

/// What the page says that `dtm plugin check` prints.
fn printed() -> String {
    let blocks = sections(PAGE).into_iter().flat_map(|section| section.blocks);
    let texts: Vec<String> = blocks
        .filter_map(|b| b.text.strip_prefix("$ dtm plugin check plugins/keys.so\n").map(String::from))
        .collect();
    assert_eq!(texts.len(), 1, "the page shows one check");
    texts.concat()
}

#[test]
fn the_rust_plugin_of_the_guide_compiles_and_keeps_every_rule() {
    let sandbox = Sandbox::new(Path::new(DTM));
    let files = files();
    for file in
        ["Cargo.toml", "build.rs", "keys.dts", "src/lib.rs", "src/api_key.rs", "plugins/keys.check.dts"]
    {
        assert!(files.contains_key(file), "the page shows `{file}`");
    }
    for (path, text) in &files {
        let checkout = repository().display().to_string();
        sandbox.write(path, text.replace("../dtm/", &format!("{checkout}/")));
    }
    // The versions that this repository was tested with, without a network.
    sandbox.write("Cargo.lock", std::fs::read(repository().join("Cargo.lock")).expect("a lock file"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--offline"])
        .current_dir(sandbox.path())
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let library = std::fs::read(target.join("debug/libkeys.so")).expect("the library was built");
    sandbox.write("plugins/keys.so", library);
    sandbox.write("plugins/keys.dts", &files["keys.dts"]);
    let checked = sandbox.run(&["plugin", "check", "plugins/keys.so"]);
    assert_eq!((checked.stdout.as_str(), checked.code), (printed().as_str(), 0), "{}", checked.stderr);
}
