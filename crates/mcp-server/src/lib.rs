#![doc = include_str!("../README.md")]

mod arguments;
mod cells;
mod config;
mod context;
mod decimal;
mod error;
mod formula;
mod gateway;
mod http;
mod links;
mod names;
mod render;
mod schema;
mod seal;
mod server;
mod stdio;
mod tools;
mod turns;
mod write;

use axum::Router;
use service_kit::auth::{Authenticator, PrincipalSigner};
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::health::{Check, Health, Impact};
use service_kit::outbound::OutboundError;
use service_kit::routes::{RouteEntry, Rule};
use service_kit::stores::Stores;
use storage::StorageError;

pub use config::{Config, LISTEN, Transport};
pub use stdio::serve_stdio;

use gateway::Gateway;
use seal::Sealer;
use server::{Callers, McpServer};

/// The name in logs, metrics and `/health`.
pub const SERVICE: &str = "mcp-server";

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the stores cannot be opened")]
    Store(#[from] StorageError),
    #[error("calls to the gateway cannot be set up")]
    Client(#[from] OutboundError),
    #[error(
        "the services' common key cannot be kept in a file under DATA_DIR: set INTERNAL_API_KEY, or make DATA_DIR writable"
    )]
    InternalKey(#[source] std::io::Error),
    #[error(
        "there is no API key: set PYAIRTABLE_API_KEY, or start `pyairtable` once, which mints one in DATA_DIR"
    )]
    NoKey(#[source] std::io::Error),
    #[error("the file local-api-key in DATA_DIR holds no API key")]
    NotAKey,
    #[error("the client on standard input does not speak the Model Context Protocol")]
    Stdio(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The whole service over HTTP, ready to be served.
pub async fn app(config: Config) -> Result<Router, StartError> {
    let stores = match &config.opened {
        Some(stores) => stores.clone(),
        None => Stores::open(&config.stores, config.shutdown.clone()).await?,
    };
    let key = config.internal_key.open().map_err(StartError::InternalKey)?;
    let authenticator =
        Authenticator::new(stores.keys.clone(), Some(key.clone())).with_operator(config.operator_key.clone());
    service_kit::telemetry::metrics::handle();
    let gateway = Gateway::new(config.gateway.clone())?;
    let callers = Callers::Many(PrincipalSigner::new(key.clone()));
    let server = McpServer::new(gateway.clone(), callers, Sealer::new(key), stores.claims.clone());

    let reach = Check::new("gateway", Impact::Degrades, move || {
        let gateway = gateway.clone();
        async move { gateway.ping().await }
    });
    let health = Health::new(SERVICE, env!("CARGO_PKG_VERSION"), config.shutdown.clone())
        .checks(stores.checks())
        .check(reach);
    let routes = http::router(server, authenticator, &config).merge(health.router());
    Ok(with_shared_layers(routes, [http::MCP, Subtree::OWN], SERVICE))
}

/// Path and rule of every route that is not of the health routes.
pub fn route_table() -> Vec<RouteEntry> {
    [http::PATH, http::PATH_TOO]
        .map(|path| RouteEntry { method: None, path: path.to_owned(), rule: Rule::AnyPrincipal })
        .to_vec()
}
