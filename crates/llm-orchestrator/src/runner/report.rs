//! What a run came to.

use std::time::Duration;

use llm_api::Usage;
use serde::Serialize;
use serde_json::Value;
use service_kit::ApiError;
use tracing::info;

use crate::error;
use crate::events::RunStatus;
use crate::stats;
use crate::turn::Ending;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub run: String,
    pub session: String,
    pub model: String,
    /// Everything that the user was shown, without thoughts.
    pub answer: String,
    pub steps: Vec<StepView>,
    /// Of each call of the model.
    pub usage: Vec<UsageView>,
    /// The model or Airtable was a stand-in.
    pub emulated: bool,
    /// The model was a stand-in: nobody charges for it.
    pub model_emulated: bool,
    /// Parameters that the model does not take.
    pub dropped: Vec<&'static str>,
    pub ending: Option<Ending>,
    /// Why it has no ending.
    broken: Option<ApiError>,
}

/// A tool call, as the client is shown it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepView {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: String,
    pub name: String,
    pub arguments: Value,
    pub status: &'static str,
    pub duration_ms: u64,
    pub result_preview: String,
}

/// Usage of one call of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsageView {
    pub usage: Usage,
    /// `None`: the model's price is not known.
    pub cost_nano_usd: Option<i64>,
}

impl Report {
    pub(super) fn new(run: String, session: String, model: String) -> Self {
        Self {
            run,
            session,
            model,
            answer: String::new(),
            steps: Vec::new(),
            usage: Vec::new(),
            emulated: false,
            model_emulated: false,
            dropped: Vec::new(),
            ending: None,
            broken: None,
        }
    }

    pub(super) fn ended(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    pub(super) fn broke_off(&mut self, error: ApiError) {
        self.broken = Some(error);
    }

    /// The sum over all calls of the model.
    pub(crate) fn total(&self) -> Usage {
        self.usage.iter().fold(Usage::default(), |sum, step| sum + step.usage)
    }

    /// `None`: the price of a model is not known.
    pub(crate) fn cost_nano_usd(&self) -> Option<i64> {
        self.usage.iter().map(|step| step.cost_nano_usd).sum()
    }

    pub(crate) fn status(&self) -> RunStatus {
        self.ending.as_ref().map_or(RunStatus::Failed, |ending| ending.status)
    }

    /// Why there is no (whole) answer.
    pub(crate) fn error(&self) -> Option<ApiError> {
        if let Some(broken) = &self.broken {
            // What was done may not have been recorded.
            let changed = self.steps.iter().any(|step| step.status != "error");
            return Some(broken.clone().retryable(broken.is_retryable() && !changed));
        }
        let ending = self.ending.as_ref()?;
        match (&ending.failure, ending.status) {
            (Some(failure), _) => Some(error::of_failure(failure, ending.changed)),
            (None, RunStatus::Cancelled) => Some(error::cancelled(ending.changed)),
            _ => None,
        }
    }

    pub(super) fn failure_word(&self) -> Option<&'static str> {
        match (&self.broken, self.ending.as_ref().and_then(|ending| ending.failure.as_ref())) {
            (Some(_), _) => Some("store"),
            (None, Some(failure)) => Some(failure.word()),
            (None, None) => None,
        }
    }

    /// One line in the log, and the metrics.
    pub(super) fn note(&self, took: Duration) {
        let status = self.status().as_str();
        stats::run(status, took);
        let usage = self.total();
        info!(
            run.id = self.run,
            session.id = self.session,
            model = self.model,
            status,
            model_calls = self.usage.len(),
            tool_calls = self.steps.len(),
            input_tokens = usage.input(),
            output_tokens = usage.output(),
            cost_nano_usd = self.cost_nano_usd(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "answered a question: {status}, {} calls of the model, {} of tools",
            self.usage.len(),
            self.steps.len(),
        );
    }
}
