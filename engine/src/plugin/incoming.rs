//! What a plugin's process may say: one message a line, and nothing else.

use dtm_plugin::protocol::{Checkpoint, Request, Response, RpcError};
use serde_json::Value;

/// A message of a plugin.
#[derive(Debug)]
pub enum Incoming {
    /// An id that must become durable before this is answered.
    Checkpoint(u64, Checkpoint),
    /// Something to know: its method and params.
    Notification(String, Value),
    /// The answer to a request.
    Answer(u64, Result<Value, RpcError>),
}

/// Reads a line.
///
/// # Errors
/// When it is no message of the protocol: how it begins.
pub fn read(line: &[u8]) -> Result<Incoming, String> {
    let garbage = || {
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end().to_string();
        format!("it wrote something that is no message of the protocol: `{shown}`")
    };
    let value: Value = serde_json::from_slice(line).map_err(|_| garbage())?;
    if value.get("method").is_some() {
        let request: Request = serde_json::from_value(value).map_err(|_| garbage())?;
        return match (&*request.method, request.id) {
            ("checkpoint", Some(id)) => serde_json::from_value(request.params)
                .map(|c| Incoming::Checkpoint(id, c))
                .map_err(|_| garbage()),
            _ => Ok(Incoming::Notification(request.method, request.params)),
        };
    }
    let response: Response = serde_json::from_value(value).map_err(|_| garbage())?;
    Ok(Incoming::Answer(
        response.id,
        match response.error {
            Some(error) => Err(error),
            None => Ok(response.result.unwrap_or(Value::Null)),
        },
    ))
}
