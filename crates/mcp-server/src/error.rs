//! Why a tool could not do what it was asked: in words that tell a model, or a person, what to do next.

use std::fmt::{self, Display};
use std::time::Duration;

use airtable_formula::filter::FieldError;

/// A failed tool call. The text is read by models: it names the argument, what would be right, and the next step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolError {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// When waiting helps, how long.
    pub(crate) retry_after: Option<Duration>,
}

/// What kind of failure, for programs; in `_meta` of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidArguments,
    NotFound,
    Ambiguous,
    Forbidden,
    Unauthenticated,
    /// Airtable read the request and said no.
    Refused,
    RateLimited,
    /// The gateway or Airtable cannot be reached, or does not answer usefully.
    Unavailable,
    DeadlineExceeded,
    /// A write was sent and nobody knows what became of it.
    OutcomeUnknown,
    /// A part of a write is done.
    PartlyDone,
    /// A confirmation that is not, or no longer, good.
    ConfirmationInvalid,
}

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArguments => "invalid_arguments",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::PartlyDone => "partly_done",
            Self::ConfirmationInvalid => "confirmation_invalid",
        }
    }

    /// Whether the same call may be made again, and can then succeed.
    pub(crate) fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::DeadlineExceeded)
    }
}

impl From<FieldError> for ToolError {
    fn from(error: FieldError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl ToolError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArguments, message)
    }

    /// The message with something before it, such as the argument that is wrong.
    pub(crate) fn within(mut self, place: impl Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The message with a next step behind it.
    pub(crate) fn then(mut self, next: impl Display) -> Self {
        self.message = format!("{}. {next}", self.message.trim_end_matches('.'));
        self
    }
}

impl Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ToolError {}
