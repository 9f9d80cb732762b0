//! What a plugin's process may say: one message a line, and nothing else.

use dtm_plugin::protocol::{Checkpoint, MAX_DEPTH, Method, Request, Response, RpcError, id_of};
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

/// The levels that the parser reads.
const PARSED: usize = 127;

/// Whether arrays and objects are nested deeper than that; what is not JSON may be counted wrong.
fn nests_deeper(line: &[u8], limit: usize) -> bool {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    line.iter().any(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' if !is_string => depth += 1,
            b']' | b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limit
    })
}

/// Reads a line.
///
/// # Errors
/// When it is not a message of the protocol: how it begins.
pub fn read(line: &[u8]) -> Result<Incoming, String> {
    let garbage = || {
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end().to_string();
        format!("it wrote something that is not a message of the protocol: `{shown}`")
    };
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        // Deeper than the parser goes: an answer that is too deep, not an exit of the process.
        Err(_) if nests_deeper(line, PARSED) => {
            let id = id_of(line).ok_or_else(garbage)?;
            let message = format!("the plugin's answer is nested more than {MAX_DEPTH} levels deep");
            return Ok(Incoming::Answer(id, Err(RpcError { code: -32603, message, data: Box::default() })));
        }
        Err(_) => return Err(garbage()),
    };
    if value.get("method").is_some() {
        let request: Request = serde_json::from_value(value).map_err(|_| garbage())?;
        return match (Method::named(&request.method), request.id) {
            (Some(Method::Checkpoint), Some(id)) => serde_json::from_value(request.params)
                .map(|c| Incoming::Checkpoint(id, c))
                .map_err(|_| garbage()),
            _ => Ok(Incoming::Notification(request.method, request.params)),
        };
    }
    let response: Response = serde_json::from_value(value).map_err(|_| garbage())?;
    let answer = match response.error {
        Some(error) => Err(error),
        None => Ok(response.result.unwrap_or(Value::Null)),
    };
    Ok(Incoming::Answer(response.id, super::depth::answer(answer)))
}
