//! What the tools' server answers, as it is on the wire.

use bytes::BytesMut;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use llm_api::ToolDefinition;
use llm_api::sse;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::outbound::BoxError;

use crate::turn::ToolKind;

/// The largest answer that is read. Results for a model are far smaller.
const MOST_BYTES: usize = 8 << 20;

/// What a server answers to a JSON-RPC request.
#[derive(Debug, PartialEq)]
pub(super) enum RpcAnswer {
    Result(Value),
    Error {
        code: i64,
        message: String,
    },
    /// An answer of the HTTP layer.
    Status {
        status: StatusCode,
        detail: String,
    },
    /// Not an answer at all.
    Invalid(String),
}

/// A page of `tools/list`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub tools: Vec<ListedTool>,
    #[serde(default)]
    pub next_cursor: Option<String>,
    #[serde(default)]
    pub ttl_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedTool {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    input_schema: Option<Value>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotations {
    /// Absent means that the tool may change things.
    read_only_hint: bool,
}

impl ListedTool {
    /// As a model takes it; `None` if not every model would take its name.
    pub(super) fn usable(self) -> Option<(ToolKind, ToolDefinition)> {
        let kind = if self.annotations.read_only_hint { ToolKind::Read } else { ToolKind::Write };
        let parameters = self.input_schema.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
        is_tool_name(&self.name)
            .then_some((kind, ToolDefinition { name: self.name, description: self.description, parameters }))
    }
}

/// 1 to 64 letters, digits, `_` and `-`: what every vendor takes.
pub(crate) fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Reads an answer that is JSON, or a stream of events with the answer at its end.
pub(super) async fn read_answer(response: Response<Incoming>) -> Result<RpcAnswer, BoxError> {
    let (head, mut body) = response.into_parts();
    let kind = head.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    if !is_stream {
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                all.extend_from_slice(&data);
            }
            if all.len() > MOST_BYTES {
                return Ok(too_long());
            }
        }
        return Ok(understand(head.status, &all));
    }
    let mut decoder = sse::Decoder::new(MOST_BYTES);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if decoder.push(&data).is_err() {
            return Ok(too_long());
        }
        while let Some(event) = decoder.next_event() {
            // Anything without an id is a notification, such as of progress.
            if let Ok(message) = serde_json::from_str::<Value>(&event.data)
                && message.get("id").is_some()
            {
                return Ok(of_message(message));
            }
        }
    }
    Err("the stream ended without an answer".into())
}

fn understand(status: StatusCode, body: &[u8]) -> RpcAnswer {
    match serde_json::from_slice::<Value>(body) {
        Ok(message) if message.get("jsonrpc").is_some() => of_message(message),
        Ok(problem) if !status.is_success() => {
            let detail = problem.get("detail").or_else(|| problem.pointer("/error/message"));
            RpcAnswer::Status {
                status,
                detail: detail.and_then(Value::as_str).unwrap_or_default().to_owned(),
            }
        }
        Err(_) if !status.is_success() => RpcAnswer::Status { status, detail: String::new() },
        _ => RpcAnswer::Invalid("its answer is not JSON-RPC".to_owned()),
    }
}

fn of_message(mut message: Value) -> RpcAnswer {
    if let Some(result) = message.get_mut("result") {
        return RpcAnswer::Result(result.take());
    }
    match message.get("error") {
        Some(error) => RpcAnswer::Error {
            code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
            message: error.get("message").and_then(Value::as_str).unwrap_or("no message").to_owned(),
        },
        None => RpcAnswer::Invalid("its answer has neither a result nor an error".to_owned()),
    }
}

fn too_long() -> RpcAnswer {
    RpcAnswer::Invalid(format!("its answer is longer than {} MiB", MOST_BYTES >> 20))
}
