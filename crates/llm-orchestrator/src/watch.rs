//! Whether the model answers, as far as calls that are made anyway tell. Asking it would cost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_api::LlmError;
use tokio::time::Instant;

/// A failure says little about now after this time.
const MEMORY: Duration = Duration::from_secs(60);

/// What became of the latest call of the model. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ModelWatch {
    failed: Arc<Mutex<Option<(Instant, &'static str)>>>,
}

/// The latest call of the model failed, a short while ago.
#[derive(Debug, thiserror::Error)]
#[error("its latest call failed: {0}")]
pub(crate) struct Failing(&'static str);

impl ModelWatch {
    pub(crate) fn answered(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes a failure that is about the vendor, and not about one request.
    pub(crate) fn failed(&self, error: &LlmError) {
        let is_about_vendor = error.is_retryable()
            || matches!(
                error.cause(),
                LlmError::Unauthorized { .. } | LlmError::Forbidden { .. } | LlmError::QuotaExhausted { .. }
            );
        if is_about_vendor {
            let word = crate::stats::error_word(error);
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), word));
        }
    }

    pub(crate) fn look(&self) -> Result<(), Failing> {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.filter(|(at, _)| at.elapsed() < MEMORY) {
            Some((_, word)) => Err(Failing(word)),
            None => Ok(()),
        }
    }
}
