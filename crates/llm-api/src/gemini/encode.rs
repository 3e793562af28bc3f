//! From a neutral request to Gemini's JSON.
//!
//! Source: <https://ai.google.dev/api/generate-content#request-body>

use std::collections::HashSet;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::schema;
use super::thinking;
use crate::{
    Adjustment, LlmError, ModelFacts, ModelTurn, Part, Request, ResponseFormat, ToolCall, ToolChoice,
    ToolResult, Turn, UserPart, Vendor,
};

/// Base64 of `skip_thought_signature_validator`, which stands for a signature that we do not have.
///
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>
const NO_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// Source: <https://ai.google.dev/api/generate-content#v1beta.GenerationConfig>
const MOST_STOP_SEQUENCES: usize = 5;

/// Bases hold ordinary business data; the vendor's own defaults refuse too much of it.
const SAFETY: [(&str, &str); 4] = [
    ("HARM_CATEGORY_HARASSMENT", "BLOCK_ONLY_HIGH"),
    ("HARM_CATEGORY_HATE_SPEECH", "BLOCK_ONLY_HIGH"),
    ("HARM_CATEGORY_SEXUALLY_EXPLICIT", "BLOCK_ONLY_HIGH"),
    ("HARM_CATEGORY_DANGEROUS_CONTENT", "BLOCK_ONLY_HIGH"),
];

/// A request's body, and what could not be sent as it was asked.
pub(super) struct Encoded {
    pub(super) body: Vec<u8>,
    pub(super) adjustments: Vec<Adjustment>,
}

/// The model's bare id, as it stands in paths.
pub(super) fn model_id(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// The body of `generateContent` and `streamGenerateContent`.
pub(super) fn generate(request: &Request, key_id: &str) -> Result<Encoded, LlmError> {
    let mut adjustments = Vec::new();
    let body = to_json(&Body::of(request, key_id, &mut adjustments))?;
    Ok(Encoded { body, adjustments })
}

/// The body of `countTokens` that also counts the system prompt and the tools.
pub(super) fn count(request: &Request, key_id: &str) -> Result<Vec<u8>, LlmError> {
    let mut body = Body::of(request, key_id, &mut Vec::new());
    body.model = Some(format!("models/{}", model_id(&request.model)));
    to_json(&Count { generate_content_request: body })
}

/// The same request again, to have an answer continued.
pub(super) fn continued(body: &[u8], token: &str) -> Vec<u8> {
    let token = Value::from(token).to_string();
    let open = body.strip_suffix(b"}").unwrap_or(body); // an object, and never an empty one
    [open, br#","continuationToken":"#, token.as_bytes(), b"}"].concat()
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, LlmError> {
    serde_json::to_vec(value).map_err(|error| LlmError::Unsendable { message: error.to_string() })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Count<'a> {
    generate_content_request: Body<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Value>,
    contents: Vec<Content<'a>>,
    safety_settings: Value,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    generation_config: GenerationConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    /// As the vendor wrote it.
    Verbatim(&'a RawValue),
    Built {
        role: &'static str,
        parts: Vec<Value>,
    },
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<thinking::ThinkingConfig>,
}

impl GenerationConfig<'_> {
    fn is_empty(&self) -> bool {
        self.max_output_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
            && self.seed.is_none()
            && self.response_mime_type.is_none()
            && self.thinking_config.is_none()
    }

    fn of<'a>(request: &'a Request, adjustments: &mut Vec<Adjustment>) -> GenerationConfig<'a> {
        let model = model_id(&request.model);
        let facts = ModelFacts::find(model);
        let mut dropped = |name| adjustments.push(Adjustment::ParameterDropped { name });

        let samples = facts.is_none_or(|facts| facts.sampling);
        let mut sampling = |name, value: Option<f64>| {
            if value.is_some() && !samples {
                dropped(name);
            }
            value.filter(|_| samples)
        };
        let temperature = sampling("temperature", request.temperature);
        let top_p = sampling("top_p", request.top_p);

        let stop_sequences = request.stop.get(..MOST_STOP_SEQUENCES).unwrap_or(&request.stop);
        if stop_sequences.len() < request.stop.len() {
            dropped("stop");
        }

        let json_and_tools =
            facts.map_or_else(|| !model.starts_with("gemini-2"), |facts| facts.json_with_tools);
        let formats = request.tools.is_empty() || json_and_tools;
        if request.response_format != ResponseFormat::Text && !formats {
            dropped("response_format");
        }
        let (response_mime_type, response_json_schema) = match &request.response_format {
            ResponseFormat::Text => (None, None),
            _ if !formats => (None, None),
            ResponseFormat::Json => (Some("application/json"), None),
            ResponseFormat::Schema(schema) => {
                let mut removed = Vec::new();
                let clean = schema::of_answer(schema, &mut removed);
                report(None, removed, adjustments);
                (Some("application/json"), Some(clean))
            }
        };

        GenerationConfig {
            max_output_tokens: request.max_output_tokens,
            temperature,
            top_p,
            stop_sequences,
            seed: request.seed.map(in_32_bits),
            response_mime_type,
            response_json_schema,
            thinking_config: thinking::config(model, request.thinking, adjustments),
        }
    }
}

impl<'a> Body<'a> {
    fn of(request: &'a Request, key_id: &str, adjustments: &mut Vec<Adjustment>) -> Self {
        let generation_config = GenerationConfig::of(request, adjustments);
        // A cached prefix brings its own system prompt and tools; the vendor refuses them a second time.
        let fresh = request.cached_content.is_none();
        let system = request.system.as_deref().filter(|text| fresh && !text.is_empty());
        let has_tools = fresh && !request.tools.is_empty();
        Self {
            model: None,
            system_instruction: system.map(|text| json!({"parts": [{"text": text}]})),
            tools: has_tools.then(|| declarations(request, adjustments)),
            tool_config: has_tools.then(|| mode(&request.tool_choice)).flatten(),
            contents: contents(request, key_id, adjustments),
            safety_settings: SAFETY
                .iter()
                .map(|(category, threshold)| json!({"category": category, "threshold": threshold}))
                .collect(),
            generation_config,
            cached_content: request.cached_content.as_deref(),
        }
    }
}

/// Sorted by name: the declarations are part of the prefix that the vendor caches.
fn declarations(request: &Request, adjustments: &mut Vec<Adjustment>) -> Value {
    let mut tools: Vec<_> = request.tools.iter().collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    let declarations: Vec<Value> = tools
        .into_iter()
        .map(|tool| {
            let mut removed = Vec::new();
            let parameters = schema::of_arguments(&tool.parameters, &mut removed);
            report(Some(&tool.name), removed, adjustments);
            json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": parameters})
        })
        .collect();
    json!([{"functionDeclarations": declarations}])
}

fn report(tool: Option<&str>, removed: Vec<schema::Removed>, adjustments: &mut Vec<Adjustment>) {
    adjustments.extend(removed.into_iter().map(|removed| Adjustment::Schema {
        tool: tool.map(str::to_owned),
        path: removed.path,
        keyword: removed.keyword,
    }));
}

fn mode(choice: &ToolChoice) -> Option<Value> {
    let config = match choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Only(names) => json!({"mode": "ANY", "allowedFunctionNames": names}),
    };
    Some(json!({"functionCallingConfig": config}))
}

fn contents<'a>(request: &'a Request, key_id: &str, adjustments: &mut Vec<Adjustment>) -> Vec<Content<'a>> {
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

fn user_parts(parts: &[UserPart]) -> Vec<Value> {
    let part = |part: &UserPart| match part {
        UserPart::Text(text) => json!({"text": text}),
        UserPart::InlineData { mime_type, data } => {
            json!({"inlineData": {"mimeType": mime_type, "data": data}})
        }
    };
    parts.iter().map(part).collect()
}

/// Thoughts are not repeated: without their signatures they are only text. Only the first call of a turn carries a
/// signature.
fn model_parts(turn: &ModelTurn) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut needs_signature = true;
    for part in &turn.parts {
        match part {
            Part::Text(text) if !text.is_empty() => parts.push(json!({"text": text})),
            Part::Text(_) | Part::Thought(_) => {}
            Part::ToolCall(call) => {
                let mut function = json!({"name": call.name, "args": arguments(call)});
                if !call.id_is_ours {
                    function["id"] = call.id.as_str().into();
                }
                let mut part = json!({"functionCall": function});
                // Of a turn with its vendor's words the signature belongs to another model or key.
                let signature = call.signature.as_deref().filter(|_| turn.raw.is_none());
                if let Some(signature) = signature.or(needs_signature.then_some(NO_SIGNATURE)) {
                    part["thoughtSignature"] = signature.into();
                }
                needs_signature = false;
                parts.push(part);
            }
        }
    }
    parts
}

/// The vendor takes objects only.
fn arguments(call: &ToolCall) -> Value {
    if call.arguments.is_object() { call.arguments.clone() } else { json!({}) }
}

/// One result for each call, in the calls' order and under the names that the model used.
fn result_parts(results: &[ToolResult], calls: &[&ToolCall]) -> Vec<Value> {
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

fn result_part(result: &ToolResult, call: Option<&ToolCall>) -> Value {
    let name = call.and_then(|call| call.written_name.as_deref()).unwrap_or(&result.name);
    let outcome = if result.ok { "output" } else { "error" };
    let mut response = json!({"name": name, "response": {outcome: result.content}});
    let is_ours = call.is_some_and(|call| call.id_is_ours);
    let known = call.map(|call| call.id.as_str()).or(result.call_id.as_deref());
    if let Some(id) = known.filter(|_| !is_ours) {
        response["id"] = id.into();
    }
    json!({"functionResponse": response})
}

/// The vendor's seeds have 32 bits; longer ones are folded, so that different seeds mostly stay different.
#[expect(clippy::cast_possible_truncation, reason = "the upper half was folded into the lower")]
fn in_32_bits(seed: i64) -> i32 {
    i32::try_from(seed).unwrap_or((seed ^ (seed >> 32)) as i32)
}
