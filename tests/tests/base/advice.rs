//! Advice in messages is valid: every declaration and every command that a `help` in the suites quotes can be parsed.

use dtm_lang::syntax::parse;
use dtm_lang::{Diagnostics, FileId};
use dtm_tests::suite::sections;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The words that a declaration begins with.
const DECLARATIONS: &[&str] = &[
    "moved",
    "forget",
    "adopt",
    "tool",
    "param",
    "let",
    "type",
    "fn",
    "component",
    "existing",
    "output",
    "assert",
    "test",
    "import",
    "settings",
    "plugins",
    "configure",
];

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, all),
            path if path.extension().is_some_and(|e| e == "md") => all.push(path),
            _ => {}
        }
    }
}

/// The helps in an output: as a person reads them, and in JSON.
fn helps(output: &str) -> Vec<String> {
    let mut all = vec![];
    for line in output.lines() {
        let text = line.trim_start_matches([' ', '│']).trim();
        let human = text.split_once(": ").filter(|(head, _)| {
            let (word, number) = head.split_once(' ').unwrap_or((head, "1"));
            matches!(word, "help" | "Help") && number.chars().all(|c| c.is_ascii_digit())
        });
        all.extend(human.map(|(_, text)| text.to_string()));
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(line)
            && let Some(list) = value.get("help").and_then(|h| h.as_array())
        {
            all.extend(list.iter().filter_map(|h| h.as_str()).map(String::from));
        }
    }
    all
}

/// The text in backticks.
fn quoted(help: &str) -> Vec<&str> {
    help.split('`').skip(1).step_by(2).collect()
}

/// Why a text is not a declaration; an ellipsis may replace any part of it.
fn refused(declaration: &str) -> Option<String> {
    let text = declaration.replace("\"...\"", "\"x\"").replace("{ ... }", "{}");
    let text = text.replace("]: ...", "]: core.Value {}").replace("...", "null");
    let mut problems = Diagnostics::default();
    parse(FileId(0), &format!("dts 1\n\n{text}\n"), &mut problems);
    problems.into_iter().next().map(|d| d.headline)
}

#[test]
fn what_helps_quote_is_valid() {
    let mut suites = vec![];
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("spec"), &mut suites);
    let (mut declarations, mut commands, mut problems) = (BTreeSet::new(), BTreeSet::new(), vec![]);
    for path in suites {
        let text = std::fs::read_to_string(&path).expect("a suite");
        let outputs = sections(&text).into_iter().flat_map(|s| s.blocks).filter(|b| b.kind != "dts");
        for help in outputs.flat_map(|block| helps(&block.text)) {
            for part in quoted(&help) {
                let first = part.split_whitespace().next().unwrap_or("");
                if part.contains(' ')
                    && DECLARATIONS.contains(&first)
                    && declarations.insert(part.to_string())
                {
                    problems.extend(refused(part).map(|why| format!("{}: `{part}`: {why}", path.display())));
                }
                if part.starts_with("dtm ") && commands.insert(part.to_string()) {
                    problems.extend(
                        dtm_cli::refused(part).map(|why| format!("{}: `{part}`: {why}", path.display())),
                    );
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // So that it is seen when nothing is found any more.
    for word in ["moved", "forget", "adopt"] {
        assert!(
            declarations.iter().any(|d| d.starts_with(word)),
            "no help advises `{word}`: {declarations:?}"
        );
    }
    assert!(commands.len() > 20, "{commands:?}");
}

#[test]
fn what_is_not_valid_is_seen() {
    assert!(refused("moved a b").is_some());
    assert!(refused("adopt x = \"...\"").is_none());
    assert!(refused("tool NAME[x in xs by key]: ...").is_none());
    assert!(refused("configure PLUGIN { ... }").is_none());
    assert!(refused("forget f[\"a\"]").is_none());
    assert!(refused("forget f(\"a\")").is_some());
    assert!(dtm_cli::refused("dtm aply").is_some());
    assert!(dtm_cli::refused("dtm state rm 'site[\"eu\"]'").is_none());
    assert!(dtm_cli::refused("dtm plan --no-such").is_some());
    assert_eq!(helps("   │ Help 2: write `a`\n  help: `b`\n{\"help\":[\"c\"]}"), ["write `a`", "`b`", "c"]);
}
