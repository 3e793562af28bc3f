use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Tokens that a call used. No token is counted in two fields, so that each can have its own price.
///
/// Vendors count otherwise: Gemini's and OpenAI's prompt counts hold the cached tokens, Anthropic's do not; Gemini's
/// output count leaves reasoning out, the others' do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input that was read anew.
    pub input_fresh: u64,
    /// Input that came from the vendor's cache.
    pub input_cached: u64,
    /// Input that was written to the vendor's cache, where that has its own price.
    pub input_cache_write: u64,
    /// Input that the vendor's own tools made.
    pub tool_prompt: u64,
    /// The answer, with tool calls.
    pub output_text: u64,
    /// Reasoning, whether it was shown or not.
    pub output_reasoning: u64,
    /// The vendor did not tell (all of) it; the numbers are made from sizes.
    pub estimated: bool,
}

impl Usage {
    /// All input: what counts towards the context and decides on a price's tier.
    pub fn input(&self) -> u64 {
        [self.input_cached, self.input_cache_write, self.tool_prompt]
            .into_iter()
            .fold(self.input_fresh, u64::saturating_add)
    }

    /// All output.
    pub fn output(&self) -> u64 {
        self.output_text.saturating_add(self.output_reasoning)
    }

    /// Input and output.
    pub fn total(&self) -> u64 {
        self.input().saturating_add(self.output())
    }

    /// Nothing was used, or nothing is known.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_fresh: self.input_fresh.saturating_add(other.input_fresh),
            input_cached: self.input_cached.saturating_add(other.input_cached),
            input_cache_write: self.input_cache_write.saturating_add(other.input_cache_write),
            tool_prompt: self.tool_prompt.saturating_add(other.tool_prompt),
            output_text: self.output_text.saturating_add(other.output_text),
            output_reasoning: self.output_reasoning.saturating_add(other.output_reasoning),
            estimated: self.estimated || other.estimated,
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
