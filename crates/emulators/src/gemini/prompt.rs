//! A request as the emulator works with it, out of its normal form.

use serde_json::{Map, Value};

use super::errors::GeminiError;
use super::proto::decode_bytes;

/// What a model is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Prompt {
    pub(super) system: Option<Content>,
    pub(super) contents: Vec<Content>,
    pub(super) tools: Vec<Declaration>,
    pub(super) calling: Calling,
    pub(super) generation: Generation,
    /// `cachedContents/…`
    pub(super) cached: Option<String>,
    /// Decoded.
    pub(super) continuation: Option<Vec<u8>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    User,
    Model,
}

/// One turn.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) role: Role,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) data: Data,
    pub(super) thought: bool,
    pub(super) signature: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(super) enum Data {
    Text(String),
    Call {
        id: Option<String>,
        name: String,
        args: Map<String, Value>,
    },
    Response {
        id: Option<String>,
        name: String,
        response: Map<String, Value>,
        /// How many pictures and files come with it.
        media: usize,
    },
    /// A picture, a sound, a file.
    Medium,
    /// Of server-side tools.
    Other(Value),
}

/// A function that may be called.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    pub(super) name: String,
    /// JSON Schema; types in lower case, whichever way they were declared.
    pub(super) schema: Value,
    /// Length of its compact JSON.
    pub(super) json_bytes: usize,
}

/// Whether functions are to be called.
#[derive(Debug, Clone, Default)]
pub(super) struct Calling {
    pub(super) mode: Mode,
    /// Empty: all that are declared.
    pub(super) allowed: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Mode {
    #[default]
    Auto,
    Any,
    None,
    Validated,
}

/// `generationConfig`, as far as it matters here.
#[derive(Debug, Clone, Default)]
pub(super) struct Generation {
    pub(super) stop: Vec<String>,
    pub(super) max_output_tokens: Option<u64>,
    /// `responseMimeType` is JSON.
    pub(super) json: bool,
    /// As JSON Schema; types in lower case.
    pub(super) schema: Option<Value>,
    pub(super) include_thoughts: bool,
    /// Thinking was turned off by a budget of 0.
    pub(super) no_thinking: bool,
}

impl Prompt {
    /// Reads `GenerateContentRequest` in its normal form.
    pub(super) fn read(body: &Map<String, Value>) -> Result<Self, GeminiError> {
        let system = match body.get("systemInstruction") {
            Some(content) => Some(Content::read(content, "system_instruction")?),
            None => None,
        };
        let mut contents = Vec::new();
        for (index, content) in items(body.get("contents")).enumerate() {
            contents.push(Content::read(content, &format!("contents[{index}]"))?);
        }
        Ok(Self {
            system,
            contents,
            tools: declarations(body),
            calling: Calling::read(body),
            generation: Generation::read(body),
            cached: body.get("cachedContent").and_then(Value::as_str).map(str::to_owned),
            continuation: body.get("continuationToken").and_then(Value::as_str).and_then(decode_bytes),
        })
    }

    /// The last turn of a person: one of the user that holds more than function responses.
    pub(super) fn last_question(&self) -> Option<usize> {
        self.contents.iter().rposition(|content| content.role == Role::User && !content.is_response())
    }

    /// What the user said last.
    pub(super) fn last_user_text(&self) -> String {
        self.last_question().map(|at| self.contents[at].said()).unwrap_or_default()
    }
}

impl Content {
    fn read(content: &Value, path: &str) -> Result<Self, GeminiError> {
        let role = match content["role"].as_str() {
            // `function` is the old role of function responses.
            None | Some("" | "user" | "function" | "system") => Role::User,
            Some("model") => Role::Model,
            Some(_) => return Err(GeminiError::invalid("Please use a valid role: user, model.")),
        };
        let mut parts = Vec::new();
        for (index, part) in items(content.get("parts")).enumerate() {
            let data = Data::read(part).ok_or_else(|| {
                GeminiError::field(
                    &format!("GenerateContentRequest.{path}.parts[{index}].data"),
                    "required oneof field 'data' must have one initialized field",
                )
            })?;
            parts.push(Part {
                data,
                thought: part["thought"].as_bool().unwrap_or_default(),
                signature: part["thoughtSignature"].as_str().and_then(decode_bytes),
            });
        }
        Ok(Self { role, parts })
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = (Option<&str>, &str, &Map<String, Value>)> {
        self.parts.iter().filter_map(|part| match &part.data {
            Data::Call { id, name, args } => Some((id.as_deref(), name.as_str(), args)),
            _ => None,
        })
    }

    pub(super) fn responses(&self) -> impl Iterator<Item = (Option<&str>, &str, &Map<String, Value>)> {
        self.parts.iter().filter_map(|part| match &part.data {
            Data::Response { id, name, response, .. } => Some((id.as_deref(), name.as_str(), response)),
            _ => None,
        })
    }

    /// Whether it answers function calls.
    pub(super) fn is_response(&self) -> bool {
        self.responses().next().is_some()
    }

    /// What a person said in it: its texts without what an application added, see [`is_context`].
    pub(super) fn said(&self) -> String {
        let texts = self.parts.iter().enumerate().filter_map(|(index, part)| match &part.data {
            Data::Text(text) if !part.thought && (index == 0 || !is_context(text)) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Its texts, thoughts left out.
    pub(super) fn text(&self) -> String {
        let texts: Vec<&str> = self
            .parts
            .iter()
            .filter_map(|part| match &part.data {
                Data::Text(text) if !part.thought => Some(text.as_str()),
                _ => None,
            })
            .collect();
        texts.join(if self.role == Role::User { "\n" } else { "" })
    }
}

/// Whether a text is what an application adds to a person's words, such as the date: a part of its own in square brackets.
pub(super) fn is_context(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('[') && text.ends_with(']') && !text.starts_with("[[")
}

impl Data {
    fn read(part: &Value) -> Option<Self> {
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let object = |value: &Value, key: &str| value[key].as_object().cloned().unwrap_or_default();
        if let Some(text) = part["text"].as_str() {
            return Some(Self::Text(text.to_owned()));
        }
        if let Some(call) = part.get("functionCall") {
            return Some(Self::Call {
                id: text(call, "id").filter(|id| !id.is_empty()),
                name: text(call, "name").unwrap_or_default(),
                args: object(call, "args"),
            });
        }
        if let Some(response) = part.get("functionResponse") {
            return Some(Self::Response {
                id: text(response, "id").filter(|id| !id.is_empty()),
                name: text(response, "name").unwrap_or_default(),
                response: object(response, "response"),
                media: items(response.get("parts")).count(),
            });
        }
        if part.get("inlineData").or(part.get("fileData")).is_some() {
            return Some(Self::Medium);
        }
        ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"]
            .iter()
            .find_map(|key| part.get(*key))
            .map(|value| Self::Other(value.clone()))
    }
}

impl Calling {
    fn read(body: &Map<String, Value>) -> Self {
        let config = body.get("toolConfig").and_then(|config| config.get("functionCallingConfig"));
        let Some(config) = config else { return Self::default() };
        let mode = match config["mode"].as_str() {
            Some("ANY") => Mode::Any,
            Some("NONE") => Mode::None,
            Some("VALIDATED") => Mode::Validated,
            _ => Mode::Auto,
        };
        Self { mode, allowed: texts(config.get("allowedFunctionNames")) }
    }
}

impl Generation {
    fn read(body: &Map<String, Value>) -> Self {
        let Some(config) = body.get("generationConfig") else { return Self::default() };
        let thinking = &config["thinkingConfig"];
        let schema = match (config.get("responseJsonSchema"), config.get("responseSchema")) {
            (Some(schema), _) => Some(schema.clone()),
            (None, Some(schema)) => Some(lower_case_types(schema.clone())),
            (None, None) => None,
        };
        Self {
            stop: texts(config.get("stopSequences")).into_iter().filter(|stop| !stop.is_empty()).collect(),
            max_output_tokens: config["maxOutputTokens"].as_u64().filter(|most| *most > 0),
            json: config["responseMimeType"] == "application/json",
            schema,
            include_thoughts: thinking["includeThoughts"].as_bool().unwrap_or_default(),
            no_thinking: thinking["thinkingBudget"] == 0,
        }
    }
}

/// All declared functions; those of server-side tools are not ours.
fn declarations(body: &Map<String, Value>) -> Vec<Declaration> {
    items(body.get("tools"))
        .flat_map(|tool| items(tool.get("functionDeclarations")))
        .map(|declaration| {
            let schema = match (declaration.get("parametersJsonSchema"), declaration.get("parameters")) {
                (Some(schema), _) => schema.clone(),
                (None, Some(schema)) => lower_case_types(schema.clone()),
                (None, None) => Value::Null,
            };
            Declaration {
                name: declaration["name"].as_str().unwrap_or_default().to_owned(),
                schema,
                json_bytes: declaration.to_string().len(),
            }
        })
        .collect()
}

/// The OpenAPI subset as JSON Schema: `STRING` to `string`, `nullable` to a second type.
fn lower_case_types(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        let nullable = object.get("nullable") == Some(&Value::Bool(true));
        if let Some(kind) = object.get("type").and_then(Value::as_str).map(str::to_ascii_lowercase) {
            let kind = if nullable { serde_json::json!([kind, "null"]) } else { kind.into() };
            object.insert("type".to_owned(), kind);
        }
        for (key, inner) in object.iter_mut() {
            match (key.as_str(), inner) {
                ("items", inner) => *inner = lower_case_types(inner.take()),
                ("anyOf", Value::Array(inner)) => {
                    inner.iter_mut().for_each(|inner| *inner = lower_case_types(inner.take()));
                }
                ("properties", Value::Object(inner)) => {
                    inner.values_mut().for_each(|inner| *inner = lower_case_types(inner.take()));
                }
                _ => {}
            }
        }
    }
    schema
}

pub(super) fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn texts(list: Option<&Value>) -> Vec<String> {
    items(list).filter_map(Value::as_str).map(str::to_owned).collect()
}
