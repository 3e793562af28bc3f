//! From the pieces of an answer to events and the whole answer.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::wire::{Piece, UsageMetadata};
use crate::{
    Adjustment, Finish, LlmError, ModelTurn, Part, RawTurn, Reply, StreamEvent, ToolCall, Usage, Vendor,
};

/// English has about four bytes per token; for when the vendor does not count.
const BYTES_PER_TOKEN: u64 = 4;

/// What has come of an answer so far, over all its continuations.
#[derive(Debug, Default)]
pub(super) struct Answer {
    tools: Vec<String>,
    parts: Vec<Part>,
    raw: Vec<RawPart>,
    /// Of the continuations before this one.
    used: Usage,
    counted: UsageMetadata,
    sent_bytes: usize,
    got_bytes: usize,
    finish: Option<String>,
    finish_message: Option<String>,
    block_reason: Option<String>,
    continuation_token: Option<String>,
    model_version: Option<String>,
    response_id: Option<String>,
    calls: usize,
    was_answered: bool,
    has_begun: bool,
}

/// A part as it goes back. A stream cuts one part of text into many pieces; joining those again is not a change, while any
/// part with more in it than text stays as it came.
#[derive(Debug)]
enum RawPart {
    Verbatim(Box<RawValue>, Plain),
    Joined(String, Plain),
}

/// What a part has beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    /// Nothing.
    Text,
    /// That it is a thought.
    Thought,
    /// More.
    No,
}

impl Answer {
    /// `tools`: the names that were declared.
    pub(super) fn new(tools: Vec<String>) -> Self {
        Self { tools, ..Self::default() }
    }

    /// A request was sent, or sent again to be continued.
    pub(super) fn begin(&mut self, sent_bytes: usize) {
        self.used = self.usage();
        self.counted = UsageMetadata::default();
        (self.sent_bytes, self.got_bytes) = (sent_bytes, 0);
        (self.finish, self.finish_message, self.continuation_token) = (None, None, None);
        self.was_answered = false;
    }

    /// The answer's head came: from here on it costs something.
    pub(super) fn answered(&mut self) {
        self.was_answered = true;
    }

    /// Whether any piece has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes a piece and adds what is new to `events`.
    pub(super) fn take(&mut self, piece: Piece, events: &mut impl Extend<StreamEvent>) {
        self.has_begun = true;
        self.counted.merge(piece.usage_metadata);
        self.model_version = piece.model_version.or(self.model_version.take());
        self.response_id = piece.response_id.or(self.response_id.take());
        self.block_reason = piece.prompt_feedback.block_reason.or(self.block_reason.take());
        // One candidate is asked for; if more come, they are alternatives to the first.
        let Some(candidate) = piece.candidates.into_iter().find(|candidate| candidate.index == 0) else {
            return;
        };
        for (position, part) in candidate.content.parts.into_iter().enumerate() {
            self.take_part(part, position == 0, events);
        }
        self.finish = candidate.finish_reason.or(self.finish.take());
        self.finish_message = candidate.finish_message.or(self.finish_message.take());
        self.continuation_token = candidate.continuation_token.or(self.continuation_token.take());
    }

    /// The model has said that it is done, or that it will not answer; what may follow are counts.
    pub(super) fn is_over(&self) -> bool {
        self.finish.is_some() || (self.block_reason.is_some() && self.parts.is_empty())
    }

    /// What has to be sent to have the answer continued, if it has to be.
    pub(super) fn continuation(&self) -> Option<&str> {
        self.continuation_token.as_deref().filter(|_| self.finish.as_deref() == Some("CONTINUATION"))
    }

    /// All that was used, also if it came to nothing.
    pub(super) fn usage(&self) -> Usage {
        self.used + self.counted.usage().unwrap_or_else(|| self.estimate())
    }

    /// The whole answer. Fails if the model did not accept its own earlier turns.
    pub(super) fn reply(
        self,
        model: &str,
        key_id: &str,
        emulated: bool,
        adjustments: Vec<Adjustment>,
    ) -> Result<Reply, LlmError> {
        let usage = self.usage();
        let finish = self.meaning();
        if self.finish.as_deref() == Some("MISSING_THOUGHT_SIGNATURE") {
            let message = self.finish_message.unwrap_or_else(|| "a signature is missing".to_owned());
            return Err(LlmError::SignatureRejected { message }.after(usage));
        }
        let turn = match finish {
            Finish::Malformed { .. } => ModelTurn::default(),
            _ => self.turn(model, key_id)?,
        };
        let Self { model_version, response_id, .. } = self;
        Ok(Reply { turn, finish, usage, model_version, response_id, emulated, adjustments })
    }

    fn take_part(&mut self, raw: Box<RawValue>, joins: bool, events: &mut impl Extend<StreamEvent>) {
        self.got_bytes += raw.get().len();
        let Ok(fields) = serde_json::from_str::<Map<String, Value>>(raw.get()) else {
            return; // not a part at all
        };
        let text = fields.get("text").and_then(Value::as_str);
        let is_thought = fields.get("thought") == Some(&Value::Bool(true));
        let plain = match (text, fields.len(), is_thought) {
            (Some(_), 1, _) => Plain::Text,
            (Some(_), 2, true) => Plain::Thought,
            _ => Plain::No,
        };
        self.keep(raw, text, plain, joins);
        if let Some(call) = fields.get("functionCall") {
            let call = self.call(call, &fields);
            self.parts.push(Part::ToolCall(call.clone()));
            events.extend([StreamEvent::ToolCall(call)]);
            return;
        }
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        match (self.parts.last_mut(), is_thought) {
            (Some(Part::Text(known)), false) | (Some(Part::Thought(known)), true) => known.push_str(text),
            (_, false) => self.parts.push(Part::Text(text.to_owned())),
            (_, true) => self.parts.push(Part::Thought(text.to_owned())),
        }
        let text = text.to_owned();
        events.extend([if is_thought { StreamEvent::Thought(text) } else { StreamEvent::Text(text) }]);
    }

    fn keep(&mut self, raw: Box<RawValue>, text: Option<&str>, plain: Plain, joins: bool) {
        let Some(text) = text.filter(|_| joins && plain != Plain::No) else {
            self.raw.push(RawPart::Verbatim(raw, plain));
            return;
        };
        match self.raw.last_mut() {
            Some(RawPart::Joined(known, kind)) if *kind == plain => known.push_str(text),
            Some(last @ RawPart::Verbatim(..)) if last.plain() == plain => {
                let joined = last.text() + text;
                *last = RawPart::Joined(joined, plain);
            }
            _ => self.raw.push(RawPart::Verbatim(raw, plain)),
        }
    }

    fn call(&mut self, call: &Value, part: &Map<String, Value>) -> ToolCall {
        let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let written = text("name").unwrap_or_default();
        let name = self.declared(written);
        self.calls += 1;
        let (id, id_is_ours) = match text("id") {
            Some(id) => (id.to_owned(), false),
            None => (self.new_id(), true),
        };
        ToolCall {
            id,
            name: name.to_owned(),
            arguments: match call.get("args") {
                None | Some(Value::Null) => Value::Object(Map::new()),
                Some(arguments) => arguments.clone(),
            },
            id_is_ours,
            written_name: (name != written).then(|| written.to_owned()),
            signature: part.get("thoughtSignature").and_then(Value::as_str).map(str::to_owned),
        }
    }

    /// Some models prefix the names of tools with the namespace that the vendor puts them in.
    fn declared<'a>(&self, written: &'a str) -> &'a str {
        let is_declared = |name: &str| self.tools.iter().any(|tool| tool == name);
        let bare = ["default_api:", "default_api."].iter().find_map(|prefix| written.strip_prefix(prefix));
        bare.filter(|name| !is_declared(written) && is_declared(name)).unwrap_or(written)
    }

    /// Unique in the conversation: it may hold many answers of a model that gives no ids.
    fn new_id(&self) -> String {
        let mut random = [0; 8];
        if getrandom::fill(&mut random).is_ok() {
            format!("fc_{}", hex::encode(random))
        } else {
            format!("fc_{}_{}", self.response_id.as_deref().unwrap_or_default(), self.calls)
        }
    }

    fn meaning(&self) -> Finish {
        let Some(reason) = self.finish.as_deref() else {
            return match &self.block_reason {
                Some(reason) => Finish::PromptBlocked { reason: reason.clone() },
                // A whole answer that does not say why it ended, but holds something.
                None if self.calls > 0 => Finish::ToolCalls,
                None if !self.parts.is_empty() => Finish::Stop,
                None => Finish::Other(String::new()),
            };
        };
        match reason {
            "STOP" if self.calls > 0 => Finish::ToolCalls,
            "STOP" => Finish::Stop,
            "MAX_TOKENS" => Finish::Length,
            "CONTINUATION" => Finish::Continuation,
            "SAFETY" | "PROHIBITED_CONTENT" | "BLOCKLIST" | "SPII" | "RECITATION" | "LANGUAGE"
            | "ESCALATION" => Finish::ContentFilter { reason: reason.to_owned() },
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MALFORMED_RESPONSE" => {
                Finish::Malformed { reason: reason.to_owned(), message: self.finish_message.clone() }
            }
            other => Finish::Other(other.to_owned()),
        }
    }

    fn turn(&self, model: &str, key_id: &str) -> Result<ModelTurn, LlmError> {
        let raw = if self.raw.is_empty() {
            None
        } else {
            let parts: Vec<String> = self.raw.iter().map(RawPart::json).collect();
            let content = format!(r#"{{"role":"model","parts":[{}]}}"#, parts.join(","));
            let content = RawValue::from_string(content)
                .map_err(|error| LlmError::Protocol { message: error.to_string() })?;
            Some(RawTurn {
                vendor: Vendor::Gemini,
                model: model.to_owned(),
                key_id: key_id.to_owned(),
                content,
            })
        };
        Ok(ModelTurn { parts: self.parts.clone(), raw })
    }

    fn estimate(&self) -> Usage {
        if !self.was_answered {
            return Usage::default();
        }
        let tokens = |bytes: usize| (bytes as u64).div_ceil(BYTES_PER_TOKEN);
        Usage {
            input_fresh: tokens(self.sent_bytes),
            output_text: tokens(self.got_bytes),
            estimated: true,
            ..Usage::default()
        }
    }
}

impl RawPart {
    fn plain(&self) -> Plain {
        match self {
            Self::Verbatim(_, plain) | Self::Joined(_, plain) => *plain,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Verbatim(raw, _) => serde_json::from_str::<Map<String, Value>>(raw.get())
                .ok()
                .and_then(|fields| fields.get("text").and_then(Value::as_str).map(str::to_owned))
                .unwrap_or_default(),
            Self::Joined(text, _) => text.clone(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Verbatim(raw, _) => raw.get().to_owned(),
            Self::Joined(text, Plain::Thought) => {
                serde_json::json!({"text": text, "thought": true}).to_string()
            }
            Self::Joined(text, _) => serde_json::json!({"text": text}).to_string(),
        }
    }
}
