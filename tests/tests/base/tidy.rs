//! Keeps ARCHITECTURE.md, the layout and the README true.

use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// No file of code is longer. An exception would stand here with a date.
const LIMIT: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file of the repository below a folder, what was built or made left out.
fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if matches!(&*name, "target" | "out" | ".git" | ".dtm") {
            continue;
        }
        if path.is_dir() { files(&path, all) } else { all.push(path) }
    }
}

fn all_files() -> Vec<PathBuf> {
    let mut all = vec![];
    files(&root(), &mut all);
    all
}

fn code() -> String {
    let rust = all_files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    rust.map(|p| std::fs::read_to_string(p).expect("code")).collect()
}

#[test]
fn what_the_architecture_names_is_there() {
    let (text, code) = (read("ARCHITECTURE.md"), code());
    assert!(text.lines().count() <= 300);
    let names = Regex::new(r"`([^`\n]+)`").expect("a pattern");
    let mut missing = vec![];
    for found in names.captures_iter(&text) {
        let name = &found[1];
        let path = name.contains('/') && !name.contains(' ') && !name.contains("${");
        let function = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            && name.contains(['_', ':']);
        let kind = name.chars().all(|c| c.is_ascii_alphanumeric())
            && name.starts_with(|c: char| c.is_ascii_uppercase());
        if path && name != ".dtm/spill" && name != ".dtm/backend" && !root().join(name).exists() {
            missing.push(format!("path {name}"));
        } else if function && !path {
            let last = name.rsplit(':').next().unwrap_or(name);
            if !code.contains(&format!("fn {last}"))
                && !code.contains(&format!(" {last},"))
                && !code.contains(&format!("{last}("))
                && !code.contains(&format!("\"{last}\""))
            {
                missing.push(format!("function {name}"));
            }
        } else if kind && !code.contains(name) {
            missing.push(format!("type {name}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_arrows_are_those_of_cargo() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let ran = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output();
    let metadata: serde_json::Value = serde_json::from_slice(&ran.expect("cargo runs").stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut real = BTreeMap::new();
    for package in packages {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        let names: BTreeSet<String> = dependencies
            .iter()
            .filter(|d| d["kind"] != "dev")
            .filter_map(|d| d["name"].as_str())
            .filter(|n| ours.contains(n))
            .map(String::from)
            .collect();
        real.insert(package["name"].as_str().expect("a name").to_string(), names);
    }
    let text = read("ARCHITECTURE.md");
    let block = text.split("```arrows\n").nth(1).and_then(|t| t.split("```").next()).expect("the arrows");
    let mut said = BTreeMap::new();
    for line in block.lines() {
        let (from, to) = line.split_once("->").expect("an arrow");
        said.insert(
            from.trim().to_string(),
            to.split_whitespace().map(String::from).collect::<BTreeSet<_>>(),
        );
    }
    assert_eq!(said, real);
    ours.iter().for_each(|name| assert!(text.contains(&format!("- `{name}` (")), "{name} has no paragraph"));
}

#[test]
fn no_file_of_code_is_too_long() {
    let long: Vec<String> = all_files()
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .filter_map(|p| {
            let lines = std::fs::read_to_string(&p).expect("code").lines().count();
            (lines > LIMIT).then(|| format!("{}: {lines}", p.display()))
        })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn unsafe_code_is_in_two_files() {
    // The third is a binding to a generated parser, which only tests and editors link.
    let binding = "editors/tree-sitter-dts/bindings/rust/lib.rs";
    let allowed = ["engine/src/plugin/library.rs", "plugins/sdk/src/abi.rs", binding];
    let word = Regex::new(r"\bunsafe\s*(\{|fn|impl|extern)").expect("a pattern");
    for path in all_files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let shown = path.strip_prefix(root()).expect("below the root").display().to_string();
        if allowed.contains(&&*shown) || shown.starts_with("tests/") {
            continue;
        }
        assert!(!word.is_match(&std::fs::read_to_string(&path).expect("code")), "{shown}");
    }
}

#[test]
fn what_editors_ask_is_answered_without_the_protocol() {
    for path in all_files().into_iter().filter(|p| p.starts_with(root().join("lsp/src/ide"))) {
        let text = std::fs::read_to_string(&path).expect("code");
        for word in ["lsp_types", "ls_types", "tower_lsp", "Uri", "utf16", "utf-16"] {
            assert!(!text.contains(word), "{} knows `{word}`", path.display());
        }
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = all_files()
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .filter(|p| !std::fs::read_to_string(p).expect("code").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn every_file_below_tests_is_reached() {
    let tests = root().join("tests");
    let mut all = vec![];
    files(&tests, &mut all);
    let sources = [
        code(),
        read(".ci/run"),
        read("README.md"),
        read("tests/Cargo.toml"),
        read("CONTRIBUTING.md"),
        read("tests/spec/guide/benchmarks.md"),
        read("editors/vscode/test/run.sh"),
        read("tests/fuzz/Cargo.toml"),
        read("tests/fuzz/run.sh"),
    ]
    .concat();
    for path in all {
        let shown = path.strip_prefix(&tests).expect("below").display().to_string();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let target = shown.starts_with("tests/") && name.ends_with(".rs") || shown.starts_with("src/");
        let suite = shown.starts_with("spec/") && name.ends_with(".md");
        let named = sources.contains(&format!("\"{name}\""))
            || sources.contains(&shown)
            || name == "Cargo.toml"
            || shown == "fuzz/Cargo.lock"
            || shown.starts_with("fuzz/targets/")
            // All of it is gone through, and counted.
            || shown.starts_with("data/devstream/")
            // States that older releases wrote, copied as a whole.
            || ["data/state-format-1/", "data/state-format-2/", "data/state-weak-key/"].iter().any(|folder| shown.starts_with(folder))
            // Where the fuzzer of this name begins.
            || shown.strip_prefix("fuzz/seeds/").and_then(|s| s.split_once('/')).is_some_and(|(target, _)| sources.contains(&format!("name = \"{target}\"")))
            || shown.starts_with("benches/");
        assert!(target || suite || named, "tests/{shown} is reached by nothing");
    }
}

#[test]
fn one_crate_knows_the_tag_of_what_json_does_not_have() {
    let tag = format!("${}", "dtm");
    for path in all_files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let shown = path.strip_prefix(root()).expect("below the root").display().to_string();
        if !shown.starts_with("lang/wire/") && !shown.starts_with("tests/") {
            let text = std::fs::read_to_string(&path).expect("code");
            assert!(!text.contains(&tag), "{shown} writes the tag itself: use `dtm_wire`");
        }
    }
}

/// What the module at the top of a crate uses of the others, tests left out.
fn uses(crate_root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let word = Regex::new(r"\bcrate::(\w+)").expect("a pattern");
    let mut all = vec![];
    files(crate_root, &mut all);
    let top = |path: &Path| {
        let first = path.strip_prefix(crate_root).expect("below").components().next().expect("a name");
        first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string()
    };
    let code = all.iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    let code: Vec<&PathBuf> = code
        .filter(|p| !["lib", "main", "testing"].contains(&&*top(p)) || crate_root.ends_with("lang/src"))
        .collect();
    let names: BTreeSet<String> = code.iter().map(|p| top(p)).filter(|n| n != "lib" && n != "main").collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in code {
        let text = std::fs::read_to_string(path).expect("code");
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let test = ["tests.rs", "table.rs", "interrupted.rs", "laws.rs", "double.rs"]
            .iter()
            .any(|t| path.ends_with(t));
        let from = top(path);
        if test || !names.contains(&from) {
            continue;
        }
        let found = word.captures_iter(text).map(|c| c[1].to_string());
        graph.entry(from.clone()).or_default().extend(found.filter(|n| *n != from && names.contains(n)));
    }
    graph
}

/// The modules that reach themselves.
fn in_circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches_itself = |start: &String| {
        let (mut seen, mut stack) = (BTreeSet::new(), vec![start]);
        while let Some(at) = stack.pop() {
            for next in graph.get(at).into_iter().flatten() {
                if next == start {
                    return true;
                }
                if seen.insert(next) {
                    stack.push(next);
                }
            }
        }
        false
    };
    graph.keys().filter(|name| reaches_itself(name)).cloned().collect()
}

#[test]
fn modules_use_each_other_in_one_direction() {
    let own = ["lang/src", "lang/devstream/src", "engine/src", "engine/cli/src", "lsp/src"].map(String::from);
    let plugins = std::fs::read_dir(root().join("plugins")).expect("the folder");
    let plugins =
        plugins.map(|e| format!("plugins/{}/src", e.expect("an entry").file_name().to_string_lossy()));
    for folder in own.into_iter().chain(plugins) {
        let folder = &*folder;
        let circles = in_circles(&uses(&root().join(folder)));
        assert!(circles.is_empty(), "{folder}: {circles:?} use each other");
    }
}

#[test]
fn every_file_of_a_test_program_is_a_module_of_it() {
    for program in ["base", "services"] {
        let folder = root().join("tests/tests").join(program);
        let main = std::fs::read_to_string(folder.join("main.rs")).expect("the test program");
        for entry in std::fs::read_dir(&folder).expect("its folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            assert!(name == "main" || main.contains(&format!("\nmod {name};\n")), "{}", path.display());
        }
    }
}

/// A parameter says by its name what it is. `f` of `fmt` is the custom of the standard library.
#[test]
fn parameters_have_names() {
    let signature =
        Regex::new(r"(?m)^ *(?:pub(?:\([^)]*\))? |async |const |unsafe )*fn \w+(?:<[^{;]*?>)?\(([^{;]*?)\)\s*(?:->|\{|where|;)").expect("a pattern");
    let letter = Regex::new(r"(?:^|[(,])\s*(?:mut )?([a-eg-z])\s*:").expect("a pattern");
    let mut seen = 0;
    // What tests hold in texts is another language.
    let is_code = |path: &&PathBuf| {
        path.extension().is_some_and(|e| e == "rs") && !path.starts_with(root().join("tests/tests"))
    };
    for path in all_files().iter().filter(is_code) {
        let text = std::fs::read_to_string(path).expect("code");
        for found in signature.captures_iter(&text) {
            seen += 1;
            assert!(!letter.is_match(&found[1]), "{}: {}", path.display(), &found[0]);
        }
    }
    assert!(seen > 2_500, "{seen} signatures");
}

/// A command is its file, its module, and two lines of `args.rs`: what clap parses and what runs.
#[test]
fn a_command_is_named_in_three_lines() {
    let folder = root().join("engine/cli/src");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("code");
    let (args, modules) = (read("args.rs"), read("commands/mod.rs"));
    let commands: Vec<&str> = modules.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    assert!(commands.len() > 25, "{commands:?}");
    for name in commands.iter().map(|line| line.trim_end_matches(';')) {
        let lines = args.lines().filter(|line| line.contains(&format!("commands::{name}::"))).count();
        // The topics of `help` are completed.
        assert_eq!(lines, if name == "help" { 3 } else { 2 }, "{name}");
    }
}

/// A plugin is its folder and a line of the CLI's manifest. ARCHITECTURE.md describes each package.
#[test]
fn a_plugin_is_named_in_one_line() {
    for name in dtm_engine::plugin::shipped_names() {
        let tracked =
            Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git runs");
        let tracked = String::from_utf8_lossy(&tracked.stdout).into_owned();
        let mut named = vec![];
        for path in
            tracked.split('\0').filter(|p| !p.is_empty() && !p.starts_with(&format!("plugins/{name}/")))
        {
            let skipped = ["md", "lock", "json", "txt"].iter().any(|e| path.ends_with(&format!(".{e}")));
            if skipped || path.starts_with("tests/") {
                continue;
            }
            let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
            let lines = text.lines().filter(|line| {
                // An example in a help text is not code.
                let named =
                    line.contains(&format!("plugins/{name}")) || line.contains(&format!("dtm-plugin-{name}"));
                named && !line.contains("dtm plugin check")
            });
            named.extend(lines.map(|_| path.to_string()));
        }
        assert_eq!(named, ["engine/cli/Cargo.toml"], "{name}");
    }
}

/// A backend is its own files and a line of `BACKENDS`; `helpers.rs` reads the files of two of them.
#[test]
fn a_backend_is_named_in_one_list() {
    let named = Regex::new(r"remote::(s3|k8s)::").expect("a pattern");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for folder in ["engine/src", "engine/cli/src", "lang/src", "lang/devstream/src", "lsp/src"] {
        let mut code = vec![];
        files(&root().join(folder), &mut code);
        for path in code.iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
            let text = std::fs::read_to_string(path).expect("code");
            let shown = path.strip_prefix(root()).expect("below the root").display().to_string();
            let count = text.lines().filter(|line| named.is_match(line)).count();
            if count > 0 {
                found.insert(shown, count);
            }
        }
    }
    let expected = [("engine/src/state/helpers.rs", 1), ("engine/src/state/place.rs", 2)];
    assert_eq!(found, expected.map(|(path, count)| (path.to_string(), count)).into());
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages = ["lang/src/diag/codes", "lang/devstream/src/codes"];
    let pages: BTreeSet<String> = pages
        .iter()
        .flat_map(|folder| std::fs::read_dir(root().join(folder)).expect("pages"))
        .map(|e| e.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let codes: BTreeSet<String> =
        dtm_lang::frontend::codes(&[dtm_devstream::FRONTEND]).iter().map(|c| c.id().to_string()).collect();
    assert_eq!(pages, codes);
}

#[test]
fn the_readme_says_two_commands_and_shows_a_program_that_checks() {
    let text = read("README.md");
    let blocks: Vec<&str> = text.split("```sh\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert_eq!(blocks[0].trim(), "cargo run -- apply -y stdlib/examples/quickstart/main.dts");
    assert_eq!(blocks[1].trim(), "cargo test --workspace");
    assert!(read(".ci/run").contains("\ncargo test --workspace\n"));
    let sandbox = dtm_tests::sandbox::Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let program = text.split("```dts\n").nth(1).and_then(|b| b.split("```").next()).expect("a program");
    sandbox.write("main.dts", program);
    assert_eq!(sandbox.run(&["check"]).code, 0);
    assert_eq!(sandbox.run(&["apply", "-y", "-q"]).code, 0);
}

/// The lines of a Rust file with texts in them; comments and unit tests are left out. Lines keep their numbers.
fn lines_with_texts(code: &str) -> String {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let has_text = |line: &str| line.contains('"') && !line.trim_start().starts_with("//");
    code.lines().map(|line| if has_text(line) { format!("{line}\n") } else { "\n".into() }).collect()
}

/// The glossary of CONTRIBUTING.md: what users read does not use the words that were replaced.
#[test]
fn the_glossary_is_kept() {
    // `mend(` is a function of the parser.
    let replaced = Regex::new(
        r"(?i)\b(made anew|sealed anew|begin anew|mends?([^(\w]|$)|what there is of|goes on with|of somebody else|tells only|stands (in|for|only|where|alone|beside)|put it in place|nothing was completed|to continue: |let go of|by way of|is gone for good|there is nobody|take (this|it|one of these) out|of its own accord|nobody knows|whoever|misspelt)",
    )
    .expect("a pattern");
    let below = |folder: &str| {
        let mut found = vec![];
        files(&root().join(folder), &mut found);
        found
    };
    let ends = |path: &Path, ending: &str| path.extension().is_some_and(|e| e == ending);
    let text = |path: &PathBuf| std::fs::read_to_string(path).expect("text");
    let mut texts: Vec<(String, String)> = vec![];
    for folder in ["lang/src/diag/codes", "lang/devstream/src", "plugins", "stdlib"] {
        let found = below(folder).into_iter().filter(|p| ends(p, "md") || ends(p, "dts"));
        texts.extend(found.map(|p| (p.display().to_string(), text(&p))));
    }
    assert!(texts.len() > 150, "{} texts", texts.len());
    for name in ["README.md", "SECURITY.md"] {
        texts.push((name.into(), read(name)));
    }
    // Files of a folder `tests` are not below `src`; these are modules of tests beside the code.
    let is_test = |path: &Path| {
        ["tests.rs", "laws.rs", "table.rs", "double.rs", "engine/src/testing.rs"]
            .iter()
            .any(|t| path.ends_with(t))
    };
    let before = texts.len();
    for folder in ["lang/src", "lang/devstream/src", "engine/src", "engine/cli/src", "plugins", "lsp/src"] {
        let found = below(folder).into_iter().filter(|p| ends(p, "rs") && !is_test(p));
        let found = found.filter(|p| p.components().any(|c| c.as_os_str() == "src"));
        texts.extend(found.map(|p| (p.display().to_string(), lines_with_texts(&text(&p)))));
    }
    assert!(texts.len() > before + 300, "{} files of code", texts.len() - before);
    let sandbox = dtm_tests::sandbox::Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let commands = "commands() { dtm help \"$@\" | sed -n '/^Commands:/,/^$/p' | sed -n 's/^  \\([a-z]\\{1,\\}\\) .*/\\1/p'; }";
    let help = sandbox.shell(&format!("{commands}; for c in $(commands); do dtm help $c; done"));
    assert!(help.stdout.len() > 20_000, "{}", help.transcript());
    texts.push(("dtm help".into(), help.stdout));
    for command in ["state", "plugin"] {
        let line = format!("{commands}; for c in $(commands {command}); do dtm {command} $c --help; done");
        let help = sandbox.shell(&line);
        assert!(help.stdout.len() > 1_000, "{}", help.transcript());
        texts.push((format!("dtm {command} ... --help"), help.stdout));
    }
    for (name, text) in &texts {
        for (number, line) in text.lines().enumerate() {
            assert!(!replaced.is_match(line), "{name}:{}: {line}", number + 1);
        }
    }
}
