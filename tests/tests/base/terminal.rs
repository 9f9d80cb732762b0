//! What a person sees: dtm in a pseudo-terminal of 40, 80 and 200 columns, read from the screen.

use dtm_tests::plugins::{build_c, copy_python, has};
use dtm_tests::sandbox::Sandbox;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROWS: u16 = 60;

struct Terminal {
    master: File,
    child: Child,
    screen: vt100::Parser,
    raw: Vec<u8>,
}

fn cells(number: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(number).expect("not zero")
}

impl Terminal {
    fn start(mut command: Command, columns: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a size");
        let path = Path::new(name.to_str().expect("a path"));
        let slave = || -> Stdio {
            OpenOptions::new().read(true).write(true).open(path).expect("its other end").into()
        };
        command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
        let child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("dtm starts");
        drop(command);
        Terminal {
            master: File::from(master),
            child,
            screen: vt100::Parser::new(cells(ROWS), cells(columns), 1000),
            raw: vec![],
        }
    }

    /// Reads until the screen says something; the program's end counts as well.
    fn until(&mut self, words: &str) -> bool {
        let mut buffer = [0; 4096];
        loop {
            if self.screen.screen().contents().contains(words) {
                return true;
            }
            match self.master.read(&mut buffer) {
                Ok(n) if n > 0 => {
                    self.screen.process(&buffer[..n]);
                    self.raw.extend_from_slice(&buffer[..n]);
                }
                _ => return self.screen.screen().contents().contains(words),
            }
        }
    }

    fn resize(&mut self, columns: u16) {
        let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("a size");
        self.screen.screen_mut().set_size(cells(ROWS), cells(columns));
    }

    fn finish(mut self) -> (String, Vec<u8>, i32) {
        self.until("\u{0}never");
        let code = self.child.wait().expect("ended").code().unwrap_or(-1);
        (self.screen.screen().contents(), self.raw, code)
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

const PROGRAM: &str = r#"dts 1

tool folder: core.Directory { path = "out" }
tool readme: core.File {
  path = "${folder.absolute}/README.md"
  content = "a long text that does not fit into forty columns, whatever one does with it"
}
output readme = readme.sha256
"#;

#[test]
fn a_plan_fits_its_terminal_and_is_colored() {
    for columns in [40, 80, 200] {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let mut command = sandbox.dtm();
        command.arg("plan");
        let (screen, raw, code) = Terminal::start(command, columns).finish();
        assert_eq!(code, 0, "{screen}");
        assert!(screen.contains("2 to add, 0 to change, 0 to destroy"), "{columns}: {screen}");
        let raw = String::from_utf8_lossy(&raw);
        assert!(raw.contains("\u{1b}[32m+ \u{1b}[0m"), "additions are green");
        if columns >= 80 {
            let wide = raw.lines().map(|l| plain(l).chars().count()).max().unwrap_or(0);
            assert!(wide <= usize::from(columns), "{columns}: a line has {wide} characters\n{screen}");
        }
    }
}

/// A line without escape sequences.
fn plain(line: &str) -> String {
    let escapes = regex_lite::Regex::new("\u{1b}\\[[0-9;?]*[A-Za-z]").expect("a pattern");
    escapes.replace_all(line.trim_end(), "").into_owned()
}

#[test]
fn apply_asks_and_yes_is_the_only_yes() {
    for (answer, code, made) in [("no\n", 1, false), ("\n", 1, false), ("yes\n", 0, true)] {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let mut command = sandbox.dtm();
        command.arg("apply");
        let mut terminal = Terminal::start(command, 80);
        assert!(terminal.until("Apply this plan? [y/N]"));
        terminal.master.write_all(answer.as_bytes()).expect("typed");
        let (screen, _, found) = terminal.finish();
        assert_eq!(found, code, "{screen}");
        assert_eq!(sandbox.path().join("out/README.md").exists(), made, "{screen}");
        let last = if made { "Done: 2 created (" } else { "Nothing was changed." };
        assert!(screen.contains(last), "{screen}");
    }
}

#[test]
fn params_without_a_value_are_asked_for_and_secrets_are_not_shown() {
    let sandbox = sandbox();
    let program = "dts 1\n\n/// Who it is for.\nparam owner: string\nparam count: int\nparam key: secret string\nparam port: int where self > 0\nparam pin: secret int\ntool a: core.Value { value = \"${owner}-${count}\" }\ntool b: core.SecretFile { path = \"out/key\", content = key }\n";
    sandbox.write("main.dts", program);
    let mut command = sandbox.dtm();
    command.args(["apply", "-y"]);
    let mut terminal = Terminal::start(command, 80);
    for (question, answer) in [
        ("Who it is for.", ""),
        ("owner (string):", "ann\n"),
        ("count (int):", "three\n"),
        ("which is not of type `int`", "3\n"),
        ("key (secret string, not shown while you type):", "hunter2\n"),
        ("port (int where ", "0\n"),
        ("0 is not allowed here", "80\n"),
        ("pin (secret int, not shown while you type):", "hunter3\n"),
        ("gives (secret)", "1234\n"),
    ] {
        assert!(terminal.until(question), "{question}");
        terminal.master.write_all(answer.as_bytes()).expect("typed");
    }
    let (screen, raw, code) = terminal.finish();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Done: 2 created ("), "{screen}");
    let raw = String::from_utf8_lossy(&raw);
    assert!(["hunter2", "hunter3", "1234"].iter().all(|secret| !raw.contains(secret)), "{screen}");
    assert!(!screen.contains("W0402"), "an answer is not on the command line: {screen}");
    assert_eq!(std::fs::read_to_string(sandbox.path().join("out/key")).expect("made"), "hunter2");
}

#[test]
fn a_running_tool_has_a_line_with_its_name_and_the_end_leaves_a_clean_screen() {
    if !has("cc") {
        return;
    }
    for columns in [40, 80, 200] {
        let sandbox = sandbox();
        build_c(&sandbox, "faulty", &[]);
        sandbox.write("main.dts", "dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\ntool slow: faulty.Thing { name = \"slow\", fault = \"hang\" } with { timeout = 1s }\ntool quick: core.Value { value = 1 }\n");
        let mut command = sandbox.dtm();
        command.args(["apply", "-y"]);
        let mut terminal = Terminal::start(command, columns);
        assert!(terminal.until("slow: create"), "{}", terminal.screen.screen().contents());
        assert!(terminal.until("1/2"), "a total bar: {}", terminal.screen.screen().contents());
        let (screen, _, code) = terminal.finish();
        assert_eq!(code, 4, "{screen}");
        assert!(screen.contains("quick created"), "{screen}");
        assert!(screen.contains("Failed: slow"), "{screen}");
        assert!(!screen.contains("slow: create"), "nothing live is left: {screen}");
        assert!(!screen.contains("1/2") && !screen.contains("2/2"), "the bar is gone: {screen}");
    }
}

#[test]
fn a_terminal_that_changes_its_size_is_drawn_anew() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", "dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\ntool a_tool_with_a_rather_long_name: faulty.Thing { name = \"slow\", fault = \"hang\" } with { timeout = 4s }\ntool quick: core.Value { value = 1 }\n");
    let mut command = sandbox.dtm();
    // The screen of this test cuts lines that are too long, as xterm does.
    command.args(["apply", "-y"]).env("XTERM_VERSION", "XTerm(390)");
    let mut terminal = Terminal::start(command, 120);
    assert!(terminal.until("a_tool_with_a_rather_long_name: create"));
    assert!(terminal.until("1/2 ====="));
    terminal.resize(36);
    // The bar gives way.
    assert!(terminal.until("1/2 00:00:0"), "{}", terminal.screen.screen().contents());
    assert!(!terminal.screen.screen().contents().contains("===="));
    terminal.resize(90);
    assert!(terminal.until("1/2 ====="));
    let shown = terminal.screen.screen().contents();
    assert_eq!(shown.matches("name: create").count(), 1, "one line for each running tool: {shown}");
    assert_eq!(shown.matches("quick created").count(), 1, "{shown}");
    let (screen, _, code) = terminal.finish();
    assert_eq!(code, 4, "{screen}");
    assert!(!screen.contains("name: create") && !screen.contains("/2 "), "nothing live is left: {screen}");
}

#[test]
fn an_interrupt_drains_a_second_cancels_a_third_kills() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write("main.dts", "dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\ntool slow: faulty.Thing { name = \"slow\", fault = \"hang\" }\ntool later: core.Value { value = slow.at }\n");
    let mut command = sandbox.dtm();
    command.args(["apply", "-y"]);
    let mut terminal = Terminal::start(command, 100);
    assert!(terminal.until("slow: create"));
    let pid = rustix::process::Pid::from_child(&terminal.child);
    for words in
        ["Stopping: no new operation starts", "Canceling the running operations", "Killing the plugins"]
    {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("interrupted");
        assert!(terminal.until(words), "{words}: {}", terminal.screen.screen().contents());
    }
    let (screen, _, code) = terminal.finish();
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("Run `dtm apply` to "), "the last line says how to resume: {screen}");
    let state = sandbox.run(&["state", "list"]);
    assert_eq!(state.stdout, "slow  (creating)\n", "the journal is complete");
    assert_eq!(sandbox.run(&["state", "unlock"]).stderr, "The state is not locked.\n", "the lock is free");
}

#[test]
fn a_project_that_was_not_trusted_is_asked_about_once() {
    if !has("python3") {
        return;
    }
    let sandbox = Sandbox::distrusting(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    copy_python(&sandbox);
    sandbox.write(
        "main.dts",
        "dts 1\n\nplugins { notes = \"./notes.py\" }\n\ntool a: notes.Note { name = \"a\", text = \"x\" }\n",
    );
    let plan = |answer: &str| {
        let mut command = sandbox.dtm();
        command.arg("plan");
        let mut terminal = Terminal::start(command, 120);
        assert!(
            terminal.until("Trust this project to run them? [y/N]"),
            "{}",
            terminal.screen.screen().contents()
        );
        let shown = terminal.screen.screen().contents();
        assert!(shown.contains("the plugin `notes` of the project: `notes.py`"), "{shown}");
        terminal.master.write_all(answer.as_bytes()).expect("answered");
        terminal.finish()
    };
    let (screen, _, code) = plan("n\n");
    assert!(code == 1 && screen.contains("E0904"), "{screen}");
    let (screen, _, code) = plan("y\n");
    assert!(code == 0 && screen.contains("1 to add"), "{screen}");
    let mut command = sandbox.dtm();
    command.arg("plan");
    let (screen, _, code) = Terminal::start(command, 120).finish();
    assert!(code == 0 && !screen.contains("Trust this project"), "{screen}");
}

#[test]
fn only_our_own_colors_reach_a_terminal() {
    let sandbox = sandbox();
    let hostile = "\u{1b}[8mhidden\u{1b}[0m\u{1b}]0;title\u{7}\u{9b}2J\u{7f}";
    let quoted = dtm_lang::value::quote(hostile);
    sandbox.write("main.dts", format!("dts 1\n\ntool say: core.Exec {{ create = [\"sh\", \"-c\", \"printf %s \\\"$0\\\" >&2; exit 3\", {quoted}] }}\noutput o = {quoted}\n"));
    for args in [&["plan"][..], &["apply", "-y", "-v"], &["output", "o"], &["show"], &["plan", hostile]] {
        let mut command = sandbox.dtm();
        command.args(args);
        let (screen, raw, _) = Terminal::start(command, 120).finish();
        let raw = String::from_utf8_lossy(&raw);
        for bad in ["\u{1b}[8m", "\u{1b}]0", "\u{9b}", "\u{7}", "\u{7f}"] {
            assert!(!raw.contains(bad), "{args:?}: {bad:?} in {raw:?}");
        }
        assert!(screen.contains("hidden") || args == ["show"], "{args:?}: {screen}");
    }
}

#[test]
fn no_color_and_dumb_terminals_get_plain_lines() {
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let mut command = sandbox.command("sh");
        command.args(["-c", &format!("{name}={value} dtm apply -y")]);
        let (screen, raw, code) = Terminal::start(command, 80).finish();
        assert_eq!(code, 0, "{screen}");
        let colors = String::from_utf8_lossy(&raw).contains("\u{1b}[3");
        assert!(!colors, "{name}: {screen}");
    }
}

#[test]
fn thousands_of_tools_scroll_by_without_flicker() {
    const TOOLS: usize = 3_000;
    let sandbox = sandbox();
    let tools = (0..TOOLS).map(|i| format!("tool t{i}: core.Value {{ value = {i} }}\n"));
    sandbox.write("main.dts", format!("dts 1\n\n{}", tools.collect::<String>()));
    assert_eq!(sandbox.run(&["apply", "-y", "-q"]).code, 0);
    let mut command = sandbox.dtm();
    command.args(["destroy", "-y"]);
    let (screen, raw, code) = Terminal::start(command, 80).finish();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Done: 3000 deleted ("), "{screen}");
    let text = String::from_utf8_lossy(&raw);
    assert_eq!(text.matches(" deleted").count(), TOOLS + 1, "each is told once");
    // A frame is drawn at a steady rate, not whenever a tool ends, and a terminal is told where it begins and ends.
    let frames = text.matches("\u{1b}[?2026h").count();
    assert!(frames < TOOLS / 4, "{frames} frames for {TOOLS} tools");
    assert_eq!(frames, text.matches("\u{1b}[?2026l").count());
    assert!(!text.contains("\u{1b}[2J"), "the screen is never cleared as a whole");
    assert!(!screen.contains("/3000"), "the bar is gone: {screen}");
}
