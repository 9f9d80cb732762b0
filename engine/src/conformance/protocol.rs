//! What concerns the plugin as a whole: what it says it is, and what it does with what is no right call.

use super::examinee::Examinee;
use super::report::{Report, Rule};
use crate::plugin::{CallError, Settings};
use dtm_plugin::protocol::{Call, Method, VERSIONS};
use serde_json::{Value, json};
use std::time::Duration;

/// A version of the protocol that nobody speaks.
const NEVER: u32 = u32::MAX;

/// How long a plugin may think about what it does not understand.
const SOON: Duration = Duration::from_secs(10);

/// Whether the plugin can be talked to at all.
pub(super) async fn greet(plugin: &Examinee, report: &mut Report) -> bool {
    let name = plugin.plugin.name.to_string();
    report.plugin = name.clone();
    let manifest = match plugin.hello(&VERSIONS).await {
        Ok(manifest) => manifest,
        Err(e) => {
            report.hold::<()>(&name, Rule::Hello, Err(e.to_string()));
            return false;
        }
    };
    report.plugin = format!("{name} {}", manifest.version);
    let said = |what: &str, found: &str, expected: &str| match found == expected {
        true => Ok(()),
        false => Err(format!("its {what} is `{found}`, and the interface says `{expected}`")),
    };
    let sorted = |kinds: Vec<String>| {
        let mut kinds = kinds;
        kinds.sort();
        kinds.join(", ")
    };
    let kinds = plugin.plugin.kinds.keys().map(|k| k.to_string()).collect();
    let version = match VERSIONS.contains(&manifest.protocol) {
        true => Ok(()),
        false => {
            Err(format!("it chose the version {} of the protocol, which was not offered", manifest.protocol))
        }
    };
    let right = said("name", &manifest.name, &name)
        .and_then(|()| said("interface hash", &manifest.interface, &plugin.plugin.hash))
        .and_then(|()| said("list of kinds", &sorted(manifest.kinds.clone()), &sorted(kinds)))
        .and(version);
    report.hold(&name, Rule::Hello, right).is_some()
}

/// What it does with what is no right call. The order is from harmless to rude.
pub(super) async fn behave(plugin: &Examinee, report: &mut Report) {
    let name = plugin.plugin.name.to_string();
    let refused = |what: &str, answer: Result<Value, CallError>| match answer {
        Err(CallError::Failed(_)) => Ok(()),
        Ok(_) => Err(format!("{what} is answered as if it were right")),
        Err(e) => Err(format!("{what}: {e}")),
    };
    let version = plugin.ask(Method::Hello, json!({ "versions": [NEVER], "engine": "0.0.0" }), SOON).await;
    report.hold(&name, Rule::Version, refused("a `hello` with no version in common", version));
    let method = plugin.ask("dance", json!({}), SOON).await;
    report.hold(&name, Rule::Unknown, refused("an unknown method", method));
    for method in [Method::Read, Method::Find, Method::Create, Method::Update, Method::Delete] {
        let call =
            Call { kind: "NoSuchKind".into(), op: "none".into(), id: "none".into(), ..Call::default() };
        let answer = plugin.call(&Settings::new(), method, call, SOON).await;
        report.hold(&name, Rule::Unknown, refused(&format!("`{method}` of an unknown kind"), answer));
    }
    for (what, line) in garbage() {
        let process = match plugin.process().await {
            Ok(process) => process,
            Err(e) => {
                report.hold::<()>(&name, Rule::Garbage, Err(e.to_string()));
                return;
            }
        };
        process.raw(&line);
        let alive = plugin.alive().await.map_err(|why| format!("after {what}: {why}"));
        report.hold(&name, Rule::Garbage, alive);
    }
}

/// Lines that are no right message: what they are, and the bytes.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let request = |params: Value| {
        // Above every id that the engine uses, so that an answer is not taken for another one.
        let message = json!({ "jsonrpc": "2.0", "id": 1u64 << 52, "method": "create", "params": params });
        message.to_string().into_bytes()
    };
    vec![
        ("an empty line", vec![]),
        ("a line that is not JSON", b"this is not a message".to_vec()),
        ("bytes that are not UTF-8", vec![0xff, 0xfe, 0x00, 0x80]),
        ("half a message", br#"{"jsonrpc":"2.0","id":4503599627370496,"method":"hel"#.to_vec()),
        ("a number", b"42".to_vec()),
        ("an empty list", b"[]".to_vec()),
        ("a message without a method", b"{}".to_vec()),
        ("a deeply nested list", [b"[".repeat(5000), b"]".repeat(5000)].concat()),
        ("params that are a text", request(json!("text"))),
        ("params that are a list", request(json!([1, 2]))),
        ("a call without a kind", request(json!({ "op": "none" }))),
        ("inputs that are a number", request(json!({ "kind": "NoSuchKind", "op": "none", "inputs": 7 }))),
        ("a mebibyte of one letter", vec![b'x'; 1 << 20]),
    ]
}

/// That no secret of the cases was said in clear.
pub(super) fn discretion(plugin: &Examinee, report: &mut Report) {
    let name = plugin.plugin.name.to_string();
    match plugin.heard.leak() {
        Ok(0) => {
            let why = "no case has a secret of six letters or more".to_string();
            report.note(&name, Rule::Secrets, super::Outcome::NotTried(why));
        }
        Ok(_) => _ = report.hold(&name, Rule::Secrets, Ok(())),
        Err(why) => _ = report.hold::<()>(&name, Rule::Secrets, Err(why)),
    }
}
