#![doc = include_str!("../README.md")]

mod aliases;
mod answer;
mod call;
mod caller;
mod config;
mod directives;
mod dropin;
mod error;
mod flights;
mod headers;
mod normal;
mod pacing;
mod payload;
mod reads;
mod rights;
mod routes;
mod state;
mod stats;
mod tiers;
mod upstream;
mod versions;
mod writes;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::middleware::map_request;
use service_kit::Dialect;
use service_kit::auth::Authenticator;
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::health::Health;
use service_kit::outbound::{OutboundError, http_client};
use service_kit::routes::{Built, RouteEntry};
use service_kit::stores::Stores;
use storage::StorageError;

pub use caller::TokenSource;
pub use config::{Config, LISTEN};

use airtable_api::AirtableClient;
use caller::Callers;
use pacing::Pacing;
use reads::Reads;
use state::AppState;
use stats::Stats;
use tiers::Tiers;
use upstream::Upstream;
use versions::Versions;
use writes::Writes;

/// The name in logs, metrics and `/health`.
pub const SERVICE: &str = "airtable-gateway";

/// Airtable's dialect: bodies as large as Airtable takes them, and time enough for its most patient client (airtable.js
/// gives up after 300 s).
const AIRTABLE: Subtree = Subtree {
    prefix: "/v0",
    dialect: Dialect::Airtable,
    body_limit: 10 << 20,
    deadline: Duration::from_secs(290),
};

/// Many rows in one request: ten need a slot, and a base has five slots a second.
const RECORDS: Subtree = Subtree {
    prefix: "/api/v1/airtable/bases",
    body_limit: 10 << 20,
    deadline: AIRTABLE.deadline,
    ..Subtree::OWN
};

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The stores cannot be opened.
    #[error("the stores cannot be opened")]
    Store(#[from] StorageError),
    /// The key that services vouch for callers with cannot be read or made.
    #[error("the services' common key cannot be kept")]
    InternalKey(#[source] std::io::Error),
    /// The HTTP client cannot be set up.
    #[error("calls to Airtable cannot be set up")]
    Client(#[from] OutboundError),
}

/// The whole service, ready to be served.
pub async fn app(config: Config) -> Result<Router, StartError> {
    let stores = match config.opened {
        Some(stores) => stores,
        None => Stores::open(&config.stores, config.shutdown.clone()).await?,
    };
    let internal_key = config.internal_key.open().map_err(StartError::InternalKey)?;
    let authenticator = Authenticator::new(stores.keys.clone(), Some(internal_key))
        .with_operator(config.operator_key.clone());
    service_kit::telemetry::metrics::handle();
    stats::describe();
    let stats = Arc::<Stats>::default();
    let pacing =
        if config.pacing { Pacing::among(config.replicas_max, stores.slots.clone()) } else { Pacing::off() };
    let address = config.airtable.to_uri();
    let client = AirtableClient::new(http_client(&address)?, config.airtable.clone());
    let upstream = Upstream::new(client, pacing, stats.clone(), config.shutdown.clone());
    let versions = Versions::new(stores.generations.clone());
    let tiers = Tiers::new(config.cache_max_bytes, stores.cache.clone());
    let clock = Arc::new(SystemTime::now);
    let state = AppState {
        callers: Callers::new(authenticator.clone(), config.token.clone(), config.passthrough),
        authenticator,
        reads: Reads::new(tiers, versions.clone(), upstream.clone(), stats.clone(), clock),
        writes: Writes::new(upstream.clone(), versions, stats.clone()),
        upstream,
        stats,
    };

    let Built { router, openapi, .. } = routes::own(state.authenticator.clone());
    let mode = match (&config.token, config.airtable.authority()) {
        (_, "api.airtable.com") => "live",
        (TokenSource::Emulator(_) | TokenSource::EmulatorFile(_), _) => "emulate",
        _ => "custom",
    };
    let health = Health::new(SERVICE, env!("CARGO_PKG_VERSION"), config.shutdown.clone())
        .fact("mode", mode)
        .checks(stores.checks())
        .openapi(openapi);
    let routes = routes::with_drop_in(router.layer(map_request(routes::accept_old_key_header)))
        .merge(health.router())
        .with_state(state);
    Ok(with_shared_layers(routes, [AIRTABLE, RECORDS, Subtree::OWN], SERVICE))
}

/// Method, path and rule of every route of our own dialect; `/v0/**` has one rule for all its calls.
pub fn route_table(authenticator: Authenticator) -> Vec<RouteEntry> {
    routes::own(authenticator).table
}
