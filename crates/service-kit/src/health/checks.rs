use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};

/// How long a good result is good for.
const GOOD_FOR: Duration = Duration::from_secs(2);
/// The same of a bad one: others wait for the service to be ready, and should not wait for the next look as well.
const BAD_FOR: Duration = Duration::from_millis(250);
/// How long a check may take.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// What a failing check means for the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// It cannot serve: `/ready` is 503.
    Required,
    /// It serves with less: `/health` says `degraded`.
    Degrades,
}

/// Why a check failed; for the log, not for callers.
pub type CheckFailure = Box<dyn std::error::Error + Send + Sync>;

type Outcome = Pin<Box<dyn Future<Output = Result<(), CheckFailure>> + Send>>;

/// Asks something that the service needs whether it is there. Must be cheap, and must not call Airtable or a model.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    impact: Impact,
    ask: Arc<dyn Fn() -> Outcome + Send + Sync>,
}

impl Check {
    /// `ask` is called at most every two seconds, or four times a second while it fails, and may take one second.
    pub fn new<F, R, E>(name: &'static str, impact: Impact, ask: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<CheckFailure>,
    {
        let ask = Arc::new(move || {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(Into::into) }) as Outcome
        });
        Self { name, impact, ask }
    }
}

/// A check with its latest result.
#[derive(Clone)]
pub(super) struct Watched {
    check: Check,
    state: Arc<Mutex<State>>,
    /// Held while asking, so that a burst of probes asks once.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    latest: Option<Latest>,
}

#[derive(Clone, Copy)]
struct Latest {
    is_healthy: bool,
    asked: Instant,
    took: Duration,
    since: Timestamp,
}

impl Watched {
    pub(super) fn new(check: Check) -> Self {
        Self { check, state: Arc::default(), asking: Arc::default() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.check.name
    }

    pub(super) fn is_failing(&self) -> bool {
        self.latest().is_some_and(|latest| !latest.is_healthy)
    }

    /// A required check that fails, or was never asked.
    pub(super) fn forbids_serving(&self) -> bool {
        self.check.impact == Impact::Required && !self.latest().is_some_and(|latest| latest.is_healthy)
    }

    /// Names and states only: everyone can read it.
    pub(super) fn report(&self) -> Value {
        match self.latest() {
            None => json!({"status": "unknown"}),
            Some(latest) => json!({
                "status": if latest.is_healthy { "healthy" } else { "unhealthy" },
                "latency_ms": (latest.took.as_secs_f64() * 1e5).round() / 1e2,
                "since": format!("{:.3}", latest.since),
            }),
        }
    }

    pub(super) fn refresh_in_background(&self) {
        if self.is_old() {
            let this = self.clone();
            tokio::spawn(async move { this.refresh().await });
        }
    }

    /// Asks, unless the latest result is still good.
    pub(super) async fn refresh(&self) {
        let _asking = self.asking.lock().await;
        if !self.is_old() {
            return;
        }
        let asked = Instant::now();
        let result = match tokio::time::timeout(TIME_LIMIT, (self.check.ask)()).await {
            Ok(result) => result,
            Err(_) => Err("it did not answer in time".into()),
        };
        self.note(asked, result);
    }

    fn note(&self, asked: Instant, result: Result<(), CheckFailure>) {
        let is_healthy = result.is_ok();
        let mut state = self.state();
        let before = state.latest;
        let changed = before.is_none_or(|before| before.is_healthy != is_healthy);
        let since = before.filter(|_| !changed).map_or_else(Timestamp::now, |before| before.since);
        state.latest = Some(Latest { is_healthy, asked, took: asked.elapsed(), since });
        drop(state);
        match result {
            Err(error) if changed => warn!(check = self.name(), "{} is not healthy: {error}", self.name()),
            Ok(()) if changed && before.is_some() => {
                info!(check = self.name(), "{} is healthy again", self.name())
            }
            _ => {}
        }
    }

    fn is_old(&self) -> bool {
        self.latest().is_none_or(|latest| {
            let good_for = if latest.is_healthy { GOOD_FOR } else { BAD_FOR };
            latest.asked.elapsed() >= good_for
        })
    }

    fn latest(&self) -> Option<Latest> {
        self.state().latest
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
