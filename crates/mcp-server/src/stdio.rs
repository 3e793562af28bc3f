//! Standard input and output: one client, with the rights of one key. Nothing but messages may stand on standard output.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rmcp::ServiceExt as _;
use service_kit::config::Secret;
use service_kit::keys::ApiKey;
use service_kit::private_file;
use storage::{Claims, StorageError};

use crate::StartError;
use crate::config::Config;
use crate::gateway::{Credential, Gateway};
use crate::seal::Sealer;
use crate::server::{Callers, McpServer};

/// Serves until the client closes its end, or a stop is asked for.
pub async fn serve_stdio(config: Config) -> Result<(), StartError> {
    let key = match &config.api_key {
        Some(key) => key.clone(),
        None => local_key(&config.local_key_file())?,
    };
    let gateway = Gateway::new(config.gateway.clone())?;
    let sealer = Sealer::new(Secret::fixed(random()?));
    let server = McpServer::new(gateway, Callers::One(Credential::Key(key)), sealer, Arc::<Once>::default());
    let running = server
        .serve(rmcp::transport::stdio_pipes())
        .await
        .map_err(|error| StartError::Stdio(error.into()))?;
    let stop = running.cancellation_token();
    let shutdown = config.shutdown.clone();
    tokio::spawn(async move {
        shutdown.requested().await;
        stop.cancel();
    });
    running.waiting().await.map(drop).map_err(|error| StartError::Stdio(error.into()))
}

/// The key that `pyairtable up` minted for the owner of this machine.
fn local_key(path: &Path) -> Result<Secret, StartError> {
    let text = private_file::read(path).map_err(StartError::NoKey)?;
    ApiKey::parse(&text).map_err(|_| StartError::NotAKey)?;
    Secret::from_file(path).map_err(|error| StartError::NoKey(std::io::Error::other(error)))
}

/// What this process signs with: its client brings back nothing of another process.
fn random() -> Result<String, StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StartError::NoKey(std::io::Error::other(error)))?;
    Ok(hex::encode(bytes))
}

/// One-time tokens of a process that nobody shares.
#[derive(Default)]
struct Once(Mutex<HashMap<String, Instant>>);

#[async_trait]
impl Claims for Once {
    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, StorageError> {
        let now = Instant::now();
        let mut claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.retain(|_, until| *until > now);
        Ok(claimed.insert(key.to_owned(), now + ttl).is_none())
    }
}
