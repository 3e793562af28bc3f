//! From the turns of a conversation to Gemini's contents.
//!
//! Source: <https://ai.google.dev/api/caching#Content>, <https://ai.google.dev/gemini-api/docs/function-calling>

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::encode::model_id;
use crate::{Adjustment, ModelTurn, Part, Request, ToolCall, ToolResult, Turn, UserPart, Vendor};

/// Base64 of `skip_thought_signature_validator`, which stands for a signature that we do not have.
///
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>
const NO_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// A turn.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    /// As the vendor wrote it.
    Verbatim(&'a RawValue),
    Built {
        role: &'static str,
        parts: Vec<WirePart<'a>>,
    },
}

/// Exactly one of the first four is there. Everything is borrowed: histories are long, and sent with every step.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    args: &'a Value,
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome<'a> {
    Output(&'a Value),
    Error(&'a Value),
}

/// The conversation; turns that had to be rebuilt are told.
pub(super) fn contents<'a>(
    request: &'a Request,
    key_id: &str,
    adjustments: &mut Vec<Adjustment>,
) -> Vec<Content<'a>> {
    let mut contents = Vec::with_capacity(request.turns.len());
    let mut calls: Vec<&ToolCall> = Vec::new();
    let mut rebuilt = 0;
    for turn in &request.turns {
        match turn {
            Turn::User(parts) => contents.push(Content::Built { role: "user", parts: user_parts(parts) }),
            Turn::Model(turn) => {
                calls = turn.tool_calls().collect();
                if let Some(raw) = verbatim(turn, request, key_id) {
                    contents.push(Content::Verbatim(raw));
                    continue;
                }
                rebuilt += usize::from(turn.raw.is_some());
                let parts = model_parts(turn);
                // The vendor refuses a turn without parts; a model that said nothing needs none.
                if !parts.is_empty() {
                    contents.push(Content::Built { role: "model", parts });
                }
            }
            Turn::ToolResults(results) => {
                let parts = result_parts(results, &std::mem::take(&mut calls));
                contents.push(Content::Built { role: "user", parts });
            }
        }
    }
    if rebuilt > 0 {
        adjustments.push(Adjustment::TurnsRebuilt { count: rebuilt });
    }
    contents
}

/// The turn in the vendor's own words, if it was said by this model to this key.
fn verbatim<'a>(turn: &'a ModelTurn, request: &Request, key_id: &str) -> Option<&'a RawValue> {
    let raw = turn.raw.as_ref().filter(|_| !request.rebuild_history)?;
    let is_same = raw.vendor == Vendor::Gemini
        && model_id(&raw.model) == model_id(&request.model)
        && raw.key_id == key_id;
    is_same.then_some(&*raw.content)
}

fn user_parts(parts: &[UserPart]) -> Vec<WirePart<'_>> {
    parts.iter().map(user_part).collect()
}

fn user_part(part: &UserPart) -> WirePart<'_> {
    match part {
        UserPart::Text(text) => WirePart { text: Some(text), ..WirePart::default() },
        UserPart::InlineData { mime_type, data } => {
            WirePart { inline_data: Some(InlineData { mime_type, data }), ..WirePart::default() }
        }
    }
}

/// Thoughts are not repeated: without their signatures they are only text. Only the first call of a turn carries a
/// signature.
fn model_parts(turn: &ModelTurn) -> Vec<WirePart<'_>> {
    let mut parts = Vec::new();
    let mut needs_signature = true;
    for part in &turn.parts {
        match part {
            Part::Text(text) if !text.is_empty() => {
                parts.push(WirePart { text: Some(text), ..WirePart::default() });
            }
            Part::Text(_) | Part::Thought(_) => {}
            Part::ToolCall(call) => {
                let id = (!call.id_is_ours).then_some(call.id.as_str());
                // Of a turn with its vendor's words the signature belongs to another model or key.
                let signature = call.signature.as_deref().filter(|_| turn.raw.is_none());
                parts.push(WirePart {
                    function_call: Some(FunctionCall { id, name: &call.name, args: arguments(call) }),
                    thought_signature: signature.or(needs_signature.then_some(NO_SIGNATURE)),
                    ..WirePart::default()
                });
                needs_signature = false;
            }
        }
    }
    parts
}

/// The vendor takes objects only.
fn arguments(call: &ToolCall) -> &Value {
    static NONE: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
    if call.arguments.is_object() { &call.arguments } else { &NONE }
}

/// One result for each call, in the calls' order and under the names that the model used.
fn result_parts<'a>(results: &'a [ToolResult], calls: &[&'a ToolCall]) -> Vec<WirePart<'a>> {
    let mut used = HashSet::new();
    let mut ordered = Vec::with_capacity(results.len());
    for (position, call) in calls.iter().enumerate() {
        let by_id = results
            .iter()
            .enumerate()
            .find(|(index, result)| result.call_id.as_deref() == Some(&call.id) && !used.contains(index));
        let by_position = || {
            results.iter().enumerate().find(|(index, result)| {
                *index == position && result.call_id.is_none() && result.name == call.name
            })
        };
        if let Some((index, result)) = by_id.or_else(by_position) {
            used.insert(index);
            ordered.push((result, Some(*call)));
        }
    }
    ordered.extend(
        results
            .iter()
            .enumerate()
            .filter(|(index, _)| !used.contains(index))
            .map(|(_, result)| (result, None)),
    );
    ordered.into_iter().map(|(result, call)| result_part(result, call)).collect()
}

fn result_part<'a>(result: &'a ToolResult, call: Option<&'a ToolCall>) -> WirePart<'a> {
    let name = call.and_then(|call| call.written_name.as_deref()).unwrap_or(&result.name);
    let response = if result.ok { Outcome::Output(&result.content) } else { Outcome::Error(&result.content) };
    let is_ours = call.is_some_and(|call| call.id_is_ours);
    let known = call.map(|call| call.id.as_str()).or(result.call_id.as_deref());
    let id = known.filter(|_| !is_ours);
    WirePart { function_response: Some(FunctionResponse { id, name, response }), ..WirePart::default() }
}
