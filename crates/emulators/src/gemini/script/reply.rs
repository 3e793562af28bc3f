//! What a turn of a script answers, with its templates still in it.

use std::time::Duration;

use serde_json::{Value, json};

use super::read::{At, Object, Problems};
use super::template;
use crate::gemini::errors::{GeminiError, Quota, status_of};
use crate::gemini::prompt::Prompt;
use crate::gemini::proto::decode_bytes;
use crate::gemini::reply::{
    CallId, Cut, End, FunctionCall, Outcome, Piece, Reply, SignaturePlace, UsageOverride,
};

const KEYS: [&str; 18] = [
    "text",
    "json",
    "thoughts",
    "calls",
    "parts",
    "finish",
    "finish_message",
    "malformed",
    "usage",
    "signature",
    "continuation",
    "delay_ms",
    "chunk_delay_ms",
    "split_bytes",
    "cut",
    "stream_error",
    "hang",
    "echo",
];

/// An answer to be filled in.
#[derive(Debug, Clone)]
pub(super) enum ReplyTemplate {
    Answer { reply: Box<Reply>, echo: bool },
    Blocked(String),
    Error { error: GeminiError, exhausted: Option<(Quota, Option<Duration>)> },
}

impl ReplyTemplate {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        let object = at.object(problems)?;
        if let Some(block) = object.get("block") {
            object.only(&["block"], problems);
            return match block.value {
                Value::Bool(true) => Some(Self::Blocked("PROHIBITED_CONTENT".to_owned())),
                _ => block.text(problems).map(|reason| Self::Blocked(reason.to_owned())),
            };
        }
        if let Some(error) = object.get("error") {
            object.only(&["error", "delay_ms"], problems);
            return failure(&error, problems);
        }
        object.only(&KEYS, problems);
        object.at_most_one(&["parts", "text", "json", "echo"], problems);
        object.at_most_one(&["parts", "thoughts"], problems);
        object.at_most_one(&["parts", "calls"], problems);
        object.at_most_one(&["cut", "stream_error", "hang"], problems);
        let echo = object.get("echo").and_then(|at| at.switch(problems)).unwrap_or_default();
        let mut reply = Reply { pieces: pieces(&object, problems), ..Reply::default() };
        ending(&object, &mut reply, problems);
        pace(&object, &mut reply, problems);
        let says_nothing = reply.pieces.is_empty() && reply.finish.is_none() && !echo;
        if says_nothing {
            let what =
                "says nothing: give text, json, thoughts, calls, parts, finish, malformed, block or error";
            return at.wrong(what, problems);
        }
        Some(Self::Answer { reply: Box::new(reply), echo })
    }

    /// Fills in templates.
    pub(super) fn render(&self, prompt: &Prompt, model: &str) -> Result<Outcome, String> {
        Ok(match self {
            Self::Blocked(reason) => Outcome::Blocked(reason.clone()),
            Self::Error { exhausted: Some((quota, wait)), .. } => {
                Outcome::Error(GeminiError::exhausted(*quota, 10, model, *wait))
            }
            Self::Error { error, .. } => Outcome::Error(error.clone()),
            Self::Answer { reply, echo } => {
                let mut reply = (**reply).clone();
                if *echo {
                    reply.pieces.push(Piece::Text(vec![prompt.last_user_text()]));
                }
                for piece in &mut reply.pieces {
                    match piece {
                        Piece::Thought(texts) | Piece::Text(texts) => {
                            for text in texts {
                                *text = template::fill_text(text, prompt)?;
                            }
                        }
                        Piece::Call(call) => call.args = template::fill(&call.args, prompt)?,
                    }
                }
                reply.into()
            }
        })
    }
}

/// `parts` in order, or `thoughts`, then `text` or `json`, then `calls`.
fn pieces(object: &Object<'_>, problems: &mut Problems) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if let Some(parts) = object.get("parts") {
        for part in parts.items(problems) {
            let Some(entry) = part.object(problems) else { continue };
            entry.only(&["thought", "text", "call"], problems);
            entry.at_most_one(&["thought", "text", "call"], problems);
            if let Some(at) = entry.get("thought") {
                pieces.extend(checked_texts(&at, problems).map(Piece::Thought));
            } else if let Some(at) = entry.get("text") {
                pieces.extend(checked_texts(&at, problems).map(Piece::Text));
            } else if let Some(at) = entry.get("call") {
                pieces.extend(call(&at, problems).map(Piece::Call));
            } else {
                problems.add(&part.path, "must have one of thought, text, call");
            }
        }
        return pieces;
    }
    if let Some(at) = object.get("thoughts") {
        pieces.extend(checked_texts(&at, problems).map(Piece::Thought));
    }
    if let Some(at) = object.get("text") {
        pieces.extend(checked_texts(&at, problems).map(Piece::Text));
    }
    if let Some(at) = object.get("json") {
        pieces.push(Piece::Text(vec![at.value.to_string()]));
    }
    if let Some(at) = object.get("calls") {
        for item in at.items(problems) {
            pieces.extend(call(&item, problems).map(Piece::Call));
        }
    }
    pieces
}

fn checked_texts(at: &At<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let texts = at.texts(problems)?;
    for text in &texts {
        if let Err(problem) = template::check(text) {
            problems.add(&at.path, problem);
        }
    }
    Some(texts)
}

fn call(at: &At<'_>, problems: &mut Problems) -> Option<FunctionCall> {
    let object = at.object(problems)?;
    object.only(&["name", "args", "id"], problems);
    let name = match object.get("name") {
        Some(name) => name.text(problems)?.to_owned(),
        None => return at.wrong("needs a name", problems),
    };
    let args = object.get("args");
    if let Some(args) = &args {
        check_templates(args.value, &args.path, problems);
    }
    let id = match object.get("id") {
        None => CallId::Minted,
        Some(At { value: Value::Null, .. }) => CallId::None,
        Some(id) => CallId::Given(id.text(problems)?.to_owned()),
    };
    Some(FunctionCall { id, name, args: args.map_or_else(|| json!({}), |args| args.value.clone()) })
}

fn check_templates(value: &Value, path: &str, problems: &mut Problems) {
    match value {
        Value::String(text) => {
            if let Err(problem) = template::check(text) {
                problems.add(path, problem);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_templates(item, &format!("{path}[{index}]"), problems);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                check_templates(item, &format!("{path}.{key}"), problems);
            }
        }
        _ => {}
    }
}

/// Finish reason, usage, signature, continuation.
fn ending(object: &Object<'_>, reply: &mut Reply, problems: &mut Problems) {
    if let Some(at) = object.get("finish") {
        reply.finish = at.text(problems).map(str::to_owned);
    }
    if let Some(at) = object.get("malformed")
        && at.switch(problems) == Some(true)
    {
        reply.finish = Some("MALFORMED_FUNCTION_CALL".to_owned());
        reply.finish_message = Some("Malformed function call".to_owned());
    }
    if let Some(at) = object.get("finish_message") {
        reply.finish_message = at.text(problems).map(str::to_owned);
    }
    if let Some(at) = object.get("usage")
        && let Some(usage) = at.object(problems)
    {
        usage.only(&["prompt", "cached", "candidates", "thoughts", "tool_use"], problems);
        let mut count = |key: &str| usage.get(key).and_then(|at| at.count(problems));
        reply.usage = UsageOverride {
            prompt: count("prompt"),
            cached: count("cached"),
            candidates: count("candidates"),
            thoughts: count("thoughts"),
            tool_use: count("tool_use"),
        };
    }
    if let Some(at) = object.get("signature") {
        reply.signature = match at.text(problems) {
            Some("usual") | None => SignaturePlace::Usual,
            Some("empty_part") => SignaturePlace::EmptyPart,
            Some("none") => SignaturePlace::None,
            Some(_) => {
                problems.add(&at.path, "must be usual, empty_part or none");
                SignaturePlace::Usual
            }
        };
    }
    if let Some(at) = object.get("continuation") {
        reply.continuation = match at.value {
            Value::Bool(true) => Some(b"more to come".to_vec()),
            Value::String(text) => decode_bytes(text).or_else(|| at.wrong("is not base64", problems)),
            _ => at.wrong("must be true or base64", problems),
        };
        reply.finish.get_or_insert_with(|| "CONTINUATION".to_owned());
    }
}

/// Delays, cuts, errors in mid-stream.
fn pace(object: &Object<'_>, reply: &mut Reply, problems: &mut Problems) {
    let millis = |key: &str, problems: &mut Problems| {
        object.get(key).and_then(|at| at.count(problems)).map(Duration::from_millis)
    };
    reply.delay = millis("delay_ms", problems).unwrap_or_default();
    reply.chunk_delay = millis("chunk_delay_ms", problems);
    if let Some(at) = object.get("split_bytes") {
        reply.split_bytes = at.count(problems).map(|size| size.max(1) as usize);
    }
    if let Some(at) = object.get("cut")
        && let Some(cut) = at.object(problems)
    {
        cut.only(&["after_chunks", "how"], problems);
        let how = match cut.get("how").map(|at| (at.text(problems), at.path)) {
            None | Some((Some("connection"), _)) => Cut::Connection,
            Some((Some("inside_chunk"), _)) => Cut::InsideChunk,
            Some((Some("body"), _)) => Cut::Body,
            Some((_, path)) => {
                problems.add(&path, "must be connection, inside_chunk or body");
                Cut::Connection
            }
        };
        reply.end = End::Cut { after_chunks: after_chunks(&cut, problems), how };
    }
    if let Some(at) = object.get("stream_error")
        && let Some(fail) = at.object(problems)
    {
        fail.only(&["after_chunks", "code", "status", "message"], problems);
        reply.end =
            End::Fail { after_chunks: after_chunks(&fail, problems), error: rpc_error(&fail, 503, problems) };
    }
    if let Some(at) = object.get("hang")
        && let Some(hang) = at.object(problems)
    {
        hang.only(&["after_chunks", "ms"], problems);
        let time = hang.get("ms").and_then(|at| at.count(problems)).map(Duration::from_millis);
        if time.is_none() {
            problems.add(&at.path, "needs ms, how long nothing comes");
        }
        reply.end = End::Hang { after_chunks: after_chunks(&hang, problems), time: time.unwrap_or_default() };
    }
}

fn after_chunks(object: &Object<'_>, problems: &mut Problems) -> usize {
    object.get("after_chunks").and_then(|at| at.count(problems)).unwrap_or(1) as usize
}

fn rpc_error(object: &Object<'_>, default: u16, problems: &mut Problems) -> GeminiError {
    let code = object.get("code").and_then(|at| match at.count(problems)? {
        code @ 400..=599 => Some(code as u16),
        _ => at.wrong("must be a status from 400 to 599", problems),
    });
    let code = code.unwrap_or(default);
    let mut error = match code {
        503 => GeminiError::overloaded(),
        500 => GeminiError::internal(),
        504 => GeminiError::deadline(),
        429 => GeminiError::exhausted(Quota::RequestsPerMinute, 10, "", None),
        400 => GeminiError::invalid("Request contains an invalid argument."),
        code => GeminiError::new(code, status_of(code)),
    };
    if let Some(message) = object.get("message").and_then(|at| at.text(problems)) {
        error.message = message.to_owned();
    }
    if let Some(status) = object.get("status").and_then(|at| at.text(problems)) {
        error.status = status.to_owned();
    }
    error
}

/// `{"code": 429, "quota": "minute", "retry_after_ms": 2000}`
fn failure(at: &At<'_>, problems: &mut Problems) -> Option<ReplyTemplate> {
    let object = at.object(problems)?;
    object.only(&["code", "status", "message", "quota", "retry_after_ms", "details"], problems);
    let mut error = rpc_error(&object, 500, problems);
    if let Some(at) = object.get("details") {
        error.details = at.items(problems).into_iter().map(|item| item.value.clone()).collect();
    }
    let wait = object.get("retry_after_ms").and_then(|at| at.count(problems)).map(Duration::from_millis);
    let quota = match object.get("quota") {
        None => None,
        Some(at) => match at.text(problems)? {
            "minute" => Some(Quota::RequestsPerMinute),
            "tokens" => Some(Quota::TokensPerMinute),
            "day" => Some(Quota::RequestsPerDay),
            _ => return at.wrong("must be minute, tokens or day", problems),
        },
    };
    if error.code != 429 && (quota.is_some() || wait.is_some()) {
        problems.add(&at.path, "quota and retry_after_ms go with code 429");
    }
    let is_plain = object.entries.keys().any(|key| ["message", "status", "details"].contains(&key.as_str()));
    let exhausted = (error.code == 429 && !is_plain).then(|| {
        let quota = quota.unwrap_or(Quota::RequestsPerMinute);
        // A quota that is named has details; without both there are none, as happens.
        (quota, wait.or(object.get("quota").map(|_| Duration::from_secs(26))))
    });
    Some(ReplyTemplate::Error { error, exhausted })
}
