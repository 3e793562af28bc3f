#![doc = include_str!("../README.md")]

mod approvals;
mod chat;
mod config;
mod cost;
mod error;
mod events;
mod idempotency;
mod models;
mod openai;
mod prompt;
mod routes;
mod runner;
mod sessions;
mod state;
mod stats;
mod tools;
mod turn;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_request;
use llm_api::{Provider, gemini};
use service_kit::Dialect;
use service_kit::auth::{Authenticator, PrincipalSigner};
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::health::{Check, Health, Impact};
use service_kit::outbound::{OutboundError, http_client};
use service_kit::routes::{Built, RouteEntry};
use service_kit::stores::Stores;
use storage::StorageError;

pub use config::{Config, KeySource, LISTEN};

use idempotency::Idempotency;
use models::Models;
use runner::Runner;
use sessions::Sessions;
use state::{AppState, Shared};
use tools::Tools;
use turn::Limits;

/// The name in logs, metrics and `/health`.
pub const SERVICE: &str = "llm-orchestrator";

/// Pictures travel in the body.
const BODY_LIMIT: usize = 20 << 20;

/// What a request has beyond its run: to begin, and to be answered.
const AROUND_RUN: Duration = Duration::from_secs(15);

/// Why the orchestrator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The stores cannot be opened.
    #[error("the stores cannot be opened")]
    Store(#[from] StorageError),
    /// The key that services vouch for callers with cannot be read or made.
    #[error("the services' common key cannot be kept")]
    InternalKey(#[source] std::io::Error),
    /// An HTTP client cannot be set up.
    #[error("calls to other services cannot be set up")]
    Client(#[from] OutboundError),
}

/// The whole service, ready to be served.
pub async fn app(config: Config) -> Result<Router, StartError> {
    let stores = match config.opened {
        Some(stores) => stores,
        None => Stores::open(&config.stores, config.shutdown.clone()).await?,
    };
    let internal_key = config.internal_key.open().map_err(StartError::InternalKey)?;
    let signer = PrincipalSigner::new(internal_key.clone());
    let authenticator = Authenticator::new(stores.keys.clone(), Some(internal_key))
        .with_operator(config.operator_key.clone());
    service_kit::telemetry::metrics::handle();
    stats::describe();

    let http = http_client(&config.gemini.to_uri())?;
    let provider = Provider::Gemini(gemini::Client::new(http, config.gemini.clone(), config.key.key()));
    let mode = match (&config.key, config.gemini.authority()) {
        (_, "generativelanguage.googleapis.com") => "live",
        (KeySource::Emulator(_) | KeySource::EmulatorFile(_), _) => "emulate",
        _ => "custom",
    };
    let tools = Tools::new(&config.mcp_server, signer)?;
    let sessions = Sessions::new(stores.sessions.clone());
    let limits = Limits {
        steps: config.max_steps,
        tool_calls: config.max_tool_calls,
        time: config.turn_timeout,
        tokens: config.max_turn_tokens,
    };
    let runner = Runner {
        provider: provider.clone(),
        tools: tools.clone(),
        limits,
        watch: watch::ModelWatch::default(),
        shutdown: config.shutdown.clone(),
    };
    let watch = runner.watch.clone();
    tokio::spawn(sessions.clone().purge_old(config.session_ttl, config.shutdown.clone()));
    let state = AppState {
        runner,
        sessions,
        models: Models::new(provider, &config.model),
        idempotency: Idempotency::default(),
        settings: Arc::new(Shared {
            listen: config.listen,
            max_output_tokens: config.max_output_tokens,
            thinking_budget: config.thinking_budget,
            emulated: mode == "emulate",
        }),
    };

    let Built { router, openapi, .. } = routes::all(authenticator);
    let health = Health::new(SERVICE, env!("CARGO_PKG_VERSION"), config.shutdown.clone())
        .fact("model_mode", mode)
        .fact("model", config.model.as_str())
        .fact("emulated", mode == "emulate")
        .checks(stores.checks())
        .check(Check::new("mcp", Impact::Degrades, move || {
            let tools = tools.clone();
            async move { tools.probe().await }
        }))
        .check(Check::new("model", Impact::Degrades, move || {
            let watch = watch.clone();
            async move { watch.look() }
        }))
        .openapi(openapi);
    let routes = router
        // The edge has its own.
        .layer(DefaultBodyLimit::disable())
        .layer(map_request(routes::accept_old_key_header))
        .merge(health.router())
        .with_state(state);
    Ok(with_shared_layers(routes, subtrees(config.turn_timeout), SERVICE))
}

/// Method, path and rule of every route.
pub fn route_table(authenticator: Authenticator) -> Vec<RouteEntry> {
    routes::all(authenticator).table
}

fn subtrees(turn_timeout: Duration) -> [Subtree; 3] {
    let deadline = turn_timeout + AROUND_RUN;
    [
        Subtree { prefix: "/v1", dialect: Dialect::OpenAi, body_limit: BODY_LIMIT, deadline },
        Subtree { prefix: "/api/v1/chat", body_limit: BODY_LIMIT, deadline, ..Subtree::OWN },
        Subtree::OWN,
    ]
}
