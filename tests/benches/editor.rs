//! How long an editor waits: the server as a process of its own over standard input and output, on programs of 1,000
//! and 10,000 lines. With `YAML_LS` (the file `yaml-language-server` of its npm package) the same on a YAML file of as
//! many lines.
//!
//! An edit is one character typed in the middle of a string in the middle of the text; the time is from sending it to
//! reading the diagnostics published for it. A completion is that of an output (of a key, in YAML) there.
#![allow(clippy::print_stdout)]

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

struct Server {
    child: Child,
    input: BufReader<ChildStdout>,
    output: ChildStdin,
    next: i64,
}

impl Server {
    fn start(mut command: Command) -> Server {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let (input, output) = (child.stdout.take().expect("piped"), child.stdin.take().expect("piped"));
        let mut server = Server { child, input: BufReader::new(input), output, next: 0 };
        server.ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
        server.tell("initialized", json!({}));
        server
    }
    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.output, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("it reads");
        self.output.flush().expect("it reads");
    }
    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }
    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.input.read_line(&mut line).expect("it writes") > 0, "the server ended");
            match line.trim().split_once(": ") {
                Some(("Content-Length", n)) => length = n.parse().expect("a number"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.input.read_exact(&mut body).expect("it writes");
        let message: Value = serde_json::from_slice(&body).expect("JSON");
        if let (Some(id), Some(_)) = (message.get("id"), message.get("method")) {
            // A question of the server: nothing is configured.
            let items = message["params"]["items"].as_array().map_or(0, Vec::len);
            let result = if items > 0 { json!(vec![Value::Null; items]) } else { Value::Null };
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            self.send(&answer);
        }
        message
    }
    fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.read();
            if fits(&message) {
                return message;
            }
        }
    }
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.until(|m| m["id"] == id && m.get("method").is_none())["result"].clone()
    }
    /// The most memory that it had, in MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Text {
    name: &'static str,
    language: &'static str,
    text: String,
    /// Where a character is typed.
    edit: (usize, usize),
    /// Where a completion is asked for.
    ask: (usize, usize),
}

/// Five lines for each tool, each with a reference to the one before.
fn program(lines: usize) -> Text {
    let mut text = String::from("dts 1\n\n");
    for n in 0..lines / 5 {
        let before = if n == 0 { "\"none\"".to_string() } else { format!("t{}.id", n - 1) };
        let _ = write!(
            text,
            "/// Tool {n}.\ntool t{n}: core.Value {{\n  value = {{ name = \"tool-{n}\", before = {before} }}\n}}\n\n"
        );
    }
    // The end of `tN.id` in a tool in the middle.
    let line = 2 + (lines / 10) * 5 + 2;
    let found = text.lines().nth(line).expect("a line");
    let string = found.find("tool-").expect("a string") + 4;
    let member = found.find(".id").expect("a member") + 1;
    Text { name: "main.dts", language: "dtm", text, edit: (line, string), ask: (line, member) }
}

fn yaml(lines: usize) -> Text {
    let mut text = String::from("tools:\n");
    for n in 0..lines / 5 {
        let _ = write!(
            text,
            "  - name: tool-{n}\n    plugin: core\n    options:\n      before: tool-{n}\n      size: {n}\n"
        );
    }
    let line = 1 + (lines / 10) * 5;
    Text { name: "config.yaml", language: "yaml", text, edit: (line, 14), ask: (line + 1, 4) }
}

fn percentile(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |p: usize| times[(times.len() * p / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    (at(50), at(95))
}

fn measure(label: &str, server: Command, text: &Text, rounds: usize) {
    let folder = std::env::temp_dir().join(format!("dtm-editor-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(text.name);
    std::fs::write(&path, &text.text).expect("written");
    let uri = format!("file://{}", path.display());
    let mut server = Server::start(server);
    let document = json!({ "uri": uri, "languageId": text.language, "version": 1, "text": text.text });
    server.tell("textDocument/didOpen", json!({ "textDocument": document }));
    let published = |m: &Value| m["method"] == "textDocument/publishDiagnostics" && m["params"]["uri"] == uri;
    server.until(published);
    let (mut edits, mut asks) = (vec![], vec![]);
    for n in 0..rounds {
        let version = n as i64 + 2;
        let place = json!({ "line": text.edit.0, "character": text.edit.1 });
        let changes = json!([{ "range": { "start": place, "end": place }, "text": "x" }]);
        let started = Instant::now();
        let document = json!({ "uri": uri, "version": version });
        server.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
        server.until(published);
        edits.push(started.elapsed());
        let started = Instant::now();
        let place = json!({ "line": text.ask.0, "character": text.ask.1 + if text.ask.0 == text.edit.0 { n + 1 } else { 0 } });
        let found = server
            .ask("textDocument/completion", json!({ "textDocument": { "uri": uri }, "position": place }));
        asks.push(started.elapsed());
        let items = if found.is_array() { &found } else { &found["items"] };
        assert!(text.language != "dtm" || items.as_array().is_some_and(|i| !i.is_empty()), "{found}");
    }
    let (e, a) = (percentile(&mut edits), percentile(&mut asks));
    println!("{label:<34} {:>8.1} {:>8.1} {:>10.1} {:>8.1} {:>8}", e.0, e.1, a.0, a.1, server.memory());
    let _ = std::fs::remove_dir_all(&folder);
}

fn main() {
    println!("{:<34} {:>17} {:>19} {:>8}", "milliseconds", "edit to problems", "completion", "MiB");
    println!("{:<34} {:>8} {:>8} {:>10} {:>8}", "", "median", "95 %", "median", "95 %");
    for lines in [1_000, 10_000] {
        let mut dtm = Command::new(env!("CARGO_BIN_EXE_dtm-under-test"));
        dtm.arg("lsp");
        measure(&format!("dtm lsp, {lines} lines"), dtm, &program(lines), 100);
        if let Some(yaml_ls) = std::env::var_os("YAML_LS").filter(|p| Path::new(p).exists()) {
            let mut node = Command::new("node");
            node.arg(yaml_ls).arg("--stdio");
            measure(&format!("yaml-language-server, {lines} lines"), node, &yaml(lines), 20);
        }
    }
}
