//! Why a model did not answer, and whether asking again can help.

use std::time::Duration;

use http::StatusCode;

use crate::{BoxError, Usage};

/// Why a model did not answer. Messages are the vendor's own, without the key.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The key is missing, unknown or revoked.
    #[error("the model's vendor does not accept the API key: {message}")]
    Unauthorized {
        /// The vendor's words.
        message: String,
    },
    /// The key may not do this: another project's model, a region without service, no billing.
    #[error("the model's vendor does not allow this: {message}")]
    Forbidden {
        /// The vendor's words.
        message: String,
    },
    /// A quota by the day, or the budget, is used up: waiting for seconds or minutes is pointless.
    #[error("the quota for the model is used up: {message}")]
    QuotaExhausted {
        /// The vendor's words.
        message: String,
    },
    /// Too many requests or tokens in a minute.
    #[error("the model's rate limit is reached: {message}")]
    RateLimited {
        /// The vendor's words.
        message: String,
        /// What the vendor advises.
        retry_after: Option<Duration>,
    },
    /// The model has too much to do.
    #[error("the model is overloaded: {message}")]
    Overloaded {
        /// The vendor's words.
        message: String,
        /// What the vendor advises.
        retry_after: Option<Duration>,
    },
    /// The vendor does not understand the request.
    #[error("the model's vendor rejected the request: {message}")]
    InvalidRequest {
        /// The vendor's words.
        message: String,
    },
    /// Sealed reasoning in the history is missing or not this model's. [`Request::rebuild_history`] is the remedy.
    ///
    /// [`Request::rebuild_history`]: crate::Request::rebuild_history
    #[error("the model does not accept its earlier turns: {message}")]
    SignatureRejected {
        /// The vendor's words.
        message: String,
    },
    /// The conversation is longer than the model can read.
    #[error("the conversation is too long for the model: {message}")]
    ContextTooLong {
        /// The vendor's words.
        message: String,
    },
    /// There is no such model, or not for this key.
    #[error("there is no model {model}: {message}")]
    ModelNotFound {
        /// What was asked for.
        model: String,
        /// The vendor's words.
        message: String,
    },
    /// The prefix that the vendor was to keep is gone; send the whole request instead.
    #[error("the vendor no longer keeps the cached content: {message}")]
    CachedContentGone {
        /// The vendor's words.
        message: String,
    },
    /// The vendor failed.
    #[error("the model's vendor failed ({status}): {message}")]
    Server {
        /// The vendor's status.
        status: StatusCode,
        /// The vendor's words.
        message: String,
        /// What the vendor advises.
        retry_after: Option<Duration>,
    },
    /// No connection came about, so nothing was sent.
    #[error("the model's vendor cannot be reached")]
    Unreachable(#[source] BoxError),
    /// The connection broke before an answer came.
    #[error("the connection to the model broke before the answer")]
    Broken(#[source] BoxError),
    /// Nothing came for that long.
    #[error("the model was silent for {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The answer ended before the model had finished.
    #[error("the model's answer broke off")]
    CutStream {
        /// What was used until then.
        usage: Usage,
    },
    /// An error in the middle of an answer.
    #[error("the model's answer broke off")]
    Interrupted {
        /// What went wrong.
        #[source]
        cause: Box<LlmError>,
        /// What was used until then.
        usage: Usage,
    },
    /// The answer is not what the API answers with.
    #[error("the model's answer is not understood: {message}")]
    Protocol {
        /// What is wrong with it.
        message: String,
    },
    /// The request cannot be put into HTTP; it was not sent.
    #[error("the request cannot be sent: {message}")]
    Unsendable {
        /// What is wrong with it.
        message: String,
    },
}

impl LlmError {
    /// Whether the same request may succeed later. The caller decides how often, and whether it may be repeated at all:
    /// not if something of the answer was shown or acted upon.
    pub fn is_retryable(&self) -> bool {
        match self.cause() {
            Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::Server { .. }
            | Self::Unreachable(_)
            | Self::Broken(_)
            | Self::Timeout(_)
            | Self::CutStream { .. } => true,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::QuotaExhausted { .. }
            | Self::InvalidRequest { .. }
            | Self::SignatureRejected { .. }
            | Self::ContextTooLong { .. }
            | Self::ModelNotFound { .. }
            | Self::CachedContentGone { .. }
            | Self::Interrupted { .. }
            | Self::Protocol { .. }
            | Self::Unsendable { .. } => false,
        }
    }

    /// What the vendor advises to wait; `None`: it says nothing, and the caller's own back-off applies.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.cause() {
            Self::RateLimited { retry_after, .. }
            | Self::Overloaded { retry_after, .. }
            | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What was used all the same; zero if the model never began.
    pub fn usage(&self) -> Usage {
        match self {
            Self::CutStream { usage } | Self::Interrupted { usage, .. } => *usage,
            _ => Usage::default(),
        }
    }

    /// What went wrong: the cause of an interruption, else the error itself. Match on this.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Interrupted { cause, .. } => cause.cause(),
            other => other,
        }
    }

    /// With what was used before it happened, if anything was.
    pub(crate) fn after(self, used: Usage) -> Self {
        if used.is_empty() {
            return self;
        }
        match self {
            Self::CutStream { usage } => Self::CutStream { usage: usage + used },
            Self::Interrupted { cause, usage } => Self::Interrupted { cause, usage: usage + used },
            other => Self::Interrupted { cause: Box::new(other), usage: used },
        }
    }
}
