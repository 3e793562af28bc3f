use std::time::SystemTime;

/// What one call of a model used. One run and step is counted once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    pub run_id: String,
    /// Of the run, from 0 or 1 as its service likes.
    pub step: u32,
    pub session_id: String,
    /// The API key on whose behalf.
    pub key_id: String,
    pub model: String,
    /// To the millisecond.
    pub at: SystemTime,
    /// Tokens of the prompt that were read anew.
    pub input_fresh: u64,
    /// Tokens of the prompt that came from the vendor's cache.
    pub input_cached: u64,
    /// Tokens of the prompt that were put into the vendor's cache.
    pub input_cache_write: u64,
    /// Tokens of tool results and descriptions that the vendor counts apart.
    pub tool_prompt: u64,
    pub output_text: u64,
    /// Tokens of thinking.
    pub output_reasoning: u64,
    /// The vendor did not say; these are guesses of ours.
    pub estimated: bool,
    /// A stand-in answered, so nothing was spent.
    pub emulated: bool,
    /// In billionths of a US dollar.
    pub cost_nano_usd: i64,
}

/// Which usage to sum up; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    pub session: Option<String>,
    pub key: Option<String>,
    pub run: Option<String>,
    /// At this time or later.
    pub since: Option<SystemTime>,
}

/// Sums over usage records, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageTotals {
    pub runs: u64,
    /// Calls of a model.
    pub steps: u64,
    pub input_fresh: u64,
    pub input_cached: u64,
    pub input_cache_write: u64,
    pub tool_prompt: u64,
    pub output_text: u64,
    pub output_reasoning: u64,
    /// Whether any of it was a guess.
    pub estimated: bool,
    /// Whether a stand-in answered any of it.
    pub emulated: bool,
    pub cost_nano_usd: i64,
}
