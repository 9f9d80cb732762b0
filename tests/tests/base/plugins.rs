//! Plugins that misbehave: each fault is one failed tool with a message that says what happened, everything else
//! goes on, and when the fault is gone the next apply finishes the work without a double or an orphan.

use dtm_tests::plugins::{build_c, copy_python, has};
use dtm_tests::sandbox::{Ran, Sandbox};
use std::path::Path;

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

fn program(fault: &str) -> String {
    format!(
        r#"dts 1

plugins {{ faulty = "./libfaulty.so" }}

tool good: faulty.Thing {{ name = "good" }}
tool bad: faulty.Thing {{ name = "bad", fault = "{fault}" }} with {{ timeout = 1s }}
tool after: core.Value {{ value = bad.at }}
tool file: core.File {{ path = "out/file", content = good.at }}
"#
    )
}

fn apply(sandbox: &Sandbox) -> Ran {
    sandbox.run(&["apply", "-y"])
}

/// The things that really exist, with the key of the operation that made each.
fn cloud(sandbox: &Sandbox) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(sandbox.path().join("cloud")).into_iter().flatten();
    let files = entries
        .map(|e| e.expect("an entry").path())
        .filter(|p| !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')));
    let mut all: Vec<(String, String)> = files
        .map(|p| {
            (
                p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
                std::fs::read_to_string(&p).expect("a thing"),
            )
        })
        .collect();
    all.sort();
    all
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    cloud(sandbox).into_iter().map(|c| c.0).collect()
}

/// Applies with a fault, then without: everything is there once.
fn fault(fault: &str, words: &str) {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program(fault));
    let ran = apply(&sandbox);
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    assert!(ran.stderr.contains("`bad`") && ran.stderr.contains(words), "{}", ran.transcript());
    assert!(
        ran.stdout.contains("good created") && ran.stdout.contains("file created"),
        "the others go on: {}",
        ran.transcript()
    );
    assert!(ran.stdout.contains("Skipped because bad failed: after"), "{}", ran.transcript());
    sandbox.write("main.dts", program("none"));
    let ran = apply(&sandbox);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert_eq!(names(&sandbox), ["bad", "good"]);
    let again = apply(&sandbox);
    assert!(again.stdout.starts_with("No changes"), "{}", again.transcript());
    let destroyed = sandbox.run(&["destroy", "-y"]);
    assert_eq!(destroyed.code, 0, "{}", destroyed.transcript());
    assert_eq!(names(&sandbox), Vec::<String>::new(), "nothing is left behind");
}

#[test]
fn an_abort_is_one_failed_tool() {
    fault("abort", "SIGABRT");
}

#[test]
fn a_crash_is_one_failed_tool() {
    fault("segv", "SIGSEGV");
}

#[test]
fn an_exit_is_one_failed_tool() {
    fault("exit", "exit code 0");
}

#[test]
fn a_hang_is_one_failed_tool() {
    fault("hang", "did not end within 1s");
}

#[test]
fn garbage_is_one_failed_tool() {
    fault("garbage", "not a message of the protocol");
}

#[test]
fn an_over_long_line_is_one_failed_tool() {
    fault("long", "longer than 16 MiB");
}

#[test]
fn no_answer_is_one_failed_tool() {
    fault("silent", "gave no answer");
}

#[test]
fn a_partial_failure_is_repaired() {
    fault("partial", "half of it is there");
}

#[test]
fn a_clean_failure_leaves_nothing() {
    fault("clean", "the service said no");
}

#[test]
fn a_crash_after_the_work_was_done_makes_nothing_twice() {
    fault("after", "SIGABRT");
}

#[test]
fn printing_to_standard_output_does_not_break_the_protocol() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program("print"));
    let ran = apply(&sandbox);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
}

#[test]
fn what_may_pass_is_tried_again() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program("retry"));
    let ran = apply(&sandbox);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert!(ran.stdout.contains("bad: busy; again in"), "{}", ran.transcript());
}

#[test]
fn a_single_crash_is_survived() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program("once"));
    let ran = apply(&sandbox);
    assert_eq!(ran.code, 0, "found out what became of it, done again alone: {}", ran.transcript());
    assert_eq!(names(&sandbox), ["bad", "good"]);
}

#[test]
fn an_id_given_early_is_not_lost() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program("checkpoint"));
    let ran = apply(&sandbox);
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    let shown = sandbox.run(&["show", "bad"]);
    assert!(
        shown.stdout.contains("id = \"bad\"") && shown.stdout.contains("(creating)"),
        "{}",
        shown.transcript()
    );
    sandbox.write("main.dts", program("none"));
    assert_eq!(apply(&sandbox).code, 0);
    assert_eq!(names(&sandbox), ["bad", "good"]);
}

/// What a library that cannot be used says, and that nothing was changed.
fn unusable(prepare: impl Fn(&Sandbox), words: &str) {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    prepare(&sandbox);
    sandbox.write("main.dts", program("none"));
    let ran = apply(&sandbox);
    assert_ne!(ran.code, 0, "{}", ran.transcript());
    assert!(ran.stderr.contains(words), "{}", ran.transcript());
    assert_eq!(names(&sandbox), Vec::<String>::new());
}

#[test]
fn a_library_of_another_abi_is_refused() {
    unusable(|s| build_c(s, "faulty", &["ABI=9"]), "it has ABI 9; this dtm knows ABI 1");
}

#[test]
fn a_library_without_a_symbol_is_refused() {
    unusable(|s| build_c(s, "faulty", &["NO_MANIFEST"]), "the symbol `dtm_plugin_manifest` is missing");
}

#[test]
fn a_text_is_no_library() {
    unusable(|s| s.write("libfaulty.so", "hello"), "cannot be loaded");
}

#[test]
fn a_library_of_another_machine_is_refused() {
    unusable(
        |s| {
            let path = s.path().join("libfaulty.so");
            let mut bytes = std::fs::read(&path).expect("the library");
            bytes[18] = 0xf3;
            std::fs::write(&path, bytes).expect("written");
        },
        "cannot be loaded",
    );
}

#[test]
fn a_library_of_another_interface_is_refused() {
    unusable(
        |s| {
            let text = std::fs::read_to_string(s.path().join("libfaulty.dts")).expect("the interface");
            s.write("libfaulty.dts", text + "\n// changed\n");
        },
        "built from a different interface",
    );
}

#[test]
fn an_executable_speaks_the_same_protocol() {
    if !has("python3") {
        return;
    }
    let sandbox = sandbox();
    copy_python(&sandbox);
    let program = |text: &str, fault: &str| {
        format!(
            "dts 1\n\nplugins {{ notes = \"./notes.py\" }}\n\ntool a: notes.Note {{ name = \"a\", text = \"{text}\", fault = \"{fault}\" }}\ntool b: notes.Note {{ name = \"b\", text = \"${{a.letters}}\" }}\ntool c: core.Value {{ value = 1 }}\n"
        )
    };
    sandbox.write("main.dts", program("hello", "none"));
    let ran = apply(&sandbox);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert_eq!(std::fs::read_to_string(sandbox.path().join("notes/b")).expect("b"), "5");
    assert!(apply(&sandbox).stdout.starts_with("No changes"));
    std::fs::write(sandbox.path().join("notes/a"), "drift").expect("written");
    assert_eq!(sandbox.run(&["verify"]).code, 4);
    assert_eq!(apply(&sandbox).code, 0);
    for (fault, words) in
        [("exit", "status: 3"), ("garbage", "not a message of the protocol"), ("long", "longer than 16 MiB")]
    {
        sandbox.write("main.dts", program("other", fault));
        let ran = apply(&sandbox);
        assert_eq!(ran.code, 4, "{fault}: {}", ran.transcript());
        assert!(ran.stderr.contains(words), "{fault}: {}", ran.transcript());
    }
    sandbox.write("main.dts", program("other", "none"));
    assert_eq!(apply(&sandbox).code, 0);
    assert_eq!(sandbox.run(&["destroy", "-y"]).code, 0);
    assert_eq!(std::fs::read_dir(sandbox.path().join("notes")).expect("the folder").count(), 0);
}

#[test]
fn destroy_finds_what_an_interrupted_create_made() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program("after"));
    assert_eq!(apply(&sandbox).code, 4);
    assert_eq!(names(&sandbox), ["bad", "good"], "it was made, and nobody heard of it");
    assert!(sandbox.run(&["state", "list"]).stdout.contains("bad  (creating)"));
    let destroyed = sandbox.run(&["destroy", "-y"]);
    assert_eq!(destroyed.code, 0, "{}", destroyed.transcript());
    assert_eq!(names(&sandbox), Vec::<String>::new(), "nothing is orphaned: {}", destroyed.transcript());
}

#[test]
fn an_interface_alone_is_enough_to_check_and_plan() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write(
        "main.dts",
        "dts 1\n\nplugins { faulty = \"./libfaulty.dts\" }\n\ntool a: faulty.Thing { name = \"a\" }\n",
    );
    assert_eq!(sandbox.run(&["check"]).code, 0);
    let planned = sandbox.run(&["plan"]);
    assert_eq!(planned.code, 0, "{}", planned.transcript());
    assert!(planned.stdout.contains("1 to add"), "{}", planned.transcript());
    let ran = apply(&sandbox);
    // Nothing is begun that cannot be done.
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(
        ran.stderr.contains("only the interface `libfaulty.dts` of the plugin `faulty` is there"),
        "{}",
        ran.transcript()
    );
}

#[test]
fn a_plugin_that_is_gone_is_no_empty_plan() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", program("none"));
    assert_eq!(apply(&sandbox).code, 0);
    std::fs::remove_file(sandbox.path().join("libfaulty.so")).expect("removed");
    let planned = sandbox.run(&["plan"]);
    assert_eq!(planned.code, 1, "{}", planned.transcript());
    assert!(planned.stderr.contains("error[E0607]"), "{}", planned.transcript());
    assert_eq!(sandbox.run(&["verify"]).code, 1);
    let destroyed = sandbox.run(&["destroy", "-y"]);
    assert_eq!(destroyed.code, 1, "{}", destroyed.transcript());
    assert!(!sandbox.run(&["state", "list"]).stdout.contains("deleting"), "nothing was begun");
    build_c(&sandbox, "faulty", &[]);
    assert_eq!(sandbox.run(&["destroy", "-y"]).code, 0);
    assert_eq!(names(&sandbox), Vec::<String>::new());
}

/// What a plugin's host answers when it is asked to create two things, the first of which should have been begun long ago.
fn late(sandbox: &Sandbox, plugin: &str, kind: &str, inputs: &str) -> String {
    let create = |id: u32, name: &str, before: &str| {
        let inputs = inputs.replace("NAME", name);
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"create","params":{{"config":1,"kind":"{kind}","op":"op-{id}","inputs":{inputs}{before}}}}}"#
        )
    };
    let configure = r#"{"jsonrpc":"2.0","id":1,"method":"configure","params":{"settings":{}}}"#;
    let lines = [
        configure.to_string(),
        create(2, "late", r#","start_before":1"#),
        create(3, "soon", &format!(r#","start_before":{}"#, i64::MAX)),
    ];
    use std::io::{BufRead, BufReader, Write};
    let mut host = sandbox
        .dtm()
        .args(["plugin-host", plugin])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the host starts");
    // The end of its input ends the host with all that it began: it stays open until the last answer is there.
    let mut input = host.stdin.take().expect("its input");
    input.write_all((lines.join("\n") + "\n").as_bytes()).expect("written");
    let mut said = String::new();
    for line in BufReader::new(host.stdout.take().expect("its output")).lines() {
        let line = line.expect("a line");
        said += &format!("{line}\n");
        if line.replace(' ', "").contains("\"id\":3") {
            break;
        }
    }
    drop(input);
    host.wait().expect("it ends");
    said
}

#[test]
fn a_host_begins_nothing_whose_time_is_over() {
    if !has("cc") || !has("python3") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    let answers = late(&sandbox, "./libfaulty.so", "Thing", r#"{"name":"NAME"}"#);
    assert!(
        answers.contains("it timed out before it reached the plugin") && answers.contains("\"retryable\""),
        "{answers}"
    );
    assert_eq!(names(&sandbox), ["soon"], "{answers}");
    copy_python(&sandbox);
    let answers = late(&sandbox, "./notes.py", "Note", r#"{"name":"NAME","text":"x"}"#);
    assert!(
        answers.contains("it timed out before it reached the plugin") && answers.contains("\"retryable\""),
        "{answers}"
    );
    assert!(!answers.contains("late"), "{answers}");
    assert!(answers.contains("\"SOON\""), "{answers}");
}
