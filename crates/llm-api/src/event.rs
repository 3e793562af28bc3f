use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream;

use crate::{LlmError, ModelTurn, ToolCall, Usage};

/// A piece of an answer, as it comes.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// More of the answer's text; never empty.
    Text(String),
    /// More of a summary of the reasoning; never empty.
    Thought(String),
    /// A whole call, to be shown. It must not be run before [`StreamEvent::Done`] has come with
    /// [`Finish::ToolCalls`]: the turn may yet turn out truncated or malformed.
    ToolCall(ToolCall),
    /// The last event: the whole answer.
    Done(Box<Reply>),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// What the model said; keep it as it is for the next request. Empty if the answer was [`Finish::Malformed`].
    pub turn: ModelTurn,
    /// Why it ended.
    pub finish: Finish,
    /// What it used, with all continuations.
    pub usage: Usage,
    /// The exact model that answered.
    pub model_version: Option<String>,
    /// The vendor's id of the answer.
    pub response_id: Option<String>,
    /// It came from an emulator.
    pub emulated: bool,
    /// What was asked but not sent as it was.
    pub adjustments: Vec<Adjustment>,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model had said what it wanted to say. The text may be empty all the same.
    Stop,
    /// The model waits for the results of its calls.
    ToolCalls,
    /// The bound on the output was reached; calls in such a turn must not be run. Without any text, reasoning used up
    /// the bound.
    Length,
    /// The answer was withheld or broken off by a filter. Asking again does not help.
    ContentFilter {
        /// The vendor's word, such as `SAFETY`.
        reason: String,
    },
    /// The question was refused by a filter. Asking again does not help.
    PromptBlocked {
        /// The vendor's word, such as `PROHIBITED_CONTENT`.
        reason: String,
    },
    /// The model tried to call a tool and failed. Asking again often helps.
    Malformed {
        /// The vendor's word, such as `MALFORMED_FUNCTION_CALL`.
        reason: String,
        /// What the vendor says about it.
        message: Option<String>,
    },
    /// The answer was continued as often as we follow, and is still not over.
    Continuation,
    /// Anything else, in the vendor's word; empty if there is none. Asking again may help, once.
    Other(String),
}

/// What was asked but not sent as it was, because the model does not take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adjustment {
    /// A parameter that the model ignores or refuses.
    ParameterDropped {
        /// Its name in [`Request`](crate::Request).
        name: &'static str,
    },
    /// The effort became another.
    ThinkingChanged {
        /// What was asked for, in words.
        asked: String,
        /// What was sent, in words.
        sent: String,
    },
    /// A part of a tool's schema.
    Schema {
        /// The tool; `None` for the schema of the answer.
        tool: Option<String>,
        /// JSON pointer to the schema that held it.
        path: String,
        /// The keyword.
        keyword: String,
    },
    /// Turns of another model or key, sent without their vendor's own words.
    TurnsRebuilt {
        /// How many.
        count: usize,
    },
}

/// The events of an answer. Dropping it ends the call and closes its connection.
///
/// After an error nothing follows; before the end of the stream there is either an error or [`StreamEvent::Done`].
pub struct ReplyStream {
    events: Pin<Box<dyn Stream<Item = Result<StreamEvent, LlmError>> + Send>>,
    adjustments: Vec<Adjustment>,
    so_far: Arc<Mutex<SoFar>>,
}

/// What is known of an answer while it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SoFar {
    /// What was used: it has to be paid for, also if nobody waits for the end.
    pub usage: Usage,
    /// A stand-in answers.
    pub emulated: bool,
}

impl ReplyStream {
    pub(crate) fn new(
        events: impl Stream<Item = Result<StreamEvent, LlmError>> + Send + 'static,
        adjustments: Vec<Adjustment>,
        so_far: Arc<Mutex<SoFar>>,
    ) -> Self {
        Self { events: Box::pin(events), adjustments, so_far }
    }

    /// What was asked but not sent as it was; known from the start.
    pub fn adjustments(&self) -> &[Adjustment] {
        &self.adjustments
    }

    /// For whoever stops listening before the end.
    pub fn so_far(&self) -> SoFar {
        *self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for ReplyStream {
    type Item = Result<StreamEvent, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").field("adjustments", &self.adjustments).finish_non_exhaustive()
    }
}

/// A model that a vendor offers to this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Such as `gemini-3.8-flash`.
    pub id: String,
    /// For people.
    pub display_name: Option<String>,
    /// Most tokens of a request.
    pub input_token_limit: Option<u64>,
    /// Most tokens of an answer.
    pub output_token_limit: Option<u64>,
    /// It answers conversations (others only embed texts).
    pub generates: bool,
}
