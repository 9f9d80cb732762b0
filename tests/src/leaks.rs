//! A watch over every test that runs dtm: the secrets that were used in a sandbox are looked for in everything that dtm printed
//! and in every file that it keeps for itself there.

use regex_lite::Regex;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

/// Shorter ones are found by chance.
const SHORTEST: usize = 6;

/// `param NAME: secret ... = "VALUE"`, with or without a value.
static DECLARED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"param\s+(\w+)\s*:\s*secret[^=\n]*(?:=\s*"([^"\n\\$]*)")?"#).ok());
/// `--set NAME=VALUE`, as words of a command line.
static GIVEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"--set[ =]'?"?(\w+)=([^'"\s;|&]*)"#).ok());
/// The key of a state.
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"DTM_STATE_KEY='?"?([^'"\s;|&]+)"#).ok());

#[derive(Default)]
struct Known {
    /// Params that are secret.
    names: BTreeSet<String>,
    /// Values that stand in a program, which is shown where it is wrong.
    written: BTreeSet<String>,
    /// Values that were given from outside.
    given: BTreeSet<String>,
}

/// The secrets of a sandbox.
#[derive(Default)]
pub(crate) struct Watch {
    known: Mutex<Known>,
}

fn groups<'t>(regex: &Option<Regex>, text: &'t str) -> Vec<(&'t str, &'t str)> {
    let Some(regex) = regex else { return vec![] };
    let group = |c: &regex_lite::Captures<'t>, n| c.get(n).map_or("", |m: regex_lite::Match<'t>| m.as_str());
    regex.captures_iter(text).map(|c| (group(&c, 1), group(&c, 2))).collect()
}

impl Watch {
    /// A program that was written.
    pub(crate) fn program(&self, text: &str) {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        for (name, value) in groups(&DECLARED, text) {
            known.names.insert(name.into());
            if value.len() >= SHORTEST {
                known.written.insert(value.into());
            }
        }
    }

    /// A command line, and what came of it.
    ///
    /// # Panics
    /// When it told a secret that nobody had asked for.
    pub(crate) fn ran(&self, line: &str, printed: &[&[u8]]) {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        for (name, value) in groups(&GIVEN, line) {
            if known.names.contains(name) && value.len() >= SHORTEST {
                known.given.insert(value.into());
            }
        }
        let keys = groups(&KEY, line).into_iter().map(|(key, _)| key).filter(|key| key.len() >= SHORTEST);
        known.given.extend(keys.map(String::from));
        // What was asked for, or was not told by dtm.
        let asked =
            ["--reveal", "cat ", "grep ", "head ", "tail ", "find ", "expose", "ls ", "echo ", "git ", "env"];
        if asked.iter().any(|word| line.contains(word)) {
            return;
        }
        for secret in &known.given {
            for bytes in printed {
                assert!(!holds(bytes, secret), "`{line}` told the secret `{secret}`");
            }
        }
    }

    /// Looks through what dtm keeps: the folder `.dtm` of the project, and the home directory.
    ///
    /// # Panics
    /// When a secret stands there.
    pub(crate) fn look(&self, project: &Path, home: &Path) {
        let known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let all: Vec<&String> = known.written.iter().chain(&known.given).collect();
        if all.is_empty() {
            return;
        }
        for folder in [project.join(".dtm"), home.join(".local"), home.join(".cache"), home.join(".config")] {
            let mut found = vec![];
            search(&folder, &all, &mut found);
            assert_eq!(found, Vec::<String>::new(), "secrets in clear in what dtm keeps");
        }
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|w| w == secret.as_bytes())
}

fn search(folder: &Path, secrets: &[&String], found: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.is_dir() && !path.is_symlink() {
            search(&path, secrets, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let held = secrets.iter().filter(|s| holds(&bytes, s));
            found.extend(held.map(|secret| format!("{}: {secret}", path.display())));
        }
    }
}
