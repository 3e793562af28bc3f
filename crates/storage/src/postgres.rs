mod address;
mod claims;
mod keys;
mod migrations;
mod sessions;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::timeout;

pub use address::{InvalidPostgresAddress, PostgresAddress};

use crate::StorageError;

/// Connections of one process. All processes together should stay below four fifths of the server's `max_connections`.
const MOST_CONNECTIONS: u32 = 10;

/// How long a call waits for a connection: for a free one, or for the server to accept a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Servers are replaced, and names point elsewhere: no connection outlives this.
const MAX_LIFETIME: Duration = Duration::from_secs(1800);

/// What the server ends by itself: a statement, a wait for a lock, a transaction that nobody goes on with.
const SESSION_LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "5s"), ("lock_timeout", "2s"), ("idle_in_transaction_session_timeout", "10s")];

/// How long a call may take in all, for when the server hangs and ends nothing.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Attempts at a transaction that the server rolled back because of others.
const ATTEMPTS: u32 = 3;

/// All durable state in a Postgres database, in a schema `pyairtable` of its own.
///
/// Cloning is cheap. Connections are made when they are needed, and made again when they break.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    is_prepared: Arc<AtomicBool>,
}

impl PostgresStore {
    /// A store that has not been reached yet: before [`PostgresStore::prepare`] has succeeded, all calls fail with
    /// `StorageError::Unavailable`.
    pub fn new(address: &PostgresAddress) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(MOST_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .max_lifetime(MAX_LIFETIME)
            .test_before_acquire(true)
            .connect_lazy_with(connect_options(address));
        Self { pool, is_prepared: Arc::default() }
    }

    /// Connects and brings the schema up to date. Several processes may do so at once.
    pub async fn prepare(&self) -> Result<(), StorageError> {
        migrations::run(&self.pool).await?;
        self.is_prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// Connects with this address from now on; connections that are open stay.
    pub fn move_to(&self, address: &PostgresAddress) {
        self.pool.set_connect_options(connect_options(address));
    }

    /// Asks the database for an answer; for readiness.
    pub async fn ping(&self) -> Result<(), StorageError> {
        run("ask the database", sqlx::query("SELECT 1").execute(self.pool()?)).await.map(drop)
    }

    /// Waits for running statements and closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The connections; none before the schema is known to be right.
    fn pool(&self) -> Result<&PgPool, StorageError> {
        if self.is_prepared.load(Ordering::Acquire) {
            Ok(&self.pool)
        } else {
            Err(StorageError::Unavailable { what: "the database" })
        }
    }

    /// Begins a transaction; for [`PostgresStore::transact`].
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, Failure> {
        Ok(self.pool()?.begin().await?)
    }

    /// Does something in limited time, again if the server rolled it back because of others: `work` is all or nothing.
    async fn transact<T, F>(&self, action: &'static str, work: impl Fn() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let attempts = async {
            let mut attempt = 1;
            loop {
                match work().await {
                    Err(Failure::Sql(error)) if attempt < ATTEMPTS && was_rolled_back(&error) => attempt += 1,
                    done => return done,
                }
            }
        };
        match timeout(CALL_LIMIT, attempts).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Failure::Refused(error))) => Err(error),
            Ok(Err(Failure::Sql(source))) => Err(StorageError::Database { action, source }),
            Err(_) => Err(StorageError::Database { action, source: late() }),
        }
    }
}

fn connect_options(address: &PostgresAddress) -> PgConnectOptions {
    let options = address.options().application_name("pyairtable");
    options.options(SESSION_LIMITS).options([("search_path", migrations::SCHEMA)])
}

/// Waits for a single statement in limited time.
async fn run<T>(
    action: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StorageError> {
    let done = timeout(CALL_LIMIT, statement).await;
    done.unwrap_or_else(|_| Err(late())).map_err(StorageError::database(action))
}

fn late() -> sqlx::Error {
    sqlx::Error::Io(io::ErrorKind::TimedOut.into())
}

/// Why work within a transaction ended.
enum Failure {
    Sql(sqlx::Error),
    /// The database works; the answer is no.
    Refused(StorageError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Refused(error)
    }
}

/// `serialization_failure` or `deadlock_detected`: nothing was done, and doing it again may succeed.
fn was_rolled_back(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}
