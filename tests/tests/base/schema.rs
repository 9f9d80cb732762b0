//! What is written with `--json` is what the published schema says, nothing more and nothing less.

use dtm_engine::event::Event;
use dtm_engine::execute::StopLevel;
use dtm_tests::plugins::{build_c, has};
use dtm_tests::sandbox::Sandbox;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

fn schema() -> Value {
    let ran = sandbox().run(&["doc", "--schema"]);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// The schema, of one of its parts.
fn part(of: &str) -> jsonschema::Validator {
    let mut schema = schema();
    let object = schema.as_object_mut().expect("an object");
    object.remove("anyOf");
    object.insert("$ref".into(), json!(format!("#/$defs/{of}")));
    jsonschema::validator_for(&schema).expect("a schema")
}

#[test]
fn every_event_is_in_the_schema() {
    let (addr, text) = (|| "a".into(), || "text".to_string());
    let all = [
        Event::Reading { tools: 3 },
        Event::Started { addr: addr(), verb: "create" },
        Event::Progress { addr: addr(), text: text() },
        Event::Warned { addr: addr(), text: text() },
        Event::Log { plugin: "core".into(), text: text() },
        Event::Retrying { addr: addr(), after_ms: 10, message: text() },
        Event::Finished { addr: addr(), verb: "replace", ms: 7 },
        Event::Unchanged { addr: addr() },
        Event::Failed { addr: addr(), code: "E0704".into(), message: text() },
        Event::Skipped { addr: addr(), because: "b".into() },
        Event::Notice { text: text() },
        Event::Stopping { level: StopLevel::Cancel },
    ];
    let schema = part("event");
    for event in &all {
        // A new event does not compile here before it is above, and in the schema.
        match event {
            Event::Reading { .. }
            | Event::Started { .. }
            | Event::Progress { .. }
            | Event::Warned { .. }
            | Event::Log { .. }
            | Event::Retrying { .. }
            | Event::Finished { .. }
            | Event::Unchanged { .. }
            | Event::Failed { .. }
            | Event::Skipped { .. }
            | Event::Notice { .. }
            | Event::Stopping { .. } => {}
            // Never shown.
            Event::Traced { .. } => continue,
        }
        let value = serde_json::to_value(event).expect("JSON");
        assert!(schema.is_valid(&value), "{value}");
    }
    assert!(!schema.is_valid(&json!({ "event": "started", "address": "a" })), "a part is missing");
    assert!(!schema.is_valid(&json!({ "event": "unchanged", "address": "a", "more": 1 })), "a part too much");
}

#[test]
fn every_line_of_real_runs_is_in_the_schema() {
    if !has("cc") {
        return;
    }
    let sandbox = sandbox();
    build_c(&sandbox, "faulty", &[]);
    let whole = jsonschema::validator_for(&schema()).expect("a schema");
    let plan = part("plan");
    let mut seen = BTreeSet::new();
    let mut check = |args: &[&str]| {
        let ran = sandbox.run(args);
        for line in ran.stdout.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{args:?}: {e}: {line}"));
            let problems: Vec<String> = whole.iter_errors(&value).map(|e| e.to_string()).collect();
            assert!(problems.is_empty(), "{args:?}: {line}\n{problems:#?}");
            if value.get("tools").is_some_and(Value::is_array) {
                assert!(plan.is_valid(&value), "{line}");
                let tools = value["tools"].as_array().into_iter().flatten();
                seen.extend(tools.filter_map(|t| Some(format!("tool {}", t["action"].as_str()?))));
            }
            seen.extend(value["event"].as_str().map(|e| format!("event {e}")));
            seen.extend(value["severity"].as_str().map(|s| format!("diagnostic {s}")));
        }
    };
    let program = |tools: &str| {
        sandbox.write("main.dts", format!("dts 1\n\nplugins {{ faulty = \"./libfaulty.so\" }}\n\n{tools}"));
    };
    program(
        "param unused: string = \"x\"\n\ntool a: faulty.Thing { name = \"a\" }\ntool b: faulty.Thing { name = \"b\", fault = \"clean\" }\ntool c: core.Value { value = b.at }\ntool d: faulty.Thing { name = \"d\", fault = \"retry\" }\ntool g: core.Value { value = 1 }\n",
    );
    check(&["check", "--json"]);
    check(&["plan", "--json"]);
    check(&["plan", "--json", "--only", "a", "-o", "the.plan"]);
    check(&["plan", "--json", "the.plan"]);
    check(&["apply", "-y", "--json", "-v"]);
    program(
        "tool e: faulty.Thing { name = \"a\" }\ntool d: faulty.Thing { name = \"dd\" }\ntool g: core.Value { value = 2 }\n\nmoved a -> e\n",
    );
    check(&["plan", "--json"]);
    check(&["apply", "-y", "--json"]);
    check(&["plan", "--json", "--only", "e"]);
    program("tool broken: faulty.Thing { nam = 1 }\n");
    check(&["check", "--json"]);
    check(&["plan", "--json"]);
    program("forget e\n");
    check(&["plan", "--json"]);
    check(&["apply", "-y", "--json"]);
    check(&["destroy", "-y", "--json"]);
    for wanted in [
        "tool create",
        "tool update",
        "tool replace",
        "tool delete",
        "tool forget",
        "tool no-op",
        "event plan",
        "event started",
        "event finished",
        "event failed",
        "event skipped",
        "event retrying",
        "event summary",
        "diagnostic error",
    ] {
        assert!(seen.contains(wanted), "{wanted} is not among {seen:?}");
    }
}
