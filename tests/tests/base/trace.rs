//! `--trace`: spans that do not overlap in their lane, failures among them, and the same for a collector of OpenTelemetry.

use dtm_tests::plugins::{build_c, has};
use dtm_tests::sandbox::Sandbox;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

/// The events of a trace, by phase of the format.
fn events(sandbox: &Sandbox, file: &str, ph: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(sandbox.path().join(file)).expect("a trace");
    let trace: Value = serde_json::from_str(&text).expect("JSON");
    trace["traceEvents"].as_array().into_iter().flatten().filter(|e| e["ph"] == ph).cloned().collect()
}

#[test]
fn spans_of_a_lane_do_not_overlap_and_no_more_lanes_are_there_than_tools_ran() {
    let sandbox = sandbox();
    let tools =
        (0..40).map(|i| format!("tool t{i}: core.Exec {{\n  create = [\"sleep\", \"0.0{}\"]\n}}\n", i % 5));
    sandbox.write("main.dts", format!("dts 1\n\n{}", tools.collect::<String>()));
    let ran = sandbox.run(&["apply", "-y", "-q", "--parallelism", "6", "--trace", "t.json"]);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let mut lanes: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    let mut created = 0;
    for span in events(&sandbox, "t.json", "X") {
        created += u32::from(span["cat"] == "create");
        let (from, took) = (span["ts"].as_f64().expect("a time"), span["dur"].as_f64().expect("a duration"));
        lanes.entry(span["tid"].as_u64().expect("a lane")).or_default().push((from, from + took));
    }
    assert_eq!(created, 40);
    assert!((2..=7).contains(&lanes.len()), "one lane of phases and at most six of tools: {lanes:?}");
    for spans in lanes.values_mut() {
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 0.001), "{spans:?}");
    }
    let names = events(&sandbox, "t.json", "M");
    assert_eq!(names.len(), 1 + lanes.len(), "the process and each lane have a name");
}

#[test]
fn what_failed_was_tried_again_or_was_said_is_in_the_trace() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    sandbox.write(
        "main.dts",
        "dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\ntool a: faulty.Thing { name = \"a\", fault = \"clean\" }\ntool b: faulty.Thing { name = \"b\", fault = \"retry\" }\n",
    );
    assert_eq!(sandbox.run(&["apply", "-y", "-q", "--trace", "t.json"]).code, 4);
    let spans = events(&sandbox, "t.json", "X");
    let failed: Vec<&Value> = spans.iter().filter(|s| !s["args"]["failed"].is_null()).collect();
    assert_eq!(failed.len(), 1, "{spans:?}");
    assert_eq!(failed[0]["name"], "a");
    assert!(events(&sandbox, "t.json", "i").iter().any(|m| m["name"] == "retry"));
    sandbox.write("main.dts", "dts 1\n\ntool x: core.Nothing {}\n");
    assert_eq!(sandbox.run(&["apply", "-y", "-q", "--trace", "t.json"]).code, 1);
    let spans = events(&sandbox, "t.json", "X");
    assert_eq!(spans.len(), 1, "a run that ends early is written as well: {spans:?}");
}

/// A collector in the test hears what was done.
mod otel {
    use super::sandbox;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    /// A collector that answers every request with this status; what it was sent.
    fn collector(status: impl Into<String>) -> (String, Arc<Mutex<Vec<u8>>>) {
        let status = status.into();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let written = heard.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                let (mut head, mut line) = (String::new(), String::new());
                while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                    head += &std::mem::take(&mut line);
                }
                let length = head.lines().find_map(|l| {
                    l.to_lowercase().strip_prefix("content-length: ").and_then(|n| n.trim().parse().ok())
                });
                let mut body = vec![0; length.unwrap_or(0)];
                reader.read_exact(&mut body).expect("a body");
                let mut heard = written.lock().expect("not poisoned");
                heard.extend_from_slice(head.as_bytes());
                heard.extend_from_slice(&body);
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).expect("answered");
            }
        });
        (address, heard)
    }

    #[test]
    fn a_redirect_is_not_followed_because_the_headers_hold_tokens() {
        let (elsewhere, heard_elsewhere) = collector("200 OK");
        for status in
            ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
        {
            let (address, heard) = collector(format!("{status}\r\nlocation: {elsewhere}/v1/traces"));
            let sandbox = sandbox();
            sandbox.write("main.dts", "dts 1\n\ntool apple: core.Value { value = 1 }\n");
            let mut command = sandbox.dtm();
            command.args(["apply", "-y", "-q"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &address);
            command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken");
            assert_eq!(command.output().expect("it runs").status.code(), Some(0));
            assert!(
                String::from_utf8_lossy(&heard.lock().expect("not poisoned")).contains("t0ken"),
                "{status}"
            );
            assert!(heard_elsewhere.lock().expect("not poisoned").is_empty(), "{status}: the token stays");
        }
    }

    const PROGRAM: &str =
        "dts 1\n\ntool apple: core.Value { value = 1 }\ntool bad: core.Exec { create = [\"false\"] }\n";

    #[test]
    fn a_collector_gets_the_spans_as_a_part_of_the_pipeline() {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let (address, heard) = collector("200 OK");
        let mut command = sandbox.dtm();
        let trace = "0af7651916cd43dd8448eb211c80319c";
        command.args(["apply", "-y", "-q"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &address);
        command.env("TRACEPARENT", format!("00-{trace}-b7ad6b7169203331-01"));
        assert_eq!(command.output().expect("it runs").status.code(), Some(4));
        let heard = heard.lock().expect("not poisoned");
        let text = String::from_utf8_lossy(&heard);
        for words in [
            "POST /v1/traces",
            "application/x-protobuf",
            "dtm apply",
            "create apple",
            "carry out",
            "dtm.verb",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let id: Vec<u8> =
            (0..16).map(|i| u8::from_str_radix(&trace[i * 2..i * 2 + 2], 16).expect("hex")).collect();
        assert!(heard.windows(16).any(|w| w == id), "the trace of the pipeline");
    }

    #[test]
    fn a_collector_that_fails_changes_nothing_of_the_run() {
        for address in [collector("403 Forbidden").0, "http://127.0.0.1:9".to_string()] {
            let sandbox = sandbox();
            sandbox.write("main.dts", "dts 1\n\ntool apple: core.Value { value = 1 }\n");
            let mut command = sandbox.dtm();
            command.args(["apply", "-y", "-q"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &address);
            let output = command.output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert!(said.contains("could not be sent to the OpenTelemetry collector"), "{said}");
        }
    }
}
