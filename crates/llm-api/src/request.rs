use serde_json::Value;

use crate::Turn;

/// What a model is asked. Vendors differ in what they take; what had to be left out is told as
/// [`Adjustment`](crate::Adjustment)s.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The model's id, such as `gemini-3.8-flash`; a leading `models/` does not matter.
    pub model: String,
    /// The system prompt.
    pub system: Option<String>,
    /// The conversation. It must be valid: it starts with the user, and each model turn with calls is followed by their
    /// results.
    pub turns: Vec<Turn>,
    /// They are sent sorted by name, so that their order does not cost the vendor's cache.
    pub tools: Vec<ToolDefinition>,
    /// Whether tools may or must be called.
    pub tool_choice: ToolChoice,
    /// Bounds answer and reasoning together. `None`: the model's own bound.
    pub max_output_tokens: Option<u32>,
    /// Left out where the model ignores it.
    pub temperature: Option<f64>,
    /// Left out where the model ignores it.
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// For answers that are alike, as far as the vendor can.
    pub seed: Option<i64>,
    /// How much the model thinks first.
    pub thinking: Thinking,
    /// Text or JSON.
    pub response_format: ResponseFormat,
    /// A prefix that the vendor keeps, such as `cachedContents/abc`: it holds system prompt and tools, which are then
    /// not sent.
    pub cached_content: Option<String>,
    /// Sends no turn in the vendor's own words, but rebuilds all: the remedy for
    /// [`SignatureRejected`](crate::LlmError::SignatureRejected).
    pub rebuild_history: bool,
}

/// A tool that the model may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    /// At most 64 of `A-Z a-z 0-9 _ -`, so that every vendor takes it.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments. What a vendor cannot read is taken out.
    pub parameters: Value,
}

/// Whether tools may or must be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model sees fit.
    #[default]
    Auto,
    /// Not now. The declarations stay, since the history may hold calls.
    None,
    /// At least one.
    Required,
    /// At least one, of these only.
    Only(Vec<String>),
}

/// How much the model thinks before it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinking {
    /// How much.
    pub effort: Effort,
    /// Whether summaries of the thoughts are wanted.
    pub include: bool,
}

/// How much the model thinks. It is translated into what the model takes: a level or a number of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Effort {
    /// As much as the model does by itself.
    #[default]
    Default,
    /// As little as the model can.
    Off,
    /// A level; the nearest that the model has.
    Level(ThinkingLevel),
    /// At most about so many tokens.
    Tokens(u32),
}

/// Levels of thinking, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingLevel {
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
}

/// Text or JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ResponseFormat {
    /// Whatever the model writes.
    #[default]
    Text,
    /// Any JSON.
    Json,
    /// JSON that keeps to a JSON Schema.
    Schema(Value),
}
