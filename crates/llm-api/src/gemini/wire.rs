//! Gemini's answers, field by field. Every field may be missing, and unknown ones are passed over.
//!
//! Source: <https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse>

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Usage;

/// One piece of a stream, or a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) candidates: Vec<Candidate>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) prompt_feedback: PromptFeedback,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) usage_metadata: UsageMetadata,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
    /// It is no piece of an answer, but says why there is none.
    pub(super) error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) index: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) content: Content,
    pub(super) finish_reason: Option<String>,
    pub(super) finish_message: Option<String>,
    pub(super) continuation_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Content {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) parts: Vec<Box<RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
}

/// Running totals; a piece may leave any of them out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    #[serde(default, deserialize_with = "count")]
    prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cached_content_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    candidates_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    thoughts_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    tool_use_prompt_token_count: Option<u64>,
}

impl UsageMetadata {
    /// The latest word on each field.
    pub(super) fn merge(&mut self, later: Self) {
        self.prompt_token_count = later.prompt_token_count.or(self.prompt_token_count);
        self.cached_content_token_count =
            later.cached_content_token_count.or(self.cached_content_token_count);
        self.candidates_token_count = later.candidates_token_count.or(self.candidates_token_count);
        self.thoughts_token_count = later.thoughts_token_count.or(self.thoughts_token_count);
        self.tool_use_prompt_token_count =
            later.tool_use_prompt_token_count.or(self.tool_use_prompt_token_count);
    }

    /// `None` if the vendor has not said anything. The prompt's count holds the cached tokens; the candidates' count does
    /// not hold the thoughts.
    pub(super) fn usage(&self) -> Option<Usage> {
        if *self == Self::default() {
            return None;
        }
        let cached = self.cached_content_token_count.unwrap_or(0);
        Some(Usage {
            input_fresh: self.prompt_token_count.unwrap_or(0).saturating_sub(cached),
            input_cached: cached,
            input_cache_write: 0,
            tool_prompt: self.tool_use_prompt_token_count.unwrap_or(0),
            output_text: self.candidates_token_count.unwrap_or(0),
            output_reasoning: self.thoughts_token_count.unwrap_or(0),
            estimated: false,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenCount {
    #[serde(default, deserialize_with = "count")]
    pub(super) total_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelPage {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) models: Vec<ListedModel>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedModel {
    pub(super) name: String,
    pub(super) display_name: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub(super) input_token_limit: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(super) output_token_limit: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) supported_generation_methods: Vec<String>,
}

/// In the vendor's JSON `null` is as good as absent.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A count of tokens: a number, a number in quotes (as protobuf writes 64 bits), or `3.0`. Nonsense counts as absent: an
/// answer is worth more than its bill.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    let of_float = |number: f64| (0.0..=9e15).contains(&number).then_some(number as u64);
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(of_float)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> UsageMetadata {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_field_of_the_usage_keeps_its_latest_word() {
        let mut usage = read(r#"{"promptTokenCount":400,"thoughtsTokenCount":30}"#);
        usage.merge(read(r#"{"candidatesTokenCount":3,"thoughtsTokenCount":null}"#));
        usage.merge(read(
            r#"{"promptTokenCount":401,"candidatesTokenCount":8,"cachedContentTokenCount":100}"#,
        ));
        let usage = usage.usage().unwrap();
        assert_eq!((usage.input_fresh, usage.input_cached), (301, 100));
        assert_eq!((usage.output_text, usage.output_reasoning), (8, 30));
        assert_eq!(usage.total(), 439);
    }

    #[test]
    fn counts_are_read_however_they_are_written() {
        let usage = read(
            r#"{"promptTokenCount":"12","candidatesTokenCount":3.0,"thoughtsTokenCount":-4,"toolUsePromptTokenCount":[]}"#,
        );
        let usage = usage.usage().unwrap();
        assert_eq!((usage.input_fresh, usage.output_text, usage.output_reasoning), (12, 3, 0));
        assert_eq!(read("{}").usage(), None);
    }

    #[test]
    fn more_cached_than_prompted_is_no_reason_to_fail() {
        let usage = read(r#"{"promptTokenCount":5,"cachedContentTokenCount":9}"#).usage().unwrap();
        assert_eq!((usage.input_fresh, usage.input_cached), (0, 9));
    }

    #[test]
    fn every_field_of_an_answer_may_be_missing_or_null() {
        for text in [
            "{}",
            r#"{"candidates":null,"promptFeedback":null,"usageMetadata":null}"#,
            r#"{"candidates":[{}]}"#,
            r#"{"candidates":[{"content":null,"index":null,"finishReason":null}]}"#,
            r#"{"candidates":[{"content":{"parts":null,"role":"model"},"groundingMetadata":{"x":[1]}}],"new":true}"#,
        ] {
            serde_json::from_str::<Piece>(text).unwrap();
        }
    }
}
