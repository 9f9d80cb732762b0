//! The messages between engine and plugin. A line is at most [`MAX_LINE`] bytes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The versions of the protocol that this crate speaks.
pub const VERSIONS: [u32; 1] = [1];

/// The longest line, checked before sending.
pub const MAX_LINE: usize = 16 << 20;

/// How many levels of lists and records one input, output or private value may have. A tag does not count as a level.
pub const MAX_DEPTH: usize = 64;

/// Whether a value has more levels of lists and records than a limit.
pub fn deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(items) => limit == 0 || items.iter().any(|v| deeper_than(v, limit - 1)),
        Value::Object(tag) if tag.contains_key(dtm_wire::TAG) => tag.values().any(|v| deeper_than(v, limit)),
        Value::Object(fields) => limit == 0 || fields.values().any(|v| deeper_than(v, limit - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The `id` of a message that cannot be parsed, so that it can still be answered: at the beginning of the message or, as
/// in answers of some plugins, at the end.
pub fn id_of(line: &[u8]) -> Option<u64> {
    const LOOK: usize = 256;
    let number = |text: &str, at: usize| -> Option<u64> {
        let rest = text.get(at + "\"id\"".len()..)?.trim_start().strip_prefix(':')?.trim_start();
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
    };
    let head = String::from_utf8_lossy(&line[..line.len().min(LOOK)]);
    let tail = String::from_utf8_lossy(&line[line.len().saturating_sub(LOOK)..]);
    // What stands behind `params` or `result` belongs to them, and what stands behind all brackets does not.
    let front =
        head.find("\"params\"").or(head.find("\"result\"")).or(head.find("\"error\"")).unwrap_or(head.len());
    let first = head[..front].find("\"id\"").and_then(|at| number(&head, at));
    first.or_else(|| {
        let behind =
            tail.rfind([']', '}']).and_then(|end| tail[..end].rfind([']', '}'])).map_or(0, |end| end + 1);
        tail[behind..].find("\"id\"").and_then(|at| number(&tail, behind + at))
    })
}

/// What one side asks the other, or notifies it of. A name that is none of these is an error of its receiver in a request, and
/// ignored in a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// The versions of the protocol, and the plugin's manifest.
    Hello,
    /// Settings; the answer is their handle.
    Configure,
    /// The identity of what is behind the settings.
    Place,
    /// Asks a running operation to end.
    Cancel,
    /// One object.
    Read,
    /// Many objects at once.
    ReadMany,
    /// The ids of the objects with a natural key.
    Find,
    /// The answers to many `find`.
    FindMany,
    /// The objects that exist.
    List,
    /// Checks inputs.
    Validate,
    /// Inputs in the plugin's canonical form.
    Normalize,
    /// What is known of an update before it is made.
    Plan,
    /// What the target says of a change before it is made.
    Preview,
    /// The files that a change writes.
    Files,
    /// A recorded object of an older version of the plugin.
    Upgrade,
    /// Creates an object.
    Create,
    /// Changes an object.
    Update,
    /// Deletes an object.
    Delete,
    /// From a plugin: an id that must be durable before it goes on.
    Checkpoint,
    /// From a plugin: how far an operation is.
    Progress,
    /// From a plugin: a line of its log, or a warning.
    Log,
    /// From a plugin: a text that must never be shown.
    Secret,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 22] = [
        Method::Hello,
        Method::Configure,
        Method::Place,
        Method::Cancel,
        Method::Read,
        Method::ReadMany,
        Method::Find,
        Method::FindMany,
        Method::List,
        Method::Validate,
        Method::Normalize,
        Method::Plan,
        Method::Preview,
        Method::Files,
        Method::Upgrade,
        Method::Create,
        Method::Update,
        Method::Delete,
        Method::Checkpoint,
        Method::Progress,
        Method::Log,
        Method::Secret,
    ];

    /// Its name in a message.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Hello => "hello",
            Method::Configure => "configure",
            Method::Place => "place",
            Method::Cancel => "cancel",
            Method::Read => "read",
            Method::ReadMany => "read_many",
            Method::Find => "find",
            Method::FindMany => "find_many",
            Method::List => "list",
            Method::Validate => "validate",
            Method::Normalize => "normalize",
            Method::Plan => "plan",
            Method::Preview => "preview",
            Method::Files => "files",
            Method::Upgrade => "upgrade",
            Method::Create => "create",
            Method::Update => "update",
            Method::Delete => "delete",
            Method::Checkpoint => "checkpoint",
            Method::Progress => "progress",
            Method::Log => "log",
            Method::Secret => "secret",
        }
    }

    /// The method with this name.
    pub fn named(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl AsRef<str> for Method {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

/// Values by name.
pub type Fields = Map<String, Value>;

/// A request. `id` is chosen by the sender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Always `2.0`.
    pub jsonrpc: String,
    /// Names the answer; absent in a notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// What is asked.
    pub method: String,
    /// With what.
    #[serde(default)]
    pub params: Value,
}

impl Request {
    /// A request, or without `id` a notification.
    pub fn new(id: Option<u64>, method: impl AsRef<str>, params: Value) -> Self {
        Request { jsonrpc: "2.0".into(), id, method: method.as_ref().into(), params }
    }
}

/// An answer: `result` or `error`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Response {
    /// Always `2.0`.
    pub jsonrpc: String,
    /// The request that it answers.
    pub id: u64,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// The error of an answer.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct RpcError {
    /// JSON-RPC's number; -32000 for a failed operation.
    pub code: i64,
    /// For a person.
    pub message: String,
    /// The class and what is there in spite of the failure.
    #[serde(default)]
    pub data: Box<ErrorData>,
}

/// What an error says besides its message.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct ErrorData {
    /// What the failure left behind.
    #[serde(default)]
    pub class: Class,
    /// `retryable`: not before this many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// `failed_partial`: what exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// The input that caused the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// What a failure left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing was changed.
    FailedClean,
    /// Something exists or was changed; it is broken.
    #[default]
    FailedPartial,
    /// Nothing was changed, and trying again may help.
    Retryable,
}

/// An object as a plugin gives it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Object {
    /// The plugin's name for it.
    pub id: String,
    /// Its outputs.
    #[serde(default)]
    pub outputs: Fields,
    /// Its inputs as they are really there; an absent one was not observed.
    #[serde(default)]
    pub inputs: Fields,
    /// `read`: what is not as it was applied although no input says so, a line each: `Deployment/web: spec.replicas`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// The plugin's own data.
    #[serde(default)]
    pub private: Value,
}

/// `hello`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Versions of the protocol that the engine speaks.
    pub versions: Vec<u32>,
    /// The engine's version.
    pub engine: String,
}

/// The answer to `hello`, and the manifest of a library.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the protocol.
    #[serde(default)]
    pub protocol: u32,
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its kinds.
    pub kinds: Vec<String>,
    /// SHA-256 of its interface file, in hexadecimal.
    pub interface: String,
    /// Optional questions (`place`, `find_many`, `validate`, `normalize`, `plan`, `preview`, `files`, `upgrade`, `list`) that it
    /// answers, with the kinds for which it does; for `place`, which is about the settings, all kinds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<String, Vec<String>>,
}

impl Manifest {
    /// Whether the plugin answers an optional question for a kind.
    pub fn can(&self, method: Method, kind: &str) -> bool {
        self.capabilities.get(method.name()).is_some_and(|kinds| kinds.iter().any(|k| k == kind))
    }
}

/// `configure`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Configure {
    /// The settings.
    pub settings: Value,
}

/// The answer to `configure`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Configured {
    /// Names the configuration in later calls.
    pub config: u64,
}

/// The answer to `place`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Placed {
    /// The identity of what is behind the settings: the UID of a cluster, the id of an account. Absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// `validate`, `read`, `find`, `create`, `update`, `delete`: every field that a call has no use for is empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Call {
    /// The configuration.
    #[serde(default)]
    pub config: u64,
    /// The kind.
    pub kind: String,
    /// The operation, for `create`, `update`, `delete`, `find`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// `upgrade`: the version that recorded it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What is wanted; for `read`, what was recorded; for `find`, the natural key.
    #[serde(default)]
    pub inputs: Fields,
    /// What was recorded, for `update` and `delete`.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub prior: Fields,
    /// The recorded outputs.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub outputs: Fields,
    /// The plugin's own data.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub private: Value,
    /// Milliseconds that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// `create`, `update`, `delete`: nanoseconds of this machine's clock since it was started, after which it must not be begun
    /// any more. The host looks at it; a plugin need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_before: Option<u64>,
}

/// `read_many`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadMany {
    /// One `read` each.
    pub calls: Vec<Call>,
}

/// One answer of `read_many`, in the order of the calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadResult {
    /// The target says definitely that it is not there.
    Absent,
    /// It is there.
    Object(Box<Object>),
    /// It could not be found out.
    Failed(RpcError),
}

/// `find_many`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindMany {
    /// One `find` each.
    pub calls: Vec<Call>,
}

/// One answer of `find_many`, in the order of the calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindResult {
    /// The ids of the objects with the natural key.
    Ids(Vec<String>),
    /// It could not be found out.
    Failed(RpcError),
}

/// The answer to `preview`: what the target says of a change.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Preview {
    /// Outputs that are known already.
    #[serde(default)]
    pub outputs: Fields,
    /// Reasons to replace the object instead.
    #[serde(default)]
    pub replace: Vec<String>,
    /// What a reader of the plan should know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One object of the answer to `list`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Listed {
    /// The plugin's name for it.
    pub id: String,
    /// Its natural key, as inputs of its kind.
    #[serde(default)]
    pub key: Fields,
}

/// One file of the answer to `files`: what a `create` or an `update` would write, change or remove. For a plan to show.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct PlannedFile {
    /// Where.
    pub path: String,
    /// What is there; none where nothing is. Bytes that are not UTF-8 are told as
    /// `\\0N bytes that are not text, sha256 HASH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The content afterwards; none if the file is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The file's mode before, where it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode_before: Option<String>,
    /// The file's mode after, where it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode_after: Option<String>,
    /// What a plan shows in place of a difference: why the file stays as it is although the tool no longer wants it. `before` and
    /// `after` are the same then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The file differs from what the tool wrote: it was changed outside of dtm, and is reverted unless it has a note.
    #[serde(default)]
    pub drift: bool,
}

/// `progress`, from the plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The operation.
    pub op: String,
    /// Steps done.
    #[serde(default)]
    pub done: u64,
    /// All steps, if known.
    #[serde(default)]
    pub total: Option<u64>,
    /// What it does now.
    pub text: String,
}

/// `checkpoint`, from the plugin: an id as soon as it is known. Acknowledged once it is durable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The operation.
    pub op: String,
    /// The object's id.
    pub id: String,
    /// What is known of it.
    #[serde(default)]
    pub partial: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tag_is_no_level() {
        let nested = |n: usize| (0..n).fold(json!(1), |inner, _| dtm_wire::secret(json!([inner])));
        assert!(!deeper_than(&nested(64), 64));
        assert!(deeper_than(&nested(65), 64));
        assert!(!deeper_than(&json!({ "a": [1] }), 2));
        assert!(deeper_than(&json!({ "a": [1] }), 1));
    }

    #[test]
    fn the_id_of_a_broken_line_is_found() {
        let of = |text: &str| id_of(text.as_bytes());
        assert_eq!(of(r#"{"jsonrpc":"2.0","id":7,"method":"read","params":{"id":"9"}"#), Some(7));
        assert_eq!(of(r#"{"jsonrpc": "2.0", "id": 12, "result": [[[["#), Some(12));
        assert_eq!(of(r#"{"result":{"id":"a","x":[[[1]]]},"id":3}"#), Some(3));
        assert_eq!(of(r#"{"result":{"id":5}}"#), None);
        assert_eq!(of("no JSON at all"), None);
    }
}
