//! Runs every suite under `tests/spec/`, one test for each section. `DTM_BLESS=1` writes what was found.

use dtm_tests::{stage, suite};
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What is blessed, by file: the line of a block, and its new text.
type Changes = BTreeMap<PathBuf, Vec<(usize, String)>>;

fn main() {
    let args = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec");
    let mut files = vec![];
    collect(&root, &mut files);
    let bless = std::env::var_os("DTM_BLESS").is_some();
    let changes: Arc<Mutex<Changes>> = Arc::default();
    let mut trials = vec![];
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a suite can be read");
        let shown = file.strip_prefix(&root).expect("below the root").display().to_string();
        for section in suite::sections(&text) {
            let (file, changes) = (file.clone(), changes.clone());
            trials.push(Trial::test(format!("{shown}: {}", section.name), move || {
                let result = stage::run(&section, Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
                let blessed = result.problems.len() == result.changes.len();
                if bless {
                    changes
                        .lock()
                        .expect("no test panics here")
                        .entry(file)
                        .or_default()
                        .extend(result.changes);
                }
                if result.problems.is_empty() || bless && blessed {
                    return Ok(());
                }
                Err(Failed::from(result.problems.join("\n")))
            }));
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    for (file, changes) in std::mem::take(&mut *changes.lock().expect("no test panics here")) {
        let text = std::fs::read_to_string(&file).expect("a suite can be read");
        std::fs::write(&file, suite::replaced(&text, changes)).expect("a suite can be written");
    }
    conclusion.exit();
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            // These pages need a cluster: `services` runs them.
            if path.file_name().is_some_and(|name| name != "cluster") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|e| e == "md") {
            files.push(path);
        }
    }
}
