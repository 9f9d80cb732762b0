//! The server as an editor meets it: messages in order, none unread, half-typed texts, floods, clients that die.

use dtm_tests::lsp::{Client, below, uri};
use dtm_tests::sandbox::Sandbox;
use serde_json::{Value, json};
use std::path::Path;

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

fn codes(problems: &[Value]) -> Vec<String> {
    problems.iter().map(|d| d["code"].as_str().unwrap_or("").to_string()).collect()
}

const TEXT: &str = "dts 1\n\nparam é: string = \"𝄞\"\ntool a: core.File { path = é, contnet = \"x\" }\n";

#[tokio::test]
async fn a_day_with_an_editor() {
    let sandbox = sandbox();
    let path = below(sandbox.path(), "main.dts");
    let mut client = Client::start().await;
    client.open(&path, TEXT).await;
    let problems = client.problems(&path, 1).await;
    assert_eq!(codes(&problems), ["E0303"]);
    let first = &problems[0];
    assert_eq!(first["range"]["start"], json!({ "line": 3, "character": 30 }));
    assert!(first["message"].as_str().is_some_and(|m| m.contains("`contnet`")), "{first}");
    // Its fix, applied.
    let range = first["range"].clone();
    let context = json!({ "diagnostics": [first] });
    let params = json!({ "textDocument": { "uri": uri(&path) }, "range": range, "context": context });
    let actions = client.ask("textDocument/codeAction", params).await;
    assert_eq!(actions[0]["title"], "write `content`");
    let edit = &actions[0]["edit"]["changes"][uri(&path)][0];
    assert_eq!((&edit["newText"], &edit["range"]), (&json!("content"), &range));
    client.change(&path, 2, [3, 30, 3, 37], "content").await;
    assert_eq!(client.problems(&path, 2).await, Vec::<Value>::new());
    // What stands there.
    let hover = client.at("textDocument/hover", &path, 3, 27).await;
    assert!(hover["contents"]["value"].as_str().is_some_and(|v| v.contains("param é: string")), "{hover}");
    let definition = client.at("textDocument/definition", &path, 3, 27).await;
    assert_eq!(definition["range"]["start"], json!({ "line": 2, "character": 6 }));
    let kind = client.at("textDocument/definition", &path, 3, 15).await;
    let interface = kind["uri"].as_str().and_then(|u| u.strip_prefix("file://")).expect("a file").to_string();
    assert!(std::fs::read_to_string(interface).expect("written for the editor").contains("kind File"));
    let symbols =
        client.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri(&path) } })).await;
    assert_eq!(symbols.as_array().map(Vec::len), Some(2));
    // A line is typed.
    client.change(&path, 3, [4, 0, 4, 0], "output x = a.\n").await;
    assert!(!client.problems(&path, 3).await.is_empty());
    let items = client.at("textDocument/completion", &path, 4, 13).await;
    let labels: Vec<&str> =
        items.as_array().expect("a list").iter().filter_map(|i| i["label"].as_str()).collect();
    assert_eq!(labels[..3], ["absolute", "sha256", "size"]);
    client.change(&path, 4, [4, 13, 4, 13], "size").await;
    assert_eq!(client.problems(&path, 4).await, Vec::<Value>::new());
    let references = client
        .ask(
            "textDocument/references",
            json!({ "textDocument": { "uri": uri(&path) }, "position": { "line": 2, "character": 6 }, "context": { "includeDeclaration": true } }),
        )
        .await;
    assert_eq!(references.as_array().map(Vec::len), Some(2));
    client.change(&path, 5, [4, 0, 4, 0], "let  y=1\n").await;
    client.problems(&path, 5).await;
    let options = json!({ "tabSize": 2, "insertSpaces": true });
    let edits = client
        .ask("textDocument/formatting", json!({ "textDocument": { "uri": uri(&path) }, "options": options }))
        .await;
    assert_eq!(edits[0]["newText"], "let y = 1\n");
    client.finish().await;
}

#[tokio::test]
async fn problems_of_data_and_modules_are_told_where_they_are() {
    let sandbox = sandbox();
    sandbox.write("s.yaml", "- name: 1\n");
    sandbox.write("b.dts", "dts 1\n\nlet x: int = \"no\"\n");
    let path = below(sandbox.path(), "main.dts");
    let text = "dts 1\n\nimport \"./s.yaml\" as s: [{ name: string }]\nimport \"./b.dts\" as b\n";
    let mut client = Client::start().await;
    client.open(&path, text).await;
    let data = below(sandbox.path(), "s.yaml");
    let module = below(sandbox.path(), "b.dts");
    for (file, code) in [(&data, "E0411"), (&module, "E0301")] {
        let uri = uri(file);
        let found = client.until(|m| m["params"]["uri"] == uri).await;
        assert_eq!(codes(found["params"]["diagnostics"].as_array().expect("a list")), [code]);
    }
    assert_eq!(client.problems(&path, 1).await, Vec::<Value>::new());
    // Mended on disk and saved: what was told of it is taken back.
    sandbox.write("s.yaml", "- name: one\n");
    client.tell("textDocument/didSave", json!({ "textDocument": { "uri": uri(&path) } })).await;
    let uri_of_data = uri(&data);
    let found = client.until(|m| m["params"]["uri"] == uri_of_data).await;
    assert_eq!(found["params"]["diagnostics"], json!([]));
    client.problems(&path, 1).await;
    let uri_of_module = uri(&module);
    client.until(|m| m["params"]["uri"] == uri_of_module).await;
    client.finish().await;
}

/// A simple generator, so that a failure can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

#[tokio::test]
async fn ten_thousand_edits_end_as_from_scratch() {
    let sandbox = sandbox();
    let path = below(sandbox.path(), "main.dts");
    let pieces = [
        "\n",
        "let x = 1\n",
        "{",
        "}",
        "\"",
        "é",
        "𝄞",
        "tool t: core.Value { value = x }\n",
        " ",
        "${x}",
        "(",
        "x",
        "/",
        "r\n",
    ];
    let mut text: Vec<u16> = TEXT.encode_utf16().collect();
    let mut random = Random(7);
    let mut client = Client::start().await;
    client.open(&path, TEXT).await;
    // Line and column of a UTF-16 unit, counted here in another way than in the server.
    let place = |text: &[u16], at: usize| {
        let line = text[..at].iter().filter(|u| **u == 10).count();
        let start = text[..at].iter().rposition(|u| *u == 10).map_or(0, |i| i + 1);
        (line as u64, (at - start) as u64)
    };
    for version in 2..10_002 {
        let mut start = random.below(text.len() + 1);
        let mut end = (start + random.below(4)).min(text.len());
        let inside = |text: &[u16], at: usize| text.get(at).is_some_and(|u| (0xdc00..0xe000).contains(u));
        while inside(&text, start) {
            start -= 1;
        }
        while inside(&text, end) {
            end += 1;
        }
        // The text does not grow without end.
        if text.len() > 3000 {
            end = (start + 200).min(text.len());
            while inside(&text, end) {
                end += 1;
            }
        }
        let piece = pieces[random.below(pieces.len())];
        let (from, to) = (place(&text, start), place(&text, end));
        client.change(&path, version, [from.0, from.1, to.0, to.1], piece).await;
        text.splice(start..end, piece.encode_utf16());
    }
    let edited = client.problems(&path, 10_001).await;
    client.waiting.clear();
    client.finish().await;
    let whole = String::from_utf16(&text).expect("whole pairs");
    let mut fresh = Client::start().await;
    fresh.open(&path, &whole).await;
    assert_eq!(edited, fresh.problems(&path, 1).await);
    fresh.finish().await;
}

#[tokio::test]
async fn a_flood_of_requests_that_are_taken_back() {
    let sandbox = sandbox();
    let path = below(sandbox.path(), "main.dts");
    let mut client = Client::start().await;
    client.open(&path, TEXT).await;
    client.problems(&path, 1).await;
    let mut ids = vec![];
    for n in 0..500 {
        let place = json!({ "line": 3, "character": n % 40 });
        let params = json!({ "textDocument": { "uri": uri(&path) }, "position": place });
        let id = client.post("textDocument/completion", params).await;
        client.tell("$/cancelRequest", json!({ "id": id })).await;
        ids.push(id);
    }
    for id in ids {
        let answer = client.answer(id).await;
        let cancelled = answer["error"]["code"] == -32800;
        assert!(cancelled || answer.get("result").is_some(), "{answer}");
    }
    let hover = client.at("textDocument/hover", &path, 2, 6).await;
    assert!(hover["contents"]["value"].is_string(), "the server lives: {hover}");
    client.finish().await;
}

#[tokio::test]
async fn texts_that_are_none_of_ours_and_clients_that_go_away() {
    let sandbox = sandbox();
    let mut client = Client::start().await;
    let binary: String = (0..2000u32).filter_map(|n| char::from_u32(n % 256)).collect();
    let huge = "let x = 1\n".repeat(500_000);
    for (name, text) in
        [("tree.dts", "/dts-v1/;\n/ { x = <1>; };\n"), ("binary.dts", &binary), ("huge.dts", &huge)]
    {
        let path = below(sandbox.path(), name);
        client.open(&path, text).await;
        let problems = client.problems(&path, 1).await;
        assert_eq!(problems.is_empty(), name != "binary.dts", "{name}: {}", problems.len());
        assert_eq!(client.at("textDocument/hover", &path, 0, 2).await, Value::Null, "{name}");
        client.waiting.clear();
    }
    // A file that is deleted while it is open, and a request about one that never was.
    let path = below(sandbox.path(), "gone.dts");
    std::fs::write(&path, "dts 1\n").expect("written");
    client.open(&path, "dts 1\n\nlet x = 1\n").await;
    std::fs::remove_file(&path).expect("removed");
    client
        .tell("workspace/didChangeWatchedFiles", json!({ "changes": [{ "uri": uri(&path), "type": 3 }] }))
        .await;
    assert!(client.at("textDocument/hover", &path, 2, 4).await["contents"]["value"].is_string());
    assert_eq!(client.at("textDocument/hover", &below(sandbox.path(), "never.dts"), 0, 0).await, Value::Null);
    client.hang_up().await;
}

#[tokio::test]
async fn devstreams_yaml_is_checked_while_it_is_written() {
    let sandbox = sandbox();
    let mut client = Client::start().await;
    let path = below(sandbox.path(), "config.yaml");
    let text = "config:\n  state: {backend: local}\ntools:\n- name: argocdapp\n  instanceID: shop\n  options:\n    app: {name: shop}\n    source: {path: helm, repoURL: \"https://example.org/shop\", tokne: x}\n";
    client.open(&path, text).await;
    let found = client.problems(&path, 1).await;
    assert_eq!(codes(&found), ["W0140"]);
    assert_eq!(found[0]["range"]["start"], json!({ "line": 7, "character": 62 }));
    client.finish().await;
    // Other YAML is none of ours.
    let mut client = Client::start().await;
    let other = below(sandbox.path(), "compose.yaml");
    client.open(&other, "services:\n  web: {image: nginx}\n").await;
    assert_eq!(client.problems(&other, 1).await, Vec::<Value>::new());
    client.finish().await;
}
