//! No process that a run started outlives its lock. The witness is outside of dtm: a command that appends to a file while
//! it runs. Each subsequent run first checks whether that file still grows.

use dtm_tests::plugins::{build_c, copy_python, has};
use dtm_tests::sandbox::Sandbox;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const KILLS: usize = 20;

/// Ticks for ever.
const TICK: &str = "while :; do echo x >> ticks; sleep 0.01; done";

/// Whether something that was begun before still works: what this starts finds out.
const LOOK: &str =
    "a=$(wc -c < ticks); sleep 0.1; b=$(wc -c < ticks); [ $a = $b ] || echo alive >> alive; touch begun;";

/// The ways in which a command gets away from what started it, and a wait of that itself.
const WAYS: [(&str, &str); 5] = [
    ("plain", "sh tick.sh"),
    ("session", "setsid sh tick.sh"),
    ("background", "sh tick.sh & sleep 600"),
    ("nohup", "nohup sh tick.sh > /dev/null 2>&1 & sleep 600"),
    ("double-fork", "(setsid sh -c '(setsid sh tick.sh > /dev/null 2>&1 &) ; exit' &) ; sleep 600"),
];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.write("tick.sh", TICK);
    sandbox.write("ticks", "");
    sandbox
}

fn ticks(sandbox: &Sandbox) -> u64 {
    std::fs::metadata(sandbox.path().join("ticks")).expect("the ticks").len()
}

fn begin(sandbox: &Sandbox) -> Child {
    let _ = std::fs::remove_file(sandbox.path().join("begun"));
    let mut command = sandbox.dtm();
    command.args(["apply", "-y", "-q", "--lock-timeout", "60s"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("dtm starts")
}

/// Until the command of this run works.
fn await_ticks(sandbox: &Sandbox, child: &mut Child) {
    let until = Instant::now() + Duration::from_secs(60);
    let before = ticks(sandbox);
    while !sandbox.path().join("begun").exists() || ticks(sandbox) <= before {
        if let Some(status) = child.try_wait().expect("a child") {
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut stderr, &mut said);
            }
            panic!("it ended before it began: {status}: {said}");
        }
        assert!(Instant::now() < until, "it begins");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The ticks stop, and the last of them was before this returns.
fn assert_silent(sandbox: &Sandbox, what: &str) {
    let before = ticks(sandbox);
    // Ten times as long as a tick takes: there is no signal of something that does not happen.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ticks(sandbox), before, "{what} works on");
}

/// Kills the engine again and again in the middle of a command; each next run looks whether the one before works on.
fn kills(sandbox: &Sandbox, what: &str, times: usize) {
    for _ in 0..times {
        let mut child = begin(sandbox);
        await_ticks(sandbox, &mut child);
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(!sandbox.path().join("alive").exists(), "{what} worked on beside the next run");
    }
    // The last one: the next holder of the lock finds no running process.
    sandbox.write("main.dts", "dts 1\n");
    let until = Instant::now() + Duration::from_secs(30);
    while sandbox.run(&["apply", "-y", "-q", "--lock-timeout", "0s"]).code == 5 {
        assert!(Instant::now() < until, "the lock is free in the end");
    }
    assert_silent(sandbox, what);
}

fn exec(way: &str) -> String {
    format!(
        "dts 1\n\ntool a: core.Exec {{ create = [\"sh\", \"-c\", \"{LOOK} {way}\"], delete = [\"true\"], repeatable = true }}\n"
    )
}

#[test]
fn no_command_outlives_a_killed_engine() {
    for (what, way) in WAYS {
        let sandbox = sandbox();
        sandbox.write("main.dts", exec(way));
        kills(&sandbox, what, KILLS / 4);
    }
}

#[test]
fn twenty_kills_in_a_row_leave_nothing_at_work() {
    let sandbox = sandbox();
    let (_, way) = WAYS[4];
    sandbox.write("main.dts", exec(way));
    kills(&sandbox, "a double fork", KILLS);
}

#[test]
fn nothing_that_a_library_or_an_executable_began_outlives_a_killed_engine() {
    let with = |plugin: &str, file: &str, tool: &str| {
        format!("dts 1\n\nplugins {{ {plugin} = \"{file}\" }}\n\ntool a: {tool}\n")
    };
    if has("cc") {
        let sandbox = sandbox();
        build_c(&sandbox, "faulty", &[]);
        sandbox.write("begin.sh", format!("{LOOK} {}", WAYS[4].1));
        sandbox.write(
            "main.dts",
            with("faulty", "./libfaulty.so", "faulty.Thing { name = \"a\", fault = \"begin\" }"),
        );
        kills(&sandbox, "what a library began", KILLS / 4);
    }
    if has("python3") {
        let sandbox = sandbox();
        copy_python(&sandbox);
        sandbox.write("begin.sh", format!("{LOOK} {}", WAYS[4].1));
        sandbox.write(
            "main.dts",
            with("notes", "./notes.py", "notes.Note { name = \"a\", text = \"x\", fault = \"begin\" }"),
        );
        kills(&sandbox, "what an executable began", KILLS / 4);
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<rustix::process::Pid> {
    let all = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    all.split_whitespace().filter_map(|p| rustix::process::Pid::from_raw(p.parse().ok()?)).collect()
}

#[test]
fn what_a_killed_host_had_begun_ends_before_it_is_begun_again() {
    for (what, way) in WAYS {
        let sandbox = sandbox();
        sandbox.write("main.dts", exec(way));
        let mut child = begin(&sandbox);
        await_ticks(&sandbox, &mut child);
        std::fs::remove_file(sandbox.path().join("begun")).expect("begun");
        for host in children(child.id()) {
            rustix::process::kill_process(host, rustix::process::Signal::KILL).expect("killed");
        }
        // It is begun again by the same run, and looks whether the first one works on.
        await_ticks(&sandbox, &mut child);
        assert!(!sandbox.path().join("alive").exists(), "{what} worked on beside the second try");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
}

#[test]
fn a_command_that_is_out_of_time_ends_with_all_that_it_started() {
    for (what, way) in WAYS {
        let sandbox = sandbox();
        sandbox.write("main.dts", exec(way).replace(" }\n", " } with { timeout = 2s }\n"));
        let ran = sandbox.run(&["apply", "-y"]);
        assert_eq!(ran.code, 4, "{what}: {}", ran.transcript());
        assert!(ran.stderr.contains("timed out"), "{what}: {}", ran.transcript());
        assert_silent(&sandbox, what);
    }
}

#[test]
fn what_a_finished_command_left_running_stays() {
    for way in ["setsid sh tick.sh > /dev/null 2>&1 &", "nohup sh tick.sh > /dev/null 2>&1 &"] {
        let sandbox = sandbox();
        let create = format!("{way} echo $! > pid");
        sandbox.write(
            "main.dts",
            format!("dts 1\n\ntool a: core.Exec {{ create = [\"sh\", \"-c\", \"{create}\"] }}\n"),
        );
        let ran = sandbox.run(&["apply", "-y", "-q"]);
        assert_eq!(ran.code, 0, "{}", ran.transcript());
        let before = ticks(&sandbox);
        let until = Instant::now() + Duration::from_secs(10);
        while ticks(&sandbox) <= before {
            assert!(Instant::now() < until, "`{way}` runs on");
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = std::fs::read_to_string(sandbox.path().join("pid")).expect("the pid");
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().expect("a number")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    }
}
