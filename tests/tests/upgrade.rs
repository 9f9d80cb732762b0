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
        newest.contains("\"format\":2") && newest.contains("\"kinds\":[{\"plugin\":{\"name\":\"core\""),
        "{newest}"
    );
    assert!(run("dtm state show first --at 8").contains("value = 1"), "the history is read as it was");
    let damaged = sandbox.path().join(".dtm/state/snapshot-3");
    std::fs::write(&damaged, &newest.as_bytes()[..100]).expect("cut");
    run("dtm state recover");
    assert_eq!(run("dtm state list"), "first\nkey\nsecond\n", "rebuilt from the pair before, of format 1");
}
