//! `dtm check --watch`: every change of a file of the program is told, a broken and a missing file too.

use dtm_tests::sandbox::Sandbox;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Waits for a line that holds these words.
#[track_caller]
fn expect(lines: &Receiver<String>, words: &str) {
    let mut seen = vec![];
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(30)) {
        if line.contains(words) {
            return;
        }
        seen.push(line);
    }
    panic!("{words:?} did not come; what came is {seen:#?}");
}

#[test]
fn changes_are_told_as_they_come() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.write("lib.dts", "dts 1\n\nlet port = 80\n");
    sandbox.write("main.dts", "dts 1\n\nimport \"lib.dts\" as lib\n\noutput p = lib.port\n");
    // By one pipe, so that the lines come in the order in which they were written.
    let mut command = sandbox.command("sh");
    command.args(["-c", "exec dtm check --watch --format short 2>&1"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("dtm starts");
    let (sender, lines) = channel();
    let pipe = child.stdout.take().expect("a pipe");
    std::thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| _ = sender.send(line));
    });
    expect(&lines, "watching 2 files");
    sandbox.write("lib.dts", "dts 1\n\nlet prot = 80\n");
    expect(&lines, "`lib.dts` defines no `port`");
    expect(&lines, "watching 2 files");
    sandbox.write("lib.dts", "dts 1\n\nlet port = 8080\n");
    expect(&lines, "watching 2 files");
    std::fs::remove_file(sandbox.path().join("main.dts")).expect("removed");
    expect(&lines, "there is no such file");
    sandbox.write("main.dts", "dts 1\n\noutput p = nothing\n");
    expect(&lines, "`nothing` is not defined");
    assert!(child.try_wait().expect("a child").is_none(), "it goes on");
    child.kill().expect("killed");
    child.wait().expect("ended");
}
