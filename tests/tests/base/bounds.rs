//! Whatever a plugin does, a run ends, names the tool that failed, and leaves a readable state: endless waits, answers
//! of any depth, a plugin that does not match its interface, floods of text.

use dtm_tests::plugins::{build_c, copy_python, has};
use dtm_tests::sandbox::{Ran, Sandbox};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

fn notes(fault: &str, options: &str) -> String {
    format!(
        "dts 1\n\nplugins {{ notes = \"./notes.py\" }}\n\ntool bad: notes.Note {{ name = \"bad\", text = \"x\", fault = \"{fault}\" }}{options}\ntool good: core.Value {{ value = 1 }}\n"
    )
}

fn things(fault: &str, options: &str) -> String {
    format!(
        "dts 1\n\nplugins {{ faulty = \"./libfaulty.so\" }}\n\ntool bad: faulty.Thing {{ name = \"bad\", fault = \"{fault}\" }}{options}\ntool good: core.Value {{ value = 1 }}\n"
    )
}

/// Runs, and not longer than `most`.
fn within(sandbox: &Sandbox, args: &[&str], most: u64) -> Ran {
    let began = Instant::now();
    let ran = sandbox.run(args);
    assert!(
        began.elapsed() < Duration::from_secs(most),
        "it took {:?}: {}",
        began.elapsed(),
        ran.transcript()
    );
    ran
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_pause_without_end_is_a_failure() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", things("later", ""));
    let ran = within(&sandbox, &["apply", "-y"], 60);
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    assert!(ran.stderr.contains("only after more than 20m"), "{}", ran.transcript());
    assert!(ran.stdout.contains("good created"), "{}", ran.transcript());
    sandbox.write("main.dts", things("none", ""));
    assert_eq!(sandbox.run(&["apply", "-y"]).code, 0);
}

/// Starts an apply, and waits until it says something.
fn until_said(sandbox: &Sandbox, words: &str) -> Child {
    use std::io::{BufRead, BufReader};
    let mut command = sandbox.dtm();
    let mut child = command
        .args(["apply", "-y"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("dtm starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("a line").contains(words)), "it says `{words}`");
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn an_interrupt_ends_the_wait_for_another_try() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", things("soon", ""));
    let mut child = until_said(&sandbox, "again in 120");
    let began = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("interrupted");
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn a_plugin_that_never_answers_a_greeting_is_given_up() {
    if !has("python3") {
        return;
    }
    // 30 s each: side by side.
    std::thread::scope(|scope| {
        for (fault, words) in [
            ("mute", "did not answer `hello` within 30s"),
            ("configure", "did not answer `configure` within 30s"),
        ] {
            scope.spawn(move || {
                let sandbox = sandbox();
                copy_python(&sandbox);
                sandbox.write("notes.fault", fault);
                let more: String = (0..5)
                    .map(|n| format!("tool more{n}: notes.Note {{ name = \"more{n}\", text = \"x\" }}\n"))
                    .collect();
                sandbox.write("main.dts", notes("none", "") + &more);
                // Six tools, and one wait.
                let ran = within(&sandbox, &["apply", "-y"], 90);
                assert_ne!(ran.code, 0, "{}", ran.transcript());
                assert!(ran.stderr.contains(words), "{}", ran.transcript());
            });
        }
    });
}

#[test]
fn a_plugin_that_is_another_than_its_interface_says_is_refused() {
    if !has("python3") {
        return;
    }
    for (fault, words) in [
        ("hello", "says that its name is \"memos\", and its interface says `notes`"),
        ("protocol", "speaks version 9 of the protocol; this dtm speaks [1]"),
    ] {
        let sandbox = sandbox();
        copy_python(&sandbox);
        sandbox.write("notes.fault", fault);
        sandbox.write("main.dts", notes("none", ""));
        let ran = within(&sandbox, &["apply", "-y"], 60);
        assert_ne!(ran.code, 0, "{}", ran.transcript());
        assert!(ran.stderr.contains(words), "{}", ran.transcript());
        assert!(!sandbox.path().join("notes").exists(), "nothing was done");
    }
}

#[test]
fn the_time_of_a_tool_that_has_left_the_program_is_limited() {
    if !has("python3") {
        return;
    }
    let sandbox = sandbox();
    copy_python(&sandbox);
    sandbox.write("main.dts", notes("none", " with { timeout = 2s }"));
    assert_eq!(sandbox.run(&["apply", "-y"]).code, 0);
    sandbox.write("notes.fault", "delete-hang");
    sandbox.write(
        "main.dts",
        "dts 1\n\nplugins { notes = \"./notes.py\" }\n\ntool good: core.Value { value = 1 }\n",
    );
    let ran = within(&sandbox, &["apply", "-y"], 60);
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    assert!(ran.stderr.contains("delete did not end within 2s"), "{}", ran.transcript());
    let ran = within(&sandbox, &["destroy", "-y"], 60);
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    sandbox.write("notes.fault", "");
    assert_eq!(sandbox.run(&["destroy", "-y"]).code, 0);
}

#[test]
fn a_plugin_of_one_thread_that_hangs_is_killed_at_its_deadline() {
    if !has("python3") {
        return;
    }
    let sandbox = sandbox();
    copy_python(&sandbox);
    sandbox.write("notes.fault", "single");
    // What waits for a command is still under way when the plugin should be gone.
    let wait =
        "tool slow: core.Exec { create = [\"sh\", \"-c\", \"while [ -e wait ]; do sleep 0.05; done\"] }\n";
    sandbox.write("wait", "");
    sandbox.write("main.dts", notes("hang", " with { timeout = 1s }") + wait);
    let mut command = sandbox.dtm();
    let mut child = command
        .args(["apply", "-y"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dtm starts");
    let first = || {
        let all = std::fs::read_to_string(sandbox.path().join("processes")).unwrap_or_default();
        all.lines().last().map(String::from)
    };
    let until = Instant::now() + Duration::from_secs(60);
    let hung = loop {
        assert!(Instant::now() < until, "the plugin is started");
        match first() {
            Some(pid) if sandbox.path().join(".dtm").exists() => break pid,
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    while is_alive(&hung) {
        assert!(Instant::now() < until, "the plugin that hangs is killed while the run goes on");
        assert!(child.try_wait().expect("a child").is_none(), "the run goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_file(sandbox.path().join("wait")).expect("removed");
    assert_eq!(child.wait().expect("ended").code(), Some(4));
}

#[test]
fn no_answer_is_too_deep_for_the_state() {
    if !has("python3") {
        return;
    }
    let sandbox = sandbox();
    copy_python(&sandbox);
    for (levels, kept) in [
        (1, true),
        (63, true),
        (64, true),
        (65, false),
        (100, false),
        (119, false),
        (123, false),
        (124, false),
        (128, false),
        (500, false),
        (100_000, false),
    ] {
        sandbox.write("main.dts", notes(&format!("deep-{levels}"), ""));
        let ran = within(&sandbox, &["apply", "-y"], 60);
        assert_eq!(ran.code, if kept { 0 } else { 4 }, "{levels}: {}", ran.transcript());
        if !kept {
            assert!(
                ran.stderr.contains("`bad`") && ran.stderr.contains("nested more than 64 levels deep"),
                "{levels}: {}",
                ran.transcript()
            );
        }
        for command in [["state", "list"], ["state", "pull"], ["plan", "--json"], ["show", "bad"]] {
            let ran = within(&sandbox, &command, 60);
            assert_eq!(ran.code, 0, "{levels}: {command:?}: {}", ran.transcript());
        }
        // The next apply mends what is there.
        sandbox.write("main.dts", notes("none", ""));
        let ran = sandbox.run(&["apply", "-y"]);
        assert_eq!(ran.code, 0, "{levels}: {}", ran.transcript());
        assert!(sandbox.run(&["apply", "-y"]).stdout.starts_with("No changes"), "{levels}");
        assert_eq!(sandbox.run(&["destroy", "-y"]).code, 0, "{levels}");
    }
}

#[test]
fn a_flood_of_warnings_and_a_long_error_are_shown_in_part() {
    if !has("python3") {
        return;
    }
    let sandbox = sandbox();
    copy_python(&sandbox);
    sandbox.write("main.dts", notes("flood", ""));
    let ran = within(&sandbox, &["apply", "-y", "--trace", "trace.json"], 120);
    assert_eq!(ran.code, 4, "{}", &ran.transcript()[..4000]);
    let shown = ran.stdout.len() + ran.stderr.len();
    assert!(shown < 200 << 10, "{shown} bytes are shown");
    assert!(ran.stdout.contains("29980 more warnings are left out"), "{}", ran.transcript());
    assert!(ran.stdout.contains("bytes are left out"), "{}", ran.transcript());
    assert!(ran.stdout.contains("the end of it"), "{}", ran.transcript());
    assert!(ran.stderr.len() < 4 << 10, "it is told once: {}", ran.transcript());
    let trace = std::fs::read_to_string(sandbox.path().join("trace.json")).expect("the trace");
    assert!(trace.contains("warning 29999 of it"), "all warnings are in the trace");
    assert!(trace.len() > 5 << 20, "the error is whole in the trace");
}
