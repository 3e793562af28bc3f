//! What a model has to say, before it is put on the wire.

use std::time::Duration;

use serde_json::{Value, json};

use super::errors::GeminiError;

/// The outcome of asking a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Reply(Box<Reply>),
    /// The prompt was blocked, for this reason: 200, and no candidate.
    Blocked(String),
    Error(GeminiError),
}

/// An answer, and how it is delivered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reply {
    pub(super) pieces: Vec<Piece>,
    /// `None` is `STOP`.
    pub(super) finish: Option<String>,
    pub(super) finish_message: Option<String>,
    pub(super) usage: UsageOverride,
    pub(super) signature: SignaturePlace,
    /// To be sent back for the rest of the answer.
    pub(super) continuation: Option<Vec<u8>>,
    /// Before the answer begins, on top of the emulator's own latency.
    pub(super) delay: Duration,
    pub(super) chunk_delay: Option<Duration>,
    /// Length of the pieces that a body is written in; characters may be cut.
    pub(super) split_bytes: Option<usize>,
    pub(super) end: End,
}

/// A part of an answer. A text comes as a list: each entry is a chunk of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Thought(Vec<String>),
    Text(Vec<String>),
    Call(FunctionCall),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FunctionCall {
    pub(super) id: CallId,
    pub(super) name: String,
    /// An object, unless malformed on purpose.
    pub(super) args: Value,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum CallId {
    /// As the model does it: an id from generation 3 on.
    #[default]
    Minted,
    Given(String),
    None,
}

/// Where the thought signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum SignaturePlace {
    /// As the model does it: on the first call, else on the last part.
    #[default]
    Usual,
    /// On a last part with empty text.
    EmptyPart,
    None,
}

/// How an answer ends.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum End {
    #[default]
    Complete,
    /// The body breaks off after this many chunks.
    Cut { after_chunks: usize, how: Cut },
    /// After this many chunks comes an error instead of the next.
    Fail { after_chunks: usize, error: GeminiError },
    /// After this many chunks nothing comes for a time; then it goes on.
    Hang { after_chunks: usize, time: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Cut {
    /// The connection breaks.
    #[default]
    Connection,
    /// The connection breaks in the middle of the next chunk, inside a character if it has one of several bytes.
    InsideChunk,
    /// The body ends in order, but too early.
    Body,
}

/// Numbers that replace what would be computed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct UsageOverride {
    pub(super) prompt: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) candidates: Option<u64>,
    pub(super) thoughts: Option<u64>,
    pub(super) tool_use: Option<u64>,
}

/// `usageMetadata`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    /// Contained in `prompt`.
    pub(super) cached: u64,
    pub(super) candidates: u64,
    pub(super) thoughts: u64,
    pub(super) tool_use: u64,
}

impl Reply {
    /// Without content, as when it was withheld or went wrong.
    pub(super) fn empty(finish: &str) -> Self {
        Self { finish: Some(finish.to_owned()), ..Self::default() }
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(Box::new(reply))
    }
}

impl Usage {
    /// Fields that are zero are left out, as Google does.
    pub(super) fn to_json(self) -> Value {
        let total = self.prompt + self.candidates + self.thoughts + self.tool_use;
        let mut usage = serde_json::Map::new();
        let mut put = |name: &str, count: u64| {
            if count > 0 {
                usage.insert(name.to_owned(), count.into());
            }
        };
        put("promptTokenCount", self.prompt);
        put("cachedContentTokenCount", self.cached);
        put("candidatesTokenCount", self.candidates);
        put("thoughtsTokenCount", self.thoughts);
        put("toolUsePromptTokenCount", self.tool_use);
        put("totalTokenCount", total);
        for (name, count) in [("promptTokensDetails", self.prompt), ("cacheTokensDetails", self.cached)] {
            if count > 0 {
                usage.insert(name.to_owned(), json!([{"modality": "TEXT", "tokenCount": count}]));
            }
        }
        Value::Object(usage)
    }
}
