//! Answers: in one piece, and as a stream of chunks.

use llm_api::Usage;
use serde_json::{Map, Value, json};

use crate::cost::dollars;
use crate::events::{Pending, RunStatus};
use crate::runner::{Report, StepView};

/// What a status is in OpenAI's words.
fn finish_reason(status: RunStatus) -> &'static str {
    match status {
        RunStatus::ClientTools => "tool_calls",
        RunStatus::Truncated => "length",
        RunStatus::Filtered | RunStatus::Blocked => "content_filter",
        _ => "stop",
    }
}

/// The body of an answer in one piece.
pub(crate) fn completion(report: &Report, created: u64, reasoning: &str) -> Value {
    let ending = report.ending.as_ref();
    let tool_calls = tool_calls(report);
    let refusal = ending.and_then(|ending| ending.refusal.as_deref());
    let content = match report.answer.as_str() {
        "" if !tool_calls.is_empty() || refusal.is_some() => Value::Null,
        answer => answer.into(),
    };
    let mut message = json!({"role": "assistant", "content": content, "refusal": refusal, "annotations": []});
    if !reasoning.is_empty() {
        message["reasoning_content"] = reasoning.into();
    }
    if !tool_calls.is_empty() {
        message["tool_calls"] = tool_calls.into();
    }
    let mut body = json!({
        "id": completion_id(report),
        "object": "chat.completion",
        "created": created,
        "model": report.model,
        "choices": [{
            "index": 0, "finish_reason": finish_reason(report.status()), "logprobs": null, "message": message,
        }],
        "usage": usage_view(&report.total()),
        "system_fingerprint": null,
        "service_tier": "default",
    });
    if let Value::Object(body) = &mut body {
        body.extend(extras(report));
    }
    body
}

/// Counts in OpenAI's way: input holds what came from the cache, output holds reasoning.
pub(crate) fn usage_view(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input(),
        "completion_tokens": usage.output(),
        "total_tokens": usage.total(),
        "prompt_tokens_details": {"cached_tokens": usage.input_cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.output_reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

/// What we say beyond OpenAI's words; its clients keep it or ignore it.
fn extras(report: &Report) -> Map<String, Value> {
    let by_step: Vec<_> = report.usage.iter().map(|step| usage_view(&step.usage)).collect();
    let mut run = json!({
        "id": report.run, "status": report.status().as_str(), "steps": report.steps, "usage_by_step": by_step,
        "model_emulated": report.model_emulated,
    });
    if let Some(pending) = report.ending.as_ref().and_then(|ending| ending.approval.as_ref()) {
        run["approval"] = approval(pending);
    }
    let cost = report.cost_nano_usd().map(dollars);
    let extras = json!({
        "session_id": report.session,
        "run": run,
        "cost": {"currency": "USD", "total": cost},
        "emulated": report.emulated,
    });
    match extras {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn approval(pending: &Pending) -> Value {
    let at =
        i64::try_from(pending.expires_at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    json!({
        "id": pending.id, "tool": pending.tool, "summary": pending.summary,
        "expires_at": at.map(|at| format!("{at:.0}")),
    })
}

fn tool_calls(report: &Report) -> Vec<Value> {
    let calls = report.ending.iter().flat_map(|ending| &ending.client_calls);
    calls
        .map(|call| {
            json!({
                "id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": call.arguments.to_string()},
            })
        })
        .collect()
}

fn completion_id(report: &Report) -> String {
    chunk_id(&report.run)
}

fn chunk_id(run: &str) -> String {
    format!("chatcmpl-{}", run.strip_prefix("run_").unwrap_or(run))
}

/// Writes the events of a stream; each is a whole `data:` line with its blank line.
pub(crate) struct Chunks {
    id: String,
    created: u64,
    model: String,
    /// The client asked for a usage chunk; the others then say that theirs is null.
    with_usage: bool,
    /// The usage holds the cost.
    with_cost: bool,
    has_begun: bool,
}

impl Chunks {
    pub(crate) const DONE: &'static str = "data: [DONE]\n\n";
    /// Ignored by clients; keeps proxies from cutting a quiet connection.
    pub(crate) const KEEP_ALIVE: &'static str = ": keep-alive\n\n";

    pub(crate) fn new(run: &str, created: u64, model: String, with_usage: bool, with_cost: bool) -> Self {
        Self { id: chunk_id(run), created, model, with_usage, with_cost, has_begun: false }
    }

    /// The first chunk, which says whose turn it is; nothing after that.
    pub(crate) fn begin(&mut self) -> String {
        if std::mem::replace(&mut self.has_begun, true) {
            return String::new();
        }
        self.delta(json!({"role": "assistant", "content": ""}))
    }

    pub(crate) fn text(&self, text: &str) -> String {
        self.delta(json!({"content": text}))
    }

    pub(crate) fn reasoning(&self, text: &str) -> String {
        self.delta(json!({"reasoning_content": text}))
    }

    pub(crate) fn tool_started(&self, id: &str, name: &str, arguments: &Value) -> String {
        self.run_event(json!({"type": "tool_started", "id": id, "name": name, "arguments": arguments}))
    }

    pub(crate) fn tool_finished(&self, step: &StepView) -> String {
        self.run_event(json!({
            "type": "tool_finished", "id": step.id, "name": step.name, "status": step.status,
            "duration_ms": step.duration_ms, "preview": step.result_preview,
        }))
    }

    pub(crate) fn approval_required(&self, pending: &Pending) -> String {
        let mut event = json!({"type": "approval_required"});
        if let (Value::Object(event), Value::Object(approval)) = (&mut event, approval(pending)) {
            event.extend(approval);
        }
        self.run_event(event)
    }

    /// Everything after the text of a run that ended well: calls, refusal, the end, and the usage if it was asked for.
    pub(crate) fn end(&self, report: &Report) -> String {
        let mut out = String::new();
        for (index, mut call) in tool_calls(report).into_iter().enumerate() {
            call["index"] = index.into();
            out.push_str(&self.delta(json!({"tool_calls": [call]})));
        }
        if let Some(refusal) = report.ending.as_ref().and_then(|ending| ending.refusal.as_ref()) {
            out.push_str(&self.delta(json!({"refusal": refusal})));
        }
        let mut last = self.chunk(json!([{
            "index": 0, "delta": {}, "logprobs": null, "finish_reason": finish_reason(report.status()),
        }]));
        last.extend(extras(report));
        out.push_str(&data(&Value::Object(last)));
        if self.with_usage {
            let mut usage = self.chunk(json!([]));
            let mut counts = usage_view(&report.total());
            if self.with_cost {
                counts["cost"] = report.cost_nano_usd().map(dollars).into();
            }
            usage.insert("usage".to_owned(), counts);
            out.push_str(&data(&Value::Object(usage)));
        }
        out
    }

    /// The last event of a stream that breaks off.
    pub(crate) fn error(error: &service_kit::ApiError) -> String {
        data(&service_kit::dialect::openai_error(error))
    }

    fn run_event(&self, event: Value) -> String {
        let mut chunk =
            self.chunk(json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": null}]));
        chunk.insert("run_event".to_owned(), event);
        data(&Value::Object(chunk))
    }

    fn delta(&self, delta: Value) -> String {
        let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]);
        data(&Value::Object(self.chunk(choices)))
    }

    fn chunk(&self, choices: Value) -> Map<String, Value> {
        let mut chunk = Map::new();
        chunk.insert("id".to_owned(), self.id.as_str().into());
        chunk.insert("object".to_owned(), "chat.completion.chunk".into());
        chunk.insert("created".to_owned(), self.created.into());
        chunk.insert("model".to_owned(), self.model.as_str().into());
        chunk.insert("choices".to_owned(), choices);
        if self.with_usage {
            chunk.insert("usage".to_owned(), Value::Null);
        }
        chunk
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}
