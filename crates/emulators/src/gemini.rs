#![doc = include_str!("../GEMINI.md")]

mod admin;
mod caches;
mod calls;
mod config;
mod demo;
mod echo;
mod embed;
mod emulator;
mod errors;
mod finish;
mod instance;
mod log;
mod markers;
mod messages;
mod models;
mod prefixes;
mod prompt;
mod proto;
mod quota;
mod reply;
mod routes;
mod script;
mod signature;
mod tokens;
mod validate;
mod wire;

pub use config::{Config, LISTEN, ModeName, Options, key_file};
pub use emulator::{Emulator, Keys, Mode, Settings};
pub use log::{Fate, LoggedRequest};
pub use quota::Quotas;
pub use script::{Problem, Script, ScriptError};

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use service_kit::Dialect;
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::health::Health;
use service_kit::serve::Shutdown;

/// The name in logs, metrics and `/health`.
pub const SERVICE: &str = "gemini-emulator";

/// Stands on every answer, so that nobody takes it for Google's.
const EMULATED: HeaderName = HeaderName::from_static("x-pyairtable-emulated");

/// The versions of Google's API.
const PREFIXES: [&str; 2] = ["/v1", "/v1beta"];

impl Emulator {
    /// Google's API under `/v1` and `/v1beta`, and the emulator's own under `/__emulator`. Without the shared edge: for tests
    /// that embed it; see [`app`] for the whole service.
    pub fn router(&self) -> Router {
        Router::new()
            .nest("/__emulator", admin::router(self.clone()))
            .fallback(emulator::answer)
            .with_state(self.clone())
            .layer(from_fn(label))
    }
}

/// The whole service: the emulator, its health routes, and the shared edge around them.
pub fn app(emulator: &Emulator, shutdown: Shutdown) -> Router {
    let health = Health::new(SERVICE, env!("CARGO_PKG_VERSION"), shutdown)
        .fact("emulated", true)
        .openapi(admin::openapi());
    let subtrees = PREFIXES.map(|prefix| Subtree {
        prefix,
        dialect: Dialect::Problem,
        body_limit: emulator::MAX_BODY_BYTES,
        deadline: Duration::from_secs(600),
    });
    let routes = emulator.router().merge(health.router());
    with_shared_layers(routes, subtrees.into_iter().chain([Subtree::OWN]), SERVICE).layer(from_fn(label))
}

async fn label(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_google = PREFIXES
        .iter()
        .any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    let mut response = next.run(request).await;
    if is_google {
        response = emulator::in_googles_form(response);
    }
    response.headers_mut().insert(EMULATED, HeaderValue::from_static("true"));
    response
}
