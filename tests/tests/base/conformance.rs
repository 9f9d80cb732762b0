//! The conformance kit: every plugin that is shipped keeps the rules, so do the ones in C and in Python, and a plugin
//! that breaks a rule is told so, each rule by a plugin that breaks it.

use dtm_engine::conformance::{Cases, Outcome, Report, Rule, Setup, examine};
use dtm_engine::plugin::Locations;
use dtm_engine::project::Surroundings;
use dtm_engine::secret::Redactor;
use dtm_lang::Inputs;
use dtm_tests::git_http::GitServer;
use dtm_tests::plugins::{build_c, copy_python, has};
use dtm_tests::sandbox::Sandbox;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

const DTM: &str = env!("CARGO_BIN_EXE_dtm-under-test");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// Examines the plugin in `file` with the cases in another file.
fn contract(file: &Path, cases: &Path, sets: &[(&str, &str)]) -> Report {
    let folder = cases.parent().expect("a folder").canonicalize().expect("it is there");
    let name = cases.file_name().and_then(|n| n.to_str()).expect("a name");
    let env: std::collections::BTreeMap<String, String> = std::env::vars().collect();
    let sets = sets.iter().map(|(n, v)| dtm_lang::Given::set(*n, *v)).collect();
    let inputs = Inputs { sets, params_files: vec![], env: env.clone().into() };
    let cases = Cases::load(name, &folder, "", &inputs).unwrap_or_else(|(d, _)| {
        panic!("the cases are wrong: {:?}", d.into_iter().next().map(|d| d.headline))
    });
    let around = Surroundings { root: folder, env, binary: DTM.into(), redactor: Redactor::default() };
    let work = tempfile::tempdir().expect("a temporary directory");
    let setup = Setup { file, folder: work.path(), around: &around };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(examine(&setup, &cases)).expect("the cases are about this plugin");
    let left: Vec<_> = walk(work.path()).into_iter().filter(|p| !p.contains("/.")).collect();
    if report.passed() {
        assert_eq!(left, Vec::<String>::new(), "nothing is left behind");
    }
    report
}

/// The files below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p.display().to_string()] }).collect()
}

fn shipped(name: &str, sets: &[(&str, &str)]) -> Report {
    let library = Locations::of_binary(Path::new(DTM)).shipped(name).expect("the plugin is built").file;
    contract(&library, &repository().join(format!("plugins/{name}/{name}.check.dts")), sets)
}

#[track_caller]
fn passes(report: &Report) {
    let broken: Vec<_> =
        report.broken().map(|v| format!("{} {:?}: {:?}", v.subject, v.rule, v.outcome)).collect();
    assert_eq!(broken, Vec::<String>::new());
}

/// The rules that were not tried on any subject.
fn never_tried(report: &Report) -> Vec<Rule> {
    let mut never: Vec<Rule> = vec![];
    for verdict in &report.verdicts {
        let tried = |v: &&dtm_engine::conformance::Verdict| {
            v.rule == verdict.rule && !matches!(v.outcome, Outcome::NotTried(_))
        };
        if !report.verdicts.iter().any(|v| tried(&v)) && !never.contains(&verdict.rule) {
            never.push(verdict.rule);
        }
    }
    never
}

/// A server on loopback that answers everything with 200.
fn web() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    format!("http://127.0.0.1:{port}/")
}

#[test]
fn core_keeps_every_rule() {
    let report = shipped("core", &[("url", &web())]);
    passes(&report);
    assert_eq!(never_tried(&report), []);
}

#[test]
fn scm_keeps_every_rule_in_folders_and_on_a_server() {
    let server = GitServer::start("the-token-of-the-server");
    server.repository("shop.git");
    server.repository("slow.git");
    let address = server.url("");
    let sets = [("server", address.trim_end_matches('/')), ("token", "the-token-of-the-server")];
    let report = shipped("scm", &sets);
    passes(&report);
    // It answers no `plan`, of which there is no verdict.
    assert_eq!(never_tried(&report), []);
}

#[test]
fn a_plugin_in_c_keeps_every_rule() {
    if !has("cc") {
        return;
    }
    let sandbox = Sandbox::new(Path::new(DTM));
    build_c(&sandbox, "faulty", &[]);
    let cases = sandbox.path().join("faulty.check.dts");
    std::fs::copy(repository().join("tests/plugins/faulty.check.dts"), &cases).expect("a copy");
    let report = contract(&sandbox.path().join("libfaulty.so"), &cases, &[]);
    passes(&report);
}

/// The plugin in Python, which breaks the rule that the file `notes.fault` names.
fn python(fault: &str) -> Option<Report> {
    if !has("python3") {
        return None;
    }
    let sandbox = Sandbox::new(Path::new(DTM));
    copy_python(&sandbox);
    let cases = sandbox.path().join("notes.check.dts");
    std::fs::copy(repository().join("tests/plugins/notes.check.dts"), &cases).expect("a copy");
    sandbox.write("notes.fault", fault);
    Some(contract(&sandbox.path().join("notes.py"), &cases, &[]))
}

#[test]
fn an_executable_keeps_every_rule() {
    let Some(report) = python("") else { return };
    passes(&report);
    assert_eq!(never_tried(&report), []);
}

/// Breaks a rule, and looks whether the kit says so with these words.
#[track_caller]
fn breaks(fault: &str, rule: Rule, words: &str) {
    let Some(report) = python(fault) else { return };
    let found = report
        .broken()
        .any(|v| v.rule == rule && matches!(&v.outcome, Outcome::Broken(why) if why.contains(words)));
    let all: Vec<_> = report.broken().map(|v| format!("{:?}: {:?}", v.rule, v.outcome)).collect();
    assert!(found, "`{fault}` was to break {rule:?} with {words:?}; broken are {all:#?}");
}

#[test]
fn what_it_says_it_is_must_be_true() {
    breaks("hello", Rule::Hello, "its name is `memos`");
    breaks("version", Rule::Version, "as if it were right");
    breaks("unknown", Rule::Unknown, "`read` of an unknown kind");
}

#[test]
fn garbage_must_not_end_it() {
    breaks("garbage", Rule::Garbage, "after an empty line");
}

#[test]
fn secrets_must_not_be_said() {
    breaks("secrets", Rule::Secrets, "readable in `log`");
}

#[test]
fn making_must_be_right() {
    breaks("output", Rule::Create, "the output `letters` is null");
    breaks("misfit", Rule::Misfit, "without `name`");
    breaks("validate", Rule::Validate, "an unknown `name`");
    breaks("same-op", Rule::SameOp, "gave `diary-2`, not `diary`");
    breaks("find", Rule::Find, "`find` gives []");
    breaks("list", Rule::List, "`list` gives 0 objects, and 0 of them is `diary`");
    breaks("list-key", Rule::List, "gives `diary` a key of which `find` says []");
    breaks("list-gone", Rule::List, "after `delete`, `list` still gives `diary`");
}

#[test]
fn what_does_not_stop_is_told() {
    breaks("cancel", Rule::Cancel, "did not end within 5s");
}

#[test]
fn a_lie_about_what_was_left_behind_is_found() {
    breaks("lie", Rule::Deadline, "it says that nothing was changed, but it is there");
}

#[test]
fn reading_must_agree_with_making() {
    breaks("second-plan", Rule::SecondPlan, "a plan would change `text`");
    breaks("read-many", Rule::ReadMany, "2 answers to 3 calls");
    breaks("find-many", Rule::FindMany, "2 answers to 3 calls");
    breaks("place", Rule::Place, "a different identity");
    breaks("preview", Rule::Preview, "the object exists after `preview`");
    breaks("parallel", Rule::Parallel, "do not agree");
    breaks("absent", Rule::Absent, "`read` failed: no such note");
}

#[test]
fn changing_must_be_right() {
    breaks("plan", Rule::Plan, "predicted a different value of the output `letters`");
    breaks("impure", Rule::Plan, "after `plan`, `read` gives another answer");
    breaks("stable", Rule::Stable, "`title` changed");
    breaks("update", Rule::Update, "`update` failed");
    breaks("update-again", Rule::UpdateAgain, "there is nothing to change");
}

#[test]
fn removing_must_be_right() {
    breaks("delete", Rule::Delete, "`read` still sees it");
    breaks("delete-again", Rule::DeleteAgain, "a second time, `delete` failed");
}

#[test]
fn a_kind_without_a_case_is_told() {
    let Some(_) = python("") else { return };
    let sandbox = Sandbox::new(Path::new(DTM));
    copy_python(&sandbox);
    sandbox.write(
        "few.dts",
        "dts 1\n\nplugins { notes = \"./notes.py\" }\n\ntool a: notes.Note { name = \"a\", text = \"b\" }\n",
    );
    let report = contract(&sandbox.path().join("notes.py"), &sandbox.path().join("few.dts"), &[]);
    let broken: Vec<_> = report.broken().map(|v| (v.rule, v.outcome.clone())).collect();
    let why = "no case of the kind `Note` was changed with `change = true`".to_string();
    assert_eq!(broken, [(Rule::Coverage, Outcome::Broken(why))]);
    sandbox.write("none.dts", "dts 1\n\nplugins { notes = \"./notes.py\" }\n");
    let report = contract(&sandbox.path().join("notes.py"), &sandbox.path().join("none.dts"), &[]);
    let broken: Vec<_> = report.broken().map(|v| v.outcome.clone()).collect();
    assert_eq!(broken, [Outcome::Broken("the kind `Note` has no case".to_string())]);
}
