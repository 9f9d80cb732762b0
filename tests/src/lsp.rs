//! A client of the language server, in the same process, that leaves no message unread.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

/// A client and its server.
pub struct Client {
    input: BufReader<ReadHalf<DuplexStream>>,
    output: Option<WriteHalf<DuplexStream>>,
    server: tokio::task::JoinHandle<()>,
    next: i64,
    /// Messages that came and were not asked for yet.
    pub waiting: Vec<Value>,
}

/// The address of a file.
pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

impl Client {
    /// Starts a server and shakes hands.
    pub async fn start() -> Client {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (input, output) = tokio::io::split(theirs);
        let loaders: dtm_lsp::Loaders = Arc::new(|folder| {
            let root = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
            Arc::new(dtm_engine::project::FileLoader::new(root, String::new(), &dtm_cli::EXTENSIONS))
        });
        let server = tokio::spawn(dtm_lsp::serve(input, output, loaders));
        let (input, output) = tokio::io::split(ours);
        let mut client =
            Client { input: BufReader::new(input), output: Some(output), server, next: 0, waiting: vec![] };
        let answer = client.ask("initialize", json!({ "capabilities": {} })).await;
        assert_eq!(answer["capabilities"]["positionEncoding"], "utf-16");
        client.tell("initialized", json!({})).await;
        client.until(|m| m["method"] == "window/logMessage").await;
        client
    }

    async fn send(&mut self, message: Value) {
        let body = message.to_string();
        let frame = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let output = self.output.as_mut().expect("not hung up");
        output.write_all(frame.as_bytes()).await.expect("the server reads");
    }

    /// Reads one message; none when the server hung up.
    pub async fn read(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.input.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim().split_once(": ") {
                Some(("Content-Length", n)) => length = n.parse().expect("a number"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.input.read_exact(&mut body).await.ok()?;
        Some(serde_json::from_slice(&body).expect("JSON"))
    }

    /// The next message that fits; those before it wait.
    pub async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&fits) {
            return self.waiting.remove(at);
        }
        loop {
            let message = self.read().await.expect("the server lives");
            if fits(&message) {
                return message;
            }
            self.waiting.push(message);
        }
    }

    /// Sends a request without waiting for its answer.
    pub async fn post(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let id = self.next;
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// The answer of a request.
    pub async fn answer(&mut self, id: i64) -> Value {
        self.until(|m| m["id"] == id && m.get("method").is_none()).await
    }

    /// Sends a request and gives its result.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.post(method, params).await;
        let answer = self.answer(id).await;
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// Sends a notification.
    pub async fn tell(&mut self, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Opens a text.
    pub async fn open(&mut self, path: &Path, text: &str) {
        let document = json!({ "uri": uri(path), "languageId": "dtm", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document })).await;
    }

    /// Edits a text; `range` is two pairs of line and column.
    pub async fn change(&mut self, path: &Path, version: i64, range: [u64; 4], text: &str) {
        let [a, b, c, d] = range;
        let range = json!({ "start": { "line": a, "character": b }, "end": { "line": c, "character": d } });
        let changes = json!([{ "range": range, "text": text }]);
        let document = json!({ "uri": uri(path), "version": version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }))
            .await;
    }

    /// What was published for a version of a file; what was published for older ones is dropped.
    pub async fn problems(&mut self, path: &Path, version: i64) -> Vec<Value> {
        let uri = uri(path);
        let found = self
            .until(|m| {
                let params = &m["params"];
                m["method"] == "textDocument/publishDiagnostics"
                    && params["uri"] == uri
                    && params["version"] == version
            })
            .await;
        self.waiting
            .retain(|m| m["params"]["uri"] != uri || m["params"]["version"].as_i64() >= Some(version));
        found["params"]["diagnostics"].as_array().cloned().unwrap_or_default()
    }

    /// A request about a place.
    pub async fn at(&mut self, method: &str, path: &Path, line: u64, character: u64) -> Value {
        let place = json!({ "line": line, "character": character });
        self.ask(method, json!({ "textDocument": { "uri": uri(path) }, "position": place })).await
    }

    /// Says good-bye; nothing may be left unread.
    pub async fn finish(mut self) {
        self.ask("shutdown", Value::Null).await;
        self.tell("exit", Value::Null).await;
        while let Some(message) = self.read().await {
            self.waiting.push(message);
        }
        assert_eq!(self.waiting, Vec::<Value>::new(), "messages that nobody read");
        self.server.await.expect("the server ended");
    }

    /// Goes away without a word; the server must end.
    pub async fn hang_up(mut self) {
        drop(self.output.take());
        drop(self.input);
        tokio::time::timeout(std::time::Duration::from_secs(20), self.server)
            .await
            .expect("the server ends with its client")
            .expect("it did not panic");
    }
}

/// A path in a sandbox, as the server sees it.
pub fn below(folder: &Path, name: &str) -> PathBuf {
    folder.canonicalize().expect("a folder").join(name)
}
