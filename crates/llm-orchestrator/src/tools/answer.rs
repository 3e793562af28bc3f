//! What a tool's answer means for the conversation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use rand::RngExt as _;
use serde_json::{Map, Value};

use super::preview::preview;
use super::wire::RpcAnswer;
use super::{ToolRequest, no_answer};
use crate::events::Pending;
use crate::turn::ToolOutcome;

/// Exact data up to this size is what the model reads; beyond it, the tool's text, which is denser.
const MOST_STRUCTURED_BYTES: usize = 12 << 10;
/// More text than that drowns the question.
const MOST_TEXT_BYTES: usize = 60 << 10;
/// As long as a tool's own question is good for.
const APPROVAL_LIFE: Duration = Duration::from_secs(600);
/// JSON-RPC's code for "something went wrong on our side".
const INTERNAL_ERROR: i64 = -32603;
/// Without letters and digits that look alike.
const ID_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// What the answer to a call means.
pub(super) fn outcome(answer: RpcAnswer, call: &ToolRequest<'_>) -> ToolOutcome {
    match answer {
        RpcAnswer::Result(result) => match result.get("resultType").and_then(Value::as_str) {
            Some("input_required") => question(&result, call),
            None | Some("complete") => of_result(&result),
            Some(_) => no_answer(call.writes, "the tool gave an answer of an unknown kind"),
        },
        // Something broke in the middle of it.
        RpcAnswer::Error { code: INTERNAL_ERROR, .. } => no_answer(call.writes, "the tool failed"),
        RpcAnswer::Error { message, .. } => {
            ToolOutcome::NotDone { why: format!("the tools' server refused the call: {message}") }
        }
        RpcAnswer::Status { status, detail } if status.is_client_error() => {
            let why = match status {
                StatusCode::UNAUTHORIZED => "the tools' server does not know the caller".to_owned(),
                StatusCode::FORBIDDEN => format!("the caller may not do this: {detail}"),
                StatusCode::TOO_MANY_REQUESTS => "too many calls at the moment; wait a little".to_owned(),
                _ => format!("the tools' server refused the call ({status}) {detail}"),
            };
            ToolOutcome::NotDone { why }
        }
        RpcAnswer::Status { .. } => no_answer(call.writes, "the tools' server failed"),
        RpcAnswer::Invalid(_) => no_answer(call.writes, "the tool's answer cannot be read"),
    }
}

fn of_result(result: &Value) -> ToolOutcome {
    let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
    let emulated = result.pointer("/_meta/pyairtable~1emulated").and_then(Value::as_bool).unwrap_or(false);
    let structured = result.get("structuredContent").filter(|value| value.is_object());
    let fits = |value: &&Value| value.to_string().len() <= MOST_STRUCTURED_BYTES;
    let text = text(result);
    let preview = preview(&text, structured);
    let content = match structured.filter(fits) {
        Some(exact) if !is_error => exact.clone(),
        _ if text.is_empty() => cut(&structured.map(Value::to_string).unwrap_or_default()).into(),
        _ => cut(&text).into(),
    };
    let code = result.pointer("/_meta/pyairtable~1error/code").and_then(Value::as_str);
    match (is_error, code) {
        (true, Some("outcome_unknown")) => ToolOutcome::Unclear { content, preview },
        (true, _) => ToolOutcome::Error { content, preview },
        (false, _) => ToolOutcome::Ok { content, preview, emulated },
    }
}

/// The text blocks; others are named, since a model that does not hear of them takes the answer for empty.
fn text(result: &Value) -> String {
    let blocks = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let texts = blocks.iter().map(|block| match block.get("type").and_then(Value::as_str) {
        Some("text") => block.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Some(kind) => format!("[{kind}, not shown]"),
        None => String::new(),
    });
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The text as far as it fits, by whole lines, with an honest word about the rest.
fn cut(text: &str) -> String {
    if text.len() <= MOST_TEXT_BYTES {
        return text.to_owned();
    }
    let all = text.lines().count();
    let mut end = 0;
    let mut shown = 0;
    for line in text.split_inclusive('\n') {
        if end + line.len() > MOST_TEXT_BYTES {
            break;
        }
        end += line.len();
        shown += 1;
    }
    if shown == 0 {
        end = text.floor_char_boundary(MOST_TEXT_BYTES);
        return format!(
            "{}\n[cut here: {end} of {} bytes are shown; ask for less: fewer fields, a filter, a smaller limit]",
            &text[..end],
            text.len()
        );
    }
    format!(
        "{}[cut here: lines 1 to {shown} of {all} are shown; ask for less: fewer fields, a filter, a smaller limit]",
        &text[..end]
    )
}

/// A question for the user that can be answered with yes or no.
fn question(result: &Value, call: &ToolRequest<'_>) -> ToolOutcome {
    let unanswerable = || ToolOutcome::NotDone {
        why: "the tool asks for more than a yes, which this chat cannot give".to_owned(),
    };
    let Some(requests) = result.get("inputRequests").and_then(Value::as_object) else {
        return unanswerable();
    };
    let Some((name, request)) = requests.iter().next().filter(|_| requests.len() == 1) else {
        return unanswerable();
    };
    let params = request.get("params");
    let summary = params.and_then(|params| params.get("message")).and_then(Value::as_str);
    let schema = params.and_then(|params| params.get("requestedSchema"));
    let is_form = request.get("method").and_then(Value::as_str) == Some("elicitation/create");
    let (true, Some(summary), Some(consent)) = (is_form, summary, consent(schema)) else {
        return unanswerable();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let expires_at_ms = u64::try_from((now + APPROVAL_LIFE).as_millis()).unwrap_or(u64::MAX);
    ToolOutcome::Asks(Box::new(Pending {
        id: mint_id(&mut rand::rng()),
        tool: call.tool.to_owned(),
        summary: summary.to_owned(),
        question: name.clone(),
        consent,
        state: result.get("requestState").and_then(Value::as_str).map(str::to_owned),
        expires_at_ms,
    }))
}

/// "Yes" in the form of a schema: every boolean is true, everything else has its default. `None`: something else is needed.
fn consent(schema: Option<&Value>) -> Option<Value> {
    let mut form = Map::new();
    let Some(schema) = schema else { return Some(Value::Object(form)) };
    let required: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if property.get("type").and_then(Value::as_str) == Some("boolean") {
            form.insert(name.clone(), true.into());
        } else if let Some(default) = property.get("default") {
            form.insert(name.clone(), default.clone());
        } else if required.contains(&name.as_str()) {
            return None;
        }
    }
    Some(Value::Object(form))
}

fn mint_id(random: &mut impl rand::Rng) -> String {
    (0..6).map(|_| char::from(ID_LETTERS[random.random_range(0..ID_LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(writes: bool) -> ToolRequest<'static> {
        ToolRequest { tool: "delete_records", arguments: &Value::Null, writes, ask: false, approved: None }
    }

    #[test]
    fn exact_data_is_preferred_and_text_stands_in_where_it_is_too_much() {
        let small = json!({"content": [{"type": "text", "text": "a,b"}], "structuredContent": {"rows": 1}});
        assert!(
            matches!(of_result(&small), ToolOutcome::Ok { content, .. } if content == json!({"rows": 1}))
        );
        let rows = vec!["x".repeat(100); 1000];
        let large =
            json!({"content": [{"type": "text", "text": "dense"}], "structuredContent": {"rows": rows}});
        assert!(matches!(of_result(&large), ToolOutcome::Ok { content, .. } if content == json!("dense")));
    }

    #[test]
    fn an_error_is_its_text() {
        let error = json!({"isError": true, "content": [{"type": "text", "text": "no such table"}], "structuredContent": {"a": 1}});
        assert!(
            matches!(of_result(&error), ToolOutcome::Error { content, .. } if content == json!("no such table"))
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_at_a_line_and_said() {
        let text = "0123456789\n".repeat(10_000);
        let cut = cut(&text);
        assert!(cut.len() < MOST_TEXT_BYTES + 200);
        let (shown, note) = cut.rsplit_once('\n').unwrap();
        assert_eq!(shown.lines().count(), 5585);
        assert!(note.contains("lines 1 to 5585 of 10000"), "{note}");
        assert!(super::cut(&"ä".repeat(60_000)).contains("61440 of 120000 bytes"));
    }

    #[test]
    fn a_question_of_yes_or_no_becomes_an_approval() {
        let result = json!({
            "resultType": "input_required", "requestState": "rs1.x",
            "inputRequests": {"confirm": {"method": "elicitation/create", "params": {
                "mode": "form", "message": "Delete 2 records?",
                "requestedSchema": {"type": "object", "properties": {"confirm": {"type": "boolean"}, "note": {"type": "string"}}, "required": ["confirm"]},
            }}},
        });
        let ToolOutcome::Asks(pending) = outcome(RpcAnswer::Result(result), &call(true)) else { panic!() };
        assert_eq!((pending.summary.as_str(), pending.question.as_str()), ("Delete 2 records?", "confirm"));
        assert_eq!(pending.consent, json!({"confirm": true}));
        assert_eq!(pending.state.as_deref(), Some("rs1.x"));
        assert_eq!(pending.id.len(), 6);
    }

    #[test]
    fn a_question_that_needs_words_is_refused() {
        let result = json!({
            "resultType": "input_required",
            "inputRequests": {"name": {"method": "elicitation/create", "params": {
                "message": "Your name?", "requestedSchema": {"properties": {"name": {"type": "string"}}, "required": ["name"]},
            }}},
        });
        assert!(matches!(outcome(RpcAnswer::Result(result), &call(true)), ToolOutcome::NotDone { .. }));
    }

    #[test]
    fn only_what_changes_something_is_of_unknown_outcome() {
        let lost = || RpcAnswer::Status { status: StatusCode::BAD_GATEWAY, detail: String::new() };
        assert!(matches!(outcome(lost(), &call(true)), ToolOutcome::Unknown { .. }));
        assert!(matches!(outcome(lost(), &call(false)), ToolOutcome::NotDone { .. }));
        let unclear = json!({
            "isError": true, "content": [{"type": "text", "text": "Do not repeat it"}], "_meta": {"pyairtable/error": {"code": "outcome_unknown"}},
        });
        assert!(matches!(outcome(RpcAnswer::Result(unclear), &call(true)), ToolOutcome::Unclear { .. }));
        let refused = RpcAnswer::Error { code: -32602, message: "requestState did not verify".to_owned() };
        assert!(matches!(outcome(refused, &call(true)), ToolOutcome::NotDone { .. }));
    }
}
