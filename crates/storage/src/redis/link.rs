//! The connection to Redis, and what happens when it is lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, ScriptInvocation};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::RedisAddress;
use crate::StorageError;

/// How long a call may take. Redis answers within a millisecond, unless it, or this machine, is in trouble.
const CALL_LIMIT: Duration = Duration::from_secs(1);

const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// How often a lost connection is tried again.
const RECONNECT_EVERY: Duration = Duration::from_millis(250);

pub(super) struct Link {
    client: Mutex<Client>,
    /// For the log.
    address: RedisAddress,
    connection: Mutex<Option<MultiplexedConnection>>,
    was_reached: AtomicBool,
    /// How often the connection was lost.
    losses: AtomicU64,
}

impl Link {
    pub(super) fn new(address: &RedisAddress) -> Result<Self, StorageError> {
        Ok(Self {
            client: Mutex::new(client(address)?),
            address: address.clone(),
            connection: Mutex::new(None),
            was_reached: AtomicBool::new(false),
            losses: AtomicU64::new(0),
        })
    }

    /// Connects, unless it is connected.
    pub(super) async fn connect(&self) -> Result<(), StorageError> {
        if self.connection().is_none() {
            let connection = self.reach().await?;
            *self.connection() = Some(connection);
            self.was_reached.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Connects with this address from now on; the connection that is open stays.
    pub(super) fn move_to(&self, address: &RedisAddress) -> Result<(), StorageError> {
        let client = client(address)?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection().is_some()
    }

    /// Whether there ever was a connection.
    pub(super) fn was_reached(&self) -> bool {
        self.was_reached.load(Ordering::Acquire)
    }

    /// How often the connection was lost. What Redis knew before may have been lost with it.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Sends one command.
    pub(super) async fn call<T: FromRedisValue>(
        self: &Arc<Self>,
        action: &'static str,
        command: &Cmd,
    ) -> Result<T, StorageError> {
        let mut connection = self.connected()?;
        self.settle(action, timeout(CALL_LIMIT, command.query_async(&mut connection)).await)
    }

    /// Runs a script.
    pub(super) async fn run<T: FromRedisValue>(
        self: &Arc<Self>,
        action: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StorageError> {
        let mut connection = self.connected()?;
        self.settle(action, timeout(CALL_LIMIT, script.invoke_async(&mut connection)).await)
    }

    fn connected(&self) -> Result<MultiplexedConnection, StorageError> {
        self.connection().clone().ok_or(StorageError::Unavailable { what: "Redis" })
    }

    fn settle<T, E>(
        self: &Arc<Self>,
        action: &'static str,
        outcome: Result<Result<T, RedisError>, E>,
    ) -> Result<T, StorageError> {
        let source = match outcome {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            Err(_) => std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        };
        if is_loss(&source) {
            self.lose(&source);
        }
        Err(StorageError::Redis { action, source })
    }

    /// Gives the connection up and sees to a new one. Whatever was under way on it may have been done or not.
    fn lose(self: &Arc<Self>, error: &RedisError) {
        if self.connection().take().is_none() {
            return; // somebody else noticed, and sees to it
        }
        self.losses.fetch_add(1, Ordering::AcqRel);
        warn!(redis.address = %self.address, "Redis at {} is lost: {error}", self.address);
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let Some(link) = this.upgrade() else { return };
                if link.connect().await.is_ok() {
                    info!(redis.address = %link.address, "Redis at {} is back", link.address);
                    return;
                }
                drop(link);
                sleep(RECONNECT_EVERY).await;
            }
        });
    }

    /// A new connection on which Redis has answered.
    async fn reach(&self) -> Result<MultiplexedConnection, StorageError> {
        let failed = |source| StorageError::Redis { action: "reach Redis", source };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(CONNECT_LIMIT));
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reached = async {
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await?;
            Ok(connection)
        };
        let late = |_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
        timeout(CONNECT_LIMIT * 2, reached).await.unwrap_or_else(late).map_err(failed)
    }

    fn connection(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(address: &RedisAddress) -> Result<Client, StorageError> {
    if address.is_encrypted() {
        // Somebody else may have chosen it already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Client::open(address.info()).map_err(|source| StorageError::Redis { action: "use Redis", source })
}

/// Whether the server cannot be talked to, rather than having said no.
fn is_loss(error: &RedisError) -> bool {
    use redis::{ErrorKind, ServerErrorKind};
    matches!(
        error.kind(),
        ErrorKind::Io
            | ErrorKind::Parse
            | ErrorKind::AuthenticationFailed
            // It reads its data after a start; it is a replica that was a primary before.
            | ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    )
}
