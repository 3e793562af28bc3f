//! What the system tests share: a running emulator and gateway, a client, raw bytes, and waiting.

pub(crate) mod agents;
pub(crate) mod apart;
pub(crate) mod chat;
pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod gate;
pub(crate) mod mcp;
pub(crate) mod model;
pub(crate) mod orchestrator;
pub(crate) mod processes;
pub(crate) mod raw;
pub(crate) mod scripted;
pub(crate) mod seeds;
pub(crate) mod system;
pub(crate) mod world;

use std::time::Duration;

/// How long a condition may take to come true on a busy machine. No test waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until `condition` gives a value.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let asking = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// A number from the environment, for tests whose size `scripts/test.sh` raises.
#[expect(clippy::disallowed_methods, reason = "a test's size, not a service's setting")]
pub(crate) fn number_from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number")),
        Err(_) => default,
    }
}
