//! What was called in a conversation, and what came back.

use serde_json::{Map, Value};

use crate::gemini::prompt::{Prompt, Role};
use crate::gemini::script::template;

/// A call and its result.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// The content that holds the call.
    pub(super) at: usize,
    pub(super) tool: String,
    pub(super) args: Map<String, Value>,
    /// The error is its text.
    pub(super) result: Result<Value, String>,
}

/// All exchanges of a conversation, in order.
pub(super) fn exchanges(prompt: &Prompt) -> Vec<Exchange> {
    let mut out = Vec::new();
    for (at, pair) in prompt.contents.windows(2).enumerate() {
        let [calls, responses] = pair else { continue };
        if calls.role != Role::Model || !responses.is_response() {
            continue;
        }
        for (position, (id, name, args)) in calls.calls().enumerate() {
            let answer =
                responses.responses().enumerate().find(|(index, (answered, _, _))| match (answered, id) {
                    (Some(answered), Some(id)) => *answered == id,
                    _ => *index == position,
                });
            if let Some((_, (_, _, response))) = answer {
                out.push(Exchange {
                    at,
                    tool: name.to_owned(),
                    args: args.clone(),
                    result: outcome(response),
                });
            }
        }
    }
    out
}

/// What a response says: the value, or the text of the error.
fn outcome(response: &Map<String, Value>) -> Result<Value, String> {
    if let Some(error) = response.get("error") {
        return Err(error_text(error));
    }
    let content = template::content(response);
    // A result as MCP has it.
    if content.get("isError") == Some(&Value::Bool(true)) {
        return Err(mcp_text(&content));
    }
    if let Some(structured) = content.get("structuredContent").filter(|value| value.is_object()) {
        return Ok(structured.clone());
    }
    if content.get("content").is_some_and(Value::is_array) && content.get("records").is_none() {
        return Ok(parsed(mcp_text(&content)));
    }
    match content {
        Value::String(text) => Ok(parsed(text)),
        other => Ok(other),
    }
}

fn error_text(error: &Value) -> String {
    match error {
        Value::String(text) => text.clone(),
        Value::Object(object) => {
            object.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned)
        }
        other => other.to_string(),
    }
}

fn mcp_text(result: &Value) -> String {
    let blocks = result["content"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// JSON if it is some, else the text.
fn parsed(text: String) -> Value {
    match serde_json::from_str::<Value>(&text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(text),
    }
}
