//! From a neutral request to Gemini's JSON.
//!
//! Source: <https://ai.google.dev/api/generate-content#request-body>

use serde::Serialize;
use serde_json::{Value, json};

use super::contents::{Content, contents};
use super::schema;
use super::thinking;
use crate::{Adjustment, LlmError, ModelFacts, Request, ResponseFormat, ToolChoice};

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

/// The vendor's seeds have 32 bits; longer ones are folded, so that different seeds mostly stay different.
#[expect(clippy::cast_possible_truncation, reason = "the upper half was folded into the lower")]
fn in_32_bits(seed: i64) -> i32 {
    i32::try_from(seed).unwrap_or((seed ^ (seed >> 32)) as i32)
}
