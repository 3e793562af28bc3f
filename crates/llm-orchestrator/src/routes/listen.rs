//! Follows a run: by itself, or through the one request that began it under an idempotency key.

use std::sync::Arc;

use service_kit::{ApiError, ErrorCode};
use tokio::sync::{mpsc, watch};

use crate::idempotency::{self, Finished, First, Outcome};
use crate::runner::{RunEvent, Running};

/// Follows one run. Dropping it is leaving.
pub(super) struct Listener {
    source: Source,
    reasoning: String,
}

enum Source {
    Direct(Running),
    Followed { events: mpsc::Receiver<RunEvent>, outcome: watch::Receiver<Option<Outcome>> },
}

/// What is heard of a run.
pub(super) enum Heard {
    Event(RunEvent),
    /// The last.
    Ended(Arc<Finished>),
    /// The run is gone without a word.
    Lost(ApiError),
}

impl Listener {
    pub(super) fn new(running: Running, first: Option<First>) -> Self {
        let source = match first {
            None => Source::Direct(running),
            Some(first) => {
                let outcome = first.outcome();
                Source::Followed { events: first.follow(running), outcome }
            }
        };
        Self { source, reasoning: String::new() }
    }

    /// The next thing that is heard. May be dropped and asked again without losing any.
    pub(super) async fn next(&mut self) -> Heard {
        match &mut self.source {
            Source::Direct(running) => match running.events.recv().await {
                Some(RunEvent::Ended(report)) => {
                    let reasoning = std::mem::take(&mut self.reasoning);
                    Heard::Ended(Arc::new(Finished { report: *report, reasoning }))
                }
                Some(event) => {
                    if let RunEvent::Thought(text) = &event {
                        self.reasoning.push_str(text);
                    }
                    Heard::Event(event)
                }
                None => Heard::Lost(ApiError::new(ErrorCode::Internal, "the run ended without an answer")),
            },
            Source::Followed { events, outcome } => match events.recv().await {
                Some(event) => Heard::Event(event),
                None => match idempotency::outcome(outcome.clone()).await {
                    Ok(finished) => Heard::Ended(finished),
                    Err(error) => Heard::Lost(error),
                },
            },
        }
    }
}
