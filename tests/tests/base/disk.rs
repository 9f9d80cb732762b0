//! A disk that is full in mid-apply: nothing new starts, what was done is kept for the next run, nothing is lost.

use dtm_tests::sandbox::Sandbox;
use std::fmt::Write;
use std::path::Path;

const TOOLS: usize = 60;

#[test]
fn a_full_disk_in_mid_apply_loses_nothing() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let mut program = String::from("dts 1\n\n");
    for i in 0..TOOLS {
        let _ = writeln!(program, "tool t{i}: core.File {{ path = \"out/f{i}\", content = \"x\" }}");
    }
    sandbox.write("main.dts", &program);
    // A limit on the size of files acts on the journal as a full disk does.
    let ran = sandbox.shell("trap '' XFSZ; ulimit -f 40; dtm apply -y --parallelism 2");
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    assert!(ran.stderr.contains("error[E0807]"), "{}", ran.transcript());
    assert!(ran.stderr.matches("error[E0807]").count() <= 4, "nothing new starts: {}", ran.transcript());
    assert!(ran.stdout.contains("Not started: "), "{}", ran.transcript());
    let made = || std::fs::read_dir(sandbox.path().join("out")).map_or(0, Iterator::count);
    let before = made();
    assert!(before > 0 && before < TOOLS);
    let ran = sandbox.run(&["apply", "-y"]);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert_eq!(made(), TOOLS);
    assert!(sandbox.run(&["apply", "-y"]).stdout.starts_with("No changes"));
    assert_eq!(sandbox.run(&["destroy", "-y", "-q"]).code, 0);
    assert_eq!(made(), 0);
}
