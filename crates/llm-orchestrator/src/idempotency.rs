//! `Idempotency-Key`: the same request twice is one run with one answer.
//!
//! Known to this process only. A run with a key goes on when its client leaves, so that the client finds the answer when it
//! asks again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use service_kit::auth::Principal;
use service_kit::{ApiError, ErrorCode};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::runner::{Report, RunEvent, Running};

/// How long an answer is kept.
const LIFE: Duration = Duration::from_secs(3600);
/// Answers kept at once. Beyond it, the oldest goes.
const MOST: usize = 1000;
const MOST_KEY_CHARS: usize = 255;
/// What the client of a run may be behind.
const AHEAD: usize = 256;

/// Requests with a key. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Idempotency {
    slots: Arc<Mutex<HashMap<String, Slot>>>,
}

#[derive(Clone)]
struct Slot {
    body: [u8; 32],
    since: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// What became of a run.
#[derive(Clone)]
pub(crate) enum Outcome {
    Ended(Arc<Finished>),
    /// It did not begin.
    Refused(ApiError),
}

/// A run's answer, kept.
pub(crate) struct Finished {
    pub report: Report,
    pub reasoning: String,
}

/// What to do about a request with a key.
pub(crate) enum Asked {
    /// Run it, and say what became of it.
    First(First),
    /// It was run, or is being run.
    Again(watch::Receiver<Option<Outcome>>),
}

/// The duty to say what became of the first request of a key. Dropped without a word, the key is as good as unused.
pub(crate) struct First {
    idempotency: Idempotency,
    key: String,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Idempotency {
    pub(crate) fn ask(&self, owner: &Principal, key: &str, body: [u8; 32]) -> Result<Asked, ApiError> {
        if key.is_empty() || key.chars().count() > MOST_KEY_CHARS {
            return Err(ApiError::new(
                ErrorCode::InvalidRequest,
                format!("an Idempotency-Key has 1 to {MOST_KEY_CHARS} characters"),
            ));
        }
        let key = format!("{} {key}", owner.key_id);
        let mut slots = self.slots();
        slots.retain(|_, slot| slot.since.elapsed() < LIFE);
        if let Some(slot) = slots.get(&key) {
            return match slot.body == body {
                true => Ok(Asked::Again(slot.outcome.clone())),
                false => Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    "this Idempotency-Key was used for another request",
                )
                .openai("invalid_request_error", "idempotency_key_reused")),
            };
        }
        if slots.len() >= MOST
            && let Some(oldest) = slots.iter().min_by_key(|(_, slot)| slot.since).map(|(key, _)| key.clone())
        {
            slots.remove(&oldest);
        }
        let (outcome, seen) = watch::channel(None);
        slots.insert(key.clone(), Slot { body, since: Instant::now(), outcome: seen });
        drop(slots);
        Ok(Asked::First(First { idempotency: self.clone(), key, outcome }))
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl First {
    /// Follows a run to its end, whoever listens, and keeps its answer. What the client hears comes from the receiver.
    pub(crate) fn follow(self, running: Running) -> mpsc::Receiver<RunEvent> {
        let (out, events) = mpsc::channel(AHEAD);
        tokio::spawn(self.pass_on(running, out));
        events
    }

    async fn pass_on(self, mut running: Running, out: mpsc::Sender<RunEvent>) {
        let mut reasoning = String::new();
        while let Some(event) = running.events.recv().await {
            match event {
                RunEvent::Ended(report) => {
                    let finished = Finished { report: *report, reasoning };
                    return self.ended(Arc::new(finished));
                }
                event => {
                    if let RunEvent::Thought(text) = &event {
                        reasoning.push_str(text);
                    }
                    // Nobody may listen any more. A listener that does not read holds up the run no longer than it may last.
                    let _ = out.send(event).await;
                }
            }
        }
    }

    /// What became of the run, for its own client.
    pub(crate) fn outcome(&self) -> watch::Receiver<Option<Outcome>> {
        self.outcome.subscribe()
    }

    pub(crate) fn refused(self, error: ApiError) {
        self.outcome.send_replace(Some(Outcome::Refused(error)));
    }

    fn ended(self, finished: Arc<Finished>) {
        // A failure that may be repeated is no answer to keep.
        let is_kept = finished.report.error().is_none_or(|error| !error.is_retryable());
        self.outcome.send_replace(Some(Outcome::Ended(finished)));
        if is_kept {
            // Keeps the slot: `Drop` takes it away.
            let mut this = self;
            this.key.clear();
        }
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if !self.key.is_empty() {
            self.idempotency.slots().remove(&self.key);
        }
    }
}

/// Waits for the outcome of a run that another request began.
pub(crate) async fn outcome(mut seen: watch::Receiver<Option<Outcome>>) -> Result<Arc<Finished>, ApiError> {
    let outcome = seen.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
    match outcome {
        Some(Outcome::Ended(finished)) => Ok(finished),
        Some(Outcome::Refused(error)) => Err(error),
        None => Err(ApiError::new(
            ErrorCode::Conflict,
            "the request with this Idempotency-Key was given up; send it again",
        )
        .retryable(true)),
    }
}
