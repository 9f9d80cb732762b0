//! The plugin of the guide, built from its page: what a reader copies compiles, and keeps every rule.

use dtm_tests::sandbox::Sandbox;
use dtm_tests::suite::sections;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const DTM: &str = env!("CARGO_BIN_EXE_dtm-under-test");
const PAGE: &str = include_str!("../../spec/guide/plugin-in-rust.md");

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

/// The SDK as the tests were built with it, and the folder of what it links.
fn sdk() -> (PathBuf, PathBuf) {
    let folder = Path::new(DTM).parent().expect("a folder").join("deps");
    let entries = std::fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path());
    let is_sdk = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libdtm_plugin-") && name.ends_with(".rlib")
    };
    let newest = |path: &PathBuf| path.metadata().and_then(|m| m.modified()).expect("a time");
    (entries.filter(is_sdk).max_by_key(newest).expect("the SDK is built"), folder)
}

/// Cargo would build the SDK and the language a second time. So the steps of its manifest are made here: `build.rs` by the function that
/// it calls, and the library by the compiler.
#[test]
fn the_rust_plugin_of_the_guide_compiles_and_keeps_every_rule() {
    let sandbox = Sandbox::new(Path::new(DTM));
    let files = files();
    for file in
        ["Cargo.toml", "build.rs", "keys.dts", "src/lib.rs", "src/api_key.rs", "plugins/keys.check.dts"]
    {
        assert!(files.contains_key(file), "the page shows `{file}`");
    }
    assert!(files["build.rs"].contains("dtm_plugin_build::generate(\"keys.dts\")"));
    for (path, text) in &files {
        sandbox.write(path, text);
    }
    let generated = dtm_plugin_build::rust_types("keys.dts", &files["keys.dts"]).expect("an interface");
    sandbox.write("out/interface.rs", generated);
    let (library, folder) = sdk();
    let built = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "keys",
            "--crate-type",
            "cdylib",
            "src/lib.rs",
            "-o",
            "plugins/keys.so",
        ])
        .arg("--extern")
        .arg(format!("dtm_plugin={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", folder.display()))
        .env("OUT_DIR", sandbox.path().join("out"))
        .env("CARGO_PKG_VERSION", "0.1.0")
        .current_dir(sandbox.path())
        .output()
        .expect("the compiler runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    sandbox.write("plugins/keys.dts", &files["keys.dts"]);
    let checked = sandbox.run(&["plugin", "check", "plugins/keys.so"]);
    assert_eq!((checked.stdout.as_str(), checked.code), (printed().as_str(), 0), "{}", checked.stderr);
}
