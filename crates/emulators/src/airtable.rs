//! An Airtable to test against: its Web API over bases in memory, or in a file.

mod access;
mod admin;
mod bases;
mod body;
mod caller;
mod calls;
mod cell;
mod clock;
mod comments;
mod computed;
mod config;
mod dependents;
mod emulator;
mod errors;
mod faults;
mod fields;
mod files;
mod ids;
mod kept;
mod limits;
mod links;
mod list;
mod log;
mod loopback;
mod meta;
mod model;
mod oauth;
mod query;
mod records;
mod render;
mod routes;
mod rows;
mod sample;
mod seed;
mod structure;
mod sync;
mod unconfirmed;
mod upsert;
mod webhooks;
mod write;

pub use config::{Config, LimitOptions, Options, StartError, token_file};
pub use emulator::Emulator;
pub use files::{FileSettings, PublicUrl, Sources};
pub use kept::KeptError;
pub use limits::Limits;
pub use seed::{Problem, Seed, SeedError, TableSummary};

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
pub const SERVICE: &str = "airtable-emulator";

/// Stands on every answer, so that nobody takes it for Airtable's.
const EMULATED: HeaderName = HeaderName::from_static("x-pyairtable-emulated");

impl Emulator {
    /// Airtable's API under `/v0`, and the emulator's own under `/__emulator`. Without the shared edge: for tests that embed
    /// it; see [`app`] for the whole service.
    pub fn router(&self) -> Router {
        Router::new()
            .nest("/__emulator", admin::router(self.clone()))
            .merge(files::router())
            .fallback(calls::answer)
            .with_state(self.clone())
            .layer(from_fn(label))
    }
}

/// The whole service: the emulator, its health routes, and the shared edge around them.
pub fn app(emulator: &Emulator, shutdown: Shutdown) -> Router {
    let health = Health::new(SERVICE, env!("CARGO_PKG_VERSION"), shutdown)
        .fact("emulated", true)
        .openapi(admin::openapi());
    let api = Subtree {
        prefix: "/v0",
        dialect: Dialect::Airtable,
        body_limit: limits::MOST_BODY_BYTES,
        deadline: Duration::from_secs(300),
    };
    let routes = emulator.router().merge(health.router());
    with_shared_layers(routes, [api, admin::SNAPSHOTS, Subtree::OWN], SERVICE).layer(from_fn(label))
}

async fn label(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(EMULATED, HeaderValue::from_static("true"));
    response
}
