//! Every message between dtm and a plugin is what the published schema of the protocol says.

use dtm_tests::plugins::{copy_python, has};
use dtm_tests::sandbox::Sandbox;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Between dtm and the plugin: what passes is written down, a line each.
const TEE: &str = r#"#!/usr/bin/env python3
import os, subprocess, sys, threading

here = os.path.dirname(os.path.abspath(__file__))
inner = subprocess.Popen([sys.executable, os.path.join(here, "real.py")] + sys.argv[1:],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
log, lock = open(os.path.join(here, "messages"), "ab"), threading.Lock()

def copy(source, target, mark):
    for line in source:
        with lock:
            log.write(mark + line)
            log.flush()
        target.write(line)
        target.flush()
    target.close()

back = threading.Thread(target=copy, args=(inner.stdout, sys.stdout.buffer, b"< "))
back.start()
copy(sys.stdin.buffer, inner.stdin, b"> ")
back.join()
sys.exit(inner.wait())
"#;

/// The schema, of one of its parts.
fn part(schema: &Value, of: &str) -> Option<jsonschema::Validator> {
    schema["$defs"].get(of)?;
    let mut schema = schema.clone();
    let object = schema.as_object_mut().expect("an object");
    object.remove("oneOf");
    object.insert("$ref".into(), json!(format!("#/$defs/{of}")));
    Some(jsonschema::validator_for(&schema).expect("a schema"))
}

#[test]
fn every_message_is_in_the_schema() {
    if !has("python3") {
        return;
    }
    let schema = include_str!("../../../plugins/sdk/protocol-1.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    copy_python(&sandbox);
    std::fs::rename(sandbox.path().join("notes.py"), sandbox.path().join("real.py")).expect("renamed");
    sandbox.write("notes.py", TEE);
    assert_eq!(sandbox.shell("chmod +x notes.py real.py").code, 0);
    sandbox.write(
        "main.dts",
        "dts 1\n\nplugins { notes = \"./notes.py\" }\n\ntool a: notes.Note { name = \"a\", text = \"one\", token = \"a-token-of-tests\" }\ntool b: notes.Note { name = \"b\", text = \"${a.letters} letters\" }\n",
    );
    for line in ["apply -y", "plan", "verify", "destroy -y"] {
        let ran = sandbox.shell(&format!("dtm {line}"));
        assert_eq!(ran.code, 0, "{}", ran.transcript());
    }
    let log = std::fs::read_to_string(sandbox.path().join("messages")).expect("messages");
    let whole = jsonschema::validator_for(&schema).expect("a schema");
    let (mut asked, mut methods) = (BTreeMap::new(), BTreeSet::new());
    for line in log.lines() {
        let (way, text) = line.split_once(' ').expect("a direction");
        let message: Value = serde_json::from_str(text).expect("a message");
        let problem = whole.iter_errors(&message).map(|e| e.to_string()).next();
        assert_eq!(problem, None, "{line}");
        match (way, message["method"].as_str(), message["id"].as_u64()) {
            (">", Some(method), Some(id)) => {
                // A process numbers its own requests.
                asked.insert(id, method.to_string());
                methods.insert(method.to_string());
            }
            ("<", None, Some(id)) if message.get("result").is_some() => {
                let method = &asked[&id];
                let result = part(&schema, &format!("{method}.result"));
                let result = result.unwrap_or_else(|| panic!("{method} has no result in the schema"));
                let problem = result.iter_errors(&message["result"]).map(|e| e.to_string()).next();
                assert_eq!(problem, None, "{method}: {line}");
            }
            _ => {}
        }
    }
    for method in ["hello", "create", "read_many", "find", "delete"] {
        assert!(methods.contains(method), "{method} was not asked: {methods:?}");
    }
    // What is not a message is refused.
    for wrong in [
        json!({}),
        json!({ "id": 1, "method": "no-such-method", "params": {} }),
        json!({ "id": "1", "result": {} }),
    ] {
        assert!(!whole.is_valid(&wrong), "{wrong}");
    }
}
