//! What is measured, under the names of OpenTelemetry's conventions for generative AI where it has some.

use std::time::Duration;

use llm_api::{Finish, LlmError, Usage};
use metrics::{counter, histogram};

use crate::turn::Input;

/// Says what the metrics mean.
pub(crate) fn describe() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!(
        "gen_ai_client_token_usage_total",
        "Tokens, by model and type (input, cached, output, reasoning)"
    );
    describe_histogram!(
        "gen_ai_client_operation_duration_seconds",
        Unit::Seconds,
        "Time of a call of the model, from sending to the end of the answer"
    );
    describe_counter!("gen_ai_cost_usd_total", "List price of all calls of a model, in US dollars");
    describe_counter!("gen_ai_tool_executions_total", "Tool calls, by tool and how they ended");
    describe_histogram!("gen_ai_tool_duration_seconds", Unit::Seconds, "Time of a tool call");
    describe_counter!("chat_runs_total", "Questions, by how they ended");
    describe_histogram!(
        "chat_run_duration_seconds",
        Unit::Seconds,
        "Time from a question to the end of its answer"
    );
}

pub(crate) fn model_call(model: &str, input: &Input, took: Duration) {
    let outcome = match input {
        Input::Answered(reply) => finish_word(&reply.finish),
        Input::Failed { error, .. } => error_word(error),
        _ => "cancelled",
    };
    histogram!("gen_ai_client_operation_duration_seconds", "model" => model.to_owned(), "outcome" => outcome)
        .record(took.as_secs_f64());
}

pub(crate) fn tokens(model: &str, usage: &Usage, cost_nano_usd: Option<i64>) {
    for (kind, count) in [
        ("input", usage.input_fresh + usage.input_cache_write + usage.tool_prompt),
        ("cached", usage.input_cached),
        ("output", usage.output_text),
        ("reasoning", usage.output_reasoning),
    ] {
        if count > 0 {
            counter!("gen_ai_client_token_usage_total", "model" => model.to_owned(), "type" => kind)
                .increment(count);
        }
    }
    if let Some(cost) = cost_nano_usd {
        // A counter counts whole numbers; a gauge holds the fraction.
        metrics::gauge!("gen_ai_cost_usd_total", "model" => model.to_owned()).increment(cost as f64 / 1e9);
    }
}

/// `tool` is a declared name, so there are few.
pub(crate) fn tool_call(tool: &str, status: &'static str, took: Duration) {
    counter!("gen_ai_tool_executions_total", "tool" => tool.to_owned(), "status" => status).increment(1);
    histogram!("gen_ai_tool_duration_seconds", "tool" => tool.to_owned()).record(took.as_secs_f64());
}

pub(crate) fn run(status: &'static str, took: Duration) {
    counter!("chat_runs_total", "status" => status).increment(1);
    histogram!("chat_run_duration_seconds", "status" => status).record(took.as_secs_f64());
}

pub(crate) fn finish_word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::ToolCalls => "tool_calls",
        Finish::Length | Finish::Continuation => "length",
        Finish::ContentFilter { .. } => "content_filter",
        Finish::PromptBlocked { .. } => "prompt_blocked",
        Finish::Malformed { .. } => "malformed",
        Finish::Other(_) => "other",
    }
}

pub(crate) fn error_word(error: &LlmError) -> &'static str {
    match error {
        LlmError::Unauthorized { .. } => "unauthorized",
        LlmError::Forbidden { .. } => "forbidden",
        LlmError::QuotaExhausted { .. } => "quota_exhausted",
        LlmError::RateLimited { .. } => "rate_limited",
        LlmError::Overloaded { .. } => "overloaded",
        LlmError::InvalidRequest { .. } => "invalid_request",
        LlmError::SignatureRejected { .. } => "signature_rejected",
        LlmError::CachedContentGone { .. } => "cached_content_gone",
        LlmError::ContextTooLong { .. } => "context_too_long",
        LlmError::ModelNotFound { .. } => "model_not_found",
        LlmError::Server { .. } => "server",
        LlmError::Unreachable(_) => "unreachable",
        LlmError::Broken(_) => "broken",
        LlmError::Timeout(_) => "timeout",
        LlmError::CutStream { .. } => "cut_stream",
        LlmError::Interrupted { .. } => "interrupted",
        LlmError::Protocol { .. } => "protocol",
        LlmError::Unsendable { .. } => "unsendable",
    }
}
