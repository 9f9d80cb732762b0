//! What earlier versions of dtm wrote is read, and written as it is written now.

use dtm_tests::sandbox::Sandbox;
use std::path::Path;

/// Files that dtm wrote when format 1 was the newest: a state of two applies, with a secret.
fn of_format_1() -> Sandbox {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state-format-1");
    let files = [
        ("main.dts", "main.dts"),
        ("backend", ".dtm/backend"),
        ("lineage", ".dtm/state/lineage"),
        ("snapshot-1", ".dtm/state/snapshot-1"),
        ("snapshot-1", ".dtm/state/history/000000000008"),
        ("journal-1", ".dtm/state/journal-1"),
        ("snapshot-2", ".dtm/state/snapshot-2"),
        ("journal-2", ".dtm/state/journal-2"),
    ];
    for (from, to) in files {
        sandbox.write(to, std::fs::read(data.join(from)).expect("a file of the data"));
    }
    sandbox
}

#[test]
fn a_state_of_an_older_format_is_upgraded_when_it_is_written() {
    let sandbox = of_format_1();
    let run = |line: &str| {
        let ran = sandbox.shell(&format!("DTM_STATE_KEY='the key of format one' {line}"));
        assert_eq!(ran.code, 0, "{line}: {}", ran.transcript());
        ran.stdout
    };
    let snapshot = |name: &str| {
        String::from_utf8_lossy(&std::fs::read(sandbox.path().join(".dtm/state").join(name)).expect("it"))
            .into_owned()
    };
    assert_eq!(run("dtm state list"), "first\nkey\nsecond\n");
    assert_eq!(run("dtm output second --json | grep -c '8ac0ecbe-d5a3-883d-8087-fc921f7f85a4'"), "1\n");
    run("dtm plan");
    assert!(snapshot("snapshot-2").contains("\"format\":1"), "who only looks changes nothing");
    sandbox.write("main.dts", "dts 1\n\ntool first: core.Value { value = 2 }\ntool key: core.Password { length = 20 }\ntool second: core.Value { value = [first.id, \"x\"] }\n\noutput second = second.result\noutput more = 1\n");
    run("dtm apply -y -q");
    assert_eq!(
        run("dtm output second --json | grep -c '8ac0ecbe-d5a3-883d-8087-fc921f7f85a4'"),
        "1
",
        "the same tools"
    );
    let newest = snapshot("snapshot-3");
    assert!(
        newest.contains("\"format\":3") && newest.contains("\"kinds\":[{\"plugin\":{\"name\":\"core\""),
        "{newest}"
    );
    assert!(run("dtm state show first --at 8").contains("value = 1"), "the history is read as it was");
    let damaged = sandbox.path().join(".dtm/state/snapshot-3");
    std::fs::write(&damaged, &newest.as_bytes()[..100]).expect("cut");
    run("dtm state recover");
    assert_eq!(run("dtm state list"), "first\nkey\nsecond\n", "rebuilt from the pair before, of format 1");
}

/// Copies a folder and all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|e| e.expect("an entry")) {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = std::fs::copy(entry.path(), target).expect("a copy"),
        }
    }
}

/// A state in format 2, as an earlier dtm wrote it: ids are absolute, of a project in a folder that no longer exists.
fn of_format_2() -> Sandbox {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state-format-2");
    copy(&data.join("dtm"), &sandbox.path().join(".dtm"));
    copy(&data.join("template"), &sandbox.path().join("template"));
    let program = std::fs::read_to_string(data.join("main.dts")).expect("the program");
    // What is outside of the project is not there on this machine.
    let outside = program.lines().filter(|l| !l.contains("tool outside"));
    sandbox.write("main.dts", outside.collect::<Vec<_>>().join("\n") + "\nforget outside\n");
    std::fs::copy(data.join("saved.dtmp"), sandbox.path().join("saved.dtmp")).expect("a copy");
    sandbox
}

#[test]
fn absolute_ids_of_format_2_become_relative_to_the_project() {
    let sandbox = of_format_2();
    let run = |line: &str| sandbox.shell(&format!("export DTM_STATE_KEY='the key of format two'; {line}"));
    let good = |line: &str| {
        let ran = run(line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.transcript());
        ran.stdout
    };
    // The same objects as they were where the state was written.
    good("mkdir -p docs folder old1 old2 && printf 'hello\\n' > docs/readme.txt && touch old1/of-others");
    let plan = run("dtm plan --set version=2");
    assert!(plan.stdout.contains("outside: core.File"), "{}", plan.transcript());
    for line in ["> readme", "+ readme", "-/+ readme", "~ readme", "folder: core.Directory"] {
        assert!(!plan.stdout.contains(line), "{line}: {}", plan.transcript());
    }
    // Without the other clean-up, which still fails: the folder that was replaced holds a file of others.
    let applied = run("dtm apply -y --set version=2");
    assert!(applied.stderr.contains("old1") || applied.stdout.contains("old1"), "{}", applied.transcript());
    assert!(sandbox.path().join("old1/of-others").exists(), "it is not ours");
    assert!(
        sandbox.path().join("repo.git/HEAD").exists(),
        "what is gone is created here: {}",
        applied.transcript()
    );
    good("rm old1/of-others; touch allowed-2; dtm apply -y -q --set version=2");
    assert!(good("dtm plan --set version=2").starts_with("No changes"));
    assert!(!sandbox.path().join("old1").exists(), "the object that was replaced has gone");
}

#[test]
fn from_the_first_record_on_an_older_dtm_refuses_the_state() {
    let sandbox = of_format_2();
    let formats = |file: &str| std::fs::read_to_string(sandbox.path().join(file)).expect("formats");
    let list = "for file in .dtm/state/snapshot-*; do grep -ao '\"format\":[0-9]*' \"$file\"; done";
    sandbox.write("list.sh", format!("{list}\n"));
    sandbox.shell("sh list.sh > before");
    assert!(!formats("before").contains(":3"), "{}", formats("before"));
    let main = formats("main.dts");
    sandbox.write(
        "main.dts",
        format!("{main}tool late: core.Exec {{ create = [\"sh\", \"-c\", \"sh list.sh > during\"] }}\n"),
    );
    sandbox.shell("DTM_STATE_KEY='the key of format two' dtm apply -y -q --only late");
    assert!(formats("during").contains(":3"), "while the run is under way: {}", formats("during"));
}

#[test]
fn what_was_only_noted_in_format_2_is_still_noted() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state-format-2/noted");
    copy(&data.join("dtm"), &sandbox.path().join(".dtm"));
    for file in ["config.yaml", "made.state"] {
        std::fs::copy(data.join(file), sandbox.path().join(file)).expect("a copy");
    }
    let listed = sandbox.run(&["state", "list"]);
    assert!(listed.stdout.contains("noted"), "{}", listed.transcript());
}

#[test]
fn a_saved_plan_of_format_1_is_refused_with_what_to_do() {
    let sandbox = of_format_2();
    let ran = sandbox.shell("DTM_STATE_KEY='the key of format two' dtm apply -y saved.dtmp");
    assert!(
        ran.code != 0 && ran.stderr.contains("format 1") && ran.stderr.contains("plan again"),
        "{}",
        ran.transcript()
    );
}
