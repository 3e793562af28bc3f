//! `/health`, `/ready`, `/metrics`, `/openapi.json` and `/docs`: for everyone, without a key, and without ids.

mod checks;
mod docs;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

pub use checks::{Check, CheckFailure, Impact};

use crate::serve::Shutdown;
use crate::telemetry::metrics;
use checks::Watched;

const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);
/// A process whose own task has not run for so long does not turn.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(10);

/// What a service tells about itself.
pub struct Health {
    service: &'static str,
    version: &'static str,
    facts: Map<String, Value>,
    checks: Vec<Watched>,
    openapi: Option<OpenApi>,
    shutdown: Shutdown,
}

struct Shared {
    service: &'static str,
    version: &'static str,
    facts: Map<String, Value>,
    checks: Vec<Watched>,
    openapi: String,
    shutdown: Shutdown,
    heartbeat: Mutex<Option<Instant>>,
}

impl Health {
    /// `version` is the service's `CARGO_PKG_VERSION`. Once `shutdown` is asked for, `/ready` is 503.
    pub fn new(service: &'static str, version: &'static str, shutdown: Shutdown) -> Self {
        Self { service, version, facts: Map::new(), checks: Vec::new(), openapi: None, shutdown }
    }

    /// Adds a check of something that the service needs.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(Watched::new(check));
        self
    }

    /// Adds several checks.
    #[must_use]
    pub fn checks(mut self, checks: impl IntoIterator<Item = Check>) -> Self {
        self.checks.extend(checks.into_iter().map(Watched::new));
        self
    }

    /// Adds a member to `/health`, such as `emulated: true`. Everyone can read it.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.facts.insert(name.into(), value.into());
        self
    }

    /// What `/openapi.json` and `/docs` show.
    #[must_use]
    pub fn openapi(mut self, openapi: OpenApi) -> Self {
        self.openapi = Some(openapi);
        self
    }

    /// The routes, to be merged with the service's own.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let mut openapi = self.openapi.unwrap_or_default();
        openapi.info.title = self.service.to_owned();
        openapi.info.version = self.version.to_owned();
        let shared = Shared {
            service: self.service,
            version: self.version,
            facts: self.facts,
            checks: self.checks,
            openapi: openapi.to_json().expect("a document of strings and maps serialises"),
            shutdown: self.shutdown,
            heartbeat: Mutex::new(None),
        };
        Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .route(
                "/metrics",
                get(async || text("text/plain; version=0.0.4; charset=utf-8", metrics::render())),
            )
            .route("/openapi.json", get(openapi_json))
            .route("/docs", get(docs::page))
            .with_state(Arc::new(shared))
    }
}

/// Whether the process turns, and what is degraded. Does not wait for any check.
async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let is_alive = shared.beats();
    for check in &shared.checks {
        check.refresh_in_background();
    }
    let is_degraded = shared.checks.iter().any(Watched::is_failing);
    let (status, word) = match (is_alive, is_degraded) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
        (true, true) => (StatusCode::OK, "degraded"),
        (true, false) => (StatusCode::OK, "healthy"),
    };
    (status, Json(shared.body(word))).into_response()
}

/// Whether the service can serve: all required checks pass, and nobody asked it to stop.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    for check in &shared.checks {
        check.refresh().await;
    }
    let is_ready = !shared.shutdown.is_requested() && !shared.checks.iter().any(Watched::forbids_serving);
    let (status, word) = match is_ready {
        true => (StatusCode::OK, "ready"),
        false if shared.shutdown.is_requested() => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    (status, Json(shared.body(word))).into_response()
}

async fn openapi_json(State(shared): State<Arc<Shared>>) -> Response {
    text("application/json", shared.openapi.clone())
}

fn text(kind: &'static str, body: String) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], body).into_response()
}

impl Shared {
    fn body(&self, status: &str) -> Value {
        let checks: Map<_, _> =
            self.checks.iter().map(|check| (check.name().to_owned(), check.report())).collect();
        let timestamp = format!("{:.3}", jiff::Timestamp::now());
        let mut body = json!({
            "status": status, "service": self.service, "version": self.version, "timestamp": timestamp, "checks": checks,
        });
        if let Value::Object(members) = &mut body {
            members.extend(self.facts.clone());
        }
        body
    }

    /// Whether the heartbeat is recent; the first call starts it.
    fn beats(self: &Arc<Self>) -> bool {
        let mut heartbeat = self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
        match *heartbeat {
            Some(last) => last.elapsed() < HEARTBEAT_LIMIT,
            None => {
                *heartbeat = Some(Instant::now());
                let shared = Arc::downgrade(self);
                tokio::spawn(async move {
                    let mut ticks = tokio::time::interval(HEARTBEAT_EVERY);
                    loop {
                        ticks.tick().await;
                        let Some(shared) = shared.upgrade() else { return };
                        *shared.heartbeat.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some(Instant::now());
                    }
                });
                true
            }
        }
    }
}
