//! A request's body. What we do not know is accepted and ignored: clients and proxies add fields of their own.

use std::collections::BTreeMap;

use llm_api::{Effort, ResponseFormat, Thinking, ThinkingLevel, ToolChoice, ToolDefinition};
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{ApiError, ErrorCode};

use super::messages::Message;
use crate::tools::is_tool_name;

/// The body of `POST …/chat/completions`.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
pub(crate) struct ChatRequest {
    /// `airtable-assistant`, or one of the vendor's models.
    pub model: Option<String>,
    /// May be left out where `approval` says all.
    #[schema(value_type = Option<Vec<Object>>)]
    pub messages: Option<Vec<Message>>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    /// Tools of the client's own: calls of them end the answer.
    #[schema(value_type = Option<Vec<Object>>)]
    pub tools: Option<Vec<Value>>,
    #[schema(value_type = Option<Object>)]
    pub tool_choice: Option<Value>,
    pub max_tokens: Option<u64>,
    /// Wins over `max_tokens`.
    pub max_completion_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub seed: Option<i64>,
    #[schema(value_type = Option<Object>)]
    pub stop: Option<Stop>,
    pub n: Option<u64>,
    pub reasoning_effort: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub response_format: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<BTreeMap<String, Value>>,
    #[schema(value_type = Option<Object>)]
    presence_penalty: Option<Value>,
    #[schema(value_type = Option<Object>)]
    frequency_penalty: Option<Value>,
    #[schema(value_type = Option<Object>)]
    logprobs: Option<Value>,
    #[schema(value_type = Option<Object>)]
    logit_bias: Option<Value>,
    /// Ours: goes on with this session, or begins it.
    pub session_id: Option<String>,
    /// Ours: 404 instead of a new session if there is none of this id.
    pub session_strict: Option<bool>,
    /// Ours: tokens of reasoning.
    pub thinking_budget: Option<u32>,
    /// Ours: the stream tells of tools as they run.
    pub include_run_events: Option<bool>,
    /// Ours: the answer holds summaries of the reasoning.
    pub include_reasoning: Option<bool>,
    /// Ours: the user's word about a change that waits for it.
    pub approval: Option<ApprovalAnswer>,
    /// Ours: the base that the user looks at.
    pub base_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
pub(crate) struct StreamOptions {
    pub include_usage: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Stop {
    One(String),
    Several(Vec<String>),
}

/// The user's word about a change.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
pub(crate) struct ApprovalAnswer {
    pub id: String,
    /// `approve` or `decline`.
    pub decision: ApprovalWord,
}

impl ApprovalAnswer {
    pub(crate) fn is_yes(&self) -> bool {
        self.decision == ApprovalWord::Approve
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ApprovalWord {
    Approve,
    Decline,
}

/// Whether a client tool may be called, must be, or must not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub choice: ToolChoice,
    /// Only these tools are offered.
    pub allowed: Option<Vec<String>>,
}

impl ChatRequest {
    /// What no field's type can say.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(invalid("/n", "only one answer is given for a request"));
        }
        if let Some(Stop::Several(stops)) = &self.stop
            && stops.len() > 4
        {
            return Err(invalid("/stop", "at most four texts"));
        }
        if [self.max_tokens, self.max_completion_tokens].contains(&Some(0)) {
            return Err(invalid("/max_completion_tokens", "must be at least 1"));
        }
        for (pointer, value, range) in
            [("/temperature", self.temperature, 0.0..=2.0), ("/top_p", self.top_p, 0.0..=1.0)]
        {
            if value.is_some_and(|value| !range.contains(&value)) {
                return Err(invalid(
                    pointer,
                    format!("must be between {} and {}", range.start(), range.end()),
                ));
            }
        }
        let metadata = self.metadata.iter().flatten();
        if self.metadata.as_ref().is_some_and(|metadata| metadata.len() > 16)
            || metadata.clone().any(|(name, value)| {
                name.chars().count() > 64 || value.as_str().is_some_and(|text| text.chars().count() > 512)
            })
        {
            return Err(invalid(
                "/metadata",
                "at most 16 pairs of a name up to 64 and a text up to 512 characters",
            ));
        }
        Ok(())
    }

    /// The session that is meant: `session_id`, or the metadata's.
    pub(crate) fn session(&self) -> Result<Option<&str>, ApiError> {
        let of_metadata = || self.metadata.as_ref()?.get("session_id")?.as_str();
        let Some(id) = self.session_id.as_deref().or_else(of_metadata).filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let is_id = id.len() <= 128
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':'));
        match is_id {
            true => Ok(Some(id)),
            false => Err(invalid("/session_id", "at most 128 letters, digits and the characters _ - . :")),
        }
    }

    pub(crate) fn stops(&self) -> Vec<String> {
        match &self.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![stop.clone()],
            Some(Stop::Several(stops)) => stops.clone(),
        }
    }

    /// Parameters that no model of ours takes.
    pub(crate) fn dropped(&self) -> Vec<&'static str> {
        let matters = |value: &Option<Value>| match value {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::Object(members)) => !members.is_empty(),
            Some(_) => true,
        };
        [
            ("presence_penalty", &self.presence_penalty),
            ("frequency_penalty", &self.frequency_penalty),
            ("logprobs", &self.logprobs),
            ("logit_bias", &self.logit_bias),
        ]
        .into_iter()
        .filter(|(_, value)| matters(value))
        .map(|(name, _)| name)
        .collect()
    }

    pub(crate) fn thinking(&self, default_budget: Option<u32>) -> Result<Thinking, ApiError> {
        let include = self.include_reasoning.unwrap_or(false);
        let by_word = match self.reasoning_effort.as_deref() {
            None => None,
            Some("none") => Some(Effort::Off),
            Some("minimal") => Some(Effort::Level(ThinkingLevel::Minimal)),
            Some("low") => Some(Effort::Level(ThinkingLevel::Low)),
            Some("medium") => Some(Effort::Level(ThinkingLevel::Medium)),
            Some("high") => Some(Effort::Level(ThinkingLevel::High)),
            Some("xhigh" | "max") => Some(Effort::Level(ThinkingLevel::Xhigh)),
            Some(_) => {
                return Err(invalid(
                    "/reasoning_effort",
                    "must be none, minimal, low, medium, high, xhigh or max",
                ));
            }
        };
        let effort = match (self.thinking_budget, by_word, default_budget) {
            (Some(budget), _, _) | (None, None, Some(budget)) => match budget {
                0 => Effort::Off,
                budget => Effort::Tokens(budget),
            },
            (None, Some(effort), _) => effort,
            (None, None, None) => Effort::Default,
        };
        Ok(Thinking { effort, include })
    }

    pub(crate) fn response_format(&self) -> Result<ResponseFormat, ApiError> {
        let Some(format) = self.response_format.as_ref().filter(|format| !format.is_null()) else {
            return Ok(ResponseFormat::Text);
        };
        match format.get("type").and_then(Value::as_str) {
            Some("text") => Ok(ResponseFormat::Text),
            Some("json_object") => Ok(ResponseFormat::Json),
            Some("json_schema") => {
                match format.pointer("/json_schema/schema").filter(|schema| schema.is_object()) {
                    Some(schema) => Ok(ResponseFormat::Schema(schema.clone())),
                    None => Err(invalid("/response_format/json_schema/schema", "must be a JSON Schema")),
                }
            }
            _ => Err(invalid("/response_format/type", "must be text, json_object or json_schema")),
        }
    }

    /// The tools that the client runs itself.
    pub(crate) fn client_tools(&self) -> Result<Vec<ToolDefinition>, ApiError> {
        let tools = self.tools.iter().flatten().enumerate();
        tools
            .map(|(index, tool)| {
                let function = tool.get("function");
                let member = |name: &str| function.and_then(|function| function.get(name));
                let name = member("name").and_then(Value::as_str).unwrap_or_default();
                if tool.get("type").and_then(Value::as_str) != Some("function") {
                    return Err(invalid(&format!("/tools/{index}/type"), "must be function"));
                }
                if !is_tool_name(name) {
                    let pointer = format!("/tools/{index}/function/name");
                    return Err(invalid(&pointer, "must be 1 to 64 letters, digits, _ and -"));
                }
                Ok(ToolDefinition {
                    name: name.to_owned(),
                    description: member("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    parameters: member("parameters")
                        .filter(|schema| schema.is_object())
                        .cloned()
                        .unwrap_or_else(|| json!({"type": "object", "properties": {}})),
                })
            })
            .collect()
    }

    pub(crate) fn tool_choice(&self) -> Result<Choice, ApiError> {
        let any = |choice| Ok(Choice { choice, allowed: None });
        let wrong =
            || Err(invalid("/tool_choice", "must be none, auto, required, a function, or allowed_tools"));
        let Some(choice) = self.tool_choice.as_ref().filter(|choice| !choice.is_null()) else {
            return any(ToolChoice::Auto);
        };
        if let Some(word) = choice.as_str() {
            return match word {
                "auto" => any(ToolChoice::Auto),
                "none" => any(ToolChoice::None),
                "required" => any(ToolChoice::Required),
                _ => wrong(),
            };
        }
        let name_of =
            |tool: &Value| tool.pointer("/function/name").and_then(Value::as_str).map(str::to_owned);
        match choice.get("type").and_then(Value::as_str) {
            Some("function") => match name_of(choice) {
                Some(name) => any(ToolChoice::Only(vec![name])),
                None => wrong(),
            },
            Some("allowed_tools") => {
                let allowed = choice.get("allowed_tools").unwrap_or(choice);
                let tools = allowed.get("tools").and_then(Value::as_array);
                let Some(names) =
                    tools.and_then(|tools| tools.iter().map(name_of).collect::<Option<Vec<_>>>())
                else {
                    return wrong();
                };
                let choice = match allowed.get("mode").and_then(Value::as_str) {
                    Some("required") => ToolChoice::Required,
                    _ => ToolChoice::Auto,
                };
                Ok(Choice { choice, allowed: Some(names) })
            }
            _ => wrong(),
        }
    }
}

/// 400 in OpenAI's dialect, 422 in ours, with the place.
pub(super) fn invalid(pointer: &str, detail: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, "the request is not valid").field(pointer, "invalid", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: Value) -> ChatRequest {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn unknown_fields_and_nulls_are_accepted() {
        let request = request(json!({
            "model": "m", "messages": [], "stream": null, "chat_id": "x", "features": {"web": true}, "logprobs": false,
            "presence_penalty": 0, "frequency_penalty": 0.5, "service_tier": "auto",
        }));
        request.check().unwrap();
        assert_eq!(request.dropped(), ["frequency_penalty"]);
    }

    #[test]
    fn more_than_one_answer_is_refused() {
        assert!(request(json!({"n": 1})).check().is_ok());
        assert!(request(json!({"n": 2})).check().is_err());
    }

    #[test]
    fn every_way_of_choosing_tools_is_read() {
        let choice = |value: Value| request(json!({"tool_choice": value})).tool_choice();
        let function = json!({"type": "function", "function": {"name": "f"}});
        assert_eq!(choice(json!("required")).unwrap().choice, ToolChoice::Required);
        assert_eq!(choice(function.clone()).unwrap().choice, ToolChoice::Only(vec!["f".to_owned()]));
        let allowed =
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function]}});
        let read = choice(allowed).unwrap();
        assert_eq!((read.choice, read.allowed), (ToolChoice::Required, Some(vec!["f".to_owned()])));
        assert!(choice(json!("sometimes")).is_err());
    }

    #[test]
    fn a_session_may_be_named_by_the_field_or_in_the_metadata() {
        assert_eq!(request(json!({"session_id": "a-1"})).session().unwrap(), Some("a-1"));
        assert_eq!(request(json!({"metadata": {"session_id": "b"}})).session().unwrap(), Some("b"));
        assert!(request(json!({"session_id": "a b"})).session().is_err());
        assert_eq!(request(json!({})).session().unwrap(), None);
    }
}
