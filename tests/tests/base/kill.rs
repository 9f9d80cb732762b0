//! `kill -9` at random moments of an apply of 200 tools. The judge is outside of dtm: a folder in which the plugin
//! keeps its things, each with the key of the operation that made it. No orphan, no double create, no lost id.

use dtm_tests::plugins::{build_c, has};
use dtm_tests::sandbox::Sandbox;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const TOOLS: usize = 200;
const RUNS: usize = 50;
/// So many runs must be hit between the first begin and the last end.
const IN_THE_MIDDLE: usize = 30;

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

/// Things in layers of 20, each fed by one of the layer before.
fn program(names: impl Iterator<Item = usize>) -> String {
    let mut out = String::from("dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\n");
    let all: Vec<usize> = names.collect();
    for (i, n) in all.iter().enumerate() {
        let fault = if i < 20 {
            "\"none\"".into()
        } else {
            format!("if t{}.at == \"x\" then \"x\" else \"none\"", all[i - 20])
        };
        let _ = writeln!(out, "tool t{n}: faulty.Thing {{ name = \"t{n}\", fault = {fault} }}");
    }
    out
}

/// The names in a folder; none where it is not there.
fn names_in(sandbox: &Sandbox, folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(sandbox.path().join(folder)).into_iter().flatten();
    entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn cloud(sandbox: &Sandbox) -> BTreeSet<String> {
    names_in(sandbox, "cloud").into_iter().filter(|n| !n.starts_with(".tries")).collect()
}

fn state(sandbox: &Sandbox) -> BTreeSet<String> {
    sandbox.run(&["state", "list"]).stdout.lines().map(String::from).collect()
}

/// Applies and kills after some time; whether it was still at work.
fn killed(sandbox: &Sandbox, after: Duration) -> bool {
    let mut child = sandbox
        .dtm()
        .args(["apply", "-y", "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dtm starts");
    let until = Instant::now() + after;
    // A random moment is the point of this test: there is no signal to wait for.
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    let alive = child.try_wait().expect("a child").is_none();
    child.kill().expect("killed");
    child.wait().expect("ended");
    alive
}

/// Finishes without a question, and compares what dtm knows with what exists.
fn judge(sandbox: &Sandbox, wanted: &BTreeSet<String>) {
    let ran = sandbox.run(&["apply", "-y", "-q"]);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let made = cloud(sandbox);
    assert!(!made.contains(".double"), "a thing was made twice");
    assert_eq!(&made, wanted, "exactly what the program says exists");
    assert_eq!(&state(sandbox), wanted, "the state knows all of it");
    let again = sandbox.run(&["apply", "-y"]);
    assert!(again.stdout.starts_with("No changes"), "{}", again.transcript());
}

#[test]
fn no_crash_loses_or_doubles_anything() {
    if !has("cc") {
        return;
    }
    let names = |range: std::ops::Range<usize>| range.map(|n| format!("t{n}")).collect::<BTreeSet<_>>();
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program(0..TOOLS));
    let started = Instant::now();
    assert_eq!(sandbox.run(&["apply", "-y", "-q"]).code, 0);
    // How long a run takes. The first is slower or faster than the others, so the kills themselves correct it.
    let mut whole = started.elapsed();
    judge(&sandbox, &names(0..TOOLS));
    let (mut middle, mut runs, mut seed) = (0, 0, 0x9e37_79b9_7f4a_7c15_u64);
    // Each run shifts the program by a quarter: some are deleted, some made, some kept.
    let mut shift = 0;
    while runs < RUNS || middle < IN_THE_MIDDLE {
        assert!(runs < RUNS * 6, "only {middle} of {runs} kills hit the middle of a run");
        runs += 1;
        shift += TOOLS / 4;
        let wanted = names(shift..shift + TOOLS);
        sandbox.write("main.dts", program(shift..shift + TOOLS));
        let before = cloud(&sandbox);
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let alive = killed(&sandbox, whole.mul_f64(0.2 + 0.7 * (seed >> 11) as f64 / (1u64 << 53) as f64));
        let after = cloud(&sandbox);
        // Something was begun, and not everything was done.
        match (alive && after != wanted, after != before) {
            (true, true) => middle += 1,
            (false, _) => whole = whole.mul_f64(0.9),
            (true, false) => whole = whole.mul_f64(1.1),
        }
        judge(&sandbox, &wanted);
    }
    let destroyed = sandbox.run(&["destroy", "-y", "-q"]);
    assert_eq!(destroyed.code, 0, "{}", destroyed.transcript());
    assert_eq!(cloud(&sandbox), BTreeSet::new(), "nothing is left behind");
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{runs} kills, {middle} between the first begin and the last end");
}

#[test]
fn two_processes_never_work_on_one_state() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", "dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\ntool a: faulty.Thing { name = \"a\", fault = \"hang\" }\n");
    let mut first = sandbox
        .dtm()
        .args(["apply", "-y"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dtm starts");
    // The plugin notes each try before it hangs: then the lock is held and the operation runs.
    let tries = sandbox.path().join("cloud/.tries-a");
    let until = Instant::now() + Duration::from_secs(30);
    while !tries.exists() {
        assert!(Instant::now() < until, "the first process begins");
        std::thread::yield_now();
    }
    let second = sandbox.run(&["apply", "-y", "--lock-timeout", "0s"]);
    assert_eq!(second.code, 5, "{}", second.transcript());
    assert!(
        second.stderr.contains("for `apply`") && second.stderr.contains("tester@"),
        "{}",
        second.transcript()
    );
    assert_eq!(sandbox.run(&["plan"]).code, 0, "a plan takes no lock");
    first.kill().expect("killed");
    first.wait().expect("ended");
    // The hosts of a killed engine end by themselves and free the lock; what was interrupted is found out.
    sandbox.write(
        "main.dts",
        "dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\ntool a: faulty.Thing { name = \"a\" }\n",
    );
    let third = sandbox.run(&["apply", "-y"]);
    assert_eq!(third.code, 0, "{}", third.transcript());
    assert!(sandbox.run(&["apply", "-y"]).stdout.starts_with("No changes"));
}

#[test]
fn many_processes_at_once_apply_one_after_the_other() {
    let sandbox = sandbox();
    sandbox.write("main.dts", "dts 1\n\ntool a: core.File { path = \"out/a\", content = \"a\" }\ntool b: core.Value { value = a.sha256 }\n");
    let start = || {
        sandbox
            .dtm()
            .args(["apply", "-y", "--lock-timeout", "60s"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    };
    let all: Vec<_> = (0..8).map(|_| start().expect("dtm starts")).collect();
    for child in all {
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(state(&sandbox).len(), 2);
}

/// Commands and repositories side by side: each of `names` has a command that is asked, one that may run twice, and a
/// scaffold in a repository of its own.
fn mixed(names: &[String]) -> String {
    let list: Vec<String> = names.iter().map(|n| format!("{n:?}")).collect();
    format!(
        r#"dts 1

let names = [{}]

tool asked[n in names]: core.Exec {{
  create = ["sh", "make.sh", n]
  read = ["test", "-e", "cloud/${{n}}"]
  delete = ["rm", "-rf", "cloud/${{n}}"]
}}
tool again[n in names]: core.Exec {{
  create = ["sh", "-c", "mkdir -p again && echo ${{asked[n].stdout}} > again/${{n}}"]
  delete = ["rm", "-f", "again/${{n}}"]
  repeatable = true
}}
tool repo[n in names]: scm.Repo {{
  destination = {{ host = "folder", path = "git/${{n}}.git" }}
}}
tool code[n in names]: scm.Scaffold {{
  destination = {{ host = "folder", path = repo[n].url }}
  template = "template"
  vars = {{ name = n }}
}}
"#,
        list.join(", ")
    )
}

#[test]
fn commands_and_repositories_survive_kills() {
    if !has("git") {
        return;
    }
    let sandbox = sandbox();
    sandbox.write("template/README.tpl", "[[ name ]]\n");
    sandbox.write("template/main.go", "package main\n");
    // Whoever makes a thing that already exists leaves a mark.
    sandbox.write("make.sh", "mkdir -p cloud\nmkdir cloud/$1 || touch cloud/.double\n");
    let names = |from: usize| (from..from + 12).map(|n| format!("t{n}")).collect::<Vec<_>>();
    let judge = |wanted: &[String]| {
        let ran = sandbox.run(&["apply", "-y", "-q"]);
        assert_eq!(ran.code, 0, "{}", ran.transcript());
        let made: BTreeSet<String> = wanted.iter().cloned().collect();
        for folder in ["cloud", "again"] {
            assert_eq!(names_in(&sandbox, folder), made, "{folder}");
        }
        let found = names_in(&sandbox, "git");
        assert_eq!(found, wanted.iter().map(|n| format!("{n}.git")).collect(), "no half-made repository");
        for name in wanted {
            let git = |args: &str| sandbox.shell(&format!("git -C git/{name}.git {args}")).stdout;
            assert_eq!(git("rev-list --count main"), "1\n", "{name}: one commit");
            assert_eq!(git("show main:README"), format!("{name}\n"));
        }
        let again = sandbox.run(&["apply", "-y"]);
        assert!(again.stdout.starts_with("No changes"), "{}", again.transcript());
    };
    sandbox.write("main.dts", mixed(&names(0)));
    let started = Instant::now();
    judge(&names(0));
    let whole = started.elapsed();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut alive = 0;
    for run in 1..=12 {
        // Half of them go, half are new.
        let wanted = names(run * 6);
        sandbox.write("main.dts", mixed(&wanted));
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let part = 0.05 + 0.5 * (seed >> 11) as f64 / (1u64 << 53) as f64;
        alive += usize::from(killed(&sandbox, whole.mul_f64(part)));
        judge(&wanted);
    }
    assert!(alive >= 4, "only {alive} of 12 kills hit a run");
    let destroyed = sandbox.run(&["destroy", "-y", "-q"]);
    assert_eq!(destroyed.code, 0, "{}", destroyed.transcript());
    assert_eq!(names_in(&sandbox, "git"), BTreeSet::new(), "no repository is left, whole or half");
}

/// Commands that nobody can ask whether they were done.
fn blind(names: &[String]) -> String {
    let list: Vec<String> = names.iter().map(|n| format!("{n:?}")).collect();
    format!(
        r#"dts 1

let names = [{}]

tool blind[n in names]: core.Exec {{
  create = ["sh", "make.sh", n]
  delete = ["rm", "-rf", "cloud/${{n}}"]
}}
"#,
        list.join(", ")
    )
}

/// The tools of which an apply says that a person must tell what became of them.
fn asked_for(stderr: &str) -> BTreeSet<String> {
    let named = stderr.split("`dtm state resolve 'blind[\"").skip(1);
    named.filter_map(|rest| rest.split('"').next()).map(String::from).collect()
}

#[test]
fn what_nobody_can_find_out_is_asked_for_and_never_guessed() {
    let sandbox = sandbox();
    sandbox.write("make.sh", "mkdir -p cloud\nmkdir cloud/$1 || touch cloud/.double\nsleep 0.02\n");
    let names = |from: usize| (from..from + 40).map(|n| format!("t{n}")).collect::<Vec<_>>();
    sandbox.write("main.dts", blind(&names(0)));
    let started = Instant::now();
    assert_eq!(sandbox.run(&["apply", "-y", "-q"]).code, 0);
    let whole = started.elapsed();
    let (mut seed, mut asked) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    for run in 1..=12 {
        let wanted = names(run * 20);
        sandbox.write("main.dts", blind(&wanted));
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        killed(&sandbox, whole.mul_f64(0.2 + 0.6 * (seed >> 11) as f64 / (1u64 << 53) as f64));
        let ran = sandbox.run(&["apply", "-y", "-q"]);
        let open = asked_for(&ran.stderr);
        assert_eq!(ran.code == 0, open.is_empty(), "{}", ran.transcript());
        // What was interrupted is left as it was until somebody has looked.
        for name in &open {
            let addr = format!("blind[\"{name}\"]");
            let there = cloud(&sandbox).contains(name);
            let answer: &[&str] = if there { &["--id", "found-by-hand"] } else { &["--none"] };
            let resolved = sandbox.run(&[&["state", "resolve", &addr], answer].concat());
            assert_eq!(resolved.code, 0, "{}", resolved.transcript());
        }
        asked += open.len();
        let ran = sandbox.run(&["apply", "-y", "-q"]);
        assert_eq!(ran.code, 0, "{}", ran.transcript());
        assert_eq!(cloud(&sandbox), wanted.iter().cloned().collect(), "each once");
        let again = sandbox.run(&["apply", "-y"]);
        assert!(again.stdout.starts_with("No changes"), "{}", again.transcript());
    }
    assert!(asked > 0, "no kill hit a command that runs");
    assert_eq!(sandbox.run(&["destroy", "-y", "-q"]).code, 0);
    assert_eq!(cloud(&sandbox), BTreeSet::new());
}

#[test]
fn what_a_killed_plugin_had_begun_ends_with_it() {
    let sandbox = sandbox();
    let begins = "touch begun; sleep 2; echo made >> log; touch it";
    sandbox.write(
        "main.dts",
        format!("dts 1\n\ntool a: core.Exec {{ create = [\"sh\", \"-c\", \"{begins}\"], read = [\"test\", \"-e\", \"it\"] }}\n"),
    );
    let mut child = sandbox.dtm().args(["apply", "-y", "-q"]).spawn().expect("dtm starts");
    while !sandbox.path().join("begun").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let children =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    for host in children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .filter_map(rustix::process::Pid::from_raw)
    {
        rustix::process::kill_process(host, rustix::process::Signal::KILL).expect("killed");
    }
    assert_eq!(child.wait().expect("ended").code(), Some(0), "it is done again");
    // Longer than what was begun first would have needed.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(std::fs::read_to_string(sandbox.path().join("log")).expect("made"), "made\n");
}
